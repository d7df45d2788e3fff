//! Who we are at AWS: keys, the job's own token, roles, and what the surroundings offer; each shown by a push.

use std::process::Command;

use serde_json::{Value, json};

use crate::aws::{Aws, CONTAINER, Person, RUNNER, Repository, SMALL, job, role};
use crate::secrecy::masked;
use crate::support::{Project, Run};

#[test]
fn keys_that_are_refused_are_explained() {
    let aws = Aws::start(&json!({}));
    let repository = Repository::at(&aws);
    let project = Project::new().file("Dockerfile", SMALL);
    let run = |person: &Person| {
        let run = repository.build(aws.run(&project, "build"));
        let ended = person.give(run).run();
        aws.nothing_shown(&ended, &[&person.secret]);
        ended
    };
    let admin = Person::admin();
    let wrong = Person {
        id: admin.id.clone(),
        secret: "wrong-secret-of-the-key".to_owned(),
    };
    run(&wrong)
        .expect(10)
        .code("cloud-denied")
        .says("AWS does not take the keys of the inputs");
    run(&Person::who_may(&["s3:ListBucket"]))
        .expect(10)
        .code("cloud-denied")
        .says(r#""Action": "ecr:GetAuthorizationToken""#);
    // May look, and not make.
    let looker = Person::who_may(&["ecr:GetAuthorizationToken", "ecr:DescribeRepositories"]);
    let create = repository.build(aws.run(&project, "build"));
    looker
        .give(create)
        .input("create-repository", "true")
        .run()
        .expect(10)
        .code("cloud-denied")
        .says(r#""Action": "ecr:CreateRepository""#);
    let half = repository.build(aws.run(&project, "build"));
    half.input("aws-access-key-id", &admin.id)
        .run()
        .expect(2)
        .code("input-missing")
        .says("aws-secret-access-key");
    let nobody = repository.build(aws.run(&project, "build"));
    // On this machine some other registry is meant when nobody is named.
    nobody.run().expect(10).code("registry-denied");
}

#[test]
fn a_job_takes_a_role_with_its_own_token() {
    let subject = "repo:org/wine:ref:refs/heads/main";
    // Now and then the token service cannot ask who has signed the token; keys may end before their time.
    let aws = Aws::start(
        &json!({"subject": subject, "trust": [subject, "sts.amazonaws.com"], "hiccup": true, "expired": true}),
    );
    let role = role(&["ecr:*"]);
    let repository = Repository::at(&aws);
    let project = Project::new().file("Dockerfile", SMALL);
    let run = || {
        let run = repository.build(aws.run(&project, "build"));
        run.input("role-to-assume", &role)
            .input("create-repository", "true")
    };
    let ended = job(run(), &aws).run().expect(0);
    assert_eq!(ended.output("digest"), repository.digest());
    assert_eq!(aws.asked("AssumeRoleWithWebIdentity"), 3, "{}", aws.log());
    let ended = ended
        .says("IDPCommunicationError")
        .says("renewed the session at AWS");
    aws.nothing_shown(&ended, &[]);

    // GitLab has made the token before the job began.
    let token = get_token(&aws, "sts.amazonaws.com");
    let gitlab = |token: &str| {
        let run = run().terminal().env("GITLAB_CI", "true");
        run.env("AWS_ID_TOKEN", token).run()
    };
    let ended = gitlab(&token);
    assert_eq!(ended.status, 0, "{}", ended.stdout);
    aws.nothing_shown(&ended, &[&token]);
    let other = get_token(&aws, "https://gitlab.example");
    let ended = gitlab(&other);
    assert_eq!(ended.status, 10, "{}", ended.stdout);
    let ended = ended
        .says("audience `https://gitlab.example`")
        .says(&format!("subject `{subject}`"));
    aws.nothing_shown(&ended, &[&other]);

    // Without the permission the job is told what to add.
    run()
        .run()
        .expect(10)
        .code("cloud-identity")
        .says("id-token: write");
}

/// A token as the place would sign it for an audience.
fn get_token(aws: &Aws, audience: &str) -> String {
    let output = Command::new("curl")
        .args([
            "-sf",
            "--noproxy",
            "*",
            "-H",
            &format!("Authorization: Bearer {RUNNER}"),
        ])
        .arg(format!("{}/oidc?audience={audience}", aws.url()))
        .output()
        .unwrap();
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    answer["value"].as_str().unwrap().to_owned()
}

#[test]
fn a_role_that_does_not_trust_the_job_names_the_line_to_change() {
    let aws = Aws::start(&json!({
        "subject": "repo:org/wine:environment:production",
        "trust": ["repo:org/wine:ref:refs/heads/main", "sts.amazonaws.com"],
    }));
    let role = role(&["ecr:*"]);
    let repository = Repository::at(&aws);
    let project = Project::new().file("Dockerfile", SMALL);
    let run = repository.build(aws.run(&project, "build"));
    let ended = job(run.input("role-to-assume", &role), &aws).run();
    let ended = ended
        .expect(10)
        .code("cloud-denied")
        .says("subject `repo:org/wine:environment:production`, audience `sts.amazonaws.com`")
        .says(r#""jobs.example:sub": "repo:org/wine:environment:production""#);
    aws.nothing_shown(&ended, &[]);
    assert_eq!(aws.asked("AssumeRoleWithWebIdentity"), 1, "{}", aws.log());
}

#[test]
fn the_surroundings_have_keys_in_the_order_of_aws_s_own_tools() {
    let person = Person::who_may(&["ecr:*", "sts:AssumeRole"]);
    let aws = Aws::start(&json!({"keys": [person.id, person.secret]}));
    let role = role(&["ecr:*"]);
    let repository = Repository::at(&aws);
    let credentials = format!(
        "[base]\naws_access_key_id = {}\naws_secret_access_key = {}\n",
        person.id, person.secret
    );
    let config = format!("[profile deploy]\nrole_arn = {role}\nsource_profile = base\n");
    let project = Project::new()
        .file("Dockerfile", SMALL)
        .file("aws/config", &config)
        .file("aws/credentials", &credentials)
        .file("aws/token", &format!("{CONTAINER}\n"));
    let path = |name: &str| project.path().join("aws").join(name).display().to_string();
    let run = || {
        let run = repository.build(aws.run(&project, "build"));
        run.input("create-repository", "true")
    };
    let pushed = |run: Run<'_>| {
        let ended = run.run().expect(0);
        assert_eq!(ended.output("digest"), repository.digest());
        aws.nothing_shown(&ended, &[&person.secret]);
        ended
    };
    pushed(
        run()
            .env("AWS_ACCESS_KEY_ID", &person.id)
            .env("AWS_SECRET_ACCESS_KEY", &person.secret),
    );
    pushed(
        run()
            .env("AWS_PROFILE", "deploy")
            .env("AWS_CONFIG_FILE", &path("config"))
            .env("AWS_SHARED_CREDENTIALS_FILE", &path("credentials")),
    );
    assert_eq!(aws.asked("AssumeRole"), 1, "{}", aws.log());
    pushed(
        run()
            .env(
                "AWS_CONTAINER_CREDENTIALS_FULL_URI",
                &format!("{}/container", aws.url()),
            )
            .env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", &path("token")),
    );
    assert!(aws.log().contains("GET /container - 200"));
    let ended = pushed(
        run()
            .env("AWS_EC2_METADATA_DISABLED", "false")
            .env("AWS_EC2_METADATA_SERVICE_ENDPOINT", &aws.url()),
    );
    let secrets = aws.secrets().into_iter();
    let sessions: Vec<_> = secrets.filter(|one| one.starts_with("metadata-")).collect();
    assert!(!sessions.is_empty());
    for session in sessions {
        masked(&ended, &session);
    }
    assert!(aws.log().contains("PUT /latest/api/token - 200"));
}
