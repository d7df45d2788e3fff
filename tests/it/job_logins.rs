//! Logins that a place gives its jobs: GitLab for its own registry, GitHub for ghcr.io. Nothing is set for them in the inputs.

use serde_json::json;

use crate::servers::{Authority, Registry, Server};
use crate::support::{Ended, Project, Run, bed, unique};

const SMALL: &str = "FROM scratch\nCOPY Dockerfile /\n";

fn in_gitlab<'a>(project: &'a Project, image: &str, password: &str) -> Run<'a> {
    let run = project.ml_deploy("build").terminal();
    run.flag("image", image)
        .flag("tags", "v1")
        .env("GITLAB_CI", "true")
        .env("CI_PROJECT_DIR", &project.path().to_string_lossy())
        .env("CI_REGISTRY", &bed("REGISTRY_AUTH"))
        .env("CI_REGISTRY_USER", &bed("REGISTRY_USER"))
        .env("CI_REGISTRY_PASSWORD", password)
        .env("HOME", "/nowhere")
}

#[test]
fn gitlab_gives_a_password_for_its_own_registry() {
    let project = Project::new().file("Dockerfile", SMALL);
    let image = format!(
        "{}/{}",
        bed("REGISTRY_AUTH"),
        unique("ml-deploy-test/gitlab")
    );
    let password = bed("REGISTRY_PASSWORD");
    let ended = in_gitlab(&project, &image, &password).run().expect(0);
    let digest = ended.report["outputs"]["digest"]
        .as_str()
        .unwrap_or_default();
    assert!(digest.starts_with("sha256:"), "{}", ended.report);
    assert!(!ended.stdout.contains(&password), "{}", ended.stdout);
    let said = |ended: Ended| ended.expect(10).says("wants a login and none was given");
    // It is given to no other registry, here the same one by another name.
    let other = image.replace("127.0.0.1", "localhost");
    said(in_gitlab(&project, &other, &password).run());
    let ended = in_gitlab(&project, &image, "hunter22-wrong").run();
    let account = format!(
        "refuses account `{}` from the job's own token",
        bed("REGISTRY_USER")
    );
    let ended = ended.expect(10).says(&account);
    assert!(!ended.stdout.contains("hunter22"), "{}", ended.stdout);
}

#[test]
fn github_gives_its_token_for_its_own_registry() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(&folder.path().join("authority"), "DNS:ghcr.io");
    let registry = Registry::start(folder.path(), None, "");
    let config = json!({"registry": registry.host, "cert": authority.path("cert.pem"), "key": authority.path("key.pem"),
        "user": "octocat", "password": "ghs-hunter22-token"});
    let file = folder.path().join("door.json");
    std::fs::write(&file, config.to_string()).unwrap();
    let door = Server::start("tls_registry.py", &[&file.to_string_lossy()]);
    let proxy = Server::start("connect.py", &["ghcr.io:443", &door.address()]);
    // What comes after the question whether we may push is not of interest: the engine would go to the real one.
    let text = format!("FROM {}\nRUN exit 7\n", bed("BASE"));
    let project = Project::new().file("Dockerfile", &text);
    let build = |token: &str| {
        let run = project
            .ml_deploy("build")
            .flag("image", "ghcr.io/octocat/wine");
        run.input("github-token", token)
            .env("GITHUB_ACTOR", "octocat")
            .env("HTTPS_PROXY", &format!("http://{}", proxy.address()))
            .env("NO_PROXY", "")
            .env("SSL_CERT_FILE", &authority.path("ca.pem"))
            .env("HOME", "/nowhere")
            .run()
    };
    let ended = build("ghs-hunter22-token").expect(40).code("build-failed");
    assert!(
        !ended.report.to_string().contains("hunter22"),
        "{}",
        ended.report
    );
    let ended = build("ghs-wrong").expect(10).code("registry-denied");
    ended
        .says("account `octocat` from the job's own token")
        .says("packages: write");
}
