//! Registries of Azure: a real registry behind the exchange of tokens that Azure describes.

use std::process::Command;

use serde_json::{Value, json};

use crate::azure::{APP, Azure, JOB, SECRET, without_tools};
use crate::engine::docker;
use crate::secrecy::{masked, nowhere};
use crate::servers::{Authority, Registry, Server};
use crate::support::{Ended, Project, Run, bed, unique};

const SMALL: &str = "FROM scratch\nCOPY Dockerfile /\n";

/// A registry that belongs to a tenant.
pub(crate) struct Acr {
    folder: tempfile::TempDir,
    front: Server,
    _behind: Registry,
    name: String,
}

impl Acr {
    /// `more` is over the configuration of `servers/acr.py`.
    pub(crate) fn new(azure: &Azure, more: &Value) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::new(&folder.path().join("authority"), "DNS:token");
        let signer = format!(
            "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=signer -keyout {0}/rsa.key -out {0}/rsa.pem 2>/dev/null",
            authority.folder.display()
        );
        let made = Command::new("sh").args(["-c", &signer]).status().unwrap();
        assert!(made.success());
        let mut config = json!({
            "folder": folder.path(),
            "prism": bed("AZURE_REGISTRY"),
            "review": azure.bed("/review"),
            "cert": authority.path("rsa.pem"),
            "key": authority.path("rsa.key"),
            "life": 3600,
            "roles": "AcrPush",
        });
        let more = more.as_object().unwrap().clone();
        config.as_object_mut().unwrap().extend(more);
        let file = folder.path().join("acr.json");
        std::fs::write(&file, config.to_string()).unwrap();
        let front = Server::start("acr.py", &[&file.to_string_lossy()]);
        let host = front.address();
        let behind = Registry::start(
            folder.path(),
            None,
            &format!(
                "auth: {{token: {{realm: 'http://{host}/oauth2/token', service: '{host}', issuer: test, rootcertbundle: {}}}}}",
                authority.path("rsa.pem")
            ),
        );
        std::fs::write(folder.path().join("upstream"), &behind.host).unwrap();
        Self {
            folder,
            front,
            _behind: behind,
            name: unique("ml-deploy-test/acr"),
        }
    }

    pub(crate) fn image(&self) -> String {
        format!("{}/{}", self.front.address(), self.name)
    }

    pub(crate) fn build<'a>(&self, project: &'a Project) -> Run<'a> {
        let run = project.ml_deploy("build").flag("image", &self.image());
        run.flag("tags", "v1")
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(name)).unwrap_or_default()
    }

    /// The digest that the registry itself keeps for the tag.
    fn stored(&self) -> String {
        let place = "data/docker/registry/v2/repositories";
        self.read(&format!(
            "{place}/{}/_manifests/tags/v1/current/link",
            self.name
        ))
    }

    /// Everything was asked as Azure describes it, and nothing that was handed out is to be seen.
    fn judge(&self, ended: &Ended) {
        let log = self.read("log");
        assert!(!log.contains("VIOLATION"), "{log}");
        for token in self.read("tokens").lines() {
            nowhere(ended, token);
        }
        for token in self.read("ours").lines() {
            masked(ended, token);
        }
    }
}

impl Drop for Acr {
    fn drop(&mut self) {
        docker(&["rmi", "--force", &format!("{}:v1", self.image())]);
    }
}

