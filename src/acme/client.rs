//! One ACME server as one account key sees it: the signed request that everything else is made of.

use std::any::Any;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};

use http::{Method, header};
use serde_json::{Value, json};

use super::Action;
use super::Error;
use super::account::Account;
use super::directory::Directory;
use super::jws::{AccountKey, ExternalAccount};
use super::nonce::{NoncePool, nonce_of};
use super::order::Order;
use super::problem::Kind;
use super::registration::Registration;
use super::server::Server;
use super::transport::{Answer, Request};
use super::url::server_url;
use crate::net::RetryAfter;

/// How often a request whose nonce was refused is signed and sent again (ACC-11). Nothing was done by then.
const NONCE_RETRIES: u32 = 5;

/// A value of the server, and how long it wants to be left alone.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Answered<T> {
    /// What was asked for.
    pub value: T,
    /// The wait that the answer asks for.
    pub retry_after: Option<RetryAfter>,
}

impl<T> Answered<T> {
    pub(super) fn new(answer: &Answer, value: T) -> Self {
        Self {
            value,
            retry_after: answer.retry_after(),
        }
    }
}

/// A request to be signed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Post<'a> {
    pub(super) action: Action,
    pub(super) url: &'a str,
    /// JSON, or empty for a POST-as-GET (RFC 8555 section 6.3).
    pub(super) payload: &'a str,
}

/// An ACME server as seen with one account key and one set of trust settings. Cheap to clone; nonces, the directory
/// and connections are shared among the clones.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    server: Server,
    key: AccountKey,
    nonces: NoncePool,
    account_unknown: AtomicBool,
    confirmed: std::sync::Mutex<Option<String>>,
    attempt: LastAttempt,
}

/// What is remembered of the last attempt to register or look up the account. It is kept beside the client, which may have to make
/// room for others. What it is, only those know who plan attempts: the client has a place for one value of any type.
pub(super) type LastAttempt = Arc<std::sync::Mutex<Option<Box<dyn Any + Send>>>>;

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Client({} as {:?})", self.0.server.url(), self.0.key)
    }
}

impl Client {
    /// A client of `server` with this account key. Nothing is sent yet.
    pub(super) fn new(server: Server, key: AccountKey, attempt: LastAttempt) -> Self {
        Self(Arc::new(Inner {
            server,
            key,
            nonces: NoncePool::default(),
            account_unknown: AtomicBool::new(false),
            confirmed: std::sync::Mutex::default(),
            attempt,
        }))
    }

