//! Environment parity on real images: small packages made by the test, a real training, a real engine. What blocks must block
//! before the push and name the line; what is healthy must pass.

use std::process::Command;

use serde_json::Value;

use crate::support::{Ended, Project, Run, bed, checkout, unique};

pub(crate) const TRAIN: &str = "import pathlib, pickle, oakwood\npathlib.Path('model').mkdir(exist_ok=True)\npickle.dump([oakwood.Tree()] * 20, open('model/model.pkl', 'wb'))\n";

/// A server that has loaded the model and waits.
const SERVER: &str =
    "import pickle, time\npickle.load(open('/app/model/model.pkl', 'rb'))\ntime.sleep(1000)\n";

pub(crate) const DOCKERFILE: &str = "FROM python:3.11-slim\nWORKDIR /app\nCOPY wheels wheels\nCOPY requirements-serve.txt .\nRUN pip install --no-index --find-links wheels -r requirements-serve.txt\nCOPY server.py .\nCOPY model model\nCMD [\"python\", \"server.py\"]\n";

/// A project whose image can be built, and the image's name.
pub(crate) struct Forest {
    pub(crate) project: Project,
    pub(crate) image: String,
}

impl Forest {
    /// Trained with oakwood 1.5.2; the image installs what `serve` asks for.
    fn new(serve: &str) -> Self {
        Self::with(serve, DOCKERFILE)
    }

    pub(crate) fn with(serve: &str, dockerfile: &str) -> Self {
        let project = Project::new()
            .file("train.py", TRAIN)
            .file("server.py", SERVER)
            .file(
                "requirements.txt",
                "--no-index\n--find-links ./wheels\noakwood==1.5.2\n",
            )
            .file("requirements-serve.txt", serve)
            .file("Dockerfile", dockerfile);
        let made = Command::new("python3")
            .arg(checkout().join("tests/it/servers/wheels.py"))
            .arg(project.path().join("wheels"))
            .args(["oakwood", "1.5.2:treebark"])
            .args(["oakwood", "1.6.1:treebark"])
            .args(["treebark", "2.1"])
            .args(["treebark", "2.2"])
            .args(["treebark", "3.0"])
            .args(["squirrel", "9.0"])
            .status()
            .unwrap();
        assert!(made.success());
        Self {
            project,
            image: format!("{}/{}", bed("REGISTRY"), unique("ml-deploy-test/parity")),
        }
    }

    pub(crate) fn prepare(&self) -> Run<'_> {
        self.project
            .ml_deploy("run")
            .input("train", "python train.py")
            .input("python-version", "3.11")
            .input("image", &self.image)
            .input("tags", "v1")
            .input("stages", "train, build, push")
    }

    fn run(&self) -> Ended {
        self.prepare().run()
    }

    /// Fails unless the registry has the image, or has none.
    #[track_caller]
    pub(crate) fn is_pushed(&self, expected: bool) {
        let seen = Command::new("skopeo")
            .args(["inspect", "--tls-verify=false"])
            .arg(format!("docker://{}:v1", self.image))
            .output()
            .unwrap();
        assert_eq!(seen.status.success(), expected);
    }
}

impl Drop for Forest {
    fn drop(&mut self) {
        let tags = ["v1", "ml-deploy-base"].map(|tag| format!("{}:{tag}", self.image));
        drop(
            Command::new(bed("DOCKER"))
                .args(["rmi", "--force"])
                .args(tags)
                .output(),
        );
    }
}

/// The row of the comparison that is about this.
#[track_caller]
fn row<'a>(ended: &'a Ended, subject: &str) -> &'a Value {
    let rows = ended.report["parity"]["rows"].as_array().unwrap();
    let found = rows
        .iter()
        .find(|row| row["subject"].as_str().unwrap().contains(subject));
    found.unwrap_or_else(|| panic!("no row about {subject}: {rows:#?}"))
}

