//! Endpoints of SageMaker, on AWS as moto plays it: signatures and rights count, requests are held against AWS's own description,
//! endpoints take time and end as the test says, or really run the image on the engine. What was called is the witness.

use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use serde_json::{Value, json};

use crate::deploy::docker;
use crate::secrecy::nowhere;
use crate::support::{Ended, Project, Run, bed, unique};

/// Everything that the tests ask of the bed's own routes.
pub(crate) fn control(method: &str, path: &str, body: &Value) -> Value {
    let url = format!("{}/_bed/{path}", bed("AWS"));
    let output = Command::new("curl")
        .args(["-sf", "--noproxy", "*", "-X", method, &url, "-d"])
        .arg(body.to_string())
        .output()
        .unwrap();
    assert!(output.status.success(), "{method} {url}: {output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Somebody with rights and a role, and one endpoint of a name of its own.
pub(crate) struct Endpoint {
    pub(crate) name: String,
    pub(crate) key: String,
    pub(crate) secret: String,
    role: String,
}

impl Endpoint {
    /// An endpoint that ends so; `null`: it really runs its image.
    pub(crate) fn new(script: &Value) -> Self {
        Self::with(script, &Value::Null)
    }

    /// The same for somebody who may do no more than the policy says.
    fn with(script: &Value, policy: &Value) -> Self {
        let name = unique("wine").replace('_', "-");
        let who = control("POST", "identity", &json!({"policy": policy}));
        let role = control("POST", "role", &json!({"name": format!("exec-{name}")}));
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let endpoint = Self {
            name,
            key: text(&who["access_key_id"]),
            secret: text(&who["secret_access_key"]),
            role: text(&role["arn"]),
        };
        endpoint.script(script);
        endpoint
    }

    pub(crate) fn script(&self, script: &Value) {
        if !script.is_null() {
            control("POST", &format!("endpoint/{}", self.name), script);
        }
    }

    /// The next calls of an action fail so.
    fn fault(&self, action: &str, code: &str, times: u32) {
        let fault = json!({"key": self.key, "action": action, "code": code, "message": "Rate exceeded", "times": times});
        control("POST", "faults", &fault);
    }

    /// A run that finds no identity of the machine's own and no program: no `aws`, no plugin.
    pub(crate) fn command<'a>(&self, project: &'a Project, subcommand: &str) -> Run<'a> {
        project
            .ml_deploy(subcommand)
            .env("PATH", "/nowhere")
            .env("AWS_CONFIG_FILE", "/dev/null")
            .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
            .env("AWS_ENDPOINT_URL", &bed("AWS"))
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .input("aws-region", "eu-west-1")
            .input("aws-access-key-id", &self.key)
            .input("aws-secret-access-key", &self.secret)
            .input("target", "sagemaker")
            .input("endpoint-name", &self.name)
    }

    /// Deploys an image that exists.
    pub(crate) fn deploy<'a>(&self, project: &'a Project, image: &str) -> Run<'a> {
        self.command(project, "deploy")
            .input("execution-role", &self.role)
            .input("instance-type", "ml.m5.large")
            .input("image-ref", image)
            .input("deploy-timeout", "60s")
    }

    /// What was called: `CreateModel`, with its parameters.
    fn calls(&self) -> Vec<(String, Value)> {
        let calls = control("GET", &format!("calls?key={}", self.key), &Value::Null);
        let calls = calls.as_array().unwrap().iter();
        calls
            .map(|call| {
                (
                    call["action"].as_str().unwrap().to_owned(),
                    call["params"].clone(),
                )
            })
            .collect()
    }

    /// The parameters of all calls of an action.
    fn called(&self, action: &str) -> Vec<Value> {
        let calls = self.calls().into_iter();
        calls
            .filter(|(name, _)| name == action)
            .map(|(_, params)| params)
            .collect()
    }

    /// The last configuration that the endpoint was told to take.
    fn last_config(&self) -> String {
        let calls = self.calls();
        let changes = ["CreateEndpoint", "UpdateEndpoint"];
        let last = calls
            .iter()
            .rfind(|(name, _)| changes.contains(&name.as_str()));
        last.unwrap().1["EndpointConfigName"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// Runs, and what must be seen nowhere is not.
    fn run(&self, run: Run<'_>) -> Ended {
        let ended = run.env("DB_PASSWORD", "hunter22-secret").run();
        nowhere(&ended, &self.secret);
        nowhere(&ended, "hunter22-secret");
        ended
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        control("DELETE", &format!("endpoint/{}", self.name), &Value::Null);
    }
}

/// Two small images in a registry, by digest. Nothing runs them.
fn images() -> &'static [String; 2] {
    static IMAGES: OnceLock<[String; 2]> = OnceLock::new();
    IMAGES.get_or_init(|| {
        let name = format!("{}/{}", bed("REGISTRY"), unique("ml-deploy-test/endpoint"));
        ["v1", "v2"].map(|tag| {
            let project = Project::new()
                .file("Dockerfile", "FROM scratch\nCOPY version /\n")
                .file("version", &format!("{name} {tag}"));
            let tagged = format!("{name}:{tag}");
            docker(&[
                "build",
                "-q",
                "-t",
                &tagged,
                &project.path().to_string_lossy(),
            ]);
            docker(&["push", "-q", &tagged]);
            let digests = docker(&["inspect", "-f", "{{index .RepoDigests 0}}", &tagged]);
            docker(&["rmi", "--force", &tagged]);
            digests.trim().to_owned()
        })
    })
}

