//! What runs with reporters listening: a plan, a bundle that is judged again, and what must not begin. It knows what is asked for,
//! not how the command line said it.

use std::path::Path;

use secrecy::SecretString;
use tokio_util::sync::CancellationToken;

use crate::code::Code;
use crate::compare::{self, Asked};
use crate::context::{Context, Workspace};
use crate::deploy;
use crate::diagnostic::Diagnostic;
use crate::event::{EventKind, Events, Stage};
use crate::failure::Failure;
use crate::host::{Host, ownership};
use crate::interrupted;
use crate::live;
use crate::pipeline;
use crate::plan::{Plan, Task};
use crate::report::{self, Status, Verdict};
use crate::reporting::Reporting;
use crate::shutdown::Reason;
use crate::stage::Ended;
use crate::trace;

/// Where a run is told, and what of it is not.
pub(crate) struct Told<'a> {
    pub(crate) host: &'a Host,
    /// `report.json`.
    pub(crate) report: &'a Path,
    /// Hidden from the first line on.
    pub(crate) secrets: Vec<SecretString>,
    pub(crate) reporting: Reporting,
    pub(crate) cancel: CancellationToken,
}

impl Told<'_> {
    /// Runs the plan; returns the exit status.
    pub(crate) async fn execute(self, plan: &Plan, asked: &Asked, reason: &Reason) -> u8 {
        let (events, receiver) = Events::channel();
        plan.clouds.listen(&events);
        let mark = self.reporting.mark.clone();
        // What is only looked at is reported nowhere but here.
        let looked = match plan.task {
            Task::Status | Task::Parity | Task::Trace => true,
            Task::Run | Task::Rollback => false,
        };
        let reporting = if looked {
            self.reporting.silent()
        } else {
            self.reporting
        };
        let root = &plan.workspace.root;
        let reporters = report::start(
            reporting.settings(&plan.host, &plan.report, root, self.secrets),
            receiver,
            self.cancel.clone(),
        );
        let lines = if looked { Vec::new() } else { plan.lines() };
        for line in lines {
            events.note(line).await;
        }
        for (stage, why) in &plan.left_out {
            let events = events.stage(*stage);
            events.send(EventKind::LeftOut(why.clone())).await;
        }
        let ctx = Context {
            events,
            cancel: self.cancel,
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
        ownership::hand_over(root);
        exit
    }

    /// Judges a rollout again from its bundle; no input of a run matters.
    pub(crate) async fn explain(self, workspace: Workspace, bundle: &Path) -> u8 {
        let (events, receiver) = Events::channel();
        let reporting = self.reporting.silent();
        let mark = reporting.mark.clone();
        let settings = reporting.settings(self.host, self.report, &self.host.root, self.secrets);
        let reporters = report::start(settings, receiver, self.cancel.clone());
        let ctx = Context {
            events: events.stage(Stage::Deploy),
            cancel: self.cancel,
            workspace,
            run_url: self.host.run_url.clone(),
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
    pub(crate) async fn refuse(self, findings: Vec<Diagnostic>) -> u8 {
        let (events, receiver) = Events::channel();
        let root = &self.host.root;
        let settings = self
            .reporting
            .settings(self.host, self.report, root, self.secrets);
        let reporters = report::start(settings, receiver, self.cancel);
        drop(events);
        let (Ok(reporters), Some(failure)) = (reporters.await, Failure::all(findings)) else {
            return Code::Internal.exit();
        };
        let verdict = Verdict::failure(&failure, &[]);
        let exit = verdict.exit;
        reporters.finish(&verdict).await;
        ownership::hand_over(root);
        exit
    }
}
