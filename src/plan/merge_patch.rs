//! JSON merge patches (RFC 7396).

use serde_json::{Map, Value};

/// The merge patch from `old` to `new`, or `None` if they are equal.
///
/// Lists are replaced as a whole (RFC 7396).
pub fn difference(old: &Value, new: &Value) -> Option<Value> {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => {
            let removed = old
                .keys()
                .filter(|key| !new.contains_key(*key))
                .map(|key| (key.clone(), Value::Null));
            let changed = new.iter().filter_map(|(key, value)| {
                let patch = old
                    .get(key)
                    .map_or_else(|| Some(value.clone()), |before| difference(before, value));
                patch.map(|patch| (key.clone(), patch))
            });
            let patch: Map<_, _> = removed.chain(changed).collect();
            (!patch.is_empty()).then_some(Value::Object(patch))
        }
        (old, new) => (old != new).then(|| new.clone()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn equal_values_differ_in_nothing() {
        let value = json!({"a": 1, "b": {"c": [1, 2]}});
        assert_eq!(difference(&value, &value), None);
    }

    #[test]
    fn what_is_gone_becomes_null_and_what_changed_is_found_in_depth() {
        let old = json!({"gone": 1, "same": 2, "deep": {"x": 1, "y": 2}, "list": [1, 2]});
        let new = json!({"same": 2, "new": true, "deep": {"x": 3, "y": 2}, "list": [2]});
        assert_eq!(
            difference(&old, &new),
            Some(json!({"gone": null, "new": true, "deep": {"x": 3}, "list": [2]}))
        );
    }
}
