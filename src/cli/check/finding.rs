//! The result of a check: what was found, whether it is as it has to be, and what to do.

use serde::Serialize;

use crate::{cluster, text};

/// Whether what was found is as it has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::cli) enum Verdict {
    /// It is.
    Ok,
    /// It is not, or it could not be checked; certificates are issued nevertheless.
    Warning,
    /// Certificates are not issued, or will not be.
    Failure,
}

/// One finding: a line of the output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(in crate::cli) struct Finding {
    /// The name of the check: one word.
    pub check: &'static str,
    /// Whether it is as it has to be.
    pub verdict: Verdict,
    /// What was found: a sentence without its full stop.
    pub message: String,
    /// What to do: a sentence without its full stop. Empty if there is nothing to do.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub action: String,
}

impl Finding {
    /// It is as it has to be.
    pub(in crate::cli) fn ok(check: &'static str, message: impl Into<String>) -> Self {
        Self {
            check,
            verdict: Verdict::Ok,
            message: message.into(),
            action: String::new(),
        }
    }

    /// It is not, and certificates are issued nevertheless.
    pub(in crate::cli) fn warning(check: &'static str, message: impl Into<String>, action: impl Into<String>) -> Self {
        Self {
            verdict: Verdict::Warning,
            action: action.into(),
            ..Self::ok(check, message)
        }
    }

    /// Certificates are not issued, or will not be.
    pub(in crate::cli) fn failure(check: &'static str, message: impl Into<String>, action: impl Into<String>) -> Self {
        Self {
            verdict: Verdict::Failure,
            ..Self::warning(check, message, action)
        }
    }

    /// The API server gave no answer that the check needs.
    pub(in crate::cli) fn unknown(check: &'static str, error: &cluster::Error) -> Self {
        let action = if error.is_forbidden() {
            "Run the check with the rights that docs/check.md lists"
        } else {
            ""
        };
        Self::warning(check, format!("not checked: {error}"), action)
    }

    /// The line for people.
    pub(super) fn text(&self) -> String {
        let Self {
            check,
            verdict,
            message,
            action,
        } = self;
        let sentence = match action.as_str() {
            "" => message.clone(),
            action => format!("{}. {action}", message.trim_end_matches('.')),
        };
        line(*verdict, check, &sentence)
    }
}

/// A line for people: verdict, subject and sentence, in columns.
pub(super) fn line(verdict: Verdict, about: &str, sentence: &str) -> String {
    let verdict = match verdict {
        Verdict::Ok => "ok  ",
        Verdict::Warning => "warn",
        Verdict::Failure => "FAIL",
    };
    text::line(&format!("{verdict}  {about:<12}  {sentence}")).into_owned()
}

/// The names of a list in a sentence: `a`, `a and b`, `a, b and c`; the first ones and a count if they are many.
pub(super) fn names<S: AsRef<str>>(all: &[S]) -> String {
    const MOST: usize = 8;
    let all: Vec<&str> = all.iter().map(AsRef::as_ref).collect();
    if let Some(more) = all.len().checked_sub(MOST).filter(|more| *more > 1) {
        let first: Vec<&str> = all.into_iter().take(MOST).collect();
        return format!("{} and {more} more", first.join(", "));
    }
    match all.split_last() {
        None => String::new(),
        Some((last, [])) => (*last).to_owned(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_verdict_check_message_and_action_and_nothing_invisible() {
        let finding = Finding::failure("lease", "nothing leads\u{202e}", "Start certlet");
        let line = finding.text();
        assert!(line.starts_with("FAIL  lease         nothing leads"), "{line}");
        assert!(
            line.ends_with(". Start certlet") && !line.contains('\u{202e}'),
            "{line}"
        );
        assert_eq!(Finding::ok("lease", "it leads").text(), "ok    lease         it leads");
    }

    #[test]
    fn long_lists_are_cut_and_counted() {
        assert_eq!(names(&["a"]), "a");
        assert_eq!(names(&["a", "b", "c"]), "a, b and c");
        let many: Vec<String> = (0..12).map(|number| number.to_string()).collect();
        assert_eq!(names(&many), "0, 1, 2, 3, 4, 5, 6, 7 and 4 more");
    }
}
