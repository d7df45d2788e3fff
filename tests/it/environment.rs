//! Python environments: pyproject.toml and uv.lock, a private package index behind a password and a company's CA, two runs at
//! once. What is secret about an index ends neither in the log nor in a report nor in an image.

use std::path::Path;
use std::process::Command;

use crate::servers::{Authority, Server, bridge};
use crate::support::{Ended, Project, Run, bed, unique};

const USER: &str = "corp";
const PASSWORD: &str = "cellar+key/9";
/// As it stands in a URL.
const ENCODED: &str = "cellar%2Bkey%2F9";

/// Prints what was installed, and writes the model.
const SCRIPT: &str = "import MODULE\nprint('word', MODULE.WORD)\nopen('model', 'w').write('m')\n";

/// A private index with one package, reachable from here and from containers.
struct Index {
    _server: Server,
    authority: Authority,
    package: String,
    host: String,
}

impl Index {
    fn new(folder: &Path) -> Self {
        let address = bridge();
        let authority = Authority::new(&folder.join("authority"), &format!("IP:{address}"));
        let package = unique("corp-wine");
        let (cert, key) = (authority.path("cert.pem"), authority.path("key.pem"));
        let server = Server::start(
            "index.py",
            &[&address, &cert, &key, USER, PASSWORD, &package],
        );
        let host = format!("{address}:{}", server.port);
        Self {
            _server: server,
            authority,
            package,
            host,
        }
    }

    fn url(&self, password: &str) -> String {
        format!("https://{USER}:{password}@{}/simple", self.host)
    }

    /// Trusts the index's authority and nothing else, as a company's machine does.
    fn trusted<'a>(&self, run: Run<'a>) -> Run<'a> {
        let ca = self.authority.path("ca.pem");
        let run = run
            .env("SSL_CERT_FILE", &ca)
            .env("PIP_CERT", &ca)
            .env("REQUESTS_CA_BUNDLE", &ca);
        run.env("PIP_INDEX_URL", "").env("UV_INDEX_URL", "")
    }

    fn project(&self) -> Project {
        let module = self.package.replace('-', "_");
        Project::new()
            .file("train.py", &SCRIPT.replace("MODULE", &module))
            .file("requirements.txt", &format!("{}==1.0\n", self.package))
    }
}

/// Nothing that was said or written holds the password, except the line that tells the runner to hide it.
fn assert_unseen(ended: &Ended, project: &Project, secrets: &[&str]) {
    let told = |line: &&str| !line.starts_with("::add-mask::");
    let mut said: String = ended
        .stdout
        .lines()
        .filter(told)
        .collect::<Vec<_>>()
        .join("\n");
    said.push_str(&ended.stderr);
    said.push_str(&ended.summary);
    said.push_str(&format!("{:?}", ended.outputs));
    let state = Command::new("grep")
        .args(["-r", "", ".ml-deploy"])
        .current_dir(project.path())
        .output()
        .unwrap();
    said.push_str(&String::from_utf8_lossy(&state.stdout));
    for secret in secrets {
        assert!(!said.contains(secret), "{said}");
    }
}

fn train<'a>(project: &'a Project, cache: &Path) -> Run<'a> {
    project
        .ml_deploy("train")
        .input("train", "python train.py")
        .env("ML_DEPLOY_CACHE", cache.to_str().unwrap())
}

#[test]
fn a_private_index_is_used_however_it_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let index = Index::new(folder.path());
    let file = folder.path().join("pip.conf");
    std::fs::write(
        &file,
        format!("[global]\nindex-url = {}\n", index.url(ENCODED)),
    )
    .unwrap();
    let url = index.url(ENCODED);
    let ways = [
        ("UV_INDEX_URL", url.as_str()),
        ("UV_DEFAULT_INDEX", url.as_str()),
        ("PIP_INDEX_URL", url.as_str()),
        ("PIP_CONFIG_FILE", file.to_str().unwrap()),
    ];
    for (name, value) in ways {
        let project = index.project();
        // The script prints all that it sees: what it does not need is not there, and what it prints is hidden.
        let script = format!(
            "import os\nprint(dict(os.environ))\n{}",
            std::fs::read_to_string(project.path().join("train.py")).unwrap()
        );
        let project = project.file("train.py", &script);
        let run = index.trusted(train(&project, &folder.path().join(name)));
        let ended = run.env(name, value).run().expect(0);
        assert_unseen(&ended, &project, &[PASSWORD, ENCODED]);
        ended.says("word from-the-private-index");
    }
}

