//! Tests of how a record changes.

use super::*;

fn release(image: &str) -> Release {
    Release {
        image: Some(image.to_owned()),
        ..Release::default()
    }
}

fn numbers(record: &Record) -> Vec<u64> {
    record.verified.iter().map(|known| known.number).collect()
}

fn image(found: Option<&Release>) -> &str {
    found
        .and_then(|release| release.image.as_deref())
        .unwrap_or("none")
}

#[test]
fn the_last_verified_ones_are_kept() {
    let mut record = Record::default();
    for image in ["a", "b", "c", "d", "e", "f", "g"] {
        record.succeed(release(image));
    }
    assert_eq!(numbers(&record), [3, 4, 5, 6, 7]);
    assert_eq!(image(record.before(false)), "f");
    // Somebody changed what is live: the last verified one is the way back.
    assert_eq!(image(record.before(true)), "g");
}

#[test]
fn going_back_goes_further_back_the_second_time() {
    let mut record = Record::default();
    for image in ["a", "b", "c"] {
        record.succeed(release(image));
    }
    let back = record.before(false).cloned().unwrap();
    assert_eq!(record.succeed(back), 2);
    assert_eq!(numbers(&record), [1, 2]);
    assert_eq!(image(record.before(false)), "a");
    let back = record.before(false).cloned().unwrap();
    record.succeed(back);
    assert_eq!(record.before(false), None);
    // What follows is not confused with what was gone back from.
    assert_eq!(record.succeed(release("d")), 2);
    assert_eq!(image(record.before(false)), "a");
}

#[test]
fn a_failure_is_no_revision() {
    let mut record = Record::default();
    record.succeed(release("a"));
    let failed = Failed {
        code: "crash-loop".to_owned(),
        ..Failed::default()
    };
    record.fail(failed.clone(), None);
    assert_eq!(image(record.current.as_ref()), "a");
    assert!(record.before(false).is_none());
    record.fail(failed, Some(release("b")));
    assert_eq!(image(record.current.as_ref()), "b");
    assert_eq!(image(record.before(false)), "a");
    assert_eq!(record.succeed(release("c")), 2);
    assert_eq!(record.failed, None);
}

#[test]
fn what_is_listed_no_longer_is_found_by_kind_and_name() {
    let item = |api: &str, name: &str| Item {
        api_version: api.to_owned(),
        kind: "Thing".to_owned(),
        namespace: Some("n".to_owned()),
        name: name.to_owned(),
        uid: name.to_owned(),
    };
    let mut record = Record::default();
    record.succeed(Release {
        objects: vec![item("x/v1", "a"), item("x/v1", "b")],
        ..Release::default()
    });
    let now = [item("x/v2", "a")];
    let gone: Vec<String> = record.no_longer(&now).map(Item::label).collect();
    assert_eq!(gone, ["Thing/b"]);
}
