//! Every field of the matrix, and who is named as guilty.

use super::*;
use crate::artifact::ParityVerdict;

fn row(level: Level, code: Code, subject: &str, versions: (&str, &str)) -> ParityRow {
    ParityRow {
        level,
        code: code.slug().to_owned(),
        subject: subject.to_owned(),
        trained: versions.0.to_owned(),
        served: versions.1.to_owned(),
        why: "it matters".to_owned(),
        fix: String::new(),
        allowed: None,
    }
}

fn package(level: Level, name: &str) -> ParityRow {
    row(level, Code::ParityPackage, name, ("1.5.2", "1.6.1"))
}

fn parity(rows: Vec<ParityRow>) -> Parity {
    Parity {
        verdict: ParityVerdict::Pass,
        mode: "safe".to_owned(),
        interpreter: Some("/usr/bin/python".to_owned()),
        found: None,
        bearing: BTreeMap::new(),
        rows,
        constraints: None,
    }
}

fn judged(rows: Vec<ParityRow>, how: Answers, log: &str, older: bool) -> Proof {
    let evidence: Vec<String> = log.lines().map(str::to_owned).collect();
    let answered = Answered {
        how,
        rows: 3,
        evidence: &evidence,
        older,
    };
    let modules = BTreeMap::from([("scikit-learn".to_owned(), vec!["sklearn".to_owned()])]);
    conclude(Some(&parity(rows)), answered, &modules).unwrap()
}

fn plain(rows: Vec<ParityRow>, how: Answers) -> Proof {
    judged(rows, how, "", false)
}

#[test]
fn every_field_of_the_matrix_has_its_sentence() {
    let other = || vec![package(Level::Block, "scikit-learn")];
    let info = || vec![package(Level::Info, "gunicorn")];
    let unknown = || {
        let level = Level::Warn;
        vec![row(level, Code::ParityUnknown, "image", ("—", "—"))]
    };
    for (rows, how, side, guilty, part) in [
        (
            info(),
            Answers::Same,
            Side::Same,
            None,
            "the image answers all 3",
        ),
        (
            info(),
            Answers::Other,
            Side::Same,
            None,
            "server's own code or settings, such as",
        ),
        (
            info(),
            Answers::Failed,
            Side::Same,
            None,
            "server's own code or settings",
        ),
        (
            other(),
            Answers::Same,
            Side::Other,
            None,
            "change none of them: `scikit-learn` (trained with 1.5.2, the image has 1.6.1)",
        ),
        (
            other(),
            Answers::Other,
            Side::Other,
            Some("scikit-learn"),
            "the likeliest cause is `scikit-learn` (trained with 1.5.2, the image has 1.6.1)",
        ),
        (
            other(),
            Answers::Failed,
            Side::Other,
            Some("scikit-learn"),
            "the image does not predict",
        ),
        (unknown(), Answers::Same, Side::Unknown, None, "not known"),
        (
            unknown(),
            Answers::Other,
            Side::Unknown,
            None,
            "that or the server's own code may be",
        ),
    ] {
        let proof = plain(rows, how);
        assert_eq!((proof.environment, proof.predictions), (side, how));
        assert_eq!(proof.guilty.as_deref(), guilty, "{}", proof.sentence());
        assert!(proof.sentence().contains(part), "{}", proof.sentence());
    }
}

#[test]
fn one_side_alone_concludes_nothing() {
    let answered = |how| Answered {
        how,
        rows: 1,
        evidence: &[],
        older: false,
    };
    let none = BTreeMap::new();
    let known = parity(Vec::new());
    assert_eq!(conclude(None, answered(Answers::Other), &none), None);
    assert_eq!(
        conclude(Some(&known), answered(Answers::Unknown), &none),
        None
    );
    assert!(conclude(Some(&known), answered(Answers::Same), &none).is_some());
}

#[test]
fn the_guilty_package_is_the_one_that_the_log_ends_with() {
    let rows = || {
        vec![
            package(Level::Block, "numpy"),
            package(Level::Block, "scikit-learn"),
            package(Level::Warn, "scipy"),
        ]
    };
    assert_eq!(plain(rows(), Answers::Failed).guilty.unwrap(), "numpy");
    let log = "  File \"/usr/lib/site-packages/numpy/core.py\"\nAttributeError: on <module 'sklearn._loss'>";
    let proof = judged(rows(), Answers::Failed, log, false);
    assert_eq!(proof.guilty.as_deref().unwrap(), "scikit-learn");
    assert!(
        proof.sentence().contains("; after it `numpy`"),
        "{}",
        proof.sentence()
    );
    // A module whose name only begins so is another one.
    let proof = judged(
        rows(),
        Answers::Failed,
        "No module named 'sklearnex'",
        false,
    );
    assert_eq!(proof.guilty.as_deref().unwrap(), "numpy");
    // Without a log: what blocks before what warns, packages before the platform.
    let platform = row(Level::Warn, Code::ParityPlatform, "TZ", ("UTC", "CET"));
    let rows = vec![
        platform,
        package(Level::Warn, "scipy"),
        package(Level::Block, "numpy"),
    ];
    assert_eq!(plain(rows, Answers::Other).guilty.unwrap(), "numpy");
}

#[test]
fn another_model_comes_before_every_package() {
    let model = row(Level::Block, Code::ParityModel, "model", ("ab", "cd"));
    let rows = vec![package(Level::Block, "numpy"), model];
    let proof = plain(rows, Answers::Other);
    assert_eq!(proof.guilty.as_deref().unwrap(), "model");
    assert!(
        proof.sentence().contains("the model in the image"),
        "{}",
        proof.sentence()
    );
    // A model that the server fetches itself is no difference, and may be another one all the same.
    let absent = row(Level::Info, Code::ParityModel, "model", ("", "—"));
    let proof = plain(vec![absent], Answers::Other);
    assert_eq!((proof.environment, &proof.guilty), (Side::Same, &None));
    assert!(
        proof.sentence().contains("model that it fetches"),
        "{}",
        proof.sentence()
    );
}

#[test]
fn rows_older_than_the_model_are_suspects_themselves() {
    let older = judged(Vec::new(), Answers::Other, "", true).sentence();
    assert!(
        older.contains("recorded before this model was trained"),
        "{older}"
    );
    let younger = judged(Vec::new(), Answers::Other, "", false).sentence();
    assert!(!younger.contains("recorded before"), "{younger}");
    let failed = judged(Vec::new(), Answers::Failed, "", true).sentence();
    assert!(!failed.contains("recorded before"), "{failed}");
}

#[test]
fn entries_name_only_what_an_entry_can_allow() {
    let python = row(
        Level::Block,
        Code::ParityPython,
        "python",
        ("3.11.9", "3.12.1"),
    );
    let absent = row(Level::Block, Code::ParityPackage, "scipy", ("1.5", "—"));
    let mut allowed = package(Level::Block, "pandas");
    allowed.allowed = Some("pandas".to_owned());
    let rows = vec![
        package(Level::Block, "numpy"),
        python,
        absent,
        allowed,
        package(Level::Warn, "joblib"),
    ];
    assert_eq!(
        entries(&parity(rows)),
        [
            "numpy 1.5.2->1.6.1 REASON until=YYYY-MM-DD",
            "python 3.11.9->3.12.1 REASON until=YYYY-MM-DD"
        ]
    );
}
