//! Sanitising of texts from other sources for terminals, logs and status: control characters, direction marks and invisible
//! characters are escaped, so that a printed name is what it appears to be.

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, Write};

/// Whether a character would not be displayed as itself: control characters (C0, DEL, C1), line and paragraph separators,
/// direction marks, characters without width, tags and variation selectors.
pub fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}')
}

/// Sanitises a text to one line. Line breaks are escaped, too, as `\n`.
pub fn line(text: &str) -> Cow<'_, str> {
    escaped(text, |_| false, escape)
}

/// Sanitises a text of several lines. Line breaks stay.
pub fn lines(text: &str) -> Cow<'_, str> {
    escaped(text, |character| character == '\n', escape)
}

/// Like [`line()`], for at most the given number of characters of `text`.
pub fn short_line(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        Some((end, _)) => format!("{}…", line(text.get(..end).unwrap_or_default())),
        None => line(text).into_owned(),
    }
}

/// JSON with escapes for characters that serde leaves unescaped. Outside of strings, JSON contains none of them except white
/// space.
pub fn json(text: &str) -> Cow<'_, str> {
    escaped(
        text,
        |character| character == '\n',
        |out, character| {
            for unit in character.encode_utf16(&mut [0; 2]) {
                let _infallible = write!(out, "\\u{unit:04x}");
            }
        },
    )
}

/// Number of characters that are quoted of a text from another source.
pub const EXCERPT: usize = 300;

/// The first `most` of these, and how many more there are.
pub fn first_few(names: &[String], most: usize) -> String {
    let first = names.iter().take(most).cloned().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(most) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

/// An excerpt for use in a sentence: one line of at most [`EXCERPT`] characters.
pub fn excerpt(text: &str) -> String {
    short_line(text, EXCERPT)
}

fn escape(out: &mut String, character: char) {
    match character {
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        other => out.extend(other.escape_unicode()),
    }
}

fn escaped(text: &str, stays: fn(char) -> bool, escape: fn(&mut String, char)) -> Cow<'_, str> {
    let hidden = |character: char| is_hidden(character) && !stays(character);
    if !text.contains(hidden) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if hidden(character) {
            escape(&mut out, character);
        } else {
            out.push(character);
        }
    }
    Cow::Owned(out)
}

/// The escaping mode of a writer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Escaping {
    /// Text of several lines.
    Lines,
    /// One line per call of `write`, for loggers.
    Line,
    /// JSON.
    Json,
}

/// A writer that escapes what is written to another writer.
///
/// A character must not be split between two calls. A caller that formats into a buffer first never splits one.
#[derive(Debug)]
pub struct Escaped<W> {
    inner: W,
    escaping: Escaping,
}

impl<W> Escaped<W> {
    /// A writer that writes to `inner`.
    pub fn new(inner: W, escaping: Escaping) -> Self {
        Self { inner, escaping }
    }
}

impl<W: Write> Write for Escaped<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        let escaped = match self.escaping {
            Escaping::Lines => lines(&text),
            Escaping::Json => json(&text),
            Escaping::Line => match text.strip_suffix('\n') {
                Some(text) => Cow::Owned(format!("{}\n", line(text))),
                None => line(&text),
            },
        };
        self.inner.write_all(escaped.as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
