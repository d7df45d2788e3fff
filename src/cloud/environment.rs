//! The variables of the process, taken once. Their values may be secrets and are never printed.

use std::collections::BTreeMap;
use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};

/// Variables by name. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Environment(Arc<BTreeMap<String, SecretString>>);

impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Environment(…)")
    }
}

impl Environment {
    /// Takes them over; an empty variable counts as not set, as the runner sends it.
    pub(crate) fn new(env: &[(String, String)]) -> Self {
        let set = env.iter().filter(|(_, value)| !value.is_empty());
        let kept = set.map(|(name, value)| (name.clone(), value.clone().into()));
        Self(Arc::new(kept.collect()))
    }

    /// The value of a variable that is set.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(ExposeSecret::expose_secret)
    }

    /// The value of a variable that is set and secret.
    pub(crate) fn secret(&self, name: &str) -> Option<SecretString> {
        self.0.get(name).cloned()
    }

    /// Names and values of the variables whose name ends so.
    pub(crate) fn ending<'a>(
        &'a self,
        end: &'a str,
    ) -> impl Iterator<Item = (&'a str, &'a SecretString)> {
        self.0
            .iter()
            .filter(move |(name, _)| name.ends_with(end))
            .map(|(name, value)| (name.as_str(), value))
    }
}
