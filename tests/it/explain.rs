//! `explain`: the bundle of a failed rollout, judged again without a cluster.

use crate::cluster::Namespace;
use crate::deploy::manifest;
use crate::support::{Project, bed};

#[test]
fn a_failed_rollout_leaves_a_bundle_without_secrets_that_explains_it() {
    let namespace = Namespace::new("it-explain");
    let script = "echo token hunter2hunter2; echo ImportError: no sklearn; exit 3";
    let project = Project::new().file("k8s/app.yaml", &manifest(script));
    project
        .ml_deploy("deploy")
        .input("manifests", "k8s")
        .input("namespace", &namespace.0)
        .input("kubeconfig", &bed("KUBECONFIG"))
        .input("registry-username", "me")
        .input("registry-password", "hunter2hunter2")
        .input("deploy-timeout", "60s")
        .run()
        .expect(50)
        .code("crash-loop")
        .says("container `model` exits 3 — ImportError: no sklearn");
    let bundle = project.path().join(".ml-deploy/rollout.json");
    let text = std::fs::read_to_string(bundle).unwrap();
    assert!(text.contains("token ***"), "{text}");
    assert!(!text.contains("hunter2"), "{text}");
    project
        .ml_deploy("explain")
        .word(".ml-deploy/rollout.json")
        .run()
        .expect(50)
        .code("crash-loop")
        .says("container `model` exits 3 — ImportError: no sklearn")
        .says("log model: token ***");
}

#[test]
fn what_had_not_failed_is_no_failure_and_what_is_no_bundle_is_refused() {
    let recorded = crate::support::checkout().join("tests/fixtures/rollouts/image-name.json");
    let text = std::fs::read_to_string(recorded).unwrap();
    let healthy = text
        .replace("InvalidImageName", "ContainerCreating")
        .replace("\"InspectFailed\"", "\"Other\"");
    let project = Project::new()
        .file("bad.json", &text)
        .file("good.json", &healthy)
        .file("none.json", "{}")
        .file("broken.json", "{");
    let explain = |file: &str| project.ml_deploy("explain").word(file).run();
    explain("bad.json").expect(50).code("image-name-invalid");
    explain("good.json")
        .expect(0)
        .says("Deployment/wine: 0 of 1 pods are available");
    for file in ["none.json", "broken.json", "absent.json"] {
        explain(file).expect(2).code("bundle-invalid").says(file);
    }
}

#[test]
fn a_code_is_explained_whatever_the_folder_holds() {
    // The file that the code is about must not keep its explanation away.
    let project = Project::new().file("ml-deploy.yml", "train: [\n");
    let explain = |what: &str| project.ml_deploy("explain").word(what).terminal().run();
    let page = explain("config-invalid").expect(0);
    for part in [
        "config-invalid: ml-deploy.yml cannot be read\n",
        "Example:\n\n    train: python train.py\n      image: org/name",
        "What to do: correct the file at the line shown\n",
        "Exit status: 2\n",
    ] {
        assert!(page.stdout.contains(part), "{part}\n{}", page.stdout);
    }
    let misspelt = explain("crashloop").expect(2).stderr;
    assert!(
        misspelt.contains("unknown code `crashloop`; did you mean `crash-loop`?"),
        "{misspelt}"
    );
    let unknown = explain("nonsense").expect(2).stderr;
    assert!(
        unknown.contains("docs/codes.md lists all codes"),
        "{unknown}"
    );
    // The last run's report stays what it was.
    assert!(!project.path().join(".ml-deploy").exists());
}

#[test]
fn completions_complete_and_manual_pages_describe_every_flag() {
    let project = Project::new().file("ml-deploy.yml", "train: [\n");
    let print = |what: &str, word: &str| {
        let run = project.ml_deploy(what).env("INPUT_IMAGE", "o/n").terminal();
        if word.is_empty() {
            run.run()
        } else {
            run.word(word).run()
        }
    };
    let script = print("completions", "bash").expect(0).stdout;
    // As bash asks: the function that was registered, with the words so far.
    let ask = "asked=$(complete -p ml-deploy | sed 's/.*-F \\([^ ]*\\).*/\\1/'); COMP_WORDS=(ml-deploy run --form); COMP_CWORD=2; $asked ml-deploy --form run; echo \"${COMPREPLY[@]}\"";
    // By a file: it is longer than an argument may be.
    let whole = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(whole.path(), format!("{script}\n{ask}")).unwrap();
    let output = std::process::Command::new("bash")
        .arg(whole.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let wrong = String::from_utf8_lossy(&output.stderr);
    assert_eq!(said.trim(), "--format", "{wrong}");
    for shell in ["zsh", "fish", "elvish", "powershell"] {
        assert!(
            print("completions", shell)
                .expect(0)
                .stdout
                .contains("try-container")
        );
    }
    print("completions", "tcsh").expect(2);
    let page = print("man", "").expect(0).stdout;
    assert!(
        page.contains(".TH ml-deploy 1") && page.contains("rollback"),
        "{page}"
    );
    let page = print("man", "run").expect(0).stdout;
    assert!(page.contains(".TH ml-deploy-run 1"), "{page}");
    assert!(page.contains(r"\-\-try\-container"), "{page}");
    let wrong = print("man", "rum").expect(2).stderr;
    assert!(wrong.contains("no subcommand is called `rum`"), "{wrong}");
}
