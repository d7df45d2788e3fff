//! Build and push on a real engine and real registries. `skopeo` is the independent witness of what was pushed.

use std::process::Command;

use serde_json::Value;

use crate::engine::docker;
use crate::support::{Project, Run, bed, unique};

/// An image of one test; its tags leave the engine when the test ends.
struct Image {
    repository: String,
}

impl Image {
    fn at(registry: &str) -> Self {
        Self {
            repository: format!("{}/{}", bed(registry), unique("ml-deploy-test/image")),
        }
    }

    fn name(&self, tag: &str) -> String {
        format!("{}:{tag}", self.repository)
    }

    /// `ml-deploy build` for this image with one tag.
    fn build<'a>(&self, project: &'a Project) -> Run<'a> {
        project
            .ml_deploy("build")
            .flag("image", &self.repository)
            .flag("tags", "v1")
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        let tags = docker(&[
            "images",
            "--format",
            "{{.Repository}}:{{.Tag}}",
            &self.repository,
        ]);
        for tag in tags.lines() {
            docker(&["rmi", "--force", tag]);
        }
    }
}

/// What `skopeo` sees in the registry.
fn skopeo(image: &str) -> Value {
    let output = Command::new("skopeo")
        .args([
            "inspect",
            "--tls-verify=false",
            &format!("docker://{image}"),
        ])
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

fn dockerfile(text: &str) -> Project {
    Project::new().file("Dockerfile", text)
}

/// The same on the Python base, and no step is found in the engine's cache from an earlier run.
fn fresh(text: &str) -> Project {
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos();
    dockerfile(&format!(
        "FROM python:3.11-slim AS base\nENV ONCE={now}\n{text}"
    ))
}

#[test]
fn every_tag_has_the_digest_that_the_registry_confirms() {
    let image = Image::at("REGISTRY");
    let project = dockerfile("FROM scratch\nCOPY app.py /\n").file("app.py", "1");
    let ended = image
        .build(&project)
        .flag("tags", "v1\nlatest")
        .flag("labels", "team=wine")
        .run()
        .expect(0);
    for tag in ["v1", "latest"] {
        let seen = skopeo(&image.name(tag));
        assert_eq!(seen["Digest"], ended.output("digest"));
        assert_eq!(seen["Labels"]["team"], "wine");
        assert_eq!(
            seen["Labels"]["org.opencontainers.image.revision"],
            "0123456789abcdef0123456789abcdef01234567"
        );
        assert_eq!(
            seen["Labels"]["org.opencontainers.image.source"],
            "https://github.example/org/wine"
        );
    }
    let reference = format!("{}@{}", image.name("v1"), ended.output("digest"));
    assert_eq!(ended.output("image-ref"), reference);
}

#[test]
fn a_registry_with_a_password_is_given_it() {
    let image = Image::at("REGISTRY_AUTH");
    let project = dockerfile("FROM scratch\nCOPY Dockerfile /\n");
    image
        .build(&project)
        .flag("registry-username", &bed("REGISTRY_USER"))
        .flag("registry-password", &bed("REGISTRY_PASSWORD"))
        .run()
        .expect(0);
}

#[test]
fn the_login_of_docker_is_used() {
    use base64::Engine as _;
    let image = Image::at("REGISTRY_AUTH");
    let pair = format!("{}:{}", bed("REGISTRY_USER"), bed("REGISTRY_PASSWORD"));
    let auth = base64::engine::general_purpose::STANDARD.encode(pair);
    let host = bed("REGISTRY_AUTH");
    let project = dockerfile("FROM scratch\nCOPY Dockerfile /\n").file(
        "docker/config.json",
        &format!(r#"{{"auths":{{"{host}":{{"auth":"{auth}"}}}}}}"#),
    );
    let folder = project.path().join("docker");
    image
        .build(&project)
        .env("DOCKER_CONFIG", folder.to_str().unwrap())
        .run()
        .expect(0);
}

#[test]
fn a_registry_that_refuses_is_known_before_the_build() {
    let image = Image::at("REGISTRY_AUTH");
    let project = dockerfile("FROM scratch\nCOPY Dockerfile /\n");
    image
        .build(&project)
        .run()
        .expect(10)
        .code("registry-denied")
        .says("Dependabot");
    image
        .build(&project)
        .flag("registry-username", "robot")
        .flag("registry-password", "wrong")
        .run()
        .expect(10)
        .code("registry-denied")
        .says("account `robot`");
    assert_eq!(docker(&["images", "--quiet", &image.repository]), "");
}

#[test]
fn a_missing_helper_is_named() {
    let image = Image::at("REGISTRY_AUTH");
    let project = dockerfile("FROM scratch\nCOPY Dockerfile /\n")
        .file("docker/config.json", r#"{"credsStore":"not-here"}"#);
    let folder = project.path().join("docker");
    image
        .build(&project)
        .env("DOCKER_CONFIG", folder.to_str().unwrap())
        .run()
        .says("docker-credential-not-here");
}

#[test]
fn an_unknown_registry_is_known_before_the_build() {
    let project = dockerfile("FROM scratch\nCOPY Dockerfile /\n");
    let run = |image: &str| {
        project
            .ml_deploy("build")
            .flag("image", image)
            .flag("tags", "v1")
            .run()
    };
    run("registry.invalid/a/b")
        .expect(10)
        .code("registry-unreachable")
        .says("host name");
    run("127.0.0.1:1/a/b")
        .expect(10)
        .code("registry-unreachable")
        .says("nothing listens");
}

#[test]
fn an_engine_that_is_not_there_is_named() {
    let image = Image::at("REGISTRY");
    let project = dockerfile("FROM scratch\nCOPY Dockerfile /\n");
    image
        .build(&project)
        .env("DOCKER_HOST", "unix:///nowhere/docker.sock")
        .run()
        .expect(10)
        .code("engine-unreachable")
        .says("unix:///nowhere/docker.sock");
}

#[test]
fn mistakes_in_the_dockerfile_have_a_line() {
    let image = Image::at("REGISTRY");
    for (text, code, line) in [
        ("FROM scratch\nCOPPY a /\n", "dockerfile-invalid", 2),
        (
            "FROM scratch\n\nCOPY missing.py /\n",
            "dockerfile-invalid",
            3,
        ),
        ("RUN x\nFROM scratch\n", "dockerfile-invalid", 1),
    ] {
        let project = dockerfile(text);
        let ended = image.build(&project).run().expect(10).code(code);
        ended.says(&format!("file=Dockerfile,line={line}"));
    }
    let project = Project::new();
    image
        .build(&project)
        .run()
        .expect(10)
        .code("dockerfile-missing");
}

#[test]
fn what_dockerignore_leaves_out_cannot_be_copied() {
    let image = Image::at("REGISTRY");
    let project = dockerfile("FROM scratch\nCOPY app.py /\n")
        .file("app.py", "1")
        .file(".dockerignore", "*.py\n");
    image
        .build(&project)
        .run()
        .expect(10)
        .code("dockerfile-invalid")
        .says(".dockerignore leaves it out");
}

#[test]
fn dockerignore_is_honoured() {
    let image = Image::at("REGISTRY");
    let project = fresh("COPY . /ctx\nRUN ls -R /ctx\n")
        .file(".dockerignore", "data/*\n!data/keep.csv\n**/*.pyc\n")
        .file("data/big.csv", "x")
        .file("data/keep.csv", "x")
        .file("src/seen.py", "x")
        .file("src/hidden.pyc", "x");
    let ended = image
        .build(&project)
        .run()
        .expect(0)
        .says("keep.csv")
        .says("seen.py");
    for hidden in ["big.csv", "hidden.pyc"] {
        assert!(
            !ended.stdout.contains(hidden),
            "{hidden} in\n{}",
            ended.stdout
        );
    }
}

#[test]
fn a_failing_instruction_has_its_line_and_its_output() {
    let image = Image::at("REGISTRY");
    let project =
        dockerfile("FROM python:3.11-slim\n\nRUN true\nRUN echo boom-from-run && \\\n    exit 3\n");
    image
        .build(&project)
        .run()
        .expect(40)
        .code("build-failed")
        .says("file=Dockerfile,line=4")
        .says("boom-from-run")
        .says("exit code 3");
}

#[test]
fn a_base_image_that_does_not_exist_has_its_line() {
    let image = Image::at("REGISTRY");
    let base = format!("{}/no/such:1", bed("REGISTRY"));
    let project = dockerfile(&format!("ARG X=1\nFROM {base}\nCOPY Dockerfile /\n"));
    image
        .build(&project)
        .run()
        .expect(40)
        .code("build-failed")
        .says("file=Dockerfile,line=2");
}

#[test]
fn output_of_a_build_cannot_command_the_runner() {
    let image = Image::at("REGISTRY");
    let project =
        fresh("RUN printf '::error::forged\\n##[error]forged\\nx\\r::set-output name=a::b\\n'\n");
    let ended = image.build(&project).run().expect(0).says("forged");
    for line in ended.stdout.split(['\n', '\r']) {
        assert!(!line.trim_start().starts_with("::error::forged"), "{line}");
        assert!(!line.trim_start().starts_with("##[error]forged"), "{line}");
        assert!(!line.trim_start().starts_with("::set-output"), "{line}");
    }
}

#[test]
fn a_secret_is_seen_by_the_build_and_left_in_nothing() {
    let image = Image::at("REGISTRY");
    let secret = "s3cret-of-the-index";
    let project = fresh(
        "RUN --mount=type=secret,id=token test \"$(cat /run/secrets/token)\" = s3cret-of-the-index\n\
         RUN --mount=type=secret,id=pip-conf grep -q index.example /run/secrets/pip-conf\nRUN test ! -e /run/secrets/token\n",
    );
    // The comparison itself stands in the Dockerfile; the value of `pip-conf` stands nowhere but in the environment.
    let ended = image
        .build(&project)
        .flag("secrets", &format!("token={secret}"))
        .env(
            "PIP_INDEX_URL",
            "https://u:hidden-value@index.example/simple",
        )
        .run()
        .expect(0);
    let shown = |line: &&str| line.contains("hidden-value") && !line.starts_with("::add-mask::");
    assert_eq!(ended.stdout.lines().find(shown), None);
    let history = docker(&["history", "--no-trunc", &image.name("v1")]);
    assert!(
        history.contains("index.example") && !history.contains("hidden-value"),
        "{history}"
    );
}

#[test]
fn arguments_and_target_reach_the_build() {
    let image = Image::at("REGISTRY");
    let project = fresh(
        "FROM base AS serve\nARG COLOUR=none\nRUN echo colour-$COLOUR\nFROM serve AS test\nRUN echo stage-test-ran\n",
    );
    let ended = image
        .build(&project)
        .flag("build-args", "COLOUR=red")
        .flag("build-target", "serve")
        .run()
        .expect(0)
        .says("colour-red");
    assert!(!ended.stdout.contains("stage-test-ran"), "{}", ended.stdout);
    image
        .build(&project)
        .flag("build-target", "nope")
        .run()
        .expect(10)
        .says("serve, test");
}

#[test]
fn a_dockerfile_outside_of_the_context_is_sent() {
    let image = Image::at("REGISTRY");
    let project = Project::new()
        .file("docker/serve.Dockerfile", "FROM scratch\nCOPY app.py /\n")
        .file("service/app.py", "1");
    image
        .build(&project)
        .flag("file", "docker/serve.Dockerfile")
        .flag("context", "service")
        .run()
        .expect(0);
}

#[test]
fn a_signal_stops_the_engine_too() {
    let image = Image::at("REGISTRY");
    let marker = unique("ml-deploy-sleeps");
    let project = dockerfile(&format!(
        "FROM python:3.11-slim\nRUN echo {marker}-now; sleep 77.125\n"
    ));
    // The step is announced first with its text; its own output begins with the marker.
    let ended = image
        .build(&project)
        .signal_at("RUN echo", "TERM")
        .expect(143);
    assert!(ended.took.as_secs_f64() < 6.0, "{:?}", ended.took);
    std::thread::sleep(std::time::Duration::from_secs(2));
    let running = Command::new("pgrep")
        .args(["-f", "^sleep 77.125"])
        .output()
        .unwrap();
    assert!(
        running.stdout.is_empty(),
        "the build still runs in the engine"
    );
}
