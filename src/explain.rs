//! What each code means at length: cause, example and what to do. The texts stand in `explanations.md`, which is compiled in and
//! which docs/codes.md repeats. It knows codes and nothing else.

use crate::code::Code;

const TEXT: &str = include_str!("explanations.md");

/// Names that are less alike than this are no misspelling of each other.
const ALIKE: f64 = 0.8;

/// What is known of a code beside its line in the table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Explanation {
    /// Why it happens, in a paragraph.
    pub(crate) cause: &'static str,
    /// How it looks, lines indented by four.
    pub(crate) example: &'static str,
}

/// The explanation of a code; a test holds that every code has one.
pub(crate) fn of(code: Code) -> Explanation {
    let mut sections = TEXT.split("## ").filter_map(|part| part.split_once('\n'));
    let text = sections
        .find(|(slug, _)| *slug == code.slug())
        .map_or("", |(_, text)| text);
    let (cause, example) = text.split_once("\n\n    ").unwrap_or((text, ""));
    Explanation {
        cause: cause.trim(),
        // The first line's indentation went with the split.
        example: example.trim_end(),
    }
}

/// The page of `ml-deploy explain CODE`.
pub(crate) fn page(code: Code) -> String {
    let Explanation { cause, example } = of(code);
    format!(
        "{}: {}\n\n{cause}\n\nExample:\n\n    {example}\n\nWhat to do: {}\nExit status: {}\n",
        code.slug(),
        code.title(),
        code.help(),
        code.exit()
    )
}

/// The code of that name.
pub(crate) fn known(name: &str) -> Option<Code> {
    Code::ALL.iter().copied().find(|code| code.slug() == name)
}

/// The code whose name is most like this one, when any is.
pub(crate) fn nearest(name: &str) -> Option<Code> {
    let name = name.to_lowercase().replace(['_', ' '], "-");
    let score = |code: &Code| strsim::jaro_winkler(&name, code.slug());
    let codes = Code::ALL.iter().copied();
    let best = codes.max_by(|a, b| score(a).total_cmp(&score(b)))?;
    (score(&best) > ALIKE).then_some(best)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_cause_example_and_fix() {
        for &code in Code::ALL {
            let Explanation { cause, example } = of(code);
            let slug = code.slug();
            assert!(
                cause.len() > 30 && cause.ends_with('.'),
                "src/explanations.md: `## {slug}` needs its cause in a sentence, then an example indented by four"
            );
            assert!(
                !example.is_empty() && !example.contains("##"),
                "{slug}: {example}"
            );
            assert!(!code.help().is_empty(), "{slug}");
        }
        let sections = TEXT.split("## ").count() - 1;
        assert_eq!(sections, Code::ALL.len(), "a section of no code");
    }

    #[test]
    fn a_page_says_all_of_it() {
        let text = page(Code::CrashLoop);
        for part in [
            "crash-loop: container exits again",
            "\n\nThe container ends",
            "\n    ImportError",
            "What to do: read",
            "Exit status: 50",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
    }

    #[test]
    fn a_misspelt_code_has_a_neighbour() {
        assert_eq!(nearest("crashloop"), Some(Code::CrashLoop));
        assert_eq!(nearest("Crash_Loop"), Some(Code::CrashLoop));
        assert_eq!(nearest("oom"), None);
        assert_eq!(known("crash-loop"), Some(Code::CrashLoop));
        assert_eq!(known("crash"), None);
    }
}
