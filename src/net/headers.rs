//! Parsers for the response headers `Retry-After` and `Link`.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, header};
use jiff::{SignedDuration, Timestamp};
use reqwest::Url;

/// Upper bound of a delay that a server requests. A larger `Retry-After` is reduced to it.
pub const MAX_SERVER_DELAY: SignedDuration = SignedDuration::from_hours(7 * 24);

/// The maximum number of links that are parsed per response.
const MAX_LINKS: usize = 64;

/// The value of a `Retry-After` header (RFC 9110 section 10.2.3): a delay or an instant.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RetryAfter {
    /// Delay after the response was received.
    After(SignedDuration),
    /// An instant on the server's clock.
    At(Timestamp),
}

impl RetryAfter {
    /// Parses the header. `None` if it is absent or invalid.
    ///
    /// An instant is converted to a delay if the response has a `Date`, so that clock skew does not matter.
    pub fn from_headers(headers: &HeaderMap) -> Option<Self> {
        let value = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
        if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
            let seconds = value.parse::<i64>().unwrap_or(i64::MAX);
            return Some(Self::After(SignedDuration::from_secs(seconds).min(MAX_SERVER_DELAY)));
        }
        let at = http_date(value)?;
        Some(match date(headers) {
            Some(date) => Self::After(at.duration_since(date).clamp(SignedDuration::ZERO, MAX_SERVER_DELAY)),
            None => Self::At(at),
        })
    }

    /// The time before which no request must be sent: between `now`, the time at which the response was received, and
    /// [`MAX_SERVER_DELAY`] later.
    pub fn until(self, now: Timestamp) -> Timestamp {
        let latest = now.saturating_add(MAX_SERVER_DELAY).unwrap_or(Timestamp::MAX);
        match self {
            Self::After(delay) => now.saturating_add(delay).unwrap_or(latest).clamp(now, latest),
            Self::At(at) => at.clamp(now, latest),
        }
    }

    /// The delay from `now` until [`RetryAfter::until`].
    pub fn delay(self, now: Timestamp) -> Duration {
        self.until(now).duration_since(now).unsigned_abs()
    }
}

/// The server's time in the `Date` header (RFC 9110 section 6.6.1). `None` if it is absent or invalid.
pub fn date(headers: &HeaderMap) -> Option<Timestamp> {
    http_date(headers.get(header::DATE)?.to_str().ok()?)
}

/// Parses an HTTP-date in any of the three formats of RFC 9110 section 5.6.7.
fn http_date(text: &str) -> Option<Timestamp> {
    let time = httpdate::parse_http_date(text).ok()?;
    let since = time.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    Timestamp::from_second(i64::try_from(since.as_secs()).ok()?).ok()
}

/// The targets of all `Link` headers with relation `rel` (RFC 8288), resolved against `base`, in order.
///
/// Invalid links are skipped.
pub fn links(headers: &HeaderMap, rel: &str, base: &Url) -> Vec<Url> {
    let mut found = Vec::new();
    for value in headers.get_all(header::LINK) {
        let Ok(mut rest) = value.to_str() else { continue };
        while let Some((target, parameters, after)) = next_link(rest) {
            rest = after;
            if relations(parameters).any(|relation| relation.eq_ignore_ascii_case(rel))
                && let Ok(url) = base.join(target)
                && found.len() < MAX_LINKS
            {
                found.push(url);
            }
        }
    }
    found
}

/// Splits `<target>; parameters, rest`. A comma inside a quoted parameter does not end the link.
fn next_link(text: &str) -> Option<(&str, &str, &str)> {
    let (_, text) = text.split_once('<')?;
    let (target, text) = text.split_once('>')?;
    let mut quoted = false;
    let mut escaped = false;
    let end = text.find(|character| {
        let ends = character == ',' && !quoted;
        if character == '"' && !escaped {
            quoted = !quoted;
        }
        escaped = character == '\\' && quoted && !escaped;
        ends
    });
    let (parameters, rest) = end.and_then(|end| text.split_at_checked(end)).unwrap_or((text, ""));
    Some((target.trim(), parameters, rest.strip_prefix(',').unwrap_or(rest)))
}

