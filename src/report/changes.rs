//! The section of the summary about what a deployment changes in the cluster. It makes Markdown from the artifact.

use super::markdown::{code, table};
use super::outputs::Facts;
use crate::artifact::{Action, Changes};

/// Rows of one table; all of them stand in the report.
const ROWS: usize = 60;

/// What was changed, or would be where nothing was deployed; empty without anything to show.
pub(super) fn section(facts: &Facts<'_>) -> String {
    let record = facts.record;
    let stays = record.deployment.is_some() && record.rolled_back.is_none();
    let title = if stays {
        "What changed in the cluster"
    } else {
        "What a deployment would change in the cluster"
    };
    match &record.changes {
        Some(changes) if !changes.objects.is_empty() => {
            format!("### {title}\n\n{}", tables(changes, !stays))
        }
        _ => String::new(),
    }
}

/// Objects and the fields that change: open for who is to judge them, folded away once they are made.
fn tables(changes: &Changes, open: bool) -> String {
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
    if rows.is_empty() {
        return match same {
            1 => "Nothing: the one object stays as it is.\n".to_owned(),
            _ => format!("Nothing: all {same} objects stay as they are.\n"),
        };
    }
    let mut section = cut(&["Object", "Change"], &rows);
    if same > 0 {
        let stay = if same == 1 {
            "stays as it is"
        } else {
            "stay as they are"
        };
        section.push_str(&format!("\n{same} more {stay}.\n"));
    }
    if !fields.is_empty() {
        let table = cut(&["Field", "Live", "Wanted"], &fields);
        section.push_str(&format!(
            "\n<details{}><summary>Fields</summary>\n\n{table}\n</details>\n",
            if open { " open" } else { "" }
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
    use crate::event::{Event, EventKind, Stage};
    use crate::report::sample;

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
        let text = tables(&changes, false);
        for part in [
            "| <code>Deployment/wine</code> | 1 field |",
            "| <code>ConfigMap/wine</code> | created |",
            "1 more stays as it is.",
            "| <code>Deployment/wine spec.replicas</code> | <code>2</code> | <code>&#60;b&#62;</code> |",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
    }

    #[test]
    fn nothing_is_said_in_one_line_or_not_at_all() {
        let same = |name: &str| change(name, Action::Unchanged, Vec::new());
        let mut changes = Changes {
            objects: vec![same("Service/wine")],
        };
        assert_eq!(
            tables(&changes, false),
            "Nothing: the one object stays as it is.\n"
        );
        changes.objects.push(same("Deployment/wine"));
        assert_eq!(
            tables(&changes, false),
            "Nothing: all 2 objects stay as they are.\n"
        );
        let titled = |changes: Option<Changes>, events: Vec<Event>| {
            let produced = changes.map(|changes| EventKind::Produced(changes.into()));
            let produced = produced.map(|kind| sample::event(1, Stage::Preflight, kind));
            sample::facts(events.into_iter().chain(produced).collect(), None, section)
        };
        assert_eq!(titled(None, Vec::new()), "");
        let proposed = titled(Some(changes.clone()), Vec::new());
        assert!(
            proposed.starts_with("### What a deployment would change"),
            "{proposed}"
        );
        let delivered = titled(Some(changes), sample::good());
        assert!(delivered.starts_with("### What changed"), "{delivered}");
    }
}
