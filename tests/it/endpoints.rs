//! Engines that are not behind the usual socket: TCP, TLS with certificates, Docker's contexts, a socket that may not be opened.
//! Build, push and deployment all go the same way.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use crate::engine::docker;
use crate::ports::free_port;
use crate::servers::{Authority, Server};
use crate::support::{Project, Run, bed, unique};

/// The bed's engine by its socket.
fn socket() -> String {
    let engine = bed("ENGINE");
    engine
        .strip_prefix("unix://")
        .unwrap_or_else(|| panic!("the engine of the bed must be a socket, not {engine}"))
        .to_owned()
}

/// Builds with progress and a secret, pushes, and runs the image, all through the endpoint that `prepare` sets.
fn whole_job(prepare: impl Fn(Run<'_>) -> Run<'_>) {
    let port = free_port();
    let name = unique("it-endpoint");
    let image = format!("{}/ml-deploy-test/{name}", bed("REGISTRY"));
    let text = format!(
        "FROM {}\nRUN --mount=type=secret,id=word grep -q hidden /run/secrets/word && echo {name}-was-built\nEXPOSE 8080\nCMD [\"python3\", \"-m\", \"http.server\", \"8080\"]\n",
        bed("BASE")
    );
    let project = Project::new().file("Dockerfile", &text).file("model", "m");
    let run = project
        .ml_deploy("run")
        .flag("stages", "build,push,deploy,verify")
        .flag("image", &image)
        .flag("secrets", "word=hidden-word")
        .flag("tags", "v1");
    let run = run
        .flag("target", "docker")
        .flag("container-name", &name)
        .flag("ports", &format!("{port}:8080"))
        .flag("health-path", "/")
        .flag("deploy-timeout", "30s");
    let ended = prepare(run).run();
    docker(&["rm", "--force", &name]);
    docker(&["rmi", "--force", &format!("{image}:v1")]);
    let ended = ended.expect(0).says(&format!("{name}-was-built"));
    assert!(ended.output("digest").starts_with("sha256:"));
    assert!(ended.output("endpoint").ends_with(&port.to_string()));
}

#[test]
fn an_engine_by_tcp() {
    let forwarder = Server::start("forward.py", &[&socket()]);
    let host = format!("tcp://{}", forwarder.address());
    whole_job(|run| run.env("DOCKER_HOST", &host));
}

/// The way Docker's own client is told to use TLS.
fn secure<'a>(run: Run<'a>, host: &str, certificates: &Path) -> Run<'a> {
    run.env("DOCKER_HOST", host)
        .env("DOCKER_TLS_VERIFY", "1")
        .env("DOCKER_CERT_PATH", certificates.to_str().unwrap())
}

#[test]
fn an_engine_by_tls() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path(), "IP:127.0.0.1,DNS:localhost");
    let (ca, cert, key) = (
        authority.path("ca.pem"),
        authority.path("cert.pem"),
        authority.path("key.pem"),
    );
    let forwarder = Server::start("forward.py", &[&socket(), &ca, &cert, &key]);
    let host = format!("tcp://localhost:{}", forwarder.port);
    whole_job(|run| secure(run, &host, folder.path()));

    // Each thing that can be wrong about it is named.
    let image = format!("{}/ml-deploy-test/{}", bed("REGISTRY"), unique("none"));
    let project = Project::new().file("Dockerfile", "FROM scratch\nCOPY Dockerfile /\n");
    let build = || project.ml_deploy("build").flag("image", &image);
    let other = tempfile::tempdir().unwrap();
    Authority::new(other.path(), "IP:127.0.0.1,DNS:localhost");
    secure(build(), &host, other.path())
        .run()
        .expect(10)
        .code("engine-unreachable")
        .says("certificate")
        .says("ca.pem");
    let empty = tempfile::tempdir().unwrap();
    secure(build(), &host, empty.path())
        .run()
        .expect(10)
        .code("engine-unreachable")
        .says("ca.pem")
        .says("DOCKER_CERT_PATH");
    let plain = build().env("DOCKER_HOST", &host).run().expect(10);
    plain.code("engine-unreachable").says("DOCKER_TLS_VERIFY");
}

