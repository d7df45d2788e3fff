//! Whether the pull secrets that a pod names hold a login for the repository that its image is pushed to. Of a Secret only the
//! names of the registries are kept.
//! Source: kubernetes.io/docs/concepts/containers/images, "Interpretation of config.json".

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kube::Client;
use serde_json::Value;

use super::pods::{Template, list_of};
use super::view::api;
use crate::cluster::together;
use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::registry::Reference;

/// Registries that nodes of the same cloud pull from with an identity of their own.
const NODES_OWN: &[&str] = &[
    ".amazonaws.com",
    ".amazonaws.com.cn",
    ".on.aws",
    ".azurecr.io",
    ".azurecr.cn",
    ".azurecr.us",
    ".pkg.dev",
    "gcr.io",
];

/// Reads the pull secrets of the pods that run our image, and compares. What may not be read is let pass.
pub(super) async fn check(
    client: &Client,
    templates: &[Template<'_>],
    repository: Option<&Reference>,
) -> Vec<Diagnostic> {
    let Some(ours) = repository.filter(|one| !pulls_without(one.host())) else {
        return Vec::new();
    };
    let with_secrets = templates.iter().filter(|one| !names(one).is_empty());
    let asked = with_secrets.filter(|one| runs(one, ours)).map(async |one| {
        let read = names(one).into_iter();
        let read = together(read.map(|name| registries(client, one.namespace, name))).await;
        // One that is not known may be the right one.
        let known: Option<Vec<BTreeSet<String>>> = read.into_iter().collect();
        let known: BTreeSet<String> = known?.into_iter().flatten().collect();
        judge(one, ours, &known)
    });
    together(asked).await.into_iter().flatten().collect()
}

fn pulls_without(host: &str) -> bool {
    NODES_OWN.iter().any(|end| host.ends_with(end))
}

fn names<'a>(template: &Template<'a>) -> Vec<&'a str> {
    let secrets = list_of(template.spec, "imagePullSecrets").iter();
    secrets
        .filter_map(|secret| secret.get("name")?.as_str())
        .collect()
}

fn runs(template: &Template<'_>, ours: &Reference) -> bool {
    template.containers().iter().any(|container| {
        let image = container.value.get("image").and_then(Value::as_str);
        let image = image.and_then(|image| image.parse::<Reference>().ok());
        image.is_some_and(|image| image.same_repository(ours))
    })
}

/// The registries, or parts of them, that a Secret holds logins for; `None` when that is not known.
async fn registries(client: &Client, namespace: &str, name: &str) -> Option<BTreeSet<String>> {
    let found = api(client, "Secret", namespace)?
        .get_opt(name)
        .await
        .ok()??;
    hosts(&found.data)
}

fn hosts(secret: &Value) -> Option<BTreeSet<String>> {
    let decoded = |key: &str| {
        let text = secret.get("data")?.get(key)?.as_str()?;
        serde_json::from_slice::<Value>(&STANDARD.decode(text).ok()?).ok()
    };
    let logins = decoded(".dockerconfigjson").map(|config| config["auths"].clone());
    let logins = logins.or_else(|| decoded(".dockercfg"))?;
    let hosts = logins.as_object()?.keys().map(|name| {
        let name = name.split("://").last().unwrap_or(name);
        let (host, path) = name.split_once('/').unwrap_or((name, ""));
        // Docker's own hub has several names.
        let host = match host {
            "index.docker.io" | "registry-1.docker.io" => "docker.io",
            host => host,
        };
        // Of older clients, and of no meaning.
        let path = path.trim_start_matches("v1").trim_start_matches("v2");
        match path.trim_matches('/') {
            "" => host.to_owned(),
            path => format!("{host}/{path}"),
        }
    });
    Some(hosts.collect())
}

/// Whether the node takes this login for the repository: the host fits, `*` standing for a part of its name, and the path begins
/// so.
fn covers(login: &str, ours: &Reference) -> bool {
    let (host, path) = login.split_once('/').unwrap_or((login, ""));
    let (wanted, given): (Vec<_>, Vec<_>) =
        (ours.host().split('.').collect(), host.split('.').collect());
    let fits = |(given, wanted): (&&str, &&str)| match given.split_once('*') {
        Some((begin, end)) => wanted.starts_with(begin) && wanted.ends_with(end),
        None => given == wanted,
    };
    given.len() == wanted.len()
        && given.iter().zip(&wanted).all(fits)
        && ours.path().starts_with(path)
}

