//! What a provider is asked for: TXT records that are added or removed in one zone.

use std::collections::BTreeSet;

/// One TXT record with one value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Txt {
    /// Its name, without a final dot.
    pub name: String,
    /// Its value.
    pub value: String,
    /// The identifier that it proves, without the `*.` of a wildcard. Some providers select an account by it.
    pub identifier: String,
}

/// Records that are added, and records that are removed. Other values of the same names stay as they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Change {
    /// Present afterwards. That they were present before is no error.
    pub add: BTreeSet<Txt>,
    /// Absent afterwards. That they were absent before is no error.
    pub remove: BTreeSet<Txt>,
}

/// Identifies a change that a provider has accepted and may still be bringing to its name servers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Receipt(pub String);

/// What is wanted of one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// It is added.
    Present,
    /// It is removed.
    Absent,
}

impl Change {
    /// The change of one record.
    pub(crate) fn of(txt: Txt, wanted: Wanted) -> Self {
        let mut change = Self::default();
        change.insert(txt, wanted);
        change
    }

    /// Adds what is wanted of one record. It replaces what was wanted of it before.
    pub(crate) fn insert(&mut self, txt: Txt, wanted: Wanted) {
        let (to, from) = match wanted {
            Wanted::Present => (&mut self.add, &mut self.remove),
            Wanted::Absent => (&mut self.remove, &mut self.add),
        };
        from.remove(&txt);
        to.insert(txt);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_wanted_last_of_a_record_counts() {
        let txt = |value: &str| Txt {
            name: "_acme-challenge.a.example".to_owned(),
            value: value.to_owned(),
            identifier: "a.example".to_owned(),
        };
        let mut change = Change::of(txt("one"), Wanted::Present);
        change.insert(txt("two"), Wanted::Present);
        change.insert(txt("one"), Wanted::Absent);
        assert_eq!(change.add, BTreeSet::from([txt("two")]));
        assert_eq!(change.remove, BTreeSet::from([txt("one")]));
    }
}
