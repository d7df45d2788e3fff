//! `ml-deploy`: parse, run, exit code.

mod artifact;
mod code;
mod context;
mod diagnostic;
mod event;
mod failure;
mod inputs;
mod plan;
mod registry;
mod report;

fn main() {}
