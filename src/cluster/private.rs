//! Why an API server of a cloud may not be reached from here, by its address. Pure.

use reqwest::Url;

/// How the API servers of AKS are called: in the world, in China, in the cloud of the United States' government.
const AKS: [&str; 3] = [
    ".azmk8s.io",
    ".cx.prod.service.azk8s.cn",
    ".cx.aks.containerservice.azure.us",
];

/// What to do when nobody answers at this address; `None` when its name says nothing.
pub(super) fn advice(server: &str) -> Option<&'static str> {
    let url: Url = server.parse().ok()?;
    let host = url.host_str()?;
    if !AKS.iter().any(|end| host.ends_with(end)) {
        return None;
    }
    Some(if host.contains(".privatelink.") {
        "the cluster is private: only its virtual network (and what is peered with it) reaches it; run this job on a runner in there, such as a self-hosted one"
    } else {
        "the cluster may let in only some addresses (`az aks show --query apiServerAccessProfile` lists them) or be private: add the runner's address, or run this job on a runner in its network; a stopped cluster answers nobody either (`az aks start`)"
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_clusters_are_known_by_their_address() {
        let private = "https://serving-1a2b.0f0e0d0c-0000-4000-8000-000000000000.privatelink.westeurope.azmk8s.io:443";
        assert!(advice(private).unwrap().contains("is private"));
        let public = "https://serving-1a2b.hcp.westeurope.azmk8s.io:443";
        assert!(advice(public).unwrap().contains("only some addresses"));
        let china = "https://serving-1a2b.0f0e.privatelink.chinaeast2.cx.prod.service.azk8s.cn:443";
        assert!(advice(china).unwrap().contains("is private"));
        let government = "https://serving-1a2b.hcp.usgovvirginia.cx.aks.containerservice.azure.us";
        assert!(advice(government).unwrap().contains("only some addresses"));
        assert_eq!(advice("https://127.0.0.1:6443"), None);
    }
}
