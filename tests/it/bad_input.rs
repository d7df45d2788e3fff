//! Bad input that no other file owns: each line has its code, its place where one exists, and the status of its stage.

use crate::cluster::{Namespace, kubectl};
use crate::servers::{Authority, Registry, Server, bridge};
use crate::support::{Ended, Project, Run, bed, unique};

const CONFIG_MAP: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: it\n";

#[test]
fn names_of_images_that_cannot_be() {
    let project = Project::new().file("Dockerfile", "FROM scratch\nCOPY Dockerfile /\n");
    for (image, tags, why) in [
        ("ghcr.io/a b", "", "the part `a b`"),
        ("https://ghcr.io/org/wine", "", "scheme"),
        ("ghcr.io/org/wine:", "", "tag"),
        ("ghcr.io/org/wine:v1", "v2", "tags in one place"),
        (
            "ghcr.io/org/wine@sha256:0000000000000000000000000000000000000000000000000000000000000000",
            "",
            "`image-ref`",
        ),
        ("ghcr.io/org/wine", "-v1", "tag `-v1`"),
    ] {
        let run = project.ml_deploy("build").flag("image", image);
        let run = if tags.is_empty() {
            run
        } else {
            run.flag("tags", tags)
        };
        let ended = run.run().expect(2).code("input-invalid").says(why);
        assert!(!ended.stdout.contains("is not set"), "{}", ended.stdout);
    }
}

#[test]
fn a_tag_within_the_image_is_the_tag() {
    let project = Project::new().file("Dockerfile", "FROM scratch\n");
    let run = project.ml_deploy("plan").terminal();
    run.flag("train", "python train.py")
        .flag("image", "127.0.0.1:1/x:v7")
        .run()
        .expect(0)
        .says("push        127.0.0.1:1/x:v7\n");
}

#[test]
fn a_registry_whose_certificate_nobody_knows() {
    let project = Project::new().file("Dockerfile", "FROM scratch\nCOPY Dockerfile /\n");
    // Any server with a certificate of an authority of its own; on 127.0.0.1 nobody would ask for one.
    let folder = tempfile::tempdir().unwrap();
    let address = bridge();
    let authority = Authority::new(folder.path(), &format!("IP:{address}"));
    let (cert, key) = (authority.path("cert.pem"), authority.path("key.pem"));
    let server = Server::start("index.py", &[&address, &cert, &key, "u", "p", "none"]);
    let image = format!("{address}:{}/it/{}", server.port, unique("tls"));
    project
        .ml_deploy("build")
        .flag("image", &image)
        .run()
        .expect(10)
        .code("registry-tls")
        .says("SSL_CERT_FILE");
    // One that the engine knows is trusted by us too.
    let image = format!("{}/it/{}", bed("REGISTRY_TLS"), unique("tls"));
    let run = project
        .ml_deploy("build")
        .flag("image", &image)
        .flag("registry-username", &bed("REGISTRY_USER"));
    run.flag("registry-password", &bed("REGISTRY_PASSWORD"))
        .run()
        .expect(0);
}

#[test]
fn a_tracking_address_of_no_known_kind() {
    let project = Project::new().file("train.py", "");
    let run = project.ml_deploy("train").flag("train", "python train.py");
    run.flag("mlflow-tracking-uri", "ftp://h/x")
        .run()
        .expect(10)
        .code("tracking-scheme")
        .says("`ftp`");
}

#[test]
fn a_configuration_of_the_wrong_shape_is_told_at_once() {
    let text =
        "ports: {a: b}\nimage: ghcr.io/org/wine\ntimeout: soon\ntags:\n- [v1]\nreuse: maybe\n";
    let project = Project::new().file("ml-deploy.yml", text);
    let ended = project.ml_deploy("run").run().expect(2);
    for (line, name) in [(1, "ports"), (3, "timeout"), (5, "tags"), (6, "reuse")] {
        let place = format!("file=ml-deploy.yml,line={line}");
        let found = ended
            .stdout
            .lines()
            .find(|said| said.contains(&place))
            .unwrap_or_else(|| panic!("no {place} in\n{}", ended.stdout));
        assert!(found.contains(&format!("`{name}`")), "{found}");
    }
}

fn deploy(project: &Project, namespace: &str, kubeconfig: &str) -> Ended {
    let run = project.ml_deploy("deploy").flag("manifests", "k8s");
    run.flag("namespace", namespace)
        .flag("kubeconfig", kubeconfig)
        .run()
}

#[test]
fn manifests_that_are_none() {
    let kubeconfig = bed("KUBECONFIG");
    let none = Project::new();
    deploy(&none, "default", &kubeconfig)
        .expect(10)
        .code("manifest-missing")
        .says("`k8s`");
    let empty = Project::new().file("k8s/README.md", "nothing");
    deploy(&empty, "default", &kubeconfig)
        .expect(10)
        .code("manifest-missing")
        .says("*.yaml");
    for (text, why, line) in [
        ("apiVersion: v1\nkind: {\n", "bracket", 2),
        ("apiVersion: v1\n\tkind: x\n", "tab", 2),
        ("apiVersion: v1\nmetadata:\n  name: x\n", "has no `kind`", 1),
        ("kind: ConfigMap\nmetadata:\n  name: x\n", "apiVersion", 1),
        ("- a\n- b\n", "k8s/app.yaml", 1),
    ] {
        let project = Project::new().file("k8s/app.yaml", text);
        deploy(&project, "default", &kubeconfig)
            .expect(10)
            .code("manifest-invalid")
            .says(why)
            .says(&format!("file=k8s/app.yaml,line={line}"));
    }
}

