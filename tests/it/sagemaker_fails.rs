//! Endpoints of SageMaker that do not become what they should: silently, loudly, for want of a right, or because they were stopped.

use std::time::Duration;

use serde_json::json;

use crate::sagemaker::{Endpoint, control, images};
use crate::support::Project;

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
    // What AWS refuses to begin leaves as little behind.
    let limit = json!({"message": "The account-level service limit 'ml.m5.large for endpoint usage' is 1 Instances"});
    endpoint.fault("UpdateEndpoint", "ResourceLimitExceeded", &limit);
    let ended = endpoint.run(endpoint.deploy(&project, v2)).expect(50);
    let ended = ended.code("quota-exceeded").says("Service Quotas");
    ended.says(&format!("removed configuration `{second}`"));
    let deleted = [
        json!({"EndpointConfigName": second}),
        json!({"EndpointConfigName": second}),
    ];
    assert_eq!(endpoint.called("DeleteEndpointConfig"), deleted);
    assert_eq!(endpoint.called("DeleteModel").len(), 2);
    // With `on-failure: keep` it stays.
    let run = endpoint.deploy(&project, v2).input("on-failure", "keep");
    endpoint.run(run).expect(50).code("endpoint-old-config");
    assert_eq!(endpoint.called("DeleteModel").len(), 2);
}

