//! Changes that providers have accepted and are still bringing to their name servers. Records of one change share its receipt, and one
//! question for it.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use jiff::{SignedDuration, Timestamp};

use crate::{plan::order::timing, solver::dns01::change::Receipt};

/// How often a provider is asked for one change.
const EVERY: SignedDuration = SignedDuration::from_secs(2);
/// How many records are remembered with their change. Beyond that all are forgotten: the name servers are asked without the provider.
const MOST: usize = 10_000;

/// The receipts of records. May be lost at any time.
#[derive(Debug, Default)]
pub(super) struct Receipts(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// The change of each Challenge's record, by its uid.
    of: HashMap<Box<str>, Receipt>,
    /// When the provider may be asked for a change again.
    again: HashMap<Receipt, Timestamp>,
}

/// What is to be done about the change of a record.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// Nothing: it is done, as far as is known.
    Done,
    /// The provider is asked now.
    Ask(Receipt),
    /// The provider was asked a moment ago.
    Wait(Timestamp),
}

impl Receipts {
    /// The record of this Challenge is written by a change with this receipt.
    pub(super) fn remember(&self, challenge: &str, receipt: Option<Receipt>) {
        let mut state = self.lock();
        if state.of.len() >= MOST {
            *state = State::default();
        }
        match receipt {
            Some(receipt) => state.of.insert(challenge.into(), receipt),
            None => state.of.remove(challenge),
        };
    }

    /// How far the change of this Challenge's record is. After `Ask` the provider is not to be asked again for a moment.
    pub(super) fn progress(&self, now: Timestamp, challenge: &str) -> Progress {
        let mut state = self.lock();
        let Some(receipt) = state.of.get(challenge).cloned() else {
            return Progress::Done;
        };
        match state.again.get(&receipt) {
            Some(again) if *again > now => Progress::Wait(*again),
            Some(_) | None => {
                state.again.insert(receipt.clone(), timing::add(now, EVERY));
                Progress::Ask(receipt)
            }
        }
    }

    /// This change is done, or there is no answer to the question: its records are checked in the DNS alone.
    pub(super) fn done(&self, receipt: &Receipt) {
        let mut state = self.lock();
        state.of.retain(|_, other| other != receipt);
        state.again.remove(receipt);
    }

    /// Forgets everything.
    pub(super) fn clear(&self) {
        *self.lock() = State::default();
    }

    /// The record of this Challenge is gone.
    pub(super) fn forget(&self, challenge: &str) {
        let mut state = self.lock();
        if let Some(receipt) = state.of.remove(challenge)
            && !state.of.values().any(|other| *other == receipt)
        {
            state.again.remove(&receipt);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(seconds: i64) -> Timestamp {
        timing::add(Timestamp::UNIX_EPOCH, SignedDuration::from_secs(seconds))
    }

    #[test]
    fn records_of_one_change_share_one_question_in_two_seconds() {
        let (receipts, receipt) = (Receipts::default(), Receipt("C1".to_owned()));
        for challenge in ["a", "b"] {
            receipts.remember(challenge, Some(receipt.clone()));
        }
        assert_eq!(receipts.progress(after(0), "a"), Progress::Ask(receipt.clone()));
        assert_eq!(receipts.progress(after(0), "b"), Progress::Wait(after(2)));
        assert_eq!(receipts.progress(after(2), "b"), Progress::Ask(receipt.clone()));
        receipts.done(&receipt);
        assert_eq!(receipts.progress(after(3), "a"), Progress::Done);
        assert!(receipts.lock().again.is_empty());
    }

    #[test]
    fn what_is_withdrawn_is_forgotten() {
        let (receipts, receipt) = (Receipts::default(), Receipt("C1".to_owned()));
        receipts.remember("a", Some(receipt));
        receipts.progress(after(0), "a");
        receipts.forget("a");
        assert_eq!(receipts.progress(after(0), "a"), Progress::Done);
        assert!(receipts.lock().again.is_empty() && receipts.lock().of.is_empty());
    }
}
