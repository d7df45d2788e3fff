//! Inputs that the chosen target does not read: whoever writes `cluster-name` beside `target: sagemaker` expects something of it.

use super::Resolver;
use crate::inputs::parsed::Source;
use crate::inputs::targets;

impl Resolver<'_> {
    /// A finding for each input that stands beside `target`, or above it, and is for other targets. What stands in
    /// `ml-deploy.yml` while a flag or the action names the target is for the project's other runs.
    pub(super) fn ignored(&mut self, target: &str) {
        let Some(own) = self.sources.get("target").and_then(layer) else {
            return;
        };
        let off = self.switched_off();
        for (name, targets) in targets::of_inputs() {
            let given = self.sources.get(&name).and_then(layer);
            let beside = given.is_some_and(|given| given >= own);
            if !beside || targets.contains(&target) || off.contains(&name.as_str()) {
                continue;
            }
            let why = format!(
                "is for target {} and would be ignored, because `target` is {target}: leave out one of the two",
                targets.join(" or ")
            );
            self.invalid(&name, why);
        }
    }

    /// Switches that are given as `false`, which asks for nothing.
    fn switched_off(&self) -> Vec<&'static str> {
        let inputs = self.inputs;
        let switches = [
            ("admin", inputs.cluster.admin),
            ("allow-namespaces", inputs.allow_namespaces),
            ("force-conflicts", inputs.force_conflicts),
            ("keep-old", inputs.azureml.keep_old),
            ("prune", inputs.prune),
        ];
        let off = switches.into_iter().filter(|(_, is_on)| !is_on);
        off.map(|(name, _)| name).collect()
    }
}

/// The higher wins; `None` for a value that is a finding already.
fn layer(source: &Source) -> Option<u8> {
    match source {
        Source::File(..) => Some(0),
        Source::Input => Some(1),
        Source::Flag => Some(2),
        Source::Unusable => None,
    }
}
