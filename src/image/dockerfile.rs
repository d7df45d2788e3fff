//! Enough of a Dockerfile to find its mistakes early, to name the line of a failing step and to know which instruction
//! reads what. It evaluates nothing; the engine's own parser has the last word.
//! Source of the grammar: moby/buildkit `frontend/dockerfile/parser`.

use super::lines::{Mistake, directives, logical_line, number, skip_documents};

/// Every instruction there is.
const KNOWN: [&str; 18] = [
    "ADD",
    "ARG",
    "CMD",
    "COPY",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "FROM",
    "HEALTHCHECK",
    "LABEL",
    "MAINTAINER",
    "ONBUILD",
    "RUN",
    "SHELL",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
];

/// A parsed Dockerfile.
#[derive(Clone, Debug, Default)]
pub(crate) struct Dockerfile {
    pub(crate) instructions: Vec<Instruction>,
    /// Line and image of a `# syntax=` directive: the engine pulls that image.
    pub(crate) syntax: Option<(u32, String)>,
}

/// One instruction.
#[derive(Clone, Debug)]
pub(crate) struct Instruction {
    /// Upper case.
    pub(crate) name: String,
    /// The rest in one line, continuations joined, without here-documents.
    pub(crate) rest: String,
    /// First line, from 1.
    pub(crate) line: u32,
    /// The stage it stands in, from 0; `None` before the first FROM.
    pub(crate) stage: Option<usize>,
}

/// A stage.
#[derive(Clone, Debug)]
pub(crate) struct Stage {
    /// The image or stage it builds on.
    pub(crate) base: String,
    pub(crate) name: Option<String>,
    pub(crate) line: u32,
}

impl Dockerfile {
    /// Parses the text; all mistakes at once.
    pub(crate) fn parse(text: &str) -> Result<Self, Vec<Mistake>> {
        let mut parsed = Self::default();
        let mut mistakes = Vec::new();
        let lines: Vec<&str> = text.trim_start_matches('\u{feff}').lines().collect();
        let (escape, syntax) = directives(&lines);
        parsed.syntax = syntax;
        let mut stage = None;
        let mut at = 0;
        while at < lines.len() {
            let line = number(at);
            let Some(logical) = logical_line(&lines, &mut at, escape) else {
                continue;
            };
            let (name, rest) = logical
                .split_once(char::is_whitespace)
                .unwrap_or((&logical, ""));
            let name = name.to_ascii_uppercase();
            let rest = rest.trim().to_owned();
            if !KNOWN.contains(&name.as_str()) {
                let nearest = KNOWN
                    .iter()
                    .min_by_key(|known| strsim::osa_distance(known, &name))
                    .filter(|known| strsim::osa_distance(known, &name) <= 2);
                let hint = nearest
                    .map(|known| format!("; did you mean `{known}`?"))
                    .unwrap_or_default();
                mistakes.push(Mistake {
                    line,
                    why: format!("unknown instruction `{name}`{hint}"),
                });
                continue;
            }
            if rest.is_empty() {
                mistakes.push(Mistake {
                    line,
                    why: format!("`{name}` needs an argument"),
                });
                continue;
            }
            if matches!(name.as_str(), "RUN" | "COPY" | "ADD") {
                skip_documents(&rest, &lines, &mut at, line, &mut mistakes);
            }
            if name == "FROM" {
                stage = Some(stage.map_or(0, |stage: usize| stage + 1));
            } else if stage.is_none() && name != "ARG" {
                mistakes.push(Mistake {
                    line,
                    why: format!("`{name}` stands before the first FROM"),
                });
            }
            parsed.instructions.push(Instruction {
                name,
                rest,
                line,
                stage,
            });
        }
        if stage.is_none() && mistakes.is_empty() {
            mistakes.push(Mistake {
                line: 1,
                why: "it has no FROM instruction".to_owned(),
            });
        }
        if mistakes.is_empty() {
            Ok(parsed)
        } else {
            Err(mistakes)
        }
    }

    /// The stages in order.
    pub(crate) fn stages(&self) -> Vec<Stage> {
        let froms = self
            .instructions
            .iter()
            .filter(|instruction| instruction.name == "FROM");
        froms
            .map(|from| {
                let words: Vec<&str> = from.words().collect();
                let named = words.len() > 2 && words[1].eq_ignore_ascii_case("as");
                Stage {
                    base: words
                        .first()
                        .map(|word| self.resolve(word))
                        .unwrap_or_default(),
                    name: named.then(|| words[2].to_lowercase()),
                    line: from.line,
                }
            })
            .collect()
    }

    /// Replaces a reference to a global ARG by its default; anything else stays as it is.
    fn resolve(&self, word: &str) -> String {
        let global = self
            .instructions
            .iter()
            .take_while(|one| one.stage.is_none());
        let mut text = word.to_owned();
        for argument in global {
            if let Some((name, value)) = argument.rest.split_once('=') {
                let value = value.trim_matches(['"', '\'']);
                text = text
                    .replace(&format!("${{{name}}}"), value)
                    .replace(&format!("${name}"), value);
            }
        }
        text
    }

    /// Number of the stage that is built: by name or number, else the last.
    pub(crate) fn target(&self, target: Option<&str>) -> Option<usize> {
        let stages = self.stages();
        match target {
            None => stages.len().checked_sub(1),
            Some(target) => stage_named(&stages, target),
        }
    }

