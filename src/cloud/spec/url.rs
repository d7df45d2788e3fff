//! Which addresses of the inputs may be sent a secret.

use std::net::IpAddr;

/// Whether a secret may be sent there: over TLS, or within this machine.
pub(crate) fn may_carry_secrets(url: &str) -> bool {
    let Ok(url) = url.parse::<reqwest::Url>() else {
        return false;
    };
    let here = url.host_str() == Some("localhost")
        || address(&url).is_some_and(|address| address.is_loopback());
    url.scheme() == "https" || url.scheme() == "http" && here
}

/// Whether it is of this machine's own link, where clouds answer their machines: no router hands such packets on.
pub(super) fn is_next_door(url: &str) -> bool {
    let address = url.parse().ok().and_then(|url| address(&url));
    address.is_some_and(|address| match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    })
}

fn address(url: &reqwest::Url) -> Option<IpAddr> {
    let host = url.host_str()?.trim_matches(['[', ']']);
    host.parse().ok()
}
