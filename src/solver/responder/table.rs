//! The table of answers, by token.

use std::collections::HashMap;

use bytes::Bytes;
use thiserror::Error;

use super::Answer;
use crate::solver::host::Host;

/// The most answers: far more than any CA's limit of open orders, about 6 MiB.
pub const TABLE_LIMIT: usize = 20_000;

/// The table is full: further challenges wait until others are finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{TABLE_LIMIT} challenges are being answered already; this one waits until others are done")]
pub struct TableFull;

/// One owner's answer. Two Orders of one account can share a pending authorization, and so a (host, token) pair.
#[derive(Debug)]
struct Entry {
    owner: String,
    host: Host,
    body: Bytes,
}

/// Answers by token. In practice a token has one entry, and a look-up allocates nothing.
#[derive(Debug, Default)]
pub(super) struct Table {
    by_token: HashMap<String, Vec<Entry>>,
    tokens_of: HashMap<String, Vec<String>>,
    entries: usize,
}

impl Table {
    /// The number of answers.
    pub(super) fn len(&self) -> usize {
        self.entries
    }

    /// The content for this host and token.
    pub(super) fn lookup(&self, host: &Host, token: &str) -> Option<Bytes> {
        let entry = self.by_token.get(token)?.iter().find(|entry| entry.host == *host)?;
        Some(entry.body.clone())
    }

    /// As [`super::Responder::insert`].
    ///
    /// # Errors
    /// As there.
    pub(super) fn insert(&mut self, owner: &str, answer: Answer) -> Result<(), TableFull> {
        let token = answer.key_authorization.token().as_str();
        let body = Bytes::from(answer.key_authorization.as_str().to_owned());
        if let Some(entry) = self
            .by_token
            .get_mut(token)
            .and_then(|entries| find(entries, owner, &answer.host))
        {
            entry.body = body;
            return Ok(());
        }
        if self.entries >= TABLE_LIMIT {
            return Err(TableFull);
        }
        self.entries += 1;
        self.tokens_of
            .entry(owner.to_owned())
            .or_default()
            .push(token.to_owned());
        let entry = Entry {
            owner: owner.to_owned(),
            host: answer.host,
            body,
        };
        self.by_token.entry(token.to_owned()).or_default().push(entry);
        Ok(())
    }

    /// As [`super::Responder::remove`].
    pub(super) fn remove(&mut self, owner: &str, answer: &Answer) {
        let token = answer.key_authorization.token().as_str();
        self.drop_entries(token, |entry| entry.owner == owner && entry.host == answer.host);
        let Some(tokens) = self.tokens_of.get_mut(owner) else {
            return;
        };
        if let Some(position) = tokens.iter().position(|known| known == token) {
            tokens.swap_remove(position);
        }
        if tokens.is_empty() {
            self.tokens_of.remove(owner);
        }
    }

    /// As [`super::Responder::replace_all_for`].
    ///
    /// # Errors
    /// As there.
    pub(super) fn replace_all_for(&mut self, owner: &str, answers: Vec<Answer>) -> Result<(), TableFull> {
        for token in self.tokens_of.remove(owner).unwrap_or_default() {
            self.drop_entries(&token, |entry| entry.owner == owner);
        }
        answers.into_iter().try_for_each(|answer| self.insert(owner, answer))
    }

    fn drop_entries(&mut self, token: &str, is_dropped: impl Fn(&Entry) -> bool) {
        let Some(entries) = self.by_token.get_mut(token) else {
            return;
        };
        let before = entries.len();
        entries.retain(|entry| !is_dropped(entry));
        self.entries -= before - entries.len();
        if entries.is_empty() {
            self.by_token.remove(token);
        }
    }
}

fn find<'a>(entries: &'a mut [Entry], owner: &str, host: &Host) -> Option<&'a mut Entry> {
    entries
        .iter_mut()
        .find(|entry| entry.owner == owner && entry.host == *host)
}
