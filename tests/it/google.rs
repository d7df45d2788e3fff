//! Google as its jobs see it: keys, federations, people and machines, each from where it is found, against registries that take
//! what they are given and nothing else. No program of Google's is there.

use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::registries::skopeo;
use crate::servers::{Authority, Registry, Server};
use crate::support::{Ended, Project, Run, bed, unique};

pub(crate) const ACCOUNT: &str = "ci@wine.iam.gserviceaccount.com";
pub(crate) const PROVIDER: &str =
    "projects/12/locations/global/workloadIdentityPools/ci/providers/github";
const PERSON: &str = "1//hunter22-refresh-token";

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
    fn external(&self, source: &Value, account: Option<&str>) -> Value {
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
fn is_served(google: &Google, image: &str, ended: &Ended) {
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

/// A token as a job's, signed by nobody.
fn token(subject: &str) -> String {
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let audience = format!("https://iam.googleapis.com/{PROVIDER}");
    let claims = json!({"sub": subject, "aud": audience, "iss": "https://issuer.example"});
    let claims = URL_SAFE_NO_PAD.encode(claims.to_string());
    format!("e30.{claims}.aHVudGVyMjI")
}

#[test]
fn a_federation_finds_its_token_where_its_file_says() {
    let google = Google::new(3600);
    let artifacts = Artifacts::new(&google, &json!({}));
    let job = token("repo:org/wine:pod");
    let project = small()
        .file("token", &format!("{job}\n"))
        .file("token.json", &json!({"id": job}).to_string());
    let path = |name: &str| project.path().join(name).to_string_lossy().into_owned();
    let as_json = |field: &str| json!({"type": "json", "subject_token_field_name": field});
    let push = |source: &Value, account: Option<&str>| {
        let image = artifacts.image("models");
        let file = google.external(source, account).to_string();
        let run = artifacts.push(&project, &image);
        let ended = run.input("credentials-json", &file).run();
        google.is_told_nowhere(&ended);
        assert!(!ended.report.to_string().contains("aHVudGVyMjI"));
        (image, ended)
    };
    let (image, ended) = push(&json!({"file": path("token")}), None);
    is_served(&google, &image, &ended.expect(0));
    let source = json!({"file": path("token.json"), "format": as_json("id")});
    let (image, ended) = push(&source, Some(ACCOUNT));
    is_served(&google, &image, &ended.expect(0));

    let absent = json!({"file": path("absent")});
    let other = json!({"file": path("token.json"), "format": as_json("value")});
    // The runner takes the step's own password no more.
    let late = json!({"url": google.url("/job?audience=x"), "headers": {"Authorization": "Bearer hunter22-late"}});
    for (source, said) in [
        (absent, "in a container it must be mounted"),
        (other, "no JSON with `value`"),
        (late, "the login of the step before has ended"),
    ] {
        let (_, ended) = push(&source, None);
        let ended = ended.expect(10).code("cloud-identity").says(said);
        assert!(!ended.report.to_string().contains("hunter22"));
    }
    std::fs::write(path("token"), token("repo:org/other:pod")).unwrap();
    let (_, ended) = push(&json!({"file": path("token")}), None);
    ended
        .expect(10)
        .code("cloud-denied")
        .says("subject `repo:org/other:pod`");
}

#[test]
fn every_place_where_an_identity_is_found() {
    let google = Google::new(3600);
    let artifacts = Artifacts::new(&google, &json!({}));
    let source = json!({"url": google.url(&format!("/job?audience=https://iam.googleapis.com/{PROVIDER}")),
        "headers": {"Authorization": "Bearer runner-own-token"}, "format": {"type": "json", "subject_token_field_name": "value"}});
    let person = json!({"type": "authorized_user", "client_id": "me", "client_secret": "hunter22-client", "refresh_token": PERSON,
        "token_uri": google.url("/token")});
    let project = small()
        .file(
            "gha-creds-1.json",
            &google.external(&source, Some(ACCOUNT)).to_string(),
        )
        .file("direct.json", &google.external(&source, None).to_string())
        .file("key.json", &google.key("right.pem").to_string())
        .file(
            ".config/gcloud/application_default_credentials.json",
            &person.to_string(),
        );
    let path = |name: &str| project.path().join(name).to_string_lossy().into_owned();
    let metadata = google.server.address();
    let absent = path("absent.json");
    for (name, value) in [
        ("GOOGLE_APPLICATION_CREDENTIALS", &path("key.json")),
        ("GOOGLE_GHA_CREDS_PATH", &path("gha-creds-1.json")),
        ("GOOGLE_APPLICATION_CREDENTIALS", &path("direct.json")),
        ("CLOUDSDK_CONFIG", &path(".config/gcloud")),
        ("GCE_METADATA_HOST", &metadata),
        ("GOOGLE_APPLICATION_CREDENTIALS", &absent),
    ] {
        let image = artifacts.image("models");
        let run = artifacts.push(&project, &image).env(name, value);
        // Only for the machine's own account is there no file of gcloud.
        let ended = if name == "GCE_METADATA_HOST" {
            run.env("CLOUDSDK_CONFIG", "/nowhere").run()
        } else {
            run.run()
        };
        google.is_told_nowhere(&ended);
        if value == &absent {
            ended
                .expect(10)
                .code("cloud-identity")
                .says("the credentials of GOOGLE_APPLICATION_CREDENTIALS");
        } else {
            is_served(&google, &image, &ended.expect(0));
        }
    }
}

#[test]
fn a_job_needs_no_stored_secret() {
    let mut google = Google::new(3600);
    let artifacts = Artifacts::new(&google, &json!({}));
    let project = small();
    let image = artifacts.image("models");
    let push = |google: &Google, account: &str| {
        let run = google.job(artifacts.push(&project, &image));
        run.input("workload-identity-provider", PROVIDER)
            .input("service-account", account)
            .run()
    };
    let ended = push(&google, ACCOUNT).expect(0);
    google.is_told_nowhere(&ended);
    is_served(&google, &image, &ended);
    // An account that the job may not act as.
    let ended = push(&google, "other@wine.iam.gserviceaccount.com");
    let ended = ended.expect(10).code("cloud-denied");
    google.is_told_nowhere(&ended);
    ended
        .says("Permission 'iam.serviceAccounts.getAccessToken' denied")
        .says("subject `repo:org/wine:ref:refs/heads/main`")
        .says("roles/iam.workloadIdentityUser")
        .says("principalSet://iam.googleapis.com/projects/12/locations/global/workloadIdentityPools/ci/attribute.repository/org/wine");
    // A job that the provider does not take.
    google.set("job", json!("repo:org/other:pull_request"));
    let ended = push(&google, ACCOUNT).expect(10).code("cloud-denied");
    ended
        .says("rejected by the attribute condition")
        .says("subject `repo:org/other:pull_request`")
        .says(&format!("audience `https://iam.googleapis.com/{PROVIDER}`"));
    // A job without the permission.
    let run = artifacts.push(&project, &image);
    let ended = run.input("workload-identity-provider", PROVIDER).run();
    ended
        .expect(10)
        .code("cloud-identity")
        .says("id-token: write");
}
