//! Lanes: limits for the number of workers that wait for the same server, so that a slow server does not occupy all workers of a
//! queue.
//!
//! A server may have up to `workers that wait for no server - 1` calls in flight. One slow server thus occupies half of the
//! workers, a second one a quarter, and one worker always stays free. A key that finds no room releases its worker, waits in
//! line, and is requeued when a call to that server ends. Registrations of an account are serialised in the same way.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, MutexGuard, PoisonError},
};

use jiff::{SignedDuration, Timestamp};

use super::queue::{Key, Queue};

/// The target of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lane {
    /// A server outside of the cluster.
    Server,
    /// An account to register.
    Account,
}

impl Lane {
    /// Delay after which a key in line is requeued in any case. A key whose turn it is may have no call to make any more, and a
    /// registration may have made the others unnecessary.
    const fn at_the_latest(self) -> SignedDuration {
        match self {
            Self::Server => SignedDuration::from_secs(30),
            Self::Account => SignedDuration::from_secs(5),
        }
    }
}

/// The lanes of a queue, by server and by account. Any text identifies one.
#[derive(Debug)]
pub(super) struct Lanes<K> {
    lane: Lane,
    workers: usize,
    /// Calls in flight by server, and their total.
    under_way: HashMap<Box<str>, usize>,
    all: usize,
    /// Keys in line by server, in order.
    lines: BTreeMap<Box<str>, BTreeMap<u64, K>>,
    standing: HashMap<K, (Box<str>, u64)>,
    tickets: u64,
}

impl<K: Key> Lanes<K> {
    pub(super) fn new(lane: Lane) -> Self {
        Self {
            lane,
            workers: 0,
            under_way: HashMap::new(),
            all: 0,
            lines: BTreeMap::new(),
            standing: HashMap::new(),
            tickets: 0,
        }
    }

    /// Sets the number of workers.
    pub(super) fn set_workers(&mut self, workers: usize) {
        self.workers = workers;
    }

    /// Whether `key` may call `server` now. If not, it is put in line.
    fn enter(&mut self, server: &str, key: &K) -> bool {
        if !self.has_room(server) {
            let (tickets, lines) = (&mut self.tickets, &mut self.lines);
            self.standing.entry(key.clone()).or_insert_with(|| {
                *tickets += 1;
                lines.entry(server.into()).or_default().insert(*tickets, key.clone());
                (server.into(), *tickets)
            });
            return false;
        }
        if let Some((server, ticket)) = self.standing.remove(key) {
            self.leave_line(&server, ticket);
        }
        *self.under_way.entry(server.into()).or_default() += 1;
        self.all += 1;
        true
    }

    /// Records the end of a call to `server`. Returns the keys whose turn it is: one for this server, and one for the server with
    /// the fewest calls, which may have had no room because of this one.
    fn leave(&mut self, server: &str) -> Vec<K> {
        self.all = self.all.saturating_sub(1);
        if let Some(calls) = self.under_way.get_mut(server) {
            *calls = calls.saturating_sub(1);
            if *calls == 0 {
                self.under_way.remove(server);
            }
        }
        let others = self.lines.keys().filter(|other| ***other != *server);
        let other = others.min_by_key(|other| self.calls(other)).cloned();
        let called = [Some(server.into()), other].into_iter().flatten();
        called.filter_map(|server: Box<str>| self.call(&server)).collect()
    }

    /// Empties the lines.
    pub(super) fn clear_lines(&mut self) {
        self.lines.clear();
        self.standing.clear();
    }

    fn has_room(&self, server: &str) -> bool {
        let free = self.workers.saturating_sub(self.all);
        match self.lane {
            Lane::Server => self.all == 0 || self.calls(server) + 1 < free,
            Lane::Account => self.calls(server) == 0,
        }
    }

    fn calls(&self, server: &str) -> usize {
        self.under_way.get(server).copied().unwrap_or_default()
    }

    /// The first key in line for `server`, if there is room.
    fn call(&mut self, server: &str) -> Option<K> {
        if !self.has_room(server) {
            return None;
        }
        let (ticket, key) = self.lines.get(server)?.first_key_value()?;
        let (ticket, key) = (*ticket, key.clone());
        self.standing.remove(&key);
        self.leave_line(server, ticket);
        Some(key)
    }

    fn leave_line(&mut self, server: &str, ticket: u64) {
        if let Some(line) = self.lines.get_mut(server) {
            line.remove(&ticket);
            if line.is_empty() {
                self.lines.remove(server);
            }
        }
    }
}

/// A call in flight. It ends on drop.
pub(crate) struct Call<K: Key> {
    queue: Arc<Queue<K>>,
    lane: Lane,
    server: Box<str>,
}

impl<K: Key> Queue<K> {
    /// Begins a call to `server` for `key`, which a worker of this queue reconciles. If there is no room, returns when `key` is
    /// requeued at the latest.
    pub(crate) fn calling(self: &Arc<Self>, server: &str, key: &K, now: Timestamp) -> Result<Call<K>, Timestamp> {
        self.enter(Lane::Server, server, key, now)
    }

