//! What lets a cluster's nodes pull from a registry of its cloud, where no pull secret is needed but a right. Pure.

use serde_json::Value;

use crate::cluster::text;

/// What to do when the registry refuses the node: the cloud's own way before a stored secret. `None` for other registries.
pub(super) fn advice(pod: &Value, container: &str) -> Option<String> {
    let lists = ["/spec/containers", "/spec/initContainers"];
    let all = lists
        .iter()
        .filter_map(|list| pod.pointer(list)?.as_array())
        .flatten();
    let image = all
        .filter(|one| text(one, "/name") == container)
        .map(|one| text(one, "/image"))
        .next()?;
    let host = image.split('/').next()?;
    let name = host.split('.').next()?;
    let way = if host.ends_with(".azurecr.io") {
        format!(
            "attach the registry to the cluster: `az aks update --resource-group GROUP --name CLUSTER --attach-acr {name}`, which gives its nodes the role AcrPull"
        )
    } else if host.contains(".dkr.ecr.") {
        "give the nodes' role the policy AmazonEC2ContainerRegistryPullOnly; another account's registry also needs a repository policy".to_owned()
    } else if host.ends_with("-docker.pkg.dev") || host.ends_with("gcr.io") {
        "give the nodes' service account the role roles/artifactregistry.reader on the repository"
            .to_owned()
    } else {
        return None;
    };
    Some(format!(
        "{way}; or add `imagePullSecrets` with an account that may read"
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(image: &str) -> Option<String> {
        let pod = json!({"spec": {"containers": [{"name": "side", "image": "x"}, {"name": "model", "image": image}]}});
        advice(&pod, "model")
    }

    #[test]
    fn registries_of_clouds_want_a_right_of_the_nodes() {
        let azure = of("wine.azurecr.io/team/model:v1").unwrap();
        assert!(azure.contains("--attach-acr wine"), "{azure}");
        assert!(
            of("1234.dkr.ecr.eu-west-1.amazonaws.com/m")
                .unwrap()
                .contains("PullOnly")
        );
        assert!(
            of("europe-docker.pkg.dev/p/r/m@sha256:0")
                .unwrap()
                .contains("artifactregistry.reader")
        );
        assert_eq!(of("ghcr.io/org/model"), None);
        assert_eq!(advice(&json!({}), "model"), None);
    }
}
