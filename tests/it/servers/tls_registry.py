"""In front of a registry, over TLS, with a login: `tls_registry.py CONFIG`.

CONFIG is JSON: `registry` (HOST:PORT), `cert`, `key`, `user`, and either `password` or `tokens`, a file with lines `TOKEN SECONDS-SINCE-EPOCH-WHEN-IT-ENDS`
whose tokens are passwords until they end; `slow` (seconds that the first upload of a layer takes); `refused` and `absent`, parts of paths of repositories
that may not be written to, and that are not there."""
import base64, http.client, http.server, json, os, ssl, sys, threading, time

config = json.load(open(sys.argv[1]))
slow, lock = [config.get("slow", 0)], threading.Lock()


def is_good(password):
    if "password" in config:
        return password == config["password"]
    known = [line.split() for line in open(config["tokens"])]
    return any(one == password and time.time() < float(ends) for one, ends in known)


class Registry(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def serve(self):
        login = self.headers.get("Authorization", "").removeprefix("Basic ")
        user, _, password = base64.b64decode(login).decode().partition(":")
        body = self.body()
        if user != config["user"] or not is_good(password):
            return self.refuse(401, "UNAUTHORIZED", "authentication failed")
        if self.command not in ("GET", "HEAD"):
            if config.get("refused", "\0") in self.path:
                return self.refuse(403, "DENIED", "Permission \"artifactregistry.repositories.uploadArtifacts\" denied on resource (or it may not exist)")
            if config.get("absent", "\0") in self.path:
                return self.refuse(404, "NAME_UNKNOWN", "Repository not found")
        if self.command == "PATCH" and len(body) > 0:
            with lock:
                wait, slow[0] = slow[0], 0
            time.sleep(wait)
        upstream = http.client.HTTPConnection(config["registry"], timeout=60)
        upstream.putrequest(self.command, self.path, skip_accept_encoding=True, skip_host=True)
        for name, value in self.headers.items():
            if name.lower() not in ("authorization", "connection", "transfer-encoding", "content-length"):
                upstream.putheader(name, value)
        upstream.putheader("Content-Length", str(len(body)))
        upstream.endheaders(body)
        answer = upstream.getresponse()
        said = answer.read()
        # What the registry takes for its own address is ours.
        headers = [(name, value.replace("http://", "https://") if name.lower() == "location" else value) for name, value in answer.getheaders()]
        self.reply(answer.status, headers, said)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = serve

    def body(self):
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        found = b""
        while size := int(self.rfile.readline(), 16):
            found += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return found

    def refuse(self, status, code, message):
        said = json.dumps({"errors": [{"code": code, "message": message}]}).encode()
        headers = [("Content-Type", "application/json"), ("WWW-Authenticate", 'Basic realm="test"')]
        self.reply(status, headers, said)

    def reply(self, status, headers, said):
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() not in ("connection", "content-length", "transfer-encoding") or name.lower() == "content-length" and self.command == "HEAD":
                self.send_header(name, value)
        if self.command != "HEAD":
            self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(said)

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Registry)
shown = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
shown.load_cert_chain(config["cert"], config["key"])
server.socket = shown.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(server.server_address[1])
sys.stdin.read()
os._exit(0)
