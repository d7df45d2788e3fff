//! For tests: examples of the rules about containers, from recorded rollouts.

use serde_json::json;

use super::replay::{Example, Replay, make_ready, recorded};
use super::rules::Rule;

fn absent() -> Replay {
    recorded("image-absent")
}

pub(super) fn pulls() -> Vec<Example> {
    let pull = |message: &str| absent().waiting("ErrImagePull", message);
    let busy =
        pull("unexpected status from HEAD request to http://r/v2/x: 503 Service Unavailable");
    let one_ready = |replay: &Replay| {
        let mut replay = replay.clone();
        make_ready(replay.object("Pod"));
        replay
    };
    let pushed = |digest: &str| {
        let asks = pull("r/wine: not found").with("Deployment", |object| {
            object["spec"]["template"]["metadata"]["annotations"] =
                json!({"ml-deploy/digest": digest});
        });
        asks.pods(|pod| pod["spec"]["containers"][0]["image"] = json!("r/wine@sha256:aa"))
    };
    let wait = |reason: &str| absent().waiting(reason, "strange");
    vec![
        (
            Rule::ImageNameInvalid,
            recorded("image-name"),
            recorded("image-name").ready(),
        ),
        (
            Rule::PushedImageAbsent,
            pushed("sha256:aa"),
            pushed("sha256:bb"),
        ),
        (
            Rule::ImageAbsent,
            absent(),
            pull("r/wine:1: not found").ready(),
        ),
        (
            Rule::ImageNeverPulled,
            wait("ErrImageNeverPull"),
            busy.clone(),
        ),
        (
            Rule::PlatformAbsent,
            pull("no match for platform in manifest: not found"),
            busy.clone(),
        ),
        (
            Rule::SignatureInvalid,
            wait("SignatureValidationFailed"),
            busy.clone(),
        ),
        (
            Rule::PullDenied,
            pull("failed to authorize: 401 Unauthorized"),
            busy.clone(),
        ),
        (Rule::PullInterrupted, busy.clone(), absent()),
        (
            Rule::PullUnknown,
            recorded("no-such-host").fresh().set("tolerate", json!([])),
            one_ready(&pull("strange")),
        ),
    ]
}

pub(super) fn starts() -> Vec<Example> {
    let key = || recorded("secret-key");
    let awaited = |name: &str| {
        let mut replay = key().fresh();
        let mut secret = replay.0["targets"][0].clone();
        secret["kind"] = json!("Secret");
        secret["apiVersion"] = json!("v1");
        secret["uid"] = json!("s");
        secret["name"] = json!(name);
        replay.0["targets"].as_array_mut().unwrap().push(secret);
        replay
    };
    let config = |message: &str| key().waiting("CreateContainerConfigError", message);
    let create = |message: &str| key().waiting("CreateContainerError", message);
    let run = |message: &str| key().waiting("RunContainerError", message);
    let late = config("failed to sync secret cache: timed out waiting for the condition");
    vec![
        (Rule::ConfigurationMissing, key(), late.clone()),
        (
            Rule::ConfigurationAwaited,
            awaited("creds"),
            awaited("other"),
        ),
        (
            Rule::ConfigurationRefused,
            recorded("non-root"),
            late.clone(),
        ),
        (Rule::ConfigurationUnknown, config("strange"), late),
        (
            Rule::CommandMissing,
            create("no command specified"),
            create("name is reserved"),
        ),
        (
            Rule::CreateFailed,
            create("name is reserved"),
            create("name is reserved").ready(),
        ),
        (
            Rule::WrongProcessor,
            run("exec /app: exec format error"),
            run("strange"),
        ),
        (
            Rule::ProgramAbsent,
            recorded("start"),
            run("mounting x: no such file or directory"),
        ),
        (
            Rule::ProgramAbsent,
            recorded("command127"),
            recorded("crash"),
        ),
        (
            Rule::StartFailed,
            recorded("workdir"),
            recorded("workdir").fresh().restarts(1),
        ),
    ]
}

pub(super) fn ends() -> Vec<Example> {
    let init = || recorded("init");
    let crash = || recorded("crash");
    let import = "ModuleNotFoundError: No module named 'sklearn'";
    let once = |name: &str| {
        let replay = recorded(name).fresh().restarts(0);
        replay.containers(|container| {
            container["lastState"] = json!({});
            container["state"] = json!({"terminated": {"exitCode": if name == "oom" { 137 } else { 0 },
                "reason": if name == "oom" { "OOMKilled" } else { "Completed" }, "containerID": "c"}});
        })
    };
    let mut killed_once = recorded("liveness").fresh();
    for event in killed_once.0["events"].as_array_mut().unwrap() {
        event["count"] = json!(1);
    }
    vec![
        (Rule::InitImportFailed, init().log(import), init()),
        (
            Rule::ImportFailed,
            recorded("import"),
            recorded("import").log("all is well").fresh(),
        ),
        (Rule::OutOfMemory, recorded("oom"), once("oom")),
        (Rule::LivenessKilled, recorded("liveness"), killed_once),
        (Rule::InitCrashedAlike, init(), init().log("{n}")),
        (
            Rule::InitCrashed,
            init().log("{n}").restarts(3),
            init().log("{n}").restarts(2),
        ),
        (Rule::CrashedAlike, crash(), crash().log("{n}")),
        (
            Rule::Crashed,
            crash().log("{n}").restarts(3),
            crash().log("{n}").restarts(2),
        ),
        (Rule::Exited, recorded("exited"), once("exited")),
    ]
}
