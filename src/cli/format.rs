//! Tables for people, JSON and YAML for programs.

use std::borrow::Cow;
use std::io::{self, Write};

use serde::Serialize;

use crate::text::{self, Escaped, Escaping};

/// How to print.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, clap::ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Table,
    /// For programs.
    Json,
    /// For programs, and people who read it.
    Yaml,
}

/// Prints a value; `table` makes the text for people.
///
/// # Errors
/// When the output cannot be written.
pub fn print<T: Serialize>(
    out: &mut dyn Write,
    format: Format,
    value: &T,
    table: impl Fn(&T) -> String,
) -> io::Result<()> {
    match format {
        Format::Table => text(out, &table(value)),
        Format::Json => json(out, value),
        Format::Yaml => yaml(out, value),
    }
}

/// Prints text of several lines for people: hidden characters are escaped.
///
/// # Errors
/// When the output cannot be written.
pub fn text(out: &mut dyn Write, text: &str) -> io::Result<()> {
    Escaped::new(out, Escaping::Lines).write_all(text.as_bytes())
}

/// Prints JSON: what serde leaves as it is and a terminal does not is escaped.
///
/// # Errors
/// When the output cannot be written.
pub fn json<T: Serialize + ?Sized>(out: &mut dyn Write, value: &T) -> io::Result<()> {
    let text = serde_json::to_string_pretty(value)? + "\n";
    Escaped::new(out, Escaping::Json).write_all(text.as_bytes())
}

/// Prints YAML. Values that need escapes are printed as JSON, which is YAML too and can escape everything.
///
/// # Errors
/// When the output cannot be written.
pub fn yaml<T: Serialize + ?Sized>(out: &mut dyn Write, value: &T) -> io::Result<()> {
    let text = serde_saphyr::to_string(&value).map_err(io::Error::other)?;
    if matches!(text::lines(&text), Cow::Borrowed(_)) {
        writeln!(out, "{}", text.trim_end())
    } else {
        json(out, value)
    }
}

/// Rows of a name and a value, the values under each other; rows without a value are left out.
pub fn rows(rows: &[(&str, String)]) -> String {
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    let shown = rows.iter().filter(|(_, value)| !value.is_empty());
    shown.fold(String::new(), |all, (name, value)| {
        format!("{all}{name:width$}  {}\n", text::line(value))
    })
}
