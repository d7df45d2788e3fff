"""Online endpoints of Azure Machine Learning: what server.py keeps of them. A deployment really runs its image, in the engine that
the bed uses, and an endpoint answers at a port of its own, by the header `azureml-model-deployment` or by its traffic.

Of the script it reads:
  workspace   properties over those of the workspace `wine-ws`; null: there is none
  location    `westeurope` by default
  fail        {"code", "message"}: the next deployment that is made fails so, with `log` as its log
  declined    {"code", "message"}: the next deployment that is made is not even begun
  traffic     "stuck": endpoints take another traffic and keep their own; "refused": they do not take it; "once": they take one more, then none
  locked      endpoints are not deleted
  moves       so many seconds another traffic takes; until then the endpoint shows its old one and takes no other
  slow        a deployment is not ready before so many seconds
  usages      what the quota request answers, in place of plenty
  endpoint    properties of an endpoint `wine` that is there already
"""
import http.server, json, os, random, re, secrets, subprocess, threading, time, urllib.error, urllib.request

PROVIDER = "Microsoft.MachineLearningServices"
WORKSPACE = rf"/subscriptions/([^/]+)/resourceGroups/([^/]+)/providers/{PROVIDER}/workspaces/([^/]+)"
DOCKER = os.environ.get("ML_DEPLOY_BED_DOCKER", "docker")
LABEL = "ml-deploy-bed-azure"
lock = None  # server.py's
ACTIONS = [
    (r"/workspaces/[^/]+$", {"GET": "workspaces/read"}),
    (r"/environments/[^/]+/versions/[^/]+$", {"GET": "workspaces/environments/read", "PUT": "workspaces/environments/write"}),
    (r"/onlineEndpoints(/[^/]+)?$", {"GET": "workspaces/onlineEndpoints/read", "PUT": "workspaces/onlineEndpoints/write", "PATCH": "workspaces/onlineEndpoints/write", "DELETE": "workspaces/onlineEndpoints/delete"}),
    (r"/deployments(/[^/]+)?$", {"GET": "workspaces/onlineEndpoints/deployments/read", "PUT": "workspaces/onlineEndpoints/deployments/write", "PATCH": "workspaces/onlineEndpoints/deployments/write", "DELETE": "workspaces/onlineEndpoints/deployments/delete"}),
    (r"/getLogs$", {"POST": "workspaces/onlineEndpoints/deployments/getLogs/action"}),
    (r"/listKeys$", {"POST": "workspaces/onlineEndpoints/listKeys/action"}),
    (r"/token$", {"POST": "workspaces/onlineEndpoints/token/action"}),
    (r"/vmSizes$", {"GET": "locations/vmSizes/read"}),
    (r"/usages$", {"GET": "locations/usages/read"}),
]


def action(method, path):
    for pattern, names in ACTIONS:
        if re.search(pattern, path) and method in names:
            return f"{PROVIDER}/{names[method]}"
    return "Microsoft.Authorization/permissions/read"


def docker(*words):
    done = subprocess.run([DOCKER, *words], capture_output=True, text=True)
    return done.returncode, (done.stdout + done.stderr).strip()


class Deployment:
    """One deployment; its image runs beside the server."""

    def __init__(self, mine, endpoint, name, body, environment):
        self.name, self.body, self.made = name, body, time.time()
        self.state, self.error, self.port, self.container, self.lines = "Creating", None, None, None, None
        self.slow = mine.script.get("slow", 0)
        fail = mine.script.pop("fail", None)
        if fail:
            self.fail = (fail, mine.script.pop("log", None))
        else:
            self.fail = None
        route = environment["inferenceConfig"]
        self.route = route["readinessRoute"]
        threading.Thread(target=self.begin, args=(mine.name, environment["image"]), daemon=True).start()

    def begin(self, subscription, image):
        """Pulls and starts the image, and waits until its readiness route answers."""
        if self.fail:
            time.sleep(0.5 + self.slow)
            with lock:
                self.state, self.error, self.lines = "Failed", self.fail[0], self.fail[1]
            return
        words = [word for pair in self.body["properties"].get("environmentVariables", {}).items() for word in ("-e", "=".join(pair))]
        code, said = docker("run", "-d", "--label", f"{LABEL}={subscription}", "-p", f"127.0.0.1::{self.route['port']}", *words, image)
        if code:
            return self.ends("Failed", {"code": "ImagePullFailure", "message": said[-300:]})
        self.container = said.splitlines()[-1]
        _, published = docker("port", self.container, f"{self.route['port']}/tcp")
        self.port = published.rsplit(":", 1)[-1]
        while time.time() < self.made + max(60, self.slow):
            if docker("inspect", "-f", "{{.State.Running}}", self.container)[1] != "true":
                return self.ends("Failed", {"code": "ResourceNotReady", "message": "User container has crashed or terminated. Please see troubleshooting guide, available here: https://aka.ms/oe-tsg#error-resourcenotready"})
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}{self.route['path']}", timeout=5).read()
                if time.time() >= self.made + self.slow:
                    return self.ends("Succeeded", None)
            except (OSError, urllib.error.URLError):
                pass
            time.sleep(0.2)
        self.ends("Failed", {"code": "ResourceNotReady", "message": "User container did not pass its readiness probe in time."})

    def ends(self, state, error):
        with lock:
            if self.state == "Creating":
                self.state, self.error = state, error

    def log(self, tail):
        if self.lines is not None or not self.container:
            return self.lines or ""
        return docker("logs", "--tail", str(tail), self.container)[1]

    def end(self):
        self.state = "Deleting"
        if self.container:
            docker("rm", "-f", self.container)


