//! From the command line to the exit status: reads inputs, starts the reporters, runs the pipeline, gives the verdict.

use std::path::{Path, PathBuf};

use secrecy::SecretString;
use tokio_util::sync::CancellationToken;

use crate::code::Code;
use crate::compare::{self, Asked};
use crate::context::{Context, Workspace};
use crate::deploy;
use crate::diagnostic::Diagnostic;
use crate::event::{EventKind, Events, Stage};
use crate::failure::Failure;
use crate::host::{self, Host, ownership};
use crate::init;
use crate::inputs::cli::{Cli, Command};
use crate::inputs::flags::Inputs;
use crate::inputs::layers::{self, Parsed, Sources};
use crate::inputs::schema;
use crate::interrupted;
use crate::live;
use crate::pipeline;
use crate::plan::{self, Places, Plan, Task};
use crate::report::{self, Status, Verdict};
use crate::reporting::Reporting;
use crate::shutdown::{self, Reason};
use crate::stage::Ended;
use crate::trace;

/// Runs the program and returns its exit status.
pub(crate) async fn run(cancel: CancellationToken, reason: Reason) -> u8 {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let env: Vec<(String, String)> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    let folder = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"));
    let host = Host::detect(&env, &folder);
    let places = Places::new(folder.clone(), &env);
    let reporting = Reporting::new(&host, &args, &env);
    match layers::parse(&args, &env, |path| {
        fs_err::read_to_string(folder.join(path))
    }) {
        Parsed::Text(text) => report::clap(&text),
        Parsed::Page(text) => report::page(&text),
        Parsed::Invalid(findings) => {
            let report = folder.join(".ml-deploy/report.json");
            refuse(&host, &report, places.secrets, reporting, findings, cancel).await
        }
        Parsed::Run {
            cli,
            sources,
            findings,
        } => {
            let given = Given {
                cli: *cli,
                sources,
                findings,
            };
            Box::pin(start(given, host, places, reporting, cancel, reason)).await
        }
    }
}

/// What the command line, the environment and the file came to.
struct Given {
    cli: Cli,
    sources: Sources,
    /// What was wrong in them; more may be wrong beside it.
    findings: Vec<Diagnostic>,
}

