//! The TXT record of dns-persist-01, which proves a name for as long as it stays, and whether one that is found counts
//! (draft-ietf-acme-dns-persist). What the draft leaves open is as in Pebble: a record that Pebble refuses does not count here.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use super::timing;
use crate::{
    api::names::annotation,
    plan::seen::{Meta, ObjectKey},
    text::{excerpt, short_line},
};

/// The type of the challenge.
pub use crate::acme::order::DNS_PERSIST as TYPE;

/// The label before the name that is proved.
const LABEL: &str = "_validation-persist";

/// How long a record has to count at least: the CA looks a moment later, with another clock.
const MARGIN: SignedDuration = SignedDuration::from_mins(1);

/// How many parent domains are checked.
const MOST_PARENTS: usize = 8;

/// How many records a sentence names.
const MOST_NAMED: usize = 3;

/// How much of a record a sentence quotes: more than any record of a CA has.
const QUOTED: usize = 400;

/// The longest part of a record in one character string (RFC 1035 section 3.3).
const LONGEST_STRING: usize = 255;

/// How long the Certificate may take until it has the certificate of a finished Order.
const STORED_WITHIN: SignedDuration = SignedDuration::from_secs(10);

/// The end of the sentence of [`note`].
const NOTE: (&str, &str) = ("The TXT record ", " of dns-persist-01 counts until ");

/// What the CA has to find.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Demand {
    /// The name that is proved, without the `*.` of a wildcard.
    pub identifier: String,
    /// Whether it is the wildcard of that name.
    pub wildcard: bool,
    /// The names by which the CA knows itself; one of them is in the record. Never empty.
    pub issuers: Vec<String>,
    /// The account's URI.
    pub account: String,
}

/// A place at which a record counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The name of the TXT record.
    pub name: String,
    /// Whether it is that of a parent domain, where it needs `policy=wildcard`.
    pub is_parent: bool,
}

/// Whether one of the records at a place counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judged {
    /// One does, until this time if it has an end.
    Counts(Option<Timestamp>),
    /// None does; why, as a part of a sentence whose subject is the name of the record.
    Not(String),
}

impl Demand {
    /// The name of the TXT record.
    pub fn name(&self) -> String {
        name_of(&self.identifier)
    }

    /// The value of the TXT record; with `policy=wildcard` where that is needed or `wildcard` asks for it.
    pub fn record(&self, wildcard: bool, until: Option<Timestamp>) -> String {
        let issuer = self.issuers.first().map(String::as_str).unwrap_or_default();
        record(issuer, &self.account, wildcard || self.wildcard, until)
    }

    /// The places at which a record counts, the nearest first.
    pub fn places(&self, parents: bool) -> Vec<Place> {
        let own = Place {
            name: self.name(),
            is_parent: false,
        };
        let above = std::iter::successors(above(&self.identifier), |name| above(name));
        let above = above.take(if parents { MOST_PARENTS } else { 0 }).map(|name| Place {
            name: name_of(name),
            is_parent: true,
        });
        std::iter::once(own).chain(above).collect()
    }

    /// Whether one of these records counts at `now`. Records of other CAs stand beside ours (section "Multiple Issuer Support").
    pub fn judge<'a>(&self, now: Timestamp, is_parent: bool, values: impl Iterator<Item = &'a [u8]>) -> Judged {
        let mut why = Vec::new();
        let mut others = 0_usize;
        let mut end: Option<Option<Timestamp>> = None;
        for value in values {
            let text = String::from_utf8_lossy(value);
            let (issuer, rest) = split(&text);
            if !self.issuers.iter().any(|own| own == issuer) {
                others += 1;
                if self.issuers.iter().any(|own| is_nearly(own, issuer)) {
                    why.push(format!(
                        "{} begins with {}, which has to be written in small letters and without a final dot",
                        quoted(&text),
                        excerpt(issuer)
                    ));
                }
                continue;
            }
            match parse(rest).and_then(|record| self.counts(now, is_parent, &record)) {
                // one without an end lasts longest
                Ok(until) => {
                    end = Some(match (end, until) {
                        (None, until) => until,
                        (Some(Some(one)), Some(other)) => Some(one.max(other)),
                        (Some(None), _) | (Some(_), None) => None,
                    });
                }
                Err(reason) => why.push(format!("{} {reason}", quoted(&text))),
            }
        }
        match (end, why.len(), others) {
            (Some(end), ..) => Judged::Counts(end),
            (None, 0, 0) => Judged::Not("has no TXT record".to_owned()),
            (None, 0, others) => Judged::Not(format!(
                "has {others} TXT {}, and none for {}",
                if others == 1 { "record" } else { "records" },
                self.issuers.join(" or ")
            )),
            (None, ..) => {
                why.truncate(MOST_NAMED);
                Judged::Not(format!("has no TXT record that counts: {}", why.join("; ")))
            }
        }
    }

    /// Until when a record of this CA counts.
    fn counts(&self, now: Timestamp, is_parent: bool, record: &Record<'_>) -> Result<Option<Timestamp>, String> {
        if record.account != self.account {
            return Err(format!(
                "is for another account: accounturi={} is wanted",
                excerpt(&self.account)
            ));
        }
        if !record.wildcard && (self.wildcard || is_parent) {
            let what = if is_parent { "a subdomain" } else { "a wildcard" };
            return Err(format!("has no policy=wildcard, which {what} needs"));
        }
        match record.until {
            Some(until) if until < now.saturating_add(MARGIN).unwrap_or(Timestamp::MAX) => {
                Err(format!("has counted until {until} (persistUntil) only"))
            }
            until => Ok(until),
        }
    }
}

