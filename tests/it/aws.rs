//! AWS, as moto plays it with real users, rights and signatures, and a real registry behind its logins: who we are there, and pushes.

use std::process::Command;

use serde_json::{Value, json};

use crate::servers::Server;
use crate::support::{Ended, Project, Run, bed, unique};

pub(crate) const SMALL: &str = "FROM scratch\nCOPY Dockerfile /\n";
pub(crate) const REGION: &str = "eu-west-1";
/// What the runner lets a job ask for its token with; `servers/aws/front.py` knows it and that of a container too.
pub(crate) const RUNNER: &str = "runner-secret-token";
pub(crate) const CONTAINER: &str = "container-secret-token";

/// Sends JSON, and returns the JSON that comes back.
fn post(url: &str, body: &Value) -> Value {
    let output = Command::new("curl")
        .args(["-sf", "--noproxy", "*", "-X", "POST", url, "-d"])
        .arg(body.to_string())
        .output()
        .unwrap();
    assert!(output.status.success(), "{url}: {output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn get(url: &str) -> String {
    let output = Command::new("curl")
        .args(["-sf", "--noproxy", "*", url])
        .output()
        .unwrap();
    assert!(output.status.success(), "{url}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Somebody at AWS, with this policy or with every right.
pub(crate) struct Person {
    pub(crate) id: String,
    pub(crate) secret: String,
}

impl Person {
    pub(crate) fn admin() -> Self {
        Self {
            id: bed("AWS_KEY_ID"),
            secret: bed("AWS_SECRET_KEY"),
        }
    }

    pub(crate) fn who_may(actions: &[&str]) -> Self {
        let made = post(
            &format!("{}/_bed/identity", bed("AWS")),
            &json!({"policy": policy(actions)}),
        );
        let text = |name: &str| made[name].as_str().unwrap().to_owned();
        Self {
            id: text("access_key_id"),
            secret: text("secret_access_key"),
        }
    }

    /// The keys as inputs.
    pub(crate) fn give<'a>(&self, run: Run<'a>) -> Run<'a> {
        run.input("aws-access-key-id", &self.id)
            .input("aws-secret-access-key", &self.secret)
    }
}

fn policy(actions: &[&str]) -> Value {
    json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": actions, "Resource": "*"}]})
}

/// A role that may do this, and that anybody of the account may take; its name.
pub(crate) fn role(actions: &[&str]) -> String {
    let trust = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}]});
    let made = post(
        &format!("{}/_bed/role", bed("AWS")),
        &json!({"name": unique("it-role"), "policy": policy(actions), "trust": trust}),
    );
    made["arn"].as_str().unwrap().to_owned()
}

/// All of AWS at one address. Ends with its test.
pub(crate) struct Aws {
    server: Server,
    // The configuration is read once; the folder must only outlive the start.
    _folder: tempfile::TempDir,
}

impl Aws {
    /// `extra` is what `servers/aws/front.py` is to do beside the usual.
    pub(crate) fn start(extra: &Value) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let admin = Person::admin();
        let mut config = json!({
            "moto": bed("AWS"),
            "admin": [admin.id, admin.secret],
            "registry": [bed("REGISTRY_AUTH"), bed("REGISTRY_USER"), bed("REGISTRY_PASSWORD")],
        });
        let extra = extra.as_object().unwrap().clone();
        config.as_object_mut().unwrap().extend(extra);
        let file = folder.path().join("aws.json");
        std::fs::write(&file, config.to_string()).unwrap();
        let server = Server::with(&["botocore"], "aws/front.py", &[&file.to_string_lossy()]);
        Self {
            server,
            _folder: folder,
        }
    }

    /// More of its configuration, which takes its own address to know.
    pub(crate) fn more(&self, config: &Value) {
        post(&format!("{}/-/more", self.url()), config);
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.server.address())
    }

    /// What was asked: `METHOD PATH ACTION STATUS`, one a line.
    pub(crate) fn log(&self) -> String {
        get(&format!("{}/-/log", self.url()))
    }

    pub(crate) fn asked(&self, action: &str) -> usize {
        let part = format!(" {action} ");
        let log = self.log();
        log.lines().filter(|line| line.contains(&part)).count()
    }

    /// Everything that it has handed out and nobody may see.
    pub(crate) fn secrets(&self) -> Vec<String> {
        let text = get(&format!("{}/-/secrets", self.url()));
        serde_json::from_str(&text).unwrap()
    }

    /// Fails if any secret stands in the log, the summary, the report or the outputs, and if none was handed out.
    pub(crate) fn nothing_shown(&self, ended: &Ended, more: &[&str]) {
        let mut secrets = self.secrets();
        assert!(!secrets.is_empty() || !more.is_empty());
        let given = [RUNNER, CONTAINER].iter().chain(more);
        secrets.extend(given.map(|&secret| secret.to_owned()));
        // The runner swallows the lines that tell it what to hide.
        let log = ended.stdout.lines();
        let log: Vec<&str> = log
            .filter(|line| !line.starts_with("::add-mask::"))
            .collect();
        let said = format!(
            "{}\n{}\n{}\n{}\n{:?}",
            log.join("\n"),
            ended.stderr,
            ended.summary,
            ended.report,
            ended.outputs
        );
        for secret in secrets {
            assert!(!said.contains(&secret), "`{secret}` is shown in {said}");
        }
    }

    /// A run at this AWS; nothing of the machine's own identity is in it, and no program is within reach: no `aws`, no plugin.
    pub(crate) fn run<'a>(&self, project: &'a Project, subcommand: &str) -> Run<'a> {
        project
            .ml_deploy(subcommand)
            .env("PATH", "/nowhere")
            .env("AWS_ENDPOINT_URL", &self.url())
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("AWS_CONFIG_FILE", "/dev/null")
            .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
            .input("aws-region", REGION)
    }
}