#[test]
fn an_image_is_tried_served_and_taken_back_when_it_answers_otherwise() {
    let endpoint = Endpoint::new(&Value::Null);
    let name = format!("{}/{}", bed("REGISTRY"), unique("ml-deploy-test/served"));
    let project = Project::new()
        .file("Dockerfile", "FROM python:3.11-slim\nCOPY serve.py model ./\nENTRYPOINT [\"python3\", \"-u\", \"serve.py\"]\n")
        .file("serve.py", include_str!("servers/endpoint.py"))
        .file("model", "x")
        .file("golden.jsonl", "{\"request\": {\"x\": 2}, \"response\": {\"y\": 4.0}}\n{\"request\": {\"x\": 3}, \"response\": {\"y\": 6.0}}\n");
    let job = |mode: &str, subcommand: &str| {
        endpoint
            .command(&project, subcommand)
            .input("execution-role", &endpoint.role)
            .input("instance-type", "ml.m5.large")
            .input("golden", "golden.jsonl")
            .input("container-env", &format!("MODE={mode}"))
            .input("image", &name)
            .input("tags", "v1")
            .input("create-repository", "true")
    };
    let ended = endpoint.run(job("good", "run")).expect(0);
    let ended = ended.says("2 of 2 recorded predictions are answered as recorded");
    let url = format!("{}/endpoints/{}/invocations", bed("AWS"), endpoint.name);
    assert_eq!(ended.output("endpoint"), url);
    let image = ended.output("image-ref").to_owned();
    let first = endpoint.last_config();
    let model = &endpoint.called("CreateModel")[0];
    let digest = image.split('@').nth(1).unwrap();
    assert_eq!(
        model["PrimaryContainer"]["Image"],
        format!("{name}@{digest}")
    );
    assert_eq!(model["PrimaryContainer"]["Environment"]["MODE"], "good");
    let tags = model["Tags"].to_string();
    for tag in [
        "ml-deploy:commit",
        "0123456789abcdef",
        "ml-deploy:digest",
        digest,
    ] {
        assert!(tags.contains(tag), "{tags}");
    }
    assert!(endpoint.called("InvokeEndpoint").len() >= 2);

    // Equal is not updated.
    let again = endpoint.run(job("good", "deploy").input("image-ref", &image));
    again.expect(0).says("there is nothing to update");
    assert_eq!(endpoint.called("CreateModel").len(), 1);
    assert_eq!(endpoint.called("UpdateEndpoint").len(), 0);

    // What answers otherwise goes; the rows were asked of the container itself.
    let wrong = endpoint.run(job("wrong", "deploy").input("image-ref", &image));
    let wrong = wrong.expect(60).code("verify-prediction");
    let wrong = wrong
        .says("unknown category")
        .says(&format!("serves configuration `{first}` again"));
    assert!(wrong.output("rolled-back").contains(digest) || wrong.output("rolled-back") == "true");
    assert_eq!(endpoint.last_config(), first);

    // One that does not even start is gone back from by SageMaker itself, which calls it InService.
    let broken = endpoint.run(job("broken", "deploy").input("image-ref", &image));
    let broken = broken.expect(50).code("endpoint-old-config");
    broken
        .says("did not pass the ping health check")
        .says("No module named 'sklearn'")
        .says(&format!("`{first}`"));
    let status = endpoint.run(endpoint.command(&project, "status")).expect(0);
    status
        .says(&format!("on configuration `{first}`"))
        .says("commit 0123456789abcdef");

    let traced = endpoint.command(&project, "trace").word(digest);
    let traced = endpoint.run(traced).expect(0);
    traced.says(&format!("Endpoint/{}", endpoint.name));

    // A container that takes no requests is found before the push.
    let deaf = endpoint.run(job("deaf", "build").input("golden", ""));
    deaf.expect(30)
        .code("container-unready")
        .says("POST /invocations answers 404");
    docker(&["rmi", "--force", &format!("{name}:v1")]);
}

