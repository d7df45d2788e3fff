//! What a release does and no other run does: the image is compiled from what the build's context lets through, the published
//! `action.yml` names it by digest, and the tags move.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use crate::support::{bed, checkout};

fn read(path: &str) -> String {
    std::fs::read_to_string(checkout().join(path)).unwrap()
}

/// The words after an instruction, one list for each time it stands there.
fn instructions(dockerfile: &str, name: &str) -> Vec<Vec<String>> {
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect();
    let lines = dockerfile.lines();
    lines
        .filter_map(|line| line.strip_prefix(name)?.strip_prefix(' '))
        .map(words)
        .collect()
}

#[test]
fn every_base_of_the_actions_image_is_pinned() {
    let dockerfile = read("Dockerfile");
    let mut bases = 0;
    let mut stages = vec!["scratch".to_owned()];
    for words in instructions(&dockerfile, "FROM") {
        let base = &words[0];
        stages.extend(words.last().cloned());
        // The arguments name stages, unless the test bed names another base.
        if stages.contains(base) || base.starts_with("${") {
            continue;
        }
        let (name, digest) = base.split_once("@sha256:").unwrap_or((base, ""));
        assert!(name.contains(':'), "{base} has no tag to renew it by");
        assert_eq!(digest.len(), 64, "{base} is not pinned");
        bases += 1;
    }
    assert!(bases >= 3, "{stages:?}");
    for words in instructions(&dockerfile, "ARG") {
        let (name, stage) = words[0].split_once('=').unwrap();
        assert!(stages.iter().any(|known| known == stage), "{name}={stage}");
    }
    // The compiler is the one that the crate asks for.
    let manifest = read("Cargo.toml");
    let wanted = manifest
        .lines()
        .find_map(|line| line.strip_prefix("rust-version = "))
        .unwrap();
    let compiler = format!("FROM rust:{}-slim-bookworm@", wanted.trim_matches('"'));
    assert!(dockerfile.contains(&compiler), "{compiler}");
    let renewed = read(".github/dependabot.yml");
    assert!(renewed.contains("package-ecosystem: docker"));
}

#[test]
fn what_the_image_is_compiled_from_reaches_the_build() {
    let let_through = read(".dockerignore");
    assert!(let_through.lines().any(|line| line == "*"));
    for words in instructions(&read("Dockerfile"), "COPY") {
        // From another stage, or from the folder of a binary that exists.
        if words[0].starts_with("--from=") || words.contains(&"ml-deploy".to_owned()) {
            continue;
        }
        for source in &words[..words.len() - 1] {
            assert!(checkout().join(source).exists(), "{source}");
            let rule = format!("!{source}");
            assert!(let_through.lines().any(|line| line == rule), "{rule}");
        }
    }
    // What the sources include must lie in them.
    let named = Command::new("grep")
        .args(["-rhoE", "include_(str|bytes)!\\(\"\\.\\.[^\"]*", "src"])
        .current_dir(checkout())
        .output()
        .unwrap();
    let outside = String::from_utf8(named.stdout).unwrap();
    assert!(!outside.contains("../../"), "{outside}");
}

fn git(folder: &Path, arguments: &[&str]) -> String {
    let identity = ["-c", "user.name=t", "-c", "user.email=t@t.test"];
    let output = Command::new("git")
        .args(identity)
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// The script of the step that pins `action.yml`, as it stands in the workflow.
fn publishing() -> String {
    let workflow: Value = serde_saphyr::from_str(&read(".github/workflows/release.yml")).unwrap();
    let steps = workflow["jobs"]["publish"]["steps"].as_array().unwrap();
    let step = steps
        .iter()
        .find(|step| step["env"]["DIGEST"].is_string())
        .unwrap();
    step["run"].as_str().unwrap().to_owned()
}

/// Runs it in a checkout of the tag as the runner makes one: shallow, detached.
fn publish(remotes: &Path, checked_out: &Path) -> Output {
    let remote = format!("file://{}/org/action.git", remotes.display());
    let folder = checked_out.to_str().unwrap();
    git(
        remotes,
        &[
            "clone",
            "-q",
            "--depth=1",
            "--branch=v1.2.3",
            &remote,
            folder,
        ],
    );
    Command::new("bash")
        .args(["-e", "-c", &publishing()])
        .current_dir(checked_out)
        .env("IMAGE", "ghcr.io/org/action")
        .env("VERSION", "v1.2.3")
        .env("DIGEST", format!("sha256:{}", "ab".repeat(32)))
        .env("TOKEN", "t")
        .env("SERVER", format!("file://{}", remotes.display()))
        .env("REPOSITORY", "org/action")
        .output()
        .unwrap()
}

#[test]
fn a_release_pins_the_action_and_moves_its_tags() {
    let folder = tempfile::tempdir().unwrap();
    let remote = folder.path().join("org/action.git");
    let sources = folder.path().join("sources");
    std::fs::create_dir_all(&sources).unwrap();
    let action = |text: &str| {
        std::fs::write(sources.join("action.yml"), text).unwrap();
        git(&sources, &["add", "."]);
        git(&sources, &["commit", "-qm", "one"]);
        git(&sources, &["tag", "-f", "v1.2.3"]);
        let to = remote.to_str().unwrap();
        git(&sources, &["push", "-qf", to, "main", "v1.2.3"]);
    };
    git(&sources, &["init", "-q", "-b", "main"]);
    git(folder.path(), &["init", "-q", "--bare", "org/action.git"]);
    action(&read("action.yml"));
    let main = git(&remote, &["rev-parse", "main"]);

    let output = publish(folder.path(), &folder.path().join("first"));
    assert!(output.status.success(), "{output:?}");
    let released = git(&remote, &["show", "v1:action.yml"]);
    let pinned = format!(
        "image: docker://ghcr.io/org/action@sha256:{}",
        "ab".repeat(32)
    );
    assert_eq!(
        released,
        read("action.yml")
            .replace("image: Dockerfile", &pinned)
            .trim()
    );
    let of = |name: &str| git(&remote, &["rev-parse", name]);
    assert_eq!(of("v1"), of("v1.2.3"));
    assert_eq!(of("v1^"), main);
    assert_eq!(of("main"), main);

    // One that cannot be pinned is not published: users would compile.
    action("runs:\n  image: 'Dockerfile'\n  # docker://x@sha256:y\n");
    let before = of("v1");
    let output = publish(folder.path(), &folder.path().join("second"));
    assert!(!output.status.success(), "{output:?}");
    assert_eq!(of("v1"), before);
}

#[test]
fn the_release_builds_then_joins_then_publishes() {
    let listed = Command::new(bed("ACT"))
        .args(["push", "--list", "-W", ".github/workflows/release.yml"])
        .current_dir(checkout())
        .output()
        .unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let jobs: Vec<(&str, &str)> = listed
        .lines()
        .skip(1)
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            Some((words.next()?, words.next()?))
        })
        .collect();
    assert_eq!(
        jobs,
        [("0", "build"), ("1", "image"), ("2", "publish")],
        "{listed}"
    );
}
