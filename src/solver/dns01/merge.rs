//! Record sets that an API replaces as a whole: what is in them after a change.

use std::collections::BTreeSet;

use futures::future::join_all;

use super::change::{Change, Txt};
use crate::cloud::{Fault, FaultKind};

/// How many record sets are changed at once.
const AT_ONCE: usize = 4;
/// The most records of one change: each needs two calls.
pub(super) const MOST_RECORDS: usize = 40;

/// What became of one attempt at a record set.
pub(super) enum Outcome {
    Made,
    /// Another client has changed it between reading and writing.
    Conflict,
}

/// Changes the record sets of a change, a few at once. `change_set` changes the one of a name.
pub(super) async fn each_set<'a, F>(change: &'a Change, change_set: impl Fn(&'a str) -> F) -> Result<(), Fault>
where
    F: Future<Output = Result<(), Fault>>,
{
    for names in names(change).chunks(AT_ONCE) {
        let sets = names.iter().map(|name| change_set(name));
        join_all(sets).await.into_iter().collect::<Result<(), Fault>>()?;
    }
    Ok(())
}

/// Makes an attempt at the record set `name`, and another one if that conflicts.
pub(super) async fn twice<F>(name: &str, attempt: impl Fn() -> F) -> Result<(), Fault>
where
    F: Future<Output = Result<Outcome, Fault>>,
{
    for _ in 0..2 {
        match attempt().await? {
            Outcome::Made => return Ok(()),
            Outcome::Conflict => {}
        }
    }
    let sentence = format!("the TXT record {name} is changed by another client at the same time");
    Err(Fault::new(FaultKind::Conflict, sentence))
}

/// The names that a change is for.
pub(super) fn names(change: &Change) -> Vec<&str> {
    let names: BTreeSet<&str> = change
        .add
        .iter()
        .chain(&change.remove)
        .map(|txt| txt.name.as_str())
        .collect();
    names.into_iter().collect()
}

/// Whether a change adds something to this name.
pub(super) fn adds(change: &Change, name: &str) -> bool {
    change.add.iter().any(|txt| txt.name == name)
}

/// What the record set `name` has after a change; `None` if that is what it has now. `value` is the value of an entry of `now`, and
/// `entry` makes one of a value. Entries that the change does not name stay as they are.
pub(super) fn merged<T: Clone>(
    now: &[T],
    change: &Change,
    name: &str,
    value: impl Fn(&T) -> String,
    entry: impl Fn(&str) -> T,
) -> Option<Vec<T>> {
    let of_name = |txts: &BTreeSet<Txt>| -> BTreeSet<String> {
        txts.iter()
            .filter(|txt| txt.name == name)
            .map(|txt| txt.value.clone())
            .collect()
    };
    let (mut add, remove) = (of_name(&change.add), of_name(&change.remove));
    let mut after = Vec::with_capacity(now.len() + add.len());
    for one in now {
        let value = value(one);
        add.remove(&value);
        if !remove.contains(&value) {
            after.push(one.clone());
        }
    }
    if add.is_empty() && after.len() == now.len() {
        return None;
    }
    after.extend(add.iter().map(|value| entry(value)));
    Some(after)
}

/// The value of a TXT record, as a zone file has it: one or more strings in quotes (RFC 1035 section 5.1).
pub(super) fn from_zone_file(text: &str) -> String {
    let text = text.trim();
    if !text.starts_with('"') {
        return text.to_owned();
    }
    let (mut value, mut quoted, mut escaped) = (String::new(), false, false);
    for character in text.chars() {
        match character {
            _ if escaped => {
                value.push(character);
                escaped = false;
            }
            '\\' => escaped = true,
            '"' => quoted = !quoted,
            _ if quoted => value.push(character),
            _ => {}
        }
    }
    value
}

/// A value of a TXT record, as a zone file has it. The values of challenges have nothing to escape.
pub(super) fn to_zone_file(value: &str) -> String {
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}

/// The name of a record within its zone, `@` at the top. `None` if it is not in the zone.
pub(super) fn relative<'a>(name: &'a str, zone: &str) -> Option<&'a str> {
    if name.eq_ignore_ascii_case(zone) {
        return Some("@");
    }
    let at = name.len().checked_sub(zone.len())?;
    let (head, tail) = (name.get(..at)?, name.get(at..)?);
    head.strip_suffix('.')
        .filter(|head| !head.is_empty() && tail.eq_ignore_ascii_case(zone))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A change of `_acme-challenge.www.example.com`.
    pub(crate) fn change(add: &[&str], remove: &[&str]) -> Change {
        change_of("_acme-challenge.www.example.com", add, remove)
    }

    /// A change of one name.
    pub(crate) fn change_of(name: &str, add: &[&str], remove: &[&str]) -> Change {
        let txts = |values: &[&str]| {
            let txt = |value: &&str| Txt {
                name: name.to_owned(),
                value: (*value).to_owned(),
                identifier: "www.example.com".to_owned(),
            };
            values.iter().map(txt).collect()
        };
        Change {
            add: txts(add),
            remove: txts(remove),
        }
    }

    #[test]
    fn other_values_stay_and_what_is_already_so_is_no_change() {
        let after = |now: &[&str], change: &Change| {
            let now: Vec<String> = now.iter().map(|value| to_zone_file(value)).collect();
            let name = "_acme-challenge.www.example.com";
            let after = merged(&now, change, name, |entry| from_zone_file(entry), to_zone_file);
            after.map(|after| after.join(" "))
        };
        assert_eq!(after(&[], &change(&["a"], &[])), Some("\"a\"".to_owned()));
        assert_eq!(after(&["x"], &change(&["a"], &[])), Some("\"x\" \"a\"".to_owned()));
        assert_eq!(
            after(&["x", "a"], &change(&["b"], &["a"])),
            Some("\"x\" \"b\"".to_owned())
        );
        assert_eq!(after(&["a"], &change(&[], &["a"])), Some(String::new()));
        assert_eq!(after(&["a"], &change(&["a"], &["b"])), None);
        assert_eq!(after(&[], &change(&[], &["b"])), None);
        assert_eq!(after(&[], &change_of("other.example.com", &["a"], &[])), None);
    }

    #[test]
    fn strings_of_a_zone_file_are_joined_and_unescaped() {
        for (text, value) in [
            ("\"abc\"", "abc"),
            ("abc", "abc"),
            ("\"ab\" \"cd\"", "abcd"),
            (r#""a\"b\\c""#, r#"a"b\c"#),
            ("", ""),
        ] {
            assert_eq!(from_zone_file(text), value);
        }
        assert_eq!(from_zone_file(&to_zone_file(r#"a"\b"#)), r#"a"\b"#);
    }

    /// cert-manager trims `.<zone>` from the end, and leaves the name of the zone itself as it is; Azure calls that `@`.
    #[test]
    fn names_are_relative_to_their_zone() {
        for (name, zone, relative_name) in [
            (
                "_acme-challenge.www.example.com",
                "example.com",
                Some("_acme-challenge.www"),
            ),
            ("_acme-challenge.example.com", "example.com", Some("_acme-challenge")),
            ("_acme-challenge.example.com", "Example.COM", Some("_acme-challenge")),
            ("_acme-challenge.example.com", "_acme-challenge.example.com", Some("@")),
            ("_acme-challenge.badexample.com", "example.com", None),
            (".example.com", "example.com", None),
            ("com", "example.com", None),
        ] {
            assert_eq!(relative(name, zone), relative_name, "{name} in {zone}");
        }
    }
}
