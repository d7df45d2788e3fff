"""A container as SageMaker wants it: started with `serve`, /ping answers 200, /invocations answers twice the number. MODE says how
it misbehaves. Started with `beside` it stands in for containers: its port is of the system's choice, and it ends with its input."""

import json
import os
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MODE = os.environ.get("MODE", "good")
BESIDE = sys.argv[1:] == ["beside"]
if sys.argv[1:] != ["serve"] and not BESIDE:
    sys.exit(f"started with {sys.argv[1:]}, not with serve")
if MODE == "broken":
    import sklearn  # noqa: F401


class Handler(BaseHTTPRequestHandler):
    def say(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.say(200 if self.path == "/ping" else 404, {})

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path != "/invocations" or MODE == "deaf":
            return self.say(404, {})
        x = json.loads(body).get("x", 0)
        if MODE == "wrong" and x == 3:
            return self.say(500, {"error": "unknown category"})
        return self.say(200, {"y": 2.0 * x})


server = ThreadingHTTPServer(("127.0.0.1", 0) if BESIDE else ("0.0.0.0", 8080), Handler)
if BESIDE:
    print(server.server_address[1], flush=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.read()
    os._exit(0)
server.serve_forever()
