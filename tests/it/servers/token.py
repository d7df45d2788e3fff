"""The token service of a registry: `token.py CERT KEY USER PASSWORD READER`. READER has the same password and may only pull."""
import base64, http.server, json, os, ssl, subprocess, sys, threading, time, urllib.parse

cert, key, user, password, reader = sys.argv[1:]
chain = base64.b64encode(ssl.PEM_cert_to_DER_cert(open(cert).read())).decode()


def encode(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def token(account, service, scopes):
    access = []
    for scope in scopes:
        kind, rest = scope.split(":", 1)
        name, actions = rest.rsplit(":", 1)
        allowed = [one for one in actions.split(",") if account == user or one == "pull"]
        access.append({"type": kind, "name": name, "actions": allowed})
    now = int(time.time())
    claims = {"iss": "test", "sub": account, "aud": service, "iat": now, "nbf": now - 5, "exp": now + 60, "jti": str(now), "access": access}
    text = encode(json.dumps({"typ": "JWT", "alg": "RS256", "x5c": [chain]}).encode()) + "." + encode(json.dumps(claims).encode())
    signed = subprocess.run(["openssl", "dgst", "-sha256", "-sign", key], input=text.encode(), stdout=subprocess.PIPE, check=True)
    return text + "." + encode(signed.stdout)


class Service(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
        scopes = [one for text in query.get("scope", []) for one in text.split(" ") if one]
        login = self.headers.get("Authorization", "").removeprefix("Basic ")
        account, _, given = base64.b64decode(login).decode().partition(":")
        if given != password or account not in (user, reader):
            return self.reply(401, {"details": "incorrect username or password"})
        self.reply(200, {"token": token(account, query["service"][0], scopes)})

    def do_POST(self):
        # As most registries do: only the older way is known.
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.reply(404, {})

    def reply(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Service)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(server.server_address[1])
sys.stdin.read()
os._exit(0)