#[test]
fn a_push_goes_through_the_exchange() {
    let azure = Azure::new(&json!({"client_id": APP, "secret": SECRET}));
    let project = Project::new().file("Dockerfile", SMALL);
    let acr = Acr::new(&azure, &json!({}));
    let run = acr.build(&project).input("creds", &azure.creds(SECRET));
    let ended = without_tools(run).run().expect(0);
    assert_eq!(acr.stored(), ended.output("digest"));
    acr.judge(&ended);
    azure.hides(&ended);
    let scopes = azure.log()["scopes"].clone();
    assert_eq!(
        scopes,
        json!(["https://containerregistry.azure.net/.default"])
    );
    let log = acr.read("log");
    assert_eq!(log.matches("/oauth2/exchange").count(), 1, "{log}");

    // Who may come in and not push, and who may not come in: the role is named, before the build.
    for (roles, code) in [("AcrPull", "registry-denied"), ("", "cloud-denied")] {
        let acr = Acr::new(&azure, &json!({"roles": roles}));
        let ended = acr
            .build(&project)
            .input("creds", &azure.creds(SECRET))
            .run();
        let ended = ended.expect(10).code(code);
        let ended = ended
            .says(&format!("Azure's application `{APP}`"))
            .says(&format!(
                "az role assignment create --assignee {APP} --role AcrPush"
            ));
        acr.judge(&ended);
        azure.hides(&ended);
    }

    // Its administrator's name and password are an ordinary login; with them no token is asked for.
    let registry = Project::new().file("Dockerfile", SMALL);
    let image = format!("{}/{}", bed("REGISTRY_AUTH"), unique("ml-deploy-test/acr"));
    let run = registry
        .ml_deploy("build")
        .flag("image", &image)
        .flag("tags", "v1");
    let run = run
        .input("creds", &azure.creds("planted-wrong-secret"))
        .input("registry-username", &bed("REGISTRY_USER"))
        .input("registry-password", &bed("REGISTRY_PASSWORD"));
    run.run().expect(0);
    docker(&["rmi", "--force", &format!("{image}:v1")]);
}

#[test]
fn a_job_pushes_without_any_stored_secret() {
    let trusted = json!({"issuer": "https://token.actions.githubusercontent.com", "subject": JOB, "audience": "api://AzureADTokenExchange"});
    let azure = Azure::new(&json!({"client_id": APP, "subject": JOB, "federated": trusted}));
    let project = Project::new().file("Dockerfile", SMALL);
    let acr = Acr::new(&azure, &json!({}));
    let ended = azure.trusts(acr.build(&project)).run().expect(0);
    assert_eq!(acr.stored(), ended.output("digest"));
    azure.hides(&ended);
    nowhere(&ended, "planted-runner-token");

    // The job is another one than the application trusts: what we are, and the line that makes it trusted.
    azure.tell(
        &json!({"client_id": APP, "subject": "repo:org/wine:pull_request", "federated": trusted}),
    );
    let ended = azure.trusts(acr.build(&project)).run();
    let ended = ended.expect(10).code("cloud-denied");
    let ended = ended
        .says("subject `repo:org/wine:pull_request`, audience `api://AzureADTokenExchange`")
        .says("(AADSTS700213)")
        .says(&format!(
            "az ad app federated-credential create --id {APP} --parameters"
        ))
        .says("\"subject\":\"repo:org/wine:pull_request\"");
    azure.hides(&ended);

    // A job that may not have an identity.
    let run = acr
        .build(&project)
        .env("AZURE_AUTHORITY_HOST", &bed("AZURE"));
    let run = run.input("client-id", APP).input("tenant-id", &azure.id);
    run.run()
        .expect(10)
        .code("cloud-identity")
        .says("id-token: write");

    // A pod with workload identity has its token in a file.
    azure.tell(&json!({"client_id": APP, "federated": {"issuer": "https://oidc.example", "subject": "system:serviceaccount:ci:runner", "audience": "api://AzureADTokenExchange"}}));
    let token = |subject: &str| {
        use base64::Engine as _;
        let claims = json!({"iss": "https://oidc.example", "sub": subject, "aud": "api://AzureADTokenExchange", "exp": 4_102_444_800_u64});
        let payload = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(claims.to_string());
        format!("e30.{payload}.cGxhbnRlZA")
    };
    let file = project.path().join("token");
    let push = || {
        let run = acr
            .build(&project)
            .env("AZURE_FEDERATED_TOKEN_FILE", &file.to_string_lossy());
        let run = run.env("AZURE_AUTHORITY_HOST", &bed("AZURE"));
        run.input("client-id", APP)
            .input("tenant-id", &azure.id)
            .run()
    };
    std::fs::write(&file, token("system:serviceaccount:ci:runner")).unwrap();
    push().expect(0);
    std::fs::write(&file, token("system:serviceaccount:ci:other")).unwrap();
    push()
        .expect(10)
        .says("subject `system:serviceaccount:ci:other`");

    // And a job of GitLab in a variable.
    let run = acr.build(&project).terminal().env("GITLAB_CI", "true");
    let run = run.env("AZURE_ID_TOKEN", &token("system:serviceaccount:ci:runner"));
    let run = run.env("AZURE_AUTHORITY_HOST", &bed("AZURE"));
    let ended = run
        .flag("client-id", APP)
        .flag("tenant-id", &azure.id)
        .run()
        .expect(0);
    nowhere(&ended, &token("system:serviceaccount:ci:runner"));
}

