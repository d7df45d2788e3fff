//! `.dockerignore` with Docker's meaning: patterns match from the root, the last match wins, `!` takes back.
//! Source: moby/patternmatcher. It reads no folder.

use globset::{GlobBuilder, GlobMatcher};

/// The rules of one file.
#[derive(Debug, Default)]
pub(crate) struct Rules(Vec<Rule>);

#[derive(Debug)]
struct Rule {
    again: bool,
    matcher: GlobMatcher,
    /// The part before the first wildcard, to know whether a folder may hold something that is taken back.
    fixed: String,
}

impl Rules {
    /// Reads the file's text.
    ///
    /// # Errors
    /// The line number and the pattern that cannot be read.
    pub(crate) fn parse(text: &str) -> Result<Self, (u32, String)> {
        let mut rules = Vec::new();
        for (at, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
            // Only a `#` in the first column begins a comment.
            if line.starts_with('#') {
                continue;
            }
            let line = line.trim();
            let (again, pattern) = match line.strip_prefix('!') {
                Some(pattern) => (true, pattern.trim()),
                None => (false, line),
            };
            let pattern = clean(pattern);
            if pattern.is_empty() {
                continue;
            }
            let matcher = GlobBuilder::new(&pattern)
                .literal_separator(true)
                .backslash_escape(true)
                .empty_alternates(true)
                .build()
                .map_err(|_| (u32::try_from(at + 1).unwrap_or(u32::MAX), line.to_owned()))?
                .compile_matcher();
            let fixed = pattern
                .split(['*', '?', '[', '\\', '{'])
                .next()
                .unwrap_or_default()
                .to_owned();
            rules.push(Rule {
                again,
                matcher,
                fixed,
            });
        }
        Ok(Self(rules))
    }

    /// Whether the path, relative to the context with `/`, is left out. A rule that names a folder holds for all in it.
    pub(crate) fn excludes(&self, path: &str) -> bool {
        let mut excluded = false;
        for rule in &self.0 {
            if rule.again != excluded {
                continue;
            }
            let mut part = path;
            let matched = loop {
                if rule.matcher.is_match(part) {
                    break true;
                }
                match part.rfind('/') {
                    Some(at) => part = &part[..at],
                    None => break false,
                }
            };
            if matched {
                excluded = !rule.again;
            }
        }
        excluded
    }

    /// Whether a folder that is left out may still hold something that a later rule takes back.
    pub(crate) fn may_return_below(&self, folder: &str) -> bool {
        let folder = format!("{folder}/");
        self.0.iter().any(|rule| {
            rule.again && (rule.fixed.starts_with(&folder) || folder.starts_with(&rule.fixed))
        })
    }
}

/// Docker cleans patterns like paths: `/a/`, `./a` and `a` are the same. `{` means itself.
fn clean(pattern: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in pattern.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/").replace('{', "\\{").replace('}', "\\}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn excluded(rules: &str, path: &str) -> bool {
        Rules::parse(rules).unwrap().excludes(path)
    }

    #[test]
    fn patterns_match_from_the_root() {
        assert!(excluded("data", "data/train.csv"));
        assert!(excluded("/data/", "data/train.csv"));
        assert!(!excluded("data", "src/data/x"));
        assert!(excluded("**/data", "src/data/x"));
        assert!(excluded("**/*.pyc", "a.pyc"));
        assert!(excluded("*.md", "README.md"));
        assert!(!excluded("*.md", "docs/README.md"));
        assert!(excluded("docs/*", "docs/a/b"));
        assert!(excluded("a/**/b", "a/b") && excluded("a/**/b", "a/x/y/b"));
        assert!(excluded("temp?", "tempa") && !excluded("temp?", "temp"));
    }

    #[test]
    fn the_last_match_wins() {
        let rules = "# all\n*\n!src\n!*.txt\nsrc/secret\n";
        assert!(!excluded(rules, "src/app.py"));
        assert!(!excluded(rules, "requirements.txt"));
        assert!(excluded(rules, "src/secret"));
        assert!(excluded(rules, "model/x"));
        assert!(!excluded("**\n!a/b\n", "a/b"));
    }

    #[test]
    fn a_folder_is_entered_when_something_in_it_returns() {
        let rules = Rules::parse("*\n!model/keep.txt\n").unwrap();
        assert!(rules.may_return_below("model") && !rules.may_return_below("data"));
        let rules = Rules::parse("*\n!**/*.py\n").unwrap();
        assert!(rules.may_return_below("data"));
    }

    #[test]
    fn bad_patterns_have_a_line() {
        assert_eq!(Rules::parse("a\n[z\n").unwrap_err().0, 2);
    }
}
