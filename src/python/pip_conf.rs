//! What a company has told pip or uv on this machine, as a pip.conf that holds in another place too: the inside of an image
//! build. Pure, but for reading the files.

use std::path::{Path, PathBuf};
use std::{env, fs};

use super::index;
use crate::passwords;

/// The settings that mean the same everywhere; a `cert`, a `target` or a cache are paths of this machine. Beside each, the
/// variables of uv that say it. Source: pip's documentation, "Configuration"; uv's, "Environment variables".
const PORTABLE: &[(&str, &[&str])] = &[
    ("index-url", &["UV_DEFAULT_INDEX", "UV_INDEX_URL"]),
    ("extra-index-url", &["UV_INDEX", "UV_EXTRA_INDEX_URL"]),
    ("trusted-host", &["UV_INSECURE_HOST"]),
    ("proxy", &[]),
    ("timeout", &[]),
    ("retries", &[]),
];

/// What a build must know of the machine's package index. All of it may hold passwords.
#[derive(Debug, Default)]
pub(crate) struct PackageIndex {
    /// The text of a pip.conf; `None` when nobody has told pip anything.
    pub(crate) pip_conf: Option<String>,
    /// A company's certificate authority: the PEM file that pip's configuration names.
    pub(crate) authority: Option<PathBuf>,
    /// Passwords within the URLs.
    pub(crate) passwords: Vec<String>,
}

/// Reads the machine's configuration of pip and uv.
pub(crate) fn package_index() -> PackageIndex {
    let variable = |name: &str| env::var(name).ok().filter(|value| !value.trim().is_empty());
    let files: Vec<String> = index::pip_files(variable)
        .iter()
        .filter_map(|path| fs::read_to_string(path).ok())
        .collect();
    let pip_conf = portable(variable, &files);
    let found = pip_conf
        .as_deref()
        .map(passwords::in_urls)
        .unwrap_or_default();
    let authority = setting(variable, &files, "cert").map(PathBuf::from);
    PackageIndex {
        pip_conf,
        authority: authority.filter(|path| Path::new(path).is_file()),
        passwords: found,
    }
}

/// pip's own variable, else uv's, else the files.
fn portable(variable: impl Fn(&str) -> Option<String>, files: &[String]) -> Option<String> {
    let mut text = String::new();
    for (key, of_uv) in PORTABLE {
        let told = variable(&index::pip_variable(key))
            .or_else(|| of_uv.iter().find_map(|name| variable(name)).map(plain_urls))
            .or_else(|| setting(|_| None, files, key));
        if let Some(value) = told {
            // Several values stand on lines of their own, which pip also splits at blanks.
            text.push_str(&format!("{key} = {}\n", value.trim()));
        }
    }
    (!text.is_empty()).then(|| format!("[global]\n{text}"))
}

fn setting(
    variable: impl Fn(&str) -> Option<String>,
    files: &[String],
    key: &str,
) -> Option<String> {
    variable(&index::pip_variable(key)).or_else(|| index::settings(files).remove(key))
}

/// uv lets an index have a name, `name=https://…`; pip does not.
fn plain_urls(value: String) -> String {
    let urls = value
        .split_whitespace()
        .map(|word| match word.split_once('=') {
            Some((name, url)) if !name.contains("://") => url,
            _ => word,
        });
    urls.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(variables: &[(&str, &str)], files: &[&str]) -> Option<String> {
        let files: Vec<String> = files.iter().map(|text| (*text).to_owned()).collect();
        let lookup = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        portable(lookup, &files)
    }

    #[test]
    fn only_what_holds_elsewhere_is_taken() {
        let file = "[global]\nindex-url = https://u:p@h/simple\ncert = /etc/corp.pem\ntarget = /here\n[install]\ntrusted-host = h\n";
        let text = told(&[], &[file]).unwrap();
        assert_eq!(
            text,
            "[global]\nindex-url = https://u:p@h/simple\ntrusted-host = h\n"
        );
        assert_eq!(told(&[], &["[global]\ncert = /etc/corp.pem\n"]), None);
    }

    #[test]
    fn a_variable_replaces_its_own_setting_and_no_other() {
        let file = "[global]\nindex-url = https://file\nextra-index-url = https://more\n";
        let text = told(&[("PIP_INDEX_URL", "https://variable")], &[file]).unwrap();
        assert_eq!(
            text,
            "[global]\nindex-url = https://variable\nextra-index-url = https://more\n"
        );
    }

    #[test]
    fn what_only_uv_was_told_is_told_to_pip() {
        let variables = [
            ("UV_INDEX_URL", "https://u:p@h/simple"),
            ("UV_INDEX", "corp=https://a https://b?x=y"),
        ];
        let text = told(&variables, &[]).unwrap();
        assert_eq!(
            text,
            "[global]\nindex-url = https://u:p@h/simple\nextra-index-url = https://a https://b?x=y\n"
        );
    }
}
