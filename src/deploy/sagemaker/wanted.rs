//! What the endpoint is to become: a model and an endpoint configuration whose names follow from what is in them. What is
//! equal has the same name, so nothing is made twice and nothing that is live is updated to itself. Pure.

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::plan::{Capacity, SageMakerSpec, Variant};
use crate::sha256;

/// Longest name at SageMaker, and how much of it tells what is inside.
const LONGEST: usize = 63;
const HASH: usize = 12;
/// Longest value of a tag.
const TAG: usize = 256;

/// Begins the tags that are ours.
pub(super) const MARK: &str = "ml-deploy:";

/// Where a version came from, for its tags.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Origin<'a> {
    /// `sha256:…` of the image that was pushed.
    pub(super) digest: &'a str,
    pub(super) commit: Option<&'a str>,
    pub(super) run_id: Option<&'a str>,
    /// Page of the run in the CI system.
    pub(super) run_url: Option<&'a str>,
}

/// The image that is to serve.
#[derive(Clone, Debug)]
pub(super) struct Image {
    /// By digest.
    pub(super) pinned: String,
    /// It lies in a registry that is not ECR's, which the endpoint's network reaches.
    pub(super) behind: bool,
}

/// A model and a configuration.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Wanted {
    pub(super) model: String,
    pub(super) config: String,
    /// Requests that make them.
    pub(super) create_model: Value,
    pub(super) create_config: Value,
    /// For the endpoint itself.
    pub(super) tags: Value,
}

impl Wanted {
    /// What the specification comes to.
    pub(super) fn of(spec: &SageMakerSpec, image: &Image, role: &str, origin: Origin<'_>) -> Self {
        let environment: Map<_, _> = spec
            .environment
            .iter()
            .map(|(name, value)| (name.clone(), value.as_str().into()))
            .collect();
        let mut container = json!({"Image": image.pinned});
        if image.behind {
            container["ImageConfig"] = json!({"RepositoryAccessMode": "Vpc"});
        }
        if !environment.is_empty() {
            container["Environment"] = environment.into();
        }
        let mut create_model = json!({"PrimaryContainer": container, "ExecutionRoleArn": role});
        if let Some(network) = &spec.network {
            create_model["VpcConfig"] =
                json!({"Subnets": network.subnets, "SecurityGroupIds": network.groups});
        }
        let model = name(&spec.endpoint, &create_model);
        let variants = spec.variants.iter();
        let variants: Value = variants
            .map(|variant| production(variant, &model, spec.startup))
            .collect();
        let mut create_config = json!({"ProductionVariants": variants});
        if let Some(capture) = &spec.capture {
            create_config["DataCaptureConfig"] = json!({
                "EnableCapture": true,
                "InitialSamplingPercentage": capture.percent,
                "DestinationS3Uri": capture.destination,
                "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
            });
        }
        let config = name(&spec.endpoint, &create_config);
        let tags = tags(&spec.endpoint, origin);
        create_model["ModelName"] = model.as_str().into();
        create_model["Tags"] = tags.clone();
        create_config["EndpointConfigName"] = config.as_str().into();
        create_config["Tags"] = tags.clone();
        Self {
            model,
            config,
            create_model,
            create_config,
            tags,
        }
    }
}

/// A variant as the configuration has it.
fn production(variant: &Variant, model: &str, startup: Option<Duration>) -> Value {
    let mut body = json!({"VariantName": variant.name, "ModelName": model});
    match &variant.capacity {
        Capacity::Instances { kind, count } => {
            body["InstanceType"] = kind.as_str().into();
            body["InitialInstanceCount"] = (*count).into();
            body["InitialVariantWeight"] = variant.weight.into();
        }
        // It is the only one, so a weight would say nothing.
        Capacity::Serverless {
            memory,
            concurrency,
        } => {
            body["ServerlessConfig"] =
                json!({"MemorySizeInMB": memory, "MaxConcurrency": concurrency});
        }
    }
    if let Some(startup) = startup {
        body["ContainerStartupHealthCheckTimeoutInSeconds"] = startup.as_secs().into();
    }
    body
}

/// Names of ours begin so; other endpoints' names may too, so tags decide what is ours.
pub(super) fn prefix(endpoint: &str) -> String {
    let most = LONGEST - HASH - 1;
    let short = endpoint.get(..most.min(endpoint.len())).unwrap_or(endpoint);
    format!("{}-", short.trim_end_matches('-'))
}

/// Whether we would give something of the endpoint such a name.
pub(super) fn is_name_of(endpoint: &str, name: &str) -> bool {
    let hash = name.strip_prefix(&prefix(endpoint));
    hash.is_some_and(|hash| hash.len() == HASH && hash.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

fn name(endpoint: &str, body: &Value) -> String {
    let hash = sha256::of(body.to_string().as_bytes());
    format!("{}{}", prefix(endpoint), hash.get(..HASH).unwrap_or(&hash))
}

fn tags(endpoint: &str, origin: Origin<'_>) -> Value {
    let all = [
        ("endpoint", Some(endpoint)),
        ("digest", Some(origin.digest)),
        ("commit", origin.commit),
        ("run-id", origin.run_id),
        ("run-url", origin.run_url),
    ];
    let set = all
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)));
    set.map(|(name, value)| tag(name, value)).collect()
}

