//! Where recorded predictions are found: the input `golden`; a file that the training wrote; the input example that MLflow
//! saved with the model; at last its signature. The first of them is used.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::form::{self, Form};
use super::rows::{Row, read};
use super::{lenient, signature};
use crate::context::Workspace;
use crate::diagnostic::Diagnostic;

/// Name of the file that a training script writes, in the model's folder or in `.ml-deploy`.
const WRITTEN: &str = "golden.jsonl";
/// Names of MLflow's examples, the one that a server understands as it is first.
const EXAMPLES: [&str; 2] = ["serving_input_example.json", "input_example.json"];

/// Rows and the file they came from.
#[derive(Clone, Debug)]
pub(crate) struct Recorded {
    pub(crate) file: PathBuf,
    pub(crate) rows: Vec<Row>,
    /// The request is none that anybody recorded: its values mean nothing, so an error in answer to it may be right.
    pub(crate) made_up: bool,
}

impl Recorded {
    /// Whether the rows are requests whose answers nobody recorded.
    pub(crate) fn is_example(&self) -> bool {
        self.rows.iter().all(|row| row.response.is_none())
    }
}

fn golden(workspace: &Workspace, path: &Path, form: &Form) -> Result<Recorded, Vec<Diagnostic>> {
    Ok(Recorded {
        rows: read(workspace, path, form)?,
        file: path.to_owned(),
        made_up: false,
    })
}

/// What is recorded: `asked` is the input `golden`, and `form` how its rows become requests.
///
/// # Errors
/// A file of rows that cannot be read; an example of MLflow that cannot is none.
pub(crate) fn find(
    workspace: &Workspace,
    asked: Option<&Path>,
    form: &Form,
    model: &Path,
) -> Result<Option<Recorded>, Vec<Diagnostic>> {
    if let Some(path) = asked {
        return golden(workspace, path, form).map(Some);
    }
    let written = [model.join(WRITTEN), workspace.state.join(WRITTEN)];
    if let Some(path) = written.iter().find(|path| path.is_file()) {
        return golden(workspace, path, form).map(Some);
    }
    let described = mlmodel(model);
    let described = described.as_deref();
    Ok(described.and_then(|path| example(path.parent()?).or_else(|| made_up(path))))
}

/// The file that describes an MLflow model: in the model's folder or one below.
pub(super) fn mlmodel(model: &Path) -> Option<PathBuf> {
    let own = model.join("MLmodel");
    if own.is_file() {
        return Some(own);
    }
    let entries = std::fs::read_dir(model).into_iter().flatten().flatten();
    let below = entries.map(|entry| entry.path().join("MLmodel"));
    // The order of a folder is nobody's choice.
    below.filter(|path| path.is_file()).min()
}

/// The example beside an `MLmodel`, as the body of one request.
fn example(folder: &Path) -> Option<Recorded> {
    EXAMPLES.iter().find_map(|name| {
        let file = folder.join(name);
        let text = std::fs::read_to_string(&file).ok()?;
        let request = body(lenient::parse(&text).ok()?)?;
        Some(one(file, request, false))
    })
}

/// A request made up from the model's signature.
fn made_up(mlmodel: &Path) -> Option<Recorded> {
    let text = std::fs::read_to_string(mlmodel).ok()?;
    Some(one(mlmodel.to_owned(), signature::request(&text)?, true))
}

fn one(file: PathBuf, request: Value, made_up: bool) -> Recorded {
    let row = Row {
        request,
        response: None,
        path: None,
        pointer: None,
        line: 1,
    };
    Recorded {
        file,
        rows: vec![row],
        made_up,
    }
}

/// An example as MLflow's scoring server takes it; `None` for a form that it does not.
fn body(example: Value) -> Option<Value> {
    if form::is_of_mlflow(&example) {
        return Some(example);
    }
    let has = |key: &str| example.get(key).is_some();
    (has("columns") && has("data")).then(|| json!({"dataframe_split": example}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_source_is_used() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().to_owned();
        let workspace = Workspace::at(&root);
        let model = root.join("model");
        let write = |path: &str, text: &str| {
            let path = root.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        let found = |asked: Option<&Path>| {
            let found = find(&workspace, asked, &Form::default(), &model).unwrap();
            found.map(|found| (workspace.relative(&found.file), found.rows[0].body()))
        };
        assert_eq!(found(None), None);
        write("model/m/MLmodel", "flavors:\n");
        let inputs = r#"signature: {inputs: '[{"type": "long", "name": "a"}]'}"#;
        write("model/m/MLmodel", inputs);
        let (file, request) = found(None).unwrap();
        assert_eq!(file, "model/m/MLmodel");
        assert_eq!(
            request,
            r#"{"dataframe_split":{"columns":["a"],"data":[[1]]}}"#
        );
        write(
            "model/m/input_example.json",
            r#"{"columns": ["a"], "data": [[NaN]]}"#,
        );
        let (file, request) = found(None).unwrap();
        assert_eq!(file, "model/m/input_example.json");
        assert_eq!(
            request,
            r#"{"dataframe_split":{"columns":["a"],"data":[[NaN]]}}"#
        );
        write("model/m/serving_input_example.json", r#"{"inputs": [1]}"#);
        assert_eq!(found(None).unwrap().0, "model/m/serving_input_example.json");
        write(
            ".ml-deploy/golden.jsonl",
            r#"{"request": 1, "response": 1}"#,
        );
        assert_eq!(found(None).unwrap().0, ".ml-deploy/golden.jsonl");
        write("model/golden.jsonl", r#"{"request": 2, "response": 1}"#);
        assert_eq!(found(None).unwrap().1, "2");
        write("own.jsonl", r#"{"request": 3, "response": 1}"#);
        assert_eq!(found(Some(&root.join("own.jsonl"))).unwrap().1, "3");
        write("model/golden.jsonl", "nothing");
        assert!(find(&workspace, None, &Form::default(), &model).is_err());
    }
}