#[test]
fn a_silent_return_to_the_old_configuration_is_a_failure() {
    let endpoint =
        Endpoint::new(&json!({"address": "http://127.0.0.1:1", "create": {"seconds": 0.2}}));
    let project = Project::new();
    let [v1, v2] = images();
    endpoint.run(endpoint.deploy(&project, v1)).expect(0);
    let first = endpoint.last_config();
    endpoint.script(
        &json!({"address": "http://127.0.0.1:1", "update": {"seconds": 0.5, "end": "old-config"}}),
    );
    let ended = endpoint.run(endpoint.deploy(&project, v2)).expect(50);
    let ended = ended.code("endpoint-old-config");
    let ended = ended.says(&format!("is InService on the configuration `{first}`"));
    let ended = ended
        .says("AWS gives no reason")
        .says("serves configuration");
    assert_ne!(ended.output("rolled-back"), "");
    let second = endpoint.last_config();
    assert_ne!(first, second);
}

#[test]
fn a_slow_update_with_throttled_answers_ends_well() {
    let slow = json!({"address": "http://127.0.0.1:1", "update": {"seconds": 4}});
    let endpoint = Endpoint::new(&slow);
    let project = Project::new();
    let [v1, v2] = images();
    endpoint
        .run(endpoint.deploy(&project, v1).input("instance-count", "2"))
        .expect(0);
    endpoint.fault("DescribeEndpoint", "ThrottlingException", 1);
    endpoint.fault("UpdateEndpoint", "ThrottlingException", 1);
    let run = endpoint.deploy(&project, v2).input("instance-count", "2");
    let run = run
        .input("update-policy", "canary: 50%")
        .input("update-wait", "1m");
    let ended = endpoint
        .run(run.input("update-alarms", "wine-errors"))
        .expect(0);
    assert!(ended.took >= Duration::from_secs(4));
    let ended = ended.says(": Updating").says("ThrottlingException");
    ended.says("is InService on configuration");
    let update = endpoint.called("UpdateEndpoint").pop().unwrap();
    let routing =
        &update["DeploymentConfig"]["BlueGreenUpdatePolicy"]["TrafficRoutingConfiguration"];
    assert_eq!(
        routing["CanarySize"],
        json!({"Type": "CAPACITY_PERCENT", "Value": 50})
    );
    assert_eq!(routing["WaitIntervalInSeconds"], 60);
    assert_eq!(
        update["DeploymentConfig"]["AutoRollbackConfiguration"]["Alarms"][0]["AlarmName"],
        "wine-errors"
    );
}

