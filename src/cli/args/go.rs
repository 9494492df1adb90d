//! Parsers for flag values as Go reads them (NB-31): pflag's booleans, numbers and durations, and the lists and maps of
//! Kubernetes' component-base. A command line that cert-manager accepts is accepted here.

use std::{collections::BTreeMap, net::SocketAddr, str::FromStr, time::Duration};

use crate::api::GoDuration;

/// A boolean (`strconv.ParseBool`).
pub(in crate::cli) fn boolean(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err("it must be true or false".to_owned()),
    }
}

/// A whole number (`strconv.ParseInt` with base 0): decimal, or with the prefix `0x`, `0o`, `0b` or `0`, and `_` between digits.
pub(super) fn integer(text: &str) -> Result<i64, String> {
    let failed = || format!("{text:?} is not a whole number");
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let lower = rest.to_ascii_lowercase();
    let (radix, digits) = match lower.split_at_checked(2) {
        Some(("0x", digits)) => (16, digits),
        Some(("0o", digits)) => (8, digits),
        Some(("0b", digits)) => (2, digits),
        _ => match lower.strip_prefix('0') {
            Some(digits) if !digits.is_empty() => (8, digits),
            _ => (10, lower.as_str()),
        },
    };
    let well_separated = !digits.ends_with('_') && !digits.contains("__") && (radix != 10 || !digits.starts_with('_'));
    let digits = digits.replace('_', "");
    if !well_separated || !digits.starts_with(|first: char| first.is_ascii_alphanumeric()) {
        return Err(failed());
    }
    i64::from_str_radix(&digits, radix)
        .map(|number| sign * number)
        .map_err(|_| failed())
}

/// A number of things. A negative number counts as 0.
pub(super) fn count(text: &str) -> Result<usize, String> {
    integer(text).map(|number| usize::try_from(number).unwrap_or(0))
}

/// A log level. A negative number counts as 0.
pub(in crate::cli) fn level(text: &str) -> Result<u8, String> {
    let level: i32 = text.parse().map_err(|_| format!("{text:?} is not a whole number"))?;
    Ok(u8::try_from(level.max(0)).unwrap_or(u8::MAX))
}

/// A duration as Go writes it.
pub(in crate::cli) fn duration(text: &str) -> Result<Duration, String> {
    let duration: GoDuration = text.parse().map_err(|error| format!("{error}"))?;
    u64::try_from(duration.as_nanoseconds())
        .map(Duration::from_nanos)
        .map_err(|_| "a duration must not be negative".into())
}

/// A list of strings. An empty value is an empty list.
#[derive(Clone, Debug, Default)]
pub(in crate::cli) struct List(Vec<String>);

impl FromStr for List {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let members = text.split(',').map(str::to_owned);
        Ok(Self(if text.is_empty() { Vec::new() } else { members.collect() }))
    }
}

impl List {
    /// All members of a flag that may be repeated.
    pub(in crate::cli) fn all(given: &[Self]) -> Vec<String> {
        given.iter().flat_map(|list| list.0.iter().cloned()).collect()
    }
}

/// `key=value,key=value`. Empty members are ignored. The last of several equal keys counts.
#[derive(Clone, Debug, Default)]
pub(in crate::cli) struct Map(Vec<(String, String)>);

impl FromStr for Map {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let members = text.split(',').filter(|member| !member.is_empty());
        members.map(pair).collect::<Result<_, _>>().map(Self)
    }
}

impl Map {
    /// All entries of a flag that may be repeated.
    pub(super) fn all(given: &[Self]) -> BTreeMap<String, String> {
        given.iter().flat_map(|map| map.0.iter().cloned()).collect()
    }
}

/// `key=value`
fn pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text
        .split_once('=')
        .ok_or_else(|| format!("{text:?} is not key=value"))?;
    Ok((key.trim().to_owned(), value.trim().to_owned()))
}

/// A listen address, or `None` if the server is off.
#[derive(Clone, Copy, Debug)]
pub(super) struct Listen(pub(super) Option<SocketAddr>);

/// Parses a listen address. cert-manager writes `0` to switch a server off.
pub(super) fn address(text: &str) -> Result<Listen, String> {
    match text {
        "" | "0" => Ok(Listen(None)),
        _ => socket(text).map(|address| Listen(Some(address))),
    }
}

/// Parses `address:port`. As in Go, an empty address means all addresses.
pub(super) fn socket(text: &str) -> Result<SocketAddr, String> {
    let full = match text.split_once(':') {
        Some(("", port)) => format!("0.0.0.0:{port}"),
        Some(("localhost", port)) => format!("127.0.0.1:{port}"),
        Some(_) | None => text.to_owned(),
    };
    full.parse()
        .map_err(|_| format!("{text:?} is not address:port; example: 0.0.0.0:9402"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `strconv.ParseInt(text, 0, 64)` returned for each.
    #[test]
    fn whole_numbers_are_read_as_go_reads_them() {
        let read = [
            ("0", 0),
            ("7", 7),
            ("+7", 7),
            ("-7", -7),
            ("0x1F", 31),
            ("0X1f", 31),
            ("0b101", 5),
            ("0o17", 15),
            ("017", 15),
            ("1_000", 1000),
            ("0x_1f", 31),
            ("0_17", 15),
        ];
        for (text, number) in read {
            assert_eq!(integer(text), Ok(number), "{text}");
        }
        for text in [
            "", "-", "+-7", "08", "0x", "1__0", "1_", "_1", "1.5", "1e3", " 1", "0x+1",
        ] {
            assert!(integer(text).is_err(), "{text:?}");
        }
        assert_eq!(count("-1"), Ok(0));
    }

    #[test]
    fn empty_members_of_lists_and_maps_are_read_as_go_reads_them() {
        let list = |text: &str| List::all(&[text.parse().unwrap()]);
        assert_eq!(list(""), Vec::<String>::new());
        assert_eq!(list("a,,b"), ["a", "", "b"]);
        let map = |texts: &[&str]| Map::all(&texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<_>>());
        assert_eq!(map(&[""]), BTreeMap::new());
        assert_eq!(
            map(&["a=1,,b = 2", "a=3"]).into_iter().collect::<Vec<_>>(),
            [("a".into(), "3".into()), ("b".into(), "2".into())]
        );
        assert!("a".parse::<Map>().is_err());
    }
}
