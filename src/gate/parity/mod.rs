//! Environment parity: what the image installs and which model it holds, compared with what trained, before anything is pushed.
//! The training side is the freeze of the interpreter that trained; the serving side is asked of the interpreter that serves.

mod allow;
mod bearing;
mod numbers;
mod place;
mod row;
mod say;
mod serving;
mod start;
mod verdict;
#[cfg(test)]
mod verdict_tests;
mod version;
mod weights;

use std::collections::BTreeSet;
use std::time::Instant;

use jiff::Timestamp;

use crate::artifact::{
    Environment, Freeze, Image, Model, ModelFile, Parity, ParityLevel as Level, ParityVerdict,
};
use crate::code::Code;
use crate::context::Context;
use crate::engine::Engine;
use crate::failure::{Failure, Outcome};
use crate::plan::{ParityMode, ParitySpec, Plan};

use allow::Judged;
use bearing::{Bearing, bearing};
use place::Places;
use row::{NONE, Row};
use serving::{Server, Serving};
use weights::Weights;

/// Compares the image of this run and says what differs. The failure is that of an image that would not serve what was trained: `ParityPython`,
/// `ParityPlatform`, `ParityPackage`, `ParityModel`, `ParityUnknown`, `ParityAllowExpired`, one finding for each difference
/// that blocks.
///
/// # Errors
/// What keeps us from comparing at all.
pub(crate) async fn run(
    ctx: &Context,
    engine: &Engine,
    plan: &Plan,
    model: Option<&Model>,
    image: &Image,
) -> Outcome<(Parity, Option<Failure>)> {
    let spec = &plan.parity;
    let places = plan.build.as_ref().map_or_else(Places::default, |build| {
        Places::read(ctx, build, &plan.model)
    });
    let Some(trained) = model.and_then(Freeze::of) else {
        let why = "nothing is known of the environment that trained this model: no training ran here, and none has left its description";
        let rows = vec![unknown("training", why)];
        return Ok(conclude(ctx, spec, &places, rows, None, Bearing::default()).await);
    };
    let comparison = Comparison {
        image: &image.id,
        trained: &trained,
        asked_for: places.asked_for(),
        places: &places,
        doubts: Vec::new(),
    };
    compare(ctx, engine, spec, comparison).await
}

/// Compares an image that another run built, or nobody of us. `doubts` are reasons why the description may not be that of
/// the image's model, one line each.
///
/// # Errors
/// As `run`.
pub(crate) async fn against(
    ctx: &Context,
    engine: &Engine,
    spec: &ParitySpec,
    trained: &Freeze,
    image: &str,
    doubts: Vec<String>,
) -> Outcome<(Parity, Option<Failure>)> {
    // What the image's requirements ask for is not at hand, but whoever built it has seen it.
    let earlier = trained.parity.as_ref();
    let asked_for = earlier.map(|parity| parity.bearing.keys().cloned().collect());
    let comparison = Comparison {
        image,
        trained,
        asked_for: asked_for.unwrap_or_default(),
        places: &Places::default(),
        doubts,
    };
    compare(ctx, engine, spec, comparison).await
}

/// The two sides, and what is known around them.
struct Comparison<'a> {
    /// Id of the image.
    image: &'a str,
    trained: &'a Freeze,
    /// Normalised names of packages that the image asks for.
    asked_for: BTreeSet<String>,
    places: &'a Places,
    doubts: Vec<String>,
}

async fn compare(
    ctx: &Context,
    engine: &Engine,
    spec: &ParitySpec,
    comparison: Comparison<'_>,
) -> Outcome<(Parity, Option<Failure>)> {
    let began = Instant::now();
    let Comparison { image, places, .. } = comparison;
    let (trained, model) = (&comparison.trained.environment, &comparison.trained.model);
    let bearing = bearing(trained, model, &comparison.asked_for);
    let doubts = comparison.doubts.iter();
    let mut rows: Vec<Row> = doubts.map(|why| unknown("training", why)).collect();
    for why in &model.unread {
        let why = format!("{why}; the packages that the model needs are not all known");
        rows.push(unknown("model", &why));
    }
    let serving = match serving::look(ctx, engine, image, &model.files).await? {
        Ok(mut serving) => {
            likeliest_first(&mut serving, &bearing);
            rows.extend(compared(trained, &serving, &bearing));
            rows.extend(weights_row(&model.files, &serving));
            Some(serving)
        }
        Err(why) => {
            let start = engine.image_start(image).await.ok().flatten();
            let foreign =
                start.and_then(|start| verdict::architecture(trained, &start.architecture));
            rows.extend(foreign);
            rows.push(unknown("image", &why));
            None
        }
    };
    let took = began.elapsed().as_secs_f64();
    ctx.events
        .note(format!(
            "the image was compared with the training in {took:.1} s"
        ))
        .await;
    let sides = serving.map(|serving| (serving, trained));
    Ok(conclude(ctx, spec, places, rows, sides, bearing).await)
}

fn unknown(subject: &str, why: &str) -> Row {
    Row::new(Level::Warn, Code::ParityUnknown, subject, (NONE, NONE), why)
}

/// Of several environments, the one that listens serves; else the one that has most of what the model rests on.
fn likeliest_first(serving: &mut Serving, bearing: &Bearing) {
    let holds = |environment: &Environment| {
        let all = environment.distributions.iter();
        all.filter(|one| bearing.packages.contains_key(&one.name))
            .count()
    };
    serving.servers.sort_by_key(|server| {
        let held = server.environment.as_ref().map(holds);
        std::cmp::Reverse((held.is_some(), server.listens, held))
    });
    if let Some(first) = serving.servers.first().filter(|_| serving.how.is_empty()) {
        let listens = if first.listens {
            "listens and runs"
        } else {
            "runs"
        };
        serving.how = format!("it {listens} `{}`", first.command);
    }
}

