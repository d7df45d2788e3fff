//! MLflow's REST interface, as far as we read it: the same in 2.x and 3.x.

use std::time::Duration;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Certificate, Client, RequestBuilder, Response, StatusCode};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::Marker;
use super::run::FoundRun;
use crate::context::Context;
use crate::plan::TrackingSpec;

/// How often a request is made at most.
const TRIES: u32 = 5;
/// Bytes of a file that is read back.
const LARGEST: u64 = 64 << 20;
/// Experiments in one search; a URL is not involved, but servers build a query of them.
const BATCH: usize = 100;

/// A client that trusts the system's authorities and those of `REQUESTS_CA_BUNDLE` and `MLFLOW_TRACKING_SERVER_CERT_PATH`,
/// as the Python client of the training does. Proxies come from the environment.
pub(super) fn client(limit: Duration) -> anyhow::Result<Client> {
    let mut authorities = Vec::new();
    for name in [
        "REQUESTS_CA_BUNDLE",
        "MLFLOW_TRACKING_SERVER_CERT_PATH",
        "SSL_CERT_FILE",
    ] {
        let Some(path) = std::env::var_os(name).filter(|path| !path.is_empty()) else {
            continue;
        };
        let Ok(pem) = std::fs::read(&path) else {
            continue;
        };
        authorities.extend(
            Certificate::from_pem_bundle(&pem)
                .with_context(|| format!("failed to read the certificates in {name}"))?,
        );
    }
    let insecure = std::env::var("MLFLOW_TRACKING_INSECURE_TLS")
        .is_ok_and(|value| value == "true" || value == "1");
    let mut builder = Client::builder()
        .timeout(limit)
        .connect_timeout(Duration::from_secs(5))
        .user_agent(concat!("ml-deploy/", env!("CARGO_PKG_VERSION")))
        .tls_certs_merge(authorities);
    if insecure {
        builder = builder.tls_danger_accept_invalid_certs(true);
    }
    Ok(builder.build()?)
}

/// Adds who we are.
pub(super) fn authorised(request: RequestBuilder, spec: &TrackingSpec) -> RequestBuilder {
    match (&spec.token, &spec.username) {
        (_, Some(username)) => request.basic_auth(
            username,
            spec.password.as_ref().map(ExposeSecret::expose_secret),
        ),
        (Some(token), None) => request.bearer_auth(token.expose_secret()),
        (None, None) => request,
    }
}

/// All runs with the marker: those of the named experiment, or, when the script chose its own, of any.
pub(super) async fn marked_runs(
    ctx: &Context,
    url: &str,
    spec: &TrackingSpec,
    marker: &Marker,
) -> anyhow::Result<Vec<FoundRun>> {
    let server = Server::open(ctx, url, spec)?;
    let mut runs = Vec::new();
    if let Some(name) = &spec.experiment
        && let Some(id) = server.experiment(name).await?
    {
        runs = server.search(&[id], marker).await?;
    }
    if runs.is_empty() {
        for ids in server.experiments().await?.chunks(BATCH) {
            runs.extend(server.search(ids, marker).await?);
        }
    }
    // Some 3.x servers name a run's models only when they are asked for that run.
    if let Some(chosen) = super::run::choose(runs.clone()) {
        let id = chosen.info.run_id;
        if let Some(run) = server.run(&id).await?
            && let Some(known) = runs.iter_mut().find(|known| known.info.run_id == id)
        {
            known.outputs = run.outputs;
            known.inputs = run.inputs;
        }
    }
    Ok(runs)
}

/// One server and who asks it.
pub(super) struct Server<'a> {
    ctx: &'a Context,
    client: Client,
    url: &'a str,
    base: String,
    spec: &'a TrackingSpec,
    /// How often a request is made.
    tries: u32,
}

