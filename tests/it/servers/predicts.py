"""A server for tests: MODE says how it behaves. /predict answers twice the number, /health says ok."""

import itertools
import json
import os
import random
import sys
import traceback
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MODE = os.environ.get("MODE", "good")
NOISE = itertools.cycle([1, -1])


def double(x):
    if MODE == "broken":
        from sklearn.ensemble import RandomForestClassifier  # noqa: F401
    if MODE == "random":
        return random.random()
    if MODE == "noisy":
        # Never twice the same, and never as recorded: chance would now and then be too small to be seen.
        return 2 * x * (1 + next(NOISE) * 8e-6)
    if MODE == "wrong" and x == 3:
        return 7.0
    if MODE == "nan":
        return float("nan")
    return 2.0 * x


def answer(path, body):
    if path == "/predict":
        return {"y": double(body["x"]), "label": "cat"}
    if path == "/invocations" and MODE in ("mlflow", "broken"):
        return {"predictions": [double(row[0]) for row in body["dataframe_split"]["data"]]}
    if path == "/v1/models/wine:predict" and MODE == "v1":
        return {"predictions": [double(x) for x in body["instances"]]}
    if path == "/v2/repository/index" and MODE == "v2":
        return [{"name": "wine", "state": "READY"}]
    if path == "/v2/models/wine/infer" and MODE == "v2":
        data = [double(x) for x in body["inputs"][0]["data"]]
        output = {"name": "y", "shape": [len(data)], "datatype": "FP64", "data": data}
        return {"id": str(random.random()), "model_name": "wine", "outputs": [output]}
    return None


class Handler(BaseHTTPRequestHandler):
    def reply(self, status, body):
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def do_GET(self):
        if self.path == "/v1/models" and MODE == "v1":
            self.reply(200, {"models": ["wine"]})
        elif self.path == "/health" and MODE != "sick":
            self.reply(200, "ok")
        else:
            self.reply(503 if self.path == "/health" else 404, "no")

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        try:
            found = answer(self.path, body)
        except Exception:
            traceback.print_exc()
            self.reply(500, {"error": "internal"})
            return
        self.reply(404 if found is None else 200, found)


if MODE == "exits":
    print("no license found", file=sys.stderr)
    sys.exit(3)
ThreadingHTTPServer(("0.0.0.0", 8080), Handler).serve_forever()
