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
    if path == "/predict" and MODE != "bento":
        return {"y": double(body["x"]), "label": "cat"}
    if path == "/invocations" and MODE in ("mlflow", "broken"):
        return {"predictions": [double(row[0]) for row in body["dataframe_split"]["data"]]}
    if path == "/invocations" and MODE == "fussy":
        raise ValueError("found unknown categories")
    if path == "/score" and MODE == "wrapped":
        return {"took": random.random(), "data": [{"score": double(row["x"])} for row in body["instances"]]}
    if path == "/classify" and MODE == "bento":
        return double(body["x"])
    if path == "/v1/models/wine:predict" and MODE == "v1":
        return {"predictions": [double(x) for x in body["instances"]]}
    if path == "/v2/repository/index" and MODE == "v2":
        return [{"name": "wine", "state": "READY"}]
    if path == "/v2/models/wine/infer" and MODE == "v2":
        data = [double(x) for x in body["inputs"][0]["data"]]
        output = {"name": "y", "shape": [len(data)], "datatype": "FP64", "data": data}
        return {"id": str(random.random()), "model_name": "wine", "outputs": [output]}
    return None


def described():
    """What BentoML says of itself at /docs.json, cut to what matters."""
    schema = {"$ref": "#/components/schemas/classify__Input"}
    post = {"x-bentoml-name": "classify", "requestBody": {"content": {"application/json": {"schema": schema}}}}
    known = {"classify__Input": {"properties": {"x": {"type": "number"}}, "required": ["x"]}}
    return {"paths": {"/livez": {"get": {}}, "/classify": {"post": post}}, "components": {"schemas": known}}


HOSTILE = {
    "deep": b"[" * 10000,
    "huge": b'{"y": 1e999, "label": "cat"}',
    "page": b"<html>log in first</html>",
}


class Handler(BaseHTTPRequestHandler):
    def hostile(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(HOSTILE.get(MODE, b""))
        while MODE == "endless":
            self.wfile.write(b"[" * 65536)

    def reply(self, status, body):
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def do_GET(self):
        if self.path == "/docs.json" and MODE == "bento":
            self.reply(200, described())
        elif self.path == "/v1/models" and MODE == "v1":
            self.reply(200, {"models": ["wine"]})
        elif self.path == "/health" and MODE != "sick":
            self.reply(200, "ok")
        else:
            self.reply(503 if self.path == "/health" else 404, "no")

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if MODE in HOSTILE or MODE == "endless":
            return self.hostile()
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