class Endpoint:
    def __init__(self, mine, body):
        self.log, self.body, self.deployments, self.key, self.state = mine.log["scored"], body, {}, "key-" + secrets.token_urlsafe(30), "Creating"
        self.token = "azure-" + secrets.token_urlsafe(30)
        self.traffic, self.issued = {}, mine.log.setdefault("issued", {})
        endpoint = self

        class Scoring(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do(self):
                sent = self.rfile.read(int(self.headers.get("content-length") or 0))
                status, body = endpoint.score(self.command, self.path, self.headers, sent)
                self.send_response(status)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = do

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Scoring)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def auth(self):
        return self.body["properties"].get("authMode")

    def score(self, method, path, headers, sent):
        given = (headers.get("authorization") or "").removeprefix("Bearer ")
        if self.auth() == "AADToken":
            known = self.issued.get(given) == "https://ml.azure.com/.default"
        else:
            known = given == (self.token if self.auth() == "AMLToken" else self.key)
        if not known:
            return 401, b'{"message": "Key not valid or missing"}'
        with lock:
            name = headers.get("azureml-model-deployment")
            if name is None:
                served = [(one, share) for one, share in self.traffic.items() if share > 0]
                name = random.choices([one for one, _ in served], [share for _, share in served])[0] if served else None
            self.log.append(f"{method} {path} {'by header' if 'azureml-model-deployment' in headers else 'by traffic'} {name}")
            found = self.deployments.get(name)
            port = found.port if found and found.state == "Succeeded" else None
        if port is None:
            return 404, b"No valid deployments to route to. Please check that the endpoint has at least one deployment with positive weight values or use a deployment specific header to route."
        request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", sent or None, {"content-type": "application/json"}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as got:
                return got.status, got.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()
        except OSError as error:
            return 502, str(error).encode()

    def end(self):
        for one in self.deployments.values():
            one.end()
        self.server.shutdown()


def endpoints(mine):
    return mine.state.setdefault("endpoints", {})


def seen(mine):
    """What a test may look at."""
    return {
        name: {"traffic": one.traffic, "tags": one.body.get("tags", {}), "deployments": {key: {"state": d.state, "tags": d.body.get("tags", {}), "image": d.image, "properties": d.body["properties"], "sku": d.body.get("sku")} for key, d in one.deployments.items()}}
        for name, one in endpoints(mine).items()
    }


def end(mine):
    for one in endpoints(mine).values():
        one.end()
    mine.state.clear()


def shown_endpoint(scope, name, one):
    properties = {**one.body["properties"], "traffic": one.traffic, "provisioningState": one.state, "scoringUri": f"http://127.0.0.1:{one.server.server_port}/score"}
    properties.pop("keys", None)
    return {"location": "westeurope", **one.body, "id": f"{scope}/onlineEndpoints/{name}", "name": name, "type": f"{PROVIDER}/workspaces/onlineEndpoints", "properties": properties}


def shown_deployment(scope, endpoint, one):
    properties = {**one.body["properties"], "provisioningState": one.state}
    return {**one.body, "id": f"{scope}/onlineEndpoints/{endpoint}/deployments/{one.name}", "name": one.name, "type": f"{PROVIDER}/workspaces/onlineEndpoints/deployments", "properties": properties}