#[test]
fn another_version_stops_before_the_push_at_the_line_that_installs_it() {
    let forest = Forest::new("# serving\ntreebark==2.1\noakwood==1.6.1\n");
    let ended = forest.run().expect(30).code("parity-package");
    let ended = ended
        .says("oakwood: trained with 1.5.2, the image serves 1.6.1; the model's classes live in it")
        .says("file=requirements-serve.txt,line=3");
    assert_eq!(ended.output("parity"), "fail");
    assert!(
        ended
            .summary
            .contains("❌ The image does not serve what was trained"),
        "{}",
        ended.summary
    );
    assert_eq!(
        ended.report["failure"]["help"],
        "write `oakwood==1.5.2` at requirements-serve.txt:3"
    );
    let constraints = forest
        .project
        .path()
        .join(".ml-deploy/ml-deploy-constraints.txt");
    let constraints = std::fs::read_to_string(constraints).unwrap();
    assert!(
        constraints.contains("oakwood==1.5.2\n") && constraints.contains("treebark=="),
        "{constraints}"
    );
    forest.is_pushed(false);

    // The constraints are the fix: with them the same image serves what was trained.
    let lines: String = constraints
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| format!("{line}\n"))
        .collect();
    std::fs::write(forest.project.path().join("requirements-serve.txt"), lines).unwrap();
    let ended = forest.run().expect(0);
    assert_eq!(ended.output("parity"), "pass", "{}", ended.stdout);
    forest.is_pushed(true);
}

#[test]
fn extra_packages_of_the_server_pass() {
    let forest = Forest::new("oakwood==1.5.2\nsquirrel\n");
    let ended = forest.run().expect(0);
    assert_eq!(ended.output("parity"), "pass", "{}", ended.stdout);
    assert_eq!(row(&ended, "squirrel")["level"], "info");
    assert_eq!(
        ended.report["parity"]["bearing"]["oakwood"],
        "the model's classes live in it"
    );
    let left = Command::new(bed("DOCKER"))
        .args([
            "ps",
            "-aq",
            "--filter",
            &format!("ancestor={}:v1", forest.image),
        ])
        .output()
        .unwrap();
    assert!(left.stdout.is_empty(), "a container is left behind");
}

#[test]
fn what_the_models_package_requires_blocks_by_a_major_version_only() {
    let minor = Forest::new("oakwood==1.5.2\ntreebark==2.2\n");
    std::fs::write(
        minor.project.path().join("requirements.txt"),
        "--no-index\n--find-links ./wheels\noakwood==1.5.2\ntreebark==2.1\n",
    )
    .unwrap();
    let ended = minor.run().expect(0);
    assert_eq!(ended.output("parity"), "warn", "{}", ended.stdout);
    assert_eq!(row(&ended, "treebark")["level"], "warn");

    std::fs::write(
        minor.project.path().join("requirements-serve.txt"),
        "oakwood==1.5.2\ntreebark==3.0\n",
    )
    .unwrap();
    let ended = minor.run().expect(30).code("parity-package");
    ended.says("treebark: trained with 2.1, the image serves 3.0; `oakwood` requires it");
}

#[test]
fn a_package_that_the_image_lacks_is_named_also_when_the_server_dies_of_it() {
    let forest = Forest::new("squirrel\n");
    let ended = forest.run().expect(30).code("parity-package");
    ended.says("oakwood: trained with 1.5.2, the image has none; the model's classes live in it");
    forest.is_pushed(false);
}

#[test]
fn the_interpreter_that_serves_counts_and_not_the_first_on_path() {
    let venv = "RUN python -m venv --without-pip /srv/env && pip install --no-index --find-links wheels --target /srv/env/lib/python3.11/site-packages -r requirements-serve.txt\n";
    let dockerfile = DOCKERFILE
        .replace("COPY server.py", &format!("{venv}RUN pip install --no-index --find-links wheels oakwood==1.6.1\nCOPY server.py"))
        .replace("RUN pip install --no-index --find-links wheels -r requirements-serve.txt\n", "")
        .replace("[\"python\"", "[\"/srv/env/bin/python\"");
    let forest = Forest::with("oakwood==1.5.2\n", &dockerfile);
    let ended = forest.run().expect(0);
    assert_eq!(ended.output("parity"), "pass", "{}", ended.stdout);
    assert_eq!(ended.report["parity"]["interpreter"], "/srv/env/bin/python");
    let ended = ended.says("comes first on the image's PATH");
    drop(ended);
    // And the other way round: the one on PATH is right, the one that serves is not.
    let swapped = Forest::with(
        "oakwood==1.6.1\n",
        &dockerfile.replace("wheels oakwood==1.6.1", "wheels oakwood==1.5.2"),
    );
    swapped
        .run()
        .expect(30)
        .code("parity-package")
        .says("the image serves 1.6.1");
}

