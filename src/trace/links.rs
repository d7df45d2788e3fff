//! Claims about what belongs together, and what they come to: which value a link has, who says so, where two contradict each
//! other, and what is missing. Pure.

use std::collections::BTreeMap;

use crate::artifact::{Chain, Claim, Link, Missing};

/// What was claimed so far.
#[derive(Debug, Default)]
pub(super) struct Links {
    claims: Vec<Claim>,
    /// Why nothing is known of a link; every reason once.
    reasons: BTreeMap<Link, Vec<String>>,
}

impl Links {
    /// Somebody says that a link has this value. Empty values say nothing.
    pub(super) fn say(&mut self, link: Link, value: &str, by: &str) {
        if value.is_empty() {
            return;
        }
        let known = self
            .claims
            .iter_mut()
            .find(|one| one.link == link && one.value == value);
        match known {
            Some(known) if known.by.iter().any(|one| one == by) => {}
            Some(known) => known.by.push(by.to_owned()),
            None => self.claims.push(Claim {
                link,
                value: value.to_owned(),
                detail: None,
                by: vec![by.to_owned()],
            }),
        }
    }

    /// More that is known of a value.
    pub(super) fn detail(&mut self, link: Link, value: &str, detail: &str) {
        let known = self
            .claims
            .iter_mut()
            .find(|one| one.link == link && one.value == value);
        if let Some(known) = known.filter(|_| !detail.is_empty()) {
            known.detail = Some(detail.to_owned());
        }
    }

    /// Why a link may stay unknown.
    pub(super) fn why(&mut self, link: Link, why: impl Into<String>) {
        let (why, known) = (why.into(), self.reasons.entry(link).or_default());
        if !known.contains(&why) {
            known.push(why);
        }
    }

    /// The values of a link, in the order in which they became known.
    pub(super) fn values(&self, link: Link) -> Vec<String> {
        let ours = self.claims.iter().filter(|one| one.link == link);
        ours.map(|one| one.value.clone()).collect()
    }

    /// How much is known; grows with every new claim and witness.
    pub(super) fn count(&self) -> usize {
        self.claims.iter().map(|one| one.by.len()).sum()
    }

    /// Links that can have only one value and have several, one line each.
    pub(super) fn disputes(&self) -> Vec<String> {
        let single = [Link::Commit, Link::Run, Link::Image];
        let several = |link: &Link| self.values(*link).len() > 1;
        single
            .into_iter()
            .filter(several)
            .map(|link| {
                let ours = self.claims.iter().filter(|one| one.link == link);
                let said = ours.map(|one| format!("{} says {}", one.by.join(" and "), one.value));
                let said: Vec<String> = said.collect();
                format!("the {} is not one: {}", link.name(), said.join("; "))
            })
            .collect()
    }

    /// The chain, with a reason for each link of which nothing is known.
    pub(super) fn chain(&self, asked: &str) -> Chain {
        let mut claims = self.claims.clone();
        claims.sort_by_key(|one| one.link);
        let unknown = Link::ALL
            .iter()
            .filter(|link| self.values(**link).is_empty());
        let missing = unknown.map(|link| {
            let reasons = self.reasons.get(link);
            let why = reasons.map_or_else(
                || "nothing that is known names it".to_owned(),
                |reasons| reasons.join("; "),
            );
            Missing { link: *link, why }
        });
        Chain {
            asked: asked.to_owned(),
            missing: missing.collect(),
            claims,
        }
    }
}

/// The chain as aligned lines.
pub(super) fn lines(chain: &Chain) -> Vec<String> {
    let mut lines = Vec::new();
    for link in Link::ALL {
        let name = link.name();
        for claim in chain.claims.iter().filter(|one| one.link == *link) {
            let detail = claim.detail.as_ref();
            let detail = detail.map_or(String::new(), |detail| format!(", {detail}"));
            let by = claim.by.join(", ");
            lines.push(format!("{name:<10}  {}{detail}  [{by}]", claim.value));
        }
        for missing in chain.missing.iter().filter(|one| one.link == *link) {
            lines.push(format!("{name:<10}  missing: {}", missing.why));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn witnesses_add_up_and_what_is_missing_has_its_reason() {
        let mut links = Links::default();
        links.say(Link::Run, "abc", "the image's label");
        links.say(Link::Run, "abc", "Deployment/wine");
        links.say(Link::Run, "abc", "Deployment/wine");
        links.say(Link::Commit, "", "the run's tag");
        links.detail(Link::Run, "abc", "http://mlflow/abc");
        links.why(Link::Version, "no registered model has a version of it");
        assert_eq!(links.count(), 2);
        assert!(links.disputes().is_empty());
        let lines = lines(&links.chain("abc"));
        assert_eq!(
            lines[..3],
            [
                "commit      missing: nothing that is known names it",
                "run         abc, http://mlflow/abc  [the image's label, Deployment/wine]",
                "version     missing: no registered model has a version of it",
            ]
        );
        assert_eq!(lines.len(), 6);
    }

    #[test]
    fn what_contradicts_is_said_with_both_sides() {
        let mut links = Links::default();
        links.say(Link::Image, "sha256:a", "the annotation");
        links.say(Link::Image, "sha256:b", "pod wine-1");
        // Many pods and versions are no contradiction.
        links.say(Link::Pod, "wine-1", "the cluster");
        links.say(Link::Pod, "wine-2", "the cluster");
        assert_eq!(
            links.disputes(),
            ["the image is not one: the annotation says sha256:a; pod wine-1 says sha256:b"]
        );
    }
}
