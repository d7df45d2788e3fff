//! The command line: subcommands, each with the same inputs.

use clap::{Args, Parser, Subcommand, ValueEnum};

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
    /// Compare an image with what trained its model: one that another run built, or the one that is live
    Parity(Parity),
    /// Say which commit, run, model version, image, deployment and pods belong together, from any of them
    Trace(Trace),
    /// Explain a code, or judge a failed rollout again from the bundle it left, without a cluster
    Explain(Explain),
    /// Look at this repository and write ml-deploy.yml and the pipeline that uses it; nothing that exists is changed
    #[command(mut_args = without_inputs)]
    Init(Init),
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

/// Where a pipeline runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Ci {
    Github,
    Gitlab,
    Jenkins,
}

/// What `init` is given.
#[derive(Debug, Args)]
pub(crate) struct Init {
    /// Where the pipeline runs; by default what the repository or its remote tells
    #[arg(long, value_enum)]
    pub(crate) ci: Option<Ci>,
    /// Print the files instead of writing them
    #[arg(long)]
    pub(crate) print: bool,
    #[command(flatten)]
    pub(crate) inputs: Box<Inputs>,
}

/// Inputs of a run may be set where a subcommand without use for them is called; its help does not list them.
fn without_inputs(arg: clap::Arg) -> clap::Arg {
    let input = arg.get_help_heading().is_some();
    arg.hide(input)
}

/// What `trace` is given.
#[derive(Debug, Args)]
pub(crate) struct Trace {
    /// Digest or reference of an image, id of an MLflow run, pod or workload (deployment/wine), model version (wine/3, wine@champion), or commit
    #[arg(value_name = "DIGEST|RUN|POD|VERSION")]
    pub(crate) subject: String,
    #[command(flatten)]
    pub(crate) inputs: Box<Inputs>,
}

/// What `parity` is given.
#[derive(Debug, Args)]
pub(crate) struct Parity {
    /// Image in the engine, or in a registry, from where it is pulled
    #[arg(value_name = "IMAGE", conflicts_with = "live")]
    pub(crate) subject: Option<String>,
    /// What trained: the id of an MLflow run, or a freeze file; by default what is attached to the image, else the run that its labels name
    #[arg(long, value_name = "RUN|FREEZE", help_heading = "Comparison")]
    pub(crate) against: Option<String>,
    /// Compare the image that is live: of `deployment-name` or `manifests`, or of `container-name` with `target: docker`
    #[arg(long, help_heading = "Comparison")]
    pub(crate) live: bool,
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
            Self::Init(init) => &init.inputs,
            Self::Parity(parity) => &parity.inputs,
            Self::Trace(trace) => &trace.inputs,
            Self::Completions { .. } | Self::Man { .. } => return None,
        })
    }
}
