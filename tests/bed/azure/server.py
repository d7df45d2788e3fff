"""Azure as far as the tests need it: `server.py PORT BACK SERVICE=PRISM-URL...`.

PORT takes what a client sends: tokens of the directory (`/{tenant}/oauth2/v2.0/token`), the resource manager
(`/subscriptions/…`), operations, and `/_bed/{subscription}` for tests. Every request to the resource manager goes through Prism first,
which holds it, and the answer, to Azure's own description; Prism asks BACK, where the state is. What broke the description
stands in the log of the subscription, and the request is answered with 400.

A subscription is one test. PUT /_bed/{subscription} sets its script:
  secret         what the directory takes as client secret; `tenant` is the subscription's own id
                 (the rest of what the directory knows: directory.py)
  token_seconds  how long its tokens live
  deny           actions that are forbidden, such as Microsoft.MachineLearningServices/workspaces/read
  throttle       {"PUT deployments": 2}: so many of these requests are answered with 429 first
  deaf           so often nobody says how an operation goes
  and what each service reads (see ml.py, aks.py)
GET gives the log: requests, violations, scopes of tokens, who answered at endpoints; DELETE ends what runs for it. POST …/review says by 200 whether a token
is good for a `registry` or a `cluster`, as such ones ask; GET …/job-token is the identity of a job of GitHub; …/machine and …/service hand out tokens of managed
identities.
"""
import http.server, json, re, secrets, sys, threading, time, traceback, urllib.error, urllib.parse, urllib.request

import aks, directory, ml

PORT, BACK = int(sys.argv[1]), int(sys.argv[2])
PRISMS = dict(word.split("=", 1) for word in sys.argv[3:])
SERVICES = {"Microsoft.MachineLearningServices": ("ml", ml), "Microsoft.ContainerService": ("aks", aks), "Microsoft.ContainerRegistry": ("aks", aks)}
BASE = f"http://127.0.0.1:{PORT}"
tests, operations, lock = {}, {}, threading.RLock()


class Test:
    """What one subscription has, and what was asked of it."""

    def __init__(self, name):
        self.name, self.script, self.state, self.tokens = name, {}, {}, {}
        self.log = {"requests": [], "violations": [], "scopes": [], "scored": []}

    def later(self, work, result=False):
        """The address of an operation that is asked about; `work(poll)` says its state and its error. A `result` is answered with
        202 until it is there."""
        number = secrets.token_hex(8)
        operations[number] = {"work": work, "polls": 0, "script": self.script}
        return f"{BASE}/{'_results' if result else '_operations'}/{number}?api-version=2024-04-01&t={secrets.token_hex(4)}"


def test(name):
    with lock:
        return tests.setdefault(name.lower(), Test(name))


class Refused(Exception):
    def __init__(self, status, code, message, headers=()):
        super().__init__(message)
        self.status, self.headers, self.body = status, dict(headers), {"error": {"code": code, "message": message}}


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 128  # many tests ask at once
    daemon_threads = True


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body=None, headers=()):
        text = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in dict(headers).items():
            self.send_header(name, str(value))
        if text and "content-type" not in {name.lower() for name in dict(headers)}:
            self.send_header("content-type", "application/json")
        if status != 204:
            self.send_header("content-length", str(len(text)))
        self.end_headers()
        if status != 204:
            self.wfile.write(text)

    def handle_any(self):
        self.sent = self.rfile.read(int(self.headers.get("content-length") or 0))
        url = urllib.parse.urlsplit(self.path)
        try:
            self.answer(*self.serve(url.path, dict(urllib.parse.parse_qsl(url.query))))
        except Refused as refused:
            self.answer(refused.status, refused.body, refused.headers)
        except Exception:
            traceback.print_exc()
            self.answer(500, {"error": {"code": "InternalServerError", "message": traceback.format_exc(limit=3)}})

    do_GET = do_PUT = do_POST = do_PATCH = do_DELETE = handle_any