#[test]
fn a_client_certificate_that_the_engine_refuses() {
    let folder = tempfile::tempdir().unwrap();
    let ours = Authority::new(&folder.path().join("ours"), "IP:127.0.0.1");
    let theirs = Authority::new(&folder.path().join("theirs"), "IP:127.0.0.1");
    let (ca, cert, key) = (
        theirs.path("ca.pem"),
        theirs.path("cert.pem"),
        theirs.path("key.pem"),
    );
    let forwarder = Server::start("forward.py", &[&socket(), &ca, &cert, &key]);
    // We trust them, they do not know us.
    std::fs::copy(&ca, ours.folder.join("ca.pem")).unwrap();
    let image = format!("{}/ml-deploy-test/{}", bed("REGISTRY"), unique("none"));
    let project = Project::new().file("Dockerfile", "FROM scratch\nCOPY Dockerfile /\n");
    let run = project.ml_deploy("build").flag("image", &image);
    let host = format!("tcp://{}", forwarder.address());
    secure(run, &host, &ours.folder)
        .run()
        .expect(10)
        .code("engine-unreachable")
        .says("certificate");
}

/// Contexts as Docker's own client writes them, below a `DOCKER_CONFIG`.
#[test]
fn an_engine_by_a_context_of_dockers_client() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("docker");
    let config = config.to_str().unwrap();
    let context = |arguments: &[&str]| {
        docker(&[&["--config", config, "context"], arguments].concat());
    };
    // The real engine, under a path that only the context knows.
    let place = folder.path().join("colima.sock");
    std::os::unix::fs::symlink(socket(), &place).unwrap();
    let host = |path: &Path| format!("host=unix://{}", path.display());
    context(&["create", "colima", "--docker", &host(&place)]);
    let nowhere = folder.path().join("stopped.sock");
    context(&["create", "stopped", "--docker", &host(&nowhere)]);
    context(&["use", "colima"]);
    whole_job(|run| run.env("DOCKER_CONFIG", config));

    // A variable is nearer than what was chosen once, and a host nearer than a name.
    let image = format!("{}/ml-deploy-test/{}", bed("REGISTRY"), unique("none"));
    let project = Project::new().file("Dockerfile", "FROM scratch\nCOPY Dockerfile /\n");
    let build = |context: &str| {
        let run = project.ml_deploy("build").flag("image", &image);
        run.env("DOCKER_CONFIG", config)
            .env("DOCKER_CONTEXT", context)
    };
    let unreachable = |run: Run<'_>| run.run().expect(10).code("engine-unreachable");
    unreachable(build("stopped"))
        .says("stopped.sock")
        .says("context `stopped`, chosen by DOCKER_CONTEXT")
        .says("docker context use");
    unreachable(build("no-such")).says("context `no-such`");
    unreachable(build("colima").env("DOCKER_HOST", "unix:///nowhere/docker.sock"))
        .says("/nowhere/docker.sock");

    // One with certificates of its own, whatever the variables for the default context say.
    let keys = folder.path().join("keys");
    let authority = Authority::new(&keys, "IP:127.0.0.1,DNS:localhost");
    let [ca, cert, key] = ["ca.pem", "cert.pem", "key.pem"].map(|name| authority.path(name));
    let forwarder = Server::start("forward.py", &[&socket(), &ca, &cert, &key]);
    let host = format!(
        "host=tcp://localhost:{},ca={ca},cert={cert},key={key}",
        forwarder.port
    );
    context(&["create", "remote", "--docker", &host]);
    build("remote")
        .env("DOCKER_CERT_PATH", "/nowhere")
        .flag("tags", "v1")
        .run()
        .expect(0);
    docker(&["rmi", "--force", &format!("{image}:v1")]);
}

/// As a user who may not: another one, when we are root, whom nothing is forbidden.
#[test]
fn a_socket_that_may_not_be_opened() {
    let project = Project::new().file("Dockerfile", "FROM scratch\nCOPY Dockerfile /\n");
    let socket = project.path().join("docker.sock");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let mode = |path: &Path, mode: u32| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    mode(&socket, 0o000);
    mode(project.path(), 0o777);
    let program = project.path().join("ml-deploy");
    std::fs::copy(env!("CARGO_BIN_EXE_ml-deploy"), &program).unwrap();
    let program = program.to_str().unwrap();
    let user = std::fs::metadata(program).unwrap().uid();
    let as_nobody = [
        "setpriv",
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
    ];
    let mut words = vec![program];
    if user == 0 {
        words.splice(0..0, as_nobody);
    }
    let image = format!("{}/ml-deploy-test/{}", bed("REGISTRY"), unique("none"));
    project
        .through(&words, "build")
        .flag("image", &image)
        .env("DOCKER_HOST", &format!("unix://{}", socket.display()))
        .env("HOME", "/nonexistent")
        .terminal()
        .run()
        .expect(10)
        .says("engine-denied")
        .says("group");
}
