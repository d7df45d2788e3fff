//! Registries that are not simple: bearer tokens, faults that pass and faults that do not, base images behind a password.

use std::process::Command;

use base64::Engine as _;
use serde_json::Value;

use crate::deploy::Container;
use crate::servers::{Registry, Server, bridge};
use crate::support::{Ended, Project, Run, bed, path_with_uv, unique};

const SMALL: &str = "FROM scratch\nCOPY Dockerfile /\n";

fn docker(arguments: &[&str]) -> String {
    let output = Command::new(bed("DOCKER"))
        .args(arguments)
        .output()
        .unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A repository; its tags leave the engine with the test.
struct Repository(String);

impl Repository {
    fn at(host: &str) -> Self {
        Self(format!("{host}/{}", unique("ml-deploy-test/registry")))
    }

    fn build<'a>(&self, project: &'a Project) -> Run<'a> {
        let run = project.ml_deploy("build").flag("image", &self.0);
        run.flag("tags", "v1")
    }
}

impl Drop for Repository {
    fn drop(&mut self) {
        let tags = docker(&["images", "--format", "{{.Repository}}:{{.Tag}}", &self.0]);
        for tag in tags.lines() {
            docker(&["rmi", "--force", tag]);
        }
    }
}

/// A service of tokens as Harbor's and Quay's are: at another place than the registry, with robots for accounts.
struct Tokens {
    folder: tempfile::TempDir,
    cert: String,
    service: Server,
}

const ROBOT: &str = "robot$team+ci";
const READER: &str = "team+reader";

impl Tokens {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
        let (cert, key) = (path("rsa.pem"), path("rsa.key"));
        let script = format!(
            "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=signer -keyout {key} -out {cert} 2>/dev/null"
        );
        let made = Command::new("sh").args(["-c", &script]).status().unwrap();
        assert!(made.success());
        let accounts = [&cert, &key, ROBOT, "right-password", READER];
        let service = Server::start("token.py", &accounts);
        Self {
            folder,
            cert,
            service,
        }
    }

    /// A registry that sends there for its tokens.
    fn registry(&self, realm: &str) -> Registry {
        let folder = self.folder.path().join(unique("registry"));
        std::fs::create_dir(&folder).unwrap();
        let extra = format!(
            "auth: {{token: {{realm: '{realm}', service: 'it,s', issuer: test, rootcertbundle: {}}}}}",
            self.cert
        );
        Registry::start(&folder, None, &extra)
    }
}

#[test]
fn a_registry_with_bearer_tokens() {
    let tokens = Tokens::new();
    let realm = format!(
        "http://localhost:{}/service/token?from=harbor",
        tokens.service.port
    );
    let registry = tokens.registry(&realm);
    let repository = Repository::at(&format!("{}/team/deep", registry.host));
    let project = Project::new().file("Dockerfile", SMALL);
    let run = |repository: &Repository, user: &str, password: &str| {
        let run = repository.build(&project).flag("registry-username", user);
        run.flag("registry-password", password).run()
    };
    let ended = run(&repository, ROBOT, "right-password").expect(0);
    assert!(ended.output("digest").starts_with("sha256:"));
    let seen = skopeo(&repository.0, &format!("{ROBOT}:right-password"));
    assert_eq!(seen["Digest"], ended.output("digest"));
    run(&repository, ROBOT, "wrong-password")
        .expect(10)
        .code("registry-denied")
        .says(&format!("account `{ROBOT}`"))
        .says("incorrect username or password");
    // A token is given, but not for pushing.
    run(&repository, READER, "right-password")
        .expect(10)
        .code("registry-denied")
        .says(&format!("account `{READER}`"));
    repository
        .build(&project)
        .run()
        .expect(10)
        .code("registry-denied")
        .says("wants a login");

    // A service that is busy is not one that refuses.
    let busy = |count: &str| {
        let service = tokens.service.address();
        let proxy = Server::start(
            "proxy.py",
            &[
                &service,
                "GET",
                "/service/token",
                "ml-deploy",
                count,
                "503-json",
            ],
        );
        let registry = tokens.registry(&format!("http://{}/service/token", proxy.address()));
        let repository = Repository::at(&registry.host);
        run(&repository, ROBOT, "right-password")
    };
    busy("2").expect(0);
    let ended = busy("1000").expect(10).code("registry-unreachable");
    ended.says("503").says("UNAVAILABLE: service unavailable");
    // One that is not there has a name of its own.
    let registry = tokens.registry("http://localhost:1/service/token");
    run(&Repository::at(&registry.host), ROBOT, "right-password")
        .expect(10)
        .code("registry-unreachable")
        .says(&format!(
            "`localhost`, to which registry `{}` leads: nothing listens there",
            registry.host
        ));
}