    /// The line of the step that the engine calls `[stage 2/5] RUN pip install …`.
    pub(crate) fn line_of(&self, step: &str) -> Option<u32> {
        let (head, text) = step.strip_prefix('[')?.split_once("] ")?;
        let stage = head.split_once(' ').and_then(|(name, _)| {
            let number = name
                .strip_prefix("stage-")
                .and_then(|number| number.parse().ok());
            number.or_else(|| stage_named(&self.stages(), name))
        });
        let text = squeeze(text);
        let keyword = text.split(' ').next()?.to_owned();
        let candidates = self.instructions.iter().filter(|one| {
            one.name == keyword && stage.is_none_or(|stage| one.stage == Some(stage))
        });
        // The engine expands variables, so the longest common beginning decides; the first of equals.
        let mut best: Option<(usize, u32)> = None;
        for one in candidates {
            let own = squeeze(&format!("{} {}", one.name, one.rest));
            let common = own
                .bytes()
                .zip(text.bytes())
                .take_while(|(a, b)| a == b)
                .count();
            let score = if own == text { usize::MAX } else { common };
            if best.is_none_or(|(most, _)| score > most) {
                best = Some((score, one.line));
            }
        }
        best.map(|(_, line)| line)
    }
}

/// Number of the stage with this name or number.
pub(crate) fn stage_named(stages: &[Stage], name: &str) -> Option<usize> {
    let lower = name.to_lowercase();
    let found = stages
        .iter()
        .position(|stage| stage.name.as_deref() == Some(lower.as_str()));
    found.or_else(|| name.parse().ok().filter(|number| *number < stages.len()))
}

impl Instruction {
    /// Its words without leading flags.
    pub(crate) fn words(&self) -> impl Iterator<Item = &str> {
        self.rest
            .split_whitespace()
            .skip_while(|word| word.starts_with("--"))
    }

    /// Values of a flag such as `--from=`.
    pub(crate) fn flags<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.rest
            .split_whitespace()
            .take_while(|word| word.starts_with("--"))
            .filter_map(move |word| {
                word.strip_prefix("--")?
                    .strip_prefix(name)?
                    .strip_prefix('=')
            })
    }

    /// What COPY or ADD reads: everything but the destination. Inline documents and URLs are left out.
    pub(crate) fn sources(&self) -> Vec<String> {
        if !matches!(self.name.as_str(), "COPY" | "ADD") {
            return Vec::new();
        }
        let text = self.words().collect::<Vec<_>>().join(" ");
        let mut words: Vec<String> = match serde_json::from_str(&text) {
            Ok(words) => words,
            Err(_) => shell_words::split(&text)
                .unwrap_or_else(|_| text.split(' ').map(str::to_owned).collect()),
        };
        words.pop();
        words.retain(|word| {
            !word.starts_with("<<") && !word.contains("://") && !word.starts_with("git@")
        });
        words
    }
}

fn squeeze(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &str = "# syntax=docker/dockerfile:1\nARG V=3.11\nFROM python:${V}-slim AS deps\n\
        RUN pip install \\\n    # why\n    -r requirements.txt\nFROM deps\nCOPY --from=deps /a /b\n\
        COPY [\"a b\", \"c\", \"/d/\"]\nRUN <<EOF\nBOGUS line\nEOF\nRUN echo $V two\n";

    #[test]
    fn stages_lines_and_words_are_found() {
        let file = Dockerfile::parse(TWO).unwrap();
        assert_eq!(file.syntax.as_ref().unwrap().0, 1);
        let stages = file.stages();
        assert_eq!(
            (stages[0].base.as_str(), stages[0].name.as_deref()),
            ("python:3.11-slim", Some("deps"))
        );
        assert_eq!(file.target(None), Some(1));
        assert_eq!(file.target(Some("deps")), Some(0));
        let copies: Vec<_> = file
            .instructions
            .iter()
            .filter(|one| one.name == "COPY")
            .collect();
        assert_eq!(copies[0].flags("from").collect::<Vec<_>>(), ["deps"]);
        assert_eq!(copies[1].sources(), ["a b", "c"]);
    }

    #[test]
    fn a_failing_step_has_a_line() {
        let file = Dockerfile::parse(TWO).unwrap();
        assert_eq!(
            file.line_of("[deps 2/2] RUN pip install     -r requirements.txt"),
            Some(4)
        );
        assert_eq!(file.line_of("[stage-1 5/5] RUN echo 3.11 two"), Some(13));
        assert_eq!(file.line_of("[internal] load build context"), None);
    }

    #[test]
    fn mistakes_have_lines() {
        let mistakes = |text| Dockerfile::parse(text).unwrap_err();
        assert_eq!(
            mistakes("FROM a\n\nRNU x\n")[0],
            Mistake {
                line: 3,
                why: "unknown instruction `RNU`; did you mean `RUN`?".to_owned()
            }
        );
        assert!(
            mistakes("RUN x\nFROM a")[0]
                .why
                .contains("before the first FROM")
        );
        assert!(mistakes("# nothing\n")[0].why.contains("no FROM"));
        assert_eq!(mistakes("FROM a\nRUN <<EOF\nx\n")[0].line, 2);
        assert_eq!(mistakes("FROM a\nCOPY\n")[0].line, 2);
    }

    #[test]
    fn the_escape_character_can_be_changed() {
        let file = Dockerfile::parse("# escape=`\nFROM a\nRUN x `\n  y\\\nRUN z").unwrap();
        assert_eq!(file.instructions.len(), 3);
        assert_eq!(squeeze(&file.instructions[1].rest), "x y\\");
    }
}
