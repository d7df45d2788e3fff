//! Azure by the names that the world knows it under: each cloud's own servers, and identities of machines, whose servers no input
//! leads elsewhere.

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::azure::{APP, Azure, JOB, asks, project};
use crate::secrecy::nowhere;
use crate::servers::{Authority, Server};
use crate::support::{Project, Run, bed};

/// Everything that is asked by one of these names is asked of the bed.
struct Names {
    folder: TempDir,
    door: Server,
    authority: Authority,
}

impl Names {
    fn new(names: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let all: Vec<String> = names.iter().map(|name| format!("DNS:{name}")).collect();
        let authority = Authority::new(&folder.path().join("authority"), &all.join(","));
        let config = json!({"cert": authority.path("cert.pem"), "key": authority.path("key.pem"), "azure": bed("AZURE"), "log": folder.path().join("log")});
        let file = folder.path().join("names.json");
        std::fs::write(&file, config.to_string()).unwrap();
        Self {
            door: Server::start("names.py", &[&file.to_string_lossy()]),
            folder,
            authority,
        }
    }

    /// The run reaches the world through it only.
    fn through<'a>(&self, run: Run<'a>) -> Run<'a> {
        run.env("HTTPS_PROXY", &format!("http://{}", self.door.address()))
            .env("NO_PROXY", "127.0.0.1,localhost")
            .env("SSL_CERT_FILE", &self.authority.path("ca.pem"))
    }

    /// `HOST METHOD PATH`, and of an exchange of tokens what was shown.
    fn asked(&self) -> Vec<String> {
        let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        log.lines().map(str::to_owned).collect()
    }
}

#[test]
fn each_cloud_is_asked_at_its_own_servers() {
    for (cloud, authority, manager, registry, audience) in [
        (
            "AzureChinaCloud",
            "login.chinacloudapi.cn",
            "management.chinacloudapi.cn",
            "wine.azurecr.cn",
            "api://AzureADTokenExchangeChina",
        ),
        (
            "azureusgovernment",
            "login.microsoftonline.us",
            "management.usgovcloudapi.net",
            "wine.azurecr.us",
            "api://AzureADTokenExchangeUSGov",
        ),
    ] {
        let trusted = json!({"issuer": "https://token.actions.githubusercontent.com", "subject": JOB, "audience": audience});
        let cluster = json!({"group": "elsewhere", "name": "serving"});
        let azure = Azure::new(
            &json!({"client_id": APP, "subject": JOB, "federated": trusted, "cluster": cluster}),
        );
        let names = Names::new(&[authority, manager, registry]);
        let run = |run| {
            let run = names.through(azure.trusts(run));
            run.input("azure-environment", cloud)
                .input("subscription-id", &azure.id)
                .run()
                .expect(10)
        };
        let cluster = project();
        let ended = run(asks(&cluster)).code("cluster-missing");
        azure.hides(&ended.says("`resource-group: elsewhere`"));
        let scope = format!("https://{manager}/.default");
        assert_eq!(azure.log()["scopes"], json!([scope]));
        let asked = names.asked();
        let (logins, others): (Vec<&String>, Vec<&String>) = asked
            .iter()
            .partition(|line| line.starts_with(&format!("{authority} POST /{}/", azure.id)));
        assert_eq!(logins.len(), 1, "{asked:?}");
        assert!(others.iter().all(|line| line.starts_with(manager)) && !others.is_empty());

        // A registry of that cloud is shown a token of that cloud, which it exchanges for its own.
        let image = Project::new().file("Dockerfile", "FROM scratch\nCOPY Dockerfile /\n");
        let build = image.ml_deploy("build").flag("tags", "v1");
        let ended = run(build.flag("image", &format!("{registry}/ml/wine")));
        let ended = ended
            .code("registry-denied")
            .says("--role AcrPush --scope \"$(az acr show --name wine ");
        azure.hides(&ended);
        nowhere(&ended, "planted-registry-token");
        let begin = format!("{registry} POST /oauth2/exchange {registry} ");
        let asked = names.asked();
        let token = asked.iter().find_map(|line| line.strip_prefix(&begin));
        let issued = azure.log()["issued"].clone();
        assert_eq!(issued[token.unwrap()], scope.as_str(), "{asked:?}");
    }
}

#[test]
fn a_machines_own_identity_needs_no_secret() {
    let real = std::fs::read_to_string(bed("KUBECONFIG")).unwrap();
    let cluster = json!({"group": "ml", "name": "serving", "user": real});
    let script = json!({"identities": [APP, "another"], "busy": 1, "header": "planted-identity-header", "cluster": cluster});
    let azure = Azure::new(&script);
    let names = Names::new(&["management.azure.com"]);
    let project = project();
    // It only looks: the cluster's answer is enough.
    let look = |variables: &[(&str, &str)]| {
        let run = names.through(asks(&project)).input("namespace", "default");
        let run = run
            .env("AZURE_SUBSCRIPTION_ID", &azure.id)
            .env("GITHUB_EVENT_NAME", "pull_request");
        let run = variables
            .iter()
            .fold(run, |run, (name, value)| run.env(name, value));
        let ended = run.run();
        azure.hides(&ended);
        nowhere(&ended, "planted-identity-header");
        ended
    };
    let (machine, service) = (azure.bed("/machine"), azure.bed("/service/token"));
    let machine = ("AZURE_POD_IDENTITY_AUTHORITY_HOST", machine.as_str());
    let service = ("IDENTITY_ENDPOINT", service.as_str());
    let chosen = ("AZURE_CLIENT_ID", APP);

    // A machine whose service is busy for a moment has an identity all the same.
    let ended = look(&[machine, chosen]).expect(0);
    ended.says("429").says("ConfigMap/a");
    assert_eq!(
        azure.log()["scopes"],
        json!(["https://management.azure.com/.default"])
    );
    look(&[
        service,
        ("IDENTITY_HEADER", "planted-identity-header"),
        chosen,
    ])
    .expect(0)
    .says("ConfigMap/a");

    let several = look(&[machine]).expect(10).code("cloud-identity");
    several
        .says("Multiple user assigned identities exist")
        .says("set AZURE_CLIENT_ID when it has several");
    let unknown = look(&[machine, ("AZURE_CLIENT_ID", "unknown")]).expect(10);
    unknown.code("cloud-identity").says("Identity not found");
    let wrong = look(&[service, ("IDENTITY_HEADER", "planted-wrong-header"), chosen]);
    nowhere(&wrong, "planted-wrong-header");
    wrong
        .expect(10)
        .code("cloud-identity")
        .says("it answers 401");
    let nowhere_else = look(&[("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://127.0.0.1:1")]);
    nowhere_else
        .expect(10)
        .code("cloud-identity")
        .says("this is no machine of Azure");
    let log: Value = azure.log();
    assert_eq!(log["scopes"].as_array().unwrap().len(), 2, "{log:#}");
}
