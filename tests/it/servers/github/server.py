"""GitHub's REST interface, as far as reports use it: `server.py DESCRIPTION SCRIPT LOG`.

Every request is held to GitHub's own description: path, query, body. Answers are the description's examples with what was
written before, and are held to it too. SCRIPT is JSON: `deny` (reports that the token may not write), `faults`, `comments` and
`deployments` that are there already, `user` (whom the token belongs to), `prefix`. What was asked, what was wrong and what there is
stands in LOG after every request. Needs the package jsonschema.
"""
import copy, http.server, json, os, re, sys, threading, urllib.parse
from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

description = json.load(open(sys.argv[1]))
script = json.loads(sys.argv[2])
TOKEN = "ghs_reports-only"


def modern(node):
    """OpenAPI 3.0 says `nullable` where JSON Schema has a type."""
    if isinstance(node, list):
        return [modern(one) for one in node]
    if not isinstance(node, dict):
        return node
    node = {key: modern(value) for key, value in node.items()}
    if node.pop("nullable", False) is True:
        node = {"anyOf": [node, {"type": "null"}]}
    return node


document = modern(description)
registry = Registry().with_resource("urn:github", Resource(contents=document, specification=DRAFT202012))
state = {"checks": {}, "comments": {}, "deployments": {}, "statuses": {}}
log = {"requests": [], "violations": [], "state": state}
lock = threading.Lock()
count = 1000


def pointer(*parts):
    return "urn:github#/" + "/".join(urllib.parse.quote(part.replace("~", "~0").replace("/", "~1")) for part in parts)


def errors(value, *parts):
    validator = Draft202012Validator({"$ref": pointer(*parts)}, registry=registry, format_checker=FormatChecker())
    return [f"{'/'.join(map(str, error.path))}: {error.message[:300]}" for error in validator.iter_errors(value)]


def resolved(node):
    while "$ref" in node:
        found = document
        for part in node["$ref"][2:].split("/"):
            found = found[part.replace("~1", "/").replace("~0", "~")]
        node = found
    return node


def example(path, method, status):
    content = resolved(document["paths"][path][method]["responses"][str(status)])["content"]["application/json"]
    named = next(iter(content["examples"].values()))
    return copy.deepcopy(resolved(named)["value"])


def number():
    global count
    count += 1
    return count


class Refused(Exception):
    def __init__(self, status, message):
        self.status, self.message = status, message


def limits(operation, body):
    """What GitHub's prose and its servers say, beyond the schema."""
    output = body.get("output", {})
    if len(output.get("summary", "").encode()) > 65535:
        raise Refused(422, "summary exceeds a maximum bytesize of 65535")
    for one in output.get("annotations", []):
        if len(one["message"].encode()) > 64 << 10 or len(one.get("raw_details", "").encode()) > 64 << 10:
            raise Refused(422, "annotation is too long")
        if len(one.get("title", "")) > 255 or one["path"].startswith("/") or one["start_line"] < 1:
            raise Refused(422, "annotation is invalid")
        if "start_column" in one and one["start_line"] != one["end_line"]:
            raise Refused(422, "columns need one line")
    if body.get("status") == "completed" and "conclusion" not in body:
        raise Refused(422, "conclusion is missing")
    if len(body.get("body", "")) > 65536:
        raise Refused(422, "Body is too long (maximum is 65536 characters)")
    if len(body.get("description") or "") > 140:
        raise Refused(422, "description is too long")


def check(values, body):
    output = body.get("output", {})
    run = values or example("/repos/{owner}/{repo}/check-runs", "post", 201)
    run.update({key: body[key] for key in ("name", "head_sha", "external_id", "status", "conclusion", "started_at", "completed_at", "details_url") if key in body})
    if not values:
        run.update(id=number(), conclusion=body.get("conclusion"), completed_at=body.get("completed_at"))
        run["output"].update(annotations_count=0)
        state["checks"][str(run["id"])] = {"run": run, "annotations": []}
    kept = state["checks"][str(run["id"])]
    kept["annotations"] += output.get("annotations", [])
    run["output"].update({key: output[key] for key in ("title", "summary") if key in output})
    run["output"]["annotations_count"] = len(kept["annotations"])
    return run


