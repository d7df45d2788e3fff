//! A cluster of EKS: what AWS says of it is the bed's real API server, behind a door that takes tokens as EKS does.

use std::collections::BTreeSet;

use serde_json::json;

use crate::aws::{Aws, REGION, job, role};
use crate::bearer::Door;
use crate::cluster::Namespace;
use crate::deploy::manifest;
use crate::support::{Project, Run, unique};

const SUBJECT: &str = "repo:org/wine:ref:refs/heads/main";
/// Ready only after its first token has ended.
const SLOW: &str = "sleep 13; exec httpd -f -p 8080 -h /tmp";

/// AWS with a cluster, the door before it, and a role that may look it up.
pub(crate) struct Eks {
    // The door asks AWS: it ends first.
    pub(crate) door: Door,
    pub(crate) aws: Aws,
    name: String,
    role: String,
    _folder: tempfile::TempDir,
}

impl Eks {
    /// The keys of its role live this long.
    pub(crate) fn start(session_seconds: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let aws = Aws::start(&json!({
            "subject": SUBJECT,
            "trust": [SUBJECT, "sts.amazonaws.com"],
            "session_seconds": session_seconds,
        }));
        let door = Door::asking(folder.path(), &format!("{}/review", aws.url()));
        let name = unique("it-eks");
        let cluster = json!({"name": name, "region": REGION, "server": door.server, "authority": door.authority});
        aws.more(&json!({"cluster": cluster}));
        Self {
            aws,
            door,
            name,
            role: role(&["eks:DescribeCluster", "eks:ListClusters"]),
            _folder: folder,
        }
    }

    /// The cluster is had by its name in place of a kubeconfig, and nobody has keys but for the job's token.
    pub(crate) fn found_by_name<'a>(&self, run: Run<'a>) -> Run<'a> {
        let without = [
            "kubeconfig",
            "aws-access-key-id",
            "aws-secret-access-key",
            "aws-session-token",
        ];
        let run = without.iter().fold(run, |run, name| run.input(name, ""));
        job(run, &self.aws)
            .env("AWS_ENDPOINT_URL", &self.aws.url())
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .input("aws-region", REGION)
            .input("role-to-assume", &self.role)
            .input("cluster-name", &self.name)
    }

    fn deploy<'a>(&self, project: &'a Project, namespace: &str) -> Run<'a> {
        let run = job(self.aws.run(project, "deploy"), &self.aws);
        run.input("role-to-assume", &self.role)
            .input("cluster-name", &self.name)
            .input("namespace", namespace)
            .input("manifests", "k8s")
            .input("deploy-timeout", "60s")
    }
}

#[test]
fn a_rollout_outlives_the_tokens_of_its_cluster() {
    let eks = Eks::start(10);
    let namespace = Namespace::new("it-eks");
    let slow = manifest(SLOW).replace(
        "        ports:",
        "        readinessProbe: {tcpSocket: {port: 8080}, periodSeconds: 1}\n        ports:",
    );
    let project = Project::new().file("k8s/app.yaml", &slow);
    let ended = eks.deploy(&project, &namespace.0).run().expect(0);
    let ended = ended
        .says("Deployment/wine: the new revision serves")
        .says("renewed the session at AWS")
        .says(&format!(
            "renewed the token for the EKS cluster `{}`",
            eks.name
        ));
    let knocks = eks.door.knocks();
    // Every request came with a token that was good then.
    assert!(knocks.iter().all(|knock| knock.status != 401), "{knocks:?}");
    let tokens: BTreeSet<_> = knocks.iter().map(|knock| &knock.token).collect();
    assert!(tokens.len() >= 2, "{tokens:?}");
    eks.aws.nothing_shown(&ended, &[]);
}

#[test]
fn a_cluster_that_lets_nobody_in_or_is_not_there_is_explained() {
    let eks = Eks::start(3600);
    let project = Project::new().file("k8s/app.yaml", &manifest("sleep 1000"));
    let deploy = || eks.deploy(&project, "default");

    let missing = deploy()
        .input("cluster-name", "it-eks-no-such-cluster")
        .run();
    let missing = missing.expect(10).code("cluster-missing");
    missing.says(&format!("`{}`", eks.name));

    deploy()
        .input("aws-region", "")
        .run()
        .expect(10)
        .code("cloud-identity")
        .says("set `aws-region`");

    // The door knows who it is, and does not let him in.
    eks.aws.more(&json!({"strangers": true}));
    let principal = format!("--principal-arn {}", eks.role);
    let ended = deploy().run().expect(10).code("cluster-denied");
    let ended = ended
        .says("aws eks create-access-entry --cluster-name")
        .says(&principal);
    eks.aws.nothing_shown(&ended, &[]);

    let cluster = json!({"name": eks.name, "region": REGION, "server": eks.door.server, "authority": eks.door.authority, "status": "CREATING"});
    eks.aws.more(&json!({"cluster": cluster}));
    let ended = deploy().run().expect(10).code("cluster-unreachable");
    ended
        .says("it is still being created")
        .says("aws eks wait cluster-active");

    let hidden = json!({"endpointPublicAccess": false, "endpointPrivateAccess": true});
    let cluster = json!({"name": eks.name, "region": REGION, "server": "https://127.0.0.1:9", "authority": eks.door.authority, "network": hidden});
    eks.aws.more(&json!({"cluster": cluster}));
    let ended = deploy().run().expect(10).code("cluster-unreachable");
    ended
        .says("the cluster has only a private endpoint")
        .says("run this job within the cluster's network");
}