/// The value of a TXT record.
pub fn record(issuer: &str, account: &str, wildcard: bool, until: Option<Timestamp>) -> String {
    let policy = if wildcard { "; policy=wildcard" } else { "" };
    let until = until.map(|until| format!("; persistUntil={}", until.as_second()));
    format!("{issuer}; accounturi={account}{policy}{}", until.unwrap_or_default())
}

/// The name of the TXT record for a name.
pub fn name_of(identifier: &str) -> String {
    format!("{LABEL}.{}", identifier.trim_end_matches('.').to_ascii_lowercase())
}

/// A value as zone files have it: in quotes, and in several character strings if it is too long for one. The value must be ASCII.
pub fn in_zone_file(value: &str) -> String {
    let strings = value.as_bytes().chunks(LONGEST_STRING);
    let quoted = strings.map(|part| format!("\"{}\"", String::from_utf8_lossy(part)));
    quoted.collect::<Vec<_>>().join(" ")
}

/// Whether a CA may know itself by this name: A-labels in small letters without a final dot (section "Challenge Object").
pub fn is_issuer(name: &str) -> bool {
    let is_label = |label: &str| {
        let inside = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        !label.is_empty() && label.len() <= 63 && label.bytes().all(inside)
    };
    name.len() <= 253 && name.split('.').all(is_label)
}

/// Whether a text can be the value of a parameter (RFC 8659 section 4.2).
pub fn is_value(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, 0x21..=0x3a | 0x3c..=0x7e))
}

/// The reason of a finished Order whose certificate was proved by a record with an end.
pub fn note(name: &str, until: Timestamp) -> String {
    let (before, between) = NOTE;
    format!("{before}{name}{between}{until}")
}

/// The record and its end in the reason of a finished Order.
fn noted(reason: &str) -> Option<(&str, Timestamp)> {
    let (before, between) = NOTE;
    let (name, until) = reason.strip_prefix(before)?.split_once(between)?;
    Some((name, until.parse().ok()?))
}

/// A record with an end by which a name of a finished Order was proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending<'a> {
    /// The name of the record; of several, that which ends first.
    pub name: &'a str,
    /// Its end.
    pub until: Timestamp,
    /// The Certificate that the Order is for.
    pub certificate: ObjectKey,
    /// The revision of the Certificate that the Order is for.
    pub revision: i64,
}

impl<'a> Ending<'a> {
    /// The record in the reason of a finished Order of a Certificate; `None` if it has no end.
    pub fn of(order: &Meta, reason: &'a str) -> Option<Self> {
        let (name, until) = noted(reason)?;
        let annotated = |annotation: &str| order.annotations.get(annotation);
        Some(Self {
            name,
            until,
            certificate: order.key.sibling(annotated(annotation::CERTIFICATE_NAME)?),
            revision: annotated(annotation::CERTIFICATE_REVISION)?.parse().ok()?,
        })
    }
}

