//! The key of an environment: a hash over everything that decides what is in it.

use sha2::{Digest, Sha256};

/// Raised when environments are made in another way, so that old ones are not taken for new.
const FORMAT: &str = "1";

/// Collects what decides. Every part is written with its length, so that no two lists of parts are the same text.
pub(super) struct Key(Sha256);

impl Key {
    pub(super) fn new() -> Self {
        let mut key = Self(Sha256::new());
        key.add("format", FORMAT);
        key
    }

    pub(super) fn add(&mut self, name: &str, value: &str) -> &mut Self {
        self.0.update(format!("{name} {}\n", value.len()));
        self.0.update(value);
        self
    }

    /// 32 hex digits.
    pub(super) fn finish(self) -> String {
        crate::sha256::hex(&self.0.finalize()[..16])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_do_not_run_into_each_other() {
        let key = |parts: &[&str]| {
            let mut key = Key::new();
            for part in parts {
                key.add("extra", part);
            }
            key.finish()
        };
        assert_ne!(key(&["ab", "c"]), key(&["a", "bc"]));
        assert_eq!(key(&["a"]), key(&["a"]));
        assert_eq!(key(&[]).len(), 32);
    }
}
