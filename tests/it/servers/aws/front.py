"""In front of moto and of a real registry: one address for all of AWS, with what moto leaves out. `front.py CONFIG`; needs botocore.

CONFIG is JSON: `moto` (its URL), `admin` (id and secret of somebody who may do all), `registry` (host:port, user and password of the real one), and
  login_seconds    how long a login at the registry lives; ECR's own is twelve hours
  slow             the first layer is held until its login has ended, and is then refused
  only             so many logins at the registry are given before the right to have one is taken away
  session_seconds  how long the keys of a role live
  trust            subject and audience that roles trust
  said             what a role that does not trust a job is told instead; {sent} is the job's token
  subject          whose job GET /oidc?audience=… signs a token for, as GitHub's runner does
  hiccup           the first token that is given for a role cannot be looked at
  expired          keys that should still be good are called expired once
  public           names of repositories in the public registry, which moto does not have
  keys             id and secret that a container (/container) or a machine (/latest/…) hands out
  cluster          name, server, authority and, if wanted, network and status of a cluster of EKS; POST /review says whether a token for it is good

POST /-/more {"cluster": …}: more of it, when it has begun. GET /-/log: what was asked, one a line. GET /-/secrets: everything that must never be shown."""
import base64
import html
import http.client
import json
import pathlib
import secrets
import sys
import threading
import time
import urllib.parse

from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.validate import ParamValidator

sys.path.append(str(pathlib.Path(__file__).parent.parent))
from serving import Handler, serve

config = json.load(open(sys.argv[1]))
moto = urllib.parse.urlsplit(config["moto"])
real, user, password = config.get("registry", ["", "", ""])
lock = threading.Lock()
log, hidden, logins, sessions = [], [], {}, {}
held = not config.get("slow")


def hide(*values):
    hidden.extend(values)


def mint(kind):
    value = f"{kind}-{secrets.token_urlsafe(24)}"
    hide(value)
    return value


def part(value):
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def job_token(subject, audience):
    token = f"{part({'alg': 'RS256'})}.{part({'sub': subject, 'aud': audience, 'iss': 'https://jobs.example', 'exp': int(time.time()) + 300})}.{secrets.token_urlsafe(40)}"
    hide(token)
    return token


def claims(token):
    middle = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))


def repeated(sent):
    """What somebody who repeats a secret would write."""
    packed = base64.b64encode(f"x{sent}".encode()).decode()
    return f"{sent} {packed} {urllib.parse.quote(sent, safe='')}"


def ahead(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))


def review(token):
    """Whether a cluster would take a token: who signed it, for which cluster, when; the signature by AWS's own library."""
    url = base64.urlsafe_b64decode(token.removeprefix("k8s-aws-v1.") + "==").decode()
    address = urllib.parse.urlsplit(url)
    said = dict(urllib.parse.parse_qsl(address.query))
    key, day, region, service, _ = said["X-Amz-Credential"].split("/")
    session = sessions.get(key)
    made = time.mktime(time.strptime(said["X-Amz-Date"], "%Y%m%dT%H%M%SZ")) - time.timezone
    if not session or time.time() > min(session["ends"], made + 900) or said["Action"] != "GetCallerIdentity":
        return "the session is over"
    if "x-k8s-aws-id" not in said["X-Amz-SignedHeaders"].split(";"):
        return "the cluster is not signed"
    if said.get("X-Amz-Security-Token") != session["token"]:
        return "another session"
    query = "&".join(one for one in address.query.split("&") if not one.startswith("X-Amz-Signature="))
    request = AWSRequest("GET", f"{address.scheme}://{address.netloc}{address.path}?{query}", headers={"x-k8s-aws-id": config["cluster"]["name"]})
    request.context["timestamp"] = said["X-Amz-Date"]
    auth = SigV4QueryAuth(Credentials(key, session["secret"], session["token"]), service, region)
    signed = auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request)
    return None if signed == said["X-Amz-Signature"] else "the signature is wrong"