def comment(text, kind="Bot", user=41898282):
    one = example("/repos/{owner}/{repo}/issues/{issue_number}/comments", "post", 201)
    one.update(id=number(), body=text)
    one["user"].update(type=kind, id=user, login="github-actions[bot]" if kind == "Bot" else "somebody")
    state["comments"][str(one["id"])] = one
    return one


def deployment(body):
    one = example("/repos/{owner}/{repo}/deployments", "post", 201)
    one.update(id=number(), sha=body["ref"], ref=body["ref"], environment=body.get("environment", "production"), payload=body.get("payload", ""), description=body.get("description"))
    state["deployments"][str(one["id"])] = one
    state["statuses"][str(one["id"])] = []
    return one


def status(id, body):
    one = example("/repos/{owner}/{repo}/deployments/{deployment_id}/statuses", "post", 201)
    one.update(id=number(), state=body["state"], description=body.get("description", ""), environment_url=body.get("environment_url", ""), log_url=body.get("log_url", ""), target_url=body.get("log_url", ""))
    state["statuses"][id].insert(0, one)
    return one


def there(kind, id):
    if id not in state[kind]:
        raise Refused(404, "Not Found")
    return state[kind][id]


def page(items, query):
    size, at = int(query.get("per_page", 30)), int(query.get("page", 1))
    return items[(at - 1) * size:at * size]


def handle(method, path, values, query, body):
    short = path.removeprefix("/repos/{owner}/{repo}/")
    match (method, short):
        case ("get", "/user"):
            if "user" not in script:
                raise Refused(403, "Resource not accessible by integration")
            me = example(path, "get", 200)
            me.update(id=script["user"])
            return 200, me
        case ("post", "check-runs"):
            return 201, check(None, body)
        case ("get", "check-runs/{check_run_id}"):
            return 200, there("checks", values["check_run_id"])["run"]
        case ("patch", "check-runs/{check_run_id}"):
            return 200, check(there("checks", values["check_run_id"])["run"], body)
        case ("get", "commits/{ref}/check-runs"):
            runs = [one["run"] for one in state["checks"].values() if one["run"]["head_sha"] == values["ref"] and one["run"]["name"] == query.get("check_name", one["run"]["name"])]
            return 200, {"total_count": len(runs), "check_runs": page(runs, query)}
        case ("get", "issues/{issue_number}/comments"):
            return 200, page(list(state["comments"].values()), query)
        case ("post", "issues/{issue_number}/comments"):
            return 201, comment(body["body"])
        case ("patch", "issues/comments/{comment_id}"):
            one = there("comments", values["comment_id"])
            one["body"] = body["body"]
            return 200, one
        case ("get", "deployments"):
            found = [one for one in state["deployments"].values() if one["sha"] == query.get("sha", one["sha"]) and one["environment"] == query.get("environment", one["environment"])]
            return 200, page(found[::-1], query)
        case ("post", "deployments"):
            if body.get("required_contexts") != [] or body.get("auto_merge", True):
                raise Refused(409, "Conflict: Commit status checks failed for the ref.")
            return 201, deployment(body)
        case ("get", "deployments/{deployment_id}/statuses"):
            return 200, page(there("statuses", values["deployment_id"]), query)
        case ("post", "deployments/{deployment_id}/statuses"):
            there("deployments", values["deployment_id"])
            return 201, status(values["deployment_id"], body)
    raise Refused(404, "Not Found")


def route(method, path):
    for template, operations in description["paths"].items():
        pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", template)
        found = re.fullmatch(pattern, path)
        if found and method in operations:
            return template, found.groupdict()
    return None, {}


