//! Which of a cluster's addresses is used, by what Google says of it. Pure.
//! Source: cloud.google.com/kubernetes-engine/docs/reference/rest/v1/projects.locations.clusters, `controlPlaneEndpointsConfig`.

use serde_json::Value;

/// One way to a cluster.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// From anywhere, with the cluster's own authority.
    Public(String),
    /// By a name of Google's with a certificate that everybody trusts; rights decide who comes in.
    Name(String),
    /// From some places only, and what to say elsewhere.
    Hidden { address: String, why: &'static str },
}

/// The best way there is: an address that everybody may use, else the name, else an address that we may be able to reach.
pub(super) fn way(found: &Value) -> Option<Way> {
    let ends = &found["controlPlaneEndpointsConfig"];
    let text = |value: &Value| {
        value
            .as_str()
            .filter(|text| !text.is_empty())
            .map(str::to_owned)
    };
    let ip = &ends["ipEndpointsConfig"];
    let by_ip = ip["enabled"].as_bool() != Some(false);
    let private_only = found["privateClusterConfig"]["enablePrivateEndpoint"].as_bool()
        == Some(true)
        || ip["enablePublicEndpoint"].as_bool() == Some(false);
    let public = (by_ip && !private_only)
        .then(|| text(&ip["publicEndpoint"]).or_else(|| text(&found["endpoint"])))
        .flatten();
    let networks = |value: &Value| value["enabled"].as_bool() == Some(true);
    let restricted = networks(&found["masterAuthorizedNetworksConfig"])
        || networks(&ip["authorizedNetworksConfig"]);
    if let Some(address) = public.clone().filter(|_| !restricted) {
        return Some(Way::Public(address));
    }
    let dns = &ends["dnsEndpointConfig"];
    if let Some(name) = text(&dns["endpoint"])
        && dns["allowExternalTraffic"].as_bool() == Some(true)
    {
        return Some(Way::Name(name));
    }
    if let Some(address) = public {
        return Some(Way::Hidden {
            address,
            why: "the cluster takes requests from its authorised networks only, and this machine is in none of them",
        });
    }
    let private = text(&ip["privateEndpoint"])
        .or_else(|| text(&found["privateClusterConfig"]["privateEndpoint"]))
        .or_else(|| text(&found["endpoint"]))
        .filter(|_| by_ip)?;
    Some(Way::Hidden {
        address: private,
        why: "the cluster has a private endpoint only, which this machine does not reach",
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_way_that_is_open_is_taken() {
        let dns = |open: bool| json!({"endpoint": "gke-1.europe-west4.gke.goog", "allowExternalTraffic": open});
        let name = Some(Way::Name("gke-1.europe-west4.gke.goog".to_owned()));
        let public = json!({"endpoint": "203.0.113.7"});
        assert_eq!(way(&public), Some(Way::Public("203.0.113.7".to_owned())));
        let both = json!({"endpoint": "203.0.113.7", "controlPlaneEndpointsConfig": {"dnsEndpointConfig": dns(true)}});
        assert_eq!(way(&both), Some(Way::Public("203.0.113.7".to_owned())));
        // An open name is better than an address that some may use.
        let some = |open: bool| {
            json!({"endpoint": "203.0.113.7", "masterAuthorizedNetworksConfig": {"enabled": true},
                "controlPlaneEndpointsConfig": {"dnsEndpointConfig": dns(open)}})
        };
        assert_eq!(way(&some(true)), name);
        assert!(
            matches!(way(&some(false)), Some(Way::Hidden { address, .. }) if address == "203.0.113.7")
        );
        let private = |open: bool| {
            json!({"endpoint": "10.0.0.2", "privateClusterConfig": {"enablePrivateEndpoint": true, "privateEndpoint": "10.0.0.2"},
                "controlPlaneEndpointsConfig": {"dnsEndpointConfig": dns(open)}})
        };
        assert_eq!(way(&private(true)), name);
        assert!(
            matches!(way(&private(false)), Some(Way::Hidden { address, why }) if address == "10.0.0.2" && why.contains("private"))
        );
        let by_name = |open: bool| json!({"endpoint": "", "controlPlaneEndpointsConfig": {"ipEndpointsConfig": {"enabled": false}, "dnsEndpointConfig": dns(open)}});
        assert_eq!(way(&by_name(true)), name);
        assert_eq!(way(&by_name(false)), None);
    }
}
