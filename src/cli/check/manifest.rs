//! The manifests of `deploy` that are in the program: the one source of what an installation needs.

use serde_json::Value;

/// The objects of a manifest. A document that cannot be parsed is skipped; a test reads all of them.
pub(super) fn objects(manifest: &str) -> Vec<Value> {
    let documents = manifest.split("\n---\n");
    documents
        .filter_map(|document| serde_saphyr::from_str::<Value>(document).ok())
        .filter(Value::is_object)
        .collect()
}
