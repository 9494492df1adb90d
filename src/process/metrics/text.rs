//! The Prometheus text format 0.0.4.

use std::fmt::Write;

/// A part of the page.
#[derive(Default)]
pub struct Page {
    /// The text so far.
    pub text: String,
}

impl Page {
    /// Begins a family: help and type of the series that follow.
    pub fn head(&mut self, name: &str, type_: &str, help: &str) {
        // writing to a String cannot fail
        let _infallible = write!(self.text, "# HELP {name} {help}\n# TYPE {name} {type_}\n");
    }
}

/// Adds a series with its value.
pub fn sample(text: &mut String, name: &str, labels: &[(&str, &str)], value: f64) {
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
