//! GitLab: how its log is folded and its merge requests are told. The grammar is GitLab's; nothing here knows a stage's work.

pub(super) mod note;
pub(super) mod sections;

pub(crate) use note::Place;
