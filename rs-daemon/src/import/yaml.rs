//! YAML as the same kind of tree that JSON gives.

use serde_json::{Map, Value};
use yaml_rust2::{Yaml, YamlLoader};

use super::ImportError;

/// The first document of a file.
pub(super) fn document(file: &str, text: &str) -> Result<Value, ImportError> {
    let documents = YamlLoader::load_from_str(text)
        .map_err(|source| ImportError::Yaml { file: file.to_owned(), source })?;
    let missing = || ImportError::Missing { file: file.to_owned(), what: "content" };
    documents.first().map(value).ok_or_else(missing)
}

fn value(yaml: &Yaml) -> Value {
    match yaml {
        Yaml::Integer(number) => (*number).into(),
        // As it is written: 1.10 may be an AS number, which is not 1.1.
        Yaml::Real(text) | Yaml::String(text) => text.as_str().into(),
        Yaml::Boolean(truth) => (*truth).into(),
        Yaml::Array(elements) => elements.iter().map(value).collect(),
        Yaml::Hash(entries) => {
            let entries = entries.iter().map(|(key, entry)| (key_text(key), value(entry)));
            Value::Object(entries.collect::<Map<_, _>>())
        }
        Yaml::Alias(_) | Yaml::Null | Yaml::BadValue => Value::Null,
    }
}

fn key_text(key: &Yaml) -> String {
    match value(key) {
        Value::String(text) => text,
        other => other.to_string(),
    }
}
