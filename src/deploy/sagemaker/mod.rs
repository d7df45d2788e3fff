//! An endpoint of SageMaker as a target: a model and a configuration are made, the endpoint is moved to them, and what it
//! really serves then is read back. It knows SageMaker through `cloud` only.

mod alarms;
mod change;
mod finish;
mod history;
mod image;
mod judge;
mod preflight;
mod prune;
mod status;
mod undo;
mod wait;
mod wanted;
mod watch;

use std::time::SystemTime;

use serde_json::{Value, json};
use tokio::time::Instant;

pub(crate) use self::finish::finish;
pub(crate) use self::image::built;
pub(crate) use self::preflight::preflight;
pub(crate) use self::status::{served, serving, status};
pub(crate) use self::undo::undo;

use self::change::{Change, beforehand, change, found, make};
use self::image::single;
use self::judge::{Goal, config, image, next_config, text};
use self::wait::{Waited, settled, wait};
use self::wanted::{Origin, Wanted};
use self::watch::watched;
use crate::artifact::{Deployment, Launch, Pushed};
use crate::cloud::SageMaker;
use crate::code::Code;
use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::plan::{OnFailure, SageMakerSpec};

/// What an endpoint is made from must begin so: SageMaker gives the container this one argument.
const ARGUMENT: &str = "serve";

/// A deployment until its verification decides.
#[derive(Debug)]
pub(crate) struct Rollout {
    deployment: Deployment,
    /// The configuration that serves now.
    config: String,
    /// It was gone back to, and was not made by this run.
    back: bool,
    /// Tags for the endpoint.
    tags: Value,
    /// What served before this run; `None`: nothing did.
    before: Option<Before>,
    /// Whether anything was changed.
    changed: bool,
}

/// What served before.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Before {
    config: String,
    image: Option<String>,
}

impl Before {
    fn of(described: &Value) -> Self {
        Self {
            config: config(described).to_owned(),
            image: image(described).map(str::to_owned),
        }
    }

    /// What people call it: the image, else the configuration.
    fn name(&self) -> &str {
        self.image.as_deref().unwrap_or(&self.config)
    }
}

impl Rollout {
    /// What is live now.
    pub(crate) fn deployment(&self) -> &Deployment {
        &self.deployment
    }
}

/// How SageMaker starts a container of the image, for the trial before the push.
pub(crate) fn launch(spec: &SageMakerSpec) -> Launch {
    Launch {
        env: spec.environment.clone(),
        command: Some(vec![ARGUMENT.to_owned()]),
        ports: vec![8080],
        ..Launch::default()
    }
}

/// Makes the endpoint serve the image.
///
/// # Errors
/// What SageMaker refuses or fails with, in its own words, with the end of the container's log; `EndpointOldConfig` when it
/// went back by itself.
pub(crate) async fn run(
    ctx: &Context,
    spec: &SageMakerSpec,
    pushed: Option<&Pushed>,
    run_id: Option<&str>,
) -> Outcome<Rollout> {
    let aws = spec.clouds.sagemaker();
    let Some(pushed) = pushed else {
        return Err(
            Failure::new(Code::ImageMissing, "failed to deploy: no image is known")
                .help("push it in this run, or give `image-ref`"),
        );
    };
    let until = Instant::now() + spec.deadline;
    let shown = pushed.reference();
    let looked_up = async {
        let image = single(ctx, spec, pushed).await?;
        Ok((image, aws.role_arn(&spec.role).await?))
    };
    let (image, role) = beforehand(ctx, &spec.endpoint, looked_up).await?;
    let origin = Origin {
        digest: &pushed.digest,
        commit: spec.commit.as_deref(),
        run_id,
        run_url: ctx.run_url.as_deref(),
    };
    let wanted = Wanted::of(spec, &image, &role, origin);
    let found = found(ctx, &aws, spec, &wanted, until).await?;
    let since = SystemTime::now();
    let before = before(&aws, spec, &wanted, found.as_ref()).await;
    let begun = match begin(ctx, &aws, spec, &wanted, found.as_ref(), until).await {
        Ok(begun) => begun,
        Err(failure) => {
            // AWS has refused it, so nobody uses what was made for it. Of any other failure that is not known.
            let refused = matches!(failure.code(), Code::EndpointFailed | Code::QuotaExceeded);
            if refused && spec.on_failure == OnFailure::Rollback {
                undo::tidy(ctx, &aws, spec, &wanted.config).await;
            }
            return Err(failure);
        }
    };
    let changed = begun.changed;
    let waited = Waited {
        goal: begun.goal,
        deadline: begun.deadline,
        since,
        alarms: &spec.alarms,
    };
    let waiting = wait(ctx, &aws, spec, waited).await;
    let rollout = Rollout {
        deployment: deployment(spec, &aws, Some(shown)),
        config: wanted.config,
        back: false,
        tags: wanted.tags,
        before,
        changed,
    };
    if let Err(failure) = waiting {
        return Err(undo::not_there(ctx, &aws, spec, &rollout, failure).await);
    }
    ctx.events
        .note(format!(
            "endpoint `{}` is InService on configuration `{}`",
            spec.endpoint, rollout.config
        ))
        .await;
    ctx.events.produced(rollout.deployment.clone()).await;
    Ok(rollout)
}

