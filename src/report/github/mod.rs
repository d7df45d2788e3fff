//! GitHub: commands in the log and files beside it for its runner, and its REST interface for check, comment and deployment.
//! The grammar and the limits are GitHub's; nothing here knows a stage's work.

mod api;
mod body;
mod check;
pub(super) mod commands;
mod comment;
mod deployment;
pub(super) mod files;
mod fit;
mod left_out;
mod place;
mod reporter;
mod trouble;

pub(super) use left_out::Remark;
pub(crate) use place::{Place, Wanted};
pub(super) use reporter::Reporter;
pub(crate) use reporter::close;
