//! The one table of rules: what can be observed in a rollout, which code it has, how long it is waited for, and on how many
//! pods it must be seen. It knows no object and no clock; `judge` applies it.

use std::time::Duration;

use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::code::Code;

/// When an observation is a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// At first sight: no waiting changes it.
    Immediate,
    /// After so many restarts, attempts or events; a pod that becomes ready starts the count anew.
    Counted(u32),
    /// After it was seen so many seconds without a break.
    Sustained(u64),
    /// Only reported, and named when time is up.
    Never,
    /// Success waits so many seconds for it; it is never a fault.
    Held(u64),
}

/// On how many of the new pods a fault must be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Quorum {
    /// The template causes it, so every pod will have it.
    One,
    /// The place causes it, so another pod may do better.
    All,
    /// Occurrences are counted over all pods.
    Sum,
}

/// What was there before our apply gets this long to change before an immediate rule holds.
pub(super) const BEFORE_US: u64 = 30;

/// How many seconds a container without a readiness probe must run before it counts as serving.
pub(super) const SETTLED: u64 = 5;

/// How many seconds a controller has to write the first status of a resource. Most take less than one; a resource whose
/// kind has no status must not cost more.
pub(super) const FIRST_STATUS: u64 = 5;

/// How long a container without a readiness probe must run before its earlier ends are forgotten.
pub(super) const RECOVERED: SignedDuration = SignedDuration::from_secs(60);

/// A line of the table.
struct Row {
    name: &'static str,
    /// What it is about, in a sentence.
    doc: &'static str,
    code: Code,
    class: Class,
    quorum: Quorum,
}

