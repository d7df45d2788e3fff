//! Subcommands that answer from the program itself, whatever inputs or files say: the explanation of a code, a completion script, the
//! manual page. It makes text and prints nothing.

use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser as _};

use super::cli::{Cli, Command};
use super::parsed::Parsed;
use crate::explain;

/// The answer, when the arguments ask for one.
pub(super) fn asked(args: &[String]) -> Option<Parsed> {
    match args.first().map(String::as_str)? {
        "explain" => explained(args),
        "completions" | "man" => {
            let words = std::iter::once("ml-deploy").chain(args.iter().map(String::as_str));
            Some(match Cli::try_parse_from(words) {
                Ok(cli) => page(&cli.command),
                Err(error) => Parsed::Text(Box::new(error)),
            })
        }
        _ => None,
    }
}

/// A code, or a word that can be no file; anything else is a bundle.
fn explained(args: &[String]) -> Option<Parsed> {
    let name = args.get(1).filter(|name| !name.starts_with('-'))?;
    if let Some(code) = explain::known(name) {
        return Some(Parsed::Page(explain::page(code)));
    }
    if name.contains(['.', '/']) || std::path::Path::new(name).exists() {
        return None;
    }
    let help = match explain::nearest(name) {
        Some(code) => format!("did you mean `{}`? docs/codes.md lists all", code.slug()),
        None => "docs/codes.md lists all codes; a bundle is given by its path".to_owned(),
    };
    Some(wrong(&format!("unknown code `{name}`; {help}")))
}

/// A mistake of a person at a terminal: no run, so no report, which would replace that of the last run.
fn wrong(message: &str) -> Parsed {
    let error = Cli::command().error(ErrorKind::InvalidValue, message);
    Parsed::Text(Box::new(error))
}

fn page(command: &Command) -> Parsed {
    let mut root = Cli::command();
    let mut text = Vec::new();
    match command {
        Command::Completions { shell } => {
            clap_complete::generate(*shell, &mut root, "ml-deploy", &mut text);
            // It takes the hyphen of our name for the border of a subcommand in one of two places that must agree.
            let script = String::from_utf8_lossy(&text).replace("ml__subcmd__deploy", "ml__deploy");
            text = script.into_bytes();
        }
        Command::Man { command } => {
            root.build();
            let named = command
                .as_ref()
                .map(|name| root.find_subcommand(name).cloned());
            let page = match named {
                None => root,
                Some(Some(command)) => command,
                Some(None) => {
                    let known = root.get_subcommands().filter(|one| !one.is_hide_set());
                    let known: Vec<_> = known.map(clap::Command::get_name).collect();
                    let known = known.join(", ");
                    let name = command.as_deref().unwrap_or_default();
                    return wrong(&format!(
                        "no subcommand is called `{name}`; there are {known}"
                    ));
                }
            };
            // Writing into memory cannot fail.
            drop(clap_mangen::Man::new(page).render(&mut text));
        }
        _ => {}
    }
    Parsed::Page(String::from_utf8_lossy(&text).into_owned())
}