fn judge(
    template: &Template<'_>,
    ours: &Reference,
    known: &BTreeSet<String>,
) -> Option<Diagnostic> {
    if known.iter().any(|login| covers(login, ours)) {
        return None;
    }
    let quoted = |all: Vec<&str>| {
        let all = all.iter().map(|one| format!("`{one}`"));
        all.collect::<Vec<_>>().join(", ")
    };
    let secrets = names(template);
    let held = match known.is_empty() {
        true => "no registry".to_owned(),
        false => quoted(known.iter().map(String::as_str).collect()),
    };
    let message = format!(
        "`{}` pulls with {}, which has a login for {held} and not for `{}/{}`, where the image is pushed to",
        template.object.label(),
        quoted(secrets),
        ours.host(),
        ours.path()
    );
    let help = format!(
        "fine when the image is public or the nodes have a login of their own; else add one for `{}`: `kubectl -n {} create secret docker-registry … --docker-server={}`",
        ours.host(),
        template.namespace,
        ours.host()
    );
    let at = template
        .object
        .at(&format!("{}.imagePullSecrets", template.path));
    Some(
        Diagnostic::warning(Code::PullDenied, message)
            .help(help)
            .at(at),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::pods::templates;
    use super::*;
    use crate::deploy::kubernetes::manifest::parse;

    const TEXT: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata: {name: wine}
spec:
  template:
    spec:
      imagePullSecrets: [{name: regcred}]
      containers: [{name: model, image: 'registry.example/team/wine:v1'}]
";

    fn secret(config: &Value) -> Value {
        json!({"data": {".dockerconfigjson": STANDARD.encode(config.to_string())}})
    }

    #[test]
    fn a_login_for_another_registry_is_told() {
        let objects = parse("k.yaml", TEXT).unwrap();
        let templates = templates(&objects, "ml");
        let template = templates.first().unwrap();
        let judged = |repository: &str, auths: &[&str]| {
            let ours: Reference = repository.parse().unwrap();
            let auths = auths.iter().map(|&name| (name.to_owned(), json!({})));
            let auths: serde_json::Map<_, _> = auths.collect();
            let known = hosts(&secret(&json!({"auths": auths}))).unwrap();
            judge(template, &ours, &known).map(|finding| finding.message)
        };
        let ours = "registry.example/team/wine";
        let told = judged(ours, &["ghcr.io", "https://index.docker.io/v1/"]).unwrap();
        assert_eq!(
            told,
            "`Deployment/wine` pulls with `regcred`, which has a login for `docker.io`, `ghcr.io` and not for `registry.example/team/wine`, where the image is pushed to"
        );
        assert!(judged(ours, &[]).unwrap().contains("no registry"));
        for right in [
            "registry.example",
            "https://registry.example/v2/",
            "*.example",
            "reg*.example/team",
            "https://registry.example/v1/team/wine",
        ] {
            assert_eq!(judged(ours, &[right]), None, "{right}");
        }
        for wrong in [
            "*",
            "*.registry.example",
            "registry.example:5000",
            "registry.example/other",
        ] {
            assert!(judged(ours, &[wrong]).unwrap().contains(wrong), "{wrong}");
        }
        assert_eq!(judged("team/wine", &["https://index.docker.io/v1/"]), None);
        assert!(runs(template, &ours.parse().unwrap()));
        assert!(!runs(template, &"registry.example/other".parse().unwrap()));
    }

    #[test]
    fn what_cannot_be_read_is_not_judged() {
        assert_eq!(hosts(&json!({"data": {"password": "eA=="}})), None);
        assert_eq!(hosts(&json!({})), None);
        assert!(pulls_without(
            "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
        ));
        assert!(pulls_without("gcr.io") && pulls_without("europe-docker.pkg.dev"));
        assert!(!pulls_without("ghcr.io"));
    }
}
