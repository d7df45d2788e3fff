//! The summary's part about a deployment that was put back.

use super::markdown::code;
use super::outputs::Facts;

/// Says what serves again; empty when nothing was put back.
pub(super) fn section(facts: &Facts<'_>) -> String {
    let Some(rolled_back) = &facts.record.rolled_back else {
        return String::new();
    };
    format!(
        "### Rolled back\n\nThe deployment failed, and what was live before serves again: {}\n",
        code(&rolled_back.to)
    )
}
