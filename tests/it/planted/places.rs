//! What the clouds' programs, pods and machines keep: files, variables and inputs of AWS, Azure and Google, a plant in each.

use std::path::Path;

use serde_json::json;

use super::plants::Planted;

/// Names and values.
pub(super) type Given = Vec<(&'static str, String)>;

/// Variables of the job and inputs; the files that they name lie in `folder`.
pub(super) fn of_clouds(planted: &mut Planted, folder: &Path) -> (Given, Given) {
    let at = |name: &str| folder.join(name).display().to_string();
    let file = |name: &str, text: &str| {
        std::fs::write(folder.join(name), text).unwrap();
        at(name)
    };
    let profile = format!(
        "[default]\naws_access_key_id = AKIAEXAMPLE\naws_secret_access_key = {}\naws_session_token={}\n",
        planted.one("aws-profile"),
        planted.one("aws-profile-token")
    );
    let external = |source: serde_json::Value| {
        json!({"type": "external_account", "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/x",
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt", "token_url": "https://sts.googleapis.com/v1/token",
            "credential_source": source})
        .to_string()
    };
    let subject = json!({"value": planted.one("google-subject-token")}).to_string();
    let by_file = json!({"file": file("subject", &subject), "format": {"type": "json", "subject_token_field_name": "value"}});
    // A header holds no more than ASCII.
    let runner = format!("Bearer {}", planted.plain("google-runner-token"));
    let by_url = json!({"url": "https://jobs.example/token", "headers": {"Authorization": runner}});
    let person = json!({"type": "authorized_user", "client_id": "me", "client_secret": planted.one("gcloud-client"),
        "refresh_token": planted.one("gcloud-refresh-token")});
    file("application_default_credentials.json", &person.to_string());
    let variables = vec![
        (
            "AWS_SHARED_CREDENTIALS_FILE",
            file("aws-credentials", &profile),
        ),
        ("AWS_CONFIG_FILE", "/dev/null".to_owned()),
        (
            "AWS_WEB_IDENTITY_TOKEN_FILE",
            file("aws-web", &planted.one("aws-web-identity")),
        ),
        (
            "AWS_CONTAINER_AUTHORIZATION_TOKEN",
            planted.one("aws-container-token"),
        ),
        (
            "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
            file("aws-container", &planted.one("aws-container-file")),
        ),
        (
            "AZURE_FEDERATED_TOKEN_FILE",
            file("azure-token", &planted.one("azure-federated-token")),
        ),
        ("IDENTITY_HEADER", planted.one("azure-identity-header")),
        (
            "GOOGLE_APPLICATION_CREDENTIALS",
            file("google-file", &external(by_file)),
        ),
        (
            "GOOGLE_GHA_CREDS_PATH",
            file("google-url", &external(by_url)),
        ),
        ("CLOUDSDK_CONFIG", folder.display().to_string()),
    ];
    let id = "11111111-2222-3333-4444-555555555555";
    let creds = json!({"clientId": id, "clientSecret": planted.one("azure-creds"), "tenantId": id, "subscriptionId": id});
    let line = planted.plain("google-private-key");
    let key = json!({"type": "service_account", "project_id": "wine", "private_key_id": planted.plain("google-key-id"),
        "private_key": format!("-----BEGIN PRIVATE KEY-----\n{line}\n-----END PRIVATE KEY-----\n"),
        "client_email": "ci@wine.iam.gserviceaccount.com", "token_uri": "https://oauth2.googleapis.com/token"});
    let inputs = vec![
        ("creds", creds.to_string()),
        ("credentials-json", key.to_string()),
    ];
    (variables, inputs)
}