impl<'a> Server<'a> {
    pub(super) fn open(
        ctx: &'a Context,
        url: &'a str,
        spec: &'a TrackingSpec,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            ctx,
            client: client(Duration::from_secs(30))?,
            url,
            base: format!("{url}/api/2.0/mlflow"),
            spec,
            tries: TRIES,
        })
    }

    /// The same, but nothing is tried again.
    pub(super) fn impatient(self) -> Self {
        Self { tries: 1, ..self }
    }

    /// The runs of an experiment that began last, latest first, in one page.
    pub(super) async fn latest(
        &self,
        experiment: &str,
        count: usize,
    ) -> anyhow::Result<Vec<FoundRun>> {
        let body = json!({
            "experiment_ids": [experiment],
            "max_results": count,
            "order_by": ["attributes.start_time DESC"],
        });
        let answer = self.post("runs/search", &body).await?.unwrap_or_default();
        let found = answer.get("runs").and_then(Value::as_array);
        let found = found.into_iter().flatten();
        Ok(found
            .filter_map(|run| serde_json::from_value(run.clone()).ok())
            .collect())
    }

    /// The run with this id; `None` when the server does not have it.
    pub(super) async fn run(&self, id: &str) -> anyhow::Result<Option<FoundRun>> {
        let answer = self.get("runs/get", &[("run_id", id)]).await?;
        let run = answer.and_then(|mut answer| Some(answer.get_mut("run")?.take()));
        run.map(|run| serde_json::from_value(run).context("tracking server's answer is no run"))
            .transpose()
    }

    /// Sends a change. `None` for 404.
    pub(super) async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Option<Value>> {
        let url = format!("{}/{path}", self.base);
        self.answer(|| self.client.post(&url).json(body)).await
    }

    async fn experiment(&self, name: &str) -> anyhow::Result<Option<String>> {
        let answer = self
            .get("experiments/get-by-name", &[("experiment_name", name)])
            .await?;
        Ok(answer.and_then(|answer| {
            Some(
                answer
                    .pointer("/experiment/experiment_id")?
                    .as_str()?
                    .to_owned(),
            )
        }))
    }

    async fn experiments(&self) -> anyhow::Result<Vec<String>> {
        self.pages(
            "experiments/search",
            json!({"max_results": 1000}),
            "experiments",
            |experiment| Some(experiment.get("experiment_id")?.as_str()?.to_owned()),
        )
        .await
    }

    async fn search(
        &self,
        experiments: &[String],
        marker: &Marker,
    ) -> anyhow::Result<Vec<FoundRun>> {
        let filter = format!("tags.`{}` = '{}'", Marker::TAG, marker.as_str());
        let body = json!({"experiment_ids": experiments, "filter": filter, "max_results": 1000});
        self.pages("runs/search", body, "runs", |run| {
            serde_json::from_value(run.clone()).ok()
        })
        .await
    }

    /// All pages of a search.
    async fn pages<T>(
        &self,
        path: &str,
        mut body: Value,
        list: &str,
        read: impl Fn(&Value) -> Option<T>,
    ) -> anyhow::Result<Vec<T>> {
        let mut all = Vec::new();
        loop {
            let url = format!("{}/{path}", self.base);
            let answer = self
                .answer(|| self.client.post(&url).json(&body))
                .await?
                .unwrap_or_default();
            let found = answer.get(list).and_then(Value::as_array);
            all.extend(found.into_iter().flatten().filter_map(&read));
            match answer.get("next_page_token").and_then(Value::as_str) {
                Some(token) if !token.is_empty() => body["page_token"] = token.into(),
                _ => return Ok(all),
            }
        }
    }

    pub(super) async fn get(
        &self,
        path: &str,
        query: &[(&str, &str)],
    ) -> anyhow::Result<Option<Value>> {
        let url = format!("{}/{path}", self.base);
        self.answer(|| self.client.get(&url).query(query)).await
    }

    /// Logs a file with a run.
    pub(super) async fn upload(
        &self,
        run: &str,
        path: &str,
        content: Vec<u8>,
    ) -> anyhow::Result<()> {
        let url = format!("{}/ajax-api/2.0/mlflow/upload-artifact", self.url);
        let content = Bytes::from(content);
        let request = || {
            let request = self.client.post(&url);
            let request = request.query(&[("run_uuid", run), ("path", path)]);
            let kind = "application/octet-stream";
            request.header(CONTENT_TYPE, kind).body(content.clone())
        };
        // Behind the server there is a store that it may not reach; it says so as if it had a defect, and asking on helps nobody.
        let done = self.sent(2, request).await?;
        done.map(drop)
            .context("the tracking server takes no files (404)")
    }

    /// A file that was logged with a run. `None` for 404.
    pub(super) async fn download(&self, run: &str, path: &str) -> anyhow::Result<Option<Vec<u8>>> {
        let url = format!("{}/get-artifact", self.url);
        let query = [("run_uuid", run), ("path", path)];
        let Some(answer) = self
            .sent(TRIES, || self.client.get(&url).query(&query))
            .await?
        else {
            return Ok(None);
        };
        anyhow::ensure!(
            answer.content_length().unwrap_or_default() <= LARGEST,
            "`{path}` is larger than {LARGEST} bytes"
        );
        Ok(Some(answer.bytes().await?.to_vec()))
    }

    async fn answer(&self, request: impl Fn() -> RequestBuilder) -> anyhow::Result<Option<Value>> {
        let Some(response) = self.sent(self.tries, request).await? else {
            return Ok(None);
        };
        let answer = response.json().await;
        answer
            .context("tracking server's answer is no JSON")
            .map(Some)
    }

    /// Asks until there is an answer: what is transient is tried again, what is refused is not. `None` for 404.
    async fn sent(
        &self,
        tries: u32,
        request: impl Fn() -> RequestBuilder,
    ) -> anyhow::Result<Option<Response>> {
        let mut pause = Duration::from_millis(500);
        for attempt in 1.. {
            let sent = tokio::select! {
                sent = authorised(request(), self.spec).send() => sent,
                () = self.ctx.cancel.cancelled() => bail!("the run was cancelled"),
            };
            let why = match sent {
                Ok(response) if is_transient(response.status()) => {
                    format!("tracking server answers {}", response.status())
                }
                Ok(response) if response.status() == StatusCode::NOT_FOUND => return Ok(None),
                Ok(response) if response.status().is_success() => return Ok(Some(response)),
                Ok(response) => bail!("tracking server answers {}", said(response).await),
                Err(error) => crate::failure::chain(&error.without_url().into()),
            };
            if attempt >= tries {
                bail!("{why}, asked {attempt} times");
            }
            self.ctx.events.retrying(pause, why).await;
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.ctx.cancel.cancelled() => bail!("the run was cancelled"),
            }
            pause *= 2;
        }
        bail!("tracking server was not asked")
    }
}

fn is_transient(status: StatusCode) -> bool {
    status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error()
}

/// Status and message of a refusal, in one line.
pub(super) async fn said(response: Response) -> String {
    let status = response.status();
    let text = response.text().await.unwrap_or_default();
    let message = serde_json::from_str::<Value>(&text)
        .ok()
        .and_then(|answer| Some(answer.get("message")?.as_str()?.to_owned()))
        .unwrap_or(text);
    let line = message.lines().next().unwrap_or_default();
    let line = match line.char_indices().nth(200) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    };
    if line.is_empty() {
        status.to_string()
    } else {
        format!("{status}: {line}")
    }
}
