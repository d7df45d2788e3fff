//! The command line: subcommands, each with the same inputs.

use clap::{Args, Parser, Subcommand};

use super::flags::Inputs;

/// Takes a model from source to verified production in one step.
#[derive(Debug, Parser)]
#[command(
    name = "ml-deploy",
    version,
    about,
    max_term_width = 120,
    propagate_version = true,
    args_override_self = true
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the job: preflight, train, build, push, deploy, verify
    Run(Box<Inputs>),
    /// Print what `run` would do, and change nothing
    Plan(Box<Inputs>),
    /// Train only
    Train(Box<Inputs>),
    /// Build and push the image only
    Build(Box<Inputs>),
    /// Deploy and verify only, an image given by `image-ref` or manifests as they are
    Deploy(Box<Inputs>),
    /// Check only what is live
    Verify(Box<Inputs>),
    /// Say what is live: image, commit, run, since when, healthy or not
    Status(Box<Inputs>),
    /// Go back to the last verified deployment
    Rollback(Box<Inputs>),
    /// Explain a code, or judge a failed rollout again from the bundle it left, without a cluster
    Explain(Explain),
    /// Print a completion script for a shell
    Completions {
        /// Shell to complete for
        shell: clap_complete::Shell,
    },
    /// Print the manual page of the program, or of a subcommand
    Man {
        /// Subcommand, such as run
        command: Option<String>,
    },
    /// Print inputs, outputs and codes as JSON
    #[command(hide = true)]
    Schema(Box<Inputs>),
}

/// What `explain` is given.
#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// Code such as crash-loop, or file that a failed rollout left behind
    #[arg(value_name = "CODE|BUNDLE")]
    pub(crate) bundle: std::path::PathBuf,
    #[command(flatten)]
    pub(crate) inputs: Box<Inputs>,
}

impl Command {
    /// The inputs; `None` where there are none.
    pub(crate) fn inputs(&self) -> Option<&Inputs> {
        Some(match self {
            Self::Run(inputs)
            | Self::Plan(inputs)
            | Self::Train(inputs)
            | Self::Build(inputs)
            | Self::Deploy(inputs)
            | Self::Verify(inputs)
            | Self::Status(inputs)
            | Self::Rollback(inputs)
            | Self::Schema(inputs) => inputs,
            Self::Explain(explain) => &explain.inputs,
            Self::Completions { .. } | Self::Man { .. } => return None,
        })
    }
}
