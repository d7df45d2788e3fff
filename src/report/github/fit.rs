//! Sections of Markdown within GitHub's limits: the less important ones are folded, then cut, then left out, with a note.
//! It knows importance and length, not what the sections say.

/// Above this many bytes a reader scrolls: what matters less is folded from here on.
const AT_ONCE: usize = 6000;

/// A section shorter than this is left out rather than cut.
const WORTH_CUTTING: usize = 2000;

/// Bytes that closing what was cut may take.
const CLOSING: usize = 200;

/// One section.
#[derive(Clone, Debug)]
pub(super) struct Section {
    /// Short name, for the note about what was left out. Ours, never foreign.
    pub(super) name: &'static str,
    /// 0 matters most and is never folded or left out.
    pub(super) rank: u8,
    /// Markdown; it begins with its heading.
    pub(super) text: String,
}

/// The sections in their order, `head` before and `foot` behind them, in at most `limit` bytes. A character has at least one
/// byte, so that a limit in characters is kept too.
pub(super) fn fit(head: &str, mut sections: Vec<Section>, foot: &str, limit: usize) -> String {
    sections.retain(|section| !section.text.is_empty());
    fold(&mut sections);
    let mut lost: Vec<&str> = Vec::new();
    loop {
        let note = note(&lost);
        let around = head.len() + note.len() + foot.len();
        let length = around + total(&sections);
        if length <= limit {
            let texts: Vec<_> = sections
                .iter()
                .map(|one| format!("{}\n", one.text))
                .collect();
            return format!("{head}{}{note}{foot}", texts.concat());
        }
        // Room for the note, which may grow by the name of this section.
        let over = length - limit + 300;
        let least = sections.iter().enumerate().max_by_key(|(_, one)| one.rank);
        let Some((index, section)) = least.map(|(index, one)| (index, one.clone())) else {
            // Only what stands around is left, and it is short.
            return format!("{head}{note}{foot}");
        };
        if !lost.contains(&section.name) {
            lost.push(section.name);
        }
        let room = section.text.len().saturating_sub(over);
        let worth = room >= WORTH_CUTTING || section.rank == 0;
        match cut(&section.text, room) {
            Some(shorter) if worth => sections[index].text = shorter,
            _ => drop(sections.remove(index)),
        }
    }
}

fn total(sections: &[Section]) -> usize {
    sections.iter().map(|one| one.text.len() + 1).sum()
}

fn note(lost: &[&str]) -> String {
    if lost.is_empty() {
        return String::new();
    }
    let names = lost.join(", ");
    format!(
        "> Left out or cut because GitHub limits the length: {names}. All of it stands in the report.\n\n"
    )
}

/// Folds from the least important on until the rest can be read at once.
fn fold(sections: &mut [Section]) {
    let mut open = total(sections);
    let mut order: Vec<usize> = (0..sections.len()).collect();
    order.sort_by_key(|&index| std::cmp::Reverse(sections[index].rank));
    for index in order {
        let section = &mut sections[index];
        if open <= AT_ONCE || section.rank == 0 {
            return;
        }
        open -= section.text.len();
        let title = section.text.split_once('\n').and_then(|(first, rest)| {
            let title = first.strip_prefix("### ")?;
            Some((title.to_owned(), rest.to_owned()))
        });
        // One without a heading folds itself.
        if let Some((title, rest)) = title {
            section.text =
                format!("<details><summary><b>{title}</b></summary>\n{rest}\n</details>\n");
        }
    }
}

/// The beginning of a section up to a line's end, with what was open there closed; `None` when nothing fits.
fn cut(text: &str, room: usize) -> Option<String> {
    let end = text[..text.floor_char_boundary(room)].rfind('\n')?;
    let mut kept = text[..=end].to_owned();
    let mut fence: Option<String> = None;
    for line in kept.lines() {
        let ticks: String = line.chars().take_while(|&c| c == '`').collect();
        match &fence {
            None if ticks.len() >= 3 => fence = Some(ticks),
            Some(open) if *open == line => fence = None,
            _ => {}
        }
    }
    if let Some(fence) = fence {
        kept.push_str(&format!("{fence}\n"));
    }
    let opened = kept.matches("<details").count();
    let open = opened.saturating_sub(kept.matches("</details>").count());
    kept.push_str("\n…\n");
    kept.push_str(&"\n</details>\n".repeat(open));
    // What is appended may be long: a fence is longer than any row of backticks inside.
    (kept.len() <= room + CLOSING).then_some(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(name: &'static str, rank: u8, lines: usize) -> Section {
        let text = format!("### {name}\n\n{}", "| a | b |\n".repeat(lines));
        Section { name, rank, text }
    }

    #[test]
    fn short_sections_stay_as_they_are() {
        let sections = vec![section("A", 0, 2), section("B", 1, 2)];
        let text = fit("head\n", sections, "foot\n", 1000);
        assert_eq!(
            text,
            "head\n### A\n\n| a | b |\n| a | b |\n\n### B\n\n| a | b |\n| a | b |\n\nfoot\n"
        );
    }

    #[test]
    fn what_matters_less_is_folded_first() {
        let sections = vec![
            section("A", 0, 10),
            section("B", 2, 700),
            section("C", 1, 10),
        ];
        let text = fit("", sections, "", 60_000);
        assert!(
            text.contains("<details><summary><b>B</b></summary>"),
            "{text}"
        );
        assert!(
            text.contains("### A\n") && text.contains("### C\n"),
            "{text}"
        );
        assert_eq!(text.matches("<details>").count(), 1);
    }

    #[test]
    fn what_does_not_fit_is_cut_or_left_out_and_named() {
        let all = vec![
            section("A", 0, 10),
            section("B", 1, 3000),
            section("C", 2, 150),
            section("D", 3, 4000),
        ];
        let text = fit("head\n", all, "foot\n", 20_000);
        assert!(text.len() <= 20_000, "{}", text.len());
        assert!(
            text.contains("### A") && text.contains("<b>B</b>"),
            "{text}"
        );
        assert!(!text.contains("<b>C</b>") && !text.contains("<b>D</b>"));
        assert!(text.contains("limits the length: D, C, B. All"), "{text}");
        assert_eq!(
            text.matches("<details>").count(),
            text.matches("</details>").count()
        );
        assert!(text.ends_with("foot\n"));
    }

    #[test]
    fn even_the_first_section_gives_way_to_the_limit() {
        let one = Section {
            name: "A",
            rank: 0,
            text: "### A\n\n````text\nü\n".to_owned() + &"ü\n".repeat(9000) + "````\n",
        };
        let text = fit("", vec![one], "foot", 5000);
        assert!(text.len() <= 5000);
        assert_eq!(text.matches("````").count(), 2, "{text}");
        let one = Section {
            name: "A",
            rank: 0,
            text: "x".repeat(9000),
        };
        assert!(fit("", vec![one], "foot", 5000).ends_with("foot"));
    }
}
