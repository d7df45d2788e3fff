//! Drives the real binary as a runner would: a clean environment, a workspace, files for outputs and summary.
//! It knows the contract (environment, files, exit status), nothing of the inside.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// A value of the test bed; `tests/bed/bed env` prints them and `scripts/test` sets them.
pub(crate) fn bed(name: &str) -> String {
    std::env::var(format!("ML_DEPLOY_BED_{name}"))
        .unwrap_or_else(|_| panic!("ML_DEPLOY_BED_{name} is not set: run scripts/test, or `eval \"$(tests/bed/bed env)\"` before"))
}

/// A name that no other test uses.
pub(crate) fn unique(prefix: &str) -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!(
        "{prefix}-{}-{}",
        std::process::id(),
        COUNT.fetch_add(1, Ordering::Relaxed)
    )
}

/// Waits until something is so; a minute is more than anything here takes.
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "not within a minute: {what}"
        );
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// Root of the checkout.
pub(crate) fn checkout() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// A workspace in a temporary folder.
pub(crate) struct Project {
    folder: TempDir,
}

impl Project {
    /// An empty workspace.
    pub(crate) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// A copy of an example.
    pub(crate) fn example(name: &str) -> Self {
        let project = Self::new();
        let from = format!("{}/.", checkout().join("examples").join(name).display());
        let copied = Command::new("cp")
            .args(["-r", &from])
            .arg(project.path())
            .status()
            .unwrap();
        assert!(copied.success());
        project
    }

    /// Adds a file.
    pub(crate) fn file(self, path: &str, text: &str) -> Self {
        let path = self.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        self
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Prepares `ml-deploy SUBCOMMAND` in this workspace.
    pub(crate) fn ml_deploy(&self, subcommand: &str) -> Run<'_> {
        self.through(&[env!("CARGO_BIN_EXE_ml-deploy")], subcommand)
    }

    /// The same, started by other words than the program alone: as another user, in a namespace.
    pub(crate) fn through(&self, words: &[&str], subcommand: &str) -> Run<'_> {
        let (program, arguments) = words.split_first().unwrap();
        let mut command = Command::new(program);
        let kept = |name: &str| std::env::var_os(name).map(|value| (name.to_owned(), value));
        command
            .env_clear()
            .current_dir(self.path())
            .args(arguments)
            .arg(subcommand)
            .stdin(Stdio::null());
        command.envs(
            [
                "HOME",
                "SSL_CERT_FILE",
                "PIP_INDEX_URL",
                "PIP_CERT",
                "UV_INDEX_URL",
                "UV_DEFAULT_INDEX",
                "REQUESTS_CA_BUNDLE",
                "HTTPS_PROXY",
                "NO_PROXY",
            ]
            .iter()
            .filter_map(|name| kept(name)),
        );
        command.env("PATH", path_with_uv());
        Run {
            project: self,
            command,
            github: true,
        }
    }
}

/// Our `PATH` with the bed's uv first; tests that need neither engine nor Python run without a bed too.
pub(crate) fn path_with_uv() -> String {
    let path = std::env::var("PATH").unwrap_or_default();
    let uv = std::env::var("ML_DEPLOY_BED_UV").map(PathBuf::from);
    match uv.as_deref().map(Path::parent) {
        Ok(Some(folder)) => format!("{}:{path}", folder.display()),
        _ => path,
    }
}

/// A run that is being prepared.
pub(crate) struct Run<'a> {
    project: &'a Project,
    command: Command,
    github: bool,
}

