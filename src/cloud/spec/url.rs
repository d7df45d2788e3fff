//! Which addresses of the inputs may be sent a secret.

/// Whether a secret may be sent there: over TLS, or within this machine.
pub(crate) fn may_carry_secrets(url: &str) -> bool {
    let Ok(url) = url.parse::<reqwest::Url>() else {
        return false;
    };
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
    let here = host == "localhost" || address.is_ok_and(|address| address.is_loopback());
    url.scheme() == "https" || url.scheme() == "http" && here
}
