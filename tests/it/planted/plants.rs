//! The plants themselves: how one is made, in which forms it is looked for, and how files and the list of processes are searched.
//! It knows no place where they stand.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use aho_corasick::AhoCorasick;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::aws::{Aws, RUNNER};
use crate::github::{GitHub, TOKEN};
use crate::support::{Ended, Project, Run};

/// By name of the place.
pub(super) struct Planted(pub(super) BTreeMap<&'static str, String>);

impl Planted {
    pub(super) fn new() -> Self {
        Self(BTreeMap::from([("github-token", TOKEN.to_owned())]))
    }

    /// Plants one more: characters that every encoding writes otherwise, and unlike any other.
    pub(super) fn one(&mut self, place: &'static str) -> String {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let mut state = u64::from(std::process::id()) << 16 | count;
        let letters: String = std::iter::repeat_with(|| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            char::from(
                b"ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789"
                    [(state >> 33) as usize % 57],
            )
        })
        .take(18)
        .collect();
        let (head, tail) = letters.split_at(9);
        let secret = format!("{head}+/{tail}~ü");
        self.0.insert(place, secret.clone());
        secret
    }

    /// The same for a place where only letters and digits may stand, such as a key's line.
    pub(super) fn plain(&mut self, place: &'static str) -> String {
        let secret: String = self
            .one(place)
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .collect();
        self.0.insert(place, secret.clone());
        secret
    }

    /// One that somebody else has made: what a server handed out, the secret part of a token in a file.
    pub(super) fn found(&mut self, place: &str, secret: &str) {
        let place = format!("{place} ({})", self.0.len());
        assert!(
            secret.len() > 7,
            "{place} is too short to be looked for: {secret}"
        );
        self.0.insert(place.leak(), secret.to_owned());
    }

    /// Everything that AWS has handed out so far, and what the runner lets a job ask for its token with.
    pub(super) fn handed_out(&mut self, aws: &Aws) {
        let all = sh(&format!("curl -sf --noproxy '*' {}/-/secrets", aws.url()));
        let all: Vec<String> = serde_json::from_str(&all).unwrap();
        assert!(!all.is_empty());
        for secret in all {
            self.found("aws", &secret);
        }
        self.found("runner", RUNNER);
    }

    /// Every form of all of them, as a server would repeat them that knows no discretion.
    pub(super) fn repeated(&self) -> String {
        let forms = self.forms().into_iter().map(|(_, form)| form);
        let whole = self.0.values().flat_map(|secret| {
            let packed = STANDARD.encode(format!("x{secret}"));
            [secret.clone(), packed]
        });
        whole.chain(forms).collect::<Vec<_>>().join(" ")
    }

    /// Looks into everything that a run said to somebody, and left in its workspace.
    pub(super) fn assert_unseen(&self, ended: &Ended, project: &Project, github: &GitHub) {
        let told = ended
            .stdout
            .lines()
            .filter(|line| !line.starts_with("::add-mask::"));
        self.absent("the log", &told.collect::<Vec<_>>().join("\n"));
        self.absent("standard error", &ended.stderr);
        self.absent("the outputs", &format!("{:?}", ended.outputs));
        self.absent("the summary", &ended.summary);
        self.absent("what GitHub was told", &github.log().to_string());
        self.absent("what the step remembers", &github.step_state());
        for folder in [".ml-deploy", "mlruns"] {
            self.absent_below(&project.path().join(folder));
        }
    }

    /// Every form of every secret, with the place that it comes from.
    pub(super) fn forms(&self) -> Vec<(&'static str, String)> {
        let mut forms = Vec::new();
        for (place, secret) in &self.0 {
            forms.push((*place, secret.clone()));
            forms.extend((0..3).map(|before| (*place, aligned(secret, before))));
            let url = url_encoded(secret);
            let lower = url
                .replace("%2B", "%2b")
                .replace("%2F", "%2f")
                .replace("%C3%BC", "%c3%bc");
            forms.push((*place, lower));
            forms.push((*place, url.replace("%2F", "/")));
            forms.push((*place, url));
        }
        forms
    }

    /// Fails when a text holds any of them.
    pub(super) fn absent(&self, place: &str, text: &str) {
        self.search()(place, text.as_bytes());
    }

    /// Fails when a file below a folder holds any of them; what is larger than anything of ours is of Python or the base image.
    pub(super) fn absent_below(&self, folder: &Path) {
        let search = self.search();
        below(folder, &mut |path| {
            if std::fs::metadata(path).unwrap().len() < 2 << 20 {
                search(&path.display().to_string(), &std::fs::read(path).unwrap());
            }
        });
    }

    pub(super) fn search(&self) -> impl Fn(&str, &[u8]) {
        let forms = self.forms();
        let automaton = AhoCorasick::new(forms.iter().map(|(_, form)| form)).unwrap();
        move |place, bytes| {
            let found = automaton.find_iter(bytes).map(|found| {
                let line = bytes.split(|byte| *byte == b'\n').find(|line| {
                    let form = forms[found.pattern().as_usize()].1.as_bytes();
                    line.windows(form.len()).any(|window| window == form)
                });
                let line = String::from_utf8_lossy(line.unwrap_or_default()).into_owned();
                (forms[found.pattern().as_usize()].0, line)
            });
            let found: BTreeMap<_, _> = found.collect();
            assert!(found.is_empty(), "{place} holds {found:#?}");
        }
    }
}