#[test]
fn a_kubeconfig_that_is_empty_is_likely_a_secret_that_is_not_there() {
    let project = Project::new().file("k8s/app.yaml", CONFIG_MAP);
    deploy(&project, "default", " ")
        .expect(10)
        .code("kubeconfig-invalid")
        .says("forks");
}

#[test]
fn without_a_kubeconfig_it_is_said_why_there_may_be_none() {
    let project = Project::new().file("k8s/app.yaml", CONFIG_MAP);
    // On a runner a secret that is not there is an empty input, as if nothing had been set.
    for (actor, says) in [
        ("dependabot[bot]", "from a fork or from Dependabot"),
        ("somebody", "misspelt name"),
    ] {
        let run = project.ml_deploy("deploy").input("manifests", "k8s");
        run.input("kubeconfig", "")
            .env("HOME", "/nowhere")
            .env("GITHUB_ACTOR", actor)
            .run()
            .expect(10)
            .code("kubeconfig-invalid")
            .says(says);
    }
}

#[test]
fn a_namespace_that_is_going_away() {
    let namespace = Namespace::new("it-terminating");
    let held = format!(
        "{CONFIG_MAP}  namespace: {}\n  finalizers: [ml-deploy.test/hold]\n",
        namespace.0
    );
    let project = Project::new()
        .file("held.yaml", &held)
        .file("k8s/app.yaml", CONFIG_MAP);
    let file = project.path().join("held.yaml").display().to_string();
    assert!(kubectl(&["apply", "-f", &file]).0);
    assert!(kubectl(&["delete", "namespace", &namespace.0, "--wait=false"]).0);
    let ended = deploy(&project, &namespace.0, &bed("KUBECONFIG"));
    let release = r#"{"metadata":{"finalizers":null}}"#;
    kubectl(&[
        "-n",
        &namespace.0,
        "patch",
        "configmap",
        "it",
        "--type=merge",
        "-p",
        release,
    ]);
    ended
        .expect(10)
        .code("namespace-terminating")
        .says(&namespace.0);
}

/// `ml-deploy train` with a small file system of its own at `place`, which only it sees; `files` are copied there first.
fn on_a_small_disk<'a>(project: &'a Project, size: &str, place: &str, files: &str) -> Run<'a> {
    let place = project.path().join(place).display().to_string();
    std::fs::create_dir_all(&place).unwrap();
    let script = format!(
        "mount -t tmpfs -o size={size} tmpfs '{place}' && cp -r {files} '{place}' && cd \"$START\" && exec \"$0\" \"$@\""
    );
    // Without root, a user namespace gives the right to mount.
    let words = ["unshare", "--map-root-user", "--mount", "sh", "-c", &script];
    let program = env!("CARGO_BIN_EXE_ml-deploy");
    let words: Vec<&str> = words.into_iter().chain([program]).collect();
    project
        .through(&words, "train")
        .flag("train", "python train.py")
}

#[test]
fn a_disk_that_is_full() {
    let project = Project::new()
        .file("train.py", "open('model', 'w').write('m')\n")
        .file("requirements.txt", "numpy==2.1.0\n")
        .file("small/none", "");
    let start = project.path().display().to_string();
    let cache = project.path().join("cache").display().to_string();
    for size in ["16k", "2m"] {
        on_a_small_disk(&project, size, "cache", "small/none")
            .env("START", &start)
            .env("ML_DEPLOY_CACHE", &cache)
            .run()
            .expect(20)
            .code("environment-disk-full")
            .says("ML_DEPLOY_CACHE")
            .says(&cache);
    }
    // The engine's: what a program of the build says of it.
    let text = format!(
        "FROM {}\nRUN dd if=/dev/zero of=/dev/full count=1\n",
        bed("BASE")
    );
    let project = Project::new().file("Dockerfile", &text);
    let image = format!("{}/it/{}", bed("REGISTRY"), unique("full"));
    let run = project.ml_deploy("build").flag("image", &image);
    run.run()
        .expect(40)
        .code("disk-full")
        .says("file=Dockerfile,line=2")
        .says("/dev/full");
    // The workspace itself: the script's own words, at its line; that our report has no room either changes nothing.
    let project = Project::new().file(
        "src/train.py",
        "fill = open('fill', 'wb', buffering=0)\nwhile True:\n    fill.write(b'x' * 1024)\n",
    );
    let workspace = project.path().join("workspace").display().to_string();
    let ended = on_a_small_disk(&project, "64k", "workspace", "src/train.py")
        .env("START", &workspace)
        .run();
    ended
        .expect(20)
        .says("file=workspace/train.py,line=3")
        .says("No space left on device")
        .says("free disk space")
        .says("report.json");
}

#[test]
fn a_registry_whose_disk_is_full() {
    let folder = tempfile::tempdir().unwrap();
    let registry = Registry::start(folder.path(), Some("256k"), "");
    let project = Project::new().file("Dockerfile", "FROM scratch\nCOPY big /\n");
    let noise: String = (0..200_000u32)
        .map(|n| format!("{:x} ", n.wrapping_mul(2_654_435_761)))
        .collect();
    let project = project.file("big", &noise);
    let image = format!("{}/it/{}", registry.host, unique("full"));
    let ended = project.ml_deploy("build").flag("image", &image).run();
    let ended = ended.expect(40).code("push-failed").says(&image);
    // The engine's own tries are shown as they come; ours do not multiply them.
    let ended = ended.says("again in 5.0 s").says("again in 10.0 s");
    assert!(ended.took.as_secs() < 150, "{:?}", ended.took);
}
