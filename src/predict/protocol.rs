//! How a server is asked: MLflow's scoring server, the V1 and V2 inference protocols, BentoML, or plain JSON at a path. Which one
//! it is tells the path, else the shape of the recorded requests and who answers.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::address::{Answer, Question};
use super::rows::Row;
use super::{bento, form, lenient};

/// A way to ask for a prediction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Protocol {
    kind: Kind,
    pub(crate) path: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// `POST /invocations`.
    Mlflow,
    /// `POST /v1/models/NAME:predict`.
    V1,
    /// `POST /v2/models/NAME/infer`.
    V2,
    /// `POST /NAME` of a service of BentoML.
    Bento,
    Plain,
}

impl std::fmt::Display for Protocol {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.kind {
            Kind::Mlflow => "MLflow",
            Kind::V1 => "V1 inference protocol",
            Kind::V2 => "V2 inference protocol",
            Kind::Bento => "BentoML",
            Kind::Plain => "JSON",
        })
    }
}

/// A way that was found.
#[derive(Clone, Debug)]
pub(crate) struct Detected {
    pub(crate) protocol: Protocol,
    /// How long the first answer took, where the row was already asked to find out.
    pub(crate) took: Option<Duration>,
}

/// No way was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Undetected {
    /// Paths that were tried, each answered with 404 or 405.
    pub(crate) tried: Vec<String>,
}

impl Protocol {
    /// That of a path.
    pub(crate) fn at(path: &str) -> Self {
        let plain = path.split('?').next().unwrap_or(path);
        let kind = if plain.ends_with("/invocations") {
            Kind::Mlflow
        } else if plain.contains("/v1/models/") && plain.ends_with(":predict") {
            Kind::V1
        } else if plain.contains("/v2/models/") && plain.ends_with("/infer") {
            Kind::V2
        } else {
            Kind::Plain
        };
        Self {
            kind,
            path: path.to_owned(),
        }
    }

    /// Other servers than MLflow's have `/invocations` too: every container of SageMaker does. MLflow's own takes an object with
    /// one of these keys, and what is asked otherwise promises nothing of its answer.
    fn for_request(self, request: &Value) -> Self {
        let keys = [
            "dataframe_split",
            "dataframe_records",
            "instances",
            "inputs",
        ];
        let is_object = request.as_object();
        let foreign = is_object.is_some_and(|map| !keys.iter().any(|key| map.contains_key(*key)));
        match self.kind {
            Kind::Mlflow if foreign => Self {
                kind: Kind::Plain,
                ..self
            },
            _ => self,
        }
    }

    /// The parts of an answer and of a recorded one that are to be compared. A recorded answer may be the predictions
    /// alone; what a V2 server says of itself and of the request is no prediction.
    pub(super) fn parts<'a>(
        &self,
        row: &Row,
        got: &'a Value,
        wanted: &'a Value,
    ) -> (&'a Value, &'a Value) {
        let inside = |value: &'a Value, key: &str| value.get(key).unwrap_or(value);
        if let Some(pointer) = &row.pointer {
            return (got.pointer(pointer).unwrap_or(got), wanted);
        }
        match self.kind {
            Kind::Plain | Kind::Bento => (got, wanted),
            Kind::Mlflow | Kind::V1 if wanted.get("predictions").is_some() => (got, wanted),
            Kind::Mlflow | Kind::V1 => (inside(got, "predictions"), wanted),
            Kind::V2 if wanted.get("outputs").is_some() => {
                (inside(got, "outputs"), inside(wanted, "outputs"))
            }
            Kind::V2 => {
                let data = got.pointer("/outputs/0/data");
                (data.unwrap_or(got), wanted)
            }
        }
    }

    /// Whether an answer has what the protocol promises, and what the user says is there; plain JSON promises nothing.
    pub(super) fn is_prediction(&self, row: &Row, got: &Value) -> bool {
        if let Some(pointer) = &row.pointer {
            return got.pointer(pointer).is_some();
        }
        match self.kind {
            Kind::Plain | Kind::Bento => true,
            Kind::Mlflow => got.get("predictions").is_some() || got.is_array(),
            Kind::V1 => got.get("predictions").is_some(),
            Kind::V2 => got.get("outputs").is_some_and(Value::is_array),
        }
    }
}