class Front(Handler):
    def serve(self, path, query):
        if found := re.fullmatch(r"/_bed/([^/]+)", path):
            return self.control(test(found[1]))
        if found := re.fullmatch(r"/([^/]+)/oauth2/v2.0/token", path):
            mine = test(found[1])
            with lock:
                return directory.token(mine, dict(urllib.parse.parse_qsl(self.sent.decode())))
        if found := re.fullmatch(r"/_bed/([^/]+)/review", path):
            with lock:
                return directory.review(test(found[1]), json.loads(self.sent))
        if found := re.fullmatch(r"/_bed/([^/]+)/job-token", path):
            return directory.job_token(test(found[1]), query.get("audience", ""))
        if found := re.fullmatch(r"/_bed/([^/]+)/(machine/metadata/identity/oauth2|service)/token", path):
            ask = directory.service if found[2] == "service" else directory.machine
            with lock:
                return ask(test(found[1]), query, {name.lower(): value for name, value in self.headers.items()})
        if found := re.fullmatch(r"/_(operations|results)/([0-9a-f]+)", path):
            return operation(found[2], found[1] == "results", self.path)
        found = re.match(r"/subscriptions/([^/]+)/", path)
        if not found:
            return 404, {"error": {"code": "ResourceNotFound", "message": f"nothing is at {path}"}}
        return self.held(test(found[1]), path)

    def control(self, mine):
        with lock:
            if self.command == "PUT":
                mine.script = json.loads(self.sent)
            elif self.command == "DELETE":
                for _, service in SERVICES.values():
                    service.end(mine)
        return 200, {**mine.log, "state": {name: service.seen(mine) for name, service in SERVICES.values()}}

    def held(self, mine, path):
        """Asks through Prism; what it finds wrong fails the test."""
        service = next((key for provider, (key, _) in SERVICES.items() if f"/{provider}/" in path), None)
        if service is None:
            raise Refused(404, "InvalidResourceNamespace", f"no service is at {path}")
        kept = {name: value for name, value in self.headers.items() if name.lower() not in ("host", "connection", "content-length")}
        request = urllib.request.Request(PRISMS[service] + self.path, self.sent or None, kept, method=self.command)
        try:
            with urllib.request.urlopen(request, timeout=60) as got:
                status, headers, body = got.status, got.headers, got.read()
        except urllib.error.HTTPError as error:
            status, headers, body = error.code, error.headers, error.read()
        # What it refuses has not reached the state.
        violations = [json.loads(body)] if b"stoplight.io/prism" in body else []
        with lock:
            mine.log["requests"].append(f"{self.command} {path.split('/providers/', 1)[1]} {status}")
            mine.log["violations"] += [{"request": f"{self.command} {self.path}", **one} for one in violations]
        if violations:
            raise Refused(400, "BrokeTheDescription", json.dumps(violations))
        own = ("content-type", "retry-after", "location", "azure-asyncoperation", "x-ms-async-operation-timeout", "www-authenticate")
        return status, body, {name: value for name, value in headers.items() if name.lower() in own}


class Back(Handler):
    protocol_version = "HTTP/1.0"  # Prism would use a connection again that has just been closed

    def serve(self, path, query):
        found = re.match(r"/subscriptions/([^/]+)/", path)
        if not found:
            raise Refused(404, "ResourceNotFound", f"nothing is at {path}")
        mine = test(found[1])
        given = (self.headers.get("authorization") or "").removeprefix("Bearer ")
        ends = mine.tokens.get(given)
        if ends is None or ends < time.time():
            code = "InvalidAuthenticationToken" if ends is None else "ExpiredAuthenticationToken"
            raise Refused(401, code, "The access token is invalid or has expired.")
        service = next(service for provider, (_, service) in SERVICES.items() if f"/{provider}/" in path)
        with lock:
            for words, left in mine.script.get("throttle", {}).items():
                method, part = words.split(" ", 1)
                if left > 0 and method == self.command and f"/{part}" in path:
                    mine.script["throttle"][words] -= 1
                    raise Refused(429, "TooManyRequests", "The request is being throttled.", {"Retry-After": "1"})
            action = service.action(self.command, path)
            if action in mine.script.get("deny", []):
                raise Refused(403, "AuthorizationFailed", f"The client 'ml-deploy' with object id '{mine.name}' does not have authorization to perform action '{action}' over scope '{path}' or the scope is invalid. If access was recently granted, please refresh your credentials.")
            return service.serve(mine, self.command, path, json.loads(self.sent or b"null"), Refused, query)


def operation(number, result, path):
    with lock:
        known = operations.get(number)
        if known is None:
            return 404, {"error": {"code": "OperationNotFound", "message": "no such operation"}}
        if known["script"].get("deaf", 0) > 0:
            known["script"]["deaf"] -= 1
            return 503, {"error": {"code": "ServiceUnavailable", "message": "The service is unavailable."}}
        known["polls"] += 1
        status, error = known["work"](known["polls"])
    if result:
        return (202, None, {"Location": BASE + path}) if status == "InProgress" else (204 if status == "Succeeded" else 500, error)
    return 200, {"id": number, "name": number, "status": status, **({"error": error} if error else {})}


ml.lock = aks.lock = lock
aks.BASE = BASE
back = Server(("127.0.0.1", BACK), Back)
threading.Thread(target=back.serve_forever, daemon=True).start()
Server(("127.0.0.1", PORT), Front).serve_forever()
