//! What runs beside the training or before it: dependency layers in engine and registry, requirements that no file names, and a
//! build context that is larger than the memory it may take.

use std::process::{Command, Stdio};

use crate::scale::peak;
use crate::support::{Project, bed, unique};

/// A training that ends only when the registry has the layers: had they to wait for it, it would fail.
fn waits_for_layers(name: &str) -> String {
    let tags = format!("http://{}/v2/it/{name}/tags/list", bed("REGISTRY"));
    format!(
        "import sys, time, urllib.request
for _ in range(300):
    try:
        if 'ml-deploy-base' in urllib.request.urlopen('{tags}').read().decode():
            break
    except OSError:
        pass
    time.sleep(0.2)
else:
    sys.exit('no layers after a minute')
open('model', 'w').write('m')
"
    )
}

#[test]
fn dependency_layers_are_pushed_while_the_training_runs() {
    let name = unique("early");
    let image = format!("{}/it/{name}", bed("REGISTRY"));
    let base = bed("BASE");
    let text = format!("FROM {base}\nRUN echo {name} >/dependencies\nCOPY model /model\n");
    let project = Project::new()
        .file("Dockerfile", &text)
        .file("train.py", &waits_for_layers(&name));
    let run = |stages: &str| {
        let run = project.ml_deploy("run").flag("stages", stages);
        let run = run.flag("train", "python train.py").flag("tags", "v1");
        run.flag("image", &image).run()
    };
    run("train,build,push")
        .expect(0)
        .says("dependency layers are built")
        .says("dependency layers are pushed");
    // What keeps a step from being built early is named with its line.
    let text = format!("FROM {base}\nCOPY . /app\nRUN echo {name} >/dependencies\n");
    let project = project.file("Dockerfile", &text);
    let run = project.ml_deploy("run").flag("stages", "train,build");
    let run = run.flag("train", "python train.py").flag("tags", "v1");
    let ended = run.flag("image", &image).run().expect(0);
    assert!(
        !ended.stdout.contains("layers are built"),
        "{}",
        ended.stdout
    );
    ended
        .says("Dockerfile:2")
        .says(&format!("before `RUN echo {name} >/dependencies`"));
    for tag in ["v1", "ml-deploy-base"] {
        drop(
            Command::new(bed("DOCKER"))
                .args(["rmi", "-f", &format!("{image}:{tag}")])
                .output(),
        );
    }
}

#[test]
fn requirements_that_no_file_names_are_installed() {
    let project = Project::new().file(
        "train.py",
        "import mlflow, six\nprint('six', six.__version__, 'and mlflow', mlflow.__version__)\nopen('model', 'w').write('m')\n",
    );
    let run = project
        .ml_deploy("train")
        .input("train", "python train.py")
        .input("mlflow-experiment-name", &unique("it"))
        .input("mlflow-version", "2.22.5");
    run.input(
        "extra-requirements",
        "six==1.17.0\nsqlalchemy<2.1\nsetuptools<81",
    )
    .run()
    .expect(0)
    .says("six 1.17.0 and mlflow 2.22.5");
}

#[test]
fn a_large_context_takes_little_memory() {
    let image = format!("{}/it/{}", bed("REGISTRY"), unique("large"));
    let project = Project::new()
        .file("Dockerfile", "FROM scratch\nCOPY model /\n")
        .file("model", "");
    let large = std::fs::File::create(project.path().join("model")).unwrap();
    large.set_len(256 << 20).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_ml-deploy"))
        .args(["run", "--stages=build", "--tags=v1", "--parity=off"])
        .arg(format!("--image={image}"))
        .current_dir(project.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let kib = peak(&mut child);
    let status = child.wait().unwrap();
    let removed = Command::new(bed("DOCKER"))
        .args(["rmi", &format!("{image}:v1")])
        .output()
        .unwrap();
    assert!(status.success() && removed.status.success(), "{removed:?}");
    assert!(kib > 0 && kib <= 64 * 1024, "{kib} KiB");
}
