"""The token service of a registry: `token_service.py CERT KEY USER PASSWORD READER`. READER has the same password and may only pull."""
import base64, http.server, json, os, sys, threading, urllib.parse

from signed import Signer

cert, key, user, password, reader = sys.argv[1:]
signer = Signer(cert, key)


class Service(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
        scopes = [one for text in query.get("scope", []) for one in text.split(" ") if one]
        login = self.headers.get("Authorization", "").removeprefix("Basic ")
        account, _, given = base64.b64decode(login).decode().partition(":")
        if given != password or account not in (user, reader):
            return self.reply(401, {"details": "incorrect username or password"})
        allowed = lambda action: account == user or action == "pull"
        self.reply(200, {"token": signer.token(account, query["service"][0], scopes, allowed)})

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
