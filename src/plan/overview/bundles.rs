//! Trust bundles that are not synced.

use std::sync::Arc;

use super::{Entry, Urgency};
use crate::{
    api::{ConditionStatus, bundle::SYNCED, condition},
    plan::{
        kinds::BundleKind,
        seen::{Kind as _, Lean},
    },
};

/// The entry of a Bundle; `None` if it is synced, or nothing has reconciled it yet.
pub(super) fn entry(bundle: &Lean<BundleKind>) -> Option<Entry> {
    let conditions = bundle.status().conditions;
    let synced = condition::get(&conditions, SYNCED)?;
    if synced.status == ConditionStatus::True {
        return None;
    }
    Some(Entry {
        urgency: Urgency::Failing,
        kind: BundleKind::KIND,
        namespace: "".into(),
        name: Arc::clone(&bundle.meta.key.name),
        reason: synced.reason().to_owned(),
        sentence: synced.message().to_owned(),
        issuer: None,
        since: synced.last_transition_time.as_ref().map(|time| time.0),
        not_after: None,
        renewal_time: None,
        next_attempt_time: None,
        failed_issuance_attempts: None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{json, value::to_raw_value};

    use super::*;
    use crate::plan::request::fixture::meta;

    fn bundle(status: &serde_json::Value) -> Lean<BundleKind> {
        Lean {
            meta: meta("roots", "uid"),
            spec: to_raw_value(&json!({})).unwrap(),
            status: Some(to_raw_value(status).unwrap()),
            kind: std::marker::PhantomData,
        }
    }

    #[test]
    fn only_a_bundle_that_is_not_synced_has_an_entry() {
        let of = |status: &str| {
            json!({"conditions": [{"type": "Synced", "status": status, "reason": "SourceNotFound", "message": "why",
                "lastTransitionTime": "2026-11-30T08:00:00Z"}]})
        };
        let found = entry(&bundle(&of("False"))).unwrap();
        assert_eq!(
            (found.reason.as_str(), found.sentence.as_str()),
            ("SourceNotFound", "why")
        );
        assert_eq!(entry(&bundle(&of("True"))), None);
        assert_eq!(entry(&bundle(&json!({}))), None);
    }
}
