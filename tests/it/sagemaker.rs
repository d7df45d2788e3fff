//! Endpoints of SageMaker, on AWS as moto plays it: signatures and rights count, requests are held against AWS's own description,
//! endpoints take time and end as the test says, or really run the image on the engine. What was called is the witness.

use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use serde_json::{Value, json};

use crate::engine::docker;
use crate::secrecy::nowhere;
use crate::support::{Ended, Project, Run, bed, checkout, unique};

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
    pub(crate) role: String,
}

impl Endpoint {
    /// An endpoint that ends so; `null`: it really runs its image.
    pub(crate) fn new(script: &Value) -> Self {
        Self::with(script, &Value::Null)
    }

    /// The same for somebody who may do no more than the policy says.
    pub(crate) fn with(script: &Value, policy: &Value) -> Self {
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

    /// One of the next calls of an action fails so; `more` is what the bed's server takes beside.
    pub(crate) fn fault(&self, action: &str, code: &str, more: &Value) {
        let mut fault = json!({"key": self.key, "action": action, "code": code, "times": 1});
        let more = more.as_object().unwrap().clone();
        fault.as_object_mut().unwrap().extend(more);
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
    pub(crate) fn calls(&self) -> Vec<(String, Value)> {
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
    pub(crate) fn called(&self, action: &str) -> Vec<Value> {
        let calls = self.calls().into_iter();
        calls
            .filter(|(name, _)| name == action)
            .map(|(_, params)| params)
            .collect()
    }

    /// The last configuration that the endpoint was told to take.
    pub(crate) fn last_config(&self) -> String {
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
    pub(crate) fn run(&self, run: Run<'_>) -> Ended {
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
pub(crate) fn images() -> &'static [String; 2] {
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

/// The least rights as `docs/sagemaker.md` and, for the push, `docs/aws.md` have them. The endpoint's name is another one here,
/// so only the actions are held against what is done.
fn documented() -> Value {
    let mut statements = Vec::new();
    for (page, with) in [("sagemaker", "sagemaker:"), ("aws", "ecr:PutImage")] {
        let text = std::fs::read_to_string(checkout().join(format!("docs/{page}.md"))).unwrap();
        let blocks = text.split("```json").skip(1);
        let mut blocks = blocks.map(|block| block.split("```").next().unwrap());
        let policy = blocks.find(|block| block.contains(with)).unwrap();
        let policy: Value = serde_json::from_str(policy).unwrap();
        for statement in policy["Statement"].as_array().unwrap() {
            statements
                .push(json!({"Effect": "Allow", "Action": statement["Action"], "Resource": "*"}));
        }
    }
    json!({"Version": "2012-10-17", "Statement": statements})
}

#[test]
fn an_image_is_tried_served_and_taken_back_when_it_answers_otherwise() {
    // All of it with no more than the rights that the guide tells people to give.
    let endpoint = Endpoint::with(&Value::Null, &documented());
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
    let broken = broken
        .says("did not pass the ping health check")
        .says("No module named 'sklearn'")
        .says(&format!("`{first}`"));
    let status = endpoint.run(endpoint.command(&project, "status")).expect(0);
    let lacks = [&ended, &wrong, &broken, &status].map(|ended| ended.stdout.contains("lacks `"));
    assert_eq!(lacks, [false; 4], "{}", ended.stdout);
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
    // So is one for another processor than that of the machines.
    let job = job("good", "build").input("instance-type", "ml.m6g.large");
    let other = endpoint.run(job.input("golden", ""));
    other
        .expect(10)
        .code("endpoint-image")
        .says("it is for linux/amd64, and they need linux/arm64");
    docker(&["rmi", "--force", &format!("{name}:v1")]);
}

#[test]
fn a_slow_update_with_throttled_late_and_missing_answers_ends_well() {
    let slow = json!({"address": "http://127.0.0.1:1", "update": {"seconds": 4}});
    let endpoint = Endpoint::new(&slow);
    let project = Project::new();
    let [v1, v2] = images();
    endpoint
        .run(endpoint.deploy(&project, v1).input("instance-count", "2"))
        .expect(0);
    let calm = json!({"message": "Rate exceeded"});
    endpoint.fault("DescribeEndpoint", "ThrottlingException", &calm);
    endpoint.fault("UpdateEndpoint", "ThrottlingException", &calm);
    // What was made a moment ago is not seen everywhere yet.
    let unseen = json!({"message": "Could not find endpoint configuration \"x\"."});
    endpoint.fault("UpdateEndpoint", "ValidationException", &unseen);
    // While requests move, nobody answers for longer than one question is asked again.
    let out = json!({"after": 2, "times": 5, "status": 503, "headers": {"Retry-After": "0"}});
    endpoint.fault("DescribeEndpoint", "ServiceUnavailable", &out);
    let alarm = format!("{}-errors", endpoint.name);
    let made = json!({"region": "eu-west-1", "name": alarm});
    control("POST", "alarm", &made);
    let run = endpoint.deploy(&project, v2).input("instance-count", "2");
    let run = run
        .input("update-policy", "canary: 50%")
        .input("update-wait", "20s");
    let ended = endpoint.run(run.input("update-alarms", &alarm)).expect(0);
    assert!(ended.took >= Duration::from_secs(4));
    let ended = ended.says(": Updating").says("ThrottlingException");
    let ended = ended.says("Could not find endpoint configuration");
    let ended = ended.says("AWS does not answer; it is asked again");
    ended.says("is InService on configuration");
    let update = endpoint.called("UpdateEndpoint").pop().unwrap();
    let routing =
        &update["DeploymentConfig"]["BlueGreenUpdatePolicy"]["TrafficRoutingConfiguration"];
    assert_eq!(
        routing["CanarySize"],
        json!({"Type": "CAPACITY_PERCENT", "Value": 50})
    );
    assert_eq!(routing["WaitIntervalInSeconds"], 20);
    assert_eq!(
        update["DeploymentConfig"]["AutoRollbackConfiguration"]["Alarms"][0]["AlarmName"],
        alarm.as_str()
    );
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
