//! Google as its jobs see it, with registries that take what they are given and nothing else, and pushes with a key. No program
//! of Google's is there.

use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::registries::skopeo;
use crate::secrecy::masked;
use crate::servers::{Authority, Registry, Server};
use crate::support::{Ended, Project, Run, bed, unique};

pub(crate) const ACCOUNT: &str = "ci@wine.iam.gserviceaccount.com";
pub(crate) const PROVIDER: &str =
    "projects/12/locations/global/workloadIdentityPools/ci/providers/github";
pub(crate) const PERSON: &str = "1//hunter22-refresh-token";

/// Google, for one test.
pub(crate) struct Google {
    folder: tempfile::TempDir,
    pub(crate) config: Value,
    pub(crate) server: Server,
}

impl Google {
    /// Tokens live so many seconds.
    pub(crate) fn new(life: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("tokens"), "").unwrap();
        let config = json!({
            "tokens": path("tokens"),
            "life": life,
            "account": ACCOUNT,
            "public": keys().join("public.pem"),
            "provider": PROVIDER,
            "subject": "repo:org/wine:",
            "job": "repo:org/wine:ref:refs/heads/main",
            "user": {"client_id": "me", "client_secret": "hunter22-client", "refresh_token": PERSON},
            "clusters": {},
        });
        std::fs::write(path("google.json"), config.to_string()).unwrap();
        let server = Server::start("google.py", &[&path("google.json").to_string_lossy()]);
        Self {
            folder,
            config,
            server,
        }
    }

    /// From now on it is otherwise.
    pub(crate) fn set(&mut self, key: &str, value: Value) {
        self.config[key] = value;
        let file = self.folder.path().join("google.json");
        std::fs::write(file, self.config.to_string()).unwrap();
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.server.address())
    }

    /// The file of the account's key, signed with one of the keys.
    pub(crate) fn key(&self, name: &str) -> Value {
        let key = std::fs::read_to_string(keys().join(name)).unwrap();
        json!({"type": "service_account", "project_id": "wine", "private_key_id": "k1", "private_key": key,
            "client_email": ACCOUNT, "token_uri": self.url("/token"), "universe_domain": "googleapis.com"})
    }

    /// The file of a federation, as google-github-actions/auth writes it.
    pub(crate) fn external(&self, source: &Value, account: Option<&str>) -> Value {
        let mut file = json!({"type": "external_account", "audience": format!("//iam.googleapis.com/{PROVIDER}"),
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt", "token_url": self.url("/v1/token"),
            "universe_domain": "googleapis.com", "credential_source": source});
        if let Some(account) = account {
            let path = format!("/v1/projects/-/serviceAccounts/{account}:generateAccessToken");
            file["service_account_impersonation_url"] = self.url(&path).into();
        }
        file
    }

    /// A job of GitHub that may have tokens, and where Google's own services are for it.
    pub(crate) fn job<'a>(&self, run: Run<'a>) -> Run<'a> {
        run.env("ACTIONS_ID_TOKEN_REQUEST_URL", &self.url("/job?api=2"))
            .env("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "runner-own-token")
            .env("CLOUDSDK_API_ENDPOINT_OVERRIDES_STS", &self.url("/"))
            .env(
                "CLOUDSDK_API_ENDPOINT_OVERRIDES_IAMCREDENTIALS",
                &self.url("/"),
            )
    }

    /// Every token that was given so far.
    pub(crate) fn tokens(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.folder().join("tokens")).unwrap();
        let first = |line: &str| line.split(' ').next().map(str::to_owned);
        text.lines().filter_map(first).collect()
    }

    /// None of its tokens and of the secrets in its files is anywhere.
    pub(crate) fn is_told_nowhere(&self, ended: &Ended) {
        let key = std::fs::read_to_string(keys().join("right.pem")).unwrap();
        let lines = key.lines().filter(|line| !line.starts_with("-----"));
        let more = [PERSON, "hunter22-client", "runner-own-token"];
        let secrets = lines
            .chain(more)
            .map(str::to_owned)
            .chain(self.tokens())
            .collect::<Vec<_>>();
        assert!(secrets.len() > 20);
        // What the run before was told is gone from this one.
        let beside = self.folder().join("tokens.beside");
        for token in std::fs::read_to_string(&beside).unwrap_or_default().lines() {
            masked(ended, token);
        }
        drop(std::fs::remove_file(beside));
        // The runner swallows the lines that tell it what to hide.
        let log = ended.stdout.lines();
        let log: Vec<_> = log
            .filter(|line| !line.starts_with("::add-mask::"))
            .collect();
        let all = [
            log.join("\n"),
            ended.stderr.clone(),
            ended.summary.clone(),
            ended.report.to_string(),
            format!("{:?}", ended.outputs),
        ];
        for secret in secrets {
            assert!(
                all.iter().all(|text| !text.contains(&secret)),
                "{secret} is told:\n{}",
                ended.stdout
            );
        }
    }
}

