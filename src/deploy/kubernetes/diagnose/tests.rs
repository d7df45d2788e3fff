//! The sentence, and what stands in the scene.

use super::*;

fn told(said: &str, share: &str, cause: Option<&str>, node: &str) -> String {
    let verdict = Sentence {
        code: Code::CrashLoop,
        said,
        share,
    };
    sentence(&verdict, cause, node)
}

#[test]
fn the_cause_takes_the_place_of_the_reason() {
    let verdict = "container `model` exits 1 — CrashLoopBackOff";
    let missing = Some("ModuleNotFoundError: No module named 'sklearn'");
    assert_eq!(
        told(verdict, " (2 of 2 new pods, node n1)", missing, "n1"),
        "container `model` exits 1 — ModuleNotFoundError: No module named 'sklearn' (2 of 2 new pods, node n1)"
    );
    assert_eq!(
        told(verdict, " (2 of 2 new pods, node n1)", None, "n1"),
        "container `model` exits 1 — CrashLoopBackOff (2 of 2 new pods, node n1)"
    );
    // What stands behind the counts stays.
    assert_eq!(
        told(
            verdict,
            " (1 of 1 new pod); pod `wine-0` holds up the other 2",
            missing,
            "n1"
        ),
        "container `model` exits 1 — ModuleNotFoundError: No module named 'sklearn' (1 of 1 new pod); pod `wine-0` holds up the other 2"
    );
    assert_eq!(
        told("exceeded quota: q (limited to 2 pods)", "", None, ""),
        "exceeded quota: q (limited to 2 pods)"
    );
    assert_eq!(
        told("not ready", "", Some("GET /x answers 404"), "n1"),
        "not ready — GET /x answers 404 (node n1)"
    );
}
