//! Azure as the bed has it: a tenant and a subscription of each test's own, and who is told what when the directory refuses.

use std::process::Command;

use serde_json::{Value, json};

use crate::secrecy::nowhere;
use crate::support::{Ended, Project, Run, bed};

/// An application that the directory knows.
pub(crate) const APP: &str = "11111111-2222-3333-4444-555555555555";
/// Its secret.
pub(crate) const SECRET: &str = "planted~client-secret-9Q8";
/// Who the job is.
pub(crate) const JOB: &str = "repo:org/wine:ref:refs/heads/main";

/// One tenant with one subscription of the same ID, of one test.
pub(crate) struct Azure {
    pub(crate) id: String,
}

impl Azure {
    /// `script` says what is there and what goes wrong (tests/bed/azure).
    pub(crate) fn new(script: &Value) -> Self {
        use std::sync::atomic::{AtomicU32, Ordering};
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let process = std::process::id();
        let azure = Self {
            id: format!("{process:08x}-0000-4000-8000-{count:012x}"),
        };
        azure.tell(script);
        azure
    }

    /// Replaces the script.
    pub(crate) fn tell(&self, script: &Value) {
        curl(&["-X", "PUT", "-d", &script.to_string()], &self.bed(""));
    }

    /// A page of the bed about this subscription.
    pub(crate) fn bed(&self, page: &str) -> String {
        format!("{}/_bed/{}{page}", bed("AZURE"), self.id)
    }

    /// The input `creds`.
    pub(crate) fn creds(&self, secret: &str) -> String {
        json!({
            "clientId": APP,
            "clientSecret": secret,
            "subscriptionId": self.id,
            "tenantId": self.id,
            "activeDirectoryEndpointUrl": bed("AZURE"),
            "resourceManagerEndpointUrl": format!("{}/", bed("AZURE")),
        })
        .to_string()
    }

    /// The run is a job of GitHub that may have an identity of its own.
    pub(crate) fn trusts<'a>(&self, run: Run<'a>) -> Run<'a> {
        run.env("AZURE_AUTHORITY_HOST", &bed("AZURE"))
            .env(
                "ACTIONS_ID_TOKEN_REQUEST_URL",
                &format!("{}?v=2", self.bed("/job-token")),
            )
            .env("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "planted-runner-token")
            .input("client-id", APP)
            .input("tenant-id", &self.id)
    }

    /// What was asked so far; all of it was as Azure describes it.
    pub(crate) fn log(&self) -> Value {
        let log = curl(&[], &self.bed(""));
        assert_eq!(log["violations"], json!([]), "{log:#}");
        log
    }

    /// No secret and no token of this tenant is in anything that the run has said.
    pub(crate) fn hides(&self, ended: &Ended) {
        nowhere(ended, SECRET);
        let log = self.log();
        for token in log["issued"].as_object().into_iter().flatten() {
            nowhere(ended, token.0);
        }
    }
}

fn curl(arguments: &[&str], url: &str) -> Value {
    let output = Command::new("curl")
        .args(["-sS", "--noproxy", "*"])
        .args(arguments)
        .arg(url)
        .output()
        .unwrap();
    serde_json::from_slice(&output.stdout).unwrap_or_default()
}

/// The run finds no program of a cloud.
pub(crate) fn without_tools(run: Run<'_>) -> Run<'_> {
    for tool in ["az", "kubelogin", "docker-credential-acr-env"] {
        for folder in ["/usr/bin", "/bin"] {
            assert!(!std::path::Path::new(folder).join(tool).exists(), "{tool}");
        }
    }
    run.env("PATH", "/usr/bin:/bin")
}

/// Asks for a cluster that is not there: the directory answers first.
pub(crate) fn asks<'a>(project: &'a Project) -> Run<'a> {
    let run = project.ml_deploy("deploy").input("manifests", "app.yaml");
    run.input("resource-group", "ml")
        .input("cluster-name", "serving")
}

/// One small object.
pub(crate) fn project() -> Project {
    let text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n";
    Project::new().file("app.yaml", text)
}

#[test]
fn a_refused_login_says_why_and_what_to_do() {
    let project = project();
    let azure = Azure::new(
        &json!({"client_id": APP, "secret": SECRET, "expired": "planted-expired-secret"}),
    );
    let refused = |secret: &str| {
        let ended = asks(&project).input("creds", &azure.creds(secret)).run();
        let ended = ended.expect(10).code("cloud-denied");
        azure.hides(&ended);
        nowhere(&ended, secret);
        ended
    };
    refused("planted-wrong-secret")
        .says("the secret is wrong (AADSTS7000215)")
        .says("the secret's value, which Azure shows once, not its ID");
    refused("planted-expired-secret").says("the secret has expired (AADSTS7000222)");
    azure.tell(&json!({"client_id": "another", "secret": SECRET}));
    refused(SECRET)
        .says(&format!("`{APP}` of tenant `{}`", azure.id))
        .says("no such application (AADSTS700016)");
    azure.tell(&json!({"refuse": {"number": 53003, "text": "Access has been blocked by Conditional Access policies."}}));
    refused(SECRET).says("conditional access policy forbids it (AADSTS53003)");
    azure.tell(&json!({}));
    refused(SECRET).says("no such tenant in this cloud (AADSTS90002)");
}

#[test]
fn a_login_that_cannot_work_is_a_finding_before_anything_is_asked() {
    let project = project();
    let azure = Azure::new(&json!({"secret": SECRET}));
    let ended = asks(&project)
        .input(
            "creds",
            &azure.creds(SECRET).replace("clientId", "client_id"),
        )
        .input("azure-environment", "AzureMoon")
        .run()
        .expect(2)
        .code("input-invalid");
    let ended = ended
        .says("unknown key `client_id`; did you mean `clientId`?")
        .says("lacks `clientId`")
        .says("expected AzureCloud, AzureChinaCloud or AzureUSGovernment");
    nowhere(&ended, SECRET);
    let ended = asks(&project).input("creds", SECRET).run().expect(2);
    nowhere(&ended.says("is not JSON at line 1"), SECRET);
    asks(&project)
        .input("creds", &azure.creds(SECRET))
        .input("client-id", APP)
        .run()
        .expect(2)
        .says("only one of them can say who we are");
    assert_eq!(azure.log()["scopes"], json!([]));
}
