//! Text for a terminal: colours, and columns that fit its width. Where standard output is no terminal there is neither: cells are whole.

use std::io::{self, IsTerminal, Write};

use anstyle::{AnsiColor, Style};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::{plan::overview::Urgency, text};

/// Columns between two cells.
const GAP: usize = 2;
/// Least width of a last column: on a narrower terminal it is not cut.
const LEAST: usize = 20;

/// What the text is for.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Screen {
    /// Number of columns; `None` if standard output is no terminal.
    pub(super) width: Option<usize>,
    /// Number of lines; `None` if standard output is no terminal.
    pub(super) height: Option<usize>,
}

/// One cell of a table.
#[derive(Clone, Debug)]
pub(super) struct Cell {
    text: String,
    style: Style,
}

impl Cell {
    /// A cell of sanitised text.
    pub(super) fn new(cell: impl AsRef<str>) -> Self {
        Self {
            text: text::line(cell.as_ref()).into_owned(),
            style: Style::new(),
        }
    }

    /// The cell in another style.
    pub(super) fn styled(self, style: Style) -> Self {
        Self { style, ..self }
    }

    /// The word of an urgency in its colour.
    pub(super) fn urgency(urgency: Urgency) -> Self {
        Self::new(urgency.word()).styled(colour(urgency))
    }

    fn width(&self) -> usize {
        self.text.width()
    }
}

/// The colour of an urgency.
pub(super) fn colour(urgency: Urgency) -> Style {
    let colour = match urgency {
        Urgency::Expired | Urgency::Expiring | Urgency::Missing => AnsiColor::Red,
        Urgency::Failing => AnsiColor::Yellow,
        Urgency::Waiting => AnsiColor::Cyan,
        Urgency::Well => AnsiColor::Green,
    };
    let style = colour.on_default();
    if urgency == Urgency::Expired {
        style.bold()
    } else {
        style
    }
}

/// The style of headings.
pub(super) const HEADING: Style = Style::new().bold();
/// The style of what matters less.
pub(super) const QUIET: Style = Style::new().dimmed();

/// A text in a style. The text is sanitised.
pub(super) fn styled(style: Style, words: &str) -> String {
    paint(style, &text::line(words))
}

fn paint(style: Style, clean: &str) -> String {
    if style.is_plain() {
        clean.to_owned()
    } else {
        format!("{style}{clean}{style:#}")
    }
}

impl Screen {
    /// Standard output, as it is now.
    pub(super) fn stdout() -> Self {
        let size = io::stdout().is_terminal().then(terminal_size::terminal_size).flatten();
        let (width, height) = size.unzip();
        Self {
            width: width.map(|terminal_size::Width(columns)| usize::from(columns)),
            height: height.map(|terminal_size::Height(lines)| usize::from(lines)),
        }
    }

    /// Rows with aligned columns. The last column is cut at the width of the terminal.
    pub(super) fn table(self, rows: &[Vec<Cell>]) -> String {
        let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
        let widths: Vec<usize> = (0..columns)
            .map(|column| {
                rows.iter()
                    .filter_map(|row| row.get(column))
                    .map(Cell::width)
                    .max()
                    .unwrap_or_default()
            })
            .collect();
        let mut out = String::new();
        for row in rows {
            let mut used = 0;
            let last = row.len().saturating_sub(1);
            for (column, cell) in row.iter().enumerate() {
                if column == last {
                    out.push_str(&paint(cell.style, &self.cut(&cell.text, used)));
                } else {
                    let width = widths.get(column).copied().unwrap_or_default();
                    out.push_str(&paint(cell.style, &cell.text));
                    let padding = (width + GAP).saturating_sub(cell.width());
                    out.extend(std::iter::repeat_n(' ', padding));
                    used += width + GAP;
                }
            }
            let end = out.trim_end_matches(' ').len();
            out.truncate(end);
            out.push('\n');
        }
        out
    }

    /// The beginning of a text that fits behind `used` columns.
    fn cut(self, text: &str, used: usize) -> String {
        let Some(left) = self.width.map(|width| width.saturating_sub(used)) else {
            return text.to_owned();
        };
        if left < LEAST || text.width() <= left {
            return text.to_owned();
        }
        let mut width = 1;
        let fits = text.chars().take_while(|character| {
            width += character.width().unwrap_or_default();
            width <= left
        });
        fits.chain(std::iter::once('…')).collect()
    }
}

/// Prints a text whose only control sequences are styles: they are removed where standard output is no terminal, and with `NO_COLOR`.
///
/// # Errors
/// If the output cannot be written.
pub(super) fn print(text: &str) -> io::Result<()> {
    let mut out = anstream::AutoStream::auto(io::stdout().lock());
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Prints the lines of a text that fit on the terminal, in place of what is there.
///
/// # Errors
/// As [`print`].
pub(super) fn draw(text: &str, height: usize) -> io::Result<()> {
    let lines: Vec<&str> = text.lines().take(height.saturating_sub(1).max(1)).collect();
    // to the upper left corner, and clear to the end; also where colours are off
    let mut out = io::stdout().lock();
    out.write_all(b"\x1b[H\x1b[2J\x1b[3J")?;
    drop(out);
    print(&(lines.join("\n") + "\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_column_is_cut_and_only_on_a_terminal() {
        let row = |last: &str| vec![Cell::new("a"), Cell::new("bcd").styled(HEADING), Cell::new(last)];
        let rows = [row("x"), row(&"y".repeat(60)), row(&"株".repeat(30))];
        let piped = anstream::adapter::strip_str(&Screen::default().table(&rows)).to_string();
        assert!(
            piped.contains(&"y".repeat(60)) && piped.contains(&"株".repeat(30)),
            "{piped}"
        );
        let screen = Screen {
            width: Some(40),
            height: None,
        };
        let shown = anstream::adapter::strip_str(&screen.table(&rows)).to_string();
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines[0], "a  bcd  x");
        assert!(lines[1].ends_with("y…") && lines[2].ends_with("株…"), "{shown}");
        assert!(lines.iter().all(|line| line.width() <= 40), "{shown}");
    }

    #[test]
    fn a_cell_does_not_steer_the_terminal() {
        let hostile = Cell::new("good\u{1b}[8m\u{202e}\nReady: True").styled(colour(Urgency::Well));
        let shown = Screen::default().table(&[vec![hostile]]);
        let stripped = anstream::adapter::strip_str(&shown).to_string();
        assert_eq!(stripped, "good\\u{1b}[8m\\u{202e}\\nReady: True\n");
    }
}
