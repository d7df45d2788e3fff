//! The comment on the pull request: one for each step, found again by a hidden marker and its author, and written over.
//! It knows how comments are found and changed, not what they say.

use serde_json::{Value, json};

use super::api::Api;
use super::trouble::Trouble;

/// Comments of one page, and pages that are looked through.
const PAGE: usize = 100;
const PAGES: usize = 30;

/// Writes the comment, over the earlier one if there is one. `marker` is the first line of `body`.
pub(super) async fn report(
    api: &Api,
    number: u64,
    marker: &str,
    body: &str,
) -> Result<(), Trouble> {
    let body = json!({ "body": body });
    let known = match find(api, number, marker).await? {
        Some(known) => known,
        None => {
            let path = format!("issues/{number}/comments");
            // One that was made although its answer was lost is found by its marker, and says the same already.
            let made = api
                .post(&path, &body, async || find(api, number, marker).await)
                .await?;
            if made["body"] == body["body"] {
                return Ok(());
            }
            made
        }
    };
    let Some(id) = known["id"].as_u64() else {
        return Ok(());
    };
    api.patch(&format!("issues/comments/{id}"), &body).await?;
    Ok(())
}

/// Our earlier comment: the marker is its first line, and we wrote it.
async fn find(api: &Api, number: u64, marker: &str) -> Result<Option<Value>, Trouble> {
    let mut myself: Option<Option<u64>> = None;
    for page in 1..=PAGES {
        let path = format!("issues/{number}/comments?per_page={PAGE}&page={page}");
        let found = api.get(&path).await?;
        let comments = found.as_array().map_or(&[][..], Vec::as_slice);
        for comment in comments.iter().filter(|comment| marked(comment, marker)) {
            if bot(comment) {
                return Ok(Some(comment.clone()));
            }
            // A person's comment is ours only when the token is that person's. Tokens of apps may not ask who they are.
            let id = match myself {
                Some(id) => id,
                None => api.get("/user").await.ok().and_then(|me| me["id"].as_u64()),
            };
            myself = Some(id);
            if id.is_some() && comment["user"]["id"].as_u64() == id {
                return Ok(Some(comment.clone()));
            }
        }
        if comments.len() < PAGE {
            break;
        }
    }
    Ok(None)
}

fn marked(comment: &Value, marker: &str) -> bool {
    let body = comment["body"].as_str().unwrap_or_default();
    body.lines().next().map(str::trim_end) == Some(marker)
}

/// Written by an app, as everything that a workflow's own token writes. People can copy a marker, but not become a bot.
fn bot(comment: &Value) -> bool {
    comment["user"]["type"] == "Bot"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_counts_only_as_the_first_line() {
        let comment = |body: &str| json!({"body": body, "user": {"type": "User"}});
        assert!(marked(&comment("<!-- m -->\r\ntext"), "<!-- m -->"));
        for body in ["> <!-- m -->", "text\n<!-- m -->", "<!-- m2 -->", ""] {
            assert!(!marked(&comment(body), "<!-- m -->"), "{body}");
        }
        assert!(!bot(&comment("")));
        assert!(bot(&json!({"user": {"type": "Bot"}})));
        assert!(!bot(&json!({"user": null})));
    }
}
