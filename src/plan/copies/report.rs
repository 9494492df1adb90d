//! What a Certificate reports of its copies: one condition, and an Event when it changes for the worse.

use jiff::Timestamp;

use super::{CopyPlan, CopyProblem};
use crate::{
    api::{
        CertificateStatus,
        condition::{self, Condition, ConditionStatus},
    },
    plan::notice::Notice,
    text::first_few,
};

/// Type of the condition: whether each namespace that the Certificate names has a copy of its Secret.
pub const SECRET_SYNCED: &str = "SecretSynced";
/// Reason of the condition if each has one.
const COPIED: &str = "Copied";
/// Reason of the Event if one has none.
const NOT_COPIED: &str = "SecretNotCopied";
/// The most namespaces that the condition names.
const MOST_NAMED: usize = 10;
/// The most problems that the condition describes.
const MOST_PROBLEMS: usize = 3;

/// The status with the condition that follows from a plan, and from the writes that were rejected; without it if nothing is requested.
pub fn status(
    now: Timestamp,
    generation: i64,
    seen: &CertificateStatus,
    plan: &CopyPlan,
    rejected: &[CopyProblem],
) -> CertificateStatus {
    let mut status = seen.clone();
    match synced(plan, rejected) {
        Some(synced) => condition::set(&mut status.conditions, synced.observed(Some(generation)), now),
        None => {
            condition::remove(&mut status.conditions, SECRET_SYNCED);
        }
    }
    status
}

/// The Event for a condition that has become False, or False for another reason.
pub fn news(before: &CertificateStatus, after: &CertificateStatus) -> Option<Notice> {
    let [before, after] = [before, after].map(|status| condition::get(&status.conditions, SECRET_SYNCED));
    let after = after.filter(|after| !after.is_true())?;
    let is_known = before.is_some_and(|before| !before.is_true() && before.message() == after.message());
    (!is_known).then(|| Notice::warning(NOT_COPIED, after.message()).by_message())
}

fn synced(plan: &CopyPlan, rejected: &[CopyProblem]) -> Option<Condition> {
    let problems: Vec<&CopyProblem> = rejected.iter().chain(&plan.problems).collect();
    let namespaces: Vec<String> = plan.copied.iter().map(ToString::to_string).collect();
    let named = first_few(&namespaces, MOST_NAMED);
    let Some(first) = problems.first() else {
        let message = format!("The Secret is copied into {named}");
        let synced = Condition::new(SECRET_SYNCED, ConditionStatus::True, COPIED, message);
        return (!namespaces.is_empty()).then_some(synced);
    };
    let described = problems
        .iter()
        .take(MOST_PROBLEMS)
        .map(|problem| problem.message.as_str());
    let mut message = described.collect::<Vec<_>>().join(". ");
    let more = problems.len().saturating_sub(MOST_PROBLEMS);
    if more > 0 {
        message = format!("{message}. And {more} more");
    }
    if !namespaces.is_empty() && rejected.is_empty() {
        message = format!("The Secret is copied into {named}, but: {message}");
    }
    Some(Condition::new(
        SECRET_SYNCED,
        ConditionStatus::False,
        first.reason,
        message,
    ))
}