/// Declares the rules once. The order is that of how telling they are: of several, the first is named.
macro_rules! rules {
    ($($(#[doc = $doc:literal])+ $name:ident: $code:ident, $class:expr, $quorum:ident;)*) => {
        /// What can be observed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub(super) enum Rule { $($(#[doc = $doc])+ $name,)* }

        impl Rule {
            /// Every rule, the most telling first.
            pub(super) const ALL: &[Self] = &[$(Self::$name,)*];

            fn row(self) -> Row {
                match self { $(Self::$name => Row {
                    name: stringify!($name),
                    doc: concat!($($doc),+).trim_ascii(),
                    code: Code::$code,
                    class: $class,
                    quorum: Quorum::$quorum,
                },)* }
            }
        }
    };
}

use Class::{Counted, Held, Immediate, Never, Sustained};

rules! {
    /// The workload was deleted while it was waited for.
    Gone: PodGone, Immediate, One;
    /// The image's name cannot be parsed.
    ImageNameInvalid: ImageNameInvalid, Immediate, One;
    /// The registry does not have the digest that this run pushed.
    PushedImageAbsent: ImageNotFound, Immediate, One;
    /// The registry does not have the image; a replica of the registry may only be late.
    ImageAbsent: ImageNotFound, Counted(2), One;
    /// `imagePullPolicy: Never`, and the node does not have the image.
    ImageNeverPulled: ImageNotFound, Immediate, One;
    /// The image has no manifest for the node's platform.
    PlatformAbsent: PullPlatform, Immediate, One;
    /// The image's signature does not hold.
    SignatureInvalid: PullFailed, Immediate, One;
    /// The registry refuses the node; a pull secret may be written a moment later.
    PullDenied: PullDenied, Sustained(45), One;
    /// A Secret, ConfigMap or key is in neither the manifests nor the cluster.
    ConfigurationMissing: ContainerConfig, Immediate, One;
    /// A Secret, ConfigMap or key is missing that something in this deployment may still write.
    ConfigurationAwaited: ContainerConfig, Sustained(30), One;
    /// The container's configuration contradicts itself, such as `runAsNonRoot` with an image that runs as root.
    ConfigurationRefused: ContainerConfig, Immediate, One;
    /// The container's configuration is refused for a reason that we do not know.
    ConfigurationUnknown: ContainerConfig, Sustained(30), One;
    /// Neither the image nor the manifest says what to run.
    CommandMissing: ContainerCreate, Immediate, One;
    /// The runtime cannot make the container.
    CreateFailed: ContainerCreate, Sustained(30), One;
    /// The program is built for another processor.
    WrongProcessor: ExecFormat, Immediate, One;
    /// The program is not there or may not be executed: the runtime says so, or exit status 126 and 127.
    ProgramAbsent: ContainerStart, Immediate, One;
    /// The runtime cannot start the container; nodes have such faults too.
    StartFailed: ContainerStart, Counted(3), One;
    /// An init container's log ends with a failed Python import.
    InitImportFailed: InitFailed, Immediate, One;
    /// The log of the run that ended shows a failed Python import.
    ImportFailed: CrashLoop, Immediate, One;
    /// The container was killed for memory.
    OutOfMemory: OutOfMemory, Counted(2), One;
    /// The kubelet killed the container because its liveness or startup probe failed.
    LivenessKilled: LivenessKilled, Counted(2), One;
    /// An init container failed again with the same exit status and the same last line.
    InitCrashedAlike: InitFailed, Counted(2), One;
    /// An init container fails again and again.
    InitCrashed: InitFailed, Counted(3), One;
    /// The container ended again with the same exit status and the same last line.
    CrashedAlike: CrashLoop, Counted(2), One;
    /// The container ends again and again.
    Crashed: CrashLoop, Counted(3), One;
    /// A serving container ends with exit status 0.
    Exited: ContainerExited, Counted(2), One;
    /// A pod that nothing replaces failed.
    PodFailed: PodFailed, Immediate, One;
    /// A Job's controller gave up.
    JobFailed: JobFailed, Immediate, One;
    /// Pods were evicted, preempted, or refused by their node.
    Evicted: PodEvicted, Counted(3), Sum;
    /// A new pod waits for a GPU that our own old pod holds, and the update waits for the new pod.
    GpuDeadlock: Unschedulable, Immediate, One;
    /// No node can take the pod, and an autoscaler will not make one.
    UnschedulableForGood: Unschedulable, Sustained(60), All;
    /// No node can take the pod yet; an autoscaler makes one.
    NodeAwaited: Unschedulable, Sustained(600), All;
    /// The pod waits for a volume claim that is not bound.
    ClaimAwaited: VolumeUnbound, Sustained(180), All;
    /// No node can take the pod.
    Unschedulable: Unschedulable, Sustained(180), All;
    /// Something holds the pod back from scheduling on purpose.
    Gated: Unschedulable, Never, All;
    /// A volume cannot be mounted; attaching can take minutes.
    MountFailed: MountFailed, Sustained(180), All;
    /// The node cannot set up the pod's network or sandbox.
    SandboxFailed: SandboxFailed, Sustained(120), All;
    /// The API server refuses the pods: pod security, webhook, limits, or a field.
    PodsDenied: PodDenied, Immediate, One;
    /// The API server refuses the pods for an object that may come.
    PodsAwaitObject: PodDenied, Sustained(20), One;
    /// A webhook that must allow the pods does not answer.
    WebhookSilent: PodDenied, Sustained(60), One;
    /// The API server refuses the pods for a reason that we do not know.
    PodsRefused: PodDenied, Sustained(60), One;
    /// The pods do not fit the quota, and nothing of ours will free any.
    QuotaExceeded: QuotaExceeded, Sustained(10), One;
    /// The pods do not fit the quota yet; old pods that go will free some.
    QuotaAwaited: QuotaExceeded, Never, One;
    /// The registry cannot be reached or is busy.
    PullInterrupted: PullFailed, Never, All;
    /// The image cannot be pulled for a reason that we do not know.
    PullUnknown: PullFailed, Sustained(120), All;
    /// The workload was paused while it was waited for.
    Paused: RolloutFailed, Immediate, One;
    /// A pod of the revision before is broken and an ordered update waits for it.
    OldPodBlocks: RolloutFailed, Never, One;
    /// The volume behind the claim is lost.
    ClaimLost: VolumeUnbound, Immediate, One;
    /// The claim's StorageClass does not exist.
    StorageClassAbsent: VolumeUnbound, Immediate, One;
    /// The claim cannot be provisioned.
    ProvisioningFailed: VolumeUnbound, Sustained(120), One;
    /// The cloud cannot make the load balancer.
    LoadBalancerFailed: ServiceUnready, Sustained(120), One;
    /// The Service has no address, or no ready pods.
    ServiceUnready: ServiceUnready, Never, One;
    /// The autoscaler's target or metric is wrong.
    ScalingFailed: ScalingFailed, Sustained(10), One;
    /// The definition's names are taken, or it is not accepted.
    DefinitionRejected: DefinitionRejected, Immediate, One;
    /// The resource says itself that it failed.
    ConditionFailed: ConditionFailed, Immediate, One;
    /// The resource's condition `Ready` is false.
    ConditionNotReady: ConditionFailed, Sustained(60), One;
    /// The object is being deleted and a finalizer holds it.
    FinalizerStuck: FinalizerStuck, Sustained(60), One;
    /// The Deployment's controller saw no progress within its own deadline.
    ProgressDeadline: ProgressDeadline, Immediate, One;
    /// The container runs, but its readiness probe does not pass.
    NotReady: NotReady, Never, One;
    /// The container has just started and has no probe that could say whether it is ready.
    Settling: NotReady, Held(SETTLED), One;
    /// A new custom resource has no status: its controller may not have seen it yet.
    StatusAwaited: ConditionFailed, Held(FIRST_STATUS), One;
}

/// The whole table as data, for the documents that repeat it.
pub(in crate::deploy::kubernetes) fn table() -> Value {
    let line = |rule: &Rule| {
        let row = rule.row();
        let pods = match row.quorum {
            Quorum::One => "one pod",
            Quorum::All => "all new pods",
            Quorum::Sum => "all new pods together",
        };
        json!({"code": row.code.slug(), "seen": row.doc, "patience": rule.patience(&[]), "pods": pods})
    };
    Rule::ALL.iter().map(line).collect()
}

impl Rule {
    /// Its name in a bundle.
    pub(super) fn name(self) -> &'static str {
        self.row().name
    }

    /// Its code.
    pub(super) fn code(self) -> Code {
        self.row().code
    }

    /// Its class.
    pub(super) fn class(self) -> Class {
        self.row().class
    }

    /// Its quorum.
    pub(super) fn quorum(self) -> Quorum {
        self.row().quorum
    }

    /// Whether it can be a fault at all; if not, success only waits for it.
    pub(super) fn is_fault(self) -> bool {
        !matches!(self.class(), Held(_))
    }

    /// The rule with this name.
    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|rule| rule.name() == name)
    }

    /// What would have been waited for, in words.
    pub(super) fn patience(self, tolerate: &[(Code, Duration)]) -> String {
        if let Some(grace) = tolerated(self.code(), tolerate).filter(|_| self.is_fault()) {
            return format!("is tolerated for {} s", grace.as_secs());
        }
        match self.class() {
            Immediate => "does not pass by waiting".to_owned(),
            Counted(times) => format!("is called at {times} times"),
            Sustained(seconds) => format!("is called after {seconds} s without a break"),
            Never => "is called at the deadline only".to_owned(),
            Held(seconds) => format!("is no fault; success waits {seconds} s for it"),
        }
    }
}

/// The grace that replaces a code's own.
pub(super) fn tolerated(code: Code, tolerate: &[(Code, Duration)]) -> Option<Duration> {
    // The last one wins, as with flags.
    let found = tolerate.iter().rev().find(|(of, _)| *of == code);
    found.map(|(_, grace)| *grace)
}
