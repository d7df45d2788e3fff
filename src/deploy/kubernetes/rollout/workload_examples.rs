//! For tests: examples of the rules about pods as a whole, workloads and other kinds, from recorded rollouts.

use serde_json::json;

use super::replay::{Example, Replay, made, make_ready, recorded};
use super::rules::Rule;

pub(super) fn pods() -> Vec<Example> {
    let evicted = |pod: &mut serde_json::Value| {
        pod["status"] = json!({"phase": "Failed", "reason": "Evicted", "message": "the node was low on memory"});
    };
    let two = recorded("crash").fresh().pods(evicted);
    let running = recorded("pod-failed").pods(|pod| {
        pod["status"] = json!({"phase": "Running", "conditions": []});
    });
    let pending = || {
        recorded("unschedulable")
            .fresh()
            .set("tolerate", json!([]))
            .set("events", json!([]))
    };
    let scheduled = |message: &str, reason: &str| {
        let condition = json!({"type": "PodScheduled", "status": "False", "reason": reason, "message": message});
        pending().condition("Pod", &condition)
    };
    let volumes = |reason: &str, message: &str| {
        recorded("mount")
            .fresh()
            .set("events", json!([]))
            .event("Pod", reason, message, 1)
    };
    let cached = volumes("FailedMount", "failed to sync configmap cache: timed out");
    vec![
        (Rule::PodFailed, recorded("pod-failed"), running),
        (
            Rule::JobFailed,
            recorded("job-failed"),
            recorded("job-failed").with("Job", |job| job["status"]["conditions"] = json!([])),
        ),
        (
            Rule::Evicted,
            two.clone().another("Pod", "third", |_| {}),
            two,
        ),
        (
            Rule::UnschedulableForGood,
            pending().event("Pod", "NotTriggerScaleUp", "max node group size reached", 1),
            pending(),
        ),
        (
            Rule::NodeAwaited,
            pending().event("Pod", "TriggeredScaleUp", "pod triggered scale-up", 1),
            pending(),
        ),
        (
            Rule::ClaimAwaited,
            scheduled(
                "pod has unbound immediate PersistentVolumeClaims",
                "Unschedulable",
            ),
            pending(),
        ),
        (
            Rule::Unschedulable,
            pending(),
            pending().event("Pod", "TriggeredScaleUp", "pod triggered scale-up", 1),
        ),
        (Rule::Gated, scheduled("", "SchedulingGated"), pending()),
        (Rule::GpuDeadlock, one_gpu(0), one_gpu(1)),
        (
            Rule::MountFailed,
            volumes("FailedAttachVolume", "the disk is attached elsewhere"),
            cached.clone(),
        ),
        (Rule::ConfigurationMissing, recorded("mount"), cached),
        (
            Rule::SandboxFailed,
            volumes("FailedCreatePodSandBox", "failed to set up network"),
            volumes("Strange", "x"),
        ),
        (
            Rule::NotReady,
            recorded("not-ready"),
            recorded("not-ready").ready(),
        ),
    ]
}