#[test]
fn a_registry_that_repeats_a_token_tells_nobody() {
    let azure = Azure::new(&json!({"client_id": APP, "secret": SECRET}));
    let project = Project::new().file("Dockerfile", SMALL);
    let acr = Acr::new(&azure, &json!({"repeats": true}));
    let run = acr.build(&project).input("creds", &azure.creds(SECRET));
    let ended = run.run().expect(10).code("registry-denied");
    let ended = ended.says("UNAUTHORIZED: no: ***");
    // One to get in with, one to push with.
    assert_eq!(acr.read("ours").lines().count(), 2);
    acr.judge(&ended);
    azure.hides(&ended);
}

#[test]
fn a_registry_of_another_tenant_does_not_let_us_in() {
    let azure = Azure::new(&json!({"client_id": APP, "secret": SECRET}));
    let other = Azure::new(&json!({"client_id": APP, "secret": "planted-other-secret"}));
    let project = Project::new().file("Dockerfile", SMALL);
    // The directory gives a token, which the registry does not take.
    let acr = Acr::new(&other, &json!({}));
    let run = acr.build(&project).input("creds", &azure.creds(SECRET));
    let ended = run.run().expect(10).code("cloud-denied");
    let ended = ended
        .says(&format!(
            "failed to log in to registry `{}`",
            acr.front.address()
        ))
        .says("it answers 401 Unauthorized")
        .says("--role AcrPush");
    azure.hides(&ended);
    assert_eq!(acr.read("tokens"), "");

    // Nor does it take a login of its own that it has never given.
    let login = json!({"auths": {acr.front.address(): {"auth": "MDAwMDAwMDA6", "identitytoken": "planted-stale-login"}}});
    let project = project.file("docker/config.json", &login.to_string());
    let folder = project.path().join("docker");
    let run = acr.build(&project);
    let run = run.env("DOCKER_CONFIG", &folder.to_string_lossy());
    let ended = run.run().expect(10).code("registry-denied");
    nowhere(&ended, "planted-stale-login");
    ended
        .says("docker/config.json")
        .says("the refresh token has expired");
}

#[test]
fn a_role_that_is_taken_away_during_a_slow_push_ends_it() {
    let azure = Azure::new(&json!({"client_id": APP, "secret": SECRET}));
    let project = Project::new().file("Dockerfile", SMALL);
    let acr = Acr::new(&azure, &json!({"life": 6, "slow": 7, "only": 1}));
    let run = acr.build(&project).input("creds", &azure.creds(SECRET));
    let ended = run.run().expect(10).code("cloud-denied");
    let ended = ended
        .says("failed to log in to registry")
        .says("authentication required, visit https://aka.ms/acr/authorization")
        .says("--role AcrPush");
    acr.judge(&ended);
    azure.hides(&ended);
    let log = acr.read("log");
    assert_eq!(log.matches("/oauth2/exchange").count(), 2, "{log}");
    assert!(
        log.contains("POST /v2/") && acr.stored().is_empty(),
        "{log}"
    );
}

#[test]
fn a_login_that_ends_during_a_slow_push_is_renewed() {
    let azure = Azure::new(&json!({"client_id": APP, "secret": SECRET, "token_seconds": 5}));
    let project = Project::new().file("Dockerfile", SMALL);
    let acr = Acr::new(&azure, &json!({"life": 5, "slow": 7}));
    let ended = acr
        .build(&project)
        .input("creds", &azure.creds(SECRET))
        .run();
    let ended = ended.expect(0).says("renewed the login for registry");
    assert_eq!(acr.stored(), ended.output("digest"));
    acr.judge(&ended);
    azure.hides(&ended);
}