/// The characters of base64 that are the same whatever stands before (so many bytes) and after.
pub(super) fn aligned(secret: &str, before: usize) -> String {
    let text = format!("{}{secret}", &"xy"[..before]);
    let packed = STANDARD.encode(&text);
    packed[[0, 2, 3][before]..text.len() * 8 / 6].to_owned()
}

pub(super) fn url_encoded(secret: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    let encode = |byte: u8| {
        if plain(byte) {
            char::from(byte).to_string()
        } else {
            format!("%{byte:02X}")
        }
    };
    secret.bytes().map(encode).collect()
}

/// Calls for every file below a folder that is no link.
pub(super) fn below(folder: &Path, look: &mut dyn FnMut(&Path)) {
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_symlink() {
            continue;
        }
        if path.is_dir() {
            below(&path, look);
        } else if path.is_file() {
            look(&path);
        }
    }
}

/// Runs to the end, and looks at the command lines of all processes meanwhile. The pods' own arguments are as their manifest has them.
pub(super) fn watched(planted: &Planted, run: Run<'_>) -> Ended {
    let (ended, lines) = with_processes(run);
    let others = planted.0.iter();
    let others = others.filter(|(place, _)| !place.ends_with("argument"));
    let others = Planted(others.map(|(place, one)| (*place, one.clone())).collect());
    others.absent("a command line", &lines);
    ended
}

/// Runs to the end; with every command line that there was meanwhile.
pub(super) fn with_processes(run: Run<'_>) -> (Ended, String) {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watch = scope.spawn(|| {
            let (mut seen, mut samples) = (BTreeSet::new(), 0);
            while !done.load(Ordering::Relaxed) {
                for entry in std::fs::read_dir("/proc").unwrap().flatten() {
                    let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
                    let line = String::from_utf8_lossy(&line).replace('\0', " ");
                    // What the bed's clouds run is theirs, and curl is what tests tell them with.
                    if !line.contains("ml-deploy-bed") && !line.starts_with("curl ") {
                        seen.insert(line);
                    }
                }
                samples += 1;
                std::thread::sleep(std::time::Duration::from_millis(25));
            }
            (seen, samples)
        });
        let result = run.run();
        done.store(true, Ordering::Relaxed);
        let (seen, samples) = watch.join().unwrap();
        let lines = Vec::from_iter(seen).join("\n");
        assert!(samples > 10 && lines.contains("ml-deploy "), "{samples}");
        (result, lines)
    })
}

pub(super) fn sh(script: &str) -> String {
    let output = std::process::Command::new("sh")
        .args(["-c", script])
        .output()
        .unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}
