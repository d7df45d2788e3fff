//! Events of the cluster, as far as they tell something: what happened to which object, how often and when.
//! It knows which are worth keeping, not what they mean for a verdict.

use std::collections::HashMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::cluster::text;

/// Events of one object that are kept; a broken pod repeats a few texts for ever.
const PER_OBJECT: usize = 16;
/// Objects whose events are kept; in a busy namespace most are not ours.
const OBJECTS: usize = 4_000;
/// Longest text that is kept, in bytes.
const LONGEST: usize = 1_000;

/// Reasons that say only that all goes well.
const DULL: &[&str] = &[
    "Scheduled",
    "Pulling",
    "Pulled",
    "Created",
    "Started",
    "SuccessfulCreate",
    "SuccessfulDelete",
    "ScalingReplicaSet",
    "SuccessfulAttachVolume",
    "LeaderElection",
];

/// Something that happened to an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::deploy::kubernetes) struct Happening {
    pub(super) uid: String,
    pub(super) reason: String,
    pub(super) message: String,
    pub(super) warning: bool,
    /// Name of the container that it is about; empty when it is about none.
    pub(super) container: String,
    /// At least 1.
    pub(super) count: u32,
    pub(super) first: Timestamp,
    pub(super) last: Timestamp,
}

impl Happening {
    /// Reads an event as the API server gives it; `None` when it tells nothing.
    pub(super) fn read(event: &Value) -> Option<Self> {
        let reason = text(event, "/reason");
        if DULL.contains(&reason) {
            return None;
        }
        let at = |pointers: &[&str]| {
            pointers
                .iter()
                .find_map(|pointer| text(event, pointer).parse::<Timestamp>().ok())
        };
        let last = at(&[
            "/series/lastObservedTime",
            "/lastTimestamp",
            "/eventTime",
            "/metadata/creationTimestamp",
        ])?;
        let first = at(&[
            "/firstTimestamp",
            "/eventTime",
            "/metadata/creationTimestamp",
        ])?;
        let field = text(event, "/involvedObject/fieldPath");
        let container = field
            .split_once('{')
            .and_then(|(_, rest)| rest.strip_suffix('}'));
        let count = event
            .pointer("/series/count")
            .or_else(|| event.get("count"))
            .and_then(Value::as_u64)
            .unwrap_or(1);
        let message = text(event, "/message");
        Some(Self {
            uid: text(event, "/involvedObject/uid").to_owned(),
            reason: reason.to_owned(),
            message: shortened(message),
            warning: text(event, "/type") != "Normal",
            container: container.unwrap_or_default().to_owned(),
            count: u32::try_from(count.max(1)).unwrap_or(u32::MAX),
            first,
            last,
        })
    }

    /// As it stands in a bundle: the form of the API server, so that recorded and live events read alike.
    pub(super) fn write(&self) -> Value {
        json!({
            "involvedObject": {"uid": self.uid, "fieldPath": if self.container.is_empty() { String::new() } else { format!("spec.containers{{{}}}", self.container) }},
            "reason": self.reason,
            "message": self.message,
            "type": if self.warning { "Warning" } else { "Normal" },
            "count": self.count,
            "firstTimestamp": self.first.to_string(),
            "lastTimestamp": self.last.to_string(),
        })
    }

    /// `Reason: message`, in one line.
    pub(in crate::deploy::kubernetes) fn said(&self) -> String {
        let words: Vec<&str> = self.message.split_whitespace().collect();
        format!("{}: {}", self.reason, words.join(" "))
    }

    /// One line of evidence.
    pub(in crate::deploy::kubernetes) fn line(&self) -> String {
        let times = match self.count {
            1 => String::new(),
            count => format!(" ({count} times)"),
        };
        format!("event {}{times}", self.said())
    }
}

/// Events by the object that they are about.
#[derive(Clone, Debug, Default)]
pub(super) struct Happenings(HashMap<String, Vec<Happening>>);

