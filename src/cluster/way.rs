//! Whether an API server is reached through a proxy: what the kubeconfig names, else what the variables say of its address.

use hyper_util::client::proxy::matcher::Matcher;
use kube::Config;
use kube::config::Kubeconfig;

/// The proxy that the kubeconfig names for the cluster of a context.
pub(super) fn named(found: &Kubeconfig, context: &str) -> Option<String> {
    let context = found.contexts.iter().find(|one| one.name == context)?;
    let cluster = &context.context.as_ref()?.cluster;
    let cluster = found.clusters.iter().find(|one| one.name == *cluster)?;
    let proxy = cluster.cluster.as_ref()?.proxy_url.clone();
    proxy.filter(|proxy| !proxy.is_empty())
}

/// Settles it. The client's own library would hold NO_PROXY against the proxy's address instead of the cluster's.
pub(super) fn settle(config: &mut Config, named: Option<&str>) {
    settle_by(config, named, &Matcher::from_env());
}

fn settle_by(config: &mut Config, named: Option<&str>, variables: &Matcher) {
    let taken = config.proxy_url.take();
    config.proxy_url = match named.and_then(|proxy| proxy.parse().ok()) {
        Some(named) => Some(named),
        None => variables
            .intercept(&config.cluster_url)
            // A login for the proxy is only in what the library took.
            .and_then(|found| taken.or_else(|| Some(found.uri().clone()))),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn way(server: &str, taken: Option<&str>, named: Option<&str>) -> Option<String> {
        let mut config = Config::new(server.parse().unwrap());
        config.proxy_url = taken.map(|proxy| proxy.parse().unwrap());
        let variables = Matcher::builder()
            .https("http://proxy:3128")
            .no("10.0.0.0/8,.azmk8s.io,127.0.0.1")
            .build();
        settle_by(&mut config, named, &variables);
        config.proxy_url.map(|proxy| proxy.to_string())
    }

    #[test]
    fn what_needs_no_proxy_is_reached_without() {
        let taken = Some("http://me:pw@proxy:3128");
        assert_eq!(way("https://127.0.0.1:6443", taken, None), None);
        assert_eq!(way("https://10.1.2.3", taken, None), None);
        assert_eq!(way("https://a.hcp.azmk8s.io", taken, None), None);
        let other = "https://k8s.example";
        assert_eq!(
            way(other, taken, None).as_deref(),
            Some("http://me:pw@proxy:3128/")
        );
        assert_eq!(
            way(other, None, None).as_deref(),
            Some("http://proxy:3128/")
        );
        // What the kubeconfig says of its own cluster holds whatever the variables say.
        let named = Some("http://own:1");
        assert_eq!(
            way("https://127.0.0.1", None, named).as_deref(),
            Some("http://own:1/")
        );
    }

    #[test]
    fn a_kubeconfig_may_name_the_proxy_of_a_cluster() {
        let text = "apiVersion: v1\nkind: Config\ncontexts: [{name: a, context: {cluster: c}}, {name: b, context: {cluster: d}}]\nclusters: [{name: c, cluster: {server: 'https://x', proxy-url: 'http://p:1'}}, {name: d, cluster: {server: 'https://y'}}]\n";
        let found = Kubeconfig::from_yaml(text).unwrap();
        assert_eq!(named(&found, "a").as_deref(), Some("http://p:1"));
        assert_eq!(named(&found, "b"), None);
    }
}
