//! Renewal information (RFC 9773): when to renew, and when to poll again. Pure functions; time and randomness are
//! arguments.

use instant_acme::CertificateIdentifier;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::Error;
use super::json::{Field, lenient_objects};
use super::limits::MAX_URL;
use super::transport::Answer;
use crate::net::RetryAfter;
use crate::text::is_hidden;

/// The interval to the next poll if the server names none (ARI-02).
pub const DEFAULT_INTERVAL: SignedDuration = SignedDuration::from_hours(6);
/// The shortest interval between two polls of one certificate.
pub const MIN_INTERVAL: SignedDuration = SignedDuration::from_hours(1);
/// The longest interval between two polls of one certificate.
pub const MAX_INTERVAL: SignedDuration = SignedDuration::from_hours(7 * 24);

/// The window in which the CA wants a certificate to be renewed (RFC 9773 section 4.2).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Window {
    /// Not before this.
    pub start: Timestamp,
    /// Not after this.
    pub end: Timestamp,
}

/// A CA's renewal information for one certificate.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RenewalInfo {
    /// When to renew.
    pub window: Window,
    /// The URL of a page that explains the window.
    pub explanation_url: Option<String>,
}

impl RenewalInfo {
    /// Parses the server's answer.
    ///
    /// # Errors
    /// [`Error::Unreadable`] without a window, or for a window that ends before it starts.
    pub(super) fn read(answer: &Answer) -> Result<Self, Error> {
        let WireInfo {
            suggested_window,
            explanation_url,
        } = answer.json()?;
        let WireWindow { start, end } = suggested_window.0.unwrap_or_default();
        let (Some(start), Some(end)) = (start.0, end.0) else {
            return Err(answer.unreadable("it has no window with a start and an end"));
        };
        if start > end {
            return Err(answer.unreadable("its window ends before it starts"));
        }
        Ok(Self {
            window: Window { start, end },
            explanation_url: explanation_url
                .text()
                .filter(|url| url.len() <= MAX_URL && !url.contains(is_hidden)),
        })
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct WireInfo {
    #[serde(rename = "suggestedWindow")]
    suggested_window: Field<WireWindow>,
    #[serde(rename = "explanationURL")]
    explanation_url: Field<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct WireWindow {
    start: Field<Timestamp>,
    end: Field<Timestamp>,
}

lenient_objects!(WireWindow);

impl Window {
    /// Whether the whole window is past. Then the renewal is due at once.
    pub fn is_past(&self, now: Timestamp) -> bool {
        self.end <= now
    }
}

/// The time of the next poll: after `Retry-After`, or 6 h without it, limited to 1 h ..= 7 days (ARI-02). With `fixed`,
/// after `fixed`, whatever the server requests.
pub fn next_poll(now: Timestamp, retry_after: Option<RetryAfter>, fixed: Option<SignedDuration>) -> Timestamp {
    let asked = retry_after.map_or(DEFAULT_INTERVAL, |retry_after| {
        retry_after.until(now).duration_since(now)
    });
    let interval = fixed.unwrap_or_else(|| asked.clamp(MIN_INTERVAL, MAX_INTERVAL));
    now.saturating_add(interval).unwrap_or(Timestamp::MAX)
}

/// Splits the identifier of a certificate (RFC 9773 section 4.1). Returns `None` if it is malformed.
pub fn parse_id(id: &str) -> Option<CertificateIdentifier<'_>> {
    let (authority_key_identifier, serial) = id.split_once('.')?;
    let base64url = |text: &str| {
        !text.is_empty()
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    (base64url(authority_key_identifier) && base64url(serial)).then(|| CertificateIdentifier {
        authority_key_identifier: authority_key_identifier.into(),
        serial: serial.into(),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn only_two_parts_in_base64url_identify_a_certificate() {
        assert!(parse_id("aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE").is_some());
        for bad in ["", ".", "a.", ".b", "a.b.c", "a/b.c", "a.b=", "ab"] {
            assert!(parse_id(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn polls_follow_retry_after_within_bounds() {
        let now = at("2026-01-01T00:00:00Z");
        let after = |hours| Some(RetryAfter::After(SignedDuration::from_hours(hours)));
        assert_eq!(next_poll(now, None, None), at("2026-01-01T06:00:00Z"));
        assert_eq!(next_poll(now, after(0), None), at("2026-01-01T01:00:00Z"));
        assert_eq!(next_poll(now, after(12), None), at("2026-01-01T12:00:00Z"));
        assert_eq!(next_poll(now, after(24 * 30), None), at("2026-01-08T00:00:00Z"));
        assert_eq!(
            next_poll(now, after(6), Some(SignedDuration::from_secs(5))),
            at("2026-01-01T00:00:05Z")
        );
    }

    #[test]
    fn a_window_that_ends_before_it_starts_is_none() {
        let read = |start: serde_json::Value, end: serde_json::Value| {
            let body = serde_json::json!({"suggestedWindow": {"start": start, "end": end}, "explanationURL": "https://ca/why"});
            RenewalInfo::read(&Answer {
                action: crate::acme::Action::RenewalInfo,
                host: "ca".into(),
                status: http::StatusCode::OK,
                headers: http::HeaderMap::new(),
                body: body.to_string().into(),
            })
        };
        assert!(read("2026-01-02T00:00:00Z".into(), "2026-01-01T00:00:00Z".into()).is_err());
        for odd in [
            serde_json::Value::Null,
            "".into(),
            "soon".into(),
            1.into(),
            serde_json::json!({}),
        ] {
            assert!(read(odd.clone(), "2026-01-01T00:00:00Z".into()).is_err(), "{odd}");
        }
        let info = read("2026-01-01T00:00:00Z".into(), "2026-01-02T00:00:00+01:00".into()).unwrap();
        assert_eq!(info.window.end, at("2026-01-01T23:00:00Z"));
        assert_eq!(info.explanation_url.as_deref(), Some("https://ca/why"));
        assert!(info.window.is_past(at("2026-01-02T00:00:00Z")) && !info.window.is_past(at("2026-01-01T22:59:59Z")));
    }

    proptest! {
        #[test]
        fn the_next_poll_is_always_between_the_bounds(now in 0_i64..4_000_000_000, asked in proptest::option::of(any::<i64>())) {
            let now = Timestamp::from_second(now).unwrap();
            let next = next_poll(now, asked.map(|asked| RetryAfter::After(SignedDuration::from_secs(asked))), None);
            prop_assert!(next >= now + MIN_INTERVAL && next <= now + MAX_INTERVAL);
        }
    }
}
