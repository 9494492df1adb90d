//! Tokens of Vault: one login for the life of a token. They are in memory only.

use std::{
    borrow::Cow,
    collections::HashMap,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures::{StreamExt as _, future::BoxFuture, stream};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{CAPABILITIES, server::Server};
use crate::{
    pki::hidden::Hidden,
    signer::fault::{Fault, FaultKind},
};

/// The most logins that are remembered. Beyond that, those that no issuer uses are dropped.
const MOST: usize = 4096;
/// A token with a shorter rest of its life is replaced instead of renewed.
const TOO_SHORT: SignedDuration = SignedDuration::from_secs(10);

/// The most tokens that wait to be revoked. Beyond that they end by themselves.
const MOST_DISCARDED: usize = 1024;
/// How many tokens are revoked at a time.
const REVOKED_AT_ONCE: usize = 8;
/// How long tokens are revoked in one go.
const REVOKING: Duration = Duration::from_secs(20);

/// The longest life of a token that is counted with, in seconds: ten years.
const LONGEST_LEASE: i64 = 10 * 365 * 86_400;

/// The fields of a login; values are credentials.
pub(crate) type Fields = Vec<(&'static str, Hidden<String>)>;

/// Makes the fields of one login, for example a token of a Kubernetes ServiceAccount. If the argument is set, Vault has refused the last
/// ones, so nothing that is remembered is used.
pub(crate) type MakeFields = Arc<dyn Fn(bool) -> BoxFuture<'static, Result<Fields, Fault>> + Send + Sync>;

/// How to log in (ISS-06..09). `Debug` shows no credential.
#[derive(Clone)]
pub(crate) enum Login {
    /// A token that an administrator manages: it is neither renewed nor revoked.
    Token(Hidden<String>),
    /// A call of a login endpoint with these fields.
    Post {
        /// The path of the endpoint.
        path: String,
        /// The fields.
        fields: Fields,
    },
    /// A call of a login endpoint with fields that are made for it.
    Made {
        /// The path of the endpoint.
        path: String,
        /// Makes the fields.
        fields: MakeFields,
    },
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Token(_) => "Token",
            Self::Post { path, .. } | Self::Made { path, .. } => path,
        })
    }
}

#[derive(Deserialize)]
struct LoginAnswer {
    auth: Option<Granted>,
}

#[derive(Deserialize)]
struct Granted {
    client_token: String,
    #[serde(default)]
    lease_duration: i64,
    #[serde(default)]
    renewable: bool,
    #[serde(default)]
    num_uses: u64,
    #[serde(default)]
    token_type: String,
}

#[derive(Debug)]
struct Token {
    value: Hidden<String>,
    /// When it is renewed or replaced; `None` if it does not end.
    until: Option<Timestamp>,
    ends: Option<Timestamp>,
    lease: SignedDuration,
    renewable: bool,
    /// How often it can be used; `None` without a limit.
    uses: Option<u64>,
    batch: bool,
}

/// A login with its token, which all issuers with the same credential share.
#[derive(Debug)]
pub(crate) struct Slot {
    server: Server,
    login: Login,
    token: tokio::sync::Mutex<Option<Token>>,
    /// Whether the last login was refused.
    refused: AtomicBool,
    /// Whether a new token may not ask for its rights.
    mute: AtomicBool,
    discarded: Arc<Discarded>,
}

/// A token, and whether it was made for this call.
pub(super) struct Given {
    pub(super) token: Hidden<String>,
    pub(super) is_new: bool,
}

impl From<&Token> for Given {
    fn from(token: &Token) -> Self {
        Self {
            token: token.value.clone(),
            is_new: false,
        }
    }
}

/// Tokens that nothing uses any more, until they are revoked.
#[derive(Debug, Default)]
struct Discarded(Mutex<Vec<(Server, Token)>>);

