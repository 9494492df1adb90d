//! Signed requests to one ACME server with one account key.

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

/// How often a request with a rejected nonce is signed and sent again (ACC-11). The server has not processed it.
const NONCE_RETRIES: u32 = 5;

/// A value from the server, and the wait that the server requests.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Answered<T> {
    /// The value.
    pub value: T,
    /// `Retry-After` of the answer.
    pub retry_after: Option<RetryAfter>,
}

impl<T> Answered<T> {
    /// `value`, with the wait that the answer requests.
    pub(super) fn new(answer: &Answer, value: T) -> Self {
        Self {
            value,
            retry_after: answer.retry_after(),
        }
    }
}

/// A request before it is signed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Post<'a> {
    pub(super) action: Action,
    pub(super) url: &'a str,
    /// JSON, or empty for a POST-as-GET (RFC 8555 section 6.3).
    pub(super) payload: &'a str,
}

/// An ACME server with one account key and one set of trust settings. Cheap to clone: nonces, the directory and
/// connections are shared among clones.
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

/// The result of the last registration or look-up of the account. It outlives the client, which may be evicted. The
/// type is opaque here, because only the planner of attempts knows it.
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

    /// Whether both are clones of one client.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Whether a failed attempt of one counts for the other.
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

    /// True from an answer that the account is unknown, until one is registered. The issuer must then be reconciled
    /// again: the CA was restored or replaced.
    pub fn account_is_unknown(&self) -> bool {
        self.0.account_unknown.load(Ordering::Relaxed)
    }

    /// Whether the server confirmed to this client that the account of its key has this URL.
    pub fn has_confirmed(&self, uri: &str) -> bool {
        let confirmed = self.0.confirmed.lock().unwrap_or_else(PoisonError::into_inner);
        !self.account_is_unknown() && confirmed.as_deref() == Some(uri)
    }

    /// The value of the last [`Client::remember`], for the plan of the next attempt. Issuers that share an account
    /// share its back-off. `None` if the value has another type.
    pub fn attempt<T: Any + Clone>(&self) -> Option<T> {
        let attempt = self.0.attempt.lock().unwrap_or_else(PoisonError::into_inner);
        attempt.as_ref()?.downcast_ref().cloned()
    }

    /// Stores the result of the last registration or look-up of the account.
    pub fn remember<T: Any + Send>(&self, attempt: Option<T>) {
        let attempt = attempt.map(|attempt| Box::new(attempt) as Box<dyn Any + Send>);
        *self.0.attempt.lock().unwrap_or_else(PoisonError::into_inner) = attempt;
    }

    /// The server's directory, at most an hour old.
    ///
    /// # Errors
    /// As [`Server::directory`].
    pub async fn directory(&self) -> Result<Arc<Directory>, Error> {
        self.0.server.directory().await
    }

    /// The account at `uri` (`status.acme.uri`). Sends nothing. Every request of the account is signed with this
    /// URL as key identifier, and goes only to URLs that belong to the directory.
    ///
    /// # Errors
    /// [`Error::InvalidUrl`] if `uri` is not a URL of an ACME server.
    pub fn account(&self, uri: &str) -> Result<Account, Error> {
        server_url(uri)?;
        Ok(Account::new(self.clone(), uri.to_owned()))
    }

    /// Looks up the account of this key (RFC 8555 section 7.3.1). Never creates one.
    ///
    /// # Errors
    /// A problem with [`Error::says_account_is_unknown`] if there is none, and otherwise the error of the request.
    pub async fn lookup(&self) -> Result<Registration, Error> {
        self.register(Action::LookUpAccount, &json!({"onlyReturnExisting": true}))
            .await
    }

    /// Registers an account and agrees to the terms of service (RFC 8555 section 7.3). Returns the existing account
    /// if the key has one. `contact` is an e-mail address or empty.
    ///
    /// # Errors
    /// The error of the request.
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

    /// Sends a signed request (RFC 8555 section 6.2), and returns a successful answer. Without an account, the
    ///
    /// # Errors
    /// The problem document or the transport's error, and [`Error::ForeignUrl`].
    /// request carries the public key.
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
            // The server may have been restarted. Then all stored nonces are invalid, but not the one of this answer.
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
        // The status is 200 in the RFC and 204 from some servers. Only the header counts.
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

/// The `Location` of an answer: the URL of the created or found resource.
///
/// # Errors
/// [`Error::Excessive`] if it is too long.
pub(super) fn location(answer: &Answer) -> Result<Option<String>, Error> {
    let location = answer
        .headers
        .get(header::LOCATION)
        .and_then(|location| location.to_str().ok());
    location
        .map(|location| answer.bounded_url(location.to_owned()))
        .transpose()
}

/// `mailto:` URLs of an issuer's e-mail addresses, in lower case as cert-manager registers them.
pub(super) fn contact_urls(email: &str) -> Vec<String> {
    let email = email.trim();
    if email.is_empty() {
        Vec::new()
    } else {
        vec![format!("mailto:{}", email.to_lowercase())]
    }
}

/// Parses an order from an answer.
///
/// # Errors
/// [`Error::Unreadable`], [`Error::Excessive`].
pub(super) fn order_of(answer: &Answer) -> Result<Answered<Order>, Error> {
    Ok(Answered::new(answer, Order::read(answer)?))
}
