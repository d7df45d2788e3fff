//! Inputs that the chosen target does not read. They are told and never refused: the same `ml-deploy.yml` or workflow serves another
//! target when `target` is changed, and whoever expects something of such an input reads that nothing comes of it.

use super::Resolver;
use crate::inputs::parsed::Source;
use crate::inputs::targets;

impl Resolver<'_> {
    /// Names of the inputs that are set and for other targets.
    pub(super) fn unused(&self, target: Option<&str>) -> Vec<String> {
        let Some(target) = target else {
            return Vec::new();
        };
        let off = self.switched_off();
        let unused = |name: &String, targets: &[&str]| {
            let given = self.sources.get(name);
            let given = given.is_some_and(|source| *source != Source::Unusable);
            given && !targets.contains(&target) && !off.contains(&name.as_str())
        };
        let of_others = targets::of_inputs().into_iter();
        let mut names: Vec<_> = of_others
            .filter(|(name, targets)| unused(name, targets))
            .map(|(name, _)| name)
            .collect();
        if target == "sagemaker" {
            names.extend(self.sagemaker_has_its_own().map(str::to_owned));
        }
        names
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