/// A folder with the keys `right.pem` (and its `public.pem`) and `wrong.pem`, made once.
pub(crate) fn keys() -> &'static Path {
    static KEYS: OnceLock<tempfile::TempDir> = OnceLock::new();
    KEYS.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let script = "set -e; for name in right wrong; do openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out $name.pem; done
            openssl pkey -in right.pem -pubout -out public.pem";
        let made = Command::new("sh")
            .args(["-c", script])
            .current_dir(folder.path())
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        folder
    })
    .path()
}

/// A registry of Google: the bed's real one, by a name of Google's, with tokens that end.
pub(crate) struct Artifacts {
    _registry: Registry,
    door: Server,
    authority: Authority,
}

impl Artifacts {
    pub(crate) fn new(google: &Google, more: &Value) -> Self {
        let name = bed("GOOGLE_REGISTRY");
        let folder = google.folder().join("artifacts");
        std::fs::create_dir(&folder).unwrap();
        let authority = Authority::new(&folder.join("authority"), &format!("DNS:{name}"));
        let registry = Registry::start(&folder, None, "");
        let mut config = json!({"registry": registry.host, "cert": authority.path("cert.pem"), "key": authority.path("key.pem"),
            "user": "oauth2accesstoken", "tokens": google.folder().join("tokens"), "refused": "/others/", "absent": "/nothing/"});
        config
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        let file = folder.join("door.json");
        std::fs::write(&file, config.to_string()).unwrap();
        Self {
            _registry: registry,
            door: Server::start("tls_registry.py", &[&file.to_string_lossy()]),
            authority,
        }
    }

    /// `HOST:PORT/wine/REPOSITORY/IMAGE`.
    pub(crate) fn image(&self, repository: &str) -> String {
        let host = bed("GOOGLE_REGISTRY");
        format!(
            "{host}:{}/wine/{repository}/{}",
            self.door.port,
            unique("it")
        )
    }

    pub(crate) fn push<'a>(&self, project: &'a Project, image: &str) -> Run<'a> {
        let run = project.ml_deploy("build").flag("image", image);
        run.flag("tags", "v1")
            .env("SSL_CERT_FILE", &self.authority.path("ca.pem"))
            // Nothing of this machine is to be found.
            .env("HOME", &project.path().to_string_lossy())
            .env("NO_PROXY", "*")
            .env("PATH", "/nowhere")
    }
}

/// An image that no other test has.
pub(crate) fn small() -> Project {
    Project::new()
        .file("Dockerfile", "FROM scratch\nCOPY model /\n")
        .file("model", &unique("model"))
}

/// Whether the tag has the digest that the run named.
pub(crate) fn is_served(google: &Google, image: &str, ended: &Ended) {
    let login = format!("oauth2accesstoken:{}", google.tokens().last().unwrap());
    let seen = skopeo(image, &login);
    assert_eq!(seen["Digest"], ended.output("digest"));
    drop(
        Command::new(bed("DOCKER"))
            .args(["rmi", "--force", &format!("{image}:v1")])
            .output(),
    );
}

