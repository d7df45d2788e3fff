//! Where AWS answers: regions, the partitions they belong to, the addresses of services, and what the name of a registry says.
//! Source: the endpoint rules of botocore; "Service-specific endpoints" of the SDK reference guide.

use super::super::environment::Environment;

/// One of AWS's separate worlds, with accounts and names of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Partition {
    /// As in `arn:aws-cn:…`.
    pub(crate) name: &'static str,
    /// What its hosts end in.
    pub(crate) domain: &'static str,
}

/// By what their regions begin with; the first that fits counts.
const PARTITIONS: &[(&str, Partition)] = &[
    ("cn-", partition("aws-cn", "amazonaws.com.cn")),
    ("us-gov-", partition("aws-us-gov", "amazonaws.com")),
    ("us-isob-", partition("aws-iso-b", "sc2s.sgov.gov")),
    ("us-isof-", partition("aws-iso-f", "csp.hci.ic.gov")),
    ("us-iso-", partition("aws-iso", "c2s.ic.gov")),
    ("eu-isoe-", partition("aws-iso-e", "cloud.adc-e.uk")),
    ("eusc-", partition("aws-eusc", "amazonaws.eu")),
    ("", partition("aws", "amazonaws.com")),
];

const fn partition(name: &'static str, domain: &'static str) -> Partition {
    Partition { name, domain }
}

impl Partition {
    /// The one that a region belongs to.
    pub(crate) fn of(region: &str) -> Self {
        let fits = PARTITIONS
            .iter()
            .find(|(begin, _)| region.starts_with(begin));
        fits.map_or(partition("aws", "amazonaws.com"), |(_, partition)| {
            *partition
        })
    }
}

/// A service that we ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Service {
    Ecr,
    EcrPublic,
    Eks,
    Sts,
    Iam,
    SageMaker,
    SageMakerRuntime,
    Logs,
    CloudWatch,
}

impl Service {
    /// The name in signatures.
    pub(crate) fn signs_as(self) -> &'static str {
        match self {
            Self::Ecr => "ecr",
            Self::EcrPublic => "ecr-public",
            Self::Eks => "eks",
            Self::Sts => "sts",
            Self::Iam => "iam",
            Self::SageMaker | Self::SageMakerRuntime => "sagemaker",
            Self::Logs => "logs",
            Self::CloudWatch => "monitoring",
        }
    }

    /// The version of AWS's JSON that the service speaks.
    pub(super) fn json(self) -> &'static str {
        match self {
            Self::CloudWatch => "application/x-amz-json-1.0",
            _ => "application/x-amz-json-1.1",
        }
    }

    /// Where IAM of a region's partition is: it has one place for all regions.
    pub(crate) fn iam_region(region: &str) -> &str {
        match Partition::of(region).name {
            "aws" => "us-east-1",
            "aws-cn" => "cn-north-1",
            "aws-us-gov" => "us-gov-west-1",
            _ => region,
        }
    }

    /// What its host begins with.
    fn host(self) -> &'static str {
        match self {
            Self::Ecr => "api.ecr",
            Self::EcrPublic => "api.ecr-public",
            Self::SageMaker => "api.sagemaker",
            Self::SageMakerRuntime => "runtime.sagemaker",
            Self::Eks | Self::Sts | Self::Iam | Self::Logs | Self::CloudWatch => self.signs_as(),
        }
    }

    /// What AWS_ENDPOINT_URL_… ends in.
    fn variable(self) -> &'static str {
        match self {
            Self::Ecr => "ECR",
            Self::EcrPublic => "ECR_PUBLIC",
            Self::Eks => "EKS",
            Self::Sts => "STS",
            Self::Iam => "IAM",
            Self::SageMaker => "SAGEMAKER",
            Self::SageMakerRuntime => "SAGEMAKER_RUNTIME",
            Self::Logs => "CLOUDWATCH_LOGS",
            Self::CloudWatch => "CLOUDWATCH",
        }
    }
}

/// Where a service answers for a region, without a slash at the end. The environment may name another place.
pub(crate) fn endpoint(service: Service, region: &str, environment: &Environment) -> String {
    if let Some(url) = elsewhere(service, environment) {
        return url.trim_end_matches('/').to_owned();
    }
    let partition = Partition::of(region);
    let domain = partition.domain;
    match (service, partition.name) {
        // One for all regions.
        (Service::Iam, "aws") => format!("https://iam.{domain}"),
        (Service::Iam, "aws-us-gov") => format!("https://iam.us-gov.{domain}"),
        _ => format!("https://{}.{region}.{domain}", service.host()),
    }
}

/// The place that the environment names for a service instead of AWS's own: a private address, or an emulator.
pub(crate) fn elsewhere(service: Service, environment: &Environment) -> Option<&str> {
    if is_true(environment, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS") {
        return None;
    }
    let named = format!("AWS_ENDPOINT_URL_{}", service.variable());
    let named = environment.get(&named);
    named.or(environment.get("AWS_ENDPOINT_URL"))
}

/// Whether a switch is on.
pub(super) fn is_true(environment: &Environment, name: &str) -> bool {
    let value = environment.get(name);
    value.is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

/// The only region where public repositories are managed.
pub(crate) const PUBLIC_REGION: &str = "us-east-1";

/// What the host of a registry at AWS says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Registry {
    /// `public.ecr.aws`.
    Public,
    /// One on this machine, which an emulator may hand out the login for.
    Local,
    Private {
        /// Twelve digits.
        account: String,
        region: String,
    },
}

