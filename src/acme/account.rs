//! What a registered account can do: order certificates and follow the orders (RFC 8555 sections 7.4 and 7.5).

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

/// An account by its URL. Cheap to clone. All methods refuse URLs of other servers with [`Error::ForeignUrl`].
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
    /// False when no chain ends below the preferred root: then it is the default chain.
    pub preferred_found: bool,
}

impl Account {
    pub(super) fn new(client: Client, uri: String) -> Self {
        Self { client, uri, names: 0 }
    }

    /// The account's URL.
    pub fn uri(&self) -> &str {
        &self.uri
    }

    /// The account for work on an order of so many names, whose answers may be larger.
    #[must_use]
    pub fn for_names(self, names: usize) -> Self {
        Self { names, ..self }
    }

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

    /// Places an order. **Not idempotent**: every call makes a new one on most servers, so its URL must be kept.
    ///
    /// If the server does not accept `replaces`, the order is placed without it, and the answer says why (ARI-05).
    ///
    /// # Errors
    /// [`Error::UnknownProfile`] without asking, when the directory has a list that lacks the profile (AOR-05).
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

    /// The state of an order.
    pub async fn order(&self, url: &str) -> Result<Answered<Order>, Error> {
        order_of(&self.post(Action::Order, url, "").await?)
    }

    /// The state of an authorization. Challenges are only ever read through it (NB-21).
    pub async fn authorization(&self, url: &str) -> Result<Answered<Authorization>, Error> {
        let answer = self.post(Action::Authorization, url, "").await?;
        Ok(Answered::new(&answer, Authorization::read(&answer)?))
    }

    /// Gives an authorization back (RFC 8555 section 7.5.2).
    pub async fn deactivate_authorization(&self, url: &str) -> Result<(), Error> {
        self.post(Action::DeactivateAuthorization, url, r#"{"status":"deactivated"}"#)
            .await
            .map(drop)
    }

    /// Tells the server that the challenge can be validated now (RFC 8555 section 7.5.1).
    pub async fn accept(&self, challenge_url: &str) -> Result<Answered<Challenge>, Error> {
        let answer = self.post(Action::AcceptChallenge, challenge_url, "{}").await?;
        Ok(Answered::new(&answer, Challenge::read(&answer)?))
    }

    /// Sends the signing request (DER) to the order's `finalize` URL.
    pub async fn finalize(&self, url: &str, csr_der: &[u8]) -> Result<Answered<Order>, Error> {
        let payload = json!({"csr": BASE64_URL_SAFE_NO_PAD.encode(csr_der)}).to_string();
        order_of(&self.post(Action::Finalize, url, &payload).await?)
    }

    /// The certificate at an order's `certificate` URL. Alternate chains are fetched one by one, and only while none
    /// is the one that `preferred` (`spec.acme.preferredChain`, may be empty) names (AOR-06).
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
                // A certificate is there; a broken alternate must not keep it from its user.
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

    /// Sets the account's contact; empty removes it (ACC-05, RFC 8555 section 7.3.2).
    pub async fn update_contact(&self, email: &str) -> Result<(), Error> {
        let payload = json!({"contact": contact_urls(email)}).to_string();
        self.post(Action::UpdateAccount, &self.uri, &payload).await.map(drop)
    }

    async fn post(&self, action: Action, url: &str, payload: &str) -> Result<super::transport::Answer, Error> {
        self.client.signed(Some(self), Post { action, url, payload }).await
    }
}

/// The payload of a new order: the library's type, and `notAfter`, which that lacks.
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
        // Whole seconds: certificates know no fractions, and some servers' parsers neither.
        payload.insert("notAfter".to_owned(), whole_second(not_after).0.to_string().into());
    }
    payload
}

/// True for refusals that can come from `replaces`: the certificate is unknown to the server, another account's, of
/// other names, or replaced already. Limits, and refusals of names or of the account, would come again.
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
