//! Who the champion is: first what really runs, else the alias in the model registry, else nobody.

use std::path::Path;

use super::Serving;
use crate::artifact::{Champion, Live, Measure, Run, label};
use crate::code::Code;
use crate::context::Context;
use crate::diagnostic::Diagnostic;
use crate::failure::{Failure, chain};
use crate::plan::{GateSpec, RegistryLogin, TrackingSpec};
use crate::registry::{self, Reference};
use crate::tracking::{self, Version};

/// What candidates are compared with.
#[derive(Debug)]
pub(super) enum Baseline {
    Run {
        run: Box<Run>,
        champion: Champion,
    },
    /// There is none, and how that is known.
    None(String),
    /// There may be one, but it could not be read.
    Unreadable(String),
}

/// Finds the champion and its metrics. What goes wrong is told only as far as a rule needs a champion.
pub(super) async fn find(
    ctx: &Context,
    spec: &GateSpec,
    store: &TrackingSpec,
    serving: Serving<'_>,
    python: Option<&Path>,
) -> Baseline {
    let live = from_live(serving).await;
    let aliased = from_alias(ctx, spec).await;
    if let Some(finding) = dispute(spec, &live, &aliased) {
        ctx.events.diagnosed(finding).await;
    }
    let needed = spec.rules.iter().any(|rule| rule.test.needs_champion());
    let (id, known_by) = match choose(spec, &live, &aliased) {
        Choice::Run {
            id,
            known_by,
            aside,
        } => {
            if let Some(line) = aside.filter(|_| needed) {
                let finding = Diagnostic::warning(Code::ChampionUnreadable, line);
                ctx.events.diagnosed(finding).await;
            }
            (id, known_by)
        }
        Choice::None(why) => return Baseline::None(why),
        Choice::Unreadable(why) => return Baseline::Unreadable(why),
    };
    match tracking::run(ctx, store, &id, python).await {
        Ok(Some(run)) => Baseline::Run {
            champion: Champion {
                run_id: id,
                url: run.url.clone(),
                known_by,
                metrics: run
                    .metrics
                    .iter()
                    .map(|(name, value)| (name.clone(), Measure(*value)))
                    .collect(),
            },
            run: Box::new(run),
        },
        Ok(None) => Baseline::Unreadable(format!(
            "the tracking store does not have run `{id}` of the champion ({known_by})"
        )),
        Err(error) => Baseline::Unreadable(format!(
            "failed to read run `{id}` of the champion ({known_by}): {}",
            chain(&error)
        )),
    }
}

/// What one of the two places says.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Said {
    Run {
        id: String,
        by: String,
    },
    /// Nothing is there, or it names no run; in words.
    Nothing(String),
    /// It was not asked.
    Unasked,
    Failed(String),
}

enum Choice {
    Run {
        id: String,
        known_by: String,
        /// What the other place could not say.
        aside: Option<String>,
    },
    None(String),
    Unreadable(String),
}

fn choose(spec: &GateSpec, live: &Said, aliased: &Said) -> Choice {
    let alias = &spec.champion;
    match (live, aliased) {
        (Said::Run { id, by }, _) => Choice::Run {
            id: id.clone(),
            known_by: format!("live as {by}"),
            aside: None,
        },
        (other, Said::Run { id, by }) => Choice::Run {
            id: id.clone(),
            known_by: format!("alias {alias} of {by}"),
            aside: match other {
                Said::Failed(why) => Some(format!(
                    "what is live could not be read, so the alias counts: {why}"
                )),
                _ => None,
            },
        },
        (Said::Failed(why), _) | (_, Said::Failed(why)) => Choice::Unreadable(why.clone()),
        (Said::Nothing(live), Said::Nothing(alias)) => Choice::None(format!("{live}, and {alias}")),
        (Said::Nothing(why), Said::Unasked) | (Said::Unasked, Said::Nothing(why)) => {
            Choice::None(why.clone())
        }
        (Said::Unasked, Said::Unasked) => Choice::None(
            "there is no deployment to look at, and `register-model` is not set".to_owned(),
        ),
    }
}

/// The warning when both places know a run and it is not the same.
fn dispute(spec: &GateSpec, live: &Said, aliased: &Said) -> Option<Diagnostic> {
    let (
        Said::Run { id, by },
        Said::Run {
            id: other,
            by: version,
        },
    ) = (live, aliased)
    else {
        return None;
    };
    (id != other).then(|| {
        Diagnostic::warning(
            Code::ChampionDisputed,
            format!(
                "cluster and model registry disagree: {by} was deployed from run `{id}`, alias `{}` of {version} is run `{other}`; what is live counts",
                spec.champion
            ),
        )
    })
}

async fn from_live(serving: Serving<'_>) -> Said {
    let live = match serving.live {
        Ok(Some(live)) => live,
        Ok(None) => return Said::Nothing("nothing is live".to_owned()),
        Err(failure) => return Said::Failed(first(failure)),
    };
    if let Some(id) = live.run_id.clone() {
        let by = live.object;
        return Said::Run { id, by };
    }
    match labelled(&live, serving.login).await {
        Ok(Some(id)) => Said::Run {
            id,
            by: live.object,
        },
        Ok(None) => Said::Nothing(format!("{} names no run", live.object)),
        Err(failure) => Said::Failed(first(failure)),
    }
}

/// The run in the labels of the images that are live, as their registry has them.
async fn labelled(live: &Live, login: Option<&RegistryLogin>) -> Result<Option<String>, Failure> {
    let mut failed = None;
    // What only the engine knows by its id is in no registry.
    let images = live
        .images
        .iter()
        .filter(|image| !image.starts_with("sha256:"));
    for image in images {
        let Ok(reference) = image.parse::<Reference>() else {
            continue;
        };
        match registry::labels(&reference, login).await {
            Ok(labels) => {
                if let Some(id) = labels.and_then(|mut labels| labels.remove(label::RUN_ID)) {
                    return Ok(Some(id));
                }
            }
            Err(failure) => failed = Some(failure),
        }
    }
    failed.map_or(Ok(None), Err)
}

async fn from_alias(ctx: &Context, spec: &GateSpec) -> Said {
    let Some(model) = &spec.register_model else {
        return Said::Unasked;
    };
    let alias = &spec.champion;
    match tracking::by_alias(ctx, &spec.tracking, model, alias).await {
        Ok(Some(Version {
            number,
            run_id: Some(id),
        })) => Said::Run {
            id,
            by: format!("{model}, version {number}"),
        },
        Ok(Some(version)) => Said::Nothing(format!(
            "alias {alias} of {model} is version {}, which names no run",
            version.number
        )),
        Ok(None) => Said::Nothing(format!("{model} has no alias {alias}")),
        Err(error) => Said::Failed(format!(
            "failed to read alias `{alias}` of `{model}`: {}",
            chain(&error)
        )),
    }
}

fn first(failure: Failure) -> String {
    let findings = failure.into_findings().into_iter();
    let messages = findings.map(|finding| finding.message);
    messages.take(1).collect()
}
