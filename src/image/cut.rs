//! Where a Dockerfile stops being independent of the training: everything before can be built while the model trains.
//! Pure; wrong guesses cost a cached layer, never a wrong image, because the real build always runs in full.

use super::dockerfile::{Dockerfile, Instruction, stage_named};

/// The part of a Dockerfile that needs nothing of the training.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Cut {
    /// The Dockerfile's text up to there.
    pub(crate) text: String,
    /// Stage to build; `None`: the last.
    pub(crate) target: Option<String>,
    /// What its COPY instructions read of the context.
    pub(crate) sources: Vec<String>,
    /// What ended it.
    pub(crate) stop: Option<Stop>,
}

/// The instruction that ends the cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stop {
    pub(crate) line: u32,
    /// `copies the whole context`, `copies the model`, …
    pub(crate) why: String,
    /// A RUN that comes after it in the same stage, and so has to wait.
    pub(crate) delays: Option<String>,
}

/// What is known of the context.
pub(crate) struct Seen<'a> {
    /// Path of the model in the context, with `/`; `None` when it lies outside.
    pub(crate) model: Option<&'a str>,
    /// Whether a path is there already; a pattern counts as being there.
    pub(crate) exists: &'a dyn Fn(&str) -> bool,
}

/// Cuts the stage that is built. `None` when nothing worth building stands before the end of the cut.
pub(crate) fn cut(
    text: &str,
    file: &Dockerfile,
    target: Option<&str>,
    seen: &Seen<'_>,
) -> (Option<Cut>, Option<Stop>) {
    let Some(target) = file.target(target) else {
        return (None, None);
    };
    // The first stage of the chain of bases that is stopped is where the chain is cut.
    let mut chain = vec![target];
    let stages = file.stages();
    while let Some(base) = chain
        .last()
        .and_then(|stage| earlier(file, *stage, &stages[*stage].base))
    {
        chain.push(base);
    }
    chain.reverse();
    let stopped = chain
        .iter()
        .find_map(|stage| Some((*stage, stop(file, *stage, seen)?)));
    let (stage, stop) = match stopped {
        Some((stage, stop)) => (stage, Some(stop)),
        None => (target, None),
    };
    let end = stop.as_ref().map_or(u32::MAX, |stop| stop.line);
    let inside = |one: &&Instruction| one.stage == Some(stage) && one.line < end;
    let runs = chain.iter().any(|number| {
        *number <= stage
            && file
                .instructions
                .iter()
                .any(|one| one.name == "RUN" && one.stage == Some(*number) && one.line < end)
    });
    if !runs {
        return (None, stop);
    }
    // Stages after the cut are dropped, those before it are kept: the engine builds only what the target needs.
    let last = stages
        .get(stage + 1)
        .map_or(u32::MAX, |next| next.line)
        .min(end);
    let lines = text.lines().take(
        usize::try_from(last)
            .unwrap_or(usize::MAX)
            .saturating_sub(1),
    );
    let text: String = lines.flat_map(|line| [line, "\n"]).collect();
    let needed = needed(file, stage, end);
    let sources = file
        .instructions
        .iter()
        .filter(|one| {
            one.stage.is_some_and(|number| needed.contains(&number))
                && (one.stage != Some(stage) || inside(one))
        })
        .filter(|one| one.flags("from").next().is_none())
        .flat_map(Instruction::sources)
        .collect();
    (
        Some(Cut {
            text,
            target: None,
            sources,
            stop: stop.clone(),
        }),
        stop,
    )
}

/// The stage up to a line, and all that it is built on or copies from.
fn needed(file: &Dockerfile, stage: usize, end: u32) -> Vec<usize> {
    let stages = file.stages();
    let mut all = vec![stage];
    let mut at = 0;
    while let Some(&number) = all.get(at) {
        at += 1;
        let copied = file
            .instructions
            .iter()
            .filter(|one| one.stage == Some(number) && one.line < end)
            .flat_map(froms);
        for name in copied.chain([stages[number].base.clone()]) {
            if let Some(found) = earlier(file, number, &name)
                && !all.contains(&found)
            {
                all.push(found);
            }
        }
    }
    all
}

/// The stage before `stage` with this name.
fn earlier(file: &Dockerfile, stage: usize, name: &str) -> Option<usize> {
    stage_named(&file.stages()[..stage], name)
}

/// Stages and images that an instruction reads besides its own stage.
fn froms(one: &Instruction) -> Vec<String> {
    let mounted = one
        .flags("mount")
        .filter_map(|mount| mount.split(',').find_map(|part| part.strip_prefix("from=")));
    one.flags("from")
        .chain(mounted)
        .map(str::to_owned)
        .collect()
}