async fn start(
    given: Given,
    mut host: Host,
    places: Places,
    reporting: Reporting,
    cancel: CancellationToken,
    reason: Reason,
) -> u8 {
    let Given {
        cli,
        sources,
        findings,
    } = given;
    let Some(inputs) = cli.command.inputs() else {
        return Code::Internal.exit();
    };
    host.format = inputs.format;
    host.gitlab_token = inputs.gitlab_token.clone().or(host.gitlab_token);
    // What is only looked at is no news to a merge request.
    if matches!(
        cli.command,
        Command::Status(_) | Command::Explain(_) | Command::Parity(_) | Command::Trace(_)
    ) {
        host.merge_request = None;
    }
    let reporting = reporting.told(inputs);
    let mut secrets = secrets(inputs);
    secrets.extend(places.secrets.iter().cloned());
    let only = match &cli.command {
        Command::Schema(_) => {
            return report::lines(&[], &[schema::json(deploy::kubernetes::rules())]);
        }
        Command::Run(inputs) | Command::Plan(inputs) if inputs.rollback => {
            Some(&[Stage::Deploy, Stage::Verify][..])
        }
        Command::Run(_) | Command::Plan(_) => None,
        Command::Train(_) => Some(&[Stage::Train][..]),
        Command::Build(_) => Some(&[Stage::Build, Stage::Push][..]),
        Command::Deploy(_) => Some(&[Stage::Deploy, Stage::Verify][..]),
        Command::Rollback(_) => Some(&[Stage::Deploy, Stage::Verify][..]),
        Command::Verify(_) | Command::Status(_) => Some(&[Stage::Verify][..]),
        Command::Explain(_)
        | Command::Init(_)
        | Command::Completions { .. }
        | Command::Man { .. } => None,
        Command::Parity(_) | Command::Trace(_) => Some(&[][..]),
    };
    let task = match &cli.command {
        Command::Parity(_) => Task::Parity,
        Command::Trace(_) => Task::Trace,
        Command::Status(_) => Task::Status,
        Command::Rollback(_) => Task::Rollback,
        Command::Run(inputs) | Command::Plan(inputs) if inputs.rollback => Task::Rollback,
        _ => Task::Run,
    };
    // A working directory that does not exist is a mistake to be told, and the report of it must not make it.
    let folder = places.folder.join(&inputs.working_directory);
    let folder = if folder.is_dir() {
        &folder
    } else {
        &places.folder
    };
    let report = folder.join(&inputs.report);
    if let Command::Init(init) = &cli.command {
        let origin = host::origin(folder);
        return match init::run(folder, origin.as_deref(), init.ci, init.print) {
            Ok(lines) => report::lines(&secrets, &lines),
            Err(failure) => {
                refuse(
                    &host,
                    &report,
                    secrets,
                    reporting,
                    failure.into_findings(),
                    cancel,
                )
                .await
            }
        };
    }
    if let Command::Explain(explain) = &cli.command {
        if !findings.is_empty() {
            return refuse(&host, &report, secrets, reporting, findings, cancel).await;
        }
        let file = inputs.file.as_deref();
        let workspace = Workspace {
            root: host.root.clone(),
            dockerfile: Workspace::dockerfile(folder, &inputs.context, file),
            ..Workspace::at(folder)
        };
        let bundle = places.folder.join(&explain.bundle);
        let reporting = reporting.silent();
        return explain_bundle(
            &host, workspace, &report, secrets, reporting, cancel, &bundle,
        )
        .await;
    }
    let mut asked = Asked::default();
    let mut inputs = inputs.clone();
    if let Command::Parity(parity) = &cli.command {
        inputs.image_ref = parity.subject.clone().or(inputs.image_ref);
        asked = Asked {
            image: inputs.image_ref.clone(),
            against: parity.against.clone(),
            live: parity.live,
        };
    }
    if let Command::Trace(trace) = &cli.command {
        if let Some(image) = trace::image(&trace.subject) {
            inputs.image_ref = Some(image.to_owned());
        }
        asked.image = Some(trace.subject.clone());
    }
    let plan = match plan::resolve(
        &inputs,
        &sources,
        findings,
        host.clone(),
        &places,
        task,
        only,
    ) {
        Ok(plan) => plan,
        Err(findings) => {
            return refuse(&host, &report, secrets, reporting, findings, cancel).await;
        }
    };
    if matches!(cli.command, Command::Plan(_)) {
        return report::lines(&secrets, &plan.lines());
    }
    // A password within the tracking URL is known only now.
    secrets.extend(plan.gates.tracking.password.clone());
    if let Some(time) = plan.timeout {
        shutdown::after(time, cancel.clone(), reason.clone());
    }
    Box::pin(execute(&plan, &asked, secrets, reporting, cancel, &reason)).await
}

