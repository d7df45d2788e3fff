//! Integration tests: one binary, so that it links once. Each module drives the real program through its real contract.

mod e2e;
mod inputs;
mod support;
