//! Clouds whose answers are hostile: reasons and logs of endpoints, refusals of those who give out tokens.

use serde_json::{Value, json};

use super::assert_only_shown;
use super::texts::{NAME, SIGN, lines};
use crate::aws::{Aws, job, role};
use crate::azureml::{Azure, image};
use crate::github::GitHub;
use crate::google::Google;
use crate::sagemaker::{Endpoint, control};
use crate::support::{Project, unique};

/// A part of the lines, with the worst name.
fn text() -> String {
    let some: Vec<String> = lines().into_iter().step_by(37).collect();
    format!("{NAME}\n{}", some.join("\n"))
}

#[test]
fn reasons_and_logs_of_endpoints_are_only_shown() {
    let github = GitHub::start(&json!({}));
    // SageMaker: a reason and CloudWatch's lines, then a denial.
    let failing = json!({"address": "http://127.0.0.1:1", "log": lines(), "create": {"seconds": 0.2, "end": "failed", "reason": text()}});
    let endpoint = Endpoint::new(&failing);
    let project = Project::new();
    let deploy = || github.tells(endpoint.deploy(&project, image()));
    let ended = deploy().run().expect(50);
    assert_only_shown(&ended, &project, &github, 30);
    let fault = json!({"key": endpoint.key, "action": "DescribeEndpoint", "code": "AccessDeniedException", "message": text(), "times": 9});
    control("POST", "faults", &fault);
    let ended = deploy().run().expect(10).code("cloud-denied");
    assert_only_shown(&ended, &project, &github, 10);

    // Azure ML: the error of a deployment and its log, then the directory.
    let azure = Azure::new(json!({}));
    let fail = json!({"code": NAME, "message": text(), "details": [{"code": "ImageBuildFailure", "message": text()}, {"code": NAME, "message": NAME}]});
    let bad = json!({"fail": fail, "log": lines().join("\n")});
    azure.script(bad.clone());
    let deploy = || github.tells(azure.deploy("good"));
    let ended = deploy().run().expect(50);
    assert_only_shown(&ended, &azure.project, &github, 30);
    azure.script(bad);
    let ended = deploy().input("format", "json").run().expect(50);
    assert!(ended.stdout.contains(SIGN));
    for line in ended.stdout.lines() {
        let event: Result<Value, _> = serde_json::from_str(line);
        assert!(event.is_ok_and(|event| event.is_object()), "{line}");
    }
    azure.script(json!({"refuse": {"number": 53003, "text": text()}}));
    let ended = deploy().run().expect(10).code("cloud-denied");
    assert_only_shown(&ended, &azure.project, &github, 10);
}

#[test]
fn refusals_of_those_who_give_out_tokens_are_only_shown() {
    let github = GitHub::start(&json!({}));
    let project = Project::new().file("Dockerfile", "FROM scratch\nCOPY Dockerfile /\n");
    // AWS; the job's own name is hostile too.
    let subject = format!("repo:org/wine:ref:refs/heads/{NAME}");
    let aws = Aws::start(&json!({"subject": subject, "trust": ["nobody", "x"], "said": text()}));
    let host = aws.url().replace("http://", "");
    let run = job(aws.run(&project, "build"), &aws)
        .input("role-to-assume", &role(&["ecr:*"]))
        .input("image", &format!("{host}/{}", unique("it/hostile")));
    let ended = github.tells(run).run().expect(10).code("cloud-denied");
    assert_only_shown(&ended, &project, &github, 10);

    // Google, in words of its token endpoint.
    let mut google = Google::new(3600);
    google.set("said", json!(text()));
    let project = Project::new().file(
        "app.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n",
    );
    let run = project
        .ml_deploy("deploy")
        .input("manifests", "app.yaml")
        .input("cluster-name", "prod")
        .input("location", "europe-west4")
        .input("credentials-json", &google.key("right.pem").to_string());
    let ended = github.asks(run, "org/wine").run();
    let ended = ended.expect(10).code("cloud-denied");
    assert_only_shown(&ended, &project, &github, 10);
}
