//! Validation rules in CEL, and their place in a schema.

use serde_json::{Value, json};

use super::{object, path};

/// A validation rule of a field. Unchanged fields of stored objects are not validated again: the API server ratchets
/// (Kubernetes 1.33).
#[derive(Clone, Copy, Debug)]
pub(super) struct Rule {
    /// The row of docs/validation.md.
    pub(super) row: &'static str,
    /// The field of the rule, see [`path`].
    pub(super) at: &'static str,
    /// The field below it that the message names, if it is another one.
    pub(super) field: &'static str,
    /// The expression.
    pub(super) holds: &'static str,
    /// The message of a violation.
    pub(super) message: Message,
    /// The kind of violation, which begins the message.
    pub(super) wrong: Wrong,
    /// Whether `oldSelf` is an optional, so that the rule is evaluated for new objects too.
    pub(super) optional_old: bool,
}

/// The message for the user.
#[derive(Clone, Copy, Debug)]
pub(super) enum Message {
    /// This text.
    Text(&'static str),
    /// The result of this expression, or else the text.
    Expression(&'static str, &'static str),
}

/// A kind of violation.
#[derive(Clone, Copy, Debug)]
pub(super) enum Wrong {
    /// "Invalid value".
    Invalid,
    /// "Required value".
    Missing,
    /// "Forbidden".
    Forbidden,
    /// "Duplicate value".
    Duplicate,
}

impl Rule {
    /// A rule about the field `at` itself.
    pub(super) const fn new(row: &'static str, at: &'static str, holds: &'static str, message: &'static str) -> Self {
        Self {
            row,
            at,
            field: "",
            holds,
            message: Message::Text(message),
            wrong: Wrong::Invalid,
            optional_old: false,
        }
    }

    /// The same, with an `oldSelf` that is an optional: a rule of the object itself, which the API server does not
    /// ratchet.
    pub(super) const fn comparing(self) -> Self {
        Self {
            optional_old: true,
            ..self
        }
    }

    /// The same, with the name of a field below.
    pub(super) const fn naming(self, field: &'static str) -> Self {
        Self { field, ..self }
    }

    /// The same, for a field that is missing.
    pub(super) const fn missing(self) -> Self {
        Self {
            wrong: Wrong::Missing,
            ..self
        }
    }

    /// The same, for a field that is not allowed, or not with this value.
    pub(super) const fn forbidden(self) -> Self {
        Self {
            wrong: Wrong::Forbidden,
            ..self
        }
    }

    /// The same, for a duplicate value.
    pub(super) const fn duplicate(self) -> Self {
        Self {
            wrong: Wrong::Duplicate,
            ..self
        }
    }

    /// The same, with a message that depends on the object.
    pub(super) const fn saying(self, expression: &'static str) -> Self {
        let text = match self.message {
            Message::Text(text) | Message::Expression(_, text) => text,
        };
        Self {
            message: Message::Expression(expression, text),
            ..self
        }
    }

    /// Adds the rule to `schema`.
    ///
    /// # Errors
    /// A sentence, if the field does not exist.
    pub(super) fn apply(&self, schema: &mut Value) -> Result<(), String> {
        let Self {
            row,
            at,
            field,
            holds,
            message,
            wrong,
            optional_old,
        } = self;
        let found = path::field(schema, at).map_err(|error| format!("{row}: {error}"))?;
        let (text, expression) = match message {
            Message::Text(text) => (text, None),
            Message::Expression(expression, text) => (text, Some(one_line(expression))),
        };
        let reason = match wrong {
            Wrong::Invalid => None,
            Wrong::Missing => Some("FieldValueRequired"),
            Wrong::Forbidden => Some("FieldValueForbidden"),
            Wrong::Duplicate => Some("FieldValueDuplicate"),
        };
        let rule = object([
            ("rule", Some(json!(one_line(holds)))),
            ("message", Some(json!(text))),
            ("messageExpression", expression.map(Value::from)),
            ("reason", reason.map(Value::from)),
            ("fieldPath", (!field.is_empty()).then(|| json!(field))),
            ("optionalOldSelf", optional_old.then(|| json!(true))),
        ]);
        let rules = found.entry("x-kubernetes-validations").or_insert_with(|| json!([]));
        let rules = rules
            .as_array_mut()
            .ok_or_else(|| format!("{row}: the rules of {at} are no list"))?;
        rules.push(rule);
        Ok(())
    }
}

/// The expression without line ends and indentation.
fn one_line(expression: &str) -> String {
    expression.split_whitespace().collect::<Vec<_>>().join(" ")
}
