//! What serves: the part of the chain that the cluster or the engine knows.

use super::links::Links;
use super::places::{Places, words};
use super::subject::Subject;
use crate::artifact::{Link, Served};
use crate::deploy::{azureml, docker, kubernetes, sagemaker};
use crate::engine::Engine;
use crate::failure::chain;
use crate::plan::DeploySpec;
use crate::registry::Reference;

impl Places<'_> {
    /// What serves: everything of one of the digests or runs, or the pod or workload that was asked for.
    pub(super) async fn target(&mut self, subject: &Subject, links: &mut Links) {
        if self.served.is_none() {
            self.served = Some(match self.look().await {
                Ok(served) => served,
                Err(why) => {
                    links.why(Link::Deployment, why.clone());
                    links.why(Link::Pod, why);
                    Vec::new()
                }
            });
        }
        let (digests, runs) = (links.values(Link::Image), links.values(Link::Run));
        let commits = match subject {
            Subject::Commit(commit) => vec![commit.clone()],
            _ => Vec::new(),
        };
        let has = |known: &[String], value: &Option<String>| {
            value.as_ref().is_some_and(|value| known.contains(value))
        };
        let served = self.served.clone().unwrap_or_default();
        for one in &served {
            let runs_it = |digest: &String| {
                let mut images = one.pods.iter().flat_map(|pod| &pod.images);
                images.any(|image| image.ends_with(digest.as_str()))
            };
            let is_asked = match subject {
                Subject::Workload(object) => *object == one.object,
                Subject::Pod(name) => one.pods.iter().any(|pod| pod.name == *name),
                _ => false,
            };
            if is_asked
                || has(&digests, &one.digest)
                || has(&runs, &one.run_id)
                || has(&commits, &one.commit)
                || digests.iter().any(runs_it)
            {
                self.serves(one, subject, links);
            }
        }
        if !served.is_empty() {
            let why = "nothing that serves there is of this image or run";
            links.why(Link::Deployment, why);
            links.why(Link::Pod, why);
        }
    }

    /// Everything in the namespace, or the container; in words why that is not known.
    async fn look(&self) -> Result<Vec<Served>, String> {
        match &self.plan.deploy {
            None => Err("nothing says where it is deployed: set `namespace`, or `container-name` with `target: docker`".to_owned()),
            Some(DeploySpec::Kubernetes(spec)) => {
                let served = kubernetes::served(self.ctx, spec).await.map_err(words)?;
                if served.is_empty() {
                    return Err("nothing serves in that namespace".to_owned());
                }
                Ok(served)
            }
            Some(DeploySpec::AzureMl(spec)) => {
                azureml::served(self.ctx, spec).await.map_err(words)
            }
            Some(DeploySpec::SageMaker(spec)) => {
                let served = sagemaker::served(spec).await.map_err(words)?;
                let none = || format!("there is no endpoint `{}`", spec.endpoint);
                served.map(|one| vec![one]).ok_or_else(none)
            }
            Some(DeploySpec::Docker(spec)) => {
                let engine = Engine::connect().await.map_err(words)?;
                let served = docker::served(&engine, spec).await;
                let served = served.map_err(|error| chain(&error))?;
                let none = || format!("there is no container `{}` of ours", spec.name);
                served.map(|one| vec![one]).ok_or_else(none)
            }
        }
    }

    fn serves(&mut self, one: &Served, subject: &Subject, links: &mut Links) {
        let object = &one.object;
        links.say(Link::Deployment, object, &one.place);
        let by = format!("marks of {object}");
        links.say(Link::Commit, one.commit.as_deref().unwrap_or_default(), &by);
        links.say(Link::Run, one.run_id.as_deref().unwrap_or_default(), &by);
        links.say(Link::Image, one.digest.as_deref().unwrap_or_default(), &by);
        let known = links.values(Link::Image);
        for pod in &one.pods {
            if matches!(subject, Subject::Pod(name) if *name != pod.name) && pod.name != *object {
                continue;
            }
            links.say(Link::Pod, &pod.name, &one.place);
            let state = if pod.ready { "ready" } else { "not ready" };
            links.detail(Link::Pod, &pod.name, state);
            let references = pod.images.iter().filter_map(|image| image.parse().ok());
            let references: Vec<Reference> = references.collect();
            let digest = |image: &Reference| image.digest().map(str::to_owned);
            let of_it =
                |image: &&Reference| digest(image).is_some_and(|digest| known.contains(&digest));
            // Beside the service there may be others in the pod; alone it is what serves.
            let ours = match references.iter().find(of_it) {
                Some(found) => Some(found),
                None if references.len() == 1 => references.first(),
                None => references.iter().find(|image| {
                    let ours = self.plan.push.as_ref().map(|push| &push.repository);
                    ours.is_some_and(|ours| ours.same_repository(image))
                }),
            };
            let Some(found) = ours else {
                let why = format!("pod {} does not say by digest what it runs", pod.name);
                links.why(Link::Image, why);
                continue;
            };
            match digest(found) {
                Some(digest) => {
                    links.say(Link::Image, &digest, &format!("pod {}", pod.name));
                    self.pinned(&found.repository(), &digest);
                }
                None => links.why(
                    Link::Image,
                    format!("pod {} runs `{found}`, which no digest pins", pod.name),
                ),
            }
        }
    }

    /// What the cluster's records say of the deployments that were found.
    pub(super) async fn records(&self, links: &mut Links) {
        let Some(DeploySpec::Kubernetes(spec)) = &self.plan.deploy else {
            return;
        };
        let digests = links.values(Link::Image);
        let digest = digests.first().map(String::as_str);
        for object in links.values(Link::Deployment) {
            let said = kubernetes::recorded(self.ctx, spec, &object, digest).await;
            let line = match said {
                Ok(Some(line)) => line,
                Ok(None) => "not recorded".to_owned(),
                Err(failure) => format!("not known how recorded: {}", words(failure)),
            };
            links.detail(Link::Deployment, &object, &line);
        }
    }
}