    /// Begins the registration of `account` for `key`. If another key is registering it, returns when `key` is requeued at the
    /// latest.
    pub(crate) fn registering(self: &Arc<Self>, account: &str, key: &K, now: Timestamp) -> Result<Call<K>, Timestamp> {
        self.enter(Lane::Account, account, key, now)
    }

    fn enter(self: &Arc<Self>, lane: Lane, server: &str, key: &K, now: Timestamp) -> Result<Call<K>, Timestamp> {
        if self.lanes(lane).enter(server, key) {
            return Ok(Call {
                queue: Arc::clone(self),
                lane,
                server: server.into(),
            });
        }
        tracing::debug!(controller = self.name(), %key, server, "it waits in line for the server");
        let again = now.saturating_add(lane.at_the_latest());
        Err(again.unwrap_or(Timestamp::MAX))
    }

    pub(super) fn lanes(&self, lane: Lane) -> MutexGuard<'_, Lanes<K>> {
        let lanes = match lane {
            Lane::Server => &self.servers,
            Lane::Account => &self.accounts,
        };
        lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Key> Drop for Call<K> {
    fn drop(&mut self) {
        let called = self.queue.lanes(self.lane).leave(&self.server);
        for key in called {
            self.queue.add(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn lanes(workers: usize) -> Lanes<String> {
        Lanes {
            workers,
            ..Lanes::new(Lane::Server)
        }
    }

    /// As many calls as there is room for, each on behalf of another key.
    fn fill(lanes: &mut Lanes<String>, server: &str) -> usize {
        (0..1000)
            .take_while(|number| lanes.enter(server, &format!("{server}{number}")))
            .count()
    }

    #[test]
    fn a_silent_server_keeps_half_of_the_workers_and_any_number_of_them_not_all() {
        let mut lanes = lanes(128);
        let kept: Vec<usize> = ["a", "b", "c"].map(|server| fill(&mut lanes, server)).into();
        assert_eq!(kept, [64, 32, 16]);
        for number in 0..1000 {
            fill(&mut lanes, &format!("server{number}."));
        }
        assert!(lanes.all < 128, "{} of 128 wait for silent servers", lanes.all);
    }

    #[test]
    fn few_workers_are_shared_too_and_a_single_one_still_calls() {
        for workers in 0..8 {
            let mut lanes = lanes(workers);
            assert!(fill(&mut lanes, "a") >= 1);
            fill(&mut lanes, "b");
            assert!(
                lanes.all <= workers.saturating_sub(1).max(1),
                "{} of {workers}",
                lanes.all
            );
        }
    }

    #[test]
    fn who_finds_no_room_is_called_in_its_turn_and_once() {
        let mut lanes = lanes(4);
        let keys = ["first", "second", "third", "fourth", "fifth"].map(str::to_owned);
        assert!(lanes.enter("ca", &keys[0]) && lanes.enter("ca", &keys[1]));
        for key in keys.iter().skip(2).chain(&keys[2..]) {
            assert!(!lanes.enter("ca", key));
        }
        assert_eq!(lanes.leave("ca"), [keys[2].clone()]);
        assert!(lanes.enter("ca", &keys[2]));
        assert_eq!(lanes.leave("ca"), [keys[3].clone()]);
        assert_eq!(lanes.leave("ca"), [keys[4].clone()]);
        assert_eq!(lanes.leave("ca"), Vec::<String>::new());
        assert!(lanes.lines.is_empty() && lanes.standing.is_empty() && lanes.under_way.is_empty());
    }

    #[test]
    fn who_comes_by_itself_while_there_is_room_does_not_stand_in_line_any_more() {
        let mut lanes = lanes(2);
        let (first, second) = ("first".to_owned(), "second".to_owned());
        assert!(lanes.enter("ca", &first) && !lanes.enter("ca", &second));
        lanes.all = 0;
        assert!(lanes.enter("ca", &second));
        assert!(lanes.lines.is_empty() && lanes.standing.is_empty());
    }

    #[test]
    fn an_account_is_registered_by_one_at_a_time_however_many_workers_there_are() {
        let mut accounts = Lanes {
            workers: 32,
            ..Lanes::new(Lane::Account)
        };
        let [first, second, other] = ["first", "second", "other"].map(str::to_owned);
        assert!(accounts.enter("shared", &first) && !accounts.enter("shared", &second));
        assert!(accounts.enter("another", &other));
        assert_eq!(accounts.leave("another"), Vec::<String>::new());
        assert_eq!(accounts.leave("shared"), [second]);
    }

    #[test]
    fn who_had_no_room_because_of_another_servers_calls_is_called_when_one_of_them_ends() {
        let mut lanes = lanes(2);
        let other = "other".to_owned();
        while fill(&mut lanes, "silent") > 0 {}
        assert!(!lanes.enter("ca", &other));
        let called: BTreeSet<String> = lanes.leave("silent").into_iter().collect();
        assert!(called.contains(&other), "{called:?}");
    }
}