/// The first instruction of a stage that sees what the training may write.
fn stop(file: &Dockerfile, stage: usize, seen: &Seen<'_>) -> Option<Stop> {
    let own: Vec<&Instruction> = file
        .instructions
        .iter()
        .filter(|one| one.stage == Some(stage))
        .collect();
    let (at, why) = own
        .iter()
        .enumerate()
        .find_map(|(at, one)| Some((at, reason(file, stage, one, seen)?)))?;
    let delays = own[at + 1..].iter().find(|one| one.name == "RUN");
    Some(Stop {
        line: own[at].line,
        why,
        delays: delays.map(|run| shorten(&run.rest)),
    })
}

fn reason(file: &Dockerfile, stage: usize, one: &Instruction, seen: &Seen<'_>) -> Option<String> {
    let copied = froms(one);
    for name in &copied {
        let Some(other) = earlier(file, stage, name) else {
            continue;
        };
        let waits = needed(file, other, u32::MAX)
            .into_iter()
            .any(|number| stop(file, number, seen).is_some());
        if waits {
            return Some(format!("needs stage `{name}`, which needs the training"));
        }
    }
    if one.name == "RUN" {
        let whole = one.flags("mount").any(|mount| {
            mount.contains("type=bind")
                && !mount.contains("from=")
                && !mount.contains("source=")
                && !mount.contains("src=")
        });
        return whole.then(|| "mounts the whole context".to_owned());
    }
    if !copied.is_empty() {
        return None;
    }
    for source in one.sources() {
        let path = source
            .trim_start_matches('/')
            .trim_start_matches("./")
            .trim_end_matches('/');
        if path.is_empty() || path == "." || path == "*" {
            return Some("copies the whole context".to_owned());
        }
        if path.contains('$') {
            return Some(format!("copies `{source}`, which depends on a variable"));
        }
        let over = |model: &str| {
            model == path
                || model.starts_with(&format!("{path}/"))
                || path.starts_with(&format!("{model}/"))
        };
        if seen.model.is_some_and(over) {
            return Some(format!("copies the model (`{source}`)"));
        }
        let pattern = path.contains(['*', '?', '[']);
        if !pattern && !(seen.exists)(path) {
            return Some(format!("copies `{source}`, which is not there yet"));
        }
    }
    None
}

fn shorten(text: &str) -> String {
    let text = text
        .split_whitespace()
        .filter(|word| !word.starts_with("--mount"))
        .collect::<Vec<_>>()
        .join(" ");
    match text.char_indices().nth(60) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(text: &str) -> (Option<Cut>, Option<Stop>) {
        let file = Dockerfile::parse(text).unwrap();
        let exists = |path: &str| matches!(path, "requirements.txt" | "app.py");
        cut(
            text,
            &file,
            None,
            &Seen {
                model: Some("model"),
                exists: &exists,
            },
        )
    }

    #[test]
    fn the_cut_ends_before_the_model() {
        let (cut, stop) = run(
            "FROM a\nCOPY requirements.txt .\nRUN pip install\nCOPY app.py .\nCOPY model /m\nCMD x\n",
        );
        let cut = cut.unwrap();
        assert_eq!(
            cut.text,
            "FROM a\nCOPY requirements.txt .\nRUN pip install\nCOPY app.py .\n"
        );
        assert_eq!(cut.sources, ["requirements.txt", "app.py"]);
        assert_eq!(
            stop.unwrap(),
            Stop {
                line: 5,
                why: "copies the model (`model`)".to_owned(),
                delays: None
            }
        );
    }

    #[test]
    fn what_prevents_it_is_said() {
        let (cut, stop) = run("FROM a\n\nCOPY . .\nRUN pip install -r requirements.txt\n");
        assert_eq!(cut, None);
        let stop = stop.unwrap();
        assert_eq!(
            (stop.line, stop.why.as_str()),
            (3, "copies the whole context")
        );
        assert_eq!(
            stop.delays.as_deref(),
            Some("pip install -r requirements.txt")
        );
    }

    #[test]
    fn stages_are_followed() {
        let (cut, stop) = run(
            "FROM a AS w\nCOPY . .\nRUN make\nFROM a AS d\nRUN x\nFROM d\nRUN y\nCOPY --from=w /o /o\nRUN z\n",
        );
        let cut = cut.unwrap();
        assert!(cut.text.ends_with("RUN y\n"), "{}", cut.text);
        assert!(cut.sources.is_empty());
        assert_eq!(stop.unwrap().line, 8);
        let (cut, _) = run("FROM a AS d\nRUN x\nCOPY . .\nFROM d\nRUN y\n");
        assert_eq!(cut.unwrap().text, "FROM a AS d\nRUN x\n");
    }
}
