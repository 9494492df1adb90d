//! Tables for people, JSON and YAML for programs.

use std::io::{self, Write};

use serde::Serialize;

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
        Format::Table => out.write_all(table(value).as_bytes()),
        Format::Json => writeln!(out, "{}", serde_json::to_string_pretty(value)?),
        Format::Yaml => {
            let text = serde_saphyr::to_string(value).map_err(io::Error::other)?;
            writeln!(out, "{}", text.trim_end())
        }
    }
}

/// Rows of a name and a value, the values under each other; rows without a value are left out.
pub fn rows(rows: &[(&str, String)]) -> String {
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    let shown = rows.iter().filter(|(_, value)| !value.is_empty());
    shown.fold(String::new(), |text, (name, value)| {
        format!("{text}{name:width$}  {value}\n")
    })
}