impl Happenings {
    /// Keeps an event, or the newer form of one.
    pub(super) fn keep(&mut self, happening: Happening) {
        if self.0.len() >= OBJECTS && !self.0.contains_key(&happening.uid) {
            return;
        }
        let all = self.0.entry(happening.uid.clone()).or_default();
        let same = |one: &Happening| {
            (&one.reason, &one.message, &one.container)
                == (&happening.reason, &happening.message, &happening.container)
        };
        if let Some(known) = all.iter_mut().find(|one| same(one)) {
            if known.last <= happening.last {
                *known = happening;
            }
            return;
        }
        if all.len() >= PER_OBJECT {
            let oldest = (0..all.len()).min_by_key(|index| all.get(*index).map(|one| one.last));
            all.swap_remove(oldest.unwrap_or_default());
        }
        all.push(happening);
    }

    /// Events of an object that are not older than `since`, oldest first.
    pub(super) fn of(&self, uid: &str, since: Timestamp) -> Vec<&Happening> {
        let all = self.0.get(uid).map(Vec::as_slice).unwrap_or_default();
        let mut found: Vec<&Happening> = all.iter().filter(|one| one.last >= since).collect();
        found.sort_by_key(|one| one.last);
        found
    }
}

/// A cut is marked: who hides secrets looks there for the beginning of one.
fn shortened(text: &str) -> String {
    if text.len() <= LONGEST {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(LONGEST - '…'.len_utf8());
    format!("{}…", &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(reason: &str, message: &str, count: u64, last: &str) -> Value {
        json!({"involvedObject": {"uid": "u", "fieldPath": "spec.containers{model}"}, "reason": reason, "message": message,
            "type": "Warning", "count": count, "firstTimestamp": "2026-01-01T00:00:00Z", "lastTimestamp": last})
    }

    #[test]
    fn an_event_is_read_as_the_api_server_gives_it() {
        let read =
            Happening::read(&event("Failed", "not found", 3, "2026-01-01T00:00:09Z")).unwrap();
        assert_eq!((read.container.as_str(), read.count), ("model", 3));
        assert_eq!(Happening::read(&read.write()).unwrap(), read);
        assert!(Happening::read(&event("Pulled", "", 1, "2026-01-01T00:00:09Z")).is_none());
        let modern = json!({"involvedObject": {"uid": "u"}, "reason": "FailedScheduling", "type": "Warning", "lastTimestamp": null,
            "eventTime": "2026-01-01T00:00:01.000000Z", "series": {"count": 4, "lastObservedTime": "2026-01-01T00:00:08.000000Z"}});
        let read = Happening::read(&modern).unwrap();
        assert_eq!(
            (read.count, read.last.to_string()),
            (4, "2026-01-01T00:00:08Z".to_owned())
        );
    }

    #[test]
    fn what_is_older_than_the_apply_is_not_ours() {
        let mut all = Happenings::default();
        all.keep(Happening::read(&event("Failed", "a", 1, "2026-01-01T00:00:01Z")).unwrap());
        all.keep(Happening::read(&event("Failed", "a", 2, "2026-01-01T00:00:05Z")).unwrap());
        let at = |text: &str| text.parse().unwrap();
        assert_eq!(all.of("u", at("2026-01-01T00:00:05Z")).len(), 1);
        assert_eq!(all.of("u", at("2026-01-01T00:00:06Z")).len(), 0);
        assert_eq!(all.of("other", at("2026-01-01T00:00:00Z")).len(), 0);
        for index in 0..40 {
            all.keep(
                Happening::read(&event(
                    "Failed",
                    &index.to_string(),
                    1,
                    "2026-01-01T00:00:06Z",
                ))
                .unwrap(),
            );
        }
        assert_eq!(all.of("u", at("2026-01-01T00:00:00Z")).len(), PER_OBJECT);
    }
}
