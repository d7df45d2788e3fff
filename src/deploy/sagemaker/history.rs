//! The configurations of ours that an endpoint had: their tags are the record. Choosing among them is pure.

use serde_json::Value;

use super::Before;
use super::judge::{config, text};
use super::wanted::{MARK, is_name_of, prefix};
use crate::cloud::{SageMaker, Thing};
use crate::failure::Outcome;
use crate::plan::SageMakerSpec;

/// A configuration of ours.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Past {
    pub(super) name: String,
    pub(super) arn: String,
    /// When it was verified last, as RFC 3339 in UTC, so that the order of text is that of time.
    pub(super) verified: Option<String>,
    pub(super) digest: Option<String>,
    pub(super) commit: Option<String>,
    pub(super) run_id: Option<String>,
}

impl Past {
    fn new(name: String, arn: String, tags: &[(String, String)]) -> Self {
        let tag = |wanted: &str| {
            let ours = |(key, _): &&(String, String)| key.strip_prefix(MARK) == Some(wanted);
            tags.iter().find(ours).map(|(_, value)| value.clone())
        };
        Self {
            name,
            arn,
            verified: tag("verified"),
            digest: tag("digest"),
            commit: tag("commit"),
            run_id: tag("run-id"),
        }
    }
}

/// The configurations that were made for this endpoint by us, the newest first.
pub(super) async fn of(aws: &SageMaker, spec: &SageMakerSpec) -> Outcome<Vec<Past>> {
    let begin = prefix(&spec.endpoint);
    let mut past = Vec::new();
    for (name, arn) in aws.configs(&begin).await? {
        // Tags are one question each: they are asked for only of what may be ours.
        if !is_name_of(&spec.endpoint, &name) {
            continue;
        }
        let tags = aws.tags(&arn).await?;
        if belongs(&tags, &spec.endpoint) {
            past.push(Past::new(name, arn, &tags));
        }
    }
    Ok(past)
}

/// What the tags of one configuration say; `None` when it is not ours.
pub(super) async fn one(
    aws: &SageMaker,
    spec: &SageMakerSpec,
    name: &str,
) -> Outcome<Option<Past>> {
    let Some(described) = aws.describe(Thing::Config, name).await? else {
        return Ok(None);
    };
    let arn = text(&described, "EndpointConfigArn");
    let tags = aws.tags(arn).await?;
    let ours = belongs(&tags, &spec.endpoint);
    Ok(ours.then(|| Past::new(name.to_owned(), arn.to_owned(), &tags)))
}

/// Whether something carries our tag for this endpoint.
pub(super) async fn is_ours(aws: &SageMaker, spec: &SageMakerSpec, arn: &str) -> Outcome<bool> {
    Ok(belongs(&aws.tags(arn).await?, &spec.endpoint))
}

fn belongs(tags: &[(String, String)], endpoint: &str) -> bool {
    let wanted = |(key, value): &(String, String)| {
        key.strip_prefix(MARK) == Some("endpoint") && value == endpoint
    };
    tags.iter().any(wanted)
}

/// What served before the configuration that is live became so. Whoever may not read tags cannot be told.
pub(super) async fn before(
    aws: &SageMaker,
    spec: &SageMakerSpec,
    described: &Value,
) -> Option<Before> {
    let past = of(aws, spec).await.ok()?;
    let live = config(described);
    let verified = |one: &&Past| one.name == live && one.verified.is_some();
    if past.iter().any(|one| verified(&one)) {
        // It is what was verified last: going back would change what is right.
        return None;
    }
    let to = previous(&past, live)?;
    Some(Before {
        config: to.name.clone(),
        image: to.digest.clone(),
    })
}

/// The last one that was verified before the one that is live.
pub(super) fn previous<'a>(past: &'a [Past], live: &str) -> Option<&'a Past> {
    let now = past.iter().find(|one| one.name == live);
    let now = now.and_then(|one| one.verified.as_deref());
    let earlier = past.iter().filter(|one| {
        let then = one.verified.as_deref();
        one.name != live && then.is_some_and(|then| now.is_none_or(|now| then < now))
    });
    earlier.max_by_key(|one| one.verified.clone())
}

/// Those that are not kept: beside the live one stay the `keep` that were verified last, and of the others none.
pub(super) fn superfluous<'a>(past: &'a [Past], live: &[&str], keep: usize) -> Vec<&'a Past> {
    let mut others: Vec<&Past> = past
        .iter()
        .filter(|one| !live.contains(&one.name.as_str()))
        .collect();
    // What was never verified comes last, and of the same kind the older.
    others.sort_by(|one, other| other.verified.cmp(&one.verified));
    others.split_off(keep.min(others.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn past(all: &[(&str, Option<&str>)]) -> Vec<Past> {
        let one = |&(name, verified): &(&str, Option<&str>)| Past {
            name: name.to_owned(),
            verified: verified.map(str::to_owned),
            ..Past::default()
        };
        all.iter().map(one).collect()
    }

    #[test]
    fn back_is_what_was_verified_before_the_live_one() {
        let all = past(&[
            ("d", None),
            ("c", Some("2026-03")),
            ("b", Some("2026-02")),
            ("a", Some("2026-01")),
        ]);
        let name = |live| previous(&all, live).map(|one| one.name.as_str());
        assert_eq!(name("c"), Some("b"));
        assert_eq!(name("b"), Some("a"));
        assert_eq!(name("a"), None);
        // One that was never verified is not part of the order: the last that was comes back.
        assert_eq!(name("d"), Some("c"));
        assert_eq!(previous(&past(&[("d", None)]), "x"), None);
    }

    #[test]
    fn the_live_one_and_the_last_verified_stay() {
        let all = past(&[
            ("e", None),
            ("d", Some("2026-04")),
            ("c", Some("2026-03")),
            ("b", Some("2026-02")),
            ("f", None),
        ]);
        let names = |live: &[&str], keep| {
            let found = superfluous(&all, live, keep);
            found
                .iter()
                .map(|one| one.name.as_str())
                .collect::<Vec<_>>()
        };
        assert_eq!(names(&["d"], 1), ["b", "e", "f"]);
        assert_eq!(names(&["d"], 2), ["e", "f"]);
        assert_eq!(names(&["e"], 3), ["f"]);
        assert_eq!(names(&["b", "e"], 9), [""; 0]);
    }

    #[test]
    fn only_what_is_tagged_for_this_endpoint_is_ours() {
        let tags = |value: &str| vec![("ml-deploy:endpoint".to_owned(), value.to_owned())];
        assert!(belongs(&tags("wine"), "wine"));
        assert!(!belongs(&tags("wine-2"), "wine"));
        assert!(!belongs(&[], "wine"));
    }
}
