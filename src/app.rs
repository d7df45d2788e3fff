//! From the command line to the exit status: reads inputs and decides what is asked for. How that runs and is told is `reported`'s.

use std::path::PathBuf;

use tokio_util::sync::CancellationToken;

use crate::code::Code;
use crate::compare::Asked;
use crate::context::Workspace;
use crate::deploy;
use crate::diagnostic::Diagnostic;
use crate::event::Stage;
use crate::host::{self, Host};
use crate::init;
use crate::inputs::cli::{Cli, Command};
use crate::inputs::layers;
use crate::inputs::parsed::{Parsed, Sources};
use crate::inputs::schema;
use crate::plan::{self, Places, Task};
use crate::report;
use crate::reported::Told;
use crate::reporting::Reporting;
use crate::shutdown::{self, Reason};
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
            let told = Told {
                host: &host,
                report: &folder.join(".ml-deploy/report.json"),
                secrets: places.secrets,
                reporting,
                cancel,
            };
            told.refuse(findings).await
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
    let mut secrets = plan::secret_values(inputs);
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
    let mut told = Told {
        host: &host,
        report: &folder.join(&inputs.report),
        secrets,
        reporting: reporting.told(inputs),
        cancel,
    };
    if let Command::Init(init) = &cli.command {
        let origin = host::origin(folder);
        return match init::run(folder, origin.as_deref(), init.ci, init.print) {
            Ok(lines) => report::lines(&told.secrets, &lines),
            Err(failure) => told.refuse(failure.into_findings()).await,
        };
    }
    if let Command::Explain(explain) = &cli.command {
        if !findings.is_empty() {
            return told.refuse(findings).await;
        }
        let file = inputs.file.as_deref();
        let workspace = Workspace {
            root: host.root.clone(),
            dockerfile: Workspace::dockerfile(folder, &inputs.context, file),
            ..Workspace::at(folder)
        };
        let bundle = places.folder.join(&explain.bundle);
        return told.explain(workspace, &bundle).await;
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
            return told.refuse(findings).await;
        }
    };
    if matches!(cli.command, Command::Plan(_)) {
        return report::lines(&told.secrets, &[plan.lines(), plan.warnings()].concat());
    }
    // A password within the tracking URL is known only now.
    let password = plan.gates.tracking.password.clone();
    told.secrets.extend(password);
    if let Some(time) = plan.timeout {
        shutdown::after(time, told.cancel.clone(), reason.clone());
    }
    Box::pin(told.execute(&plan, &asked, &reason)).await
}
