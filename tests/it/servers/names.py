"""The names of a cloud: `names.py CONFIG`, a proxy that answers for every host itself. CONFIG is JSON: `cert`, `key` (of all these names), `azure`
(where the directory and Resource Manager really are), `log` (gets `HOST METHOD PATH`, and of an exchange of tokens what was shown, one a line).

A host with `azurecr` in its name is a registry that lets nobody push."""
import base64, http.server, json, os, ssl, sys, threading, time, urllib.error, urllib.parse, urllib.request

config = json.load(open(sys.argv[1]))
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(config["cert"], config["key"])
lock = threading.Lock()


class Names(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    name = None

    def do_CONNECT(self):
        self.send_response_only(200)
        self.end_headers()
        self.name = self.path.rsplit(":", 1)[0]
        self.connection = self.request = context.wrap_socket(self.connection, server_side=True)
        self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb", 0)

    def do(self):
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        path = urllib.parse.urlsplit(self.path).path
        form = dict(urllib.parse.parse_qsl(body.decode("utf-8", "replace")))
        shown = f" {form['service']} {form['access_token']}" if path == "/oauth2/exchange" else ""
        with lock, open(config["log"], "a") as log:
            log.write(f"{self.name} {self.command} {path}{shown}\n")
        answer = self.registry(path) if "azurecr" in self.name else self.azure(body)
        self.reply(*answer)

    do_GET = do_POST = do_PUT = do_HEAD = do_DELETE = do_PATCH = do

    def azure(self, body):
        kept = {name: value for name, value in self.headers.items() if name.lower() not in ("host", "connection", "content-length")}
        request = urllib.request.Request(config["azure"] + self.path, body or None, kept, method=self.command)
        try:
            with urllib.request.urlopen(request, timeout=60) as got:
                return got.status, got.read(), {"content-type": "application/json"}
        except urllib.error.HTTPError as error:
            return error.code, error.read(), {"content-type": "application/json"}

    def registry(self, path):
        kind = {"content-type": "application/json"}
        if path == "/oauth2/exchange":
            claims = base64.urlsafe_b64encode(json.dumps({"exp": int(time.time()) + 3600}).encode()).rstrip(b"=").decode()
            return 200, json.dumps({"refresh_token": f"e30.{claims}.cGxhbnRlZA"}).encode(), kind
        if path == "/oauth2/token":
            return 200, b'{"access_token": "planted-registry-token"}', kind
        if not self.headers.get("authorization", "").startswith("Bearer "):
            challenge = f'Bearer realm="https://{self.name}/oauth2/token",service="{self.name}"'
            return 401, b'{"errors": [{"code": "UNAUTHORIZED", "message": "authentication required"}]}', {**kind, "www-authenticate": challenge}
        return 403, b'{"errors": [{"code": "DENIED", "message": "requested access to the resource is denied"}]}', kind

    def reply(self, status, body, headers):
        self.send_response_only(status)
        self.send_header("content-length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Names)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(server.server_address[1])
sys.stdin.read()
os._exit(0)
