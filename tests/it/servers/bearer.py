"""Stands before a real API server and lets in only who brings a token that is good now, as a cloud's cluster does.

usage: bearer.py CONFIG. CONFIG is JSON: `server`, `ca`, `cert`, `key` (the real API server and an administrator's files),
`own_cert`, `own_key` (what it shows itself), `log` (one line a request: status, SHA-256 of the token, method, path), and who is
let in: `tokens`, a file with lines `TOKEN SECONDS-SINCE-EPOCH-WHEN-IT-ENDS` that is read again for each request, or `review`, the
URL of a server that gets {"token": ...} and answers 200 for one that is good.
"""

import hashlib
import http.client
import http.server
import json
import ssl
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

config = json.load(open(sys.argv[1]))
real = urllib.parse.urlsplit(config["server"])
to_real = ssl.create_default_context(cafile=config["ca"])
to_real.load_cert_chain(config["cert"], config["key"])
lock = threading.Lock()


def is_good(token):
    if "review" in config:
        body = json.dumps({"token": token}).encode()
        request = urllib.request.Request(config["review"], body, {"Content-Type": "application/json"})
        try:
            return urllib.request.urlopen(request, timeout=10).status == 200
        except urllib.error.HTTPError:
            return False
    for line in open(config["tokens"]):
        known, ends = line.split()
        if known == token and time.time() < float(ends):
            return True
    return False


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def serve(self):
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if scheme != "Bearer" or not is_good(token):
            self.note(401, token)
            status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": "Unauthorized", "reason": "Unauthorized", "code": 401}
            text = json.dumps(status).encode()
            self.send_response(401)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)
            return
        kept = {name: value for name, value in self.headers.items() if name.lower() not in ("authorization", "host", "connection", "accept-encoding")}
        upstream = http.client.HTTPSConnection(real.hostname, real.port, context=to_real)
        try:
            upstream.request(self.command, self.path, body or None, kept)
            answer = upstream.getresponse()
            self.note(answer.status, token)
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in ("connection", "content-length", "transfer-encoding"):
                    self.send_header(name, value)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            # A watch is told as it happens.
            while piece := answer.read1(65536):
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                self.wfile.flush()
            self.wfile.write(b"0\r\n\r\n")
        except (OSError, http.client.HTTPException):
            self.close_connection = True
        finally:
            upstream.close()

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = serve

    def note(self, status, token):
        digest = hashlib.sha256(token.encode()).hexdigest()[:12] if token else "-"
        with lock, open(config["log"], "a") as log:
            log.write(f"{status} {digest} {self.command} {self.path}\n")

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
shown = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
shown.load_cert_chain(config["own_cert"], config["own_key"])
server.socket = shown.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
print(server.server_address[1], flush=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
sys.stdin.read()
