//! Durations in Go's notation: `2160h0m0s`.

use std::fmt;
use std::str::FromStr;

use serde::de::{Deserializer, Error as _};
use serde::{Deserialize, Serialize, Serializer};

/// A signed duration in nanoseconds, read and written exactly as Go's `time.Duration` (about 292 years at most).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GoDuration {
    nanoseconds: i64,
}

/// Why a text is not a duration; `Display` is a sentence with the text and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDuration {
    /// No number, no unit, or something else altogether.
    #[error("{0:?} is not a duration: write numbers with units from h, m, s, ms, us, ns, for example 2160h or 1h30m")]
    Malformed(String),
    /// A number without a unit.
    #[error("{0:?} is not a duration: a number lacks its unit; write for example 2160h or 1h30m")]
    MissingUnit(String),
    /// A unit that Go does not have; days are the commonest.
    #[error("{text:?} is not a duration: there is no unit {unit:?}; {}", advice(text, unit))]
    UnknownUnit {
        /// What was written.
        text: String,
        /// The unit in it.
        unit: String,
    },
    /// More than 292 years.
    #[error("{0:?} is too long for a duration: the most is 2562047h47m16.854775807s")]
    TooLong(String),
}

const NANOSECOND: u64 = 1;
const MICROSECOND: u64 = 1_000 * NANOSECOND;
const MILLISECOND: u64 = 1_000 * MICROSECOND;
const SECOND: u64 = 1_000 * MILLISECOND;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
/// One more than the greatest positive value: the magnitude of the smallest negative one.
const LIMIT: u64 = 1 << 63;

impl GoDuration {
    /// No time at all.
    pub const ZERO: Self = Self { nanoseconds: 0 };

    /// From nanoseconds.
    pub const fn from_nanoseconds(nanoseconds: i64) -> Self {
        Self { nanoseconds }
    }

    /// From seconds; beyond 292 years the longest duration.
    pub const fn from_seconds(seconds: i64) -> Self {
        Self {
            nanoseconds: seconds.saturating_mul(1_000_000_000),
        }
    }

    /// From minutes; beyond 292 years the longest duration.
    pub const fn from_minutes(minutes: i64) -> Self {
        Self::from_seconds(minutes.saturating_mul(60))
    }

    /// From hours; beyond 292 years the longest duration.
    pub const fn from_hours(hours: i64) -> Self {
        Self::from_minutes(hours.saturating_mul(60))
    }

    /// In nanoseconds.
    pub const fn as_nanoseconds(self) -> i64 {
        self.nanoseconds
    }

    /// In whole seconds, the rest cut off.
    pub const fn as_seconds(self) -> i64 {
        self.nanoseconds / 1_000_000_000
    }
}

impl From<GoDuration> for jiff::SignedDuration {
    fn from(duration: GoDuration) -> Self {
        Self::from_nanos(duration.nanoseconds)
    }
}

impl TryFrom<jiff::SignedDuration> for GoDuration {
    type Error = InvalidDuration;

    fn try_from(duration: jiff::SignedDuration) -> Result<Self, Self::Error> {
        i64::try_from(duration.as_nanos())
            .map(Self::from_nanoseconds)
            .map_err(|_| InvalidDuration::TooLong(duration.to_string()))
    }
}

impl fmt::Display for GoDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let magnitude = self.nanoseconds.unsigned_abs();
        if self.nanoseconds < 0 {
            f.write_str("-")?;
        }
        match magnitude {
            0 => f.write_str("0s"),
            1..MICROSECOND => write!(f, "{magnitude}ns"),
            MICROSECOND..MILLISECOND => write!(
                f,
                "{}µs",
                Decimal {
                    value: magnitude,
                    unit: MICROSECOND
                }
            ),
            MILLISECOND..SECOND => write!(
                f,
                "{}ms",
                Decimal {
                    value: magnitude,
                    unit: MILLISECOND
                }
            ),
            SECOND.. => {
                let (hours, minutes) = (magnitude / HOUR, magnitude % HOUR / MINUTE);
                if hours > 0 {
                    write!(f, "{hours}h")?;
                }
                if hours > 0 || minutes > 0 {
                    write!(f, "{minutes}m")?;
                }
                write!(
                    f,
                    "{}s",
                    Decimal {
                        value: magnitude % MINUTE,
                        unit: SECOND
                    }
                )
            }
        }
    }
}