def request_errors(method, template, values, query, body):
    operation = document["paths"][template][method]
    found = []
    known = set()
    for index, parameter in enumerate(operation.get("parameters", [])):
        parameter = resolved(parameter)
        known.add(parameter["name"])
        given = (values if parameter["in"] == "path" else query).get(parameter["name"])
        if given is None:
            continue
        if parameter["schema"].get("type") == "integer":
            given = int(given) if given.isdigit() else given
        validator = Draft202012Validator(parameter["schema"], registry=registry)
        found += [f"{parameter['name']}: {error.message}" for error in validator.iter_errors(given)]
    found += [f"query {name} is not in the description" for name in query if name not in known]
    if "requestBody" in operation:
        at = ("paths", template, method, "requestBody", "content", "application/json", "schema")
        found += errors(body, *at)
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        found += [f"{name} is not in the description" for name in body if name not in schema["properties"]]
    elif body is not None:
        found.append("a body where the description has none")
    return found


def fault(method, template):
    for one in script.get("faults", []):
        if one["on"] == f"{method} {template}" and one.get("times", 1) > 0:
            if one.get("after", 0) > 0:
                one["after"] -= 1
                continue
            one["times"] = one.get("times", 1) - 1
            return one
    return None


class GitHub(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def body(self):
        if self.headers.get("Transfer-Encoding") == "chunked":
            data = b""
            while size := int(self.rfile.readline().split(b";")[0], 16):
                data += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            data = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        return json.loads(data) if data else None

    def answer(self):
        body = self.body()
        with lock:
            status, value, headers = self.judged(body)
            temporary = sys.argv[3] + ".new"
            json.dump(log, open(temporary, "w"))
            os.replace(temporary, sys.argv[3])
        data = json.dumps(value).encode()
        self.send_response(status)
        for name, text in {"Content-Type": "application/json; charset=utf-8", **headers}.items():
            self.send_header(name, text)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def judged(self, body):
        method = self.command.lower()
        url = urllib.parse.urlsplit(self.path)
        path = url.path.removeprefix(script.get("prefix", ""))
        query = dict(urllib.parse.parse_qsl(url.query))
        template, values = route(method, path)
        log["requests"].append({"method": method, "path": path, "query": query, "body": body, "template": template, "agent": self.headers.get("User-Agent")})
        wrong = []
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            return 401, {"message": "Bad credentials"}, {}
        if self.headers.get("Accept") != "application/vnd.github+json" or self.headers.get("X-GitHub-Api-Version") != "2022-11-28":
            wrong.append(f"headers {dict(self.headers)}")
        if not url.path.startswith(script.get("prefix", "")):
            wrong.append(f"{self.path} is not below {script['prefix']}")
        if template is None:
            log["violations"].append(f"{method} {path} is not in the description")
            return 404, {"message": "Not Found"}, {}
        values = {name: urllib.parse.unquote(value) for name, value in values.items()}
        wrong += request_errors(method, template, values, query, body)
        if wrong:
            log["violations"] += [f"{method} {path}: {one}" for one in wrong]
            return 422, {"message": "Validation Failed", "errors": wrong}, {}
        denied = any(part in template for part in script.get("deny", []))
        if method != "get" and denied:
            return 403, {"message": "Resource not accessible by integration", "documentation_url": "https://docs.github.com/rest"}, {}
        planned = fault(method, template)
        if planned and not planned.get("did"):
            return self.failing(planned)
        try:
            limits(template, body or {})
            status, value = handle(method, template, values, query, body)
        except Refused as refused:
            return refused.status, {"message": refused.message}, {}
        at = ("paths", template, method, "responses", str(status), "content", "application/json", "schema")
        log["violations"] += [f"our answer to {method} {path}: {one}" for one in errors(value, *at)]
        return self.failing(planned) if planned else (status, value, {})

    def failing(self, planned):
        return planned["status"], {"message": planned.get("message", "planned")}, planned.get("headers", {})

    do_GET = do_POST = do_PATCH = answer

    def log_message(self, *_):
        pass


for known in script.get("comments", []):
    comment(known["body"], known.get("type", "Bot"), known.get("user", 41898282))
for known in script.get("deployments", []):
    status(str(deployment(known)["id"]), known["status"])
json.dump(log, open(sys.argv[3], "w"))
server = http.server.ThreadingHTTPServer((script.get("address", "127.0.0.1"), 0), GitHub)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(server.server_address[1])
sys.stdin.read()
os._exit(0)
