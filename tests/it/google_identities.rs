//! Who a job is at Google: keys, federations, people and machines, each from where it is found.

use base64::Engine as _;
use serde_json::{Value, json};

use crate::google::{ACCOUNT, Artifacts, Google, PERSON, PROVIDER, is_served, small};

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