impl Run<'_> {
    /// `--name value`.
    pub(crate) fn flag(mut self, name: &str, value: &str) -> Self {
        self.command.arg(format!("--{name}={value}"));
        self
    }

    /// A word of the command line as it is.
    pub(crate) fn word(mut self, word: &str) -> Self {
        self.command.arg(word);
        self
    }

    /// `INPUT_NAME=value`, as the runner passes it.
    pub(crate) fn input(self, name: &str, value: &str) -> Self {
        let name = format!("INPUT_{}", name.to_uppercase());
        self.env(&name, value)
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// On a laptop instead of in a workflow.
    pub(crate) fn terminal(mut self) -> Self {
        self.github = false;
        self
    }

    fn prepare(&mut self) -> Files {
        let files = Files {
            output: self.project.path().join(".test-output"),
            summary: self.project.path().join(".test-summary"),
        };
        if self.github {
            for file in [&files.output, &files.summary] {
                std::fs::write(file, "").unwrap();
            }
            self.command
                .env("GITHUB_ACTIONS", "true")
                .env("GITHUB_WORKSPACE", self.project.path())
                .env("GITHUB_SHA", "0123456789abcdef0123456789abcdef01234567")
                .env("GITHUB_REPOSITORY", "org/wine")
                .env("GITHUB_OUTPUT", &files.output)
                .env("GITHUB_STEP_SUMMARY", &files.summary);
            // Tests may be of another instance.
            let server = "GITHUB_SERVER_URL";
            if !self
                .command
                .get_envs()
                .any(|(name, value)| name == server && value.is_some())
            {
                self.command.env(server, "https://github.example");
            }
        }
        files
    }

    /// Runs to the end.
    pub(crate) fn run(mut self) -> Ended {
        let files = self.prepare();
        let began = Instant::now();
        let output = self.command.output().unwrap();
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        self.ended(
            &files,
            output.status.code().unwrap_or(-1),
            stdout,
            stderr,
            began.elapsed(),
        )
    }

    /// Starts, waits until a line of output contains `marker`, sends the signal (or several, one after the other), and waits
    /// for the end.
    pub(crate) fn signal_at(self, marker: &str, signal: &str) -> Ended {
        self.signal_when(marker, || true, signal)
    }

    /// The same, but after the marker it also waits until `is_time` says so.
    pub(crate) fn signal_when(
        self,
        marker: &str,
        is_time: impl Fn() -> bool,
        signal: &str,
    ) -> Ended {
        self.signalled(marker, is_time, signal, true)
    }

    /// The same, but after the marker nobody reads any more, and the signal comes when everything in between is full.
    pub(crate) fn unread_at(self, marker: &str, signal: &str) -> Ended {
        let filled = || {
            std::thread::sleep(Duration::from_secs(2));
            true
        };
        self.signalled(marker, filled, signal, false)
    }

    fn signalled(
        mut self,
        marker: &str,
        is_time: impl Fn() -> bool,
        signal: &str,
        reads_on: bool,
    ) -> Ended {
        use std::io::{BufRead, BufReader};
        let files = self.prepare();
        let mut child: Child = self
            .command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut reader = BufReader::new(child.stdout.take().unwrap());
        let mut stdout = String::new();
        loop {
            let mut line = String::new();
            assert!(
                reader.read_line(&mut line).unwrap() > 0,
                "ended before `{marker}`:\n{stdout}"
            );
            stdout.push_str(&line);
            if line.contains(marker) {
                break;
            }
        }
        while !is_time() {
            std::thread::sleep(Duration::from_millis(50));
        }
        let began = Instant::now();
        for (number, signal) in signal.split(' ').enumerate() {
            // Two at once would be seen as one.
            std::thread::sleep(Duration::from_millis(if number > 0 { 300 } else { 0 }));
            let sent = Command::new("kill")
                .args([&format!("-{signal}"), &child.id().to_string()])
                .status()
                .unwrap();
            assert!(sent.success());
        }
        if reads_on {
            std::io::Read::read_to_string(&mut reader, &mut stdout).unwrap();
        } else {
            eventually("the process ends", || child.try_wait().unwrap().is_some());
        }
        let status = child.wait().unwrap();
        self.ended(
            &files,
            status.code().unwrap_or(-1),
            stdout,
            String::new(),
            began.elapsed(),
        )
    }

    fn ended(
        &self,
        files: &Files,
        status: i32,
        stdout: String,
        stderr: String,
        took: Duration,
    ) -> Ended {
        let read = |path: &Path| std::fs::read_to_string(path).unwrap_or_default();
        let report = read(&self.project.path().join(".ml-deploy/report.json"));
        Ended {
            status,
            stdout,
            stderr,
            outputs: outputs(&read(&files.output)),
            summary: read(&files.summary),
            report: serde_json::from_str(&report).unwrap_or(Value::Null),
            took,
        }
    }
}

struct Files {
    output: PathBuf,
    summary: PathBuf,
}

/// A run that has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) outputs: BTreeMap<String, String>,
    pub(crate) summary: String,
    pub(crate) report: Value,
    /// For a signalled run: from the signal to the end.
    pub(crate) took: Duration,
}

impl Ended {
    /// Fails the test with everything that was said unless the status is this one.
    pub(crate) fn expect(self, status: i32) -> Self {
        assert_eq!(
            self.status, status,
            "\n--- stdout\n{}\n--- stderr\n{}",
            self.stdout, self.stderr
        );
        self
    }

    /// Fails unless the run ended with this code, named in outputs and report.
    pub(crate) fn code(self, code: &str) -> Self {
        assert_eq!(
            self.outputs.get("failure-code").map(String::as_str),
            Some(code),
            "\n{}",
            self.stdout
        );
        self
    }

    /// Fails unless stdout contains the text.
    pub(crate) fn says(self, text: &str) -> Self {
        assert!(
            self.stdout.contains(text),
            "no `{text}` in\n{}",
            self.stdout
        );
        self
    }

    pub(crate) fn output(&self, name: &str) -> &str {
        self.outputs.get(name).map_or("", String::as_str)
    }
}

/// Reads a GITHUB_OUTPUT file as the runner does: `name=value` or a heredoc whose delimiter stands on a line of its own.
pub(crate) fn outputs(text: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some((name, delimiter)) = line
            .split_once("<<")
            .filter(|(name, _)| !name.contains('='))
        {
            let value: Vec<&str> = lines
                .by_ref()
                .take_while(|line| *line != delimiter)
                .collect();
            found.insert(name.to_owned(), value.join("\n"));
        } else if let Some((name, value)) = line.split_once('=') {
            found.insert(name.to_owned(), value.to_owned());
        }
    }
    found
}
