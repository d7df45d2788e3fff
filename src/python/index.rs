//! Translates what a company has told pip (variables, `pip.conf`) for uv, which reads neither. Pure; what uv was told
//! itself always wins.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Where pip looks for its configuration, weakest first. Source: pip's documentation, "Configuration".
pub(super) fn pip_files(variable: impl Fn(&str) -> Option<String>) -> Vec<PathBuf> {
    let explicit = variable("PIP_CONFIG_FILE");
    if explicit.as_deref() == Some("/dev/null") {
        return Vec::new();
    }
    let mut files = vec![
        PathBuf::from("/etc/xdg/pip/pip.conf"),
        PathBuf::from("/etc/pip.conf"),
    ];
    if let Some(home) = variable("HOME").map(PathBuf::from) {
        let config =
            variable("XDG_CONFIG_HOME").map_or_else(|| home.join(".config"), PathBuf::from);
        files.push(home.join(".pip/pip.conf"));
        files.push(config.join("pip/pip.conf"));
    }
    files.extend(explicit.map(PathBuf::from));
    files
}

/// uv's variables for pip's settings: `files` are the texts of `pip_files`, weakest first.
pub(super) fn for_uv(
    variable: impl Fn(&str) -> Option<String>,
    files: &[String],
) -> Vec<(&'static str, String)> {
    let file = settings(files);
    let variable = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
    let pip = |key: &str| {
        variable(&pip_variable(key))
            .or_else(|| file.get(key).cloned())
            .filter(|value| !value.is_empty())
    };
    let words = |value: String| {
        value
            .split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let untold = |names: &[&str]| names.iter().all(|name| variable(name).is_none());

    let mut out = Vec::new();
    if untold(&["UV_DEFAULT_INDEX", "UV_INDEX_URL"]) {
        out.extend(pip("index-url").map(|url| ("UV_DEFAULT_INDEX", url)));
    }
    if untold(&["UV_INDEX", "UV_EXTRA_INDEX_URL"]) {
        out.extend(pip("extra-index-url").map(|urls| ("UV_INDEX", words(urls).join(" "))));
    }
    if untold(&["UV_FIND_LINKS"]) {
        // pip passes over a folder that is not there, uv ends.
        let there = |link: &String| link.contains("://") || Path::new(link).exists();
        let links: Vec<_> = pip("find-links")
            .map(words)
            .unwrap_or_default()
            .into_iter()
            .filter(there)
            .collect();
        if !links.is_empty() {
            out.push(("UV_FIND_LINKS", links.join(",")));
        }
    }
    if untold(&["UV_NO_INDEX"])
        && pip("no-index").is_some_and(|on| matches!(on.as_str(), "1" | "true" | "yes" | "on"))
    {
        out.push(("UV_NO_INDEX", "1".to_owned()));
    }
    if untold(&["UV_INSECURE_HOST"]) {
        out.extend(pip("trusted-host").map(|hosts| ("UV_INSECURE_HOST", words(hosts).join(" "))));
    }
    if untold(&["UV_CONSTRAINT"]) {
        out.extend(pip("constraint").map(|paths| ("UV_CONSTRAINT", words(paths).join(" "))));
    }
    if untold(&["UV_HTTP_TIMEOUT"]) {
        let seconds = pip("default-timeout").or_else(|| pip("timeout"));
        out.extend(
            seconds
                .filter(|s| s.parse::<u32>().is_ok())
                .map(|s| ("UV_HTTP_TIMEOUT", s)),
        );
    }
    if untold(&["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"]) {
        out.extend(pip("proxy").map(|proxy| ("ALL_PROXY", proxy)));
    }
    if untold(&["SSL_CERT_FILE"]) {
        let cert = pip("cert")
            .or_else(|| variable("REQUESTS_CA_BUNDLE"))
            .or_else(|| variable("CURL_CA_BUNDLE"));
        out.extend(cert.map(|cert| ("SSL_CERT_FILE", cert)));
    }
    out
}

/// The variable that says what this key of pip.conf says.
pub(super) fn pip_variable(key: &str) -> String {
    format!("PIP_{}", key.to_uppercase().replace('-', "_"))
}

/// pip's settings for an installation: `files` are the texts of `pip_files`, weakest first.
pub(super) fn settings(files: &[String]) -> BTreeMap<String, String> {
    let mut file = BTreeMap::new();
    for text in files {
        // The section of the command is stronger than [global].
        for section in ["global", "install"] {
            file.extend(section_of(text, section));
        }
    }
    file.retain(|_, value: &mut String| !value.trim().is_empty());
    file
}

/// The settings of one section of an INI file; an indented line goes on with the one before.
fn section_of(text: &str, wanted: &str) -> Vec<(String, String)> {
    let mut settings: Vec<(String, String)> = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with(['#', ';']) {
            continue;
        }
        if trimmed.starts_with('[') {
            inside = trimmed.trim_matches(['[', ']']).trim() == wanted;
        } else if !inside {
        } else if line.starts_with([' ', '\t']) && !settings.is_empty() {
            if let Some((_, value)) = settings.last_mut() {
                value.push(' ');
                value.push_str(trimmed);
            }
        } else if let Some((key, value)) = trimmed.split_once(['=', ':']) {
            settings.push((
                key.trim().to_lowercase().replace('_', "-"),
                value.trim().to_owned(),
            ));
        }
    }
    settings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn translated(variables: &[(&str, &str)], files: &[&str]) -> BTreeMap<&'static str, String> {
        let lookup = |name: &str| {
            variables
                .iter()
                .find(|(n, _)| *n == name)
                .map(|(_, v)| (*v).to_owned())
        };
        let files: Vec<String> = files.iter().map(|f| (*f).to_owned()).collect();
        for_uv(lookup, &files).into_iter().collect()
    }

    #[test]
    fn a_pip_conf_is_translated() {
        let file = "[global]\nindex-url = https://u:p@pypi.corp/simple\nextra_index_url =\n    https://a/simple\n    https://b/simple\n\
                    trusted-host = pypi.corp\ncert = /etc/corp.pem\n[list]\nformat = columns\n[install]\nno-index = true\n";
        let told = translated(&[], &[file]);
        assert_eq!(told["UV_DEFAULT_INDEX"], "https://u:p@pypi.corp/simple");
        assert_eq!(told["UV_INDEX"], "https://a/simple https://b/simple");
        assert_eq!(told["UV_INSECURE_HOST"], "pypi.corp");
        assert_eq!(told["SSL_CERT_FILE"], "/etc/corp.pem");
        assert_eq!(told["UV_NO_INDEX"], "1");
    }

    #[test]
    fn variables_beat_files_and_uv_s_own_beat_both() {
        let file = "[global]\nindex-url = https://file/simple";
        assert_eq!(
            translated(&[("PIP_INDEX_URL", "https://var/simple")], &[file])["UV_DEFAULT_INDEX"],
            "https://var/simple"
        );
        assert!(
            translated(
                &[
                    ("UV_INDEX_URL", "https://uv/simple"),
                    ("PIP_INDEX_URL", "https://var")
                ],
                &[file]
            )
            .is_empty()
        );
        assert!(translated(&[("PIP_FIND_LINKS", "/nonexistent")], &[]).is_empty());
    }
}
