//! Series for the condition Ready of an object.

use crate::{
    api::{Condition, ConditionStatus, condition},
    process::metrics::{Page, sample},
};

/// The status of the condition Ready.
pub(super) fn ready(page: &mut Page, name: &str, labels: &[(&str, &str)], conditions: &[Condition]) {
    let ready = condition::get(conditions, condition::READY);
    answers(
        page,
        name,
        labels,
        ready.map_or(ConditionStatus::Unknown, |ready| ready.status),
    );
}

/// Three series; the one that applies is 1 (NB-34).
pub(super) fn answers(page: &mut Page, name: &str, labels: &[(&str, &str)], ready: ConditionStatus) {
    let ready = ready.to_string();
    for answer in ["True", "False", "Unknown"] {
        let labels: Vec<_> = labels.iter().copied().chain([("condition", answer)]).collect();
        sample(&mut page.text, name, &labels, f64::from(u8::from(answer == ready)));
    }
}
