"""A package index with a password, over TLS, that holds one wheel: `index.py ADDRESS CERT KEY USER PASSWORD PACKAGE`."""
import base64, hashlib, http.server, io, os, ssl, sys, threading, zipfile

address, cert, key, user, password, package = sys.argv[1:]
module = package.replace("-", "_")
name = f"{module}-1.0-py3-none-any.whl"


def wheel():
    info = f"{module}-1.0.dist-info"
    files = {
        f"{module}.py": "WORD = 'from-the-private-index'\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files[f"{info}/RECORD"] = "".join(f"{path},,\n" for path in [*files, f"{info}/RECORD"])
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as out:
        for path, text in files.items():
            out.writestr(path, text)
    return archive.getvalue()


WHEEL = wheel()
LOGIN = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


class Index(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.headers.get("Authorization") != LOGIN:
            return self.reply(401, "text/plain", b"who are you?", {"WWW-Authenticate": 'Basic realm="index"'})
        if self.path == f"/simple/{package}/":
            digest = hashlib.sha256(WHEEL).hexdigest()
            return self.reply(200, "text/html", f'<a href="/files/{name}#sha256={digest}">{name}</a>'.encode())
        if self.path == f"/files/{name}":
            return self.reply(200, "application/octet-stream", WHEEL)
        self.reply(404, "text/plain", b"no such package")

    do_HEAD = do_GET

    def reply(self, status, kind, body, headers={}):
        self.send_response(status)
        for key, value in {"Content-Type": kind, "Content-Length": str(len(body)), **headers}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer((address, 0), Index)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(cert, key)
server.socket = context.wrap_socket(server.socket, server_side=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(server.server_address[1])
sys.stdin.read()
os._exit(0)
