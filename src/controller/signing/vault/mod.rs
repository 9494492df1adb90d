//! Sessions with Vault: what an issuer needs of its server, and whether it is Ready.

mod place;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use jiff::{SignedDuration, Timestamp};

use self::place::{NoSession, Place};
use super::{Readiness, Signing};
use crate::{
    api::{names::annotation, vault::VaultIssuer},
    controller::{ControllerError, FollowUp},
    plan::{
        issuer::{self, FoundIssuer, IssuerId},
        outage::Contact,
        seen::{Meta, Next, ObjectKey},
    },
    signer::{
        Outcome, Refusal, Signer, Until,
        vault::{self, Session, tokens::Tokens},
    },
};

/// Age at which the Secrets are read again, in case a change was missed.
const FRESH: SignedDuration = SignedDuration::from_mins(15);
/// Idle time after which a session is dropped.
const IDLE: SignedDuration = SignedDuration::from_mins(30);
/// Maximum number of sessions. The least recently used one is dropped.
const MAX_SESSIONS: usize = 1024;

/// Sessions by issuer.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    sessions: Mutex<HashMap<ObjectKey, Entry>>,
    tokens: Tokens,
}

#[derive(Debug)]
struct Entry {
    session: Arc<Session>,
    uid: Box<str>,
    generation: i64,
    secrets: Vec<ObjectKey>,
    read: Timestamp,
    used: Timestamp,
}

impl Sessions {
    fn recall(&self, issuer: &Meta, now: Timestamp) -> Option<Arc<Session>> {
        let mut sessions = self.lock();
        let entry = sessions.get_mut(&issuer.key)?;
        let same = entry.uid == issuer.uid && entry.generation == issuer.generation;
        if !same || now.duration_since(entry.read) > FRESH {
            sessions.remove(&issuer.key);
            return None;
        }
        entry.used = now;
        Some(Arc::clone(&entry.session))
    }

    /// Drops the sessions that read this Secret.
    pub(super) fn forget(&self, secret: &ObjectKey) {
        self.lock().retain(|_, entry| !entry.secrets.contains(secret));
    }

    /// Drops all sessions. Their tokens are revoked by [`Sessions::end`], or in the background.
    pub(super) fn clear(&self) {
        self.lock().clear();
    }

    /// Drops idle sessions, and revokes tokens that nothing uses any more.
    pub(super) async fn drop_idle(&self, now: Timestamp) {
        self.lock().retain(|_, entry| now.duration_since(entry.used) <= IDLE);
        self.tokens.revoke_unused().await;
    }

    /// Drops all sessions and revokes their tokens.
    pub(crate) async fn end(&self) {
        self.clear();
        self.tokens.revoke_unused().await;
    }

    fn keep(&self, issuer: &Meta, session: &Arc<Session>, secrets: Vec<ObjectKey>, now: Timestamp) {
        let mut sessions = self.lock();
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
            session: Arc::clone(session),
            uid: issuer.uid.clone(),
            generation: issuer.generation,
            secrets,
            read: now,
            used: now,
        };
        sessions.insert(issuer.key.clone(), entry);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ObjectKey, Entry>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Signing {
    pub(super) async fn by_vault(&self, issuer: &FoundIssuer, spec: &VaultIssuer) -> Result<Signer, Refusal> {
        let session = self.session(&issuer.meta, spec).await.map_err(|why| match why {
            NoSession::Missing(sentence) => Refusal::pending(
                "SecretMissing",
                format!("Required secret resource not found: {sentence}"),
            ),
            NoSession::Unread(sentence) => Refusal::pending(crate::signer::INTERRUPTED, sentence),
            NoSession::Unusable(sentence) => {
                let message = format!("Failed to initialise vault client for signing: {sentence}");
                Refusal::pending(vault::INIT, message)
            }
        })?;
        Ok(Signer::Vault {
            session,
            with_root: issuer.meta.annotations.get(annotation::VAULT_ROOT) == Some("true"),
        })
    }

    /// The readiness of a Vault issuer. The server is called only if `ask` is set, and in its lane if a worker waits for it.
    pub(super) async fn vault_readiness(
        &self,
        issuer: &Meta,
        spec: &VaultIssuer,
        ask: super::Ask,
    ) -> Result<Readiness, ControllerError> {
        let only = |verdict, next| Readiness {
            next,
            ..Readiness::only(verdict)
        };
        if let Some(verdict) = issuer::vault_settings(spec) {
            return Ok(only(Some(verdict), Next::OnChange));
        }
        let session = match self.session(issuer, spec).await {
            Ok(session) => session,
            Err(NoSession::Unread(sentence)) => return Err(ControllerError::Failed(sentence)),
            Err(why) => {
                let sentence = format!("Failed to initialize Vault client: {}", why.sentence());
                return Ok(only(Some(issuer::vault_not_usable(sentence)), Next::OnChange));
            }
        };
        let now = self.ports.now();
        if ask == super::Ask::Nothing {
            return Ok(only(None, Next::OnChange));
        }
        let (verdict, until) = match session.known(now) {
            Some(known) => known,
            None if ask == super::Ask::Worker => {
                let id = IssuerId(issuer.key.clone());
                match self.ports.queues.issuers.calling(&session.lane, &id, now) {
                    Ok(call) => {
                        let checked = session.check(now).await;
                        drop(call);
                        checked
                    }
                    Err(again) => return Ok(only(None, Next::At(again))),
                }
            }
            None => session.check(now).await,
        };
        let (verdict, contact) = match verdict {
            Ok(()) => (issuer::vault_verified(), Contact::Answered),
            Err(fault) => {
                let contact = fault.kind.outage().map_or(Contact::Answered, Contact::Outage);
                (issuer::vault_not_usable(fault.sentence), contact)
            }
        };
        Ok(Readiness {
            contact,
            ..only(Some(verdict), Next::At(until))
        })
    }

    /// After a call of a signer: an issuer whose Vault did not sign is checked again.
    pub(crate) fn doubt(&self, issuer: &FoundIssuer, outcome: &Outcome) {
        if let Outcome::Wait(wait) = outcome
            && wait.reason == vault::UNAVAILABLE
            && matches!(wait.until, Until::At(_))
        {
            self.ports.queues.follow_up(FollowUp::NotSigned(issuer.id()));
        }
    }

    async fn session(&self, issuer: &Meta, spec: &VaultIssuer) -> Result<Arc<Session>, NoSession> {
        let now = self.ports.now();
        if let Some(session) = self.vault.recall(issuer, now) {
            return Ok(session);
        }
        let mut place = Place::new(&self.ports, issuer);
        let session = Arc::new(place.session(spec, &self.vault.tokens).await?);
        self.vault.keep(issuer, &session, place.into_secrets(), now);
        Ok(session)
    }
}