impl Discarded {
    /// A token that ends by itself, or at once, is only dropped.
    fn add(&self, server: &Server, token: Token) {
        let now = server.now();
        let ends_by_itself = token.batch || token.uses == Some(0) || token.ends.is_some_and(|ends| ends <= now);
        let mut tokens = self.lock();
        if !ends_by_itself && tokens.len() < MOST_DISCARDED {
            tokens.push((server.clone(), token));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(Server, Token)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    /// A token. The first caller logs in; others wait for that.
    ///
    /// # Errors
    /// If Vault refuses the login, or does not answer.
    pub(super) async fn token(&self) -> Result<Given, Fault> {
        if let Login::Token(token) = &self.login {
            return Ok(Given {
                token: token.clone(),
                is_new: false,
            });
        }
        let mut held = self.token.lock().await;
        let now = self.server.now();
        if let Some(token) = held
            .as_mut()
            .filter(|token| token.until.is_none_or(|until| until > now))
        {
            match &mut token.uses {
                None => return Ok(Given::from(&*token)),
                Some(0) => {}
                Some(uses) => {
                    *uses -= 1;
                    return Ok(Given::from(&*token));
                }
            }
        }
        if let Some(token) = held.take() {
            let is_renewed = token.uses.is_none() && token.renewable && token.ends.is_none_or(|ends| ends > now);
            if is_renewed && let Some(renewed) = self.renew(&token).await {
                return Ok(Given::from(&*held.insert(renewed)));
            }
            self.discarded.add(&self.server, token);
        }
        let mut token = self.log_in().await?;
        token.uses = token.uses.map(|uses| uses.saturating_sub(1));
        Ok(Given {
            is_new: true,
            ..Given::from(&*held.insert(token))
        })
    }

    /// Whether a token may ask for its rights, as far as is known.
    pub(super) fn may_ask(&self) -> bool {
        !self.mute.load(Ordering::Relaxed)
    }

    /// A new token was refused this call.
    pub(super) fn refused(&self, path: &str) {
        if path == CAPABILITIES {
            self.mute.store(true, Ordering::Relaxed);
        }
    }

    /// Drops a token that Vault does not accept. Whether another one can be had.
    pub(super) async fn reject(&self, refused: &Hidden<String>) -> bool {
        if matches!(self.login, Login::Token(_)) {
            return false;
        }
        let mut held = self.token.lock().await;
        if let Some(token) = held.take_if(|token| token.value == *refused) {
            self.discarded.add(&self.server, token);
        }
        true
    }

    async fn renew(&self, old: &Token) -> Option<Token> {
        let answer = self
            .server
            .post("v1/auth/token/renew-self", Some(&old.value), &json!({}))
            .await
            .ok()?;
        let renewed = self.parse(answer)?;
        // at its maximum, Vault grants only what is left
        (renewed.lease > TOO_SHORT && renewed.lease * 2 > old.lease).then_some(renewed)
    }

    async fn log_in(&self) -> Result<Token, Fault> {
        let (path, fields) = match &self.login {
            Login::Token(_) => return Err(Fault::settings("there is no login with a token")),
            Login::Post { path, fields } => (path, Cow::Borrowed(fields)),
            Login::Made { path, fields } => {
                let fields = fields(self.refused.load(Ordering::Relaxed)).await;
                let fields = fields.map_err(|fault| Fault {
                    sentence: format!("login: {}", fault.sentence),
                    ..fault
                })?;
                (path, Cow::Owned(fields))
            }
        };
        let fields = fields
            .iter()
            .map(|(name, value)| ((*name).to_owned(), json!(value.expose())));
        let body = Value::Object(fields.collect());
        let answer = self.server.post(path, None, &body).await;
        // an outage says nothing of the fields: those of AWS stay, and cost no further call of STS
        let is_outage = answer.as_ref().is_err_and(|fault| fault.kind.outage().is_some());
        if !is_outage {
            self.refused.store(answer.is_err(), Ordering::Relaxed);
        }
        let answer = answer.map_err(|fault| Fault {
            // whatever is wrong with a login is not a matter of the requester
            kind: if fault.kind == FaultKind::Request {
                FaultKind::Denied
            } else {
                fault.kind
            },
            sentence: format!("login: {}", fault.sentence),
        })?;
        let granted = self.parse(answer);
        granted.ok_or_else(|| self.server.not_vault(&format!("POST {path}")))
    }

    fn parse(&self, answer: Value) -> Option<Token> {
        let granted = serde_json::from_value::<LoginAnswer>(answer).ok()?.auth?;
        let Granted {
            client_token,
            lease_duration,
            renewable,
            num_uses,
            token_type,
        } = granted;
        if client_token.is_empty() {
            return None;
        }
        let (now, lease) = (self.server.now(), lease(lease_duration));
        let after = |lease: SignedDuration| now.saturating_add(lease).unwrap_or(Timestamp::MAX);
        let limited = lease_duration > 0;
        Some(Token {
            value: Hidden::new(client_token),
            until: limited.then(|| after(lease * 2 / 3)),
            ends: limited.then(|| after(lease)),
            lease,
            renewable,
            uses: (num_uses > 0).then_some(num_uses),
            batch: token_type == "batch",
        })
    }
}

async fn revoke(server: &Server, token: &Token) {
    let body = json!({});
    let call = server.post("v1/auth/token/revoke-self", Some(&token.value), &body);
    if let Err(Fault { sentence, .. }) = call.await {
        tracing::debug!(sentence, "a token was not revoked; it ends by itself");
    }
}

/// The life of a token, as a server says it: a number of any size.
fn lease(seconds: i64) -> SignedDuration {
    SignedDuration::from_secs(seconds.clamp(0, LONGEST_LEASE))
}

/// The logins of this process, by a digest of server, namespace, mount, role and credential.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    slots: Mutex<HashMap<[u8; 32], Arc<Slot>>>,
    discarded: Arc<Discarded>,
}

impl Tokens {
    /// The login with this digest.
    pub(crate) fn slot(&self, digest: [u8; 32], server: &Server, login: Login) -> Arc<Slot> {
        let mut slots = self.lock();
        if slots.len() >= MOST {
            self.discard(
                slots
                    .extract_if(|_, slot| Arc::strong_count(slot) == 1)
                    .map(|(_, slot)| slot),
            );
        }
        let made = || {
            Arc::new(Slot {
                server: server.clone(),
                login,
                token: tokio::sync::Mutex::default(),
                refused: AtomicBool::new(false),
                mute: AtomicBool::new(false),
                discarded: Arc::clone(&self.discarded),
            })
        };
        Arc::clone(slots.entry(digest).or_insert_with(made))
    }

