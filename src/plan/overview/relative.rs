//! Times in words.

use jiff::{SignedDuration, Timestamp};

/// A duration in one unit: `90 seconds`, `3 hours`, `40 days`.
pub fn span(duration: SignedDuration) -> String {
    let (count, unit) = match duration.as_secs().unsigned_abs() {
        s if s < 120 => (s, "second"),
        s if s < 2 * 3600 => (s / 60, "minute"),
        s if s < 2 * 86_400 => (s / 3600, "hour"),
        s => (s / 86_400, "day"),
    };
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {unit}{plural}")
}

/// A time relative to `now`: `in 3 days`, `2 hours ago`, `now`.
pub fn relative(now: Timestamp, at: Timestamp) -> String {
    let distance = at.duration_since(now);
    if distance.as_secs() == 0 {
        "now".to_owned()
    } else if distance.is_negative() {
        format!("{} ago", span(distance))
    } else {
        format!("in {}", span(distance))
    }
}
