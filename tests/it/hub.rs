//! Docker Hub by each of its names, with the login that Docker keeps for it under a name of its own.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::servers::{Server, behind_tls};
use crate::support::{Project, bed};

#[test]
fn the_hub_has_one_login_and_several_names() {
    let folder = tempfile::tempdir().unwrap();
    let login = ("whale", "dckr-hunter22-pat");
    let (authority, _registry, door) = behind_tls(folder.path(), "registry-1.docker.io", &login);
    let proxy = Server::start("connect.py", &["registry-1.docker.io:443", &door.address()]);
    // What comes after the question whether we may push is not of interest: the engine would go to the real one.
    let text = format!("FROM {}\nRUN exit 7\n", bed("BASE"));
    let auth = STANDARD.encode(format!("{}:{}", login.0, login.1));
    let check = |image: &str, key: &str| {
        let config = json!({"auths": {key: {"auth": auth}}}).to_string();
        let project = Project::new()
            .file("Dockerfile", &text)
            .file("docker/config.json", &config);
        let run = project.ml_deploy("build").input("image", image);
        let ended = run
            .env(
                "DOCKER_CONFIG",
                &project.path().join("docker").to_string_lossy(),
            )
            .env("HTTPS_PROXY", &format!("http://{}", proxy.address()))
            .env("NO_PROXY", "")
            .env("SSL_CERT_FILE", &authority.path("ca.pem"))
            .run();
        assert!(
            !ended.report.to_string().contains("hunter22"),
            "{}",
            ended.report
        );
        ended
    };
    for (image, key) in [
        ("org/wine", "https://index.docker.io/v1/"),
        ("docker.io/org/wine", "https://index.docker.io/v1/"),
        ("index.docker.io/org/wine", "docker.io"),
    ] {
        check(image, key).expect(40).code("build-failed");
    }
    // The newer client's own tokens are for something else.
    let ended = check("org/wine", "https://index.docker.io/v1/access-token");
    ended
        .expect(10)
        .says("registry `docker.io` wants a login and none was given");
}
