//! The TXT records of a zone as an API has them. BIND serves them: every change goes to it by `nsupdate`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use tokio::sync::{Mutex, MutexGuard};

use crate::{
    stage::KEY,
    support::{
        dns::{BIND, secret},
        run_with_input,
    },
};

/// The zone of BIND that tests write.
pub(super) const ZONE: &str = "dns01.example";

/// The record sets of a zone, by the names of their owners without a final dot.
pub(super) struct Records {
    zone: &'static str,
    sets: Mutex<BTreeMap<String, Set>>,
}

/// A record set. Values are without quotation marks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Set {
    /// Time to live in seconds.
    pub(super) ttl: u64,
    /// The values.
    pub(super) values: Vec<String>,
    /// How often it was written: what an API makes its etags of.
    pub(super) version: u64,
}

/// The records while no other request reads or changes them.
pub(super) struct Held<'a> {
    zone: &'static str,
    sets: MutexGuard<'a, BTreeMap<String, Set>>,
}

impl Default for Records {
    fn default() -> Self {
        Self::of(ZONE)
    }
}

impl Records {
    /// Those of a zone of BIND. At first it is taken to have none.
    pub(super) fn of(zone: &'static str) -> Self {
        let sets = Mutex::default();
        Self { zone, sets }
    }

    /// Waits until no other request reads or changes them.
    pub(super) async fn hold(&self) -> Held<'_> {
        let Self { zone, sets } = self;
        let sets = sets.lock().await;
        Held { zone, sets }
    }
}

impl Held<'_> {
    /// A record set.
    pub(super) fn get(&self, name: &str) -> Option<&Set> {
        self.sets.get(name)
    }

    /// Replaces a record set; without values it is removed.
    pub(super) async fn put(&mut self, name: &str, ttl: u64, values: Vec<String>) {
        let (host, port) = BIND.split_once(':').unwrap();
        let mut script = format!("server {host} {port}\nzone {}\nupdate delete {name}. TXT\n", self.zone);
        for value in &values {
            writeln!(script, "update add {name}. {ttl} TXT \"{value}\"").unwrap();
        }
        script.push_str("send\n");
        let key = format!("hmac-sha256:{KEY}:{}", secret(KEY));
        run_with_input("nsupdate", &["-v", "-y", &key], &script).await;
        let version = self.sets.get(name).map_or(1, |set| set.version + 1);
        if values.is_empty() {
            self.sets.remove(name);
        } else {
            self.sets.insert(name.to_owned(), Set { ttl, values, version });
        }
    }
}

/// A value as it is in a zone file, in one string: without its quotation marks.
pub(super) fn unquoted(value: &str) -> String {
    let inner = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
    inner.unwrap_or(value).to_owned()
}

/// Whether a name is in the zone, and one that nsupdate takes as it is.
pub(super) fn is_in_zone(name: &str) -> bool {
    let has = name.strip_suffix(ZONE).is_some_and(|rest| rest.ends_with('.'));
    has && name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}
