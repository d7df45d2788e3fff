"""Google as a job sees it: `google.py CONFIG`. What it hands out is written to `tokens`, a file with lines `TOKEN SECONDS-SINCE-EPOCH-WHEN-IT-ENDS`;
what comes beside a token, one a line, to `tokens.beside`.

CONFIG is JSON and read again for each request: `tokens`; `life` (seconds); `account`, `public` (a service account and the PEM of its key);
`only` (so many tokens are given before the key is deleted);
`provider` (`projects/…/providers/…`, which trusts jobs whose subject begins with `subject`), `job` (the subject of this job); `user` (what a person's file
holds); `clusters` (by path); `said` (what everybody who asks for a token is told instead; `{sent}` is what proves who he is). It is the token endpoint, the exchange of tokens, the tokens of service accounts, the metadata server, the runner that
signs for its job, and the service that describes clusters.
"""
import base64, http.server, json, os, secrets, subprocess, sys, tempfile, threading, time, urllib.parse

path = sys.argv[1]
SCOPE = "https://www.googleapis.com/auth/cloud-platform"
RUNNER = "runner-own-token"


def config():
    return json.load(open(path))


def unpack(part):
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def live(token):
    known = [line.split() for line in open(config()["tokens"])]
    return any(one == token and time.time() < float(ends) for one, ends in known)


def beside(kind):
    token = f"{kind}-{secrets.token_urlsafe(48)}"
    with open(config()["tokens"] + ".beside", "a") as file:
        file.write(token + "\n")
    return token


class Refused(Exception):
    def __init__(self, status, error, description):
        self.status, self.body = status, {"error": error, "error_description": description}


class Denied(Refused):
    """As Google's services say it, not its token endpoints."""

    def __init__(self, status, name, message):
        self.status, self.body = status, {"error": {"code": status, "message": message, "status": name}}