/// A job of GitHub that may have a token of its own.
pub(crate) fn job<'a>(run: Run<'a>, aws: &Aws) -> Run<'a> {
    run.env(
        "ACTIONS_ID_TOKEN_REQUEST_URL",
        &format!("{}/oidc?api=1", aws.url()),
    )
    .env("ACTIONS_ID_TOKEN_REQUEST_TOKEN", RUNNER)
}

/// A repository; what the engine has of it leaves with the test.
pub(crate) struct Repository {
    pub(crate) path: String,
    pub(crate) image: String,
}

impl Repository {
    pub(crate) fn at(aws: &Aws) -> Self {
        let path = unique("ml-deploy-test/aws");
        let image = format!("{}/{path}", aws.server.address());
        Self { path, image }
    }

    pub(crate) fn build<'a>(&self, run: Run<'a>) -> Run<'a> {
        run.input("image", &self.image).input("tags", "v1")
    }

    /// What the real registry has, asked past everything.
    pub(crate) fn digest(&self) -> String {
        let login = format!("{}:{}", bed("REGISTRY_USER"), bed("REGISTRY_PASSWORD"));
        let output = Command::new("skopeo")
            .args(["inspect", "--tls-verify=false", "--creds", &login])
            .arg(format!(
                "docker://{}/{}:v1",
                bed("REGISTRY_AUTH"),
                self.path
            ))
            .output()
            .unwrap();
        let found: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        found["Digest"].as_str().unwrap_or_default().to_owned()
    }
}

impl Drop for Repository {
    fn drop(&mut self) {
        let tag = format!("{}:v1", self.image);
        drop(
            Command::new(bed("DOCKER"))
                .args(["rmi", "--force", &tag])
                .output(),
        );
    }
}

#[test]
fn an_image_is_pushed_with_a_login_of_ecr() {
    let aws = Aws::start(&json!({}));
    let repository = Repository::at(&aws);
    let project = Project::new().file("Dockerfile", SMALL);
    let admin = Person::admin();
    let run = || admin.give(repository.build(aws.run(&project, "build")));

    let ended = run().run().expect(10).code("repository-missing");
    let line = format!(
        "aws ecr create-repository --repository-name {} --region {REGION}",
        repository.path
    );
    let ended = ended.says(&line).says("create-repository: true");
    aws.nothing_shown(&ended, &[&admin.secret]);

    let ended = run().input("create-repository", "true").run().expect(0);
    let ended = ended.says(&format!("created the repository `{}`", repository.path));
    assert_eq!(ended.output("digest"), repository.digest());
    aws.nothing_shown(&ended, &[&admin.secret]);
    // Preflight, push and confirmation of a run share one login.
    assert_eq!(aws.asked("GetAuthorizationToken"), 2, "{}", aws.log());

    // The registry of another account is asked for by its number, with the same keys.
    let other = Person::who_may(&["ecr:*"]);
    let run = other.give(aws.run(&project, "build"));
    let elsewhere = "210987654321.dkr.ecr.eu-central-1.amazonaws.com";
    run.input("image", &format!("{elsewhere}/{}", repository.path))
        .run()
        .expect(10)
        .code("repository-missing")
        .says("--region eu-central-1");
    let calls = get(&format!("{}/_bed/calls?key={}", bed("AWS"), other.id));
    let calls: Value = serde_json::from_str(&calls).unwrap();
    assert_eq!(calls[0]["action"], "DescribeRepositories");
    assert_eq!(calls[0]["params"]["registryId"], "210987654321");

    // Now it is there; who may only push needs no more rights than the page says.
    let pusher = Person::who_may(&["ecr:GetAuthorizationToken"]);
    let run = repository.build(aws.run(&project, "build"));
    let ended = pusher.give(run).run().expect(0);
    aws.nothing_shown(&ended, &[&pusher.secret]);
}

