//! Parser for the annotation `cert-manager.io/secret-template`, like Go's `json.Decoder` (ANN-16).
//!
//! Field names are case-insensitive, `null` counts as absent, and text after the first JSON value is ignored. An unknown field is
//! an error.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::api::certificate::SecretTemplate;

/// The template of an annotation.
///
/// # Errors
/// A sentence, if the text is not a JSON object with maps of strings.
pub(super) fn read(text: &str) -> Result<SecretTemplate, String> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<Value>();
    let first = values.next().ok_or("it contains no value")?;
    let mut template = SecretTemplate::default();
    match first.map_err(|error| error.to_string())? {
        Value::Null => {}
        Value::Object(fields) => {
            for (name, value) in fields {
                let field = match name.to_lowercase().as_str() {
                    "annotations" => &mut template.annotations,
                    "labels" => &mut template.labels,
                    _ => {
                        return Err(format!(
                            "unknown field {name:?}; known are \"annotations\" and \"labels\""
                        ));
                    }
                };
                pairs(&name, value, field)?;
            }
        }
        other @ (Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) => {
            return Err(format!("{other} is not an object"));
        }
    }
    Ok(template)
}

fn pairs(field: &str, value: Value, into: &mut BTreeMap<String, String>) -> Result<(), String> {
    match value {
        Value::Null => Ok(()),
        Value::Object(found) => {
            for (key, value) in found {
                let text = match value {
                    Value::String(text) => text,
                    Value::Null => String::new(),
                    other @ (Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
                        return Err(format!("{field}: the value of {key:?} is {other}, not a string"));
                    }
                };
                into.insert(key, text);
            }
            Ok(())
        }
        other @ (Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) => {
            Err(format!("{field}: {other} is not an object"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::read;

    /// Each text was given to Go's `json.Decoder` with `DisallowUnknownFields`.
    #[test]
    fn what_go_reads_is_read() {
        let rows = [
            (r#"{"Labels":{"a":"b"}}"#, 1, 0),
            (r#"{"LABELS":{"a":"b"},"annotations":{"c":"d"}}"#, 1, 1),
            (r#"{"labels":null}"#, 0, 0),
            (r#"{"labels":{"a":null}}"#, 1, 0),
            ("null", 0, 0),
            ("{}", 0, 0),
            (r#"{"labels":{"a":"b"}} x"#, 1, 0),
            (r#" {"labels":{"a":"b"}}{"lables":{}}"#, 1, 0),
        ];
        for (text, labels, annotations) in rows {
            let template = read(text).unwrap_or_else(|why| panic!("{text}: {why}"));
            assert_eq!(
                (template.labels.len(), template.annotations.len()),
                (labels, annotations),
                "{text}"
            );
        }
    }

    #[test]
    fn what_go_refuses_is_refused() {
        for text in [
            "",
            "  ",
            "[]",
            "\"labels\"",
            r#"{"lables":{}}"#,
            r#"{"labels":["a"]}"#,
            r#"{"labels":{"a":1}}"#,
            r#"{"labels":{"a":"b"}"#,
            "x {}",
        ] {
            assert!(read(text).is_err(), "{text:?}");
        }
    }
}