def serve(mine, method, path, body, refused, query=None):
    if path.endswith("/vmSizes"):
        return 200, {"value": [{"name": name, "family": family, "vCPUs": cores, "gpus": 0, "memoryGB": 4.0 * cores, "supportedComputeTypes": ["Endpoint"]} for name, family, cores in (("Standard_DS2_v2", "standardDSv2Family", 2), ("Standard_DS3_v2", "standardDSv2Family", 4))]}
    if path.endswith("/usages"):
        used = mine.script.get("usages", {"standardDSv2Family": [0, 100]})
        return 200, {"value": [{"id": name, "type": "Microsoft.MachineLearningServices/usages", "unit": "Count", "currentValue": current, "limit": limit, "name": {"value": name, "localizedValue": name}} for name, (current, limit) in used.items()]}
    found = re.match(WORKSPACE, path)
    scope, rest = found[0], path[found.end():].strip("/").split("/")
    location = mine.script.get("location", "westeurope")
    if found[3] != "wine-ws" or mine.script.get("workspace", {}) is None:
        raise refused(404, "ResourceNotFound", f"The Resource 'Microsoft.MachineLearningServices/workspaces/{found[3]}' under resource group '{found[2]}' was not found.")
    if rest == [""]:
        registry = f"/subscriptions/{found[1]}/resourceGroups/{found[2]}/providers/Microsoft.ContainerRegistry/registries/wine"
        properties = {"containerRegistry": registry, "publicNetworkAccess": "Enabled", "provisioningState": "Succeeded", **mine.script.get("workspace", {})}
        return 200, {"id": scope, "name": found[3], "type": f"{PROVIDER}/workspaces", "location": location, "identity": {"type": "SystemAssigned", "principalId": "4a5b", "tenantId": mine.name}, "properties": properties}
    if rest[-1] == "permissions":
        return 200, {"value": [{"actions": ["*"], "notActions": mine.script.get("deny", []), "dataActions": [], "notDataActions": []}]}
    if rest[0] == "environments":
        kept = mine.state.setdefault("environments", {})
        key = f"{rest[1]}/{rest[3]}"
        if method == "PUT":
            # A version never changes once it is there.
            if key in kept and kept[key]["image"] != body["properties"]["image"]:
                raise refused(409, "UserError", f"A different image is already registered as version {rest[3]}.")
            created = 200 if key in kept else 201
            kept[key] = body["properties"]
            mine.state.setdefault("ids", {})[f"{scope}/environments/{rest[1]}/versions/{rest[3]}"] = key
            return created, {"id": f"{scope}/environments/{rest[1]}/versions/{rest[3]}", "name": rest[3], "type": "x", "properties": kept[key]}
        if key not in kept:
            raise refused(404, "UserError", f"Environment {key} is not there.")
        return 200, {"id": f"{scope}/environments/{rest[1]}/versions/{rest[3]}", "name": rest[3], "type": "x", "properties": kept[key]}
    every = endpoints(mine)
    if "endpoint" in mine.script and "wine" not in every:
        every["wine"] = Endpoint(mine, {"location": location, "identity": {"type": "SystemAssigned"}, "properties": mine.script.pop("endpoint")})
        every["wine"].state = "Succeeded"
    if len(rest) == 1:
        return 200, {"value": [shown_endpoint(scope, name, one) for name, one in every.items()]}
    name, one = rest[1], every.get(rest[1])
    if len(rest) == 2:
        return endpoint(mine, method, scope, name, one, body, refused)
    if one is None:
        raise refused(404, "UserError", f"Endpoint {name} is not there.")
    if rest[2] in ("listKeys", "token") and (rest[2] == "token") != (one.auth() == "AMLToken") or rest[2] == "listKeys" and one.auth() == "AADToken":
        raise refused(400, "UserError", f"The endpoint authenticates by {one.auth()}.")
    if rest[2] == "listKeys":
        return 200, {"primaryKey": one.key, "secondaryKey": one.key + "-2"}
    if rest[2] == "token":
        return 200, {"accessToken": one.token, "expiryTimeUtc": int(time.time()) + 3600, "refreshAfterTimeUtc": int(time.time()) + 1800, "tokenType": "Bearer"}
    if len(rest) == 3:
        return 200, {"value": [shown_deployment(scope, name, each) for each in one.deployments.values()]}
    if len(rest) == 5:
        found = one.deployments.get(rest[3])
        if found is None:
            raise refused(404, "UserError", f"Deployment {rest[3]} is not there.")
        return 200, {"content": found.log(body.get("tail", 100))}
    return deployment(mine, method, scope, name, one, rest[3], body, refused)


