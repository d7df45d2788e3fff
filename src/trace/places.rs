//! The places that know parts of the chain, each asked with what is known so far and never twice for the same.

use std::collections::BTreeSet;
use std::path::Path;

use super::YOU;
use super::links::Links;
use super::subject::Subject;
use crate::artifact::{FREEZE_TYPE, Freeze, Link, Served, label};
use crate::context::Context;
use crate::failure::{Failure, chain};
use crate::plan::{Plan, RegistryLogin, TrackingSpec, TrackingUri};
use crate::registry::{self, Reference};
use crate::tracking::{self, Registered, Wanted};

/// What was asked, and what came of the one look at what serves.
pub(super) struct Places<'a> {
    pub(super) plan: &'a Plan,
    pub(super) ctx: &'a Context,
    store: Option<TrackingSpec>,
    /// Images by digest, as far as their repositories are known.
    images: Vec<Reference>,
    pub(super) served: Option<Vec<Served>>,
    asked: BTreeSet<String>,
}

impl<'a> Places<'a> {
    pub(super) fn new(plan: &'a Plan, ctx: &'a Context) -> Self {
        let given = &plan.gates.tracking;
        let store = if given.asked {
            Some(given.clone())
        } else {
            tracking::discover(ctx, given)
        };
        Self {
            plan,
            ctx,
            store,
            images: Vec::new(),
            served: None,
            asked: BTreeSet::new(),
        }
    }

    /// What the question itself says.
    pub(super) async fn begin(&mut self, subject: &Subject, links: &mut Links) {
        match subject {
            Subject::Digest(digest) => links.say(Link::Image, digest, YOU),
            Subject::Run(run) => links.say(Link::Run, run, YOU),
            Subject::Commit(commit) => links.say(Link::Commit, commit, YOU),
            Subject::Image(image) => self.image(image, links).await,
            Subject::Version { .. } | Subject::Alias { .. } => {
                let wanted = match subject {
                    Subject::Version { model, number } => Wanted::Number(model, number),
                    Subject::Alias { model, alias } => Wanted::Alias(model, alias),
                    _ => return,
                };
                self.versions(wanted, links).await;
            }
            // Found among what serves.
            Subject::Workload(_) | Subject::Pod(_) => {}
        }
    }

    async fn image(&mut self, image: &Reference, links: &mut Links) {
        if let Some(digest) = image.digest() {
            links.say(Link::Image, digest, YOU);
            self.images.push(image.clone());
            return;
        }
        match registry::digest(image, self.login()).await {
            Ok(Some(digest)) => {
                let by = format!("`{}` has `{image}`", image.host());
                links.say(Link::Image, &digest, &by);
                self.pinned(&image.repository(), &digest);
            }
            Ok(None) => links.why(Link::Image, format!("its registry has no `{image}`")),
            Err(failure) => links.why(Link::Image, words(failure)),
        }
    }

    /// An image by digest whose repository is known.
    pub(super) fn pinned(&mut self, repository: &str, digest: &str) {
        if let Ok(reference) = format!("{repository}@{digest}").parse::<Reference>()
            && !self.images.contains(&reference)
        {
            self.images.push(reference);
        }
    }

