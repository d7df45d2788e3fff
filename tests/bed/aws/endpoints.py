"""What moto leaves out of SageMaker: endpoints take time, may fail, may come back with their old configuration, and answer with
the model's own container. States and texts are those of AWS's description (botocore) and of its documentation.

An update that is guarded (DeploymentConfig) moves requests step by step once the new machines are there: each step activates
traffic and bakes, and meanwhile the alarms that it names are looked at as CloudWatch has them. One in ALARM turns all of it back.
A step bakes for `bake` seconds in place of WaitIntervalInSeconds, which is for people.

A test scripts an endpoint before it acts (see server.py); without a script the image of the model runs on the local engine, as
`docker run IMAGE serve`, and is asked on /ping and /invocations.
"""
import http.client
import json
import os
import secrets
import subprocess
import threading
import time
import urllib.error
import urllib.request
from datetime import timedelta

from moto.cloudwatch.models import cloudwatch_backends
from moto.core.responses import ActionResult
from moto.core.utils import utcnow
from moto.iam.models import iam_backends
from moto.iam.responses import IamResponse
from moto.logs.models import logs_backends
from moto.sagemaker import models
from moto.sagemaker.exceptions import ValidationError
from moto.sagemaker.responses import SageMakerResponse
from moto.sagemakerruntime.responses import SageMakerRuntimeResponse

SCRIPTS = {}  # endpoint name → what the test wants of it
STEPS = {}  # endpoint name → the change under way
LEAVES = {}  # endpoint name → how often it is looked at until it is gone
RUNNING = {}  # endpoint configuration → container that serves it
LABEL = "ml-deploy-bed.aws"
ACTIVATES = 0.2  # seconds until a step has its traffic
TURNED = "The deployment was rolled back: an alarm of the automatic rollback configuration went into ALARM."
PING = "did not pass the ping health check. Please check CloudWatch logs for this endpoint."
Backend = models.SageMakerModelBackend


def docker(*arguments):
    return subprocess.run([os.environ["BED_DOCKER"], *arguments], capture_output=True, text=True)


class Step:
    """One change of an endpoint: it ends by time, or when the container has shown what it is; a guarded one after its last step."""

    def __init__(self, backend, endpoint, config, kind, guard=None):
        script = SCRIPTS.get(endpoint.endpoint_name, {})
        mine = script.get(kind, {})
        self.config, self.kind = config, kind
        self.end, self.reason = mine.get("end", "ok"), mine.get("reason")
        self.until = time.monotonic() + mine.get("seconds", 0.5)
        self.turning = mine.get("back", 0)
        self.back = self.until + self.turning
        self.alarms = [one["AlarmName"] for one in (guard or {}).get("AutoRollbackConfiguration", {}).get("Alarms", [])]
        self.steps, self.bake, self.trips = steps(guard), mine.get("bake", 0.3), mine.get("trips")
        self.ready = None  # when the new machines were there
        self.thread = None
        if not script:
            self.thread = threading.Thread(target=self.run, args=(backend, endpoint.endpoint_name), daemon=True)
            self.thread.start()
        elif script.get("log"):
            write_log(backend, endpoint.endpoint_name, script["log"], script.get("others", 0))

    def stage(self):
        """What the new variants are doing, as AWS's description calls it; None: nothing any more."""
        if self.thread.is_alive() if self.thread else time.monotonic() < self.until:
            return "Creating"
        if self.end not in ("ok", "short") or not self.steps:
            return None
        self.ready = self.ready or time.monotonic()
        number, into = divmod(time.monotonic() - self.ready, ACTIVATES + self.bake)
        if number >= self.steps:
            return None
        return "ActivatingTraffic" if into < ACTIVATES else "Baking"

    def watch(self, alarms):
        """While requests move: an alarm of the configuration that is in ALARM turns the update back."""
        if self.trips and time.monotonic() > self.ready + ACTIVATES + self.bake / 2:
            alarms[self.trips].update_state("Threshold Crossed: 1 datapoint (9.0) was greater than the threshold (1.0).", "{}", "ALARM")
            self.trips = None
        if any(name in alarms and alarms[name].state_value == "ALARM" for name in self.alarms):
            self.end, self.reason = "old-config", TURNED
            self.back = time.monotonic() + self.turning

    def run(self, backend, name):
        container, why = start(backend, self.config)
        RUNNING[self.config["EndpointConfigName"]] = container
        patience = time.monotonic() + 20
        while not why and time.monotonic() < patience:
            state = docker("inspect", "-f", "{{.State.Running}}", container).stdout.strip()
            if ask(address(container), "GET", "/ping", None, {})[0] == 200:
                write_log(backend, name, logs(container))
                return
            if state != "true":
                break
            time.sleep(0.2)
        variant = self.config["ProductionVariants"][0]["VariantName"]  # all variants have the same image: one container is enough
        write_log(backend, name, logs(container))
        self.reason = why or f"The primary container for production variant {variant} {PING}"
        self.end = "failed" if self.kind == "create" else "old-config"


