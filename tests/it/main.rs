//! Integration tests: one binary, so that it links once. Each module drives the real program through its real contract.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on must fail where it stands"
)]

mod act;
mod architecture;
mod cancel;
mod cluster;
mod contract;
mod deploy;
mod e2e;
mod image;

mod inputs;
mod jobs;
mod rights;
mod secrecy;
mod support;
mod swap_again;
mod train;
mod workflows;
