//! Conditions of statuses, as cert-manager has them: all fields but type and status may be missing.

use std::borrow::Cow;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Time;
use super::wire_enum::wire_enum;
use crate::text;

/// One statement about an object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// What the statement is about, for example Ready.
    #[serde(rename = "type")]
    pub type_: String,
    /// Whether it holds.
    pub status: ConditionStatus,
    /// When the status last changed; other changes leave it alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_transition_time: Option<Time>,
    /// One word for programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// A sentence for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The generation of the object that the condition describes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
}

wire_enum! {
    /// Whether a condition holds.
    #[derive(Default)]
    pub enum ConditionStatus {
        /// It holds.
        True = "True",
        /// It does not hold.
        False = "False",
        /// Not known.
        #[default]
        Unknown = "Unknown",
    }
}

/// The certificate, request or issuer can be used.
pub const READY: &str = "Ready";
/// A certificate is being issued (CST-02).
pub const ISSUING: &str = "Issuing";
/// A request may be signed.
pub const APPROVED: &str = "Approved";
/// A request must not be signed.
pub const DENIED: &str = "Denied";
/// A request can never be signed as it is (NB-27).
pub const INVALID_REQUEST: &str = "InvalidRequest";

impl Condition {
    /// Whether it is about the object in `generation`. One without a generation counts for each.
    pub fn is_of(&self, generation: i64) -> bool {
        self.observed_generation.is_none_or(|observed| observed >= generation)
    }

    /// A condition without a time; [`set`] adds it. Hidden characters of the message are escaped, because it may
    /// quote other programs.
    pub fn new(
        type_: impl Into<String>,
        status: ConditionStatus,
        reason: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self {
            type_: type_.into(),
            status,
            last_transition_time: None,
            reason: Some(reason.into()),
            message: Some(escaped(message.into())),
            observed_generation: None,
        }
    }

    /// The same condition with this observed generation.
    #[must_use]
    pub fn observed(self, generation: Option<i64>) -> Self {
        Self {
            observed_generation: generation,
            ..self
        }
    }

    /// Whether the status is True.
    pub fn is_true(&self) -> bool {
        self.status == ConditionStatus::True
    }

    /// The reason; empty if there is none.
    pub fn reason(&self) -> &str {
        self.reason.as_deref().unwrap_or_default()
    }

    /// The message; empty if there is none.
    pub fn message(&self) -> &str {
        self.message.as_deref().unwrap_or_default()
    }
}

fn escaped(message: String) -> String {
    match text::lines(&message) {
        Cow::Borrowed(_) => message,
        Cow::Owned(escaped) => escaped,
    }
}

/// The condition of this type, if there is one.
pub fn get<'a>(conditions: &'a [Condition], type_: &str) -> Option<&'a Condition> {
    conditions.iter().find(|condition| condition.type_ == type_)
}

/// Whether the condition of this type exists and is True.
pub fn is_true(conditions: &[Condition], type_: &str) -> bool {
    get(conditions, type_).is_some_and(Condition::is_true)
}

/// Replaces the condition of the same type, or appends `wanted`.
///
/// `lastTransitionTime` becomes `now` (whole seconds) only if the status changes. Otherwise the old time stays, even if
/// it is missing (NB-40). So a repeated call has no effect.
pub fn set(conditions: &mut Vec<Condition>, wanted: Condition, now: Timestamp) {
    let changed = Some(whole_second(now));
    match conditions.iter_mut().find(|condition| condition.type_ == wanted.type_) {
        Some(found) => {
            let same = found.status == wanted.status;
            let time = if same {
                found.last_transition_time.take()
            } else {
                changed
            };
            *found = Condition {
                last_transition_time: time,
                ..wanted
            };
        }
        None => conditions.push(Condition {
            last_transition_time: changed,
            ..wanted
        }),
    }
}

/// Removes the condition of this type. Returns whether there was one.
pub fn remove(conditions: &mut Vec<Condition>, type_: &str) -> bool {
    let before = conditions.len();
    conditions.retain(|condition| condition.type_ != type_);
    conditions.len() != before
}

/// `now` as objects store it. Fractions of a second would be lost on the wire, so that the object would always differ.
pub fn whole_second(now: Timestamp) -> Time {
    Time(Timestamp::from_second(now.as_second()).unwrap_or(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(second: i64) -> Timestamp {
        Timestamp::new(second, 123_456_789).expect("a second of this century")
    }

    fn ready(status: ConditionStatus, message: &str) -> Condition {
        Condition::new(READY, status, "Because", message)
    }

    #[test]
    fn the_transition_time_changes_only_when_the_status_does() {
        let mut conditions = Vec::new();
        set(&mut conditions, ready(ConditionStatus::False, "one"), second(10));
        set(&mut conditions, ready(ConditionStatus::False, "two"), second(20));
        let found = get(&conditions, READY).expect("just set");
        assert_eq!(
            (found.message(), &found.last_transition_time),
            ("two", &Some(whole_second(second(10))))
        );
        set(&mut conditions, ready(ConditionStatus::True, "three"), second(30));
        assert_eq!(conditions[0].last_transition_time, Some(whole_second(second(30))));
        assert_eq!(conditions.len(), 1);
    }

    #[test]
    fn a_missing_transition_time_stays_missing_while_the_status_stays() {
        let mut conditions = vec![ready(ConditionStatus::True, "from another controller")];
        set(&mut conditions, ready(ConditionStatus::True, "ours"), second(10));
        assert_eq!(conditions[0].last_transition_time, None);
    }

    #[test]
    fn times_are_stored_in_whole_seconds() {
        let mut conditions = Vec::new();
        set(
            &mut conditions,
            ready(ConditionStatus::True, "ok"),
            second(1_700_000_000),
        );
        let json = serde_json::to_value(&conditions).expect("plain data");
        let back: Vec<Condition> = serde_json::from_value(json).expect("what we wrote");
        assert_eq!(back, conditions);
    }

    #[test]
    fn removing_says_whether_there_was_one() {
        let mut conditions = vec![ready(ConditionStatus::True, "ok")];
        assert!(remove(&mut conditions, READY));
        assert!(!remove(&mut conditions, READY));
    }
}
