//! Sessions with the servers of issuers: what was read for an issuer, until it changes.

use std::{
    cmp::Ordering,
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use jiff::{SignedDuration, Timestamp};

use super::{
    Ask, Signing,
    changes::{Changes, Watch},
};
use crate::{
    plan::{
        issuer::IssuerId,
        seen::{Meta, Next, ObjectKey},
    },
    signer::{Checked, vault, venafi},
};

/// Age at which the Secrets are read again, in case a change was missed.
const FRESH: SignedDuration = SignedDuration::from_mins(15);
/// Idle time after which a session is dropped.
const IDLE: SignedDuration = SignedDuration::from_mins(30);
/// Maximum number of sessions of one kind. The least recently used one is dropped.
const MAX_SESSIONS: usize = 1024;

/// Sessions of one kind, by issuer.
#[derive(Debug)]
pub(super) struct Sessions<S> {
    by_issuer: Mutex<HashMap<ObjectKey, Entry<S>>>,
    changes: Changes,
}

#[derive(Debug)]
struct Entry<S> {
    session: Arc<S>,
    uid: Box<str>,
    generation: i64,
    secrets: Vec<ObjectKey>,
    read: Timestamp,
    used: Timestamp,
}

impl<S> Default for Sessions<S> {
    fn default() -> Self {
        Self {
            by_issuer: Mutex::default(),
            changes: Changes::default(),
        }
    }
}

impl<S> Sessions<S> {
    /// The session of an issuer, unless it is old or the issuer has changed.
    pub(super) fn recall(&self, issuer: &Meta, now: Timestamp) -> Option<Arc<S>> {
        let mut sessions = self.lock();
        let entry = sessions.get_mut(&issuer.key)?;
        if entry.uid != issuer.uid || entry.generation != issuer.generation {
            sessions.remove(&issuer.key);
            return None;
        }
        // an old one stays until it is replaced, so that its login is not revoked meanwhile
        if now.duration_since(entry.read) > FRESH {
            return None;
        }
        entry.used = now;
        Some(Arc::clone(&entry.session))
    }

    /// Sees the Secrets that change from now on.
    pub(super) fn watch(&self) -> Watch<'_> {
        self.changes.watch()
    }

    /// Drops the sessions that read this Secret.
    pub(super) fn forget(&self, secret: &ObjectKey) {
        self.changes.note(secret);
        self.lock().retain(|_, entry| !entry.secrets.contains(secret));
    }

    /// Drops all sessions.
    pub(super) fn clear(&self) {
        self.lock().clear();
    }

    /// Drops idle sessions.
    pub(super) fn drop_idle(&self, now: Timestamp) {
        self.lock().retain(|_, entry| now.duration_since(entry.used) <= IDLE);
    }

    /// Stores a new session, unless one of its Secrets has changed since `begun`, or another task has stored one since `now`, when this one was
    /// begun. Returns the one to use.
    pub(super) fn keep(
        &self,
        issuer: &Meta,
        session: S,
        secrets: Vec<ObjectKey>,
        begun: &Watch<'_>,
        now: Timestamp,
    ) -> Arc<S> {
        let session = Arc::new(session);
        let mut sessions = self.lock();
        // behind the lock: a change that is noted from now on finds the session
        if begun.has_changed(&secrets) {
            return session;
        }
        if let Some(entry) = sessions.get(&issuer.key).filter(|entry| entry.uid == issuer.uid) {
            match entry.generation.cmp(&issuer.generation) {
                Ordering::Equal if entry.read >= now => return Arc::clone(&entry.session),
                Ordering::Greater => return session,
                Ordering::Equal | Ordering::Less => {}
            }
        }
        if sessions.len() >= MAX_SESSIONS {
            let oldest = sessions
                .iter()
                .min_by_key(|(_, entry)| entry.used)
                .map(|(key, _)| key.clone());
            if let Some(oldest) = oldest {
                sessions.remove(&oldest);
            }
        }
        let entry = Entry {
            session: Arc::clone(&session),
            uid: issuer.uid.clone(),
            generation: issuer.generation,
            secrets,
            read: now,
            used: now,
        };
        sessions.insert(issuer.key.clone(), entry);
        session
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ObjectKey, Entry<S>>> {
        self.by_issuer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A session whose server tells whether the issuer can sign.
pub(super) trait Checks: Sync {
    /// Identifies the server, so that a silent one occupies only its own lane.
    fn lane(&self) -> &str;

    /// The verdict that is still in use.
    fn known(&self, now: Timestamp) -> Option<Checked>;

    /// Asks the server.
    fn check(&self, now: Timestamp) -> impl Future<Output = Checked> + Send;
}

impl Checks for vault::Session {
    fn lane(&self) -> &str {
        self.lane()
    }

    fn known(&self, now: Timestamp) -> Option<Checked> {
        self.known(now)
    }

    fn check(&self, now: Timestamp) -> impl Future<Output = Checked> + Send {
        self.check(now)
    }
}

impl Checks for venafi::Session {
    fn lane(&self) -> &str {
        self.lane()
    }

    fn known(&self, now: Timestamp) -> Option<Checked> {
        self.known(now)
    }

    fn check(&self, now: Timestamp) -> impl Future<Output = Checked> + Send {
        self.check(now)
    }
}

impl Signing {
    /// Whether the server of an issuer can sign for it: what is known, or else what the server says. A worker asks in the lane of the server.
    ///
    /// # Errors
    /// When to try again, if nothing is known and the server is not asked.
    pub(super) async fn checked(&self, issuer: &Meta, session: &impl Checks, ask: Ask) -> Result<Checked, Next> {
        let now = self.ports.now();
        if ask == Ask::Nothing {
            return Err(Next::OnChange);
        }
        if let Some(known) = session.known(now) {
            return Ok(known);
        }
        if ask == Ask::Command {
            return Ok(session.check(now).await);
        }
        let id = IssuerId(issuer.key.clone());
        let call = self.ports.queues.issuers.calling(session.lane(), &id, now);
        let call = call.map_err(Next::At)?;
        let checked = session.check(now).await;
        drop(call);
        Ok(checked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::request::fixture::meta;

    fn issuer(generation: i64) -> Meta {
        Meta {
            generation,
            ..meta("vault", "uid")
        }
    }

    #[test]
    fn a_session_is_stored_unless_its_secret_changed_or_a_later_one_is_there() {
        let (sessions, secret) = (Sessions::<u8>::default(), ObjectKey::new("shop", "token"));
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        let keep = |meta: &Meta, begun: &Watch<'_>, now| sessions.keep(meta, 0, vec![secret.clone()], begun, now);
        let begun = sessions.watch();
        sessions.forget(&secret);
        keep(&issuer(1), &begun, at(1));
        assert!(
            sessions.recall(&issuer(1), at(1)).is_none(),
            "it was read before the change"
        );

        let begun = sessions.watch();
        let first = keep(&issuer(2), &begun, at(5));
        assert!(
            Arc::ptr_eq(&first, &keep(&issuer(2), &begun, at(4))),
            "two tasks have one"
        );
        let old = keep(&issuer(1), &begun, at(6));
        assert!(!Arc::ptr_eq(&first, &old));
        assert!(Arc::ptr_eq(&first, &sessions.recall(&issuer(2), at(7)).unwrap()));
        let later = at(7).saturating_add(FRESH).unwrap();
        assert!(sessions.recall(&issuer(2), later).is_none() && !sessions.lock().is_empty());
        assert!(!Arc::ptr_eq(&first, &keep(&issuer(2), &begun, later)));
        sessions.forget(&secret);
        assert!(sessions.lock().is_empty());
    }
}
