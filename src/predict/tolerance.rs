//! How far a number may be from the recorded one: `|a − b| ≤ atol + rtol·|b|`, as numpy writes it. What a model computes
//! in decides the default, unless the input `tolerance` says otherwise.

use std::path::Path;

/// Bounds of a difference.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Tolerance {
    /// Share of the recorded value.
    pub(crate) rtol: f64,
    /// In the value's own unit.
    pub(crate) atol: f64,
}

impl Tolerance {
    /// Double precision: what another processor or order of a sum may change, and no more.
    pub(crate) const DOUBLE: Self = Self {
        rtol: 1e-6,
        atol: 1e-9,
    };
    /// Single precision: boosted trees, ONNX, neural networks.
    pub(crate) const SINGLE: Self = Self {
        rtol: 1e-4,
        atol: 1e-6,
    };
    /// The most that two answers to the same request may differ by themselves, as parallel sums on a GPU do. A server that
    /// differs more is not deterministic, and no comparison with it means anything.
    pub(crate) const NOISE: Self = Self {
        rtol: 1e-3,
        atol: 1e-5,
    };

    /// That of the model's files, with what the user set.
    pub(crate) fn of(model: &Path, rtol: Option<f64>, atol: Option<f64>) -> Self {
        let default = if is_single(model) {
            Self::SINGLE
        } else {
            Self::DOUBLE
        };
        Self {
            rtol: rtol.unwrap_or(default.rtol),
            atol: atol.unwrap_or(default.atol),
        }
    }

    /// Whether `a` is near enough to the recorded `b`. Two NaN are equal, and so are two infinities of one sign.
    pub(crate) fn allows(&self, a: f64, b: f64) -> bool {
        (a.is_nan() && b.is_nan())
            || a == b
            || b.is_finite() && (a - b).abs() <= self.rtol.mul_add(b.abs(), self.atol)
    }
}

/// Flavors of MLflow whose models compute in single precision.
const FLAVORS: &[&str] = &[
    "catboost",
    "keras",
    "lightgbm",
    "onnx",
    "paddle",
    "pytorch",
    "sentence_transformers",
    "tensorflow",
    "transformers",
    "xgboost",
];
/// Endings of model files of the same libraries.
const ENDINGS: &[&str] = &[
    "bst",
    "cbm",
    "gguf",
    "h5",
    "keras",
    "onnx",
    "pb",
    "pt",
    "pth",
    "safetensors",
    "tflite",
    "ubj",
];

/// Whether the model computes in single precision, by its `MLmodel` or by its files' names.
fn is_single(model: &Path) -> bool {
    let ending = |path: &Path| {
        let ending = path.extension().map(|ending| ending.to_string_lossy());
        ending.is_some_and(|ending| ENDINGS.contains(&&*ending))
    };
    if ending(model) {
        return true;
    }
    let flavors = super::sources::mlmodel(model)
        .and_then(|path| std::fs::read_to_string(path).ok())
        .unwrap_or_default();
    let flavor = |line: &str| {
        let name = line.trim().trim_end_matches(':');
        line.starts_with(' ') && line.trim_end().ends_with(':') && FLAVORS.contains(&name)
    };
    if flavors.lines().any(flavor) {
        return true;
    }
    let listed = std::fs::read_dir(model).into_iter().flatten().flatten();
    listed.map(|entry| entry.path()).any(|path| ending(&path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_near_in_proportion_to_the_recorded_one() {
        let all = Tolerance::DOUBLE;
        for (a, b, near) in [
            (1.0, 1.0 + 1e-7, true),
            (1.0, 1.0 + 1e-5, false),
            (1e12, 1e12 + 1e5, true),
            (0.0, 1e-10, true),
            (0.0, 1e-8, false),
            (f64::NAN, f64::NAN, true),
            (f64::NAN, 1.0, false),
            (1.0, f64::NAN, false),
            (f64::INFINITY, f64::INFINITY, true),
            (f64::INFINITY, f64::NEG_INFINITY, false),
            (1e300, f64::INFINITY, false),
        ] {
            assert_eq!(all.allows(a, b), near, "{a} {b}");
        }
    }

    #[test]
    fn the_kind_of_model_decides_unless_the_user_does() {
        let folder = tempfile::tempdir().unwrap();
        let model = folder.path().join("model");
        std::fs::create_dir_all(&model).unwrap();
        std::fs::write(model.join("model.joblib"), "").unwrap();
        assert_eq!(Tolerance::of(&model, None, None), Tolerance::DOUBLE);
        std::fs::write(
            model.join("MLmodel"),
            "flavors:\n  python_function:\n    a: b\n  xgboost:\n    c: d\n",
        )
        .unwrap();
        assert_eq!(Tolerance::of(&model, None, None), Tolerance::SINGLE);
        let set = Tolerance::of(&model, Some(0.5), None);
        assert_eq!((set.rtol, set.atol), (0.5, Tolerance::SINGLE.atol));
        assert_eq!(
            Tolerance::of(Path::new("m.onnx"), None, None),
            Tolerance::SINGLE
        );
    }
}
