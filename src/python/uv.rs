//! uv, the program: where it is, how it is called, and what its failures mean. Nothing else knows its flags.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{env, fs};

use anyhow::Context as _;
use secrecy::SecretString;
use tokio::process::Command;

use super::requirement::Needs;
use super::story::{failure, hints, is_full, reason};
use super::{cache, index};
use crate::code::Code;
use crate::context::Context;
use crate::failure::{Fail, Failure, Outcome};
use crate::passwords;
use crate::process::{self, End, Finished, Inherited};

/// A found uv with the environment it is called in.
pub(super) struct Uv {
    program: PathBuf,
    /// Of ours: what it makes lies below.
    cache: PathBuf,
    environment: Vec<(String, String)>,
}

impl Uv {
    /// Looks on `PATH`, then where its installers put it.
    pub(super) async fn find(ctx: &Context, cache: &Path) -> Outcome<Self> {
        let home = env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
        let path = env::var_os("PATH").unwrap_or_default();
        let usual = [
            home.join(".local/bin"),
            home.join(".cargo/bin"),
            "/usr/local/bin".into(),
            "/opt/homebrew/bin".into(),
        ];
        let program = env::split_paths(&path)
            .chain(usual)
            .map(|folder| folder.join("uv"))
            .find(|file| file.is_file())
            .ok_or_else(|| {
                Failure::new(Code::PythonMissing, "failed to find `uv`, which makes the Python environment, on PATH").help(
                    "install it, for example with `pip install uv` or `curl -LsSf https://astral.sh/uv/install.sh | sh`; the action's image has it",
                )
            })?;
        let mut environment = environment();
        let set = |name: &str| environment.iter().any(|(known, _)| known == name);
        let places = cache::for_uv(cache, set);
        environment.extend(
            places
                .into_iter()
                .map(|(name, place)| (name.to_owned(), place.display().to_string())),
        );
        for (name, value) in &environment {
            let password = name.starts_with("UV_INDEX_") && name.ends_with("_PASSWORD");
            let own = password.then(|| value.clone());
            for secret in passwords::in_urls(value).into_iter().chain(own) {
                ctx.events.mask(&SecretString::from(secret)).await;
            }
        }
        Ok(Self {
            program,
            cache: cache.to_owned(),
            environment,
        })
    }

    fn command(&self, ctx: &Context, arguments: &[OsString]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(arguments)
            .env_clear()
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .current_dir(&ctx.workspace.folder);
        command
    }

    async fn run(&self, ctx: &Context, arguments: &[OsString]) -> Outcome<Finished> {
        let finished = process::run(ctx, self.command(ctx, arguments), None)
            .await
            .with_context(|| format!("failed to run `{}`", self.program.display()))
            .fail(Code::Internal)?;
        if matches!(finished.end, End::Cancelled) {
            return Err(Failure::new(
                Code::Interrupted,
                "interrupted while making the Python environment; it is made anew next time",
            ));
        }
        Ok(finished)
    }

    /// The interpreter on this machine for a request, if there is one; else uv fetches one later.
    pub(super) async fn find_python(
        &self,
        ctx: &Context,
        version: Option<&str>,
    ) -> Outcome<Option<PathBuf>> {
        let mut arguments = words(&["python", "find", "--system", "--no-python-downloads"]);
        arguments.extend(version.map(OsString::from));
        let found = process::capture(
            &ctx.cancel,
            self.command(ctx, &arguments),
            Duration::from_secs(60),
        )
        .await
        .with_context(|| format!("failed to ask `{}` for Python", self.program.display()))
        .fail(Code::Internal)?;
        let path = String::from_utf8_lossy(&found.stdout).trim().to_owned();
        Ok((found.status.success() && !path.is_empty()).then(|| path.into()))
    }

    /// Creates an empty environment.
    pub(super) async fn create(
        &self,
        ctx: &Context,
        version: Option<&str>,
        found: Option<&Path>,
        venv: &Path,
    ) -> Outcome<()> {
        let mut arguments = words(&["venv", "--quiet", "--no-project"]);
        if let Some(python) = found
            .map(OsString::from)
            .or_else(|| version.map(OsString::from))
        {
            arguments.extend([OsString::from("--python"), python]);
        }
        arguments.push(venv.into());
        let finished = self.run(ctx, &arguments).await?;
        if succeeded(&finished) {
            return Ok(());
        }
        let reason = reason(&finished.tail);
        if is_full(&reason) {
            return Err(cache::full(&self.cache));
        }
        let asked = version.map_or_else(
            || "any Python".to_owned(),
            |version| format!("Python `{version}`"),
        );
        let installed = self.installed(ctx).await;
        let evidence = if installed.is_empty() {
            vec!["no Python was found on this machine".to_owned()]
        } else {
            let mut lines = vec!["on this machine:".to_owned()];
            lines.extend(installed);
            lines
        };
        Err(failure(
            Code::PythonMissing,
            format!("failed to make an environment with {asked}: {reason}"),
            &reason,
        )
        .evidence(evidence))
    }

