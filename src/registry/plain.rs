//! Which registries are asked without TLS: those of this machine, and those that the engine is told to ask so
//! (`insecure-registries`). A password is never sent without TLS to any other.
//! Source: docs.docker.com/reference/cli/dockerd, "Insecure registries".

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use reqwest::Client;

/// What the engine says of its insecure registries, once it was asked. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plain(Arc<OnceLock<Insecure>>);

/// An engine's insecure registries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Insecure {
    /// `HOST:PORT`.
    pub(crate) names: Vec<String>,
    /// `10.0.0.0/8`: every registry with an address in there.
    pub(crate) networks: Vec<String>,
}

impl Plain {
    /// From now on the engine's word counts.
    pub(crate) fn tell(&self, insecure: Insecure) {
        drop(self.0.set(insecure));
    }

    /// Whether the engine would go on without TLS there, and there is none. As the engine, we try with TLS first.
    pub(super) async fn is_meant(&self, host: &str, client: &Client) -> bool {
        let Some(insecure) = self.0.get() else {
            return false;
        };
        if !insecure.names.iter().any(|name| name == host) {
            let Ok(found) = tokio::net::lookup_host(with_port(host)).await else {
                return false;
            };
            if !found
                .into_iter()
                .any(|one| insecure.networks.iter().any(|net| holds(net, one.ip())))
            {
                return false;
            }
        }
        match client.get(format!("https://{host}/v2/")).send().await {
            Ok(_) => false,
            Err(error) => speaks_no_tls(&error),
        }
    }
}

/// Registries on this machine are asked without TLS, as the engine does.
pub(super) fn is_local(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(rest),
        None => host.split(':').next().unwrap_or(host),
    };
    name == "localhost"
        || name
            .parse()
            .is_ok_and(|address: IpAddr| address.is_loopback())
}

/// Whether what answered the first word of TLS was something else.
pub(super) fn speaks_no_tls(error: &reqwest::Error) -> bool {
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = cause {
        if error.to_string().contains("corrupt message") {
            return true;
        }
        cause = error.source();
    }
    false
}

fn with_port(host: &str) -> String {
    let has_port = host
        .rsplit_once(':')
        .is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    match has_port {
        true => host.to_owned(),
        false => format!("{host}:443"),
    }
}

/// Whether an address lies in `ADDRESS/BITS`.
fn holds(network: &str, address: IpAddr) -> bool {
    let Some((base, bits)) = network.split_once('/') else {
        return false;
    };
    let (Ok(base), Ok(bits)) = (base.parse::<IpAddr>(), bits.parse::<u32>()) else {
        return false;
    };
    // What differs lies behind the network's bits.
    match (base, address) {
        (IpAddr::V4(base), IpAddr::V4(address)) => {
            (base.to_bits() ^ address.to_bits()).leading_zeros() >= bits.min(32)
        }
        (IpAddr::V6(base), IpAddr::V6(address)) => {
            (base.to_bits() ^ address.to_bits()).leading_zeros() >= bits.min(128)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_asked_without_tls() {
        for here in [
            "127.0.0.1:5001",
            "localhost:5000",
            "127.3.0.1",
            "[::1]:5000",
        ] {
            assert!(is_local(here), "{here}");
        }
        for other in [
            "registry.test:5003",
            "10.0.0.1:5000",
            "localhost.test",
            "[fe80::1]:5000",
        ] {
            assert!(!is_local(other), "{other}");
        }
    }

    #[test]
    fn networks_hold_their_addresses() {
        let holds = |network, address: &str| holds(network, address.parse().unwrap());
        assert!(holds("10.0.0.0/8", "10.200.3.4") && holds("192.168.7.9/32", "192.168.7.9"));
        assert!(holds("0.0.0.0/0", "8.8.8.8") && holds("::1/128", "::1"));
        assert!(!holds("10.0.0.0/8", "11.0.0.1") && !holds("192.168.7.9/32", "192.168.7.8"));
        assert!(!holds("10.0.0.0/8", "::1") && !holds("nonsense", "10.0.0.1"));
    }
}