impl Registry {
    /// Reads a host; `None` for a registry that is not AWS's. Where the environment names an emulator of ECR, its registries
    /// are on this machine or in a domain of its own.
    pub(crate) fn of(host: &str, environment: &Environment) -> Option<Self> {
        let emulated = elsewhere(Service::Ecr, environment).is_some();
        if host == "public.ecr.aws" {
            return Some(Self::Public);
        }
        let name = host.split(':').next().unwrap_or(host);
        if emulated && (name == "localhost" || name.starts_with("127.")) {
            return Some(Self::Local);
        }
        let (account, rest) = host.split_once('.')?;
        if account.len() != 12 || !account.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let rest = ["dkr.ecr.", "dkr.ecr-fips.", "dkr-ecr.", "dkr-ecr-fips."]
            .iter()
            .find_map(|begin| rest.strip_prefix(begin))?;
        let (region, domain) = rest.split_once('.')?;
        let known = emulated
            || domain == Partition::of(region).domain
            || matches!(domain, "on.aws" | "on.amazonwebservices.com.cn");
        known.then(|| Self::Private {
            account: account.to_owned(),
            region: region.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(service: Service, region: &str, environment: &[(&str, &str)]) -> String {
        let variables = environment.iter();
        let variables: Vec<_> = variables
            .map(|&(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        endpoint(service, region, &Environment::new(&variables))
    }

    #[test]
    fn services_answer_in_the_partition_of_the_region() {
        for (service, region, url) in [
            (
                Service::Ecr,
                "eu-west-1",
                "https://api.ecr.eu-west-1.amazonaws.com",
            ),
            (
                Service::Ecr,
                "cn-north-1",
                "https://api.ecr.cn-north-1.amazonaws.com.cn",
            ),
            (
                Service::Sts,
                "us-gov-west-1",
                "https://sts.us-gov-west-1.amazonaws.com",
            ),
            (
                Service::Sts,
                "eusc-de-east-1",
                "https://sts.eusc-de-east-1.amazonaws.eu",
            ),
            (
                Service::Eks,
                "us-isob-east-1",
                "https://eks.us-isob-east-1.sc2s.sgov.gov",
            ),
            (
                Service::SageMakerRuntime,
                "us-east-2",
                "https://runtime.sagemaker.us-east-2.amazonaws.com",
            ),
        ] {
            assert_eq!(ask(service, region, &[]), url);
        }
        assert_eq!(Partition::of("us-gov-east-1").name, "aws-us-gov");
        assert_eq!(Partition::of("us-iso-east-1").name, "aws-iso");
        assert_eq!(Partition::of("us-east-1").name, "aws");
    }

    #[test]
    fn the_environment_may_name_another_place() {
        let both = [
            ("AWS_ENDPOINT_URL", "http://localhost:1/"),
            ("AWS_ENDPOINT_URL_ECR", "http://localhost:2"),
        ];
        assert_eq!(ask(Service::Ecr, "eu-west-1", &both), "http://localhost:2");
        assert_eq!(
            ask(Service::EcrPublic, "us-east-1", &both),
            "http://localhost:1"
        );
        let ignored = [both[0], ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true")];
        assert_eq!(
            ask(Service::Eks, "eu-west-1", &ignored),
            "https://eks.eu-west-1.amazonaws.com"
        );
        // An empty variable is none.
        assert_eq!(
            ask(Service::Eks, "eu-west-1", &[("AWS_ENDPOINT_URL", "")]),
            "https://eks.eu-west-1.amazonaws.com"
        );
    }

    #[test]
    fn registries_of_aws_are_known_by_their_host() {
        let none = Environment::default();
        let private = |region: &str| {
            Some(Registry::Private {
                account: "123456789012".to_owned(),
                region: region.to_owned(),
            })
        };
        for (host, region) in [
            ("123456789012.dkr.ecr.eu-west-1.amazonaws.com", "eu-west-1"),
            (
                "123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn",
                "cn-north-1",
            ),
            (
                "123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com",
                "us-gov-west-1",
            ),
            ("123456789012.dkr-ecr.eu-west-1.on.aws", "eu-west-1"),
        ] {
            assert_eq!(Registry::of(host, &none), private(region), "{host}");
        }
        assert_eq!(
            Registry::of("public.ecr.aws", &none),
            Some(Registry::Public)
        );
        for host in [
            "ghcr.io",
            "123456789012.dkr.ecr.eu-west-1.amazonaws.com.evil.example",
            "123456789012.dkr.ecr.eu-west-1.evil.example",
            "12345.dkr.ecr.eu-west-1.amazonaws.com",
            "localhost:5000",
        ] {
            assert_eq!(Registry::of(host, &none), None, "{host}");
        }
        let variable = (
            "AWS_ENDPOINT_URL".to_owned(),
            "http://localhost:4566".to_owned(),
        );
        let emulator = Environment::new(&[variable]);
        let of = |host: &str| Registry::of(host, &emulator);
        assert_eq!(of("127.0.0.1:5001"), Some(Registry::Local));
        assert_eq!(of("ghcr.io"), None);
        assert_eq!(
            of("123456789012.dkr.ecr.eu-west-1.localhost.localstack.cloud:4566"),
            private("eu-west-1")
        );
    }
}
