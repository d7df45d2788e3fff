//! Recorded predictions: where they are found, how they are asked, and whether an answer means the same. Used before the
//! push and on what is live, so that both ask the same rows in the same way. It knows HTTP, but neither engine nor cluster.

mod address;
mod bento;
mod compare;
mod form;
mod lenient;
mod protocol;
mod replay;
mod rows;
mod signature;
mod sources;
mod spread;
mod tolerance;

pub(crate) use address::{Address, Answer, Question, Silence};
pub(crate) use form::{Form, pointer, template};
pub(crate) use protocol::{Protocol, detect};
pub(crate) use replay::{Judged, Replayed, replay};
pub(crate) use rows::Row;
pub(crate) use sources::{Recorded, find};
pub(crate) use spread::BOUNDS;
pub(crate) use tolerance::Tolerance;

/// One line of an answer's body: enough to recognise it.
pub(crate) fn head(body: &str) -> String {
    const MOST: usize = 160;
    let line = body.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= MOST {
        return line;
    }
    line.chars().take(MOST).chain(['…']).collect()
}