/// One tag of ours. AWS takes letters, digits, blanks and a few signs; what it does not take becomes a hyphen.
pub(super) fn tag(name: &str, value: &str) -> Value {
    let plain = |c: char| {
        if c.is_alphanumeric() || " _.:/=+-@".contains(c) {
            c
        } else {
            '-'
        }
    };
    let value: String = value.chars().take(TAG).map(plain).collect();
    json!({"Key": format!("{MARK}{name}"), "Value": value})
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::cloud::{Clouds, Environment};
    use crate::plan::{CloudSpec, Network, OnFailure, OnFirstFailure, UpdatePolicy};

    /// A variant of so many machines.
    pub(in super::super) fn variant(name: &str, count: u32) -> Variant {
        Variant {
            name: name.to_owned(),
            capacity: Capacity::Instances {
                kind: "ml.m5.large".to_owned(),
                count,
            },
            weight: 1.0,
        }
    }

    /// An endpoint of two machines, and nothing else said.
    pub(in super::super) fn spec() -> SageMakerSpec {
        SageMakerSpec {
            clouds: Clouds::new(CloudSpec::default(), &Environment::default()),
            endpoint: "wine".to_owned(),
            role: "r".to_owned(),
            variants: vec![variant("AllTraffic", 2)],
            capture: None,
            network: None,
            update: UpdatePolicy::AllAtOnce,
            wait: Duration::from_secs(300),
            alarms: Vec::new(),
            startup: None,
            keep: 3,
            environment: Vec::new(),
            on_failure: OnFailure::Rollback,
            on_first_failure: OnFirstFailure::Keep,
            deadline: Duration::from_secs(60),
            commit: None,
            login: None,
        }
    }

    fn of(spec: &SageMakerSpec, image: &str, commit: &str) -> Wanted {
        let origin = Origin {
            digest: "sha256:a",
            commit: Some(commit),
            ..Origin::default()
        };
        let image = Image {
            pinned: image.to_owned(),
            behind: spec.network.is_some(),
        };
        Wanted::of(spec, &image, "role", origin)
    }

    #[test]
    fn equal_content_has_equal_names_and_another_commit_is_no_other_content() {
        let spec = spec();
        let first = of(&spec, "x@sha256:a", "1");
        let again = of(&spec, "x@sha256:a", "2");
        assert_eq!((&first.model, &first.config), (&again.model, &again.config));
        assert_ne!(first.tags, again.tags);
        let other = of(&spec, "x@sha256:b", "1");
        assert!(other.model != first.model && other.config != first.config);
        let more = SageMakerSpec {
            variants: vec![variant("AllTraffic", 3)],
            ..spec.clone()
        };
        let more = of(&more, "x@sha256:a", "1");
        assert!(more.model == first.model && more.config != first.config);
    }

    #[test]
    fn every_variant_serves_the_one_model_with_its_share() {
        let mut blue = variant("blue", 3);
        blue.weight = 9.0;
        let two = SageMakerSpec {
            variants: vec![blue, variant("green", 1)],
            startup: Some(Duration::from_secs(600)),
            ..spec()
        };
        let wanted = of(&two, "x@sha256:a", "1");
        let variants = &wanted.create_config["ProductionVariants"];
        assert_eq!(
            variants[0],
            json!({"VariantName": "blue", "ModelName": wanted.model, "InstanceType": "ml.m5.large", "InitialInstanceCount": 3,
                "InitialVariantWeight": 9.0, "ContainerStartupHealthCheckTimeoutInSeconds": 600})
        );
        assert_eq!(variants[1]["ModelName"], wanted.model.as_str());
        assert_eq!(variants[1]["InitialVariantWeight"], 1.0);
        assert_ne!(wanted.config, of(&spec(), "x@sha256:a", "1").config);
        let capacity = Capacity::Serverless {
            memory: 2048,
            concurrency: 7,
        };
        let none = Variant {
            capacity,
            ..variant("AllTraffic", 0)
        };
        let serverless = SageMakerSpec {
            variants: vec![none],
            ..spec()
        };
        let wanted = of(&serverless, "x@sha256:a", "1");
        assert_eq!(
            wanted.create_config["ProductionVariants"][0]["ServerlessConfig"],
            json!({"MemorySizeInMB": 2048, "MaxConcurrency": 7})
        );
    }

    #[test]
    fn an_image_behind_the_endpoints_network_is_fetched_through_it() {
        let network = Network {
            subnets: vec!["subnet-1".to_owned()],
            groups: vec!["sg-1".to_owned()],
        };
        let inside = SageMakerSpec {
            network: Some(network),
            ..spec()
        };
        let (outside, inside) = (
            of(&spec(), "x@sha256:a", "1"),
            of(&inside, "x@sha256:a", "1"),
        );
        let mode = "/PrimaryContainer/ImageConfig/RepositoryAccessMode";
        assert_eq!(inside.create_model.pointer(mode), Some(&"Vpc".into()));
        assert_eq!(outside.create_model.pointer(mode), None);
        assert_ne!(inside.model, outside.model);
    }

    #[test]
    fn names_fit_however_long_the_endpoint_is_called() {
        let long = format!("{}-b", "a".repeat(49));
        for endpoint in ["w", &"a".repeat(63), &long] {
            let spec = SageMakerSpec {
                endpoint: endpoint.to_owned(),
                ..spec()
            };
            let wanted = of(&spec, "x@sha256:a", "1");
            assert!(wanted.config.len() <= LONGEST, "{}", wanted.config);
            assert!(is_name_of(endpoint, &wanted.config));
            assert!(!is_name_of(endpoint, &format!("{}-x", wanted.config)));
            assert!(!wanted.config.contains("--"), "{}", wanted.config);
        }
    }

    #[test]
    fn tags_hold_what_aws_takes() {
        assert_eq!(
            tag("commit", "a(b)é#c"),
            json!({"Key": "ml-deploy:commit", "Value": "a-b-é-c"})
        );
        let long = tag("commit", &"x".repeat(300));
        assert_eq!(long["Value"].as_str().unwrap().len(), 256);
    }
}