#[test]
fn an_endpoint_that_cannot_be_made_says_why() {
    let reason = "The primary container for production variant AllTraffic did not pass the ping health check.";
    let failing = json!({"address": "http://127.0.0.1:1", "create": {"seconds": 0.2, "end": "failed", "reason": reason},
        "log": ["Traceback (most recent call last):", "  File \"/app/serve.py\", line 3, in <module>", "    import sklearn", "ModuleNotFoundError: No module named 'sklearn'"]});
    let endpoint = Endpoint::new(&failing);
    let project = Project::new().file("requirements.txt", "pandas\n");
    let [v1, _] = images();
    let ended = endpoint.run(endpoint.deploy(&project, v1)).expect(50);
    let ended = ended
        .code("module-missing")
        .says(reason)
        .says("No module named 'sklearn'");
    ended.says("is left to be looked at");
    // It serves nobody, so it is made anew, and this time removed.
    let run = endpoint
        .deploy(&project, v1)
        .input("on-first-failure", "remove");
    let ended = endpoint.run(run).expect(50);
    ended.says("it is made anew").says("is removed");
    let gone = endpoint
        .run(endpoint.command(&project, "status"))
        .expect(10);
    gone.code("revision-missing");

    // Fewer machines than asked for are no success, although the status says so.
    endpoint.script(
        &json!({"address": "http://127.0.0.1:1", "create": {"seconds": 0.2, "end": "short"}}),
    );
    let run = endpoint.deploy(&project, v1).input("deploy-timeout", "2s");
    let ended = endpoint.run(run).expect(50).code("rollout-deadline");
    ended.says("0 of 1 instances of `AllTraffic` serve");
}

#[test]
fn an_update_that_leaves_nobody_serving_needs_a_person() {
    let nobody = json!({"address": "http://127.0.0.1:1", "update": {"seconds": 0.2, "end": "failed", "reason": "no capacity"}});
    let endpoint = Endpoint::new(&nobody);
    let project = Project::new();
    let [v1, v2] = images();
    endpoint.run(endpoint.deploy(&project, v1)).expect(0);
    let first = endpoint.last_config();
    let ended = endpoint.run(endpoint.deploy(&project, v2)).expect(70);
    let ended = ended.code("rollback-failed").says("no capacity");
    ended.says(&format!("`{first}` was live before"));
    // Made anew, it may serve a mix of both after the next update.
    endpoint.script(&json!({"address": "http://127.0.0.1:1", "update": {"seconds": 0.2, "end": "rollback-failed"}}));
    endpoint.run(endpoint.deploy(&project, v1)).expect(0);
    let ended = endpoint.run(endpoint.deploy(&project, v2)).expect(70);
    ended
        .code("rollback-failed")
        .says("it may serve both configurations");
    let ended = endpoint.run(endpoint.deploy(&project, v2)).expect(50);
    ended.says("SageMaker lets it only be deleted");
}

