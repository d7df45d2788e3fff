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
    ConfigInvalid, "config-invalid", 2, "ml-deploy.yml cannot be read", "correct the file at the line shown";
    EngineUnreachable, "engine-unreachable", 10, "no container engine", "start Docker, or set DOCKER_HOST to a running engine";
    EngineDenied, "engine-denied", 10, "no permission on the engine's socket", "add the user to the group that owns the socket, or run as root";
    DockerfileMissing, "dockerfile-missing", 10, "Dockerfile not found", "set `file` to the Dockerfile, relative to the working directory";
    DockerfileInvalid, "dockerfile-invalid", 10, "Dockerfile cannot be parsed", "correct the instruction at the line shown";
    RegistryUnreachable, "registry-unreachable", 10, "registry does not answer", "check the host name in `image` and the network";
    RegistryTls, "registry-tls", 10, "registry's certificate is not trusted", "give the company CA through SSL_CERT_FILE and the engine's certs.d";
    RegistryDenied, "registry-denied", 10, "registry refuses to let us push", "set `registry-username` and `registry-password` of an account that may push";
    TrackingScheme, "tracking-scheme", 10, "tracking URI of an unknown kind", "use http(s)://, sqlite:///, file:, a path, databricks, postgresql or mysql";
    TrackingUnreachable, "tracking-unreachable", 10, "tracking server does not answer", "check `mlflow-tracking-uri` and the network";
    TrackingDenied, "tracking-denied", 10, "tracking server refuses the credentials", "set `mlflow-tracking-username` and `mlflow-tracking-password`, or `mlflow-tracking-token`";
    KubeconfigInvalid, "kubeconfig-invalid", 10, "kubeconfig cannot be used", "give the file's text, its base64 form or a path";
    KubeconfigPlugin, "kubeconfig-plugin", 10, "kubeconfig needs a program that is not here", "use a kubeconfig with a token or a client certificate";
    ClusterUnreachable, "cluster-unreachable", 10, "API server does not answer", "check the server address in the kubeconfig and the network";
    ClusterDenied, "cluster-denied", 10, "cluster refuses what the deployment needs", "bind a role with the verbs listed to the account in the kubeconfig";
    NamespaceMissing, "namespace-missing", 10, "namespace does not exist", "create the namespace first, or correct `namespace`";
    NamespaceTerminating, "namespace-terminating", 10, "namespace is being deleted", "wait until it is gone, create it again, then run again";
    NamespaceMixed, "namespace-mixed", 10, "manifests name several namespaces", "deploy one namespace at a time, or set `allow-namespaces`";
    ManifestMissing, "manifest-missing", 10, "no manifest found", "correct `manifests`: files, folders or globs, relative to the working directory";
    ManifestInvalid, "manifest-invalid", 10, "manifest cannot be read", "correct the file at the line shown";
    ManifestImage, "manifest-image", 10, "no container uses the image", "set `image` to the repository that the manifest names, or correct the manifest";
    ManifestRejected, "manifest-rejected", 10, "API server rejects a manifest", "correct the field at the line shown";
    FieldImmutable, "field-immutable", 10, "manifest changes an immutable field", "keep the field as it is live, or delete the object first";
    PythonMissing, "python-missing", 20, "Python version not to be had", "choose a `python-version` that is installed or that uv can fetch";
    RequirementsMissing, "requirements-missing", 20, "requirements file not found", "correct `requirements`, relative to the working directory";
    RequirementsUnresolved, "requirements-unresolved", 20, "requirements cannot be resolved", "correct the requirement named";
    TrainCommand, "train-command", 20, "training command not found", "correct the first word of `train`";
    TrainFailed, "train-failed", 20, "training failed", "read the traceback above and correct the script";
    TrainDeadline, "train-deadline", 20, "training took longer than allowed", "raise `train-timeout` or make the training shorter";
    ModelMissing, "model-missing", 20, "training wrote no model", "make the script write to `model`, or set `model` to where it writes";
    TrackingFailed, "tracking-failed", 20, "run cannot be read back from the tracking server", "check that the server still answers";
    BuildFailed, "build-failed", 40, "image build failed", "correct the Dockerfile instruction shown";
    DiskFull, "disk-full", 40, "no space left on device", "free disk space where the engine or the workspace keeps its files";
    PushDenied, "push-denied", 40, "registry refused the push", "set `registry-username` and `registry-password` of an account that may push";
    PushFailed, "push-failed", 40, "push failed", "run again; when it stays, check the registry";
    DigestMismatch, "digest-mismatch", 40, "registry serves another digest than was pushed", "check for another job that pushes the same tag";
    ImageMissing, "image-missing", 40, "image not found", "build it in this run or give `image-ref` of an image that exists";
    ApplyFailed, "apply-failed", 50, "manifests could not be applied", "read the API server's answer above";
    ApplyConflict, "apply-conflict", 50, "another field manager owns a field", "remove the field from the manifest, or set `force-conflicts: true`";
    RolloutFailed, "rollout-failed", 50, "rollout failed", "read the container's reason and log lines above";
    RolloutDeadline, "rollout-deadline", 50, "rollout not finished in time", "raise `deploy-timeout`, or look at what the pods wait for";
    ContainerFailed, "container-failed", 50, "container did not become healthy", "read its log lines above";
    VerifyHealth, "verify-health", 60, "deployed service is not healthy", "check `health-path` and the service's log";
    VerifyPrediction, "verify-prediction", 60, "deployed service answers otherwise than expected", "compare the answer with `golden`";
    VerifyDigest, "verify-digest", 60, "another image is live than was pushed", "look for another deployment that ran at the same time";
    Deadline, "deadline", 124, "run took longer than `timeout`", "raise `timeout`";
    Interrupted, "interrupted", 130, "interrupted (SIGINT)", "run again";
    Terminated, "terminated", 143, "terminated (SIGTERM)", "run again";
}
