//! Operations of a registered account: orders, authorizations, challenges and certificates (RFC 8555 sections 7.4 and
//! 7.5).

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use reqwest::Url;
use serde_json::{Value, json};

use super::Action;
use super::ari;
use super::chain::Chain;
use super::client::{Answered, Client, Post, contact_urls, location, order_of};
use super::directory::Directory;
use super::jws::AccountKey;
use super::order::{Authorization, Challenge, NewOrderRequest, Order, PlacedOrder};
use super::problem::Kind;
use super::{Error, Next};
use crate::api::condition::whole_second;
use crate::net::headers::links;
use crate::text::excerpt;

/// How many alternate chains are fetched in search of the preferred one.
const MAX_ALTERNATES: usize = 8;

/// An account, identified by its URL. Cheap to clone. All methods reject URLs of other servers with
/// [`Error::ForeignUrl`].
#[derive(Clone, Debug)]
pub struct Account {
    client: Client,
    uri: String,
    names: usize,
}

/// An issued certificate with the chain that was chosen.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Issued {
    /// The chosen chain.
    pub chain: Chain,
    /// False if no chain ends below the preferred root. Then `chain` is the default chain.
    pub preferred_found: bool,
}

impl Account {
    /// The account of this client's key at `uri`.
    pub(super) fn new(client: Client, uri: String) -> Self {
        Self { client, uri, names: 0 }
    }

    /// The account's URL.
    pub fn uri(&self) -> &str {
        &self.uri
    }

    /// The same account for an order of `names` names. The size limit of its answers grows with the number of names.
    #[must_use]
    pub fn for_names(self, names: usize) -> Self {
        Self { names, ..self }
    }

    /// The number of names that was set with [`Self::for_names`].
    pub(super) fn names(&self) -> usize {
        self.names
    }

    /// The account's key, for key authorizations.
    pub fn key(&self) -> &AccountKey {
        self.client.key()
    }

    /// The server and key that this is an account of.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Places an order, and returns it with its URL. **Not idempotent**: on most servers every call creates an
    /// order, so the caller must keep the URL.
    ///
    /// If the server does not accept `replaces`, the order is placed without it. The result then has the reason
    /// (ARI-05).
    ///
    /// # Errors
    /// [`Error::UnknownProfile`], without a request, if the directory has a list of profiles that lacks the profile
    /// (AOR-05). Otherwise the error of the request.
    pub async fn new_order(&self, request: &NewOrderRequest) -> Result<PlacedOrder, Error> {
        let directory = self.client.directory().await?;
        self.check_profile(request, &directory)?;
        let mut refused = None;
        let mut replaces = request.replaces.as_deref();
        if replaces.is_some() && directory.renewal_info.is_none() {
            (replaces, refused) = (None, Some("the server has no renewal information".to_owned()));
        }
        let payload = order_payload(request, replaces).to_string();
        let mut outcome = self.post(Action::NewOrder, &directory.new_order, &payload).await;
        if let Err(error) = &outcome
            && replaces.is_some()
            && concerns_replaces(error)
        {
            refused = Some(error.to_string());
            let payload = order_payload(request, None).to_string();
            outcome = self.post(Action::NewOrder, &directory.new_order, &payload).await;
        }
        let answer = outcome?;
        let url = location(&answer)?.ok_or_else(|| answer.unreadable("it names no order"))?;
        self.client.server().own(&url).await?;
        let Answered {
            value: order,
            retry_after,
        } = order_of(&answer)?;
        Ok(PlacedOrder {
            url,
            order,
            replaces_refused: refused,
            retry_after,
        })
    }

    fn check_profile(&self, request: &NewOrderRequest, directory: &Directory) -> Result<(), Error> {
        let profiles = &directory.meta.profiles;
        match &request.profile {
            Some(profile) if !profiles.contains(profile) => {
                let names = profiles.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
                let offered = if names.is_empty() { "none" } else { names.as_str() };
                Err(Error::UnknownProfile {
                    host: self.client.server().host(),
                    profile: excerpt(profile),
                    offered: excerpt(offered),
                })
            }
            _ => Ok(()),
        }
    }

    /// Reads an order.
    ///
    /// # Errors
    /// The error of the request.
    pub async fn order(&self, url: &str) -> Result<Answered<Order>, Error> {
        order_of(&self.post(Action::Order, url, "").await?)
    }

    /// Reads an authorization. Challenges are only read as a part of it (NB-21).
    ///
    /// # Errors
    /// The error of the request.
    pub async fn authorization(&self, url: &str) -> Result<Answered<Authorization>, Error> {
        let answer = self.post(Action::Authorization, url, "").await?;
        Ok(Answered::new(&answer, Authorization::read(&answer)?))
    }