/// A new pod that waits for the GPU which the old, ready one holds.
fn one_gpu(unavailable: u32) -> Replay {
    let revision = "deployment.kubernetes.io/revision";
    let message = "0/1 nodes are available: 1 Insufficient nvidia.com/gpu. preemption: none";
    recorded("unschedulable")
        .fresh()
        .set("tolerate", json!([]))
        .condition("Pod", &json!({"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}))
        .with("Deployment", |object| {
            object["spec"]["strategy"]["rollingUpdate"] = json!({"maxSurge": 1, "maxUnavailable": unavailable});
        })
        .another("ReplicaSet", "old-set", |set| set["metadata"]["annotations"][revision] = json!("0"))
        .another("Pod", "old-pod", |pod| {
            pod["metadata"]["ownerReferences"][0]["uid"] = json!("old-set");
            pod["spec"]["containers"][0]["resources"] = json!({"limits": {"nvidia.com/gpu": "1"}});
            make_ready(pod);
        })
}

pub(super) fn workloads() -> Vec<Example> {
    let refused = |message: &str| {
        let condition = json!({"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": message});
        recorded("pod-security")
            .fresh()
            .condition("ReplicaSet", &condition)
    };
    let leaves = |pod: &mut serde_json::Value| {
        pod["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    };
    let leaving = recorded("quota").fresh().another("Pod", "leaving", leaves);
    let stuck = |policy: &str| {
        let replay = recorded("stateful-stuck")
            .fresh()
            .set("events", json!([]))
            .pods(|pod| {
                pod["metadata"]["labels"]["controller-revision-hash"] = json!("before");
            });
        replay.with("StatefulSet", |set| {
            set["status"]["currentRevision"] = json!("before");
            set["spec"]["podManagementPolicy"] = json!(policy);
        })
    };
    let slow = |at: &str| {
        let condition = json!({"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "lastUpdateTime": at});
        recorded("not-ready").condition("Deployment", &condition)
    };
    let deleted = recorded("not-ready").with("Deployment", |object| {
        object["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        object["metadata"]["finalizers"] = json!(["example.org/keep"]);
    });
    let gone = |name: &str| {
        let replay = recorded(name);
        let uid = replay.0["targets"][0]["uid"].clone();
        replay.set("gone", json!([uid]))
    };
    let complete = gone("job-failed").with("Job", |job| {
        job["status"]["conditions"] = json!([{"type": "Complete", "status": "True"}]);
    });
    vec![
        (Rule::Gone, gone("not-ready"), complete),
        (
            Rule::PodsDenied,
            recorded("pod-security"),
            recorded("pod-security").condition(
                "ReplicaSet",
                &json!({"type": "ReplicaFailure", "status": "False"}),
            ),
        ),
        (
            Rule::PodsDenied,
            recorded("limit-range"),
            refused("failed calling webhook \"x\": context deadline exceeded"),
        ),
        (
            Rule::PodsAwaitObject,
            recorded("priority").fresh(),
            recorded("pod-security"),
        ),
        (
            Rule::PodsAwaitObject,
            recorded("account").fresh(),
            recorded("pod-security"),
        ),
        (
            Rule::WebhookSilent,
            refused("failed calling webhook \"x\": connection refused"),
            recorded("pod-security"),
        ),
        (
            Rule::PodsRefused,
            refused("strange"),
            recorded("pod-security"),
        ),
        (
            Rule::QuotaExceeded,
            recorded("quota").fresh(),
            leaving.clone(),
        ),
        (Rule::QuotaAwaited, leaving, recorded("quota")),
        (Rule::Paused, recorded("paused"), recorded("not-ready")),
        (Rule::OldPodBlocks, stuck("OrderedReady"), stuck("Parallel")),
        (
            Rule::ProgressDeadline,
            slow("2100-01-01T00:00:00Z"),
            slow("2020-01-01T00:00:00Z"),
        ),
        (Rule::FinalizerStuck, deleted, recorded("not-ready")),
    ]
}

pub(super) fn others() -> Vec<Example> {
    let claim = |name: &str, phase: &str| {
        let phase = json!(phase);
        recorded(name)
            .set("tolerate", json!([]))
            .with("PersistentVolumeClaim", |claim| {
                claim["status"]["phase"] = phase.clone();
            })
    };
    let balancer = || recorded("balancer").fresh();
    let with_address = || {
        balancer().with("Service", |service| {
            service["status"]["loadBalancer"] = json!({"ingress": [{"ip": "1.2.3.4"}]});
        })
    };
    let failing =
        |replay: Replay| replay.event("Service", "SyncLoadBalancerFailed", "quota of addresses", 1);
    let conditions = |version: &str,
                      kind: &str,
                      kind_of_condition: &str,
                      status: &str,
                      reason: &str| {
        let condition = json!({"type": kind_of_condition, "status": status, "reason": reason, "message": "said so"});
        made(
            version,
            json!({"kind": kind, "metadata": {}, "status": {"observedGeneration": 2, "conditions": [condition]}}),
        )
    };
    let scaler = |reason: &str| {
        conditions(
            "autoscaling/v2",
            "HorizontalPodAutoscaler",
            "ScalingActive",
            "False",
            reason,
        )
    };
    let definition = |status: &str| {
        conditions(
            "apiextensions.k8s.io/v1",
            "CustomResourceDefinition",
            "NamesAccepted",
            status,
            "x",
        )
    };
    let custom =
        |kind: &str, status: &str| conditions("example.org/v1", "Thing", kind, status, "x");
    let model = |state: &str| {
        let status = json!({"modelStatus": {"transitionStatus": state, "lastFailureInfo": {"reason": "ModelLoadFailed", "message": "no such bucket"}}});
        made(
            "serving.kserve.io/v1beta1",
            json!({"kind": "InferenceService", "metadata": {}, "status": status}),
        )
    };
    vec![
        (
            Rule::ClaimLost,
            claim("claim-none", "Lost"),
            claim("claim-none", "Bound"),
        ),
        (
            Rule::StorageClassAbsent,
            recorded("claim-class"),
            claim("claim-class", "Bound"),
        ),
        (
            Rule::ProvisioningFailed,
            recorded("claim-none").fresh().set("tolerate", json!([])),
            claim("claim-none", "Bound"),
        ),
        (
            Rule::LoadBalancerFailed,
            failing(balancer()),
            failing(with_address()),
        ),
        (Rule::ServiceUnready, balancer(), with_address()),
        (
            Rule::ScalingFailed,
            scaler("InvalidSelector"),
            scaler("FailedGetResourceMetric"),
        ),
        (
            Rule::DefinitionRejected,
            definition("False"),
            definition("True"),
        ),
        (
            Rule::ConditionFailed,
            custom("Stalled", "True"),
            custom("Stalled", "False"),
        ),
        (
            Rule::ConditionFailed,
            model("BlockedByFailedLoad"),
            model("InProgress"),
        ),
        (
            Rule::ConditionNotReady,
            custom("Ready", "False"),
            custom("Ready", "True"),
        ),
    ]
}