class Front(Handler):
    def do(self):
        self.read = False
        try:
            status = self.answer()
        finally:
            if not self.read:
                self.body()
        with lock:
            log.append(f"{self.command} {self.path.partition('?')[0]} {self.what} {status}")

    def answer(self):
        self.what = "-"
        path = self.path.partition("?")[0]
        query = dict(urllib.parse.parse_qsl(self.path.partition("?")[2]))
        if path == "/-/more":
            more = json.loads(self.body())
            if more.get("cluster", {}).get("name") not in (None, config.get("cluster", {}).get("name")):
                make_cluster(more["cluster"])
            config.update(more)
            return self.reply(200, {})
        if path == "/-/log":
            return self.reply(200, "\n".join(log))
        if path == "/-/secrets":
            return self.reply(200, hidden)
        if path.startswith("/v2/"):
            return self.registry()
        if path == "/oidc":
            if self.headers.get("Authorization") != "Bearer runner-secret-token":
                return self.reply(401, {})
            return self.reply(200, {"value": job_token(config["subject"], query["audience"])})
        if path == "/container":
            if self.headers.get("Authorization") != "container-secret-token":
                return self.reply(401, {})
            return self.reply(200, self.keys())
        if path == "/latest/api/token":
            self.metadata = mint("metadata")
            return self.reply(200, self.metadata) if self.command == "PUT" else self.reply(405, {})
        if path.startswith("/latest/meta-data/iam/security-credentials/"):
            if self.headers.get("X-aws-ec2-metadata-token") not in hidden:
                return self.reply(401, {})
            return self.reply(200, self.keys() if path.endswith("/machine") else "machine")
        if path == "/review":
            why = review(json.loads(self.body())["token"])
            self.what = why or "good"
            return self.reply(403 if why or config.get("strangers") else 200, {})
        return self.aws(path)

    def keys(self):
        key, secret = config["keys"]
        return {"AccessKeyId": key, "SecretAccessKey": secret, "Expiration": ahead(3600)}

    def aws(self, path):
        body = self.body()
        form = dict(urllib.parse.parse_qsl(body.decode(errors="replace")))
        self.what = form.get("Action") or self.headers.get("X-Amz-Target", "-").rpartition(".")[2]
        if self.headers.get("X-Amz-Target", "").startswith("SpencerFrontendService."):
            return self.public(json.loads(body))
        if self.what == "GetAuthorizationToken" and config.pop("expired", False):
            return self.reply(400, {"__type": "ExpiredTokenException", "message": "The security token included in the request is expired"})
        if self.what == "GetAuthorizationToken" and len(logins) >= config.get("only", 1000):
            text = "User: arn:aws:iam::123456789012:user/ci is not authorized to perform: ecr:GetAuthorizationToken on resource: * because no identity-based policy allows the ecr:GetAuthorizationToken action"
            return self.reply(400, {"__type": "AccessDeniedException", "message": text})
        if self.what == "AssumeRoleWithWebIdentity" and config.pop("hiccup", False):
            return self.reply(400, "<ErrorResponse><Error><Code>IDPCommunicationError</Code><Message>Error communicating with IdP</Message></Error></ErrorResponse>")
        if self.what == "AssumeRoleWithWebIdentity":
            said = claims(form["WebIdentityToken"])
            if [said["sub"], said["aud"]] != config["trust"]:
                text = config.get("said", "Not authorized to perform sts:AssumeRoleWithWebIdentity")
                text = html.escape(text.replace("{sent}", repeated(form["WebIdentityToken"])))
                return self.reply(403, f"<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>{text}</Message></Error></ErrorResponse>")
        sent = dict(self.headers)
        if path.startswith("/clusters"):
            # moto takes nobody's signature of a GET without a body, not even that of AWS's own library: it is checked here, and
            # the administrator asks moto, with a body.
            if not self.is_signed():
                return self.reply(403, {"message": "The request signature we calculated does not match"}, {"x-amzn-errortype": "InvalidSignatureException"})
            body = b"{}"
            sent = by_admin("GET", self.path, body)
        status, headers, text = self.forward(moto.netloc, body, sent)
        if status == 200 and self.what in ("AssumeRole", "AssumeRoleWithWebIdentity"):
            get = lambda name: text.partition(f"<{name}>")[2].partition(f"</{name}>")[0]
            life = config.get("session_seconds", 3600)
            text = text.replace(f"<Expiration>{get('Expiration')}<", f"<Expiration>{ahead(life)}<")
            sessions[get("AccessKeyId")] = {"secret": get("SecretAccessKey"), "token": get("SessionToken"), "ends": time.time() + life}
            hide(get("SecretAccessKey"), get("SessionToken"))
        if status == 200 and self.what == "GetAuthorizationToken":
            life = config.get("login_seconds", 12 * 3600)
            login = mint("login")
            logins[login] = time.time() + life
            answer = json.loads(text)
            token = base64.b64encode(f"AWS:{login}".encode()).decode()
            hide(token)
            answer["authorizationData"] = [{"authorizationToken": token, "expiresAt": time.time() + life, "proxyEndpoint": f"http://{self.headers['Host']}"}]
            text = json.dumps(answer)
        if status == 200 and "cluster" in config and path == f"/clusters/{config['cluster']['name']}":
            answer = json.loads(text)
            answer["cluster"]["endpoint"] = config["cluster"]["server"]
            answer["cluster"]["certificateAuthority"] = {"data": base64.b64encode(config["cluster"]["authority"].encode()).decode()}
            answer["cluster"]["status"] = config["cluster"].get("status", "ACTIVE")
            answer["cluster"]["resourcesVpcConfig"] = config["cluster"].get("network", {})
            text = json.dumps(answer)
        kept = {name: value for name, value in headers if name.lower() in ("content-type", "x-amzn-errortype")}
        return self.reply(status, text, kept)

    def public(self, asked):
        """The public registry's own interface, held against AWS's description of it. Only one region has it."""
        model = ServiceModel(Loader().load_service_model("ecr-public", "service-2"), "ecr-public")
        errors = ParamValidator().validate(asked, model.operation_model(self.what).input_shape)
        unknown = set(asked) - set(model.operation_model(self.what).input_shape.members)
        if errors.has_errors() or unknown or "/us-east-1/ecr-public/aws4_request" not in self.headers["Authorization"]:
            return self.reply(400, {"__type": "InvalidParameterException", "message": f"{errors.generate_report()} {unknown}"})
        if self.what == "GetAuthorizationToken":
            login = mint("login")
            token = base64.b64encode(f"AWS:{login}".encode()).decode()
            hide(token)
            return self.reply(200, {"authorizationData": {"authorizationToken": token, "expiresAt": time.time() + 12 * 3600}})
        if asked["repositoryNames"][0] in config["public"]:
            return self.reply(200, {"repositories": []})
        return self.reply(400, {"__type": "RepositoryNotFoundException", "message": "The repository does not exist"})

    def is_signed(self):
        """Whether the one who asks has a session here, and has signed as AWS's own library would."""
        said = self.headers["Authorization"].partition(" ")[2].split(", ")
        said = dict(one.split("=", 1) for one in said)
        key, day, region, service, _ = said["Credential"].split("/")
        if key not in sessions or sessions[key]["ends"] < time.time():
            return False
        headers = {name: self.headers[name] for name in said["SignedHeaders"].split(";")}
        request = AWSRequest("GET", f"http://{self.headers['Host']}{self.path}", headers=headers)
        request.context["timestamp"] = self.headers["X-Amz-Date"]
        auth = SigV4Auth(Credentials(key, sessions[key]["secret"], sessions[key]["token"]), service, region)
        return auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request) == said["Signature"]

    def registry(self):
        global held
        name, _, login = base64.b64decode(self.headers.get("Authorization", "").removeprefix("Basic ")).decode().partition(":")
        ends = logins.get(login, 0) if name == "AWS" else 0
        if self.command == "PATCH" and ends > time.time():
            with lock:
                hold, held = not held, True
            if hold:
                time.sleep(max(0, ends - time.time()) + 0.1)
        if ends <= time.time():
            text = "Your authorization token has expired. Reauthenticate and try again."
            said = {"errors": [{"code": "DENIED", "message": text}]}
            return self.reply(401, said, {"WWW-Authenticate": 'Basic realm="registry",service="ecr.amazonaws.com"', "Content-Type": "application/json"})
        pair = base64.b64encode(f"{user}:{password}".encode()).decode()
        sent = {name: value for name, value in self.headers.items() if name.lower() != "authorization"}
        status, headers, body = self.forward(real, self.body(), {**sent, "Authorization": f"Basic {pair}"}, text=False)
        return self.reply(status, body, {k: v for k, v in headers if k.lower() not in ("transfer-encoding", "connection", "date", "server")})

    def forward(self, to, body, headers, text=True):
        upstream = http.client.HTTPConnection(to, timeout=60)
        headers = {name: value for name, value in headers.items() if name.lower() not in ("transfer-encoding", "connection", "content-length")}
        headers["Content-Length"] = str(len(body))
        upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in headers.items():
            upstream.putheader(name, value)
        upstream.endheaders(body)
        answer = upstream.getresponse()
        data = answer.read()
        return answer.status, answer.getheaders(), data.decode() if text else data

    def body(self):
        self.read = True
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        data = b""
        while size := int(self.rfile.readline(), 16):
            data += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return data

    def reply(self, status, said, headers=None):
        if not self.read:
            self.body()
        body = said if isinstance(said, bytes) else said.encode() if isinstance(said, str) else json.dumps(said).encode()
        self.send_response(status)
        if not any(name.lower() == "content-length" for name in headers or {}) and status != 204:
            self.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        return status

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do


def make_cluster(cluster):
    """moto's cluster; its address is told otherwise above."""
    wanted = {"name": cluster["name"], "roleArn": "arn:aws:iam::123456789012:role/nodes", "resourcesVpcConfig": {"subnetIds": ["subnet-1"]}}
    body = json.dumps(wanted).encode()
    sent = http.client.HTTPConnection(moto.netloc, timeout=60)
    sent.request("POST", "/clusters", body, by_admin("POST", "/clusters", body))
    answer = sent.getresponse()
    assert answer.status == 200, answer.read()


def by_admin(method, path, body):
    request = AWSRequest(method, f"{config['moto']}{path}", data=body, headers={"Content-Type": "application/json"})
    SigV4Auth(Credentials(*config["admin"]), "eks", "eu-west-1").add_auth(request)
    return {**dict(request.headers), "Host": moto.netloc}


serve(Front)
