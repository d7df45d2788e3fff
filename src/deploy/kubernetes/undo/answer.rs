//! Asks what was put back whether it answers.

use std::time::Duration;

use tokio::time::Instant;

use crate::cluster::{Cluster, Request, http, serving};
use crate::code::Code;
use crate::context::Context;
use crate::failure::{Failure, Outcome};

/// How long it may take: routes lag a little behind ready pods.
const WITHIN: Duration = Duration::from_secs(15);

/// Asks `path` until it answers 2xx; says how it answers.
pub(super) async fn healthy(
    ctx: &Context,
    cluster: &Cluster,
    objects: &[String],
    path: &str,
    port: Option<u16>,
) -> Outcome<String> {
    let until = Instant::now() + WITHIN;
    loop {
        let why = match ask(cluster, objects, path, port).await {
            Ok(said) => return Ok(said),
            Err(why) => why,
        };
        let stopped = ctx.cancel.is_cancelled();
        if stopped || Instant::now() >= until {
            let code = if stopped {
                Code::Interrupted
            } else {
                Code::VerifyHealth
            };
            return Err(Failure::new(code, why));
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// Whether it answers 2xx right now.
pub(super) async fn once(
    cluster: &Cluster,
    objects: &[String],
    path: &str,
    port: Option<u16>,
) -> bool {
    ask(cluster, objects, path, port).await.is_ok()
}

async fn ask(
    cluster: &Cluster,
    objects: &[String],
    path: &str,
    port: Option<u16>,
) -> Result<String, String> {
    let told = |failure: Failure| {
        let first = failure.into_findings().into_iter().next();
        first.map(|finding| finding.message).unwrap_or_default()
    };
    let found = serving(cluster, &cluster.namespace, objects, port)
        .await
        .map_err(told)?;
    let backend = found
        .backend
        .ok_or_else(|| "no pod is ready to be asked".to_owned())?;
    let request = Request {
        method: "GET",
        path,
        body: None,
        timeout: Duration::from_secs(5),
    };
    let answer = http(cluster, &backend, request).await.map_err(told)?;
    let said = format!("answers {} at {backend}{path}", answer.status);
    if (200..300).contains(&answer.status) {
        Ok(said)
    } else {
        Err(format!("{backend}{path} {said}"))
    }
}
