//! Registries as people run them: with services of tokens elsewhere, without TLS, with stores at other hosts, with helpers for
//! passwords; and how the right to push is proven at each.

use std::process::Command;

use crate::registries::{Repository, SMALL, log_of, skopeo};
use crate::secrecy::nowhere;
use crate::servers::{Registry, Server, bridge};
use crate::support::{Project, bed, path_with_uv, unique};

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
        let service = Server::start("token_service.py", &accounts);
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
    // Also when nothing is built there: it is looked at in the same way.
    let image = format!("{}:v1", repository.0);
    let look = |subcommand: &str| {
        let run = project.ml_deploy(subcommand).word(&image);
        run.env("NO_PROXY", "*").run()
    };
    let traced = look("trace").expect(0);
    traced.says(ended.output("digest"));
    let compared = look("parity").expect(30).code("parity-unknown");
    compared.says("nothing is attached to");

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
fn a_signed_address_is_told_nowhere() {
    let server = Server::start("away.py", &["robot:hunter22-away"]);
    let project = Project::new().file(
        "docker/config.json",
        &format!(
            r#"{{"auths":{{"{}":{{"username":"robot","password":"hunter22-away"}}}}}}"#,
            server.address()
        ),
    );
    let image = format!("{}/team/wine:v1", server.address());
    let folder = project.path().join("docker");
    let run = project.ml_deploy("trace").word(&image);
    let run = run.env("DOCKER_CONFIG", &folder.to_string_lossy());
    let ended = run.run().expect(0).says(&format!(
        "failed to reach `127.0.0.1`, to which registry `{}` leads: nothing listens there",
        server.address()
    ));
    nowhere(&ended, "hunter22");
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

#[test]
fn who_asks_for_a_repository_that_is_not_made_is_told() {
    let project = Project::new().file("Dockerfile", "FROM scratch\n");
    let project = project.file("model", "m");
    let plan = |host: &str, create: &str| {
        let run = project.ml_deploy("plan").terminal();
        let run = run.flag("image", &format!("{host}/wine/model"));
        run.flag("create-repository", create)
    };
    let ecr = "210987654321.dkr.ecr.eu-central-1.amazonaws.com";
    let line = |host: &str| {
        format!(
            "not used    create-repository: it makes repositories of ECR, and `{host}` is no registry of AWS\n"
        )
    };
    for host in ["ghcr.io", "europe-docker.pkg.dev", "wine.azurecr.io"] {
        plan(host, "true").run().expect(0).says(&line(host));
    }
    let image = format!("{ecr}/wine@sha256:{}", "a".repeat(64));
    for silent in [
        plan(ecr, "true"),
        plan("public.ecr.aws", "true"),
        plan("ghcr.io", "false"),
        // A job that pushes nothing shares its inputs with one that does.
        plan("ghcr.io", "true").flag("stages", "build"),
        plan("ghcr.io", "true")
            .flag("stages", "deploy")
            .flag("image-ref", &image)
            .flag("target", "docker"),
    ] {
        let ended = silent.run().expect(0);
        assert!(!ended.stdout.contains("not used"), "{}", ended.stdout);
    }
}
