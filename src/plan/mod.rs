//! Inputs and host become a `Plan`: resolved, validated, printable.

mod spec;

pub(crate) use spec::*;