    /// True when both are clones of one client.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Whether a failure of one is one of the other.
    #[cfg(test)]
    pub(super) fn shares_attempts_with(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0.attempt, &other.0.attempt)
    }

    /// The account's key, for key authorizations.
    pub fn key(&self) -> &AccountKey {
        &self.0.key
    }

    /// The server.
    pub fn server(&self) -> &Server {
        &self.0.server
    }

    /// True since the server said that it does not know the account, until one is registered: the issuer must be
    /// looked at again (a CA that was restored or replaced).
    pub fn account_is_unknown(&self) -> bool {
        self.0.account_unknown.load(Ordering::Relaxed)
    }

    /// Whether the server said, to this client, that the account of its key is at this URL.
    pub fn has_confirmed(&self, uri: &str) -> bool {
        let confirmed = self.0.confirmed.lock().unwrap_or_else(PoisonError::into_inner);
        !self.account_is_unknown() && confirmed.as_deref() == Some(uri)
    }

    /// What [`Client::remember`] was given last, for the plan of the next attempt: issuers that share the account share its
    /// back-off. `None` where that was of another type.
    pub fn attempt<T: Any + Clone>(&self) -> Option<T> {
        let attempt = self.0.attempt.lock().unwrap_or_else(PoisonError::into_inner);
        attempt.as_ref()?.downcast_ref().cloned()
    }

    /// Remembers how the last attempt to register or look up the account ended.
    pub fn remember<T: Any + Send>(&self, attempt: Option<T>) {
        let attempt = attempt.map(|attempt| Box::new(attempt) as Box<dyn Any + Send>);
        *self.0.attempt.lock().unwrap_or_else(PoisonError::into_inner) = attempt;
    }

    /// The server's directory, at most an hour old.
    pub async fn directory(&self) -> Result<Arc<Directory>, Error> {
        self.0.server.directory().await
    }

    /// What the account at `uri` (`status.acme.uri`) can do. Nothing is sent: every request is signed in the name of this URL, and
    /// goes only where the directory leads.
    ///
    /// # Errors
    /// [`Error::InvalidUrl`].
    pub fn account(&self, uri: &str) -> Result<Account, Error> {
        server_url(uri)?;
        Ok(Account::new(self.clone(), uri.to_owned()))
    }

    /// Finds the account of this key (RFC 8555 section 7.3.1); never makes one.
    ///
    /// # Errors
    /// A problem with [`Error::says_account_is_unknown`] when there is none.
    pub async fn lookup(&self) -> Result<Registration, Error> {
        self.register(Action::LookUpAccount, &json!({"onlyReturnExisting": true}))
            .await
    }

    /// Registers an account, agreeing to the terms of service (RFC 8555 section 7.3); gives the existing one if this
    /// key has one already. `contact` is an e-mail address or empty.
    pub async fn new_account(&self, contact: &str, external: Option<&ExternalAccount>) -> Result<Registration, Error> {
        let contacts = contact_urls(contact);
        let contacts: Vec<&str> = contacts.iter().map(String::as_str).collect();
        let new = instant_acme::NewAccount {
            contact: &contacts,
            terms_of_service_agreed: true,
            only_return_existing: false,
        };
        let mut payload = serde_json::to_value(new).unwrap_or_default();
        if let (Some(external), Some(payload)) = (external, payload.as_object_mut()) {
            let url = self.directory().await?.new_account.clone();
            payload.insert("externalAccountBinding".to_owned(), self.0.key.bind(external, &url));
        }
        self.register(Action::NewAccount, &payload).await
    }

    async fn register(&self, action: Action, payload: &Value) -> Result<Registration, Error> {
        let url = self.directory().await?.new_account.clone();
        let payload = payload.to_string();
        let post = Post {
            action,
            url: &url,
            payload: &payload,
        };
        let answer = self.signed(None, post).await?;
        let uri = location(&answer)?.ok_or_else(|| answer.unreadable("it names no account"))?;
        self.0.server.own(&uri).await?;
        let registration = Registration::read(&answer, uri)?;
        *self.0.confirmed.lock().unwrap_or_else(PoisonError::into_inner) = Some(registration.uri.clone());
        self.0.account_unknown.store(false, Ordering::Relaxed);
        Ok(registration)
    }

    /// A signed request (RFC 8555 section 6.2). Without an account it carries the public key.
    pub(super) async fn signed(&self, account: Option<&Account>, post: Post<'_>) -> Result<Answer, Error> {
        let Post { action, url, payload } = post;
        let kid = account.map(Account::uri);
        let Inner {
            server, key, nonces, ..
        } = &*self.0;
        let target = server.own(url).await?;
        let mut attempt = 0;
        let mut nonce = self.nonce(action).await?;
        loop {
            let body = key.sign(kid, &nonce, url, payload)?;
            let request = Request {
                action,
                method: Method::POST,
                url: &target,
                body: Some(body),
                names: account.map_or(0, Account::names),
            };
            let answer = server.send(request).await?;
            let fresh = nonce_of(&answer.headers);
            let headers = answer.headers.clone();
            let error = match answer.into_success() {
                Ok(answer) => {
                    nonces.keep(&headers);
                    return Ok(answer);
                }
                Err(error) => error,
            };
            if error.problem().is_none_or(|problem| problem.kind != Kind::BadNonce) || attempt == NONCE_RETRIES {
                nonces.keep(&headers);
                self.0
                    .account_unknown
                    .fetch_or(error.says_account_is_unknown(), Ordering::Relaxed);
                return Err(error);
            }
            // The server may have been restarted: then every nonce that we kept is worthless, but not this one.
            nonces.clear();
            attempt += 1;
            nonce = match fresh {
                Some(fresh) => fresh,
                None => self.nonce(action).await?,
            };
        }
    }

    async fn nonce(&self, wanted_for: Action) -> Result<String, Error> {
        if let Some(nonce) = self.0.nonces.take() {
            return Ok(nonce);
        }
        let url = self.0.server.own(&self.directory().await?.new_nonce).await?;
        // 200 for HEAD in the RFC, 204 from some servers: the header is what counts.
        let request = Request {
            action: Action::NewNonce {
                label: wanted_for.label(),
            },
            method: Method::HEAD,
            url: &url,
            body: None,
            names: 0,
        };
        let answer = self.0.server.send(request).await?.into_success()?;
        nonce_of(&answer.headers).ok_or_else(|| answer.unreadable("it has no nonce"))
    }
}

/// The `Location` of an answer: the URL of what was made or found.
///
/// # Errors
/// [`Error::Excessive`].
pub(super) fn location(answer: &Answer) -> Result<Option<String>, Error> {
    let location = answer
        .headers
        .get(header::LOCATION)
        .and_then(|location| location.to_str().ok());
    location
        .map(|location| answer.bounded_url(location.to_owned()))
        .transpose()
}

/// `mailto:` URLs of an issuer's e-mail address, in lower case as cert-manager registers it.
pub(super) fn contact_urls(email: &str) -> Vec<String> {
    let email = email.trim();
    if email.is_empty() {
        Vec::new()
    } else {
        vec![format!("mailto:{}", email.to_lowercase())]
    }
}

/// Reads an order from an answer.
pub(super) fn order_of(answer: &Answer) -> Result<Answered<Order>, Error> {
    Ok(Answered::new(answer, Order::read(answer)?))
}