#[test]
fn an_index_is_deployed_as_the_image_in_it_and_aws_takes_every_option() {
    let endpoint = Endpoint::new(&json!({"address": "http://127.0.0.1:1"}));
    let project = Project::new();
    let [v1, _] = images();
    let (name, digest) = v1.split_once('@').unwrap();
    let index = index_of(name, digest);
    let run = endpoint
        .deploy(&project, &format!("{name}@{index}"))
        .input("data-capture", "s3://wine/captured")
        .input("data-capture-percent", "20")
        .input("vpc-subnets", "subnet-0a1b2c3d\nsubnet-1a1b2c3d")
        .input("vpc-security-groups", "sg-0a1b2c3d")
        .input("startup-timeout", "10m");
    let ended = endpoint.run(run.input("variant-name", "blue")).expect(0);
    assert!(ended.output("image-ref").ends_with(&index));
    ended.says("SageMaker takes no index");
    let model = &endpoint.called("CreateModel")[0];
    assert_eq!(model["PrimaryContainer"], json!({"Image": v1}));
    let network = json!({"Subnets": ["subnet-0a1b2c3d", "subnet-1a1b2c3d"], "SecurityGroupIds": ["sg-0a1b2c3d"]});
    assert_eq!(model["VpcConfig"], network);
    let config = &endpoint.called("CreateEndpointConfig")[0];
    let capture = &config["DataCaptureConfig"];
    assert_eq!(capture["DestinationS3Uri"], "s3://wine/captured");
    assert_eq!(capture["InitialSamplingPercentage"], 20);
    let variant = &config["ProductionVariants"][0];
    assert_eq!(variant["VariantName"], "blue");
    assert_eq!(variant["ContainerStartupHealthCheckTimeoutInSeconds"], 600);

    let serverless = Endpoint::new(&json!({"address": "http://127.0.0.1:1"}));
    let run = serverless
        .deploy(&project, v1)
        .input("instance-type", "")
        .input("serverless-memory", "2048")
        .input("serverless-concurrency", "7");
    serverless.run(run).expect(0);
    let config = &serverless.called("CreateEndpointConfig")[0];
    assert_eq!(
        config["ProductionVariants"][0]["ServerlessConfig"],
        json!({"MemorySizeInMB": 2048, "MaxConcurrency": 7})
    );
}

/// Puts an index of one image and an attestation beside it into the registry; its digest.
fn index_of(name: &str, digest: &str) -> String {
    let (host, path) = name.split_once('/').unwrap();
    let url = |part: &str| format!("http://{host}/v2/{path}/manifests/{part}");
    let curl = |arguments: &[&str]| {
        let mut all = vec!["-sf", "--noproxy", "*"];
        all.extend(arguments);
        let output = Command::new("curl").args(all).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let kind = "application/vnd.docker.distribution.manifest.v2+json";
    let manifest = curl(&["-H", &format!("Accept: {kind}"), &url(digest)]);
    let row = |os: &str, architecture: &str| json!({"mediaType": kind, "digest": digest, "size": manifest.len(), "platform": {"os": os, "architecture": architecture}});
    let listed = "application/vnd.docker.distribution.manifest.list.v2+json";
    let index = json!({"schemaVersion": 2, "mediaType": listed, "manifests": [row("unknown", "unknown"), row("linux", "amd64")]});
    let header = format!("Content-Type: {listed}");
    let said = curl(&[
        "-X",
        "PUT",
        "-H",
        &header,
        "-d",
        &index.to_string(),
        "-D",
        "-",
        &url("index"),
    ]);
    let digest = said.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("docker-content-digest")
            .then(|| value.trim().to_owned())
    });
    digest.unwrap()
}

#[test]
fn a_missing_right_is_named() {
    let allow = |actions: &[&str]| json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": actions, "Resource": "*"}]});
    let project = Project::new();
    let [v1, _] = images();
    let script = json!({"address": "http://127.0.0.1:1"});
    // Who may ask what he may do learns it before anything is made.
    let sees = allow(&[
        "sagemaker:Describe*",
        "sagemaker:ListTags",
        "sagemaker:CreateModel",
        "sts:*",
        "iam:GetRole",
        "iam:SimulatePrincipalPolicy",
        "ecr:*",
    ]);
    let endpoint = Endpoint::with(&script, &sees);
    let ended = endpoint
        .run(endpoint.deploy(&project, v1))
        .expect(10)
        .code("cloud-denied");
    ended.says("iam:PassRole").says("sagemaker:UpdateEndpoint");
    assert_eq!(endpoint.called("CreateModel").len(), 0);
    // Who may not is told by the first refusal.
    let blind = allow(&["sagemaker:*", "sts:*", "ecr:*"]);
    let endpoint = Endpoint::with(&script, &blind);
    let ended = endpoint
        .run(endpoint.deploy(&project, v1))
        .expect(10)
        .code("cloud-denied");
    let ended = ended
        .says("failed to create the model")
        .says("iam:PassRole");
    ended
        .says(&endpoint.role)
        .says("lacks `iam:SimulatePrincipalPolicy`");
    // Nor may he look at the endpoint at all.
    let nobody = Endpoint::with(&script, &allow(&["sts:*", "ecr:*"]));
    let ended = nobody
        .run(nobody.deploy(&project, v1))
        .expect(10)
        .code("cloud-denied");
    ended.says("sagemaker:DescribeEndpoint");
}