#[test]
fn one_changed_byte_of_the_model_is_found_by_content() {
    let change = "RUN python -c \"import pathlib; p = pathlib.Path('model/model.pkl'); b = bytearray(p.read_bytes()); b[-3] ^= 1; p.write_bytes(b)\"\nCMD [\"python\", \"-c\", \"import time; time.sleep(1000)\"]\n";
    let dockerfile = DOCKERFILE.replace("CMD [\"python\", \"server.py\"]\n", change);
    let forest = Forest::with("oakwood==1.5.2\n", &dockerfile);
    let ended = forest.run().expect(30).code("parity-model");
    ended
        .says("file=Dockerfile,line=7")
        .says("/app/model/model.pkl");
    // Under another name and in another place it is still the model.
    let moved = DOCKERFILE
        .replace("COPY model model", "COPY model/model.pkl /srv/current.bin")
        .replace("server.py\"]", "-c\", \"import time; time.sleep(1000)\"]");
    let forest = Forest::with("oakwood==1.5.2\n", &moved);
    let ended = forest.run().expect(0);
    assert_eq!(ended.output("parity"), "pass", "{}", ended.stdout);
}

#[test]
fn a_decision_to_live_with_it_counts_until_its_day() {
    let forest = Forest::new("oakwood==1.6.1\n");
    let entry =
        |until: &str| format!("oakwood 1.5.2->1.6.1 the class is the same, see #12 until={until}");
    let ended = forest
        .prepare()
        .input("parity-allow", &entry("2999-12-31"))
        .run()
        .expect(0);
    assert_eq!(ended.output("parity"), "warn");
    let ended = ended.says("allowed by parity-allow");
    assert!(ended.summary.contains("see &#35;12"), "{}", ended.summary);
    assert!(
        row(&ended, "oakwood")["allowed"]
            .as_str()
            .unwrap()
            .contains("#12")
    );

    let expired = forest
        .prepare()
        .input("parity-allow", &entry("2001-01-01"))
        .run();
    expired
        .expect(30)
        .code("parity-allow-expired")
        .says("expired on 2001-01-01");
    let other = forest
        .prepare()
        .input(
            "parity-allow",
            "oakwood 1.5.2->1.7.0 other until=2999-12-31",
        )
        .run();
    other.expect(30).code("parity-package");
    forest
        .prepare()
        .input("parity-allow", "oakwood because")
        .run()
        .expect(2)
        .code("input-invalid");
}

#[test]
fn report_never_blocks_and_off_does_not_look() {
    let forest = Forest::new("oakwood==1.6.1\n");
    let ended = forest.prepare().input("parity", "report").run().expect(0);
    assert_eq!(ended.output("parity"), "fail");
    let ended = ended.says("the image serves 1.6.1");
    assert_eq!(ended.output("failure-code"), "");
    let ended = forest.prepare().input("parity", "off").run().expect(0);
    assert_eq!(
        (ended.output("parity"), &ended.report["parity"]),
        ("", &Value::Null)
    );
}

#[test]
fn an_image_without_python_is_said_and_in_strict_it_blocks() {
    let forest = Forest::with("", "FROM scratch\nCOPY model /model\nCMD [\"/nothing\"]\n");
    let ended = forest.run().expect(0);
    assert_eq!(ended.output("parity"), "warn", "{}", ended.stdout);
    assert_eq!(row(&ended, "image")["code"], "parity-unknown");
    let strict = forest.prepare().input("parity", "strict").run();
    strict.expect(30).code("parity-unknown");
}

#[test]
fn a_later_job_knows_how_the_model_was_trained() {
    let forest = Forest::new("oakwood==1.6.1\n");
    forest.prepare().input("stages", "train").run().expect(0);
    let build = || {
        forest
            .project
            .ml_deploy("build")
            .input("image", &forest.image)
            .input("tags", "v1")
    };
    build().run().expect(30).code("parity-package");
    // Another model than the one that is described: nothing is known of it.
    std::fs::write(forest.project.path().join("model/model.pkl"), b"\x80\x04N.").unwrap();
    let ended = build().run().expect(0);
    assert_eq!(ended.output("parity"), "warn", "{}", ended.stdout);
    ended.says("nothing is known of the environment");
}
