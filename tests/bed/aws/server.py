"""AWS on loopback: moto, with requests held against AWS's own description, users and rights that count, faults on demand, and
endpoints of SageMaker that take time (endpoints.py). Everything a test controls goes through /_bed/…, by its own access key or
its own names, so that tests do not disturb each other:

  POST   /_bed/identity         {"policy": {…}}                 → a user's keys; without a policy it may do everything
  POST   /_bed/role             {"name", "path", "trust", "policy"} → the role's ARN
  POST   /_bed/endpoint/NAME    {"address", "log", "others" (streams of older machines), "create": {"seconds", "end", "reason"}, "update": {…, "back"}}
                                end: ok, short (an instance is missing), old-config, failed, rollback-failed
                                update also: "bake" (seconds of each step of a guarded update), "trips" (an alarm, while the first bakes)
                                delete: {"looks"} until it is gone
  POST   /_bed/alarm            {"region", "name"}            → a CloudWatch alarm that is OK
  DELETE /_bed/endpoint/NAME    ends its containers
                                address: where it answers, or {variant or part of an image: where}
  POST   /_bed/faults           {"key", "action", "code", "status", "message", "after", "times", "headers"}
  GET    /_bed/calls?key=KEY    what the key has called: [{"action", "params"}]
"""
import io
import json
import os
import sys
import threading
import uuid
from urllib.parse import parse_qs

from moto.core.responses import ActionAuthenticatorMixin
from moto.iam.models import iam_backends
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import run_simple

import endpoints
import shapes

ACCOUNT = "123456789012"
EVERYTHING = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
VALIDATED = {"SageMaker": "sagemaker", "Logs_20140328": "logs", "AmazonEC2ContainerRegistry_V20150921": "ecr"}  # target prefix → botocore's name
OPEN = {"AssumeRoleWithWebIdentity", "AssumeRoleWithSAML"}
CALLS, FAULTS, LOCK = {}, [], threading.Lock()


def iam():
    return iam_backends[ACCOUNT]["aws"]


def identity(wanted):
    name = f"bed-{uuid.uuid4().hex[:12]}"
    iam().create_user("us-east-1", name)
    iam().put_user_policy(name, "all", json.dumps(wanted.get("policy") or EVERYTHING))
    key = iam().create_access_key(name)
    return {"user": name, "access_key_id": key.access_key_id, "secret_access_key": key.secret_access_key}


def role(wanted):
    trust = wanted.get("trust") or {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}],
    }
    made = iam().create_role(wanted["name"], json.dumps(trust), wanted.get("path", "/"), None, "", [], "3600")
    if wanted.get("policy"):
        iam().put_role_policy(wanted["name"], "all", json.dumps(wanted["policy"]))
    return {"arn": made.arn}


def control(method, path, query, body):
    wanted = json.loads(body or b"{}")
    first, _, name = path.removeprefix("/_bed/").partition("/")
    match method, first:
        case "GET", "health":
            return {}
        case "POST", "identity":
            return identity(wanted)
        case "POST", "role":
            return role(wanted)
        case "POST", "endpoint":
            endpoints.SCRIPTS[name] = wanted
            return {}
        case "DELETE", "endpoint":
            endpoints.SCRIPTS.pop(name, None)
            for backend in endpoints.models.sagemaker_backends[ACCOUNT].values():
                for config in list(backend.endpoint_configs):
                    if config.startswith(name):
                        endpoints.stop(config)
            return {}
        case "POST", "alarm":
            backend = endpoints.cloudwatch_backends[ACCOUNT][wanted["region"]]
            made = backend.put_metric_alarm(wanted["name"], "AWS/SageMaker", "Invocation5XXErrors", "GreaterThanThreshold", 1, 60, 1.0, "Sum", "", [], [])
            made.update_state("No datapoint was above the threshold.", "{}", "OK")
            return {}
        case "POST", "faults":
            with LOCK:
                FAULTS.append(wanted)
            return {}
        case "GET", "calls":
            return CALLS.get(parse_qs(query).get("key", [""])[0], [])
    raise KeyError(path)


