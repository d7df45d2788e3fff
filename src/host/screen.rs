//! What the place can show of a log: colours, and a line that is drawn over itself. It asks variables and the terminal.
//! Sources: no-color.org, bixense.com/clicolors, force-color.org.

use std::io::IsTerminal as _;

use super::Kind;

/// What can be shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Screen {
    pub(crate) colour: bool,
    /// Somebody looks at a terminal that can erase a line.
    pub(crate) live: bool,
}

impl Screen {
    /// Asks variables and standard output.
    pub(super) fn detect<'a>(kind: Kind, get: impl Fn(&str) -> Option<&'a str>) -> Self {
        Self::of(kind, std::io::stdout().is_terminal(), get)
    }

    fn of<'a>(kind: Kind, terminal: bool, get: impl Fn(&str) -> Option<&'a str>) -> Self {
        let on = |name: &str| get(name).is_some_and(|value| value != "0");
        let dumb = get("TERM") == Some("dumb");
        let colour = if get("NO_COLOR").is_some() {
            false
        } else if on("CLICOLOR_FORCE") || on("FORCE_COLOR") {
            true
        } else if dumb || get("CLICOLOR") == Some("0") {
            false
        } else {
            // GitLab's page of a job shows colours although its log is no terminal.
            terminal || kind == Kind::GitLab
        };
        let ci = get("CI").is_some_and(|value| value != "0" && value != "false");
        let live = kind == Kind::Terminal && terminal && !dumb && !ci;
        Self { colour, live }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_redrawn_only_where_somebody_sees_it() {
        let live = |kind, terminal, vars: &[(&str, &'static str)]| {
            let get = |name: &str| vars.iter().find(|(key, _)| *key == name).map(|(_, v)| *v);
            Screen::of(kind, terminal, get).live
        };
        assert!(live(Kind::Terminal, true, &[("TERM", "xterm")]));
        assert!(live(
            Kind::Terminal,
            true,
            &[("NO_COLOR", "1"), ("CI", "0")]
        ));
        assert!(!live(Kind::Terminal, false, &[("FORCE_COLOR", "1")]));
        for kind in [Kind::GitHub, Kind::GitLab, Kind::Jenkins] {
            assert!(!live(kind, true, &[]), "{kind:?}");
        }
        for off in [("TERM", "dumb"), ("CI", "true")] {
            assert!(!live(Kind::Terminal, true, &[off]), "{off:?}");
        }
    }

    #[test]
    fn colours_only_where_they_are_seen_or_wanted() {
        let colour = |kind, terminal, vars: &[(&str, &'static str)]| {
            let get = |name: &str| vars.iter().find(|(key, _)| *key == name).map(|(_, v)| *v);
            Screen::of(kind, terminal, get).colour
        };
        assert!(colour(Kind::Terminal, true, &[]));
        assert!(colour(Kind::GitLab, false, &[]));
        for kind in [Kind::Terminal, Kind::Jenkins] {
            assert!(!colour(kind, false, &[]));
            assert!(colour(kind, false, &[("CLICOLOR_FORCE", "1")]));
            assert!(colour(kind, false, &[("FORCE_COLOR", "3")]));
            assert!(!colour(kind, false, &[("FORCE_COLOR", "0")]));
        }
        for off in [("NO_COLOR", "1"), ("CLICOLOR", "0"), ("TERM", "dumb")] {
            assert!(!colour(Kind::Terminal, true, &[off]), "{off:?}");
            assert!(!colour(Kind::GitLab, false, &[off]), "{off:?}");
        }
        assert!(!colour(
            Kind::Terminal,
            true,
            &[("NO_COLOR", "1"), ("FORCE_COLOR", "1")]
        ));
        assert!(colour(
            Kind::Terminal,
            false,
            &[("TERM", "dumb"), ("CLICOLOR_FORCE", "1")]
        ));
    }
}