    fn login(&self) -> Option<&'a RegistryLogin> {
        Some(&self.plan.login)
    }

    /// Whether this was not asked before.
    fn is_new(&mut self, question: &str) -> bool {
        self.asked.insert(question.to_owned())
    }

    /// The labels of the image, and what is attached to it.
    pub(super) async fn registry(&mut self, links: &mut Links) {
        for digest in links.values(Link::Image) {
            let push = self
                .plan
                .push
                .as_ref()
                .map(|push| push.repository.repository());
            let known = |one: &&Reference| one.digest() == Some(digest.as_str());
            if self.images.iter().find(known).is_none() {
                match push {
                    Some(repository) => self.pinned(&repository, &digest),
                    None => links.why(
                        Link::Run,
                        "the repository of the image is not known, so its labels cannot be read: set `image`",
                    ),
                }
            }
        }
        for image in self.images.clone() {
            if !self.is_new(&image.to_string()) {
                continue;
            }
            let digest = image.digest().unwrap_or_default();
            match registry::labels(&image, self.login()).await {
                Ok(Some(labels)) => {
                    let label = |key: &str| labels.get(key).map_or("", String::as_str);
                    let by = "labels of the image";
                    links.say(Link::Image, digest, &format!("`{}` has it", image.host()));
                    links.detail(Link::Image, digest, &image.repository());
                    links.say(Link::Run, label(label::RUN_ID), by);
                    links.say(Link::Commit, label(label::COMMIT), by);
                    links.why(
                        Link::Run,
                        format!("the image has no label `{}`", label::RUN_ID),
                    );
                    links.why(
                        Link::Commit,
                        format!("the image has no label `{}`", label::COMMIT),
                    );
                }
                Ok(None) => links.why(Link::Run, format!("its registry has no `{image}`")),
                Err(failure) => links.why(Link::Run, words(failure)),
            }
            let attached = registry::attached(&image, self.login(), FREEZE_TYPE).await;
            if let Ok(Some(text)) = attached
                && let Ok(freeze) = Freeze::parse(&text)
            {
                let by = "what is attached to the image";
                links.say(Link::Run, freeze.run_id.as_deref().unwrap_or_default(), by);
                links.say(
                    Link::Commit,
                    freeze.commit.as_deref().unwrap_or_default(),
                    by,
                );
            }
        }
    }

    /// The run's tags, and the versions of registered models.
    pub(super) async fn tracking(&mut self, links: &mut Links) {
        let Some(store) = self.store.clone() else {
            let why = "no tracking server is named: set `mlflow-tracking-uri`";
            links.why(Link::Run, why);
            links.why(Link::Version, why);
            return;
        };
        for run in links.values(Link::Run) {
            if !self.is_new(&run) {
                continue;
            }
            // A database of runs needs no more than the standard library.
            let python = Some(Path::new("python3"));
            match tracking::run(self.ctx, &store, &run, python).await {
                Ok(Some(found)) => {
                    links.say(Link::Run, &run, "MLflow");
                    links.detail(Link::Run, &run, found.url.as_deref().unwrap_or_default());
                    let by = "tags of the run";
                    links.say(
                        Link::Commit,
                        found.commit.as_deref().unwrap_or_default(),
                        by,
                    );
                    self.named(found.image.as_deref(), by, links);
                    links.why(Link::Image, "the run has no tag `ml-deploy.image`");
                }
                Ok(None) => links.why(
                    Link::Version,
                    format!("the tracking store does not have run `{run}`"),
                ),
                Err(error) => links.why(Link::Version, chain(&error)),
            }
            self.versions(Wanted::Run(&run), links).await;
        }
        for digest in links.values(Link::Image) {
            if self.is_new(&format!("version of {digest}")) {
                self.versions(Wanted::Tag("ml-deploy.digest", &digest), links)
                    .await;
            }
        }
        for commit in links.values(Link::Commit) {
            if links.values(Link::Run).is_empty() && self.is_new(&format!("version of {commit}")) {
                self.versions(Wanted::Tag("ml-deploy.commit", &commit), links)
                    .await;
            }
        }
    }

    /// An image that somebody names, by digest.
    fn named(&mut self, image: Option<&str>, by: &str, links: &mut Links) {
        let parsed = image.and_then(|image| image.parse::<Reference>().ok());
        if let Some((image, digest)) = parsed
            .as_ref()
            .and_then(|image| Some((image, image.digest()?)))
        {
            links.say(Link::Image, digest, by);
            self.pinned(&image.repository(), digest);
        }
    }

    async fn versions(&mut self, wanted: Wanted<'_>, links: &mut Links) {
        let Some(store) = &self.store else {
            let why = "no tracking server is named: set `mlflow-tracking-uri`";
            return links.why(Link::Version, why);
        };
        if !matches!(store.uri, TrackingUri::Server(_)) {
            let why = "the tracking store is no server, and only those have registered models";
            return links.why(Link::Version, why);
        }
        let found = match tracking::registered(self.ctx, store, wanted).await {
            Ok(found) => found,
            Err(error) => return links.why(Link::Version, chain(&error)),
        };
        if found.is_empty() {
            links.why(Link::Version, wanted.none());
        }
        for Registered {
            model,
            number,
            run_id,
            aliases,
            tags,
        } in found
        {
            let name = format!("{model} version {number}");
            links.say(Link::Version, &name, "MLflow");
            links.detail(Link::Version, &name, &aliases.join(", "));
            let by = format!("version {number} of {model}");
            links.say(Link::Run, run_id.as_deref().unwrap_or_default(), &by);
            let tag = |key: &str| tags.get(key).map_or("", String::as_str);
            links.say(Link::Commit, tag("ml-deploy.commit"), &by);
            links.say(Link::Image, tag("ml-deploy.digest"), &by);
            self.named(tags.get("ml-deploy.image").map(String::as_str), &by, links);
        }
    }
}

/// A failure as a reason.
pub(super) fn words(failure: Failure) -> String {
    let findings = failure.into_findings().into_iter();
    findings
        .map(|one| one.message)
        .collect::<Vec<_>>()
        .join("; ")
}
