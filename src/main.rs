//! `ml-deploy`: parse, run, exit code.

mod artifact;
mod code;
mod context;
mod diagnostic;
mod engine;
mod event;
mod failure;
mod image;
mod inputs;
mod plan;
mod registry;

fn main() {}
