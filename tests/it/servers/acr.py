"""A registry of Azure: `acr.py CONFIG`, before a real one that trusts tokens of ours. CONFIG is JSON: `folder` (the real one's address is
in its file `upstream`; `log` gets `METHOD PATH STATUS`, `tokens` what was handed out and `ours` what of it went to ml-deploy itself, one a line), `prism` (which holds requests for tokens to Azure's own
description), `review` (a URL that says whether a token of the directory is good), `cert` and `key` (what the real one trusts), `life`
(seconds that logins live), `roles` (AcrPush, AcrPull or nothing), `slow` (seconds that the first upload of a layer takes), `only` (so many logins are
given before the role is taken away), `repeats` (who begins an upload is refused, in words that repeat his token)."""
import http.client, json, secrets, sys, threading, time, urllib.error, urllib.parse, urllib.request

from serving import Handler, serve
from signed import Signer, encode

config = json.load(open(sys.argv[1]))
folder, life, slow = config["folder"], config["life"], [config.get("slow", 0)]
left = [config.get("only", 1000)]
signer = Signer(config["cert"], config["key"])
# What was handed out, and when it ends.
ends, lock = {}, threading.Lock()


def ask(url, body, kind):
    """Status and body of a POST."""
    request = urllib.request.Request(url, body, {"Content-Type": kind, "Accept": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def handed_out(text, agent):
    with lock:
        ends[text] = time.time() + life
        for name in ["tokens", "ours"][: 1 + ("ml-deploy" in agent)]:
            with open(f"{folder}/{name}", "a") as tokens:
                tokens.write(text + "\n")
    return text


def is_good(text):
    with lock:
        return ends.get(text, 0) > time.time()


class Registry(Handler):
    def do(self):
        body = b"".join(self.body())
        path = urllib.parse.urlsplit(self.path).path
        if path in ("/oauth2/exchange", "/oauth2/token"):
            return self.tokens(path, body)
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if token and not is_good(token):
            return self.refuse("authentication required, the token has expired")
        if token and config.get("repeats") and self.command == "POST" and path.endswith("/uploads/"):
            return self.refuse(f"no: {token}", 403)
        if slow[0] and self.command in ("PATCH", "PUT") and "/uploads/" in path:
            pause, slow[0] = slow[0], 0
            time.sleep(pause)
        upstream = http.client.HTTPConnection(open(folder + "/upstream").read(), timeout=60)
        kept = {name: value for name, value in self.headers.items() if name.lower() not in ("transfer-encoding", "content-length", "connection")}
        upstream.request(self.command, self.path, body if body or self.command in ("POST", "PUT", "PATCH") else None, kept)
        answer = upstream.getresponse()
        headers = {k: v for k, v in answer.getheaders() if k.lower() not in ("transfer-encoding", "connection", "date", "server")}
        self.reply(answer.status, headers, answer.read())

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do

    def tokens(self, path, body):
        if self.command != "POST":
            return self.refuse("this registry has no user and password")
        status, said = ask(config["prism"] + path, body, self.headers.get("Content-Type", ""))
        if status != 200:
            self.note("VIOLATION", said.decode())
            return self.reply(status, {"Content-Type": "application/json"}, said)
        form = dict(urllib.parse.parse_qsl(body.decode()))
        if form["service"] != self.headers["Host"]:
            return self.refuse("the service is another registry")
        if path == "/oauth2/exchange":
            asked = json.dumps({"token": form.get("access_token", ""), "for": "registry"}).encode()
            with lock:
                left[0] -= 1
            if left[0] < 0 or not config["roles"] or ask(config["review"], asked, "application/json")[0] != 200:
                return self.refuse("authentication required, visit https://aka.ms/acr/authorization for more information.")
            now = int(time.time())
            claims = {"iss": "Azure Container Registry", "iat": now, "exp": now + life, "jti": secrets.token_hex(16), "grant_type": "refresh_token"}
            text = ".".join(encode(part) for part in (b'{"alg":"RS256"}', json.dumps(claims).encode(), secrets.token_bytes(32)))
            return self.json(200, {"refresh_token": handed_out(text, self.headers.get("User-Agent", ""))})
        if not is_good(form["refresh_token"]):
            return self.refuse("authentication required, the refresh token has expired")
        allowed = lambda action: config["roles"] == "AcrPush" or action == "pull"
        text = signer.token("app", form["service"], form["scope"].split(" "), allowed)
        self.json(200, {"access_token": handed_out(text, self.headers.get("User-Agent", ""))})

    def body(self):
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            while size := int(self.rfile.readline(), 16):
                yield self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        elif length := int(self.headers.get("Content-Length", 0)):
            yield self.rfile.read(length)

    def refuse(self, message, status=401):
        self.json(status, {"errors": [{"code": "UNAUTHORIZED", "message": message}]})

    def json(self, status, value):
        self.reply(status, {"Content-Type": "application/json"}, json.dumps(value).encode())

    def reply(self, status, headers, body):
        self.note(str(status))
        self.send_response_only(status)
        if not any(name.lower() == "content-length" for name in headers) and status != 204:
            self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def note(self, status, more=""):
        with lock, open(folder + "/log", "a") as log:
            log.write(f"{self.command} {self.path} {status} {more}".rstrip() + "\n")


serve(Registry)
