//! A model trained once with real libraries, and base images for what serves it: with the real libraries, with their metadata
//! only, with another Python, on musl. It knows how they are made, not what is to be found in them.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Project, bed, checkout, unique};

/// What trained. No wheel of torch is small: a package of that name stands in for it.
const TRAINED: &str = "scikit-learn==1.5.2\nnumpy==1.26.4\nscipy==1.13.1\njoblib==1.4.2\nthreadpoolctl==3.5.0\ncloudpickle==3.1.1\n";
const TORCH: &str = "2.99.0";

/// One model in three formats: joblib, cloudpickle, and an archive laid out like those of `torch.save`.
const TRAIN: &str = r#"
import io, pathlib, pickle, zipfile
import cloudpickle, joblib, numpy as np, torch
from sklearn.ensemble import HistGradientBoostingClassifier

rows = np.arange(80.0).reshape(40, 2)
model = HistGradientBoostingClassifier(max_iter=2).fit(rows, np.arange(40) % 2)
out = pathlib.Path("model")
out.mkdir(exist_ok=True)
joblib.dump(model, out / "model.joblib", compress=3)
(out / "function.cloudpickle").write_bytes(cloudpickle.dumps(lambda row: np.sqrt(row)))


class Pickler(pickle.Pickler):
    def persistent_id(self, value):
        return ("storage", torch.Tree, "0", "cpu", 16) if isinstance(value, bytes) else None


data = io.BytesIO()
Pickler(data, 2).dump({"net": torch.Tree(), "weight": bytes(64)})
with zipfile.ZipFile(out / "net.pt", "w") as archive:
    archive.writestr("net/data.pkl", data.getvalue())
    archive.writestr("net/data/0", bytes(64))
    archive.writestr("net/version", "3\n")
(out / "MLmodel").write_text("flavors:\n  python_function:\n    env: x\n  sklearn:\n    code: null\n")
(out / "requirements.txt").write_text("scikit-learn==1.5.2\ncloudpickle==3.1.1\njoblib==1.4.2\nnumpy==1.26.4\ntorch==2.99.0\n")
"#;

/// Waits; loads the model first where the image has the libraries.
const SERVER: &str = "import sys, time\nif 'load' in sys.argv:\n    import joblib\n    joblib.load('/app/model/model.joblib')\ntime.sleep(1000)\n";

/// What must become of an image.
pub(crate) enum Expected {
    /// Stopped, and this is said.
    Stops(&'static [&'static str]),
    /// Pushed with this verdict, and this is said.
    Passes(&'static str, &'static [&'static str]),
}

/// One image.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// Base images by name in braces.
    pub(crate) dockerfile: String,
    /// What the image asks for.
    pub(crate) serve: String,
    pub(crate) parity: &'static str,
    pub(crate) files: Vec<(&'static str, &'static str)>,
    pub(crate) expected: Expected,
}

/// The workshop. Images are removed with it.
pub(crate) struct Lab {
    /// Holds the trained model and its description.
    project: Project,
    prefix: String,
}

impl Lab {
    /// Trains, and makes the base images. What is installed comes from uv's cache.
    pub(crate) fn new() -> Self {
        let project = Project::new().file("train.py", TRAIN).file(
            "requirements.txt",
            &format!("--find-links ./wheels\n{TRAINED}torch=={TORCH}\n"),
        );
        let lab = Self {
            project,
            prefix: unique("ml-deploy-test/lab"),
        };
        std::thread::scope(|scope| {
            scope.spawn(|| lab.images());
            lab.package("wheels", &["torch", TORCH]);
            let trained = lab
                .project
                .ml_deploy("run")
                .input("train", "python train.py")
                .input("python-version", "3.11")
                .input("stages", "train");
            trained.run().expect(0);
        });
        lab
    }

    fn images(&self) {
        let at = |name: &str| self.project.path().join("lab").join(name);
        let all: Vec<&str> = TRAINED.lines().collect();
        site(&at("base"), &all[1..]);
        for version in ["1.5.2", "1.6.1", "1.7.2"] {
            site(&at(version), &[&format!("scikit-learn=={version}")]);
        }
        let older = ["numpy==2.0.2", "joblib==1.3.2", "cloudpickle==3.0.0"];
        for package in older {
            site(&at(package), &[package]);
        }
        let hollow = checkout().join("tests/it/servers/hollow.py");
        done(
            Command::new("python3").arg(hollow).arg(at("wheels")).args(
                ["base", "1.5.2", "1.6.1"]
                    .iter()
                    .chain(&older)
                    .map(|name| at(name)),
            ),
        );
        let others = ["torch", TORCH, "torch", "2.98.0", "squirrel", "9.0"];
        self.package("lab/wheels", &others);
        self.package("lab/wheels/cpu", &["torch", &format!("{TORCH}+cpu")]);

        let packages = "/usr/local/lib/python3.11/dist-packages";
        self.image(
            "hollow",
            "FROM python:3.11-slim\nCOPY . /wheels\n",
            &at("wheels"),
        );
        let real = format!(
            "FROM python:3.11-slim\nRUN pip install --no-index --find-links /wheels torch\nCOPY . {packages}\n"
        );
        let real = real.replace("python:3.11-slim", &self.name("hollow"));
        self.image("real", &real, &at("base"));
        for version in ["1.5.2", "1.6.1", "1.7.2"] {
            let text = format!("FROM {}\nCOPY . {packages}\n", self.name("real"));
            self.image(&format!("real-{version}"), &text, &at(version));
        }
        let other = format!(
            "FROM {}\nCOPY . /opt/python\nENV LD_LIBRARY_PATH=/opt/python/lib\n",
            self.name("hollow")
        );
        self.image("other", &other, Path::new(&bed("OTHER_PYTHON")));
        self.image(
            "musl",
            "FROM scratch\nCOPY . /\n",
            Path::new(&bed("MUSL_PYTHON")),
        );
    }