#[test]
fn an_endpoint_that_cannot_be_made_says_why() {
    let reason = "The primary container for production variant AllTraffic did not pass the ping health check.";
    let failing = json!({"address": "http://127.0.0.1:1", "create": {"seconds": 0.2, "end": "failed", "reason": reason},
        // There are more machines that have served than one answer lists.
        "others": 60, "log": ["Traceback (most recent call last):", "  File \"/app/serve.py\", line 3, in <module>", "    import sklearn", "ModuleNotFoundError: No module named 'sklearn'"]});
    let endpoint = Endpoint::new(&failing);
    let project = Project::new().file("requirements.txt", "pandas\n");
    let [v1, _] = images();
    let ended = endpoint.run(endpoint.deploy(&project, v1)).expect(50);
    let ended = ended
        .code("module-missing")
        .says(reason)
        .says("No module named 'sklearn'");
    ended.says("is left to be looked at");
    // Whoever asks how it is learns that it is not well.
    let asked = endpoint.run(endpoint.command(&project, "status"));
    let asked = asked.expect(60).code("verify-health");
    asked.says("is not healthy").says(reason);
    // It serves nobody, so it is made anew, and this time removed. That its log may not be read hides nothing.
    let denied = json!({"message": "not authorized to perform: logs:DescribeLogStreams"});
    endpoint.fault("DescribeLogStreams", "AccessDeniedException", &denied);
    let run = endpoint
        .deploy(&project, v1)
        .input("on-first-failure", "remove");
    let ended = endpoint.run(run).expect(50);
    let ended = ended.code("endpoint-failed").says(reason);
    let ended = ended
        .says("failed to read the log")
        .says("logs:DescribeLogStreams");
    ended.says("it is made anew").says("is removed");
    assert_eq!(endpoint.called("DeleteEndpointConfig").len(), 1);
    assert_eq!(endpoint.called("DeleteModel").len(), 1);
    let gone = endpoint
        .run(endpoint.command(&project, "status"))
        .expect(10);
    gone.code("revision-missing");

    // Removals take their time: the next run waits, as it does before it makes a failed one anew.
    let slow = json!({"address": "http://127.0.0.1:1", "create": {"seconds": 0.2, "end": "failed", "reason": reason}, "delete": {"looks": 4}});
    endpoint.script(&slow);
    endpoint.run(endpoint.deploy(&project, v1)).expect(50);
    let remove = || {
        let run = endpoint.deploy(&project, v1);
        endpoint
            .run(run.input("on-first-failure", "remove"))
            .expect(50)
    };
    remove().says("it is made anew").says("is removed");
    remove()
        .says("is Deleting by another run; waiting")
        .says("is removed");

    // Fewer machines than asked for are no success, although the status says so.
    endpoint.script(
        &json!({"address": "http://127.0.0.1:1", "create": {"seconds": 0.2, "end": "short"}}),
    );
    let run = endpoint.deploy(&project, v1).input("deploy-timeout", "5s");
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
    // Keys that nobody takes are one thing to mend, and no right of theirs is said to be missing.
    let mut stranger = Endpoint::with(&script, &blind);
    stranger.secret = "wrong-secret-of-the-key".to_owned();
    let ended = stranger
        .run(stranger.deploy(&project, v1))
        .expect(10)
        .code("cloud-denied")
        .says("AWS does not take the keys of the inputs");
    let told = ended.stdout.matches("::error").count();
    assert_eq!(told, 1, "{}", ended.stdout);
    assert!(!ended.stdout.contains("lacks `iam:"), "{}", ended.stdout);
    // Whoever only looks need not say what only a deployment needs.
    let ended = endpoint.command(&project, "verify").run().expect(60);
    ended
        .code("verify-health")
        .says(&format!("there is no endpoint `{}`", endpoint.name));
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
    // What serves is not what somebody takes it for.
    let verify = |image: &str| {
        let run = endpoint.command(&project, "verify");
        endpoint.run(run.input("image-ref", image))
    };
    let digest = |image: &str| image.split('@').nth(1).unwrap().to_owned();
    let ended = verify(v1).expect(60).code("verify-digest");
    ended.says(&digest(v1)).says(&digest(v2));
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
    // A role of somebody else: SageMaker may not take it on.
    let trust = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]});
    let role = json!({"name": format!("lambda-{}", endpoint.name), "trust": trust});
    let role = control("POST", "role", &role);
    let run = endpoint.deploy(&project, v1);
    let run = run.input("execution-role", role["arn"].as_str().unwrap());
    let ended = endpoint.run(run).expect(10).code("endpoint-role");
    ended.says("its trust policy does not name `sagemaker.amazonaws.com`");
    let wrong = [
        ("instance-type", "m5.large"),
        ("serverless-memory", "2048"),
        ("update-policy", "canary: 10%"),
        ("endpoint-name", "wine_1"),
        ("on-first-failure", "scale-down"),
        ("startup-timeout", "5s"),
        ("vpc-subnets", "subnet-0a1b2c3d"),
        ("variants", "blue instance-type=ml.m5.large"),
        ("serverless-concurrency", "7"),
        ("data-capture-percent", "10"),
        ("update-wait", "1m"),
        ("container-env", "1X=2"),
        ("platforms", "linux/arm64"),
    ];
    for (name, value) in wrong {
        let ended = endpoint.run(endpoint.deploy(&project, v1).input(name, value));
        let ended = ended.expect(2).says(name);
        assert!(
            ended.stdout.contains("input-invalid") || ended.stdout.contains("input-missing"),
            "{name}"
        );
    }
    for (variants, why) in [
        (
            "blue serverless-memory=1024\ngreen instance-type=ml.m5.large",
            "one variant",
        ),
        (
            "blue instance-type=ml.m5.large\ngreen instance-type=ml.m6g.large",
            "two processors",
        ),
    ] {
        let run = endpoint.deploy(&project, v1).input("instance-type", "");
        let ended = endpoint.run(run.input("variants", variants)).expect(2);
        ended.code("input-invalid").says(why);
    }
    // Ten steps of an hour, of which SageMaker would end the last two.
    let steps = endpoint.deploy(&project, v1).input("instance-count", "10");
    let steps = steps.input("update-policy", "linear: 10%");
    let run = steps.input("update-wait", "1h");
    let ended = endpoint.run(run).expect(2).code("input-invalid");
    ended.says("makes the whole update take 600 minutes");
    for (name, value) in [("data-capture", "s3://wine/x"), ("update-alarms", "a")] {
        let run = endpoint.deploy(&project, v1).input("instance-type", "");
        let run = run.input("serverless-memory", "2048").input(name, value);
        let ended = endpoint.run(run).expect(2).code("input-invalid");
        ended.says(name).says("serverless");
    }
    assert!(
        !endpoint
            .calls()
            .iter()
            .any(|(name, _)| name.starts_with("Create"))
    );

    // More machines than the account may have is nothing that time mends.
    let limit = json!({"status": 400, "message": "The account-level service limit 'ml.m5.large for endpoint usage' is 0 Instances"});
    endpoint.fault("CreateEndpoint", "ResourceLimitExceeded", &limit);
    let ended = endpoint.run(endpoint.deploy(&project, v1)).expect(50);
    ended
        .code("quota-exceeded")
        .says("service limit 'ml.m5.large for endpoint usage' is 0")
        .says("ask for a higher quota in Service Quotas");

    // A type that is misspelt, to which AWS answers with all that it has.
    let run = endpoint
        .deploy(&project, v1)
        .input("instance-type", "ml.m5.larg");
    let ended = endpoint.run(run).expect(50).code("endpoint-failed");
    let ended = ended.says("did you mean `ml.m5.large`?");
    assert!(!ended.stdout.contains("ml.c5.xlarge"), "{}", ended.stdout);
}

#[test]
fn what_served_before_is_never_removed_as_a_first_deployment() {
    let endpoint = Endpoint::new(&json!({"address": "http://127.0.0.1:1"}));
    let project = Project::new();
    let [v1, _] = images();
    let deploy = || {
        let run = endpoint.deploy(&project, v1);
        endpoint.run(run.input("on-first-failure", "remove"))
    };
    deploy().expect(0);
    // The same again; while it is looked at, the right to look is taken away.
    let denied =
        json!({"after": 2, "message": "not authorized to perform: sagemaker:DescribeEndpoint"});
    endpoint.fault("DescribeEndpoint", "AccessDeniedException", &denied);
    let ended = deploy().expect(10).code("cloud-denied");
    ended
        .says("serves this configuration already")
        .says("nothing was changed");
    for action in ["DeleteEndpoint", "DeleteEndpointConfig", "DeleteModel"] {
        assert_eq!(endpoint.called(action).len(), 0, "{action}");
    }
    let status = endpoint.run(endpoint.command(&project, "status"));
    status.expect(0).says("InService");
}
