//! The image: what is sent to the engine, what it builds, what is pushed. It knows no other stage.

mod attach;
mod build;
mod context;
mod cut;
mod dockerfile;
mod early;
mod ignore;
mod lines;
mod preflight;
mod progress;
mod push;
mod secrets;
mod source;
mod words;

pub(crate) use attach::attach;
pub(crate) use build::{build, existing};
pub(crate) use early::{build_early, push_early};
pub(crate) use preflight::preflight;
pub(crate) use push::push;
