//! Paths to fields in a schema: `spec.acme.solvers[].http01` (lists), `spec.extra{}` (maps), empty for the object
//! itself.

use serde_json::{Map, Value};

/// The schema of the field at `path`.
///
/// # Errors
/// A sentence with the name of the step that does not exist.
pub(super) fn field<'a>(schema: &'a mut Value, path: &str) -> Result<&'a mut Map<String, Value>, String> {
    let mut found = schema;
    for step in path.split('.').filter(|step| !step.is_empty()) {
        let (name, items) = match step.strip_suffix("[]") {
            Some(name) => (name, Some("items")),
            None => (
                step.strip_suffix("{}").unwrap_or(step),
                step.ends_with("{}").then_some("additionalProperties"),
            ),
        };
        let missing = || format!("there is no field {step} in {path}");
        found = found
            .get_mut("properties")
            .and_then(|properties| properties.get_mut(name))
            .ok_or_else(missing)?;
        if let Some(items) = items {
            found = found.get_mut(items).ok_or_else(missing)?;
        }
    }
    found.as_object_mut().ok_or_else(|| format!("{path} has no schema"))
}
