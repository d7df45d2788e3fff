//! The clouds' identities of a run: who we are at AWS, Azure and Google, and what each hands out for it (logins of registries,
//! addresses and tokens of clusters). Everything is asked when it is needed and again when it has aged.
//! It knows no stage, no engine and no Kubernetes client.

mod aws;
mod azure;
mod cluster;
mod environment;
mod google;
mod http;
mod kept;
mod oidc;
mod registry;
pub(crate) mod spec;
mod voice;
mod wait;

use std::sync::Arc;

pub(crate) use aws::{Alarm, ImagePlace, Role, SageMaker, Thing};
pub(crate) use azure::ml as azure_ml;
pub(crate) use cluster::{Address, Bearer, Described, Unattached};
pub(crate) use environment::Environment;
pub(crate) use registry::Login;
pub(crate) use wait::retry_after;

use secrecy::SecretString;

use self::oidc::JobIdentity;
use self::voice::Voice;
use crate::cloud::spec::CloudSpec;
use crate::event::Events;

/// All clouds of a run. Making one asks nobody.
pub(crate) struct Clouds {
    aws: aws::Aws,
    azure: azure::Azure,
    google: google::Google,
    spec: CloudSpec,
    voice: Voice,
}

/// What the inputs say; it decides, with the rest of the plan, whether a run can be reused. Secrets are not in it.
impl std::fmt::Debug for Clouds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.spec.fmt(f)
    }
}

/// What every cloud needs of its surroundings. Cheap to clone.
#[derive(Clone)]
struct Surroundings {
    environment: Environment,
    voice: Voice,
    http: http::Http,
    job: Arc<JobIdentity>,
}

impl Surroundings {
    /// Those of a run with this environment; nobody listens yet.
    fn of(environment: &Environment) -> Self {
        let voice = Voice::default();
        Self {
            environment: environment.clone(),
            http: http::Http::new(voice.clone()),
            job: Arc::new(JobIdentity::new(environment)),
            voice,
        }
    }
}

impl Clouds {
    /// The clouds as the inputs and the environment describe them.
    pub(crate) fn new(spec: CloudSpec, environment: &Environment) -> Arc<Self> {
        let around = Surroundings::of(environment);
        let voice = around.voice.clone();
        Arc::new(Self {
            aws: aws::Aws::new(spec.aws.clone(), around.clone()),
            azure: azure::Azure::new(spec.azure.clone(), around.clone()),
            google: google::Google::new(spec.google.clone(), around),
            spec,
            voice,
        })
    }

    /// From now on secrets are masked there as soon as they exist, and renewals are told.
    pub(crate) fn listen(&self, events: &Events) {
        self.voice.speak_to(events);
    }

    /// Hides from now on what was had in exchange for a login: a registry's own tokens.
    pub(crate) async fn mask(&self, secret: &SecretString) {
        self.voice.mask(secret).await;
    }
}
