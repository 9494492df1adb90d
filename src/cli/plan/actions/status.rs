//! The action for a changed status.

use serde::Serialize;
use serde_json::Value;

use super::Action;

/// The action for a changed status, with the changed fields; `None` if the statuses are equal.
pub(super) fn status_written<T: Serialize>(old: &T, new: &T) -> Option<Action> {
    let fields = |status: &T| match serde_json::to_value(status) {
        Ok(Value::Object(fields)) => fields,
        Ok(_) | Err(_) => serde_json::Map::new(),
    };
    let (old, new) = (fields(old), fields(new));
    let names: std::collections::BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let mut changes = Vec::new();
    let mut because = Vec::new();
    for name in names.into_iter().filter(|name| old.get(*name) != new.get(*name)) {
        if name == "conditions" {
            for change in changed_conditions(old.get(name), new.get(name)) {
                let (Change::Set(condition) | Change::Removed(condition)) = change;
                let text = |key: &str| condition.get(key).and_then(Value::as_str).unwrap_or_default();
                if let Change::Removed(_) = change {
                    changes.push(format!("remove condition {}", text("type")));
                } else {
                    changes.push(format!("{}={} ({})", text("type"), text("status"), text("reason")));
                    because.push(text("message").to_owned());
                }
            }
        } else {
            if name == "reason" {
                because.extend(new.get(name).and_then(Value::as_str).map(str::to_owned));
            }
            changes.push(name.clone());
        }
    }
    if changes.is_empty() {
        return None;
    }
    because.retain(|text| !text.is_empty());
    if because.is_empty() {
        because.push("its status is not up to date".to_owned());
    }
    Some((format!("write its status: {}", changes.join(", ")), because.join("; ")))
}

/// A condition that is set or removed.
enum Change<'a> {
    Set(&'a Value),
    Removed(&'a Value),
}

fn changed_conditions<'a>(old: Option<&'a Value>, new: Option<&'a Value>) -> Vec<Change<'a>> {
    let list = |value: Option<&'a Value>| value.and_then(Value::as_array).into_iter().flatten();
    let type_of = |condition: &Value| condition.get("type").cloned();
    let gone = list(old).filter(|one| !list(new).any(|other| type_of(other) == type_of(one)));
    let now = list(new).filter(|one| !list(old).any(|other| other == *one));
    now.map(Change::Set).chain(gone.map(Change::Removed)).collect()
}