#[test]
fn a_private_index_that_refuses_is_told_apart_from_a_wrong_name() {
    let folder = tempfile::tempdir().unwrap();
    let index = Index::new(folder.path());
    let project = index.project();
    let run = |url: &str| {
        let run = index.trusted(train(&project, folder.path()));
        run.env("PIP_INDEX_URL", url).run()
    };
    let ended = run(&index.url("wrong-password"))
        .expect(20)
        .code("requirements-unresolved");
    assert_unseen(&ended, &project, &["wrong-password"]);
    ended.says("401").says("file=requirements.txt,line=1");
    let run = train(&project, folder.path()).env("PIP_INDEX_URL", &index.url(ENCODED));
    run.env("SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt")
        .run()
        .expect(20)
        .says("SSL_CERT_FILE");
}

#[test]
fn the_image_build_uses_the_private_index_and_keeps_nothing_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let index = Index::new(folder.path());
    let image = format!("{}/{}", bed("REGISTRY"), unique("ml-deploy-test/index"));
    let project = Project::new()
        .file(
            "Dockerfile",
            &format!(
                "FROM {}\nCOPY requirements.txt .\nRUN --mount=type=secret,id=pip-conf,target=/etc/pip.conf \\\n    --mount=type=secret,id=ca-bundle,target=/run/ca.pem \\\n    cat /etc/pip.conf; if [ -e /run/ca.pem ]; then export PIP_CERT=/run/ca.pem REQUESTS_CA_BUNDLE=/run/ca.pem; fi; \\\n    pip install --no-cache-dir -r requirements.txt\nRUN python3 -c 'import {}'\n",
                bed("BASE"),
                index.package.replace('-', "_"),
            ),
        )
        .file("requirements.txt", &format!("{}==1.0\n", index.package));
    let run = index.trusted(project.ml_deploy("build").flag("image", &image));
    let ended = run
        .flag("tags", "v1")
        .env("PIP_INDEX_URL", &index.url(ENCODED))
        .run()
        .expect(0);
    assert_unseen(&ended, &project, &[PASSWORD, ENCODED]);
    // The build itself saw it: what it printed is hidden, not absent.
    let ended = ended.says("index-url = https://");

    let ca = std::fs::read_to_string(index.authority.path("ca.pem")).unwrap();
    let ca = ca.lines().nth(2).unwrap();
    let script = format!(
        "docker history --no-trunc {image}:v1; docker inspect {image}:v1; mkdir out; docker save {image}:v1 | tar -x -C out
         for layer in out/*/layer.tar; do tar -xOf $layer; done"
    );
    let held = Command::new("sh")
        .args(["-c", &script.replace("docker", &bed("DOCKER"))])
        .current_dir(folder.path())
        .output()
        .unwrap();
    let held = held.stdout;
    let holds = |text: &str| held.windows(text.len()).any(|part| part == text.as_bytes());
    // It is the image, and the layers were read: the wheel's own text is in it.
    assert!(holds("from-the-private-index"), "{}", ended.stdout);
    for secret in [PASSWORD, ENCODED, &index.host, ca] {
        assert!(!holds(secret), "the image holds `{secret}`");
    }
    let removed = Command::new(bed("DOCKER"))
        .args(["rmi", "--force", &format!("{image}:v1")])
        .output()
        .unwrap();
    assert!(removed.status.success());
}

const PROJECT: &str = "[project]\nname = \"wine\"\nversion = \"1.0\"\nrequires-python = \">=3.8\"\ndependencies = [\n  \"six==VERSION\",\n]\n";

const SIX: &str = "import six\nprint('six is', six.__version__)\nopen('model', 'w').write('m')\n";

#[test]
fn a_project_file_is_installed_and_its_lock_wins() {
    let cache = tempfile::tempdir().unwrap();
    let project = Project::new()
        .file("train.py", SIX)
        .file("pyproject.toml", &PROJECT.replace("VERSION", "1.16.0"));
    train(&project, cache.path())
        .run()
        .expect(0)
        .says("six is 1.16.0");

    let locked = Command::new(bed("UV"))
        .args(["lock", "--quiet", "--python", "3.11"])
        .current_dir(project.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&locked.stderr).into_owned();
    assert!(locked.status.success(), "{said}");
    // The range alone would give a newer one.
    let project = project.file("pyproject.toml", &PROJECT.replace("==VERSION", ">=1.16"));
    train(&project, cache.path())
        .run()
        .expect(0)
        .says("six is 1.16.0");
    std::fs::remove_file(project.path().join("uv.lock")).unwrap();
    let ended = train(&project, cache.path()).run().expect(0);
    assert!(!ended.stdout.contains("six is 1.16.0"), "{}", ended.stdout);
}

#[test]
fn mistakes_in_a_project_file_have_their_line() {
    let cache = tempfile::tempdir().unwrap();
    let none = PROJECT.replace("six==VERSION", "ml-deploy-no-such-package");
    let project = Project::new()
        .file("train.py", SIX)
        .file("pyproject.toml", &none);
    train(&project, cache.path())
        .run()
        .expect(20)
        .code("requirements-unresolved")
        .says("file=pyproject.toml,line=6");
    let project = project.file("pyproject.toml", "[project]\nname = \"wine\"\nversion = \n");
    train(&project, cache.path())
        .run()
        .expect(20)
        .code("requirements-unresolved")
        .says("file=pyproject.toml,line=3");
    let project = project
        .file("pyproject.toml", &PROJECT.replace("VERSION", "1.16.0"))
        .file("uv.lock", "version = 1\nnot a lock\n");
    train(&project, cache.path())
        .run()
        .expect(20)
        .code("requirements-unresolved")
        .says("file=uv.lock,line=2");
}

#[test]
fn two_runs_at_once_make_one_environment() {
    let cache = tempfile::tempdir().unwrap();
    let project = || {
        Project::new()
            .file("train.py", SIX)
            .file("requirements.txt", "six==1.17.0\nattrs==25.3.0\n")
    };
    // The same files at the same place in each workspace: the same key.
    let projects = [project(), project(), project()];
    let ended: Vec<Ended> = std::thread::scope(|scope| {
        let runs: Vec<_> = projects
            .iter()
            .map(|project| scope.spawn(|| train(project, cache.path()).run()))
            .collect();
        runs.into_iter().map(|run| run.join().unwrap()).collect()
    });
    let made = ended
        .iter()
        .filter(|ended| ended.stdout.contains("made in"))
        .count();
    assert_eq!(made, 1);
    for ended in ended {
        ended.expect(0).says("six is 1.17.0");
    }
    let envs = std::fs::read_dir(cache.path().join("envs")).unwrap();
    let folders = envs.flatten().filter(|entry| entry.path().is_dir());
    assert_eq!(folders.count(), 1);
}

/// A container agent that runs as a bare user id has a home that nobody can write to.
#[test]
fn a_home_that_cannot_be_written_is_no_obstacle() {
    let project = Project::new()
        .file("train.py", SIX)
        .file("requirements.txt", "six==1.17.0\n");
    let run = project.ml_deploy("train").input("train", "python train.py");
    run.env("HOME", "/proc")
        .run()
        .expect(0)
        .says("ML_DEPLOY_CACHE")
        .says("six is 1.17.0");
    assert!(project.path().join(".ml-deploy/cache/envs").exists());
    let run = project.ml_deploy("train").input("train", "python train.py");
    run.env("HOME", "/proc")
        .run()
        .expect(0)
        .says("nothing to install");
}
