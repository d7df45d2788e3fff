//! GitHub's runner: commands in the log and files beside it. The grammar is the runner's; nothing here knows a stage's work.

pub(super) mod commands;
pub(super) mod files;