/// Runs the plan with reporters listening.
async fn execute(
    plan: &Plan,
    asked: &Asked,
    secrets: Vec<SecretString>,
    reporting: Reporting,
    cancel: CancellationToken,
    reason: &Reason,
) -> u8 {
    let (events, receiver) = Events::channel();
    plan.clouds.listen(&events);
    let mark = reporting.mark.clone();
    // What is only looked at is reported nowhere but here.
    let reporting = match plan.task {
        Task::Status | Task::Parity | Task::Trace => reporting.silent(),
        Task::Run | Task::Rollback => reporting,
    };
    let reporters = report::start(
        reporting.settings(&plan.host, &plan.report, &plan.workspace.root, secrets),
        receiver,
        cancel.clone(),
    );
    let lines = match plan.task {
        Task::Status | Task::Parity | Task::Trace => Vec::new(),
        Task::Run | Task::Rollback => plan.lines(),
    };
    for line in lines {
        events.note(line).await;
    }
    for (stage, why) in &plan.left_out {
        let events = events.stage(*stage);
        events.send(EventKind::LeftOut(why.clone())).await;
    }
    let ctx = Context {
        events,
        cancel,
        workspace: plan.workspace.clone(),
        run_url: plan.host.run_url.clone(),
        mark,
    };
    let outcome = match plan.task {
        Task::Run => Box::pin(pipeline::run(plan, &ctx)).await,
        Task::Rollback => live::rollback(plan, &ctx).await,
        Task::Status => live::status(plan, &ctx).await,
        Task::Parity => compare::run(plan, &ctx, asked).await,
        Task::Trace => trace::run(plan, &ctx, asked.image.as_deref().unwrap_or_default()).await,
    };
    let (outcome, left) = interrupted::outcome(outcome, reason);
    drop(ctx);
    let Ok(reporters) = reporters.await else {
        return Code::Internal.exit();
    };
    let verdict = match &outcome {
        Ok(Ended::Done) => Verdict::success(Status::Success),
        Ok(Ended::Reused) => Verdict::success(Status::Reused),
        Err(failure) => Verdict::failure(failure, &left),
    };
    let exit = verdict.exit;
    reporters.finish(&verdict).await;
    ownership::hand_over(&plan.workspace.root);
    exit
}

/// Judges a rollout again from its bundle; no input of a run matters.
async fn explain_bundle(
    host: &Host,
    workspace: Workspace,
    report: &Path,
    secrets: Vec<SecretString>,
    reporting: Reporting,
    cancel: CancellationToken,
    bundle: &Path,
) -> u8 {
    let (events, receiver) = Events::channel();
    let mark = reporting.mark.clone();
    let settings = reporting.settings(host, report, &host.root, secrets);
    let reporters = report::start(settings, receiver, cancel.clone());
    let ctx = Context {
        events: events.stage(Stage::Deploy),
        cancel,
        workspace,
        run_url: host.run_url.clone(),
        mark,
    };
    drop(events);
    let outcome = deploy::kubernetes::explain(&ctx, bundle).await;
    drop(ctx);
    let Ok(reporters) = reporters.await else {
        return Code::Internal.exit();
    };
    let verdict = match &outcome {
        Ok(()) => Verdict::success(Status::Success),
        Err(failure) => Verdict::failure(failure, &[]),
    };
    let exit = verdict.exit;
    reporters.finish(&verdict).await;
    exit
}

/// Ends a run that must not begin, with all findings reported as for any other failure.
async fn refuse(
    host: &Host,
    report: &Path,
    secrets: Vec<SecretString>,
    reporting: Reporting,
    findings: Vec<Diagnostic>,
    cancel: CancellationToken,
) -> u8 {
    let (events, receiver) = Events::channel();
    let settings = reporting.settings(host, report, &host.root, secrets);
    let reporters = report::start(settings, receiver, cancel);
    drop(events);
    let (Ok(reporters), Some(failure)) = (reporters.await, Failure::all(findings)) else {
        return Code::Internal.exit();
    };
    let verdict = Verdict::failure(&failure, &[]);
    let exit = verdict.exit;
    reporters.finish(&verdict).await;
    ownership::hand_over(&host.root);
    exit
}

/// Every secret value of the inputs, to be hidden before anything is said.
fn secrets(inputs: &Inputs) -> Vec<SecretString> {
    let single = [
        &inputs.registry_password,
        &inputs.mlflow_tracking_password,
        &inputs.mlflow_tracking_token,
        &inputs.gitlab_token,
        &inputs.github_token,
        &inputs.aws.aws_secret_access_key,
        &inputs.aws.aws_session_token,
    ];
    let mut secrets: Vec<SecretString> = single.into_iter().flatten().cloned().collect();
    secrets.extend(plan::secret_values(inputs));
    secrets
}