def endpoint(mine, method, scope, name, one, body, refused):
    if method == "DELETE":
        if one is None:
            return 204, None
        if mine.script.get("locked"):
            failed = {"code": "ScopeLocked", "message": "The scope cannot perform delete operation because following scope(s) are locked."}
            return 202, None, {"Azure-AsyncOperation": mine.later(lambda _: ("Failed", failed))}
        one.end()
        del endpoints(mine)[name]
        return 202, None, {"Location": mine.later(lambda _: ("Succeeded", None), True)}
    if method == "PUT":
        if not re.fullmatch(r"[a-zA-Z][a-zA-Z0-9-]{1,30}[a-zA-Z0-9]", name):
            raise refused(400, "UserError", f"The endpoint name {name} is not valid.")
        created = one is None
        wanted = body["properties"].get("traffic") or {}
        if sum(wanted.values()) not in (0, 100):
            raise refused(400, "UserError", "The sum of traffic must be 0 or 100.")
        for part in wanted:
            if created or part not in one.deployments or one.deployments[part].state != "Succeeded":
                raise refused(400, "UserError", f"Traffic names deployment {part}, which is not there or not ready.")
        how = mine.script.get("traffic")
        if not created and (wanted != one.traffic and how == "refused" or one.state == "Updating"):
            raise refused(409, "Conflict", "The endpoint is being updated by somebody else.")
        if not created and how == "once":
            mine.script["traffic"] = "refused"
        if created:
            one = endpoints(mine)[name] = Endpoint(mine, body)
        one.body = body
        one.state = "Creating" if created else "Updating"
        takes = 0.3 if created else mine.script.get("moves", 0.3)

        def done():
            with lock:
                one.state = "Succeeded"
                if created or how != "stuck":
                    one.traffic = {part: share for part, share in wanted.items()}

        # It goes on whether anybody asks or not.
        timer = threading.Timer(takes, done)
        timer.daemon = True
        timer.start()

        def work(_):
            return ("Succeeded" if one.state == "Succeeded" else "InProgress"), None

        return 201 if created else 200, shown_endpoint(scope, name, one), {"Azure-AsyncOperation": mine.later(work), "x-ms-async-operation-timeout": "PT1H"}
    if one is None:
        raise refused(404, "UserError", f"Endpoint {name} is not there.")
    if method == "PATCH":
        one.body["tags"] = body.get("tags", one.body.get("tags", {}))
    return 200, shown_endpoint(scope, name, one)


def deployment(mine, method, scope, name, one, key, body, refused):
    found = one.deployments.get(key)
    if method == "DELETE":
        if found is None:
            return 204, None
        if one.traffic.get(key):
            raise refused(400, "UserError", f"Deployment {key} has traffic and cannot be deleted; set its traffic to 0 first.")
        found.end()
        del one.deployments[key]
        one.traffic.pop(key, None)
        return 202, None, {"Location": mine.later(lambda polls: ("InProgress" if polls < 2 else "Succeeded", None), True)}
    if method == "PUT":
        if one.state != "Succeeded":
            raise refused(409, "Conflict", f"Endpoint {name} is in state {one.state}.")
        if found and found.state == "Creating":
            raise refused(409, "Conflict", f"Deployment {key} is being created.")
        declined = mine.script.pop("declined", None)
        if declined:
            raise refused(400, declined["code"], declined["message"])
        environment = mine.state.get("ids", {}).get(body["properties"].get("environmentId"))
        if environment is None:
            raise refused(400, "UserError", "The environment is not there.")
        environment = mine.state["environments"][environment]
        made = Deployment(mine, one, key, body, environment)
        made.image = environment["image"]
        one.deployments[key] = made
        if found:
            threading.Thread(target=found.end, daemon=True).start()

        def work(_):
            if made.state == "Creating":
                return "InProgress", None
            return made.state if made.state in ("Succeeded", "Failed") else "Canceled", made.error

        return 200 if found else 201, shown_deployment(scope, name, made), {"Azure-AsyncOperation": mine.later(work), "x-ms-async-operation-timeout": "PT2H"}
    if found is None:
        raise refused(404, "UserError", f"Deployment {key} is not there.")
    return 200, shown_deployment(scope, name, found)
