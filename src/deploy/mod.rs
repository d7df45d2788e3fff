pub(crate) mod kubernetes {
    use crate::artifact::*;
    use crate::context::Context;
    use crate::diagnostic::Diagnostic;
    use crate::engine::Engine;
    use crate::failure::Outcome;
    use crate::plan::*;
    use crate::registry::Reference;
    use std::path::Path;

    pub(crate) async fn preflight(
        _c: &Context,
        _s: &KubernetesSpec,
        _i: Option<&Reference>,
    ) -> Vec<Diagnostic> {
        vec![]
    }
    pub(crate) async fn run(
        _c: &Context,
        _s: &KubernetesSpec,
        _i: Option<&Pushed>,
        _r: Option<&str>,
    ) -> Outcome<Deployment> {
        Err(crate::failure::Failure::new(
            crate::code::Code::Internal,
            "stub",
        ))
    }
}
pub(crate) mod docker {
    use crate::artifact::*;
    use crate::context::Context;
    use crate::diagnostic::Diagnostic;
    use crate::engine::Engine;
    use crate::failure::Outcome;
    use crate::plan::*;
    use crate::registry::Reference;
    use std::path::Path;

    pub(crate) async fn run(
        _c: &Context,
        _e: &Engine,
        _s: &DockerSpec,
        _g: Option<&Image>,
        _i: Option<&Pushed>,
        _r: Option<&str>,
    ) -> Outcome<Deployment> {
        Err(crate::failure::Failure::new(
            crate::code::Code::Internal,
            "stub",
        ))
    }
}
