//! The summary's part about what belongs together, from commit to pods. It makes Markdown from the artifact.

use super::markdown::{code, table, text};
use crate::artifact::{Chain, Link};

/// Every link with who says so, or why it is missing; empty when nothing was traced.
pub(super) fn section(chain: Option<&Chain>) -> String {
    let Some(chain) = chain else {
        return String::new();
    };
    let mut rows = Vec::new();
    for link in Link::ALL {
        let name = link.name().to_owned();
        for claim in chain.claims.iter().filter(|one| one.link == *link) {
            let detail = claim.detail.as_deref().unwrap_or_default();
            let by = claim.by.join(", ");
            rows.push(vec![
                name.clone(),
                code(&claim.value),
                text(detail),
                text(&by),
            ]);
        }
        for missing in chain.missing.iter().filter(|one| one.link == *link) {
            rows.push(vec![
                name.clone(),
                "missing".to_owned(),
                text(&missing.why),
                String::new(),
            ]);
        }
    }
    format!(
        "### Chain of {}\n\n{}",
        code(&chain.asked),
        table(&["", "Is", "More", "Says"], &rows)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifact::{Claim, Missing};

    #[test]
    fn foreign_text_is_no_markup_and_what_is_missing_is_said() {
        let chain = Chain {
            asked: "wine/3".to_owned(),
            claims: vec![Claim {
                link: Link::Run,
                value: "a|b".to_owned(),
                detail: Some("<i>".to_owned()),
                by: vec!["MLflow".to_owned()],
            }],
            missing: vec![Missing {
                link: Link::Pod,
                why: "no cluster".to_owned(),
            }],
        };
        let section = section(Some(&chain));
        assert!(
            section.contains("&#60;i&#62;") && !section.contains("a|b"),
            "{section}"
        );
        assert!(
            section.contains("| pod | missing | no cluster |"),
            "{section}"
        );
        assert_eq!(super::section(None), "");
    }
}
