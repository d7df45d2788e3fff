//! What an endpoint of SageMaker can be told: an index, a network, data capture, no machines at all, several variants.

use std::process::Command;

use serde_json::json;

use crate::sagemaker::{Endpoint, control, images};
use crate::servers::Server;
use crate::support::{Project, unique};

#[test]
fn an_index_is_deployed_as_the_image_in_it_and_aws_takes_every_option() {
    let endpoint = Endpoint::new(&json!({"address": "http://127.0.0.1:1"}));
    let project = Project::new();
    let [v1, _] = images();
    let (name, digest) = v1.split_once('@').unwrap();
    let index = index_of(name, digest);
    // Of a role's name alone nobody can tell the path that it is under.
    let short = unique("exec-path");
    let role = json!({"name": short, "path": "/service-role/"});
    let role = control("POST", "role", &role);
    let run = endpoint
        .deploy(&project, &format!("{name}@{index}"))
        .input("execution-role", &short)
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
    assert_eq!(model["ExecutionRoleArn"], role["arn"]);
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
fn every_variant_serves_and_each_is_asked() {
    let server = Server::start("endpoint.py", &["beside"]);
    let url = format!("http://{}", server.address());
    let at = |green: &str| json!({"address": {"blue": url, "green": green}});
    let endpoint = Endpoint::new(&at(&url));
    let file = "variants:\n  - blue instance-type=ml.m5.large instance-count=2 weight=9\n  - green instance-type=ml.c5.large instance-count=2\n";
    let row = "{\"request\": {\"x\": 2}, \"response\": {\"y\": 4.0}}\n";
    let project = Project::new()
        .file("ml-deploy.yml", file)
        .file("golden.jsonl", row);
    let [v1, v2] = images();
    let deploy = |image: &str| {
        let run = endpoint.deploy(&project, image);
        run.input("instance-type", "")
            .input("golden", "golden.jsonl")
    };
    let plan = endpoint.command(&project, "plan");
    let plan = plan
        .input("execution-role", &endpoint.role)
        .input("image-ref", v1);
    endpoint
        .run(plan)
        .expect(0)
        .says("`blue` 2 × ml.m5.large (weight 9), `green` 2 × ml.c5.large (weight 1)");
    let ended = endpoint.run(deploy(v1)).expect(0);
    ended.says("1 of 1 recorded predictions are answered as recorded by 2 replicas");
    let first = endpoint.last_config();
    let models = endpoint.called("CreateModel");
    assert_eq!(models.len(), 1);
    let variants = &endpoint.called("CreateEndpointConfig")[0]["ProductionVariants"];
    let row = |name: &str, kind: &str, weight: f64| {
        json!({"VariantName": name, "ModelName": models[0]["ModelName"], "InstanceType": kind,
        "InitialInstanceCount": 2, "InitialVariantWeight": weight})
    };
    let both = [
        row("blue", "ml.m5.large", 9.0),
        row("green", "ml.c5.large", 1.0),
    ];
    assert_eq!(*variants, json!(both));
    let asked = endpoint.called("InvokeEndpoint");
    for name in ["blue", "green"] {
        assert!(asked.contains(&json!({"TargetVariant": name})), "{asked:?}");
    }
    let status = endpoint.run(endpoint.command(&project, "status")).expect(0);
    status.says("variant `blue`: 2 of 2 instances, weight 9");

    // One of them is not as it should be: all go back.
    endpoint.script(&at("http://127.0.0.1:1"));
    // An autoscaler comes in between just then.
    let busy = json!({"after": 1, "message": "Cannot update in-progress endpoint \"x\"."});
    endpoint.fault("UpdateEndpoint", "ValidationException", &busy);
    let run = deploy(v2).input("update-policy", "canary: 50%");
    let ended = endpoint.run(run.input("update-wait", "20s")).expect(60);
    ended
        .code("verify-prediction")
        .says("variant `green` of endpoint")
        .says("is being changed by something else: waiting")
        .says(&format!("serves configuration `{first}` again"));
    assert_eq!(endpoint.last_config(), first);
    let updates = endpoint.called("UpdateEndpoint");
    let watched = updates
        .iter()
        .map(|update| !update["DeploymentConfig"].is_null());
    assert_eq!(watched.collect::<Vec<_>>(), [true, false, false]);

    // A machine of the second is missing.
    endpoint.script(&json!({"address": url, "update": {"seconds": 0.2, "end": "short"}}));
    let run = deploy(v2).input("deploy-timeout", "2s");
    let ended = endpoint.run(run).expect(50).code("rollout-deadline");
    ended.says("1 of 2 instances of `green` serve");

    // Under a policy variants keep their names, which is known before anything is made.
    let renamed = "red instance-type=ml.m5.large instance-count=2";
    let run = deploy(v1).input("variants", renamed);
    let run = run.input("update-policy", "linear: 50%");
    let ended = endpoint.run(run.input("update-wait", "10s")).expect(2);
    ended
        .code("input-invalid")
        .says("SageMaker guards no update that renames them");
    assert_eq!(endpoint.called("UpdateEndpoint").len(), 4);
    // What was gone back from was removed, and made again for the next try.
    assert_eq!(endpoint.called("CreateEndpointConfig").len(), 3);
}

#[test]
fn a_watched_update_passes_or_is_turned_back_by_an_alarm_that_is_named() {
    let endpoint = Endpoint::new(&json!({"address": "http://127.0.0.1:1"}));
    let project = Project::new();
    let [v1, v2] = images();
    let deploy = |image: &str, policy: &str, alarms: &str| {
        let run = endpoint.deploy(&project, image);
        let run = run.input("instance-count", "2").input("update-wait", "20s");
        let run = run.input("update-policy", policy);
        endpoint.run(run.input("update-alarms", alarms))
    };
    // An endpoint that is made is not watched, so its alarms may come later.
    let [errors, slow] = ["errors", "slow"].map(|name| format!("{}-{name}", endpoint.name));
    deploy(v1, "canary: 50%", &errors).expect(0);
    let alarm = |name: &str| json!({"region": "eu-west-1", "name": name});
    control("POST", "alarm", &alarm(&errors));
    let ended = deploy(v2, "canary: 50%", &format!("{errors}\n{slow}"));
    let ended = ended.expect(2).code("input-invalid");
    ended.says(&format!(
        "names `{slow}`, and CloudWatch has no such alarm in eu-west-1"
    ));
    assert_eq!(endpoint.called("CreateModel").len(), 1);

    control("POST", "alarm", &alarm(&slow));
    let both = format!("{errors}\n{slow}");
    endpoint.script(&json!({"address": "http://127.0.0.1:1", "update": {"bake": 2}}));
    let ended = deploy(v2, "canary: 50%", &both).expect(0);
    let ended = ended.says("Updating (Creating)").says("Updating (Baking)");
    ended.says("is InService on configuration");
    let verified = endpoint.last_config();

    // One of them goes off while the first machines bake: it is named, and what was made is gone.
    endpoint.script(
        &json!({"address": "http://127.0.0.1:1", "log": ["ValueError: unknown grape"],
        "update": {"bake": 2, "trips": errors, "back": 1}}),
    );
    let third = deploy(v1, "linear: 50%", &both);
    let third = third.expect(50).code("endpoint-old-config");
    let third = third
        .says("Updating (Baking)")
        .says("RollingBack")
        .says(&format!("is InService on the configuration `{verified}`"))
        .says(&format!("in ALARM meanwhile: `{errors}`"))
        .says("was greater than the threshold")
        .says("unknown grape")
        .says("see in CloudWatch why the alarm went off");
    assert!(!third.stdout.contains(&format!("`{slow}`")));
    assert_eq!(third.output("rolled-back"), "true");
    // Its configuration is that of the first deployment, which was verified and stays.
    assert_eq!(endpoint.called("DeleteEndpointConfig").len(), 0);
    let status = endpoint.run(endpoint.command(&project, "status")).expect(0);
    status.says(&format!("on configuration `{verified}`"));

    // It is in ALARM still, which is said beforehand; what nobody has verified goes.
    let run = endpoint.deploy(&project, v1).input("instance-count", "4");
    let run = run.input("update-alarms", &errors);
    let ended = endpoint.run(run.input("update-wait", "20s"));
    let ended = ended.expect(50).code("endpoint-old-config");
    let ended = ended.says(&format!("alarm `{errors}` is in ALARM now"));
    let made = endpoint.called("CreateEndpointConfig").pop().unwrap()["EndpointConfigName"].clone();
    ended.says(&format!("removed configuration {made}").replace('"', "`"));
    assert_eq!(
        endpoint.called("DeleteEndpointConfig"),
        [json!({"EndpointConfigName": made})]
    );
    // The model is also that of the first deployment.
    assert_eq!(endpoint.called("DeleteModel").len(), 0);
}