/// What to do about a record that ends soon; `None` if it does not.
pub fn ends_soon(now: Timestamp, name: &str, until: Timestamp, warn_before: SignedDuration) -> Option<String> {
    let soon = until <= now.saturating_add(warn_before).unwrap_or(Timestamp::MAX);
    let verb = if until <= now { "counted" } else { "counts" };
    soon.then(|| {
        format!(
            "the TXT record {name}, by which the CA knows that this name is ours, {verb} until {until} (persistUntil): write a later \
             time into it, or no renewal succeeds after that"
        )
    })
}

/// The next step for a finished Order whose name was proved by a record with an end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EndStep {
    /// Nothing: a newer Order has a newer record.
    Nothing,
    /// Check again at this time.
    CheckAt(Timestamp),
    /// Report this sentence.
    Report(String),
}

/// Decides about the end of a record. `stored` is the revision of the Certificate.
pub fn end_step(now: Timestamp, ending: &Ending<'_>, warn_before: SignedDuration, stored: i64) -> EndStep {
    if stored > ending.revision {
        return EndStep::Nothing;
    }
    match ends_soon(now, ending.name, ending.until, warn_before) {
        None => EndStep::CheckAt(timing::add(ending.until, -warn_before)),
        // whether the certificate of this Order is used at all is not known yet
        Some(_) if stored < ending.revision => EndStep::CheckAt(timing::add(now, STORED_WITHIN)),
        Some(sentence) => EndStep::Report(sentence),
    }
}

/// The parameters of a record that count.
#[derive(Debug, Default, PartialEq, Eq)]
struct Record<'a> {
    account: &'a str,
    wildcard: bool,
    until: Option<Timestamp>,
}

/// The issuer domain name of a record, and the rest; all of it is the name if there is no rest.
fn split(text: &str) -> (&str, Option<&str>) {
    match text.split_once(';') {
        Some((issuer, rest)) => (trimmed(issuer), Some(rest)),
        None => (trimmed(text), None),
    }
}

/// Parses the parameters of a record (RFC 8659 section 4.2). Unknown ones are ignored.
///
/// # Errors
/// What is malformed, as a part of a sentence whose subject is the record.
fn parse(rest: Option<&str>) -> Result<Record<'_>, String> {
    let mut record = Record::default();
    let mut seen = BTreeSet::new();
    for parameter in rest.into_iter().flat_map(|rest| rest.split(';')) {
        let parameter = trimmed(parameter);
        if parameter.is_empty() {
            return Err("is malformed: it has an empty parameter, or a semicolon at its end".to_owned());
        }
        let Some((tag, value)) = parameter.split_once('=') else {
            return Err(format!("is malformed: {} is no tag=value", excerpt(parameter)));
        };
        let (tag, value) = (trimmed(tag).to_ascii_lowercase(), trimmed(value));
        if tag.is_empty() {
            return Err("is malformed: it has a parameter without a tag".to_owned());
        }
        if !is_value(value) {
            return Err(format!(
                "is malformed: the value of {} has blanks, or characters beyond ASCII",
                excerpt(&tag)
            ));
        }
        match tag.as_str() {
            "accounturi" => record.account = value,
            "policy" => record.wildcard = value.eq_ignore_ascii_case("wildcard"),
            "persistuntil" => record.until = Some(until(value)?),
            _ => {}
        }
        if !seen.insert(tag) {
            return Err("is malformed: it has a parameter twice".to_owned());
        }
    }
    if record.account.is_empty() {
        return Err("is malformed: it has no accounturi".to_owned());
    }
    Ok(record)
}

/// A time that is too large or too small for a clock is the largest or smallest one.
fn until(value: &str) -> Result<Timestamp, String> {
    let seconds: i64 = value
        .parse()
        .map_err(|_| "is malformed: its persistUntil is no number of seconds since 1970".to_owned())?;
    let beyond = if seconds < 0 { Timestamp::MIN } else { Timestamp::MAX };
    Ok(Timestamp::from_second(seconds).unwrap_or(beyond))
}

/// White space is what RFC 5234 has.
fn trimmed(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

fn is_nearly(own: &str, issuer: &str) -> bool {
    issuer.strip_suffix('.').unwrap_or(issuer).eq_ignore_ascii_case(own)
}

fn quoted(text: &str) -> String {
    format!("{:?}", short_line(text, QUOTED))
}

/// The domain above a name, unless that is a top-level domain or there is none.
fn above(name: &str) -> Option<&str> {
    let (_, parent) = name.trim_end_matches('.').split_once('.')?;
    parent.contains('.').then_some(parent)
}

#[cfg(test)]
#[path = "persist_tests.rs"]
mod tests;
