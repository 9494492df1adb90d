//! Tokens of Vault: one login for the life of a token. They are in memory only.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    fault::{Fault, FaultKind},
    server::Server,
};
use crate::pki::hidden::Hidden;

/// The most logins that are remembered. Beyond that, those that no issuer uses are dropped.
const MOST: usize = 4096;
/// A token with a shorter rest of its life is replaced instead of renewed.
const TOO_SHORT: SignedDuration = SignedDuration::from_secs(10);

/// The longest life of a token that is counted with, in seconds: ten years.
const LONGEST_LEASE: i64 = 10 * 365 * 86_400;

/// Makes a token of a Kubernetes ServiceAccount for a login.
pub(crate) type MakeJwt = Arc<dyn Fn() -> BoxFuture<'static, Result<Hidden<String>, Fault>> + Send + Sync>;

/// How to log in (ISS-06..09). `Debug` shows no credential.
#[derive(Clone)]
pub(crate) enum Login {
    /// A token that an administrator manages: it is neither renewed nor revoked.
    Token(Hidden<String>),
    /// A call of a login endpoint with these fields.
    Post {
        /// The path of the endpoint.
        path: String,
        /// The fields; values are credentials.
        fields: Vec<(&'static str, Hidden<String>)>,
    },
    /// A login endpoint with a fresh token of a ServiceAccount.
    ServiceAccount {
        /// The path of the endpoint.
        path: String,
        /// The role in Vault.
        role: String,
        /// Makes the token.
        jwt: MakeJwt,
    },
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Token(_) => "Token",
            Self::Post { path, .. } | Self::ServiceAccount { path, .. } => path,
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
}

impl Slot {
    /// A token. The first caller logs in; others wait for that.
    ///
    /// # Errors
    /// If Vault refuses the login, or does not answer.
    pub(super) async fn token(&self) -> Result<Hidden<String>, Fault> {
        if let Login::Token(token) = &self.login {
            return Ok(token.clone());
        }
        let mut held = self.token.lock().await;
        let now = self.server.now();
        if let Some(token) = held
            .as_mut()
            .filter(|token| token.until.is_none_or(|until| until > now))
        {
            match &mut token.uses {
                None => return Ok(token.value.clone()),
                Some(0) => {}
                Some(uses) => {
                    *uses -= 1;
                    return Ok(token.value.clone());
                }
            }
        }
        let old = held.take();
        if let Some(token) = old.filter(|token| token.uses.is_none() && token.renewable)
            && token.ends.is_none_or(|ends| ends > now)
            && let Some(renewed) = self.renew(token).await
        {
            return Ok(held.insert(renewed).value.clone());
        }
        let mut token = self.log_in().await?;
        token.uses = token.uses.map(|uses| uses.saturating_sub(1));
        Ok(held.insert(token).value.clone())
    }

    /// Drops a token that Vault does not accept. Whether another one can be had.
    pub(super) async fn reject(&self, refused: &Hidden<String>) -> bool {
        if matches!(self.login, Login::Token(_)) {
            return false;
        }
        let mut held = self.token.lock().await;
        if held.as_ref().is_some_and(|token| token.value == *refused) {
            *held = None;
        }
        true
    }

    async fn renew(&self, old: Token) -> Option<Token> {
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
        let (path, body) = match &self.login {
            Login::Token(_) => return Err(Fault::settings("there is no login with a token")),
            Login::Post { path, fields } => {
                let fields = fields
                    .iter()
                    .map(|(name, value)| ((*name).to_owned(), json!(value.expose())));
                (path, Value::Object(fields.collect()))
            }
            Login::ServiceAccount { path, role, jwt } => {
                let jwt = jwt().await?;
                (path, json!({ "role": role, "jwt": jwt.expose() }))
            }
        };
        let answer = self.server.post(path, None, &body).await.map_err(|fault| Fault {
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

    async fn revoke(&self) {
        let held = self.token.lock().await.take();
        let Some(token) = held.filter(|token| !token.batch && token.uses.is_none()) else {
            return;
        };
        let revoked = self
            .server
            .post("v1/auth/token/revoke-self", Some(&token.value), &json!({}))
            .await;
        if let Err(Fault { sentence, .. }) = revoked {
            tracing::debug!(sentence, "a token was not revoked; it ends by itself");
        }
    }
}

/// The life of a token, as a server says it: a number of any size.
fn lease(seconds: i64) -> SignedDuration {
    SignedDuration::from_secs(seconds.clamp(0, LONGEST_LEASE))
}

/// The logins of this process, by a digest of server, namespace, mount, role and credential.
#[derive(Debug, Default)]
pub(crate) struct Tokens(Mutex<HashMap<[u8; 32], Arc<Slot>>>);

impl Tokens {
    /// The login with this digest.
    pub(crate) fn slot(&self, digest: [u8; 32], server: &Server, login: Login) -> Arc<Slot> {
        let mut slots = self.lock();
        if slots.len() >= MOST {
            slots.retain(|_, slot| Arc::strong_count(slot) > 1);
        }
        let made = || {
            Arc::new(Slot {
                server: server.clone(),
                login,
                token: tokio::sync::Mutex::default(),
            })
        };
        Arc::clone(slots.entry(digest).or_insert_with(made))
    }

    /// Removes the logins that no issuer uses, and revokes their tokens.
    pub(crate) async fn revoke_unused(&self) {
        let unused: Vec<Arc<Slot>> = self
            .lock()
            .extract_if(|_, slot| Arc::strong_count(slot) == 1)
            .map(|(_, slot)| slot)
            .collect();
        futures::future::join_all(unused.iter().map(|slot| slot.revoke())).await;
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<[u8; 32], Arc<Slot>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
