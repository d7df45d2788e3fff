//! The address of a Git remote, taken apart. It knows no CI.

/// Where the repository lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Remote {
    pub(super) host: String,
    /// `owner/name`, without `.git`.
    pub(super) path: String,
}

/// Takes `https://host/owner/name.git`, `ssh://git@host:22/owner/name` and `git@host:owner/name.git`; `None` for a folder.
pub(super) fn parse(url: &str) -> Option<Remote> {
    let (host, path) = match url.split_once("://") {
        Some((_, rest)) => rest.split_once('/')?,
        None => url
            .split_once(':')
            .filter(|(host, _)| !host.contains('/'))?,
    };
    let host = host.rsplit('@').next().unwrap_or(host);
    let host = host.split(':').next().unwrap_or(host);
    let path = path.trim_matches('/').trim_end_matches(".git");
    (!host.is_empty() && path.contains('/')).then(|| Remote {
        host: host.to_lowercase(),
        path: path.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_write_a_remote_is_understood() {
        for url in [
            "https://github.com/Acme/wine.git",
            "https://token@github.com/Acme/wine",
            "ssh://git@github.com:22/Acme/wine.git",
            "git@github.com:Acme/wine.git",
        ] {
            let remote = parse(url).unwrap();
            assert_eq!(
                (remote.host.as_str(), remote.path.as_str()),
                ("github.com", "Acme/wine"),
                "{url}"
            );
        }
        for url in ["/srv/git/wine", "../wine.git", "file:///srv/wine", ""] {
            assert_eq!(parse(url), None, "{url}");
        }
    }
}
