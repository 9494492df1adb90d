//! The conversion of the schema of the types into a structural schema.

use serde_json::{Map, Value, json};

/// Keywords with maps of fields or lists of alternatives, to traverse the whole schema.
const NESTED: [&str; 2] = ["items", "additionalProperties"];

/// Makes lists atomic (CRD-08), makes optional fields absent instead of null, and joins lines of texts.
pub(super) fn make_structural(schema: &mut Value) {
    let Some(fields) = schema.as_object_mut() else { return };
    fields.remove("nullable");
    if let Some(Value::Array(values)) = fields.get_mut("enum") {
        values.retain(|value| !value.is_null());
    }
    if fields.get("type") == Some(&json!("array")) && !fields.contains_key("x-kubernetes-list-type") {
        fields.insert("x-kubernetes-list-type".to_owned(), json!("atomic"));
    }
    if let Some(Value::String(text)) = fields.get_mut("description") {
        *text = one_line(text);
    }
    for key in NESTED {
        if let Some(nested) = fields.get_mut(key) {
            make_structural(nested);
        }
    }
    for (name, nested) in fields
        .get_mut("properties")
        .and_then(Value::as_object_mut)
        .into_iter()
        .flatten()
    {
        match name.as_str() {
            "conditions" => keyed_by(nested, "type"),
            "imagePullSecrets" => keyed_by(nested, "name"),
            // A copy from Kubernetes, longer than all the rest together.
            "affinity" => affinity(nested),
            _ => {}
        }
        make_structural(nested);
    }
}

/// Paragraphs stay, line ends of the source are removed, and so is the markup of Rust's documentation.
fn one_line(text: &str) -> String {
    let paragraphs: Vec<String> = text
        .split("\n\n")
        .map(|paragraph| paragraph.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    paragraphs.join("\n\n").replace('`', "")
}

fn keyed_by(list: &mut Value, key: &str) {
    if let Some(list) = list.as_object_mut() {
        list.insert("x-kubernetes-list-type".to_owned(), json!("map"));
        list.insert("x-kubernetes-list-map-keys".to_owned(), json!([key]));
    }
}

/// Keeps the first description only, and marks the objects that are replaced as a whole when applied.
fn affinity(schema: &mut Value) {
    for nested in children(schema) {
        bare(nested);
    }
}

fn bare(schema: &mut Value) {
    if let Some(fields) = schema.as_object_mut() {
        fields.remove("description");
    }
    for nested in children(schema) {
        bare(nested);
    }
    let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) else {
        return;
    };
    for name in ["labelSelector", "namespaceSelector", "preference"] {
        if let Some(selector) = properties.get_mut(name).and_then(Value::as_object_mut) {
            replaced_as_a_whole(selector);
        }
    }
    if let Some(Value::Object(terms)) = properties
        .get_mut("nodeSelectorTerms")
        .and_then(|list| list.get_mut("items"))
    {
        replaced_as_a_whole(terms);
    }
}

fn replaced_as_a_whole(schema: &mut Map<String, Value>) {
    schema.insert("x-kubernetes-map-type".to_owned(), json!("atomic"));
}

fn children(schema: &mut Value) -> Vec<&mut Value> {
    let Some(fields) = schema.as_object_mut() else {
        return Vec::new();
    };
    fields
        .iter_mut()
        .flat_map(|(key, value)| match (key.as_str(), value) {
            ("properties", Value::Object(properties)) => properties.values_mut().collect(),
            (key, value) if NESTED.contains(&key) => vec![value],
            _ => Vec::new(),
        })
        .collect()
}
