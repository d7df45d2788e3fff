//! `ml-deploy`: parse, run, exit code.

mod artifact;
mod cluster;
mod code;
mod context;
mod deploy;
mod diagnostic;
mod engine;
mod event;
mod failure;
mod inputs;
mod plan;
mod registry;
mod verify;

fn main() {}