def fault(key, action):
    with LOCK:
        for wanted in FAULTS:
            if wanted["key"] == key and wanted["action"] == action and wanted["times"] > 0:
                # The first calls may be let through.
                if wanted.get("after", 0) > 0:
                    wanted["after"] -= 1
                    return None
                wanted["times"] -= 1
                return wanted
    return None


class Front:
    """Stands before moto."""

    def __init__(self, moto):
        self.moto = moto

    def __call__(self, environ, start_response):
        path, method = environ["PATH_INFO"], environ["REQUEST_METHOD"]
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
        if path.startswith("/_bed/"):
            try:
                said = control(method, path, environ.get("QUERY_STRING", ""), body)
                return answer(start_response, 200, said)
            except Exception as error:  # the test shall see what it did wrong
                return answer(start_response, 400, {"error": repr(error)})
        key = environ.get("HTTP_AUTHORIZATION", "").partition("Credential=")[2].partition("/")[0]
        target, _, action = environ.get("HTTP_X_AMZ_TARGET", "").rpartition(".")
        params = None
        if target:
            params = json.loads(body or b"{}")
        elif path.endswith("/invocations"):
            action, params = "InvokeEndpoint", {"TargetVariant": environ.get("HTTP_X_AMZN_SAGEMAKER_TARGET_VARIANT")}
        else:
            action = parse_qs(body.decode(errors="replace")).get("Action", [path])[0]
        with LOCK:
            CALLS.setdefault(key, []).append({"action": action, "params": params})
        wanted = fault(key, action)
        if wanted:
            said = {"__type": wanted["code"], "message": wanted.get("message", "")}
            return answer(start_response, wanted.get("status", 400), said, wanted.get("headers", {}))
        if target in VALIDATED:
            wrong = shapes.complaint(VALIDATED[target], action, params)
            if wrong:
                return answer(start_response, 400, {"__type": "ValidationException", "message": wrong})
        return self.pass_on(environ, start_response, bool(target))

    def pass_on(self, environ, start_response, speaks_json):
        """moto says in XML that somebody may not; services that speak JSON say it so."""
        if not speaks_json:
            return self.moto(environ, start_response)
        seen = {}

        def begin(status, headers, exc_info=None):
            seen.update(status=status, headers=headers)

        body = b"".join(self.moto(environ, begin))
        text = body.decode(errors="replace")
        if seen["status"].startswith("403") and "<Code>" in text:
            code = text.partition("<Code>")[2].partition("</Code>")[0]
            message = text.partition("<Message>")[2].partition("</Message>")[0].strip()
            code = {"AccessDenied": "AccessDeniedException", "InvalidClientTokenId": "UnrecognizedClientException"}.get(code, code)
            return answer(start_response, 400, {"__type": code, "message": message})
        start_response(seen["status"], seen["headers"])
        return [body]


def answer(start_response, status, said, headers=None):
    body = json.dumps(said).encode()
    fields = {"Content-Type": "application/x-amz-json-1.1", "Content-Length": str(len(body)), **(headers or {})}
    if isinstance(said, dict) and "__type" in said:
        fields["x-amzn-ErrorType"] = said["__type"]
    start_response(f"{status} .", list(fields.items()))
    return [body]


def main():
    port = int(sys.argv[1])
    endpoints.extend()
    # From the first request on signatures and rights count (INITIAL_NO_AUTH_ACTION_COUNT=0), but for what nobody signs.
    authorize = ActionAuthenticatorMixin._authenticate_and_authorize_normal_action

    def unless_open(self, resource="*"):
        if self._get_action() not in OPEN:
            authorize(self, resource)

    ActionAuthenticatorMixin._authenticate_and_authorize_normal_action = unless_open
    print(json.dumps(identity({})), file=open(os.environ["BED_ADMIN"], "w"), flush=True)
    moto = DomainDispatcherApplication(create_backend_app)
    run_simple("127.0.0.1", port, Front(moto), threaded=True, request_handler=MotoRequestHandler)


main()