#[test]
fn a_cancelled_update_is_picked_up_by_the_next_run() {
    let endpoint =
        Endpoint::new(&json!({"address": "http://127.0.0.1:1", "update": {"seconds": 6}}));
    let project = Project::new();
    let [v1, v2] = images();
    endpoint.run(endpoint.deploy(&project, v1)).expect(0);
    let ended = endpoint.deploy(&project, v2).signal_at(": Updating", "INT");
    let ended = ended.expect(130).code("interrupted");
    assert!(ended.took < Duration::from_secs(20));
    ended.says("the next run picks it up");
    let ended = endpoint.run(endpoint.deploy(&project, v2)).expect(0);
    ended
        .says("an earlier run began it")
        .says("is InService on configuration");
    assert_eq!(endpoint.called("UpdateEndpoint").len(), 1);
    assert_eq!(endpoint.called("CreateModel").len(), 2);
}

#[test]
fn configurations_are_kept_by_count_and_gone_back_to() {
    let quick = json!({"address": "http://127.0.0.1:1", "create": {"seconds": 0}, "update": {"seconds": 0.1}});
    let endpoint = Endpoint::new(&quick);
    let project = Project::new();
    let [v1, _] = images();
    let mut configs = Vec::new();
    for version in ["1", "2", "3", "4"] {
        let run = endpoint.deploy(&project, v1).input("keep-configs", "2");
        endpoint
            .run(run.input("container-env", &format!("VERSION={version}")))
            .expect(0);
        configs.push(endpoint.last_config());
    }
    let removed = endpoint.called("DeleteEndpointConfig");
    assert_eq!(removed, [json!({"EndpointConfigName": configs[0]})]);
    assert_eq!(endpoint.called("DeleteModel").len(), 1);
    let back = || endpoint.run(endpoint.command(&project, "rollback"));
    back()
        .expect(0)
        .says(&format!("going back to configuration `{}`", configs[2]));
    back()
        .expect(0)
        .says(&format!("going back to configuration `{}`", configs[1]));
    back().expect(10).code("revision-missing");
    let status = endpoint.run(endpoint.command(&project, "status")).expect(0);
    status.says(&format!("on configuration `{}`", configs[1]));
}

#[test]
fn what_sagemaker_does_not_take_is_found_before_anything_is_made() {
    let endpoint = Endpoint::new(&json!({"address": "http://127.0.0.1:1"}));
    let project = Project::new();
    let [v1, _] = images();
    let wrong = [
        ("execution-role", "no-such-role", "endpoint-role"),
        ("instance-type", "ml.m6g.large", "endpoint-image"),
        ("image-ref", "ghcr.io/org/wine:1", "endpoint-image"),
        (
            "image-ref",
            "123456789012.dkr.ecr.us-east-1.amazonaws.com/wine:1",
            "endpoint-image",
        ),
    ];
    for (name, value, code) in wrong {
        let ended = endpoint.run(endpoint.deploy(&project, v1).input(name, value));
        ended.expect(10).code(code);
    }
    let wrong = [
        ("instance-type", "m5.large"),
        ("serverless-memory", "2048"),
        ("update-policy", "canary: 10%"),
        ("health-path", "/health"),
        ("endpoint-name", "wine_1"),
        ("on-first-failure", "scale-down"),
        ("startup-timeout", "5s"),
        ("vpc-subnets", "subnet-0a1b2c3d"),
    ];
    for (name, value) in wrong {
        let ended = endpoint.run(endpoint.deploy(&project, v1).input(name, value));
        ended.expect(2).code("input-invalid").says(name);
    }
    assert!(
        !endpoint
            .calls()
            .iter()
            .any(|(name, _)| name.starts_with("Create"))
    );
}
