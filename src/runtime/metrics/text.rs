//! Prometheus' text format 0.0.4.

use std::fmt::Write;

use crate::api::{Condition, ConditionStatus, condition};

/// A part of the page.
#[derive(Default)]
pub(super) struct Page {
    pub(super) text: String,
}

impl Page {
    /// What the series that follow mean.
    pub(super) fn head(&mut self, name: &str, type_: &str, help: &str) {
        // writing to a String cannot fail
        let _infallible = write!(self.text, "# HELP {name} {help}\n# TYPE {name} {type_}\n");
    }

    /// What the condition Ready says.
    pub(super) fn condition(&mut self, name: &str, labels: &[(&str, &str)], conditions: &[Condition]) {
        let ready = condition::get(conditions, condition::READY);
        self.answers(
            name,
            labels,
            ready.map_or(ConditionStatus::Unknown, |ready| ready.status),
        );
    }

    /// Three series, of which the one that holds is 1 (NB-34).
    pub(super) fn answers(&mut self, name: &str, labels: &[(&str, &str)], ready: ConditionStatus) {
        let ready = ready.to_string();
        for answer in ["True", "False", "Unknown"] {
            let labels: Vec<_> = labels.iter().copied().chain([("condition", answer)]).collect();
            sample(&mut self.text, name, &labels, f64::from(u8::from(answer == ready)));
        }
    }
}

/// One series and its value.
pub(super) fn sample(text: &mut String, name: &str, labels: &[(&str, &str)], value: f64) {
    text.push_str(name);
    for (at, (label, value)) in labels.iter().enumerate() {
        text.push(if at == 0 { '{' } else { ',' });
        text.push_str(label);
        text.push_str("=\"");
        for c in value.chars() {
            match c {
                '\\' => text.push_str("\\\\"),
                '"' => text.push_str("\\\""),
                '\n' => text.push_str("\\n"),
                c => text.push(c),
            }
        }
        text.push('"');
    }
    if !labels.is_empty() {
        text.push('}');
    }
    let _infallible = writeln!(text, " {value}");
}