/// `value / unit` with as many decimals as it needs.
struct Decimal {
    value: u64,
    unit: u64,
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { value, unit } = *self;
        write!(f, "{}", value / unit)?;
        let digits = unit.ilog10() as usize;
        let fraction = format!("{:0digits$}", value % unit);
        match fraction.trim_end_matches('0') {
            "" => Ok(()),
            fraction => write!(f, ".{fraction}"),
        }
    }
}

impl FromStr for GoDuration {
    type Err = InvalidDuration;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let malformed = || InvalidDuration::Malformed(text.to_owned());
        let too_long = || InvalidDuration::TooLong(text.to_owned());
        let (negative, mut rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        if rest == "0" {
            return Ok(Self::ZERO);
        }
        if rest.is_empty() {
            return Err(malformed());
        }
        let mut total: u64 = 0;
        while !rest.is_empty() {
            let (number, after) = split_number(rest);
            let (unit, after) = split_unit(after);
            if !number.bytes().any(|byte| byte.is_ascii_digit()) {
                return Err(malformed());
            }
            let nanoseconds = match unit {
                "" => return Err(InvalidDuration::MissingUnit(text.to_owned())),
                unit => unit_of(unit).ok_or_else(|| InvalidDuration::UnknownUnit {
                    text: text.to_owned(),
                    unit: unit.to_owned(),
                })?,
            };
            let part = scaled(number, nanoseconds).ok_or_else(too_long)?;
            total = total
                .checked_add(part)
                .filter(|total| *total <= LIMIT)
                .ok_or_else(too_long)?;
            rest = after;
        }
        if negative {
            return Ok(Self::from_nanoseconds(0_i64.wrapping_sub_unsigned(total)));
        }
        i64::try_from(total).map(Self::from_nanoseconds).map_err(|_| too_long())
    }
}

/// Digits with at most one point, and what follows.
fn split_number(text: &str) -> (&str, &str) {
    let mut point = false;
    let end = text
        .find(|c: char| match c {
            '0'..='9' => false,
            '.' if !point => {
                point = true;
                false
            }
            _ => true,
        })
        .unwrap_or(text.len());
    text.split_at(end)
}

/// Everything up to the next number.
fn split_unit(text: &str) -> (&str, &str) {
    text.split_at(
        text.find(|c: char| c == '.' || c.is_ascii_digit())
            .unwrap_or(text.len()),
    )
}

fn unit_of(unit: &str) -> Option<u64> {
    match unit {
        "ns" => Some(NANOSECOND),
        // Both micro signs that Unicode has.
        "us" | "\u{b5}s" | "\u{3bc}s" => Some(MICROSECOND),
        "ms" => Some(MILLISECOND),
        "s" => Some(SECOND),
        "m" => Some(MINUTE),
        "h" => Some(HOUR),
        _ => None,
    }
}

/// `number` (digits, perhaps a point) times `unit`, decimals below a nanosecond cut off.
fn scaled(number: &str, unit: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let whole = match whole {
        "" => 0,
        digits => digits.parse::<u64>().ok()?.checked_mul(unit)?,
    };
    // An hour has 3.6e12 nanoseconds: 18 decimals decide every nanosecond, and the product fits.
    let mut numerator: u128 = 0;
    let mut denominator: u128 = 1;
    for digit in fraction.bytes().take(18) {
        numerator = numerator * 10 + u128::from(digit - b'0');
        denominator *= 10;
    }
    let fraction = u64::try_from(numerator * u128::from(unit) / denominator).ok()?;
    whole.checked_add(fraction).filter(|sum| *sum <= LIMIT)
}

/// What to write instead of a unit that does not exist.
fn advice(text: &str, unit: &str) -> String {
    let hours = match unit {
        "d" => Some(24),
        "w" => Some(7 * 24),
        "y" => Some(365 * 24),
        _ => None,
    };
    let count = text.strip_suffix(unit).and_then(|count| count.parse::<u64>().ok());
    match hours.zip(count).and_then(|(hours, count)| count.checked_mul(hours)) {
        Some(hours) => format!("write {hours}h"),
        None => "write hours, minutes and seconds, for example 2160h or 1h30m".to_owned(),
    }
}

impl Serialize for GoDuration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for GoDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

impl schemars::JsonSchema for GoDuration {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "GoDuration".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string" })
    }
}

#[cfg(test)]
mod tests;
