//! `ml-deploy`: parse, run, exit code.

mod app;
mod artifact;
mod background;
mod causes;
mod chain;
mod champion;
mod closing;
#[allow(dead_code, reason = "what each cloud hands out is being added")]
mod cloud;
mod cluster;
mod code;
mod compare;
mod context;
mod deploy;
mod diagnostic;
mod engine;
mod event;
mod explain;
mod failure;
mod format;
mod gate;
mod host;
mod image;
mod init;
mod inputs;
mod interrupted;
mod live;
mod passwords;
mod pipeline;
mod plan;
mod predict;
mod preflight;
mod process;
mod proof;
mod python;
mod registry;
mod report;
mod reported;
mod reporting;
mod reuse;
mod secret_names;
mod sha256;
mod shutdown;
mod stage;
mod trace;
mod tracking;
mod train;
mod trial;
mod verify;

use std::process::ExitCode;

use tokio_util::sync::CancellationToken;

fn main() -> ExitCode {
    // Our environment holds what the training must not have, and it runs as the same user: it may not read our memory.
    #[cfg(target_os = "linux")]
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)
        .unwrap_or_default();
    // Two TLS providers would compile in unseen; naming ours first makes every client use the same.
    if rustls::crypto::ring::default_provider()
        .install_default()
        .is_err()
    {
        return ExitCode::FAILURE;
    }
    let cancel = CancellationToken::new();
    let Ok(reason) = shutdown::listen(cancel.clone(), process::kill_all) else {
        return ExitCode::FAILURE;
    };
    match tokio::runtime::Runtime::new() {
        Ok(runtime) => {
            let exit = if closing::asked() {
                runtime.block_on(closing::run())
            } else {
                runtime.block_on(app::run(cancel, reason))
            };
            // A thread that still reads a file must not hold the process after everything was said.
            runtime.shutdown_background();
            ExitCode::from(exit)
        }
        Err(_) => ExitCode::FAILURE,
    }
}
