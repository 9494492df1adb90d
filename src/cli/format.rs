//! Output formats of the commands: tables for people, JSON and YAML for programs.

use std::borrow::Cow;
use std::io::{self, Write};

use serde::Serialize;

use crate::text::{self, Escaped, Escaping};

/// An output format. Every command has the same three.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, clap::ValueEnum)]
pub(super) enum Format {
    /// A table, or lines, for people. `text` is the same.
    #[default]
    #[value(alias = "text")]
    Table,
    /// JSON.
    Json,
    /// YAML.
    Yaml,
}

/// Prints a value in `format`. `table` renders the text for people.
///
/// # Errors
/// If the output cannot be written.
pub(super) fn print<T: Serialize + ?Sized>(
    out: &mut dyn Write,
    format: Format,
    value: &T,
    table: impl FnOnce(&T) -> String,
) -> io::Result<()> {
    match format {
        Format::Table => text(out, &table(value)),
        Format::Json => json(out, value),
        Format::Yaml => yaml(out, value),
    }
}

/// Prints text of several lines for people. Control and invisible characters are escaped.
///
/// # Errors
/// If the output cannot be written.
pub(super) fn text(out: &mut dyn Write, text: &str) -> io::Result<()> {
    Escaped::new(out, Escaping::Lines).write_all(text.as_bytes())
}

/// Prints JSON. Characters that are valid in JSON but unsafe in a terminal are escaped.
///
/// # Errors
/// If the output cannot be written.
pub(super) fn json<T: Serialize + ?Sized>(out: &mut dyn Write, value: &T) -> io::Result<()> {
    let text = serde_json::to_string_pretty(value)? + "\n";
    Escaped::new(out, Escaping::Json).write_all(text.as_bytes())
}

/// Prints YAML. A value that needs escapes is printed as JSON, which is valid YAML.
///
/// # Errors
/// If the output cannot be written.
pub(super) fn yaml<T: Serialize + ?Sized>(out: &mut dyn Write, value: &T) -> io::Result<()> {
    let text = serde_saphyr::to_string(&value).map_err(io::Error::other)?;
    if matches!(text::lines(&text), Cow::Borrowed(_)) {
        writeln!(out, "{}", text.trim_end())
    } else {
        json(out, value)
    }
}

/// Renders rows of a name and a value with aligned values. Rows with an empty value are omitted.
pub(super) fn rows(rows: &[(&str, String)]) -> String {
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    let shown = rows.iter().filter(|(_, value)| !value.is_empty());
    shown.fold(String::new(), |all, (name, value)| {
        format!("{all}{name:width$}  {}\n", text::line(value))
    })
}
