//! The condition Ready of an object, as series.

use crate::{
    api::{Condition, ConditionStatus, condition},
    process::metrics::{Page, sample},
};

/// What the condition Ready says.
pub(super) fn ready(page: &mut Page, name: &str, labels: &[(&str, &str)], conditions: &[Condition]) {
    let ready = condition::get(conditions, condition::READY);
    answers(
        page,
        name,
        labels,
        ready.map_or(ConditionStatus::Unknown, |ready| ready.status),
    );
}

/// Three series, of which the one that holds is 1 (NB-34).
pub(super) fn answers(page: &mut Page, name: &str, labels: &[(&str, &str)], ready: ConditionStatus) {
    let ready = ready.to_string();
    for answer in ["True", "False", "Unknown"] {
        let labels: Vec<_> = labels.iter().copied().chain([("condition", answer)]).collect();
        sample(&mut page.text, name, &labels, f64::from(u8::from(answer == ready)));
    }
}