def steps(guard):
    """In how many steps requests move."""
    if not guard:
        return 0
    routing = guard["BlueGreenUpdatePolicy"]["TrafficRoutingConfiguration"]
    return {"ALL_AT_ONCE": 1, "CANARY": 2, "LINEAR": -(-100 // routing.get("LinearStepSize", {}).get("Value", 100))}[routing["Type"]]


def start(backend, config):
    """Runs the configuration's first model; returns its container, and why it does not run."""
    model = backend._models[config["ProductionVariants"][0]["ModelName"]].primary_container
    environment = [part for pair in model.get("Environment", {}).items() for part in ("-e", "=".join(pair))]
    ran = docker("run", "-d", "--label", LABEL, "-p", "127.0.0.1::8080", *environment, model["Image"], "serve")
    why = None if ran.returncode == 0 else f"Failed to start the container: {ran.stderr.strip()[-300:]}"
    return ran.stdout.strip().split("\n")[-1], why


def address(container):
    port = docker("port", container, "8080").stdout.strip().split("\n")[0]
    return f"http://{port}"


def logs(container):
    ran = docker("logs", container)
    return (ran.stdout + ran.stderr).splitlines()


def stop(config_name):
    container = RUNNING.pop(config_name, None)
    if container:
        docker("rm", "-f", container)


def write_log(backend, name, lines, others=0):
    """`others` streams are of machines that served before and go on logging, so that they stand before the new one."""
    logs_backend = logs_backends[backend.account_id][backend.region_name]
    group, stream = f"/aws/sagemaker/Endpoints/{name}", f"AllTraffic/i-0{secrets.token_hex(8)}"
    if group not in logs_backend.groups:
        logs_backend.create_log_group(group, {})
    if stream not in logs_backend.groups[group].streams:
        logs_backend.create_log_stream(group, stream)
    now = int(time.time() * 1000)
    events = [{"timestamp": now, "message": line} for line in lines if line]
    if events:
        logs_backend.put_log_events(group, stream, events)
    for number in range(others):
        older = f"AllTraffic/i-1{number:016x}"
        if older in logs_backend.groups[group].streams:
            continue
        logs_backend.create_log_stream(group, older)
        logs_backend.groups[group].streams[older].creation_time = utcnow() - timedelta(hours=1)
        logs_backend.put_log_events(group, older, [{"timestamp": now + 60_000, "message": "GET /ping 200"}])


def ask(base, method, path, body, headers):
    request = urllib.request.Request(base + path, data=body, method=method, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.headers.get("Content-Type", ""), answer.read()
    except urllib.error.HTTPError as answer:
        return answer.code, answer.headers.get("Content-Type", ""), answer.read()
    except (OSError, http.client.HTTPException) as error:
        return 0, "", str(error).encode()


def arn(backend, kind, name):
    return f"arn:aws:sagemaker:{backend.region_name}:{backend.account_id}:{kind}/{name}"


def settle(backend, endpoint):
    """Moves the endpoint on to where it stands now."""
    name = endpoint.endpoint_name
    step = STEPS.get(name)
    if not step:
        return
    if step.stage() in ("ActivatingTraffic", "Baking"):
        step.watch(cloudwatch_backends[backend.account_id][backend.region_name].alarms)
    if step.stage():
        return
    if step.end == "old-config" and time.monotonic() < step.back:
        endpoint.endpoint_status = "RollingBack"
        return
    del STEPS[name]
    endpoint.failure_reason = step.reason
    endpoint.last_modified_time = utcnow()
    if step.end in ("ok", "short"):
        old = endpoint.endpoint_config_name
        endpoint.endpoint_config_name = step.config["EndpointConfigName"]
        endpoint.production_variants = endpoint._process_production_variants(step.config["ProductionVariants"])
        endpoint.data_capture_config = step.config.get("DataCaptureConfig")
        if step.end == "short":
            endpoint.production_variants[-1]["CurrentInstanceCount"] -= 1
        endpoint.endpoint_status = "InService"
        if old != endpoint.endpoint_config_name:
            stop(old)
        return
    if step.end == "old-config":
        endpoint.endpoint_status = "InService"
    else:
        endpoint.endpoint_status = {"failed": "Failed", "rollback-failed": "UpdateRollbackFailed"}[step.end]
    if step.kind == "update":
        stop(step.config["EndpointConfigName"])


def passable(response, role):
    """CreateModel needs `iam:PassRole`, and a role that SageMaker may take on."""
    from moto.iam.access_control import IAMPolicy, PermissionResult, create_access_key

    backend = iam_backends[response.current_account]["aws"]
    found = next((known for known in backend.roles.values() if known.arn == role), None)
    trust = found.assume_role_policy_document if found else ""
    if "sagemaker.amazonaws.com" not in json.dumps(trust):
        raise ValidationError(
            f"Could not assume role {role}. Please ensure that the role exists and allows principal 'sagemaker.amazonaws.com' to assume the role."
        )
    headers = dict(response.headers)
    key = headers["Authorization"].partition("Credential=")[2].partition("/")[0]
    access = create_access_key(response.current_account, "aws", key, headers)
    verdicts = [IAMPolicy(policy).is_action_permitted("iam:PassRole", role) for policy in access.collect_policies()]
    if PermissionResult.PERMITTED not in verdicts or PermissionResult.DENIED in verdicts:
        error = ValidationError(f"User: {access.arn} is not authorized to perform: iam:PassRole on resource: {role}")
        error.code = "AccessDeniedException"
        raise error


def simulate(self):
    """`iam:SimulatePrincipalPolicy` for a user or a role: one verdict an action."""
    from moto.iam.access_control import AssumedRoleAccessKey, IAMPolicy, IAMUserAccessKey, PermissionResult

    kind, _, name = self._get_param("PolicySourceArn").partition(":")[2].rpartition(":")[2].partition("/")
    cls = IAMUserAccessKey if kind == "user" else AssumedRoleAccessKey
    access = cls.__new__(cls)
    access.account_id, access.partition = self.current_account, "aws"
    access._owner_user_name = access._owner_role_name = name.rpartition("/")[2]
    resource = (self._get_param("ResourceArns") or ["*"])[0]
    rows = ""
    for action in self._get_param("ActionNames"):
        verdicts = [IAMPolicy(policy).is_action_permitted(action, resource) for policy in access.collect_policies()]
        decision = "allowed" if PermissionResult.PERMITTED in verdicts else "implicitDeny"
        decision = "explicitDeny" if PermissionResult.DENIED in verdicts else decision
        rows += f"<member><EvalActionName>{action}</EvalActionName><EvalResourceName>{resource}</EvalResourceName><EvalDecision>{decision}</EvalDecision></member>"
    return (
        '<SimulatePrincipalPolicyResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><SimulatePrincipalPolicyResult>'
        f"<IsTruncated>false</IsTruncated><EvaluationResults>{rows}</EvaluationResults></SimulatePrincipalPolicyResult>"
        "<ResponseMetadata><RequestId>bed</RequestId></ResponseMetadata></SimulatePrincipalPolicyResponse>"
    )


def extend():
    """Puts all of it into moto."""
    create_model, create_config = SageMakerResponse.create_model, SageMakerResponse.create_endpoint_config
    create, describe, delete = Backend.create_endpoint, Backend.describe_endpoint, Backend.delete_endpoint
    delete_config = Backend.delete_endpoint_config

    def new_model(self):
        name = self._get_param("ModelName")
        if name in self.sagemaker_backend._models:
            raise ValidationError(f'Cannot create already existing model "{arn(self.sagemaker_backend, "model", name)}".')
        passable(self, self._get_param("ExecutionRoleArn"))
        return create_model(self)

    def new_config(self):
        backend, name = self.sagemaker_backend, self._get_param("EndpointConfigName")
        if name in backend.endpoint_configs:
            raise ValidationError(f'Cannot create already existing endpoint configuration "{arn(backend, "endpoint-config", name)}".')
        for variant in self._get_param("ProductionVariants"):
            if variant["ModelName"] not in backend._models:
                raise ValidationError(f'Could not find model "{arn(backend, "model", variant["ModelName"])}".')
        serverless = [variant for variant in self._get_param("ProductionVariants") if "ServerlessConfig" in variant]
        if serverless and (len(self._get_param("ProductionVariants")) > 1 or self._get_param("DataCaptureConfig")):
            raise ValidationError("Serverless endpoints take neither several variants nor data capture.")
        return create_config(self)

    def config_of(self, name):
        if name not in self.endpoint_configs:
            raise ValidationError(f'Could not find endpoint configuration "{arn(self, "endpoint-config", name)}".')
        return self.describe_endpoint_config(name)

    def new_endpoint(self, endpoint_name, endpoint_config_name, tags):
        config = config_of(self, endpoint_config_name)
        if endpoint_name in self.endpoints:
            raise ValidationError(f'Cannot create already existing endpoint "{arn(self, "endpoint", endpoint_name)}".')
        endpoint = create(self, endpoint_name, endpoint_config_name, tags)
        endpoint.endpoint_status = "Creating"
        STEPS[endpoint_name] = Step(self, endpoint, config, "create")
        return endpoint

    def found(self, name):
        if name not in self.endpoints:
            raise ValidationError(f'Could not find endpoint "{arn(self, "endpoint", name)}".')
        settle(self, self.endpoints[name])
        return self.endpoints[name]

    def leave(self, name):
        """One look at an endpoint that is being deleted: after the first it says so, and after the last it is gone."""
        LEAVES[name] -= 1
        if LEAVES[name] == 0:
            del LEAVES[name]
            delete(self, name)
        else:
            self.endpoints[name].endpoint_status = "Deleting"

    def described(self, endpoint_name):
        endpoint = found(self, endpoint_name)
        answer = describe(self, endpoint_name)
        if endpoint_name in LEAVES:
            leave(self, endpoint_name)
        for variant in answer.get("ProductionVariants", []):
            # Of an endpoint that is being deleted the configuration may be gone.
            config = self.endpoint_configs.get(endpoint.endpoint_config_name)
            model = config and self._models.get(config.production_variants[0].get("ModelName"))
            image = model.primary_container.get("Image") if model else None
            variant["DeployedImages"] = [{"SpecifiedImage": image, "ResolvedImage": image}]
        step = STEPS.get(endpoint_name)
        if step and step.kind == "update":
            stage = step.stage() or "Deleting"
            variants = [{"VariantName": v["VariantName"], "VariantStatus": [{"Status": stage}]} for v in step.config["ProductionVariants"]]
            answer["PendingDeploymentSummary"] = {"EndpointConfigName": step.config["EndpointConfigName"], "ProductionVariants": variants}
        if step and step.kind == "create":
            answer.pop("ProductionVariants", None)
        return answer

    def update(self):
        backend, name = self.sagemaker_backend, self._get_param("EndpointName")
        endpoint = found(backend, name)
        config = config_of(backend, self._get_param("EndpointConfigName"))
        if endpoint.endpoint_status != "InService":
            raise ValidationError(f'Cannot update in-progress endpoint "{arn(backend, "endpoint", name)}".')
        old, new = endpoint.production_variants, config["ProductionVariants"]
        if self._get_param("DeploymentConfig") and {v["VariantName"] for v in old} != {v["VariantName"] for v in new}:
            raise ValidationError("The new endpoint configuration must have the same variant names for a blue/green deployment.")
        if "ServerlessConfig" in new[0] and "CurrentServerlessConfig" not in old[0]:
            raise ValidationError("An endpoint with instances cannot be updated to a serverless one.")
        guard = self._get_param("DeploymentConfig")
        endpoint.endpoint_status, endpoint.failure_reason = "Updating", None
        endpoint.last_deployment_config = guard
        STEPS[name] = Step(backend, endpoint, config, "update", guard)
        return ActionResult({"EndpointArn": endpoint.arn})

    def removed(self, endpoint_name):
        endpoint = found(self, endpoint_name)
        if endpoint.endpoint_status in ("Creating", "Updating", "RollingBack"):
            raise ValidationError(f'Cannot update in-progress endpoint "{endpoint.arn}".')
        stop(endpoint.endpoint_config_name)
        looks = SCRIPTS.get(endpoint_name, {}).get("delete", {}).get("looks", 0)
        if looks:
            LEAVES[endpoint_name] = looks
        else:
            delete(self, endpoint_name)

    def config_removed(self, endpoint_config_name):
        config_of(self, endpoint_config_name)
        delete_config(self, endpoint_config_name)

    def models_listed(self):
        wanted = self._get_param("NameContains") or ""
        found = [model for model in self.sagemaker_backend.list_models() if wanted in model.model_name]
        found.sort(key=lambda model: model.creation_time, reverse=self._get_param("SortOrder") != "Ascending")
        rows = [{"ModelName": m.model_name, "ModelArn": m.arn, "CreationTime": m.creation_time} for m in found]
        return ActionResult({"Models": rows[: self._get_param("MaxResults") or 10]})

    SageMakerResponse.list_models = models_listed
    SageMakerResponse.create_model, SageMakerResponse.create_endpoint_config = new_model, new_config
    SageMakerResponse.update_endpoint = update
    Backend.create_endpoint, Backend.describe_endpoint, Backend.delete_endpoint = new_endpoint, described, removed
    Backend.delete_endpoint_config = config_removed
    SageMakerRuntimeResponse.invoke_endpoint = invoke
    IamResponse.simulate_principal_policy = simulate


def invoke(self):
    """Really asks the container behind the endpoint."""
    backend = models.sagemaker_backends[self.current_account][self.region]
    name = self.path.split("/")[2]
    endpoint = backend.endpoints.get(name)
    if endpoint:
        settle(backend, endpoint)
    if not endpoint or endpoint.endpoint_status in ("Creating", "Failed"):
        return 400, errors("ValidationError", 400), json.dumps({"Message": f"Endpoint {name} of account {self.current_account} not found."})
    base = SCRIPTS.get(name, {}).get("address")
    config = endpoint.endpoint_config_name
    variants = [variant["VariantName"] for variant in endpoint.production_variants]
    variant = self.headers.get("X-Amzn-Sagemaker-Target-Variant", variants[0])
    if variant not in variants:
        return 400, errors("ValidationError", 400), json.dumps({"Message": f"Variant {variant} not found for Request."})
    # A script may give each variant, or each model, an address of its own: for a model the first whose key is part of its image.
    if isinstance(base, dict) and variant in base:
        base = base[variant]
    elif isinstance(base, dict):
        image = backend._models[backend.endpoint_configs[config].production_variants[0]["ModelName"]].primary_container["Image"]
        base = next((place for part, place in base.items() if part in image), None)
    base = base or address(RUNNING.get(config, ""))
    headers = {key: self.headers[key] for key in ("Content-Type", "Accept") if key in self.headers}
    body = self.body if isinstance(self.body, bytes) else (self.body or "").encode()
    status, kind, answer = ask(base, "POST", "/invocations", body, headers)
    if not 200 <= status < 300:
        text = answer.decode(errors="replace")
        said = f'Received server error ({status}) from primary with message "{text}". See the CloudWatch log of the endpoint.'
        fields = {"Message": said, "OriginalMessage": text, "OriginalStatusCode": status, "ErrorCode": "CLIENT_ERROR_FROM_MODEL"}
        return 424, errors("ModelError", 424), json.dumps(fields)
    return 200, {"Content-Type": kind, "x-Amzn-Invoked-Production-Variant": variant}, answer


def errors(kind, status):
    # moto takes the status from there.
    return {"x-amzn-ErrorType": kind, "Content-Type": "application/json", "status": status}
