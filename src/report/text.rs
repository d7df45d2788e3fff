//! Plain text that is the program's whole answer: help, a plan, a schema. No events are involved.

use std::io::Write;

use secrecy::{ExposeSecret as _, SecretString};

use super::neutral::{self, Escapes};
use super::redact::Redactor;

/// Prints what clap has to say, help or a wrong command line, and returns the exit status that belongs to it.
pub(crate) fn clap(text: &clap::Error) -> u8 {
    // Nobody may be listening any more (`| head`), and then nothing can be said about it either.
    drop(text.print());
    u8::try_from(text.exit_code()).unwrap_or(2)
}

/// Prints a text of our own as it is, and returns exit status 0.
pub(crate) fn page(text: &str) -> u8 {
    drop(std::io::stdout().lock().write_all(text.as_bytes()));
    0
}

/// Prints lines, without these values and as harmless as a log, and returns exit status 0.
pub(crate) fn lines(secrets: &[SecretString], lines: &[String]) -> u8 {
    let mut redactor = Redactor::default();
    redactor.add(secrets.iter().map(|secret| secret.expose_secret()));
    let mut out = std::io::stdout().lock();
    for line in lines {
        let text = format!("{}\n", redactor.redact(line));
        drop(out.write_all(neutral::lines(&text, Escapes::Strip).as_bytes()));
    }
    0
}
