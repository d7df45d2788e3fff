//! Image references as the distribution specification writes them: `host[:port]/path[:tag][@digest]`.
//! Source of the grammar: github.com/distribution/reference, `regexp.go`.

use std::fmt;
use std::str::FromStr;

/// The host that Docker means when a reference names none, and its older name.
const DOCKER_HUB: &str = "docker.io";
const OLDER_HUB: &str = "index.docker.io";

/// A parsed reference. A registry with a port is never taken for a name with a tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reference {
    /// Host with port; `docker.io` when the text names none.
    host: String,
    /// Path without host; `library/` is added for the hub's official images.
    path: String,
    tag: Option<String>,
    digest: Option<String>,
    /// Whether the text named the host.
    explicit_host: bool,
}

impl Reference {
    /// Registry host with port.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// Name in the registry, as in `/v2/<path>/manifests/…`.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    pub(crate) fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    pub(crate) fn digest(&self) -> Option<&str> {
        self.digest.as_deref()
    }

    /// The name as people write it, without tag and digest: `ghcr.io/org/name`, `org/name`, `python`.
    pub(crate) fn repository(&self) -> String {
        if self.explicit_host {
            return format!("{}/{}", self.host, self.path);
        }
        self.path
            .strip_prefix("library/")
            .unwrap_or(&self.path)
            .to_owned()
    }

    /// The last part of the name.
    pub(crate) fn short_name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }

    /// Whether both name the same repository, whatever tag or digest they carry.
    pub(crate) fn same_repository(&self, other: &Self) -> bool {
        self.host == other.host && self.path == other.path
    }

    /// The same repository with this tag.
    pub(crate) fn with_tag(&self, tag: &str) -> Self {
        Self {
            tag: Some(tag.to_owned()),
            digest: None,
            ..self.clone()
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.repository())?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

impl FromStr for Reference {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("is empty".to_owned());
        }
        if text.contains("://") {
            return Err("has a scheme; leave it out".to_owned());
        }
        if text.starts_with(['"', '\'']) {
            return Err("has quotes around it; leave them out".to_owned());
        }
        if text.contains("${") {
            return Err("has an expression that nobody has replaced: they are replaced in a workflow, not in ml-deploy.yml or a shell".to_owned());
        }
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest)),
            None => (text, None),
        };
        if let Some(digest) = digest {
            let hex = digest.strip_prefix("sha256:").unwrap_or_default();
            if hex.len() != 64
                || !hex
                    .bytes()
                    .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
            {
                return Err(format!(
                    "has the digest `{digest}`, which is not `sha256:` and 64 hex digits"
                ));
            }
        }
        // A colon after the last slash starts the tag; one before it belongs to the registry's port.
        let slash = rest.rfind('/').map_or(0, |at| at + 1);
        let (name, tag) = match rest[slash..].find(':') {
            Some(at) => (&rest[..slash + at], Some(&rest[slash + at + 1..])),
            None => (rest, None),
        };
        if let Some(tag) = tag {
            check_tag(tag).map_err(|why| format!("has a bad tag: {why}"))?;
        }
        let (host, path) = match name.split_once('/') {
            Some((first, path)) if first.contains(['.', ':']) || first == "localhost" => {
                (Some(first), path)
            }
            _ => (None, name),
        };
        check_path(path)?;
        let explicit_host = host.is_some();
        let host = match host {
            None | Some(OLDER_HUB) => DOCKER_HUB,
            Some(host) => host,
        };
        let path = if host != DOCKER_HUB || path.contains('/') {
            path.to_owned()
        } else {
            format!("library/{path}")
        };
        Ok(Self {
            host: host.to_owned(),
            path,
            tag: tag.map(str::to_owned),
            digest: digest.map(str::to_owned),
            explicit_host,
        })
    }
}

/// Checks a tag: at most 128 characters of `[A-Za-z0-9_.-]`, the first not `.` or `-`.
pub(crate) fn check_tag(tag: &str) -> Result<(), String> {
    let valid = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
    if tag.is_empty() || tag.len() > 128 || !tag.bytes().all(valid) || tag.starts_with(['.', '-']) {
        return Err(format!(
            "tag `{tag}` is not 1 to 128 of letters, digits, `_`, `.`, `-`, begun by a letter, digit or `_`"
        ));
    }
    Ok(())
}

fn check_path(path: &str) -> Result<(), String> {
    if path.bytes().any(|b| b.is_ascii_uppercase()) {
        return Err(format!(
            "has upper-case letters; repositories are lower case: `{}`",
            path.to_lowercase()
        ));
    }
    for part in path.split('/') {
        if part.is_empty() {
            return Err("has nothing between or after its slashes".to_owned());
        }
        let valid =
            |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'.' | b'-');
        let edge = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        if !part.bytes().all(valid) || !edge(part.bytes().next()) || !edge(part.bytes().last()) {
            return Err(format!(
                "has the part `{part}`, which is not lower-case letters and digits, separated by `.`, `_` or `-`"
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Reference {
        text.parse().unwrap()
    }

    #[test]
    fn a_registry_with_a_port_is_not_a_name_with_a_tag() {
        let reference = parse("localhost:5000/team/wine");
        assert_eq!(
            (reference.host(), reference.path(), reference.tag()),
            ("localhost:5000", "team/wine", None)
        );
        let reference = parse("localhost:5000/team/wine:v1");
        assert_eq!(reference.tag(), Some("v1"));
        assert_eq!(reference.to_string(), "localhost:5000/team/wine:v1");
    }

    #[test]
    fn names_without_a_host_belong_to_docker_hub() {
        let reference = parse("python:3.11-slim");
        assert_eq!(
            (reference.host(), reference.path()),
            ("docker.io", "library/python")
        );
        assert_eq!(reference.to_string(), "python:3.11-slim");
        assert_eq!(parse("org/name").repository(), "org/name");
        // It has several names, and official images a folder of their own under each.
        for text in ["docker.io/python:3.11", "index.docker.io/library/python"] {
            let reference = parse(text);
            assert_eq!(
                (reference.host(), reference.path()),
                ("docker.io", "library/python")
            );
            assert!(reference.same_repository(&parse("python")), "{text}");
            assert_eq!(reference.repository(), "docker.io/library/python");
        }
        assert!(parse("index.docker.io/org/name").same_repository(&parse("org/name")));
        assert_eq!(parse("docker.io.example/name").path(), "name");
    }

    #[test]
    fn tag_and_digest_may_stand_together() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let reference = parse(&format!("ghcr.io/o/n:t@{digest}"));
        assert_eq!(
            (reference.tag(), reference.digest()),
            (Some("t"), Some(digest.as_str()))
        );
        assert!(reference.same_repository(&parse("ghcr.io/o/n")));
        assert!(!reference.same_repository(&parse("ghcr.io/o/m")));
    }

    #[test]
    fn bad_references_say_why() {
        for (text, why) in [
            ("", "empty"),
            (
                "ghcr.io/Org/Name",
                "ghcr.io/Org/Name"
                    .split_once('/')
                    .unwrap()
                    .1
                    .to_lowercase()
                    .as_str(),
            ),
            ("https://ghcr.io/o/n", "scheme"),
            ("o/n:", "tag"),
            ("o/n@sha256:12", "digest"),
            ("o//n", "nothing between"),
            ("ghcr.io/o/", "nothing between"),
            ("o/n_", "part"),
            ("\"ghcr.io/o/n\"", "quotes"),
            ("ghcr.io/${{ github.repository }}", "nobody has replaced"),
        ] {
            let error = text.parse::<Reference>().unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