    /// What Python versions uv sees, one a line.
    async fn installed(&self, ctx: &Context) -> Vec<String> {
        let arguments = words(&["python", "list", "--only-installed"]);
        let listed = process::capture(
            &ctx.cancel,
            self.command(ctx, &arguments),
            Duration::from_secs(30),
        )
        .await;
        let text = listed
            .map(|listed| String::from_utf8_lossy(&listed.stdout).into_owned())
            .unwrap_or_default();
        text.lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect()
    }

    /// Writes the locked requirements of a project, without the project itself, to a file.
    pub(super) async fn export(
        &self,
        ctx: &Context,
        folder: &Path,
        to: &Path,
        needs: &Needs,
    ) -> Outcome<()> {
        let mut arguments = words(&[
            "export",
            "--quiet",
            "--frozen",
            "--no-emit-project",
            "--project",
        ]);
        arguments.extend([folder.into(), OsString::from("--output-file"), to.into()]);
        let finished = self.run(ctx, &arguments).await?;
        self.unresolved(ctx, &finished, needs)
    }

    /// Installs everything in one resolution.
    pub(super) async fn install(
        &self,
        ctx: &Context,
        python: &Path,
        files: &[&Path],
        extra: &[String],
        needs: &Needs,
    ) -> Outcome<()> {
        for (_, text) in &needs.files {
            for secret in passwords::in_urls(text) {
                ctx.events.mask(&SecretString::from(secret)).await;
            }
        }
        let mut arguments = words(&["pip", "install", "--python"]);
        arguments.push(python.into());
        for file in files {
            arguments.extend([OsString::from("-r"), file.into()]);
        }
        arguments.push("--".into());
        arguments.extend(extra.iter().map(OsString::from));
        let finished = self.run(ctx, &arguments).await?;
        self.unresolved(ctx, &finished, needs)
    }

    /// What an installation that failed means.
    fn unresolved(&self, ctx: &Context, finished: &Finished, needs: &Needs) -> Outcome<()> {
        if succeeded(finished) {
            return Ok(());
        }
        let reason = reason(&finished.tail);
        if is_full(&reason) {
            return Err(cache::full(&self.cache).evidence([reason]));
        }
        let hints = hints(&finished.tail);
        let at = needs
            .at_offset(ctx, &reason)
            .or_else(|| needs.at_line(ctx, &reason))
            .or_else(|| needs.blamed(ctx, &reason));
        let story = format!("{reason}\n{}", hints.join("\n"));
        Err(failure(
            Code::RequirementsUnresolved,
            format!("failed to install the requirements: {reason}"),
            &story,
        )
        .evidence(hints)
        .at(at))
    }
}

fn words(words: &[&str]) -> Vec<OsString> {
    words.iter().map(OsString::from).collect()
}

fn succeeded(finished: &Finished) -> bool {
    matches!(finished.end, End::Exited(status) if status.success())
}

/// Ours without secrets that are not uv's (build scripts of packages run within uv), pip's settings translated, and quiet.
fn environment() -> Vec<(String, String)> {
    let variable = |name: &str| env::var(name).ok();
    let files: Vec<String> = index::pip_files(variable)
        .iter()
        .filter_map(|path| fs::read_to_string(path).ok())
        .collect();
    let inherited = env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let own = |name: &str| name.starts_with("UV_") || name.starts_with("PIP_") || name == "NETRC";
    let mut all = Inherited::divide(inherited, own).kept;
    all.retain(|(name, _)| name != "VIRTUAL_ENV" && name != "CONDA_PREFIX");
    all.extend(
        index::for_uv(variable, &files)
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value)),
    );
    let defaults = [
        ("UV_NO_PROGRESS", "1"),
        ("NO_COLOR", "1"),
        // A company's CA that this machine trusts is trusted by uv too; the name changed in the course of uv's releases.
        ("UV_SYSTEM_CERTS", "true"),
        ("UV_NATIVE_TLS", "true"),
        // An interpreter of the machine first, and only then a fetched one.
        ("UV_PYTHON_PREFERENCE", "system"),
    ];
    for (name, value) in defaults {
        if variable(name).is_none() {
            all.push((name.to_owned(), value.to_owned()));
        }
    }
    all
}
