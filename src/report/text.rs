//! Plain text that is the program's whole answer: help, a plan, a schema. No events are involved.

use std::io::Write;

/// Prints what clap has to say, help or a wrong command line, and returns the exit status that belongs to it.
pub(crate) fn clap(text: &clap::Error) -> u8 {
    // Nobody may be listening any more (`| head`), and then nothing can be said about it either.
    drop(text.print());
    u8::try_from(text.exit_code()).unwrap_or(2)
}

/// Prints lines and returns exit status 0.
pub(crate) fn lines(lines: &[String]) -> u8 {
    let mut out = std::io::stdout().lock();
    drop(writeln!(out, "{}", lines.join("\n")));
    0
}
