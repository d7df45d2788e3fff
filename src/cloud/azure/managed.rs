//! Identities that Azure gives to machines of its own: asked for at an address that only such a machine has.
//! Sources: learn.microsoft.com "Managed identities: how to use an access token" (virtual machines) and "App Service: REST".

use std::time::Duration;

use reqwest::Client;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use tokio::net::TcpStream;

use super::super::Surroundings;
use super::super::environment::Environment;
use crate::code::Code;
use crate::failure::{Failure, Outcome};

/// Where a virtual machine asks.
const METADATA: &str = "http://169.254.169.254";
/// On any other machine nobody answers there, and that must not cost much.
const CONNECT: Duration = Duration::from_secs(1);
/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Where a token is had without any secret of ours.
#[derive(Clone, Debug)]
pub(super) struct Managed {
    place: Place,
    /// Of a user-assigned identity; `None`: the machine's own.
    client_id: Option<String>,
}

#[derive(Clone, Debug)]
enum Place {
    /// App Service, Container Apps, Functions: a URL and a secret that proves that we run there.
    Service { url: String, header: SecretString },
    /// A virtual machine, perhaps.
    Machine { url: String },
}

impl Managed {
    pub(super) fn new(env: &Environment) -> Self {
        let url = env.get("IDENTITY_ENDPOINT").map(str::to_owned);
        let place = match (url, env.secret("IDENTITY_HEADER")) {
            (Some(url), Some(header)) => Place::Service { url, header },
            _ => {
                let host = env
                    .get("AZURE_POD_IDENTITY_AUTHORITY_HOST")
                    .unwrap_or(METADATA);
                let host = host.trim_end_matches('/');
                Place::Machine {
                    url: format!("{host}/metadata/identity/oauth2/token"),
                }
            }
        };
        Self {
            place,
            client_id: env.get("AZURE_CLIENT_ID").map(str::to_owned),
        }
    }

    pub(super) fn client_id(&self) -> Option<&str> {
        self.client_id.as_deref()
    }

    /// Whether nothing says that there is one.
    pub(super) fn is_guess(&self) -> bool {
        matches!(self.place, Place::Machine { .. })
    }

    /// The answer with a token for the scope.
    ///
    /// # Errors
    /// `CloudIdentity`: there is none here, or it is not assigned.
    pub(super) async fn ask(&self, around: &Surroundings, scope: &str) -> Outcome<Value> {
        let resource = scope.trim_end_matches("/.default");
        let mut query = vec![("resource", resource)];
        if let Some(client_id) = &self.client_id {
            query.push(("client_id", client_id));
        }
        // What stands at the machine's own address is not behind the company's proxy.
        let client = Client::builder()
            .no_proxy()
            .connect_timeout(CONNECT)
            .timeout(TIMEOUT)
            .build();
        let client = client.unwrap_or_default();
        let request = match &self.place {
            Place::Service { url, header } => {
                query.push(("api-version", "2019-08-01"));
                let request = client.get(url).query(&query);
                request.header("X-IDENTITY-HEADER", header.expose_secret())
            }
            Place::Machine { url } => {
                if !answers(url).await {
                    return Err(elsewhere());
                }
                query.push(("api-version", "2018-02-01"));
                client.get(url).query(&query).header("Metadata", "true")
            }
        };
        let tried = "get a token of this machine's managed identity";
        let answer = around.http.send(tried, request).await?;
        if answer.status.is_success() {
            return Ok(answer.json());
        }
        let said = answer.json();
        let why = ["error_description", "message", "error"]
            .iter()
            .find_map(|key| said.get(key)?.as_str());
        Err(Failure::new(
            Code::CloudIdentity,
            format!("failed to {tried}: it answers {}", answer.status),
        )
        .help("assign an identity to the machine, and set AZURE_CLIENT_ID when it has several")
        .evidence(why.map(|why| why.split_whitespace().collect::<Vec<_>>().join(" "))))
    }
}

/// Whether anybody listens there: on a machine that is not Azure's nobody does, and that is no fault to be tried again.
async fn answers(url: &str) -> bool {
    let Ok(url) = url.parse::<reqwest::Url>() else {
        return false;
    };
    let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else {
        return false;
    };
    let host = host.trim_matches(['[', ']']);
    let connected = tokio::time::timeout(CONNECT, TcpStream::connect((host, port)));
    matches!(connected.await, Ok(Ok(_)))
}

fn elsewhere() -> Failure {
    Failure::new(
        Code::CloudIdentity,
        "failed to log in to Azure: no identity is named, none is in the variables AZURE_*, and this is no machine of Azure",
    )
    .help("set `creds`, or `client-id` and `tenant-id` with `permissions: id-token: write` (docs/azure.md)")
}