#[test]
fn a_key_of_a_service_account_pushes() {
    let google = Google::new(3600);
    let artifacts = Artifacts::new(&google, &json!({}));
    let project = small();
    let key = google.key("right.pem").to_string();
    let image = artifacts.image("models");
    let push = |image: &str, key: &str| {
        let run = artifacts.push(&project, image);
        run.input("credentials-json", key).run()
    };
    let ended = push(&image, &STANDARD.encode(&key)).expect(0);
    google.is_told_nowhere(&ended);
    is_served(&google, &image, &ended);
    assert_eq!(google.tokens().len(), 1, "one token is enough");

    let wrong = google.key("wrong.pem").to_string();
    let ended = push(&image, &wrong).expect(10).code("cloud-denied");
    ended
        .says(&format!("`{ACCOUNT}`: Invalid JWT Signature."))
        .says("make a new one");
    let ended = push(&artifacts.image("others"), &key);
    let ended = ended.expect(10).code("registry-denied");
    let ended = ended
        .says(&format!("Google's service account `{ACCOUNT}`"))
        .says(&format!("give `serviceAccount:{ACCOUNT}`"))
        .says("roles/artifactregistry.writer");
    google.is_told_nowhere(&ended);
    let ended = push(&artifacts.image("nothing"), &key);
    let ended = ended.expect(10).code("registry-denied");
    ended
        .says("repositories?repositoryId=nothing")
        .says("projects/wine/locations/bed/");
    // A key that was cut is seen before anything else, and not shown.
    let cut = &key[..key.len() / 2];
    let ended = push(&image, cut).expect(2).code("input-invalid");
    google.is_told_nowhere(&ended);
    ended.says("neither JSON nor its base64 form");
}

#[test]
fn a_token_that_ends_during_a_slow_push_is_renewed() {
    let google = Google::new(4);
    let artifacts = Artifacts::new(&google, &json!({"slow": 5}));
    let project = small();
    let image = artifacts.image("models");
    let run = artifacts.push(&project, &image);
    let ended = run
        .input("credentials-json", &google.key("right.pem").to_string())
        .run()
        .expect(0)
        .says("renewed the access token of Google")
        .says("the registry refuses the login, which has aged meanwhile");
    google.is_told_nowhere(&ended);
    is_served(&google, &image, &ended);
}

#[test]
fn a_key_that_is_deleted_during_a_slow_push_ends_it() {
    let mut google = Google::new(4);
    google.set("only", json!(1));
    let artifacts = Artifacts::new(&google, &json!({"slow": 5}));
    let project = small();
    let run = artifacts.push(&project, &artifacts.image("models"));
    let key = google.key("right.pem").to_string();
    let ended = run.input("credentials-json", &key).run().expect(10);
    google.is_told_nowhere(&ended);
    ended
        .code("cloud-denied")
        .says("Invalid JWT Signature.")
        .says("make a new one");
}

#[test]
fn a_machine_that_trusts_no_authority_says_so() {
    let google = Google::new(3600);
    let artifacts = Artifacts::new(&google, &json!({}));
    let project = small().file("none.pem", "");
    let none = project.path().join("none.pem");
    let run = artifacts.push(&project, &artifacts.image("models"));
    let ended = run
        .input("credentials-json", &google.key("right.pem").to_string())
        .env("SSL_CERT_FILE", &none.to_string_lossy())
        .env("SSL_CERT_DIR", "/nowhere")
        .run()
        .expect(10)
        .code("registry-tls");
    ended.says("failed to trust the certificate");
    // What is within the machine was asked all the same.
    assert_eq!(google.tokens().len(), 1);
}

#[test]
fn a_key_of_another_universe_is_sent_nowhere() {
    let google = Google::new(3600);
    let project = small();
    let mut key = google.key("right.pem");
    key["universe_domain"] = "universe.example".into();
    let run = project.ml_deploy("build");
    let run = run.flag("image", "europe-docker.pkg.dev/wine/models/app");
    let ended = run.input("credentials-json", &key.to_string()).run();
    ended
        .expect(10)
        .code("cloud-identity")
        .says("of the universe `universe.example`")
        .says("GOOGLE_CLOUD_UNIVERSE_DOMAIN");
    assert!(google.tokens().is_empty());
}