/// Finds out how to ask. `path` is the input `predict-path`, which decides where it is set, as a row's own path does.
///
/// # Errors
/// The paths that were tried. A server that does not answer at all is found out by the first row.
pub(crate) async fn detect(
    ask: impl AsyncFn(Question<'_>) -> Result<Answer, String>,
    path: Option<&str>,
    row: &Row,
) -> Result<Detected, Undetected> {
    if let Some(path) = row.path.as_deref().or(path) {
        return Ok(Detected {
            protocol: Protocol::at(path).for_request(&row.request),
            took: None,
        });
    }
    let mut tried = Vec::new();
    for protocol in candidates(&ask, &row.request).await {
        let body = row.body();
        let question = Question {
            method: "POST",
            path: &protocol.path,
            body: Some(&body),
        };
        let began = Instant::now();
        match ask(question).await {
            Ok(answer) if matches!(answer.status, 404 | 405) => tried.push(protocol.path),
            _ => {
                let took = Some(began.elapsed());
                return Ok(Detected { protocol, took });
            }
        }
    }
    Err(Undetected { tried })
}

/// Ways in which such a request may be meant, the likeliest first.
async fn candidates(
    ask: &impl AsyncFn(Question<'_>) -> Result<Answer, String>,
    request: &Value,
) -> Vec<Protocol> {
    let has = |key: &str| request.get(key).is_some();
    if request.pointer("/inputs/0/datatype").is_some() {
        let question = Question {
            method: "POST",
            path: "/v2/repository/index",
            body: Some("{}"),
        };
        let names = names(ask(question).await).into_iter();
        return names
            .map(|name| Protocol::at(&format!("/v2/models/{name}/infer")))
            .collect();
    }
    let mut paths = Vec::new();
    if form::is_of_mlflow(request) {
        paths.push(Protocol::at("/invocations"));
    }
    if has("instances") {
        let names = names(ask(Question::get("/v1/models")).await).into_iter();
        paths.extend(names.map(|name| Protocol::at(&format!("/v1/models/{name}:predict"))));
    }
    let described = ask(Question::get("/docs.json")).await;
    if let Some(path) = bento::route(described, request) {
        // A service of BentoML says itself where it is asked.
        let kind = Kind::Bento;
        return vec![Protocol { kind, path }];
    }
    if paths.is_empty() {
        paths.push(Protocol::at("/predict"));
    }
    paths
}

/// Names of models in a server's list: `[{"name": …}]`, `{"models": ["…"]}`, `{"models": [{"name": …}]}`. Without a list
/// the usual one.
fn names(answer: Result<Answer, String>) -> Vec<String> {
    let listed = answer.ok().filter(Answer::is_success);
    let listed = listed.and_then(|answer| lenient::parse(&answer.body).ok());
    let listed = listed.unwrap_or_default();
    let models = listed.get("models").unwrap_or(&listed);
    let models = models.as_array().map_or(&[][..], Vec::as_slice);
    let name = |model: &Value| {
        let name = model.get("name").unwrap_or(model).as_str()?;
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        name.chars().all(plain).then(|| name.to_owned())
    };
    let found: Vec<String> = models.iter().filter_map(name).take(4).collect();
    if found.is_empty() {
        return vec!["model".to_owned()];
    }
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn row(pointer: Option<&str>) -> Row {
        Row {
            request: Value::Null,
            response: None,
            path: None,
            pointer: pointer.map(str::to_owned),
            line: 1,
        }
    }

    #[test]
    fn a_path_tells_its_protocol() {
        for (path, name) in [
            ("/invocations", "MLflow"),
            ("/v1/models/wine:predict", "V1 inference protocol"),
            ("/v2/models/wine/versions/1/infer", "V2 inference protocol"),
            ("/predict", "JSON"),
            ("/v2/models/wine", "JSON"),
        ] {
            assert_eq!(Protocol::at(path).to_string(), name, "{path}");
        }
    }

    #[test]
    fn not_every_server_at_invocations_is_mlflow() {
        let of = |request: Value| {
            Protocol::at("/invocations")
                .for_request(&request)
                .to_string()
        };
        assert_eq!(of(json!({"x": 2})), "JSON");
        for request in [
            json!({"instances": [1]}),
            json!({"dataframe_split": {}}),
            json!([[1]]),
        ] {
            assert_eq!(of(request), "MLflow");
        }
        let v1 = Protocol::at("/v1/models/m:predict").for_request(&json!({"x": 2}));
        assert_eq!(v1.to_string(), "V1 inference protocol");
    }

    #[test]
    fn envelopes_and_metadata_are_not_compared() {
        let row = row(None);
        let predictions = json!({"predictions": [1]});
        let mlflow = Protocol::at("/invocations");
        let bare = json!([1]);
        assert_eq!(mlflow.parts(&row, &predictions, &bare), (&bare, &bare));
        assert_eq!(
            mlflow.parts(&row, &predictions, &predictions).0,
            &predictions
        );
        let v2 = Protocol::at("/v2/models/m/infer");
        let outputs = json!({"id": "a", "outputs": [{"name": "o", "data": [1]}]});
        let other = json!({"id": "b", "outputs": [{"name": "o", "data": [1]}]});
        let (got, wanted) = v2.parts(&row, &outputs, &other);
        assert_eq!(got, wanted);
        assert_eq!(v2.parts(&row, &outputs, &bare), (&bare, &bare));
        assert!(!v2.is_prediction(&row, &predictions) && v2.is_prediction(&row, &outputs));
        assert!(!mlflow.is_prediction(&row, &json!({"error": 1})));
        assert!(Protocol::at("/predict").is_prediction(&row, &json!(1)));
    }

    #[test]
    fn a_pointer_says_where_the_prediction_is() {
        let got = json!({"data": [{"score": 1}]});
        let one = json!(1);
        for path in ["/predict", "/invocations"] {
            let protocol = Protocol::at(path);
            let found = row(Some("/data/0/score"));
            assert!(protocol.is_prediction(&found, &got));
            assert_eq!(protocol.parts(&found, &got, &one), (&one, &one));
            assert!(!protocol.is_prediction(&row(Some("/data/1")), &got));
        }
    }

    #[test]
    fn lists_of_models_come_in_several_forms() {
        let of = |body: &str| {
            names(Ok(Answer {
                status: 200,
                body: body.to_owned(),
            }))
        };
        assert_eq!(of(r#"{"models": ["wine"]}"#), ["wine"]);
        assert_eq!(of(r#"[{"name": "a"}, {"name": "b"}]"#), ["a", "b"]);
        assert_eq!(of("<html>"), ["model"]);
        assert_eq!(of(r#"["../x"]"#), ["model"]);
        assert_eq!(names(Err(String::new())), ["model"]);
    }
}