#[test]
fn a_registry_without_tls_is_asked_as_the_engine_asks_it() {
    let folder = tempfile::tempdir().unwrap();
    let registry = Registry::start(folder.path(), None, "");
    let port = registry.host.rsplit(':').next().unwrap();
    // The engine asks whoever has an address in 127.0.0.0/8 so, whatever his name.
    let name = bed("REGISTRY_TLS");
    let name = name.split(':').next().unwrap();
    let project = Project::new().file("Dockerfile", SMALL);
    let repository = Repository::at(&format!("{name}:{port}"));
    let push = |repository: &Repository| {
        let run = repository.build(&project).env("NO_PROXY", "*");
        run.flag("registry-username", "robot")
            .flag("registry-password", "hunter22-plain")
            .run()
    };
    let ended = push(&repository).expect(0);
    let seen = skopeo(&repository.0, "robot:hunter22-plain");
    assert_eq!(seen["Digest"], ended.output("digest"));

    // To any other nothing is said without TLS: it hears the first byte of a handshake.
    let listener = std::net::TcpListener::bind((bridge().as_str(), 0)).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let heard = std::thread::spawn(move || {
        use std::io::{Read as _, Write as _};
        let (mut client, _) = listener.accept().unwrap();
        let mut first = [0];
        client.read_exact(&mut first).unwrap();
        drop(client.write_all(b"HTTP/1.0 400 Bad Request\r\n\r\n"));
        first
    });
    let ended = push(&Repository::at(&address)).expect(10);
    assert_eq!(heard.join().unwrap(), [0x16]);
    ended.code("registry-tls").says("insecure-registries");
}

#[test]
fn the_right_to_push_is_proven_before_the_training() {
    let folder = tempfile::tempdir().unwrap();
    let registry = Registry::start(folder.path(), None, "");
    let project = Project::new().file("Dockerfile", SMALL).file(
        "train.py",
        "open('begun', 'w').close()\nraise SystemExit(7)\n",
    );
    let begun = project.path().join("begun");
    let run = |refused: &str| {
        let door = [&registry.host, "POST", "/uploads/", "", refused, "403-json"];
        let proxy = Server::start("proxy.py", &door);
        let repository = Repository::at(&proxy.address());
        let run = project.ml_deploy("run").input("image", &repository.0);
        let run = run
            .input("train", "python train.py")
            .input("early-layers", "false");
        let ended = run.input("stages", "train, build, push").run();
        (ended, log_of(&proxy), repository)
    };
    let (ended, ..) = run("1");
    ended
        .expect(10)
        .code("registry-denied")
        .says("DENIED: forbidden");
    assert!(!begun.exists());

    // An upload is begun and cancelled, and nothing is left of it.
    let (ended, log, repository) = run("0");
    ended.expect(20);
    assert!(begun.exists());
    let (_, path) = repository.0.split_once('/').unwrap();
    let uploads = format!("/v2/{path}/blobs/uploads/");
    let asked = |index: usize, method: &str, status: &str| {
        let line = &log[index];
        assert!(
            line.starts_with(&format!("{method} {uploads}")) && line.ends_with(status),
            "{log:?}"
        );
    };
    asked(0, "POST", " 202");
    asked(1, "DELETE", " 204");
    assert_eq!(log.len(), 2, "{log:?}");
    let left = format!("data/docker/registry/v2/repositories/{path}/_uploads");
    let left = std::fs::read_dir(folder.path().join(left)).unwrap();
    // The registry keeps the state of its hash, and nothing that could be gone on with.
    for upload in left {
        assert!(!upload.unwrap().path().join("data").exists());
    }
}

#[test]
fn a_silent_registry_does_not_hold_a_cancel() {
    let proxy = Server::start(
        "proxy.py",
        &[&bed("REGISTRY"), "POST", "/uploads/", "", "1000", "silent"],
    );
    let project = Project::new().file("Dockerfile", SMALL);
    let repository = Repository::at(&proxy.address());
    let asked = || log_of(&proxy).iter().any(|line| line.ends_with("silent"));
    let run = repository.build(&project);
    let ended = run.signal_when("::group::preflight", asked, "TERM");
    ended
        .expect(143)
        .says("preflight was stopped before anything was built");
}