/// How long a token lives. The authority writes numbers, machines write the same as text, App Service only when it ends.
pub(super) fn life(answer: &Value) -> Option<Duration> {
    let seconds = |name: &str| {
        let value = answer.get(name)?;
        value.as_i64().or_else(|| value.as_str()?.parse().ok())
    };
    let left = seconds("expires_in")
        .or_else(|| Some(seconds("expires_on")? - jiff::Timestamp::now().as_second()))?;
    u64::try_from(left).ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Answers one request with this, and returns what was asked.
    async fn once(answer: &'static str) -> (String, tokio::task::JoinHandle<String>) {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = tokio::spawn(async move {
            let mut asked = vec![0; 4096];
            // One that connects and asks nothing only looks whether somebody is there.
            let (mut stream, length) = loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                match stream.read(&mut asked).await {
                    Ok(0) | Err(_) => {}
                    Ok(length) => break (stream, length),
                }
            };
            let head = format!("HTTP/1.1 {answer}");
            stream.write_all(head.as_bytes()).await.unwrap();
            String::from_utf8_lossy(&asked[..length]).to_lowercase()
        });
        (url, asked)
    }

    async fn ask(variables: &[(&str, &str)]) -> Outcome<Value> {
        drop(rustls::crypto::ring::default_provider().install_default());
        let variables: Vec<_> = variables
            .iter()
            .map(|&(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let environment = Environment::new(&variables);
        let around = Surroundings::of(&environment);
        let scope = "https://management.azure.com/.default";
        Managed::new(&environment).ask(&around, scope).await
    }

    const TOKEN: &str = "200 OK\r\nContent-Length: 46\r\n\r\n{\"access_token\":\"t\",\"expires_on\":\"4102444800\"}";

    #[tokio::test]
    async fn a_virtual_machine_asks_its_metadata() {
        let (url, asked) = once(TOKEN).await;
        let answer = ask(&[
            ("AZURE_POD_IDENTITY_AUTHORITY_HOST", &url),
            ("AZURE_CLIENT_ID", "mine"),
        ])
        .await;
        assert_eq!(answer.unwrap()["access_token"], "t");
        let asked = asked.await.unwrap();
        assert!(asked.starts_with("get /metadata/identity/oauth2/token?resource=https%3a%2f%2fmanagement.azure.com&client_id=mine&api-version=2018-02-01 "), "{asked}");
        assert!(asked.contains("metadata: true"), "{asked}");
    }

    #[tokio::test]
    async fn a_service_shows_that_it_runs_there() {
        let (url, asked) = once(TOKEN).await;
        let url = format!("{url}/msi/token");
        let answer = ask(&[("IDENTITY_ENDPOINT", &url), ("IDENTITY_HEADER", "proof")]).await;
        assert_eq!(answer.unwrap()["access_token"], "t");
        let asked = asked.await.unwrap();
        assert!(asked.starts_with("get /msi/token?resource="), "{asked}");
        assert!(asked.contains("x-identity-header: proof"), "{asked}");
    }

    #[tokio::test]
    async fn a_machine_without_an_identity_is_told_so() {
        let (url, _asked) = once("400 Bad Request\r\nContent-Length: 75\r\n\r\n{\"error\":\"invalid_request\",\"error_description\":\"Identity not found, sorry\"}").await;
        let failure = ask(&[("AZURE_POD_IDENTITY_AUTHORITY_HOST", &url)]).await;
        let finding = failure.unwrap_err().into_findings().remove(0);
        assert_eq!(finding.code, Code::CloudIdentity);
        assert!(
            finding
                .evidence
                .iter()
                .any(|line| line.contains("Identity not found")),
            "{finding:?}"
        );
        // Elsewhere nobody listens.
        let nowhere = [("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://127.0.0.1:1")];
        let finding = ask(&nowhere).await.unwrap_err().into_findings().remove(0);
        assert!(
            finding.message.contains("no identity is named"),
            "{}",
            finding.message
        );
    }

    #[test]
    fn lives_are_read_as_they_are_written() {
        let hour = Some(Duration::from_secs(3599));
        assert_eq!(life(&json!({"expires_in": 3599})), hour);
        assert_eq!(life(&json!({"expires_in": "3599"})), hour);
        let ends = jiff::Timestamp::now().as_second() + 100;
        let left = life(&json!({"expires_on": ends.to_string()})).unwrap();
        assert!(left <= Duration::from_secs(100) && left > Duration::from_secs(90));
        assert_eq!(life(&json!({})), None);
    }
}
