//! The section of the summary about what a deployment changes in the cluster. It makes Markdown from the artifact.

use super::markdown::{code, table, text};
use crate::artifact::{Action, Changes};

/// Rows of one table; all of them stand in the report.
const ROWS: usize = 60;

/// Objects and, folded away, the fields that change; empty without changes to show.
pub(super) fn section(changes: Option<&Changes>) -> String {
    let Some(changes) = changes.filter(|changes| !changes.objects.is_empty()) else {
        return String::new();
    };
    let mut rows = Vec::new();
    let mut fields = Vec::new();
    let mut same = 0_usize;
    for change in &changes.objects {
        let what = match change.action {
            Action::Created => "created".to_owned(),
            Action::Removed => "removed".to_owned(),
            Action::Changed => match change.fields.len() {
                1 => "1 field".to_owned(),
                count => format!("{count} fields"),
            },
            Action::Unchanged => {
                same += 1;
                continue;
            }
        };
        rows.push(vec![code(&change.object), what]);
        let side = |value: &Option<String>| value.as_deref().map_or(String::new(), code);
        fields.extend(change.fields.iter().map(|field| {
            let place = format!("{} {}", change.object, field.path);
            vec![code(&place), side(&field.before), side(&field.after)]
        }));
    }
    let mut section = "### Changes in the cluster\n\n".to_owned();
    if rows.is_empty() {
        return section
            + &format!(
                "None: {}.\n",
                text(&format!("all {same} objects stay as they are"))
            );
    }
    section.push_str(&cut(&["Object", "Change"], &rows));
    if same > 0 {
        section.push_str(&format!("\n{same} more stay as they are.\n"));
    }
    if !fields.is_empty() {
        let table = cut(&["Field", "Live", "Wanted"], &fields);
        section.push_str(&format!(
            "\n<details><summary>Fields</summary>\n\n{table}\n</details>\n"
        ));
    }
    section
}

fn cut(head: &[&str], rows: &[Vec<String>]) -> String {
    let mut text = table(head, &rows[..rows.len().min(ROWS)]);
    let more = rows.len().saturating_sub(ROWS);
    if more > 0 {
        text.push_str(&format!("\n… and {more} more in the report\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifact::{Change, FieldChange};

    fn change(object: &str, action: Action, fields: Vec<FieldChange>) -> Change {
        Change {
            object: object.to_owned(),
            action,
            fields,
        }
    }

    #[test]
    fn only_what_changes_is_listed() {
        let field = FieldChange {
            path: "spec.replicas".to_owned(),
            before: Some("2".to_owned()),
            after: Some("<b>".to_owned()),
        };
        let changes = Changes {
            objects: vec![
                change("Deployment/wine", Action::Changed, vec![field]),
                change("Service/wine", Action::Unchanged, Vec::new()),
                change("ConfigMap/wine", Action::Created, Vec::new()),
            ],
        };
        let text = section(Some(&changes));
        for part in [
            "| <code>Deployment/wine</code> | 1 field |",
            "| <code>ConfigMap/wine</code> | created |",
            "1 more stay as they are.",
            "| <code>Deployment/wine spec.replicas</code> | <code>2</code> | <code>&#60;b&#62;</code> |",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
    }

    #[test]
    fn nothing_is_said_in_one_line_or_not_at_all() {
        assert_eq!(section(None), "");
        let changes = Changes {
            objects: vec![change("Service/wine", Action::Unchanged, Vec::new())],
        };
        let text = section(Some(&changes));
        assert!(
            text.ends_with("None: all 1 objects stay as they are.\n"),
            "{text}"
        );
    }
}
