//! The one table of codes: what can go wrong, which exit status it means, and what to do about it.
//! It knows no stage and no reporter; README's table is generated from it and held equal by a test.

/// Declares the codes once; everything that is known of a code stands on its line.
macro_rules! codes {
    ($($name:ident, $slug:literal, $exit:literal, $title:literal, $help:literal;)*) => {
        /// A stable name for one way to fail. The slug is part of the contract and never changes its meaning.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub(crate) enum Code { $(#[doc = $title] $name,)* }

        impl Code {
            /// Every code, in the order of the table.
            pub(crate) const ALL: &[Self] = &[$(Self::$name,)*];

            /// The stable kebab-case name, as in the output `failure-code`.
            pub(crate) fn slug(self) -> &'static str {
                match self { $(Self::$name => $slug,)* }
            }

            /// The exit status of a run that ends with this code.
            pub(crate) fn exit(self) -> u8 {
                match self { $(Self::$name => $exit,)* }
            }

            /// What went wrong, in a few words.
            pub(crate) fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)* }
            }

            /// What to do next when the failure itself does not say it better.
            pub(crate) fn help(self) -> &'static str {
                match self { $(Self::$name => $help,)* }
            }
        }
    };
}

codes! {
    Internal, "internal", 1, "a defect in ml-deploy", "please report it with the log of this step";
    InputUnknown, "input-unknown", 2, "unknown input", "correct the name; `ml-deploy run --help` lists all inputs";
    InputInvalid, "input-invalid", 2, "invalid input", "correct the value";
    InputMissing, "input-missing", 2, "missing input", "set the input; a secret is empty on pull requests from forks and from Dependabot";
    SecretReadable, "secret-readable", 2, "secret where everybody may read it", "give it to the build through `secrets`: `RUN --mount=type=secret` reads it, and no layer keeps it";
    ConfigInvalid, "config-invalid", 2, "ml-deploy.yml cannot be read", "correct the file at the line shown";
    EngineUnreachable, "engine-unreachable", 10, "no container engine", "start Docker, or set DOCKER_HOST to a running engine";
    EngineDenied, "engine-denied", 10, "no permission on the engine's socket", "add the user to the group that owns the socket, or run as root";
    DockerfileMissing, "dockerfile-missing", 10, "Dockerfile not found", "set `file` to the Dockerfile, relative to the working directory";
    DockerfileInvalid, "dockerfile-invalid", 10, "Dockerfile cannot be parsed", "correct the instruction at the line shown";
    RegistryUnreachable, "registry-unreachable", 10, "registry does not answer", "check the host name in `image` and the network";
    RegistryTls, "registry-tls", 10, "registry's certificate is not trusted", "give the company CA through SSL_CERT_FILE and the engine's certs.d";
    RegistryDenied, "registry-denied", 10, "registry refuses to let us push", "set `registry-username` and `registry-password` of an account that may push";
    RepositoryMissing, "repository-missing", 10, "repository does not exist in the registry", "set `create-repository: true`, or create it once";
    TrackingScheme, "tracking-scheme", 10, "tracking URI of an unknown kind", "use http(s)://, sqlite:///, file:, a path, databricks, postgresql or mysql";
    TrackingUnreachable, "tracking-unreachable", 10, "tracking server does not answer", "check `mlflow-tracking-uri` and the network";
    TrackingDenied, "tracking-denied", 10, "tracking server refuses the credentials", "set `mlflow-tracking-username` and `mlflow-tracking-password`, or `mlflow-tracking-token`";
    KubeconfigInvalid, "kubeconfig-invalid", 10, "kubeconfig cannot be used", "give the file's text, its base64 form or a path";
    KubeconfigPlugin, "kubeconfig-plugin", 10, "kubeconfig needs a program that is not here", "use a kubeconfig with a token or a client certificate";
    ClusterUnreachable, "cluster-unreachable", 10, "API server does not answer", "check the server address in the kubeconfig and the network";
    ClusterDenied, "cluster-denied", 10, "cluster refuses what the deployment needs", "bind a role with the verbs listed to the account in the kubeconfig";
    CloudIdentity, "cloud-identity", 10, "no usable identity at the cloud", "name one in the inputs, or let the job have one (`id-token: write`)";
    CloudDenied, "cloud-denied", 10, "cloud refuses the identity or lacks a right", "give the identity the right named";
    CloudUnreachable, "cloud-unreachable", 10, "cloud does not answer", "check the network and the cloud's status, then run again";
    WorkspaceMissing, "workspace-missing", 10, "cloud does not have the workspace", "correct `workspace`, `resource-group` and `subscription-id`";
    ClusterMissing, "cluster-missing", 10, "cloud does not have the cluster", "correct `cluster-name` and where it is: resource group, region or location";
    EndpointRole, "endpoint-role", 10, "endpoint's execution role cannot be used", "create the role with a trust policy for `sagemaker.amazonaws.com`, or correct `execution-role`";
    EndpointImage, "endpoint-image", 10, "endpoint cannot run the image", "use a registry, processor and kind of manifest that the endpoint takes";
    NamespaceMissing, "namespace-missing", 10, "namespace does not exist", "create the namespace first, or correct `namespace`";
    NamespaceTerminating, "namespace-terminating", 10, "namespace is being deleted", "wait until it is gone, create it again, then run again";
    NamespaceMixed, "namespace-mixed", 10, "manifests name several namespaces", "deploy one namespace at a time, or set `allow-namespaces`";
    ManifestMissing, "manifest-missing", 10, "no manifest found", "correct `manifests`: files, folders or globs, relative to the working directory";
    ManifestInvalid, "manifest-invalid", 10, "manifest cannot be read", "correct the file at the line shown";
    ManifestImage, "manifest-image", 10, "no container uses the image", "set `image` to the repository that the manifest names, or correct the manifest";
    ManifestRejected, "manifest-rejected", 10, "API server rejects a manifest", "correct the field at the line shown";
    FieldImmutable, "field-immutable", 10, "manifest changes an immutable field", "keep the field as it is live, or delete the object first";
    ReferenceMissing, "reference-missing", 10, "manifest refers to an object that does not exist", "create the object named, add it to the manifests, or correct the reference at the line shown";
    SelectorMismatch, "selector-mismatch", 10, "selector matches no pod template", "make the selector equal to labels of the pod template";
    PortMismatch, "port-mismatch", 10, "port is not one that a container offers", "correct `targetPort` or the container's `ports`";
    BackendMissing, "backend-missing", 10, "route or autoscaler points to nothing", "correct the name and port of what it points to";
    CapacityExceeded, "capacity-exceeded", 10, "requests do not fit quota, limits or nodes", "lower requests or replicas, or raise the quota or the nodes' size";
    GpuDeadlock, "gpu-deadlock", 10, "rolling update needs more GPUs than there are", "set `strategy.rollingUpdate` to `maxSurge: 0` and `maxUnavailable: 1`, or use `strategy.type: Recreate`";
    ProbeBudget, "probe-budget", 10, "probe gives up before the container can have started", "add a `startupProbe` with a larger `failureThreshold`";
    DeadlineShort, "deadline-short", 10, "deadline is shorter than a rollout may take", "raise the shorter deadline";
    RolloutPaused, "rollout-paused", 10, "Deployment is paused", "remove `paused: true`, or run `kubectl rollout resume`";
    PodExists, "pod-exists", 10, "pod exists already and cannot be replaced", "use a Deployment, or delete the pod first";
    ApplyConflict, "apply-conflict", 10, "another field manager owns a field", "remove the field from the manifest, or set `force-conflicts: true`";
    StrategyUnfit, "strategy-unfit", 10, "manifests do not fit the strategy", "see docs/strategies.md for what canary and blue-green need, or use `strategy: rolling`";
    RevisionMissing, "revision-missing", 10, "nothing deployed there to show or to go back to", "deploy a version that verifies first; `ml-deploy status` shows what is recorded";
    BundleInvalid, "bundle-invalid", 2, "bundle cannot be read", "give the file that a failed rollout left behind";
    PythonMissing, "python-missing", 20, "Python version not to be had", "choose a `python-version` that is installed or that uv can fetch";
    RequirementsMissing, "requirements-missing", 20, "requirements file not found", "correct `requirements`, relative to the working directory";
    RequirementsUnresolved, "requirements-unresolved", 20, "requirements cannot be resolved", "correct the requirement named";
    EnvironmentDiskFull, "environment-disk-full", 20, "no space left for the Python environment", "free space there, or set ML_DEPLOY_CACHE to a folder with more";
    TrainCommand, "train-command", 20, "training command not found", "correct the first word of `train`";
    TrainFailed, "train-failed", 20, "training failed", "read the traceback above and correct the script";
    TrainDeadline, "train-deadline", 20, "training took longer than allowed", "raise `train-timeout` or make the training shorter";
    ModelMissing, "model-missing", 20, "training wrote no model", "make the script write to `model`, or set `model` to where it writes";
    TrackingFailed, "tracking-failed", 20, "run cannot be read back from the tracking server", "check that the server still answers";
    GateFailed, "gate-failed", 30, "metric does not pass its rule", "train a better model, or change the rule in `gates`";
    GateMetricMissing, "gate-metric-missing", 30, "metric of a rule is missing or not a number", "log the metric in the training, or correct its name in `gates`";
    GateNotComparable, "gate-not-comparable", 30, "metric cannot be compared with the champion's", "compare with a number instead, or measure both on the same data";
    ChampionUnreadable, "champion-unreadable", 30, "champion's metrics cannot be read", "check that the tracking server still has the champion's run";
    ChampionDisputed, "champion-disputed", 30, "cluster and model registry name different champions", "move the alias to the version that is live, or deploy the one that has it";
    RegisterFailed, "register-failed", 30, "verified deployment could not be recorded in the model registry", "register the version by hand, or run again";
    ParityPython, "parity-python", 30, "image serves with another Python than trained", "use a base image of the Python that trains, or train with the image's (`python-version`)";
    ParityPlatform, "parity-platform", 30, "image is of another platform than the training", "use a base image of the same processor and C library, or train on the image's";
    ParityPackage, "parity-package", 30, "image serves another package than trained", "install in the image the versions that trained; ml-deploy-constraints.txt has them";
    ParityModel, "parity-model", 30, "image holds another model than was trained", "COPY the model that the training wrote, and change nothing in it";
    ParityUnknown, "parity-unknown", 30, "environments cannot be compared", "make a Python of the image findable, or set `parity: off` for an image without Python";
    ParityAllowExpired, "parity-allow-expired", 30, "entry of parity-allow has expired", "make the versions equal, or decide anew and set a later `until`";
    ContainerUnready, "container-unready", 30, "container of the built image does not become healthy", "read its log lines above; the image was not pushed";
    PredictionError, "prediction-error", 30, "container answers recorded requests with an error", "read its log lines above; the image was not pushed";
    PredictionDiffers, "prediction-differs", 30, "container predicts otherwise than recorded", "compare the library versions of image and training, or record the predictions anew";
    BuildFailed, "build-failed", 40, "image build failed", "correct the Dockerfile instruction shown";
    DiskFull, "disk-full", 40, "no space left on device", "free disk space where the engine, or the registry, keeps its files; `docker system df` shows what takes it";
    PushDenied, "push-denied", 40, "registry refused the push", "set `registry-username` and `registry-password` of an account that may push";
    PushFailed, "push-failed", 40, "push failed", "run again; when it stays, check the registry";
    DigestMismatch, "digest-mismatch", 40, "registry serves another digest than was pushed", "check for another job that pushes the same tag";
    ImageMissing, "image-missing", 40, "image not found", "build it in this run or give `image-ref` of an image that exists";
    ApplyFailed, "apply-failed", 50, "manifests could not be applied", "read the API server's answer above";
    RolloutFailed, "rollout-failed", 50, "rollout failed", "read the container's reason and log lines above";
    RolloutDeadline, "rollout-deadline", 50, "rollout not finished in time", "raise `deploy-timeout`, or look at what the pods wait for";
    ImageNotFound, "image-not-found", 50, "image does not exist in its registry", "correct the image's name and tag, or push it first";
    ImageNameInvalid, "image-name-invalid", 50, "image name cannot be parsed", "correct `image` at the line shown";
    PullDenied, "pull-denied", 50, "registry refuses to let the node pull", "add `imagePullSecrets` with an account that may read, or correct the one that is there";
    PullPlatform, "pull-platform", 50, "image is built for another platform than the node", "build for the nodes' platform (`platforms`)";
    PullFailed, "pull-failed", 50, "image cannot be pulled", "look at the registry and the node's network";
    ContainerConfig, "container-config", 50, "container's configuration is missing or not allowed", "create the Secret, ConfigMap or key named, or correct the manifest";
    ContainerCreate, "container-create", 50, "container cannot be created", "correct the container's command and mounts";
    ContainerStart, "container-start", 50, "container cannot be started", "correct `command` and `args`, and see that the file is there and executable";
    ExecFormat, "exec-format", 50, "program is built for another processor", "build for the nodes' platform (`platforms`)";
    CrashLoop, "crash-loop", 50, "container exits again and again", "read its last log lines above";
    ContainerExited, "container-exited", 50, "serving container ends by itself", "make the command a server that stays in the foreground";
    OutOfMemory, "out-of-memory", 50, "container needs more memory than its limit", "raise `resources.limits.memory`, or load a smaller model";
    InitFailed, "init-failed", 50, "init container fails", "read its last log lines above";
    LivenessKilled, "liveness-killed", 50, "liveness probe kills the container", "add a `startupProbe`, or correct the probe's path and port";
    NotReady, "not-ready", 50, "container runs but does not become ready", "correct the readiness probe's path and port, or read the container's log";
    Unschedulable, "unschedulable", 50, "no node can take the pod", "lower requests, correct node selectors and tolerations, or add nodes";
    MountFailed, "mount-failed", 50, "volume cannot be mounted", "create what the volume refers to";
    SandboxFailed, "sandbox-failed", 50, "node cannot set up the pod", "look at the node's network plugin and runtime";
    PodDenied, "pod-denied", 50, "API server refuses the pods", "correct what the message names: pod security, webhook or a field";
    QuotaExceeded, "quota-exceeded", 50, "what is to run does not fit the quota", "raise the quota, or lower requests, replicas or `maxSurge`";
    PodFailed, "pod-failed", 50, "pod failed", "read its last log lines above";
    PodEvicted, "pod-evicted", 50, "pods are evicted again and again", "look at the node's pressure and the pod's requests";
    PodGone, "pod-gone", 50, "object was deleted while it was waited for", "see who deletes it";
    JobFailed, "job-failed", 50, "Job failed", "read its last log lines above";
    ProgressDeadline, "progress-deadline", 50, "no progress within the Deployment's own deadline", "read what the pods wait for";
    VolumeUnbound, "volume-unbound", 50, "volume claim cannot be bound", "name a StorageClass that exists and can provision";
    ServiceUnready, "service-unready", 50, "Service gets no address or has no ready pods", "read the load balancer's events and the Service's selector";
    ScalingFailed, "scaling-failed", 50, "autoscaler cannot scale", "correct its target and metrics";
    DefinitionRejected, "definition-rejected", 50, "custom resource definition is not accepted", "correct its names; another definition may own them";
    ConditionFailed, "condition-failed", 50, "resource reports that it failed", "read the condition's message above";
    FinalizerStuck, "finalizer-stuck", 50, "deletion waits for a finalizer", "see why the controller named does not finish";
    ModuleMissing, "module-missing", 50, "Python module is not in the image", "add it to the requirements that the image installs";
    PickleMismatch, "pickle-mismatch", 50, "model was written by another library version", "install in the image the versions that trained";
    ModelNotFound, "model-not-found", 50, "service does not find the model", "COPY the model into the image, or correct the path or URI it is loaded from";
    FileNotFound, "file-not-found", 50, "service does not find a file", "COPY it into the image, or correct the path";
    PermissionDenied, "permission-denied", 50, "service may not read or write a file", "give the file to the user that the container runs as";
    PortNotOpen, "port-not-open", 50, "nothing listens on the probe's port", "make the server listen on that port on 0.0.0.0, or correct the probe";
    ProbePath, "probe-path", 50, "probe's path answers an error", "correct the probe's `path`, or the handler behind it";
    PortInUse, "port-in-use", 50, "port is in use already", "give each process of the pod its own port";
    CudaUnavailable, "cuda-unavailable", 50, "GPU cannot be used", "request `nvidia.com/gpu`, and use an image whose CUDA fits the node's driver";
    VariableMissing, "variable-missing", 50, "service misses an environment variable", "set it under `env` of the container";
    HostUnresolved, "host-unresolved", 50, "service cannot reach a host it needs", "correct the host's name, or open the network to it";
    EndpointFailed, "endpoint-failed", 50, "endpoint failed", "read the cloud's reason and the log lines above";
    EndpointOldConfig, "endpoint-old-config", 50, "endpoint serves its old configuration", "read why the cloud went back, correct it and deploy again";
    TrafficUnmoved, "traffic-unmoved", 50, "endpoint's traffic did not move to the new version", "see who else changes the endpoint, then run again";
    ContainerFailed, "container-failed", 50, "container did not become healthy", "read its log lines above";
    VerifyHealth, "verify-health", 60, "deployed service is not healthy", "check `health-path` and the service's log";
    VerifyPrediction, "verify-prediction", 60, "deployed service answers otherwise than expected", "compare the answer with `golden`";
    TraceUnknown, "trace-unknown", 60, "nothing is known of what is to be traced", "correct the name, and say where to look: `mlflow-tracking-uri`, `image`, `namespace` or `container-name`";
    TraceDisputed, "trace-disputed", 60, "links of the chain contradict each other", "see which of them was changed by hand, and deploy again";
    VerifyDigest, "verify-digest", 60, "another image is live than was pushed", "look for another deployment that ran at the same time";
    RollbackFailed, "rollback-failed", 70, "rollback failed", "look at the cluster now: production may be broken; the log says what was tried";
    Deadline, "deadline", 124, "run took longer than `timeout`", "raise `timeout`";
    Interrupted, "interrupted", 130, "interrupted (SIGINT)", "run again";
    Terminated, "terminated", 143, "terminated (SIGTERM)", "run again";
}