/// What served before this run; `None`: nothing did, or nothing of which it can be told.
async fn before(
    aws: &SageMaker,
    spec: &SageMakerSpec,
    wanted: &Wanted,
    found: Option<&Value>,
) -> Option<Before> {
    let described = found?;
    if config(described) != wanted.config {
        return Some(Before::of(described));
    }
    if text(described, "EndpointStatus") == "Creating" {
        return None;
    }
    // It has become ours before: by a run that was stopped, or by one that was verified.
    history::before(aws, spec, described).await
}

/// A change that is on its way, or none that was needed.
struct Begun<'a> {
    goal: Goal<'a>,
    deadline: Instant,
    /// Whether there is a change of ours.
    changed: bool,
}

/// Begins what is not there yet.
async fn begin<'a>(
    ctx: &Context,
    aws: &SageMaker,
    spec: &'a SageMakerSpec,
    wanted: &'a Wanted,
    found: Option<&Value>,
    until: Instant,
) -> Outcome<Begun<'a>> {
    let goal = Goal::new(spec, &wanted.config);
    let there = found.filter(|described| next_config(described) == wanted.config);
    let Some(described) = there else {
        make(ctx, aws, spec, wanted).await?;
        let step = match found {
            Some(_) => Change::Move(watched(spec)),
            None => Change::Make(&wanted.tags),
        };
        change(ctx, aws, spec, &wanted.config, step).await?;
        return Ok(Begun {
            goal,
            deadline: Instant::now() + spec.deadline,
            changed: true,
        });
    };
    // Somebody else's change of what serves already, such as its weights, is none of ours.
    let changed =
        config(described) != wanted.config || text(described, "EndpointStatus") == "Creating";
    let note = if changed {
        "is on its way to this configuration already: an earlier run began it"
    } else {
        "serves this configuration already: there is nothing to update"
    };
    ctx.events
        .note(format!("endpoint `{}` {note}", spec.endpoint))
        .await;
    // An autoscaler may have changed the number of machines since.
    let goal = if changed {
        goal
    } else {
        Goal::earlier(&wanted.config)
    };
    Ok(Begun {
        goal,
        deadline: until,
        changed,
    })
}

/// Goes back to the configuration that was verified before the one that is live.
///
/// # Errors
/// `RevisionMissing` when there is none; as a deployment.
pub(crate) async fn rollback(ctx: &Context, spec: &SageMakerSpec) -> Outcome<Rollout> {
    let aws = spec.clouds.sagemaker();
    let deadline = Instant::now() + spec.deadline;
    let name = &spec.endpoint;
    let Some(described) = settled(ctx, &aws, spec, deadline).await? else {
        return Err(Failure::new(
            Code::RevisionMissing,
            format!("there is no endpoint `{name}`"),
        )
        .help("correct `endpoint-name` or `aws-region`"));
    };
    let past = beforehand(ctx, name, history::of(&aws, spec)).await?;
    let Some(to) = history::previous(&past, config(&described)) else {
        return Err(Failure::new(
            Code::RevisionMissing,
            format!(
                "endpoint `{name}` has no verified configuration before `{}`",
                config(&described)
            ),
        ));
    };
    ctx.events
        .note(format!("going back to configuration `{}`", to.name))
        .await;
    let before = Before::of(&described);
    let since = SystemTime::now();
    // It was watched when it came; going back shall be quick.
    change(ctx, &aws, spec, &to.name, Change::Move(None)).await?;
    let waited = Waited {
        goal: Goal::earlier(&to.name),
        deadline,
        since,
        alarms: &[],
    };
    let described = wait(ctx, &aws, spec, waited).await?;
    let image = image(&described).map(str::to_owned);
    let rollout = Rollout {
        deployment: deployment(spec, &aws, image),
        config: to.name.clone(),
        back: true,
        tags: json!([]),
        before: Some(before),
        changed: true,
    };
    ctx.events.produced(rollout.deployment.clone()).await;
    Ok(rollout)
}

fn deployment(spec: &SageMakerSpec, aws: &SageMaker, image: Option<String>) -> Deployment {
    Deployment {
        target: "sagemaker".to_owned(),
        objects: vec![format!("Endpoint/{}", spec.endpoint)],
        endpoint: aws.url(&spec.endpoint).ok(),
        image,
        ..Deployment::default()
    }
}