    /// Removes the logins that no issuer uses, and revokes their tokens and those that were replaced. What a server does not revoke in
    /// time ends by itself.
    pub(crate) async fn revoke_unused(&self) {
        self.discard(
            self.lock()
                .extract_if(|_, slot| Arc::strong_count(slot) == 1)
                .map(|(_, slot)| slot),
        );
        let tokens = std::mem::take(&mut *self.discarded.lock());
        let revoking = stream::iter(&tokens)
            .for_each_concurrent(REVOKED_AT_ONCE, async |(server, token)| revoke(server, token).await);
        if tokio::time::timeout(REVOKING, revoking).await.is_err() {
            tracing::debug!("some tokens of Vault were not revoked in time; they end by themselves");
        }
    }

    /// Discards the tokens of logins that nothing else has.
    fn discard(&self, unused: impl Iterator<Item = Arc<Slot>>) {
        for slot in unused {
            if let Some(slot) = Arc::into_inner(slot)
                && let Some(token) = slot.token.into_inner()
            {
                self.discarded.add(&slot.server, token);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<[u8; 32], Arc<Slot>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_grants_a_token_for_ever_stops_nothing() {
        assert_eq!(lease(3600) * 2 / 3, SignedDuration::from_mins(40));
        assert_eq!(lease(-1), SignedDuration::ZERO);
        assert_eq!((lease(i64::MAX) * 2 / 3).as_hours(), LONGEST_LEASE * 2 / 3 / 3600);
    }
}