#[test]
fn a_place_for_uploads_never_learns_who_we_are() {
    let server = Server::start("away.py", &["robot:hunter22-away"]);
    let text = format!("FROM {}\nRUN exit 7\n", bed("BASE"));
    let project = Project::new().file("Dockerfile", &text);
    let repository = Repository::at(&server.address());
    // What comes after the question whether we may push is not of interest.
    let run = repository
        .build(&project)
        .flag("registry-username", "robot");
    let ended = run.flag("registry-password", "hunter22-away").run();
    ended.expect(40).code("build-failed");
    let log = log_of(&server);
    assert!(log.contains(&"registry POST login".to_owned()), "{log:?}");
    let store: Vec<_> = log
        .iter()
        .filter(|line| line.starts_with("store"))
        .collect();
    assert_eq!(store, ["store DELETE nobody"], "{log:?}");
}

#[test]
fn a_login_that_is_new_each_time_is_not_tried_for_ever() {
    let proxy = Server::start(
        "proxy.py",
        &[
            &bed("REGISTRY"),
            "PUT",
            "/manifests/v1",
            "docker",
            "1000",
            "403-json",
        ],
    );
    let helper = "#!/bin/sh\nprintf '{\"ServerURL\": \"\", \"Username\": \"robot\", \"Secret\": \"hunter22-%s\"}' $(date +%s%N)\n";
    let project = Project::new()
        .file("Dockerfile", SMALL)
        .file("docker/config.json", r#"{"credsStore": "fresh"}"#)
        .file("bin/docker-credential-fresh", helper);
    let bin = project.path().join("bin");
    let program = bin.join("docker-credential-fresh");
    let right = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(program, right).unwrap();
    let repository = Repository::at(&proxy.address());
    let run = repository.build(&project);
    let ended = run
        .env(
            "DOCKER_CONFIG",
            &project.path().join("docker").to_string_lossy(),
        )
        .env("PATH", &format!("{}:{}", bin.display(), path_with_uv()))
        .run()
        .expect(40)
        .code("push-denied");
    let ended = ended.says("account `robot` from `docker-credential-fresh`");
    let again = ended.stdout.matches("which has aged meanwhile").count();
    assert_eq!(again, 2, "{}", ended.stdout);
    assert!(
        !ended.report.to_string().contains("hunter22"),
        "{}",
        ended.report
    );
}

/// What the tag `v1` of a repository is, as another client sees it.
pub(crate) fn skopeo(repository: &str, login: &str) -> Value {
    let output = Command::new("skopeo")
        .args(["inspect", "--tls-verify=false", "--creds", login])
        .arg(format!("docker://{repository}:v1"))
        .output()
        .unwrap();
    serde_json::from_slice(&output.stdout).unwrap_or_default()
}

/// Builds and pushes through a proxy that begins with faults; the run, and what the registry was asked.
fn through(method: &str, part: &str, agent: &str, count: u32, fault: &str) -> (Ended, Vec<String>) {
    let count = count.to_string();
    let proxy = Server::start(
        "proxy.py",
        &[&bed("REGISTRY"), method, part, agent, &count, fault],
    );
    let repository = Repository::at(&proxy.address());
    let project = Project::new().file("Dockerfile", SMALL);
    let ended = repository.build(&project).run();
    (ended, log_of(&proxy))
}

/// What a server says that it was asked.
fn log_of(server: &Server) -> Vec<String> {
    let log = Command::new("curl")
        .args(["-s", "--noproxy", "*"])
        .arg(format!("http://{}/-/log", server.address()))
        .output()
        .unwrap();
    let log = String::from_utf8_lossy(&log.stdout).into_owned();
    log.lines().map(str::to_owned).collect()
}

fn faults(log: &[String], fault: &str) -> usize {
    let ending = format!(" {fault}");
    log.iter().filter(|line| line.ends_with(&ending)).count()
}

#[test]
fn what_passes_is_tried_again_until_it_has() {
    // Our own questions before the build, and the engine's push: its last request is the manifest's.
    for (method, part, agent) in [
        ("POST", "/uploads/", ""),
        ("PUT", "/manifests/v1", "docker"),
        ("HEAD", "/manifests/v1", ""),
    ] {
        for fault in ["429", "429-json", "500-json", "503", "503-json", "reset"] {
            let (ended, log) = through(method, part, agent, 2, fault);
            let ended = ended.expect(0);
            assert_eq!(faults(&log, fault), 2, "{log:?}");
            if agent == "docker" {
                assert!(ended.stdout.contains("again in"), "{}", ended.stdout);
            }
        }
    }
}

#[test]
fn what_does_not_pass_is_not_waited_for_for_ever() {
    let (ended, log) = through("POST", "/uploads/", "", 1000, "503");
    let ended = ended.expect(10).code("registry-unreachable");
    ended.says("503");
    assert_eq!(faults(&log, "503"), 4, "{log:?}");
    let (ended, log) = through("PUT", "/manifests/v1", "docker", 1000, "503");
    ended.expect(40).code("push-failed").says("503");
    assert_eq!(faults(&log, "503"), 5, "{log:?}");
}

#[test]
fn a_refusal_is_not_tried_again() {
    for fault in ["401", "403", "404", "401-json", "403-json", "404-json"] {
        let (ended, log) = through("POST", "/uploads/", "", 1000, fault);
        ended.expect(10).code("registry-denied");
        assert_eq!(faults(&log, fault), 1, "{log:?}");
        let (ended, log) = through("PUT", "/manifests/v1", "docker", 1000, fault);
        let ended = ended.expect(40).code("push-denied");
        assert!(!ended.stdout.contains("again in"), "{}", ended.stdout);
        // The engine itself sends an older kind of manifest, or the same again, after some.
        assert!(faults(&log, fault) <= 3, "{log:?}");
    }
}

/// A configuration of Docker's with a login for the registry that has a password.
fn docker_login(password: &str) -> String {
    let pair = format!("{}:{password}", bed("REGISTRY_USER"));
    let auth = base64::engine::general_purpose::STANDARD.encode(pair);
    format!(
        r#"{{"auths":{{"{}":{{"auth":"{auth}"}}}}}}"#,
        bed("REGISTRY_AUTH")
    )
}

#[test]
fn a_base_image_behind_a_password() {
    let password = bed("REGISTRY_PASSWORD");
    let base = Repository::at(&bed("REGISTRY_AUTH"));
    let name = format!("{}:v1", base.0);
    let project = Project::new().file("Dockerfile", SMALL);
    let with_login = |run: Run<'_>| {
        let run = run.flag("registry-username", &bed("REGISTRY_USER"));
        run.flag("registry-password", &password).run()
    };
    with_login(base.build(&project)).expect(0);
    let project = project
        .file("docker/config.json", &docker_login(&password))
        .file("empty/config.json", "{}")
        .file(
            "Dockerfile",
            &format!("FROM {name}\nCOPY Dockerfile /again\n"),
        );
    let folder = |name: &str| project.path().join(name).to_string_lossy().into_owned();
    let forget = || docker(&["rmi", "--force", &name]);

    // The login of the inputs is for its own registry.
    forget();
    let same = Repository::at(&bed("REGISTRY_AUTH"));
    with_login(same.build(&project).env("DOCKER_CONFIG", &folder("empty"))).expect(0);
    // Docker's own login is for any.
    forget();
    let other = Repository::at(&bed("REGISTRY"));
    let run = other.build(&project);
    run.env("DOCKER_CONFIG", &folder("docker")).run().expect(0);
    // Without one, the line that needs it is named; and the inputs' password is not sent elsewhere.
    forget();
    let run = other.build(&project).env("DOCKER_CONFIG", &folder("empty"));
    let ended = with_login(run).expect(40).code("build-failed");
    ended
        .says("file=Dockerfile,line=1")
        .says("401 Unauthorized")
        .says("DOCKER_CONFIG");
}