class Google(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def give(self):
        known = config()
        token = "ya29." + secrets.token_urlsafe(48)
        ends = time.time() + known["life"]
        with open(known["tokens"], "a") as file:
            file.write(f"{token} {ends}\n")
        return token, ends

    def oauth(self):
        token, _ = self.give()
        return {"access_token": token, "expires_in": config()["life"], "token_type": "Bearer"}

    def of_key(self, form):
        known = config()
        header, claims, signature = form["assertion"].split(".")
        with tempfile.NamedTemporaryFile() as signed:
            signed.write(unpack(signature))
            signed.flush()
            verify = ["openssl", "dgst", "-sha256", "-verify", known["public"], "-signature", signed.name]
            good = subprocess.run(verify, input=f"{header}.{claims}".encode(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0
        said = json.loads(unpack(claims))
        if said["iss"] != known["account"]:
            raise Refused(400, "invalid_grant", "Invalid grant: account not found")
        gone = "only" in known and sum(1 for _ in open(known["tokens"])) >= known["only"]
        if not good or gone or json.loads(unpack(header))["alg"] != "RS256":
            raise Refused(400, "invalid_grant", "Invalid JWT Signature.")
        if said["aud"] != f"http://{self.headers['Host']}/token" or said["scope"] != SCOPE or not 0 < said["exp"] - said["iat"] <= 3600 or abs(said["iat"] - time.time()) > 60:
            raise Refused(400, "invalid_grant", "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. Check your iat and exp values in the JWT claim.")
        return self.oauth()

    def of_person(self, form):
        if {name: form[name] for name in ("client_id", "client_secret", "refresh_token")} != config()["user"]:
            raise Refused(400, "invalid_grant", "Token has been expired or revoked.")
        # The token that says who he is and another to go on with come along.
        return self.oauth() | {"id_token": beside("id"), "refresh_token": beside("refresh")}

    def exchange(self, form):
        known = config()
        kind = "urn:ietf:params:oauth:token-type:"
        if form["grant_type"] != "urn:ietf:params:oauth:grant-type:token-exchange" or form["requested_token_type"] != kind + "access_token" or form["scope"] != SCOPE or form["subject_token_type"] != kind + "jwt":
            raise Refused(400, "invalid_request", "Invalid request.")
        if form["audience"] != "//iam.googleapis.com/" + known["provider"]:
            raise Refused(400, "invalid_target", 'The target service indicated by the "audience" parameters is invalid. This might either be because the pool or provider is disabled or deleted or because it doesn\'t exist.')
        claims = json.loads(unpack(form["subject_token"].split(".")[1]))
        if claims["aud"] != "https://iam.googleapis.com/" + known["provider"]:
            raise Refused(400, "invalid_grant", f"The audience in ID Token [{claims['aud']}] does not match the expected audience.")
        if not claims["sub"].startswith(known["subject"]):
            raise Refused(401, "unauthorized_client", "The given credential is rejected by the attribute condition.")
        return self.oauth() | {"issued_token_type": kind + "access_token"}

    def bearer(self):
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if not live(token):
            raise Denied(401, "UNAUTHENTICATED", "Request had invalid authentication credentials.")

    def act_as(self, account, body):
        self.bearer()
        if account != config()["account"] or body["scope"] != [SCOPE]:
            raise Denied(403, "PERMISSION_DENIED", "Permission 'iam.serviceAccounts.getAccessToken' denied on resource (or it may not exist).")
        token, ends = self.give()
        return {"accessToken": token, "expireTime": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(ends))}

    def machine(self, word):
        if self.headers.get("Metadata-Flavor") != "Google":
            raise Denied(403, "PERMISSION_DENIED", "Missing Metadata-Flavor:Google header.")
        words = {"project/project-id": "wine", "instance/service-accounts/default/email": config()["account"]}
        return self.oauth() if word == "instance/service-accounts/default/token" else words[word]

    def runner(self, query):
        if self.headers.get("Authorization") != "Bearer " + RUNNER:
            raise Refused(401, "unauthorized", "no")
        claims = {"sub": config()["job"], "aud": query["audience"], "iss": "https://token.actions.githubusercontent.com", "exp": int(time.time()) + 300}
        part = lambda value: base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()
        return {"value": f"{part({'alg': 'RS256'})}.{part(claims)}.{secrets.token_urlsafe(24)}"}

    def cluster(self, place):
        self.bearer()
        found = config()["clusters"].get(place)
        if found == 403:
            raise Denied(403, "PERMISSION_DENIED", f'Required "container.clusters.get" permission(s) for "{place}".')
        if not found:
            raise Denied(404, "NOT_FOUND", f"Not found: {place}.")
        return found

    def answer(self):
        url = urllib.parse.urlsplit(self.path)
        words = urllib.parse.unquote(url.path)
        text = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        if self.command == "GET" and words.startswith("/computeMetadata/v1/"):
            return self.machine(words.removeprefix("/computeMetadata/v1/"))
        if self.command == "GET" and words == "/job":
            return self.runner(dict(urllib.parse.parse_qsl(url.query)))
        if self.command == "GET" and words.startswith("/v1/projects/"):
            return self.cluster(words.removeprefix("/v1/"))
        if words.startswith("/v1/projects/-/serviceAccounts/"):
            return self.act_as(words.rsplit("/", 1)[1].removesuffix(":generateAccessToken"), json.loads(text))
        form = dict(urllib.parse.parse_qsl(text))
        if "said" in config():
            sent = form.get("assertion") or form.get("subject_token") or form.get("refresh_token")
            packed = base64.b64encode(f"x{sent}".encode()).decode()
            raise Refused(400, "invalid_grant", config()["said"].replace("{sent}", f"{sent} {packed} {urllib.parse.quote(sent, safe='')}"))
        if words == "/v1/token":
            return self.exchange(form)
        return {"refresh_token": self.of_person, "urn:ietf:params:oauth:grant-type:jwt-bearer": self.of_key}[form["grant_type"]](form)

    def serve(self):
        try:
            status, said = 200, self.answer()
        except Refused as refused:
            status, said = refused.status, refused.body
        body = said.encode() if isinstance(said, str) else json.dumps(said).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain" if isinstance(said, str) else "application/json")
        self.send_header("Metadata-Flavor", "Google")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = serve

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Google)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(server.server_address[1])
sys.stdin.read()
os._exit(0)
