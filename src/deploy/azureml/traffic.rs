//! Moves an endpoint's traffic and reads it back: only what the endpoint says afterwards counts.

use std::collections::BTreeMap;

use super::before::Tags;
use super::work::{PAUSE, Work};
use crate::cloud::azure_ml::{Ended, Endpoint, Operation, codes, said};
use crate::code::Code;
use crate::failure::{Failure, Outcome};

/// How often it is looked at until it shows the traffic that Azure says it has.
const LOOKS: u32 = 5;

/// Shares in per cent by deployment.
pub(super) type Traffic = BTreeMap<String, u64>;

/// Gives the endpoint this traffic and these tags, when nobody changes it any more: until then what it says of its traffic may be about to end.
///
/// # Errors
/// `TrafficUnmoved` when the endpoint sends its requests elsewhere afterwards; `RolloutDeadline`; `Interrupted`.
pub(super) async fn set(work: &Work<'_>, wanted: &Traffic, tags: &Tags) -> Outcome<()> {
    let name = work.spec.endpoint.as_str();
    let what = format!("traffic of endpoint `{name}` moves to {}", shown(wanted));
    let Some(now) = work.settled().await? else {
        return Err(unmoved(name, wanted, "it is not there any more"));
    };
    if now.traffic == *wanted {
        return Ok(());
    }
    work.ctx.events.note(what.clone()).await;
    let operation = write(work, &now, wanted, tags).await?;
    match work.wait(&what, operation).await? {
        Ended::Succeeded => {}
        Ended::Failed(error) => {
            let code = codes(&error).into_iter().next().unwrap_or_default();
            let why = format!("Azure gave it up: `{code}`");
            return Err(unmoved(name, wanted, &why).evidence([said(&error)]));
        }
        Ended::Late => {
            return Err(Failure::new(
                Code::RolloutDeadline,
                format!(
                    "after {} s Azure has not ended this: {what}",
                    work.spec.deadline.as_secs()
                ),
            )
            .help("raise `deploy-timeout`; when it is long enough, look at the endpoint in the workspace"));
        }
        Ended::Stopped => {
            return Err(Failure::new(
                Code::Interrupted,
                format!("stopped while {what}"),
            ));
        }
    }
    read_back(work, wanted).await
}

/// Asks for it. A cancel does not break it off: what Azure has taken would go on unseen.
async fn write(
    work: &Work<'_>,
    now: &Endpoint,
    wanted: &Traffic,
    tags: &Tags,
) -> Outcome<Operation> {
    let body = now.with(wanted, tags);
    let failure = match work.ml.put_endpoint(&now.name, &body).await {
        Err(failure) if failure.code() == Code::EndpointFailed => failure,
        other => return other,
    };
    let advice = failure
        .findings()
        .next()
        .and_then(|finding| finding.help.clone());
    let evidence = failure
        .findings()
        .flat_map(|finding| finding.evidence.clone());
    let unmoved =
        unmoved(&now.name, wanted, failure.message()).evidence(evidence.collect::<Vec<_>>());
    Err(match advice {
        Some(advice) => unmoved.help(advice),
        None => unmoved,
    })
}

/// Azure says that it is done; the endpoint must say so too.
async fn read_back(work: &Work<'_>, wanted: &Traffic) -> Outcome<()> {
    let name = work.spec.endpoint.as_str();
    let mut seen = Traffic::new();
    for look in 0..LOOKS {
        if look > 0 {
            tokio::select! {
                biased;
                () = work.cancel.cancelled() => break,
                () = tokio::time::sleep(PAUSE) => {}
            }
        }
        let now = work.ml.endpoint(name).await?;
        seen = now.map(|now| now.traffic).unwrap_or_default();
        if seen == *wanted {
            work.ctx
                .events
                .note(format!(
                    "endpoint `{name}` sends its traffic to {}",
                    shown(wanted)
                ))
                .await;
            return Ok(());
        }
    }
    let why = format!(
        "Azure says that it is done, and it still goes to {}",
        shown(&seen)
    );
    Err(unmoved(name, wanted, &why))
}

fn unmoved(name: &str, wanted: &Traffic, why: &str) -> Failure {
    Failure::new(
        Code::TrafficUnmoved,
        format!(
            "the traffic of endpoint `{name}` did not move to {}: {why}",
            shown(wanted)
        ),
    )
}

/// `blue 90 %, green 10 %`.
pub(super) fn shown(traffic: &Traffic) -> String {
    if traffic.is_empty() {
        return "nobody".to_owned();
    }
    let shares = traffic
        .iter()
        .map(|(name, share)| format!("`{name}` {share} %"));
    shares.collect::<Vec<_>>().join(", ")
}

/// The traffic on the way: what it will be after each step, the last one all for the new deployment.
pub(super) fn steps(before: &Traffic, new: &str, step: u8) -> Vec<Traffic> {
    let all = Traffic::from([(new.to_owned(), 100)]);
    // Only one who served everything can give away a part of it.
    let old = match before.iter().next() {
        Some((old, 100)) if before.len() == 1 => old,
        _ => return vec![all],
    };
    let share = u64::from(step.clamp(1, 100));
    let parts = (1..)
        .map(|turn| turn * share)
        .take_while(|moved| *moved < 100);
    let mut steps: Vec<Traffic> = parts
        .map(|moved| Traffic::from([(old.clone(), 100 - moved), (new.to_owned(), moved)]))
        .collect();
    steps.push(all);
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(shares: &[(&str, u64)]) -> Traffic {
        let shares = shares
            .iter()
            .map(|(name, share)| ((*name).to_owned(), *share));
        shares.collect()
    }

    #[test]
    fn traffic_moves_in_steps_and_ends_with_all() {
        let blue = of(&[("blue", 100)]);
        assert_eq!(steps(&blue, "green", 100), [of(&[("green", 100)])]);
        assert_eq!(
            steps(&blue, "green", 40),
            [
                of(&[("blue", 60), ("green", 40)]),
                of(&[("blue", 20), ("green", 80)]),
                of(&[("green", 100)])
            ]
        );
        assert_eq!(steps(&blue, "green", 50).len(), 2);
        // Nobody served, or several did: there is nothing to share.
        assert_eq!(steps(&of(&[]), "blue", 10).len(), 1);
        assert_eq!(
            steps(&of(&[("blue", 50), ("red", 50)]), "green", 10).len(),
            1
        );
    }

    #[test]
    fn shares_are_shown_in_words() {
        assert_eq!(
            shown(&of(&[("blue", 60), ("green", 40)])),
            "`blue` 60 %, `green` 40 %"
        );
        assert_eq!(shown(&of(&[])), "nobody");
    }
}
