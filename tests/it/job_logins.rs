//! Logins that a place gives its jobs: GitLab for its own registry, GitHub for ghcr.io. Nothing is set for them in the inputs.

use std::process::Command;

use crate::registries::skopeo;
use crate::servers::{Server, behind_tls};
use crate::support::{Ended, Project, Run, bed, unique};

const TOKEN: &str = "ghs-hunter22-token";
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
    let seen = skopeo(&image, &format!("{}:{password}", bed("REGISTRY_USER")));
    assert_eq!(seen["Digest"], digest);
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
    let ended = ended.expect(10).says(&account).says("of its own project");
    assert!(!ended.stdout.contains("hunter22"), "{}", ended.stdout);
}

#[test]
fn an_instance_of_github_gives_its_token_for_a_whole_push() {
    let folder = tempfile::tempdir().unwrap();
    let name = bed("GITHUB_REGISTRY");
    let (authority, _registry, door) = behind_tls(folder.path(), &name, &("octocat", TOKEN));
    let server = name.strip_prefix("containers.").unwrap();
    let server = format!("https://{server}:{}", door.port);
    let image = format!("{name}:{}/octocat/{}", door.port, unique("it"));
    let project = Project::new().file("Dockerfile", SMALL);
    let push = |server: &str, token: &str| {
        let run = project.ml_deploy("build").flag("image", &image);
        run.flag("tags", "v1")
            .input("github-token", token)
            .env("GITHUB_ACTOR", "octocat")
            .env("GITHUB_SERVER_URL", server)
            .env("NO_PROXY", "*")
            .env("SSL_CERT_FILE", &authority.path("ca.pem"))
            .env("HOME", "/nowhere")
            .run()
    };
    let ended = push(&server, TOKEN).expect(0);
    let seen = skopeo(&image, &format!("octocat:{TOKEN}"));
    assert_eq!(seen["Digest"], ended.output("digest"));
    assert!(!ended.report.to_string().contains(TOKEN));
    drop(
        Command::new(bed("DOCKER"))
            .args(["rmi", "--force", &format!("{image}:v1")])
            .output(),
    );
    let ended = push(&server, "ghs-hunter22-wrong").expect(10);
    ended
        .says("account `octocat` from the job's own token")
        .says("packages: write");
    // A job of another instance gives its token to its own registry only.
    let ended = push("https://github.com", TOKEN).expect(10);
    ended.says("wants a login and none was given");
}

#[test]
fn github_gives_its_token_for_its_own_registry() {
    let folder = tempfile::tempdir().unwrap();
    let (authority, _registry, door) = behind_tls(folder.path(), "ghcr.io", &("octocat", TOKEN));
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
            .env("GITHUB_SERVER_URL", "https://github.com")
            .env("HTTPS_PROXY", &format!("http://{}", proxy.address()))
            .env("NO_PROXY", "")
            .env("SSL_CERT_FILE", &authority.path("ca.pem"))
            .env("HOME", "/nowhere")
            .run()
    };
    let ended = build(TOKEN).expect(40).code("build-failed");
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
