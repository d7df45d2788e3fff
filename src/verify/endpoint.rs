//! Who is asked at a managed endpoint: the new deployment alone, through its header, or the endpoint as everybody asks it; and
//! whether those who answer run what was deployed.

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use secrecy::ExposeSecret as _;

use super::{Checked, running};
use crate::artifact::{Deployment, Pushed};
use crate::code::Code;
use crate::failure::{Fail as _, Failure, Outcome};
use crate::plan::AzureMlSpec;
use crate::predict::Address;

/// The header that leads past an endpoint's traffic to one deployment.
const DEPLOYMENT: HeaderName = HeaderName::from_static("azureml-model-deployment");

/// The endpoint's address with what it wants to see, and the check of the images behind it.
pub(super) async fn azureml(
    spec: &AzureMlSpec,
    deployment: Option<&Deployment>,
    pushed: Option<&Pushed>,
) -> Outcome<(Address, Option<Checked>)> {
    let ml = spec.clouds.machine_learning(&spec.workspace);
    let Some(endpoint) = ml.endpoint(&spec.endpoint).await? else {
        return Err(Failure::new(
            Code::VerifyHealth,
            format!(
                "failed to find who answers: there is no endpoint `{}`",
                spec.endpoint
            ),
        ));
    };
    let alone = deployment.filter(|one| one.direct).and_then(name);
    let scoring = ml.scoring(&endpoint).await?;
    let mut headers = HeaderMap::new();
    let bearer = format!("Bearer {}", scoring.bearer.expose_secret());
    let mut bearer: HeaderValue = bearer.parse().fail(Code::VerifyHealth)?;
    bearer.set_sensitive(true);
    headers.insert(AUTHORIZATION, bearer);
    if let Some(alone) = alone {
        headers.insert(DEPLOYMENT, alone.parse().fail(Code::Internal)?);
    }
    let address =
        Address::with(scoring.base, headers, spec.request_timeout).fail(Code::Internal)?;
    let Some(pushed) = pushed else {
        return Ok((address, None));
    };
    let mut seen = Vec::new();
    for one in ml.deployments(&spec.endpoint).await? {
        let asked = match alone {
            Some(alone) => one.name == alone,
            None => endpoint.traffic.contains_key(&one.name),
        };
        if asked {
            seen.push((one.name.clone(), ml.image(&one).await?));
        }
    }
    Ok((address, Some(running::behind_endpoint(&seen, pushed))))
}

/// The deployment among the objects.
fn name(deployment: &Deployment) -> Option<&str> {
    let mut objects = deployment.objects.iter();
    objects.find_map(|object| object.strip_prefix("OnlineDeployment/"))
}
