//! The summary's part about the image: its size beside that of the image that was live, and the layers of a pushed one.

use super::markdown::{code, table};
use super::paint::size;
use crate::artifact::{Layer, Layers, Unpacked};

/// Rows of the table; all layers stand in the report.
const ROWS: usize = 60;
/// Characters of an instruction.
const INSTRUCTION: usize = 160;

/// One line on the size, and the layers, folded away; empty when they are not known.
pub(super) fn section(layers: Option<&Layers>) -> String {
    let Some(layers) = layers else {
        return String::new();
    };
    if let Some(unpacked) = &layers.unpacked {
        return format!("### Image\n\n{}\n", grown(unpacked));
    }
    if layers.layers.is_empty() {
        return String::new();
    }
    let now = total(&layers.layers);
    let known = |layer: &Layer| {
        layers
            .before
            .as_ref()
            .is_some_and(|before| before.layers.iter().any(|one| one.digest == layer.digest))
    };
    let compared = layers.before.as_ref().map_or_else(
        || ". Nothing of this repository was live to compare it with.".to_owned(),
        |before| {
            let new: Vec<_> = layers.layers.iter().filter(|one| !known(one)).collect();
            let bytes: u64 = new.iter().map(|one| one.bytes).sum();
            format!(
                ", {} than {}, which was live. {} of {} layers are new, {} to pull.",
                difference(total(&before.layers), now),
                code(&before.image),
                new.len(),
                layers.layers.len(),
                size(bytes)
            )
        },
    );
    let rows: Vec<_> = layers
        .layers
        .iter()
        .take(ROWS)
        .map(|layer| {
            let new = match &layers.before {
                Some(_) if !known(layer) => "new",
                _ => "",
            };
            let short: String = layer.made_by.chars().take(INSTRUCTION).collect();
            let made_by = match short.as_str() {
                "" => "–".to_owned(),
                short => code(short),
            };
            vec![size(layer.bytes), new.to_owned(), made_by]
        })
        .collect();
    let more = layers.layers.len().saturating_sub(ROWS);
    let more = match more {
        0 => String::new(),
        more => format!("\n… and {more} more in the report\n"),
    };
    format!(
        "### Image\n\n{} compressed{compared}\n\n<details><summary>Layers</summary>\n\n{}{more}\n</details>\n",
        size(now),
        table(&["Size", "", "Made by"], &rows)
    )
}

/// One sentence on an image that is not pushed.
fn grown(now: &Unpacked) -> String {
    let bytes = size(now.bytes);
    let Some(before) = &now.before else {
        return format!(
            "{bytes} unpacked. There is no image of this repository yet to compare it with."
        );
    };
    let image = code(&before.image);
    let which = match before.live {
        true => "which is live",
        false => "which was pushed last",
    };
    match before.bytes {
        Some(was) => {
            let difference = difference(was, now.bytes);
            format!("{bytes} unpacked, {difference} than {image}, {which}.")
        }
        None => {
            format!("{bytes} unpacked. How large {image} is, {which}, its registry does not tell.")
        }
    }
}

fn total(layers: &[Layer]) -> u64 {
    layers.iter().map(|layer| layer.bytes).sum()
}

fn difference(before: u64, now: u64) -> String {
    if before == now {
        return "no larger".to_owned();
    }
    let word = if now > before { "more" } else { "less" };
    let part = match before {
        0 => String::new(),
        _ => format!(
            " ({:+.1} %)",
            (now as f64 - before as f64) / before as f64 * 100.0
        ),
    };
    format!("{} {word}{part}", size(now.abs_diff(before)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifact::{Before, UnpackedBefore};

    fn layer(digest: &str, bytes: u64, made_by: &str) -> Layer {
        Layer {
            digest: digest.to_owned(),
            bytes,
            made_by: made_by.to_owned(),
        }
    }

    #[test]
    fn what_is_new_and_how_much_larger_is_said() {
        let layers = Layers {
            layers: vec![
                layer("a", 1 << 20, "ADD x"),
                layer("b", 3 << 20, "RUN <b>|`"),
            ],
            before: Some(Before {
                image: "r/wine@sha256:1".to_owned(),
                layers: vec![layer("a", 1 << 20, ""), layer("c", 1 << 20, "")],
            }),
            unpacked: None,
        };
        let text = section(Some(&layers));
        for part in [
            "4.0 MiB compressed, 2.0 MiB more (+100.0 %) than <code>r/wine&#64;sha256&#58;1</code>",
            "1 of 2 layers are new, 3.0 MiB to pull.",
            "| 1.0 MiB |  | <code>ADD x</code> |",
            "| 3.0 MiB | new | <code>RUN &#60;b&#62;&#124;&#96;</code> |",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
    }

    #[test]
    fn an_image_that_is_not_pushed_is_compared_unpacked() {
        let said = |bytes: Option<u64>, live| {
            let before = Some(UnpackedBefore {
                image: "r/wine:<1>".to_owned(),
                live,
                bytes,
            });
            let unpacked = Some(Unpacked {
                bytes: 3 << 20,
                before,
            });
            section(Some(&Layers {
                unpacked,
                ..Layers::default()
            }))
        };
        for (text, part) in [
            (
                said(Some(2 << 20), true),
                "3.0 MiB unpacked, 1.0 MiB more (+50.0 %) than <code>r/wine&#58;&#60;1&#62;</code>, which is live.",
            ),
            (
                said(Some(4 << 20), false),
                "1.0 MiB less (-25.0 %) than <code>r/wine&#58;&#60;1&#62;</code>, which was pushed last.",
            ),
            (said(None, true), "its registry does not tell"),
        ] {
            assert!(
                text.starts_with("### Image\n\n3.0 MiB unpacked") && text.contains(part),
                "{part}\n{text}"
            );
        }
        let first = Layers {
            unpacked: Some(Unpacked {
                bytes: 5,
                before: None,
            }),
            ..Layers::default()
        };
        assert!(
            section(Some(&first)).contains("5 B unpacked. There is no image"),
            "{first:?}"
        );
    }

    #[test]
    fn without_an_image_that_was_live_nothing_is_new() {
        let layers = Layers {
            layers: vec![layer("a", 10, "")],
            before: None,
            unpacked: None,
        };
        let text = section(Some(&layers));
        assert!(
            text.contains("Nothing of this repository was live"),
            "{text}"
        );
        assert!(!text.contains("new"), "{text}");
        assert_eq!(section(None), "");
        assert_eq!(section(Some(&Layers::default())), "");
        assert_eq!(difference(5, 5), "no larger");
        assert_eq!(difference(10, 5), "5 B less (-50.0 %)");
    }
}
