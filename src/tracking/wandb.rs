//! What Weights & Biases leaves of a run in the workspace: a summary as JSON beside a run that has a server, and a log of
//! records beside one that is offline. It knows their form, not what a metric means.
//! Source of the form: wandb `core/internal/transactionlog` (blocks as in LevelDB's log), `wandb_internal.proto`.

use std::collections::BTreeMap;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use prost::Message;

/// Where the last run's files are.
const LATEST: &str = "wandb/latest-run";

/// Bytes before the first record.
const HEADER: usize = 7;

/// No record's part crosses a multiple of this.
const BLOCK: usize = 32 << 10;

/// Bytes of one record; longer ones are media, not summaries.
const LONGEST: usize = 64 << 20;

/// Part of the protobuf message of the same name; fields that are not needed are passed over.
#[derive(Clone, PartialEq, Message)]
struct Record {
    #[prost(message, optional, tag = "3")]
    summary: Option<Summary>,
}

#[derive(Clone, PartialEq, Message)]
struct Summary {
    #[prost(message, repeated, tag = "1")]
    update: Vec<Item>,
    #[prost(message, repeated, tag = "2")]
    remove: Vec<Item>,
}

#[derive(Clone, PartialEq, Message)]
struct Item {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(string, repeated, tag = "2")]
    nested_key: Vec<String>,
    #[prost(string, tag = "16")]
    value_json: String,
}

impl Item {
    fn name(&self) -> String {
        if self.nested_key.is_empty() {
            self.key.clone()
        } else {
            self.nested_key.join(".")
        }
    }
}

/// The file with the summary of the last run in a folder; it may not be there.
pub(crate) fn summary_file(folder: &Path) -> PathBuf {
    let latest = folder.join(LATEST);
    let json = latest.join("files/wandb-summary.json");
    if json.is_file() {
        return json;
    }
    let entries = std::fs::read_dir(&latest).into_iter().flatten().flatten();
    let logs = entries
        .map(|entry| entry.path())
        .filter(|path| is_log(path));
    logs.min().unwrap_or(json)
}

/// Whether the file is the log of an offline run.
pub(crate) fn is_log(path: &Path) -> bool {
    path.extension()
        .is_some_and(|extension| extension == "wandb")
}

/// The summary in the log of an offline run: each name, nested ones joined by a dot, with its last value as JSON. A log that
/// ends in the middle of a record, because the training was killed, has what was written before.
///
/// # Errors
/// A file that cannot be read or is no such log.
pub(crate) fn summary(path: &Path) -> io::Result<BTreeMap<String, String>> {
    read(BufReader::new(fs_err::File::open(path)?))
}

fn read(mut log: impl Read) -> io::Result<BTreeMap<String, String>> {
    let mut header = [0; HEADER];
    log.read_exact(&mut header)?;
    if !header.starts_with(b":W&B") {
        let why = "it is no log of Weights & Biases";
        return Err(io::Error::new(io::ErrorKind::InvalidData, why));
    }
    let (mut at, mut record) = (HEADER, Vec::new());
    let mut found = BTreeMap::new();
    loop {
        let left = BLOCK - at % BLOCK;
        if left < HEADER {
            // What does not hold a part's head is filled up.
            if !fill(&mut log, &mut vec![0; left])? {
                break;
            }
            at += left;
        }
        // Checksum, length and kind: whole, first, middle, last.
        let mut head = [0; HEADER];
        if !fill(&mut log, &mut head)? {
            break;
        }
        let [_, _, _, _, low, high, kind] = head;
        let length = usize::from(u16::from_le_bytes([low, high]));
        let mut part = vec![0; length];
        if kind == 0 || !fill(&mut log, &mut part)? {
            break;
        }
        at += HEADER + length;
        if matches!(kind, 1 | 2) {
            record.clear();
        }
        if record.len() + length <= LONGEST {
            record.extend_from_slice(&part);
        }
        if matches!(kind, 1 | 4) {
            apply(&record, &mut found);
        }
    }
    Ok(found)
}

/// Whether there was enough to fill it.
fn fill(log: &mut impl Read, to: &mut [u8]) -> io::Result<bool> {
    match log.read_exact(to) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

fn apply(record: &[u8], found: &mut BTreeMap<String, String>) {
    let summary = Record::decode(record)
        .ok()
        .and_then(|record| record.summary);
    let Summary { update, remove } = summary.unwrap_or_default();
    found.extend(
        update
            .into_iter()
            .map(|item| (item.name(), item.value_json)),
    );
    for item in remove {
        found.remove(&item.name());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `record.py` beside it recorded.
    fn offline() -> Vec<u8> {
        let recorded = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/fixtures/wandb/offline.wandb"
        );
        std::fs::read(recorded).unwrap()
    }

    #[test]
    fn the_summary_of_an_offline_run_is_read() {
        let found = read(&offline()[..]).unwrap();
        let value = |name: &str| found.get(name).map(String::as_str);
        assert_eq!(value("accuracy"), Some("0.93"));
        assert_eq!(value("val.acc"), Some("0.7"));
        assert_eq!(value("note"), Some("\"text\""));
        assert!(value("bad").unwrap().contains("NaN"), "{found:?}");
    }

    /// A log with one record, in parts as they fit the blocks.
    fn log(record: &[u8]) -> Vec<u8> {
        let mut log = b":W&B\xe1\xbe\0".to_vec();
        let (mut rest, mut first) = (record, true);
        loop {
            let left = BLOCK - log.len() % BLOCK;
            if left < HEADER {
                log.resize(log.len() + left, 0);
                continue;
            }
            let (part, after) = rest.split_at(rest.len().min(left - HEADER));
            let kind = match (first, after.is_empty()) {
                (true, true) => 1,
                (true, false) => 2,
                (false, false) => 3,
                (false, true) => 4,
            };
            let length = u16::try_from(part.len()).unwrap().to_le_bytes();
            log.extend([0, 0, 0, 0, length[0], length[1], kind]);
            log.extend(part);
            (rest, first) = (after, false);
            if rest.is_empty() {
                return log;
            }
        }
    }

    fn record(items: &[(&str, &str)], removed: &str) -> Vec<u8> {
        let item = |name: &str, value: &str| Item {
            key: name.to_owned(),
            nested_key: Vec::new(),
            value_json: value.to_owned(),
        };
        let summary = Summary {
            update: items
                .iter()
                .map(|(name, value)| item(name, value))
                .collect(),
            remove: vec![item(removed, "")],
        };
        Record {
            summary: Some(summary),
        }
        .encode_to_vec()
    }

    #[test]
    fn records_may_cross_blocks_and_names_may_go_again() {
        let long = "x".repeat(3 * BLOCK);
        for length in [0, BLOCK - 60, BLOCK - 40, BLOCK - 20, 3 * BLOCK] {
            let text = format!("\"{}\"", &long[..length]);
            let log = log(&record(&[("text", &text), ("a", "1"), ("b", "2")], "b"));
            let found = read(&log[..]).unwrap();
            let names: Vec<_> = found.keys().map(String::as_str).collect();
            assert_eq!(names, ["a", "text"], "{length}");
        }
    }

    #[test]
    fn a_log_that_is_cut_has_what_came_before_and_another_file_is_none() {
        let whole = offline();
        let found = read(&whole[..whole.len() - 20]).unwrap();
        assert_eq!(found["accuracy"], "0.93");
        assert!(read(&b"{\"accuracy\": 1}"[..]).is_err());
        assert!(read(&b""[..]).is_err());
    }
}