#[test]
fn an_image_of_an_earlier_job_is_found_and_pulled_with_the_login() {
    let repository = Repository::at(&bed("REGISTRY_AUTH"));
    let name = unique("it-earlier");
    let _container = Container(name.clone());
    let text = format!(
        "FROM {}\nEXPOSE 8080\nCMD [\"python3\", \"-m\", \"http.server\", \"8080\"]\n",
        bed("BASE")
    );
    let project = Project::new().file("Dockerfile", &text);
    let with_login = |run: Run<'_>| {
        let run = run.flag("registry-username", &bed("REGISTRY_USER"));
        run.flag("registry-password", &bed("REGISTRY_PASSWORD"))
            .run()
    };
    with_login(repository.build(&project)).expect(0);
    let reference = format!("{}:v1", repository.0);
    docker(&["rmi", "--force", &reference]);
    let deploy = || {
        let run = project.ml_deploy("deploy").flag("target", "docker");
        run.flag("image-ref", &reference)
            .flag("container-name", &name)
            .flag("ports", "18945:8080")
            .flag("health-path", "/")
    };
    // The password of one registry is not for another.
    let other = format!("{}/other", bed("REGISTRY"));
    let ended = with_login(deploy().flag("image", &other));
    ended
        .expect(10)
        .code("registry-denied")
        .says("none was given");
    with_login(deploy()).expect(0);
}