    /// The name of a base image.
    fn name(&self, which: &str) -> String {
        format!("{}:{which}", self.prefix)
    }

    /// sha256 of each wheel that trained, for a lock file.
    pub(crate) fn hashes(&self) -> Vec<(String, String)> {
        let wheels = self.project.path().join("lab/wheels");
        let sums = Command::new("sh")
            .args(["-c", "sha256sum *.whl"])
            .current_dir(wheels)
            .output()
            .unwrap();
        let text = String::from_utf8(sums.stdout).unwrap();
        let pairs = text.lines().filter_map(|line| line.split_once("  "));
        pairs
            .map(|(sum, file)| (file.to_owned(), sum.to_owned()))
            .collect()
    }

    /// Builds, compares and would push one image; what is wrong, if anything.
    pub(crate) fn wrong(&self, case: &Case) -> Option<String> {
        let mut dockerfile = case.dockerfile.clone();
        for which in [
            "hollow",
            "real-1.5.2",
            "real-1.6.1",
            "real-1.7.2",
            "other",
            "musl",
        ] {
            dockerfile = dockerfile.replace(&format!("{{{which}}}"), &self.name(which));
        }
        let mut project = Project::new()
            .file("Dockerfile", &dockerfile)
            .file("server.py", SERVER)
            .file("requirements-serve.txt", &case.serve)
            .file("right.txt", &good());
        for (path, text) in &case.files {
            project = project.file(path, text);
        }
        let trained = ["model", ".ml-deploy"].map(|name| self.project.path().join(name));
        let copied = Command::new("cp")
            .arg("-r")
            .args(trained)
            .arg(project.path())
            .status();
        assert!(copied.unwrap().success());
        let image = format!("{}/{}", bed("REGISTRY"), unique("ml-deploy-test/incident"));
        let ended = project
            .ml_deploy("run")
            .input("stages", "build, push")
            .input("image", &image)
            .input("tags", "v1")
            .input("parity", case.parity)
            .run();
        let pushed = Command::new("skopeo")
            .args(["inspect", "--tls-verify=false"])
            .arg(format!("docker://{image}:v1"))
            .output()
            .unwrap();
        drop(
            Command::new(bed("DOCKER"))
                .args(["rmi", "--force", &format!("{image}:v1")])
                .output(),
        );
        let (status, verdict, says) = match case.expected {
            Expected::Stops(says) => (30, "fail", says),
            Expected::Passes(verdict, says) => (0, verdict, says),
        };
        let mut wrong = Vec::new();
        if (ended.status, ended.output("parity")) != (status, verdict) {
            wrong.push(format!(
                "ended with {}, parity `{}`",
                ended.status,
                ended.output("parity")
            ));
        }
        if pushed.status.success() != (status == 0) {
            wrong.push(format!("pushed: {}", pushed.status.success()));
        }
        let silent = says.iter().filter(|text| !ended.stdout.contains(**text));
        wrong.extend(silent.map(|text| format!("no `{text}`")));
        (!wrong.is_empty()).then(|| {
            format!(
                "== {}: {}\n{}\n{}",
                case.name,
                wrong.join("; "),
                ended.stdout,
                ended.stderr
            )
        })
    }

    fn image(&self, which: &str, dockerfile: &str, context: &Path) {
        let file = self.project.path().join(format!("lab/{which}.Dockerfile"));
        std::fs::write(&file, dockerfile).unwrap();
        done(
            Command::new(bed("DOCKER"))
                .env("DOCKER_BUILDKIT", "1")
                .args(["build", "-q", "-t", &self.name(which), "-f"])
                .arg(file)
                .arg(context),
        );
    }

    fn package(&self, folder: &str, packages: &[&str]) {
        done(
            Command::new("python3")
                .arg(checkout().join("tests/it/servers/wheels.py"))
                .arg(self.project.path().join(folder))
                .args(packages),
        );
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let names = [
            "hollow",
            "real",
            "real-1.5.2",
            "real-1.6.1",
            "real-1.7.2",
            "other",
            "musl",
        ];
        let names = names.map(|which| self.name(which));
        drop(
            Command::new(bed("DOCKER"))
                .args(["rmi", "--force"])
                .args(names)
                .output(),
        );
    }
}

/// What an image asks for that serves what was trained.
pub(crate) fn good() -> String {
    format!("{TRAINED}torch=={TORCH}\n")
}

/// Installs wheels into a folder, exactly these.
fn site(folder: &PathBuf, packages: &[&str]) {
    done(
        Command::new(bed("UV"))
            .args([
                "pip",
                "install",
                "-q",
                "--no-deps",
                "--only-binary",
                ":all:",
                "--python-version",
                "3.11",
                "--target",
            ])
            .arg(folder)
            .args(packages),
    );
}

#[track_caller]
fn done(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}