    /// Deactivates an authorization (RFC 8555 section 7.5.2).
    ///
    /// # Errors
    /// The error of the request.
    pub async fn deactivate_authorization(&self, url: &str) -> Result<(), Error> {
        self.post(Action::DeactivateAuthorization, url, r#"{"status":"deactivated"}"#)
            .await
            .map(drop)
    }

    /// Accepts a challenge: tells the server that it can validate now (RFC 8555 section 7.5.1). Returns the challenge.
    ///
    /// # Errors
    /// The error of the request.
    pub async fn accept(&self, challenge_url: &str) -> Result<Answered<Challenge>, Error> {
        let answer = self.post(Action::AcceptChallenge, challenge_url, "{}").await?;
        Ok(Answered::new(&answer, Challenge::read(&answer)?))
    }

    /// Sends the signing request (DER) to the order's `finalize` URL. Returns the order.
    ///
    /// # Errors
    /// The error of the request.
    pub async fn finalize(&self, url: &str, csr_der: &[u8]) -> Result<Answered<Order>, Error> {
        let payload = json!({"csr": BASE64_URL_SAFE_NO_PAD.encode(csr_der)}).to_string();
        order_of(&self.post(Action::Finalize, url, &payload).await?)
    }

    /// Fetches the certificate from an order's `certificate` URL. Alternate chains are fetched one by one, until
    /// one ends at the root that `preferred` names (`spec.acme.preferredChain`, may be empty; AOR-06).
    ///
    /// # Errors
    /// The error of the request, and [`Error::Excessive`] for a chain above the limit.
    pub async fn certificate(&self, url: &str, preferred: &str) -> Result<Issued, Error> {
        let (first, alternates) = self.chain(url).await?;
        if first.is_preferred(preferred) {
            return Ok(Issued {
                chain: first,
                preferred_found: true,
            });
        }
        for alternate in alternates.iter().take(MAX_ALTERNATES) {
            match self.chain(alternate.as_str()).await {
                Ok((chain, _)) if chain.is_preferred(preferred) => {
                    return Ok(Issued {
                        chain,
                        preferred_found: true,
                    });
                }
                Ok(_) => {}
                // The certificate is usable. An unusable alternate chain must not withhold it.
                Err(error) => tracing::warn!(%error, url = %alternate, "an alternate certificate chain cannot be used"),
            }
        }
        Ok(Issued {
            chain: first,
            preferred_found: false,
        })
    }

    async fn chain(&self, url: &str) -> Result<(Chain, Vec<Url>), Error> {
        let answer = self.post(Action::Certificate, url, "").await?;
        let chain = Chain::from_pem(&answer.body).map_err(|reason| answer.unreadable(reason))?;
        let (size, limit) = (chain.pem.len(), self.client.server().max_chain());
        if size > limit {
            return Err(answer.excessive(format!(
                "a certificate chain of {size} bytes, more than the limit of {limit}; raise it with --max-certificate-chain-length, or choose a shorter chain with spec.acme.preferredChain of the issuer"
            )));
        }
        Ok((
            chain,
            links(&answer.headers, "alternate", &self.client.server().own(url).await?),
        ))
    }

    /// Sets the account's contact. An empty address removes it (ACC-05, RFC 8555 section 7.3.2).
    ///
    /// # Errors
    /// The error of the request.
    pub async fn update_contact(&self, email: &str) -> Result<(), Error> {
        let payload = json!({"contact": contact_urls(email)}).to_string();
        self.post(Action::UpdateAccount, &self.uri, &payload).await.map(drop)
    }

    async fn post(&self, action: Action, url: &str, payload: &str) -> Result<super::transport::Answer, Error> {
        self.client.signed(Some(self), Post { action, url, payload }).await
    }
}

/// The payload of a new order: that of the library, and `notAfter`, which the library lacks.
fn order_payload(request: &NewOrderRequest, replaces: Option<&str>) -> Value {
    let mut order = instant_acme::NewOrder::new(&request.identifiers);
    if let Some(profile) = &request.profile {
        order = order.profile(profile);
    }
    if let Some(id) = replaces.and_then(ari::parse_id) {
        order = order.replaces(id);
    }
    let mut payload = serde_json::to_value(order).unwrap_or_default();
    if let (Some(not_after), Some(payload)) = (request.not_after, payload.as_object_mut()) {
        // Whole seconds: certificates have no fractions, and some servers do not parse them.
        payload.insert("notAfter".to_owned(), whole_second(not_after).0.to_string().into());
    }
    payload
}

/// Whether a refusal can have `replaces` as its cause: the server does not know the certificate, it has another account
/// or other names, or it was replaced already. Limits, and refusals of names or of the account, would repeat without
/// `replaces`.
fn concerns_replaces(error: &Error) -> bool {
    error.problem().is_some_and(|problem| {
        let kind = matches!(
            problem.kind,
            Kind::AlreadyReplaced | Kind::Malformed | Kind::Unauthorized | Kind::ServerInternal | Kind::Other
        );
        let now = jiff::Timestamp::UNIX_EPOCH; // only the kind of answer matters here, not when to wait until
        kind && !matches!(problem.next(now), Next::Wait(_))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_order_carries_everything_that_was_asked_for() {
        let request = NewOrderRequest {
            identifiers: vec![
                instant_acme::Identifier::Dns("*.a.example".into()),
                instant_acme::Identifier::Ip("::1".parse().unwrap()),
            ],
            not_after: Some("2027-01-01T00:00:00.5Z".parse().unwrap()),
            profile: Some("short".into()),
            replaces: Some("aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE".into()),
        };
        let expected = json!({
            "identifiers": [{"type": "dns", "value": "*.a.example"}, {"type": "ip", "value": "::1"}],
            "notAfter": "2027-01-01T00:00:00Z", "profile": "short", "replaces": "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE",
        });
        assert_eq!(order_payload(&request, request.replaces.as_deref()), expected);
        assert_eq!(
            order_payload(&NewOrderRequest::default(), None),
            json!({"identifiers": []})
        );
    }
}