/// The rows of the interpreter that serves, and one for others that run too with other packages.
fn compared(trained: &Environment, serving: &Serving, bearing: &Bearing) -> Vec<Row> {
    let described = |server: &'_ Server| server.environment.is_some();
    let mut known = serving.servers.iter().filter(|server| described(server));
    let Some((first, environment)) = known
        .next()
        .and_then(|one| Some((one, one.environment.as_ref()?)))
    else {
        return vec![unknown(
            "image",
            "no interpreter of it could describe itself",
        )];
    };
    let mut rows = verdict::compare(trained, environment, bearing);
    for server in &serving.servers {
        let same = server
            .environment
            .as_ref()
            .is_some_and(|other| contents(other) == contents(environment));
        if server.path == first.path || same {
            continue;
        }
        let why = match &server.error {
            Some(error) => format!("`{}` runs too and cannot be asked: {error}", server.path),
            None => format!(
                "`{}` runs too, with other packages than `{}`; only the latter was compared",
                server.path, first.path
            ),
        };
        rows.push(unknown("interpreters", &why));
    }
    rows
}

fn contents(environment: &Environment) -> (&str, Vec<(&str, &str)>) {
    let installed = environment.distributions.iter();
    let installed = installed.map(|one| (one.name.as_str(), one.version.as_str()));
    (&environment.python, installed.collect())
}

fn weights_row(files: &[ModelFile], serving: &Serving) -> Option<Row> {
    match weights::compare(files, &serving.files) {
        Weights::Same => None,
        Weights::Other {
            relative,
            path,
            trained,
            served,
        } => {
            let why = format!("`{path}` is not the file `{relative}` that the training wrote");
            let versions = (trained.as_str(), served.as_str());
            Some(Row::new(
                Level::Block,
                Code::ParityModel,
                "model",
                versions,
                why,
            ))
        }
        Weights::Absent => {
            let why = if serving.complete {
                "the image does not hold the model: it has to fetch it when it starts"
            } else {
                "the model was not found in the part of the image that could be searched"
            };
            Some(Row::new(
                Level::Info,
                Code::ParityModel,
                "model",
                ("", NONE),
                why,
            ))
        }
    }
}

/// Judges the rows, produces the result and everything that is said about it.
async fn conclude(
    ctx: &Context,
    spec: &ParitySpec,
    places: &Places,
    rows: Vec<Row>,
    sides: Option<(Serving, &Environment)>,
    bearing: Bearing,
) -> (Parity, Option<Failure>) {
    let today = Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
    let judged = allow::judge(rows, spec, today);
    let constraints = match &sides {
        Some((_, trained)) => match say::constraints(ctx, trained, &bearing) {
            Ok(path) => path,
            Err(error) => {
                ctx.events
                    .note(format!(
                        "the constraints file could not be written: {error}"
                    ))
                    .await;
                None
            }
        },
        None => None,
    };
    let serving = sides.map(|(serving, _)| serving);
    let first = serving.as_ref().and_then(|serving| serving.servers.first());
    let verdict = allow::verdict(&judged);
    let parity = Parity {
        verdict,
        mode: spec.mode.name().to_owned(),
        interpreter: first.map(|server| server.path.clone()),
        found: serving.as_ref().map(|serving| serving.how.clone()),
        bearing: bearing
            .packages
            .into_iter()
            .map(|(name, reason)| (name, reason.why))
            .collect(),
        rows: judged.iter().map(|one| say::row(one, places)).collect(),
        constraints,
    };
    if let Some(serving) = &serving {
        found(ctx, serving).await;
    }
    lines(ctx, spec, verdict, &judged).await;
    ctx.events.produced(parity.clone()).await;
    let (blocking, warnings) = say::findings(&judged, spec, places);
    for warning in warnings {
        ctx.events.diagnosed(warning).await;
    }
    (parity, Failure::all(blocking))
}

/// Says which interpreter it is, and that another one comes first on `PATH`.
async fn found(ctx: &Context, serving: &Serving) {
    let Some(server) = serving.servers.first() else {
        return;
    };
    ctx.events
        .note(format!("`{}` serves: {}", server.path, serving.how))
        .await;
    let folder = |path: &str| path.rsplit_once('/').map(|(folder, _)| folder.to_owned());
    if let Some(other) = serving.on_path.first()
        && server.path.starts_with('/')
        && folder(other) != folder(&server.path)
    {
        ctx.events
            .note(format!(
                "`{other}` comes first on the image's PATH and is another interpreter"
            ))
            .await;
    }
}

/// The verdict in one line, what does not matter, and what was allowed.
async fn lines(ctx: &Context, spec: &ParitySpec, verdict: ParityVerdict, judged: &[Judged]) {
    let headline = match verdict {
        ParityVerdict::Pass => "the image serves what was trained",
        ParityVerdict::Warn => "the image serves what was trained, with differences",
        ParityVerdict::Fail if spec.mode == ParityMode::Report => {
            "the image does not serve what was trained; `parity: report` lets it pass"
        }
        ParityVerdict::Fail => "the image does not serve what was trained",
    };
    ctx.events.note(headline).await;
    for one in judged {
        if let Some(entry) = &one.allowed {
            ctx.events
                .note(format!(
                    "allowed by parity-allow `{entry}`: {}",
                    say::message(one)
                ))
                .await;
        } else if one.row.level == Level::Info {
            ctx.events
                .note(format!("{}: {}", one.row.subject, one.row.why))
                .await;
        }
    }
}
