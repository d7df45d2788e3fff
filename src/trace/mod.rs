//! The subcommand `trace`: from any end of the chain to all others. Every place that knows a part of it is asked (the
//! registry, the tracking server, the cluster or the engine) until nothing new is learned. It changes nothing.

mod links;
mod places;
mod subject;
mod target;

use self::links::{Links, lines};
use self::places::Places;
use self::subject::Subject;
use crate::artifact::Link;
use crate::code::Code;
use crate::context::Context;
use crate::diagnostic::Diagnostic;
use crate::engine::Engine;
use crate::event::Stage;
use crate::failure::{Failure, Outcome};
use crate::plan::Plan;
use crate::stage::{Ended, stage};

/// Who said what was asked for.
const YOU: &str = "you";

/// Rounds of questions; the longest way through the chain is shorter.
const ROUNDS: usize = 5;

/// The image that the text names, so that its registry is logged in to; `None` when it names something else.
pub(crate) fn image(text: &str) -> Option<&str> {
    matches!(subject::read(text, None), Subject::Image(_)).then_some(text)
}

/// Says what belongs to what was asked for.
///
/// # Errors
/// `TraceUnknown` when no place knows it.
pub(crate) async fn run(plan: &Plan, ctx: &Context, asked: &str) -> Outcome<Ended> {
    stage(plan, ctx, Stage::Verify, async |ctx| {
        // Where there is an engine, it knows which registries have no TLS.
        if let Ok(engine) = Engine::connect().await {
            engine.tell(&plan.login.plain).await;
        }
        let mut links = Links::default();
        let subject = subject::read(asked, plan.gates.register_model.as_deref());
        let mut places = Places::new(plan, ctx);
        places.begin(&subject, &mut links).await;
        let given = links.count();
        for _ in 0..ROUNDS {
            let before = links.count();
            places.target(&subject, &mut links).await;
            places.registry(&mut links).await;
            places.tracking(&mut links).await;
            if links.count() == before {
                break;
            }
        }
        places.records(&mut links).await;
        let chain = links.chain(asked);
        // What only the question itself says is no answer.
        let answered = links.count() > given || chain.claims.iter().any(|one| one.by[0] != YOU);
        let unknown = unknown(asked, &links);
        if !answered {
            return Err(unknown);
        }
        for line in lines(&chain) {
            ctx.events.note(line).await;
        }
        ctx.events.produced(chain).await;
        for dispute in links.disputes() {
            let finding = Diagnostic::warning(Code::TraceDisputed, dispute);
            ctx.events.diagnosed(finding).await;
        }
        Ok(())
    })
    .await?;
    Ok(Ended::Done)
}

fn unknown(asked: &str, links: &Links) -> Failure {
    let chain = links.chain(asked);
    let reasons = Link::ALL.iter().flat_map(|link| {
        let ours = chain.missing.iter().filter(move |one| one.link == *link);
        ours.map(|one| format!("{}: {}", one.link.name(), one.why))
    });
    Failure::new(
        Code::TraceUnknown,
        format!("failed to trace `{asked}`: no place that could be asked knows it"),
    )
    .evidence(reasons.collect::<Vec<_>>())
}
