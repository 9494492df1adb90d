//! Objects into which a CA is to be injected, and that do not have it.

use std::sync::Arc;

use super::{Entry, Urgency};
use crate::plan::injection::{CaSource, InjectionStep, TargetId};

/// The reason of a target whose bundles lack the CA that is about to be injected.
const NOT_INJECTED: &str = "CANotInjected";

/// The entry of a target; `None` if it has the CA of its source.
pub fn target(id: &TargetId, source: Option<&CaSource>, step: &InjectionStep) -> Option<Entry> {
    let (urgency, reason, sentence) = match step {
        InjectionStep::Leave => return None,
        InjectionStep::Refuse(refusal) => (Urgency::Failing, refusal.reason, refusal.message.clone()),
        InjectionStep::Delay(refusal) => (Urgency::Waiting, refusal.reason, refusal.message.clone()),
        InjectionStep::Write { .. } => {
            let source = source.map(ToString::to_string).unwrap_or_default();
            let sentence = format!("a caBundle lacks the CA of {source}, or holds a certificate that has expired");
            (Urgency::Waiting, NOT_INJECTED, sentence)
        }
    };
    Some(Entry {
        urgency,
        kind: id.kind.name(),
        namespace: "".into(),
        name: Arc::clone(&id.name),
        reason: reason.to_owned(),
        sentence,
        issuer: None,
        since: None,
        not_after: None,
        renewal_time: None,
        next_attempt_time: None,
        failed_issuance_attempts: None,
    })
}
