//! Integration tests: one binary, so that it links once. Each module drives the real program through its real contract.

mod inputs;
mod support;