#[test]
fn a_registry_of_another_account_and_the_public_one_have_logins_of_their_own() {
    let aws = Aws::start(&json!({"public": ["wine"]}));
    let project = Project::new().file("Dockerfile", SMALL);
    // Who may not look for a repository goes on to the registry itself.
    let person = Person::who_may(&["ecr:GetAuthorizationToken"]);
    // Nobody answers there: what AWS was asked for before is what counts.
    let asked = |image: &str| {
        let run = person.give(aws.run(&project, "build"));
        let ended = run.input("image", image).run().expect(10);
        aws.nothing_shown(&ended, &[&person.secret]);
        ended
    };
    asked("210987654321.dkr.ecr.eu-central-1.amazonaws.com/wine").code("registry-unreachable");
    let calls = get(&format!("{}/_bed/calls?key={}", bed("AWS"), person.id));
    let calls: Value = serde_json::from_str(&calls).unwrap();
    let login =
        json!({"action": "GetAuthorizationToken", "params": {"registryIds": ["210987654321"]}});
    assert!(calls.as_array().unwrap().contains(&login), "{calls}");

    asked("public.ecr.aws/x1y2z3a4/wine");
    assert_eq!(aws.asked("GetAuthorizationToken"), 2, "{}", aws.log());
    asked("public.ecr.aws/x1y2z3a4/beer")
        .code("repository-missing")
        .says("aws ecr-public create-repository --repository-name beer --region us-east-1");
}

/// Command lines of everything that runs, one a line.
fn processes() -> String {
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    let lines = all.filter_map(|one| std::fs::read(one.path().join("cmdline")).ok());
    lines.fold(String::new(), |all, line| {
        all + &String::from_utf8_lossy(&line).replace('\0', " ") + "\n"
    })
}

#[test]
fn another_registry_on_this_machine_is_none_of_an_emulator_s_business() {
    let aws = Aws::start(&json!({}));
    let image = format!("{}/{}", bed("REGISTRY"), unique("ml-deploy-test/aws"));
    let project = Project::new().file("Dockerfile", SMALL);
    let run = Person::admin().give(aws.run(&project, "build"));
    run.input("image", &image)
        .input("tags", "v1")
        .run()
        .expect(0);
    assert_eq!(aws.asked("DescribeRepositories"), 0, "{}", aws.log());
    let tag = format!("{image}:v1");
    drop(
        Command::new(bed("DOCKER"))
            .args(["rmi", "--force", &tag])
            .output(),
    );
}

#[test]
fn a_right_that_is_taken_away_during_a_slow_push_ends_it() {
    let aws = Aws::start(&json!({"login_seconds": 5, "slow": true, "only": 1}));
    let repository = Repository::at(&aws);
    let project = Project::new().file("Dockerfile", SMALL);
    let admin = Person::admin();
    let run = admin.give(repository.build(aws.run(&project, "build")));
    let run = run.input("create-repository", "true");
    let ended = run.run().expect(10).code("cloud-denied");
    let log = aws.log();
    let held = |line: &str| line.starts_with("PATCH") && line.ends_with("401");
    assert!(log.lines().any(held), "{log}");
    let ended = ended
        .says("the inputs may not do `ecr:GetAuthorizationToken`")
        .says("add to the identity's policy");
    assert_eq!(aws.asked("GetAuthorizationToken"), 2, "{log}");
    assert_eq!(repository.digest(), "");
    aws.nothing_shown(&ended, &[&admin.secret]);
}

#[test]
fn a_push_that_outlives_its_login_goes_on_with_a_new_one() {
    let aws = Aws::start(&json!({"login_seconds": 4, "slow": true}));
    let repository = Repository::at(&aws);
    let project = Project::new().file("Dockerfile", SMALL);
    let admin = Person::admin();
    let run = admin.give(repository.build(aws.run(&project, "build")));
    let run = run.input("create-repository", "true");
    // Whoever looks at the list of processes meanwhile sees no secret.
    let seen = std::thread::scope(|scope| {
        let (sender, ended) = std::sync::mpsc::channel::<()>();
        let looking = scope.spawn(move || {
            let mut seen = String::new();
            while ended.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty) {
                seen.push_str(&processes());
                std::thread::sleep(std::time::Duration::from_millis(300));
            }
            seen
        });
        let ended = run.run().expect(0);
        drop(sender);
        (ended, looking.join().unwrap())
    });
    let (ended, processes) = seen;
    assert!(processes.contains("ml-deploy build"), "{processes}");
    for secret in aws.secrets().iter().chain([&admin.secret]) {
        assert!(!processes.contains(secret.as_str()));
    }
    assert!(aws.asked("GetAuthorizationToken") >= 2, "{}", aws.log());
    assert!(
        aws.log()
            .lines()
            .any(|line| line.starts_with("PATCH") && line.ends_with("401"))
    );
    let ended = ended
        .says("renewed the login at the registry")
        .says("which has aged meanwhile");
    assert_eq!(ended.output("digest"), repository.digest());
    aws.nothing_shown(&ended, &[&admin.secret]);
}
