//! What AWS hands out and repeats: sessions of roles, logins of ECR, reasons and logs of an endpoint that quote what they were given.

use serde_json::{Value, json};

use super::plants::{Planted, sh, with_processes};
use crate::aws::{Aws, job, role};
use crate::azureml;
use crate::github::GitHub;
use crate::sagemaker::{Endpoint, control};
use crate::support::{Project, unique};

const SUBJECT: &str = "repo:org/wine:ref:refs/heads/main";

#[test]
fn a_session_a_login_and_a_refused_token() {
    let trusted = json!([SUBJECT, "sts.amazonaws.com"]);
    let aws = Aws::start(&json!({"subject": SUBJECT, "trust": trusted}));
    let github = GitHub::start(&json!({}));
    let project = Project::new().file("Dockerfile", "FROM scratch\nCOPY Dockerfile /\n");
    let host = aws.url().replace("http://", "");
    let image = format!("{host}/{}", unique("ml-deploy-test/planted"));
    let may = role(&["ecr:*"]);
    let build = || {
        job(github.tells(aws.run(&project, "build")), &aws)
            .input("role-to-assume", &may)
            .input("image", &image)
            .input("tags", "v1")
            .input("create-repository", "true")
    };
    let (ended, processes) = with_processes(build());
    let ended = ended.expect(0);
    let mut planted = Planted::new();
    planted.handed_out(&aws);
    planted.assert_unseen(&ended, &project, &github);
    planted.absent("a command line", &processes);
    let about = sh(&format!(
        "docker history --no-trunc {image}:v1; docker inspect {image}:v1; docker rmi -f {image}:v1"
    ));
    assert!(
        about.contains("ml-deploy.model") || about.contains("org.opencontainers"),
        "{about}"
    );
    planted.absent("the image's history and labels", &about);

    // The role does not trust the job, and the answer quotes its token.
    aws.more(&json!({"trust": ["nobody", "x"], "said": "no: {sent} is not it"}));
    let ended = build().input("format", "json").run().expect(10);
    let ended = ended.code("cloud-denied").says("is not it");
    planted.handed_out(&aws);
    planted.assert_unseen(&ended, &project, &github);
    let ended = github.asks(build(), "org/wine").input("stages", "build");
    let ended = ended.run();
    planted.handed_out(&aws);
    planted.assert_unseen(&ended, &project, &github);
    assert_eq!(github.all("comments").len(), 1);
}

#[test]
fn an_endpoint_that_repeats_what_it_was_given() {
    let quick = json!({"address": "http://127.0.0.1:1", "create": {"seconds": 0.2}});
    let endpoint = Endpoint::new(&quick);
    let github = GitHub::start(&json!({}));
    let project = Project::new();
    let mut planted = Planted::new();
    planted.found("aws-secret-access-key", &endpoint.secret);
    let environment = [
        format!("SERVICE_PASSWORD={}", planted.one("container-env")),
        format!(
            "DB=https://robot:{}@db.example/wine",
            planted.plain("container-url")
        ),
    ];
    let deploy = || {
        let run = github.tells(endpoint.deploy(&project, azureml::image()));
        run.input("container-env", &environment.join("\n"))
    };
    let (ended, processes) = with_processes(deploy());
    planted.assert_unseen(&ended.expect(0), &project, &github);
    planted.absent("a command line", &processes);

    // Its reason and its log say all of it, and so does a refusal.
    let repeated = planted.repeated();
    let lines: Vec<Value> = repeated.split(' ').map(Value::from).collect();
    let failing = json!({"address": "http://127.0.0.1:1", "log": lines,
        "update": {"seconds": 0.2, "end": "failed", "reason": format!("no login with {repeated}")}});
    endpoint.script(&failing);
    let ended = deploy()
        .input("instance-count", "2")
        .input("format", "json")
        .run();
    let ended = ended.expect(70).says("no login with");
    planted.assert_unseen(&ended, &project, &github);

    let message = format!("not authorized with {repeated}");
    let fault = json!({"key": endpoint.key, "action": "DescribeEndpoint", "code": "AccessDeniedException", "message": message, "times": 9});
    control("POST", "faults", &fault);
    let ended = deploy().run().expect(10).code("cloud-denied");
    let ended = ended.says("not authorized with");
    planted.assert_unseen(&ended, &project, &github);
}
