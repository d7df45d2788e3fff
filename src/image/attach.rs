//! After the push: what is known of the training is attached to the image in its registry, so that whoever pulls the image
//! can compare it again. A registry that does not take it is no failure: the image is pushed.

use std::time::Duration;

use crate::artifact::{FREEZE_TYPE, Freeze, Pushed};
use crate::context::Context;
use crate::plan::PushSpec;
use crate::registry::{self, Attached, Attachment, Reference};

/// How long all of it may take.
const LONGEST: Duration = Duration::from_secs(60);

/// Attaches the document, and says how it is found or why there is none.
pub(crate) async fn attach(ctx: &Context, spec: &PushSpec, pushed: &Pushed, freeze: &Freeze) {
    let image = format!("{}@{}", pushed.repository, pushed.digest);
    let Ok(reference) = image.parse::<Reference>() else {
        return;
    };
    let attachment = Attachment {
        kind: FREEZE_TYPE,
        title: "freeze.json",
        content: freeze.text(),
    };
    let work = registry::attach(&reference, spec.login.as_ref(), attachment);
    let done = tokio::select! {
        biased;
        () = ctx.cancel.cancelled() => return,
        done = tokio::time::timeout(LONGEST, work) => done,
    };
    let what = "what trained the model";
    let line = match done {
        Ok(Ok(Attached::Already)) => format!("{what} is attached to the image already"),
        Ok(Ok(Attached::Listed)) => format!("{what} is attached to the image"),
        Ok(Ok(Attached::Tagged(tag))) => {
            format!("{what} is attached to the image, by the tag {tag}")
        }
        Ok(Err(failure)) => {
            let why: Vec<String> = failure
                .into_findings()
                .into_iter()
                .map(|one| one.message)
                .collect();
            format!(
                "{what} could not be attached to the image: {}",
                why.join("; ")
            )
        }
        Err(_) => format!(
            "{what} could not be attached to the image: the registry took longer than {} s",
            LONGEST.as_secs()
        ),
    };
    ctx.events.note(line).await;
}