/// The relation types of a link. Only the first `rel` counts (RFC 8288 section 3.3).
fn relations(parameters: &str) -> impl Iterator<Item = &str> {
    parameters
        .split(';')
        .filter_map(|parameter| parameter.split_once('='))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("rel"))
        .map_or("", |(_, value)| value.trim().trim_matches('"'))
        .split_ascii_whitespace()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn headers(entries: &[(header::HeaderName, &str)]) -> HeaderMap {
        entries
            .iter()
            .map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap()))
            .collect()
    }

    fn retry(value: &str) -> Option<RetryAfter> {
        RetryAfter::from_headers(&headers(&[(header::RETRY_AFTER, value)]))
    }

    fn base() -> Url {
        Url::parse("https://ca.example/acme/cert/1").unwrap()
    }

    #[test]
    fn seconds_and_all_three_forms_of_a_date_are_understood() {
        assert_eq!(retry("120"), Some(RetryAfter::After(SignedDuration::from_secs(120))));
        let at = RetryAfter::At("1994-11-06T08:49:37Z".parse().unwrap());
        for date in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
        ] {
            assert_eq!(retry(date), Some(at), "{date}");
        }
        for nonsense in ["", "-3", "soon", "1.5", "Sun, 99 Nov 1994 08:49:37 GMT"] {
            assert_eq!(retry(nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn a_date_is_read_by_the_clock_of_the_server_that_sent_it() {
        let sent = headers(&[
            (header::RETRY_AFTER, "Sun, 06 Nov 1994 08:50:07 GMT"),
            (header::DATE, "Sun, 06 Nov 1994 08:49:37 GMT"),
        ]);
        assert_eq!(
            RetryAfter::from_headers(&sent),
            Some(RetryAfter::After(SignedDuration::from_secs(30)))
        );
    }

    #[test]
    fn a_wait_is_never_in_the_past_and_never_longer_than_a_week() {
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let week = "2026-01-08T00:00:00Z".parse().unwrap();
        assert_eq!(retry("Sun, 06 Nov 1994 08:49:37 GMT").unwrap().until(now), now);
        assert_eq!(retry("99999999999999999999999999").unwrap().until(now), week);
        assert_eq!(RetryAfter::At("2999-01-01T00:00:00Z".parse().unwrap()).until(now), week);
        assert_eq!(retry("90").unwrap().delay(now), Duration::from_secs(90));
    }

    #[test]
    fn links_are_found_by_relation_and_resolved() {
        let sent = headers(&[
            (header::LINK, r#"<https://ca.example/dir>;rel="index""#),
            (
                header::LINK,
                r#"</acme/cert/1/1>; title="a, \" b"; rel="x alternate", <2>;rel=alternate"#,
            ),
            (header::LINK, r#"<https://ca.example/3>; rel="up"; rel="alternate""#),
        ]);
        let alternates = links(&sent, "alternate", &base());
        let alternates: Vec<_> = alternates.iter().map(Url::as_str).collect();
        assert_eq!(
            alternates,
            ["https://ca.example/acme/cert/1/1", "https://ca.example/acme/cert/2"]
        );
        assert_eq!(links(&sent, "up", &base()).len(), 1);
    }

    proptest! {
        #[test]
        fn no_header_value_panics(value in "[\\x20-\\x7e\\u{80}-\\u{ff}]{0,80}") {
            if let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) {
                let sent: HeaderMap =
                    [(header::LINK, value.clone()), (header::RETRY_AFTER, value.clone()), (header::DATE, value)].into_iter().collect();
                let now = Timestamp::MAX;
                let _ = links(&sent, "alternate", &base());
                prop_assert!(RetryAfter::from_headers(&sent).is_none_or(|retry| retry.until(now) >= now));
            }
        }

        #[test]
        fn what_looks_like_links_does_not_panic(value in r#"(<[a-z:/ ]{0,9}>|;|,|rel=|"|\\|alternate| ){0,30}"#) {
            let sent = headers(&[(header::LINK, &value)]);
            prop_assert!(links(&sent, "alternate", &base()).len() <= MAX_LINKS);
        }

        #[test]
        fn any_number_of_seconds_gives_an_instant(seconds in any::<u128>(), now in -377_705_023_201_i64..=253_402_207_200) {
            let now = Timestamp::from_second(now).unwrap();
            prop_assert!(retry(&seconds.to_string()).unwrap().until(now) >= now);
        }
    }
}
