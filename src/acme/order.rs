//! Orders, authorizations and challenges of a server, as plain data (RFC 8555 section 7.1).

use instant_acme::Identifier;
pub use instant_acme::{AuthorizationStatus, ChallengeStatus, OrderStatus};
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::value::StringDeserializer;
use serde::de::{DeserializeOwned, IntoDeserializer};

use super::document::WireProblem;
use super::json::{Field, lenient_objects};
use super::limits::{MAX_CHALLENGES, MAX_IDENTIFIER, MAX_ISSUER_NAMES, MAX_TOKEN, MAX_URL};
use super::transport::Answer;
use super::{Error, Problem};
use crate::net::RetryAfter;
use crate::text::excerpt;

/// The types of challenges that clients answer (RFC 8555 section 8, RFC 8737, draft-ietf-acme-dns-persist).
const KINDS: [&str; 4] = ["http-01", "dns-01", "tls-alpn-01", DNS_PERSIST];

/// The type of challenge that has no token.
pub const DNS_PERSIST: &str = "dns-persist-01";

/// The content of a new order.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct NewOrderRequest {
    /// The names, wildcards with `*.`, and addresses.
    pub identifiers: Vec<Identifier>,
    /// The end of the certificate's validity (AOR-04). `None` is the server's default.
    pub not_after: Option<Timestamp>,
    /// The profile (AOR-05).
    pub profile: Option<String>,
    /// The identifier of the replaced certificate (RFC 9773 section 4.1; ARI-05).
    pub replaces: Option<String>,
}

/// A new order.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PlacedOrder {
    /// The order's URL. It is all that is needed to read the order again.
    pub url: String,
    /// Its state.
    pub order: Order,
    /// Why the server rejected `replaces`, if the order was placed without it.
    pub replaces_refused: Option<String>,
    /// `Retry-After` of the answer.
    pub retry_after: Option<RetryAfter>,
}

/// The state of an order (RFC 8555 section 7.1.3).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Order {
    /// Its status (section 7.1.6).
    pub status: OrderStatus,
    /// URLs of the authorizations, one for each identifier.
    pub authorizations: Vec<String>,
    /// The URL for the signing request. It may be empty after the finalization.
    pub finalize: String,
    /// The URL of the certificate, if the order is valid.
    pub certificate: Option<String>,
    /// Why the order is invalid.
    pub error: Option<Problem>,
    /// When the order expires.
    pub expires: Option<Timestamp>,
    /// The profile that the server chose.
    pub profile: Option<String>,
}

/// The state of an authorization (RFC 8555 section 7.1.4).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Authorization {
    /// Its status.
    pub status: AuthorizationStatus,
    /// The identifier; never with `*.`.
    pub identifier: Identifier,
    /// Whether it is for the wildcard of the identifier.
    pub wildcard: bool,
    /// The challenges of known types.
    pub challenges: Vec<Challenge>,
    /// When the authorization expires.
    pub expires: Option<Timestamp>,
}

/// A challenge (RFC 8555 section 7.1.5).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Challenge {
    /// The type as the server names it: `http-01`, `dns-01`, ….
    pub kind: String,
    /// The URL that accepts it.
    pub url: String,
    /// The token. It is empty only if the server omits it, which it may do for an accepted challenge, and always does for
    /// `dns-persist-01`.
    pub token: String,
    /// Its status.
    pub status: ChallengeStatus,
    /// Why it failed.
    pub error: Option<Problem>,
    /// What a challenge of the type `dns-persist-01` has instead of a token.
    pub persist: Option<Persist>,
}

/// What a TXT record has to contain (draft-ietf-acme-dns-persist, section "Challenge Object").
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Persist {
    /// The issuer domain names, one of which it has to contain; empty if the server breaks a rule.
    pub issuers: Vec<String>,
    /// The URI of the account; that of the account itself if the server names none.
    pub account: Option<String>,
}

impl Order {
    /// Parses an order from an answer.
    ///
    /// # Errors
    /// [`Error::Unreadable`], [`Error::Excessive`].
    pub(super) fn read(answer: &Answer) -> Result<Self, Error> {
        let WireOrder {
            status,
            authorizations,
            finalize,
            certificate,
            error,
            expires,
            profile,
        } = answer.json()?;
        let status = state(answer, status)?;
        let finalize = finalize.text();
        // only an order that can still be finalized needs the URL for it
        if finalize.is_none() && matches!(status, OrderStatus::Pending | OrderStatus::Ready) {
            return Err(answer.unreadable("missing field `finalize`"));
        }
        let url = |url: Option<String>| url.map(|url| answer.bounded_url(url)).transpose();
        Ok(Self {
            status,
            authorizations: bounded(answer, authorizations.list())?,
            finalize: url(finalize)?.unwrap_or_default(),
            certificate: url(certificate.text())?,
            error: error.0.map(Problem::from),
            expires: expires.0,
            profile: profile.text().map(|profile| excerpt(&profile)),
        })
    }
}

impl Authorization {
    /// Parses an authorization from an answer.
    ///
    /// # Errors
    /// [`Error::Unreadable`], [`Error::Excessive`].
    pub(super) fn read(answer: &Answer) -> Result<Self, Error> {
        let WireAuthorization {
            status,
            identifier,
            wildcard,
            challenges,
            expires,
        } = answer.json()?;
        let WireIdentifier { kind, value } = identifier.0.unwrap_or_default();
        let value = answer.at_most(value.text().unwrap_or_default(), MAX_IDENTIFIER, "a name")?;
        let (name, starred) = match value.strip_prefix("*.") {
            Some(name) => (name.to_owned(), true),
            None => (value, false),
        };
        let is_address = kind.text().is_some_and(|kind| kind.eq_ignore_ascii_case("ip"));
        let address = is_address.then(|| name.parse().ok()).flatten();
        let known = challenges.list().into_iter().filter(WireChallenge::is_known);
        let challenges = known
            .take(MAX_CHALLENGES + 1)
            .map(|challenge| Challenge::from_wire(answer, challenge))
            .collect::<Result<Vec<_>, _>>()?;
        let unanswerable = |challenge: &Challenge| {
            let has_none = challenge.token.is_empty() && challenge.persist.is_none();
            has_none && challenge.status == ChallengeStatus::Pending
        };
        if challenges.iter().any(unanswerable) {
            return Err(no_token(answer));
        }
        if challenges.len() > MAX_CHALLENGES {
            return Err(answer.excessive(format!("more than {MAX_CHALLENGES} challenges")));
        }
        Ok(Self {
            status: state(answer, status)?,
            identifier: address.map_or_else(|| Identifier::Dns(name), Identifier::Ip),
            wildcard: starred || wildcard.0.unwrap_or_default(),
            challenges,
            expires: expires.0,
        })
    }

    /// The challenge of one type.
    pub fn challenge(&self, kind: &str) -> Option<&Challenge> {
        self.challenges.iter().find(|challenge| challenge.kind == kind)
    }

    /// The error of the challenge that failed.
    pub fn error(&self) -> Option<&Problem> {
        self.challenges.iter().find_map(|challenge| challenge.error.as_ref())
    }
}

impl Challenge {
    /// Parses an authorization's challenge from an answer.
    ///
    /// # Errors
    /// [`Error::Unreadable`], [`Error::Excessive`].
    pub(super) fn read(answer: &Answer) -> Result<Self, Error> {
        Self::from_wire(answer, answer.json()?)
    }

    fn from_wire(answer: &Answer, challenge: WireChallenge) -> Result<Self, Error> {
        let WireChallenge {
            kind,
            url,
            token,
            status,
            error,
            issuer_domain_names,
            accounturi,
        } = challenge;
        let token = token.text().unwrap_or_default();
        let alphabet = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if token.len() > MAX_TOKEN || !token.bytes().all(alphabet) {
            return Err(no_token(answer));
        }
        let kind = answer.at_most(kind.text().unwrap_or_default(), MAX_IDENTIFIER, "a kind of challenge")?;
        Ok(Self {
            persist: (kind == DNS_PERSIST).then(|| Persist::new(issuer_domain_names.list(), accounturi.text())),
            kind,
            url: answer.bounded_url(url.text().unwrap_or_default())?,
            token,
            status: match status.text() {
                None => ChallengeStatus::Pending,
                some => state(answer, Field(some))?,
            },
            error: error.0.map(Problem::from),
        })
    }
}

impl Persist {
    /// A server that breaks a rule is not an error: the name may be proved by another challenge.
    fn new(issuers: Vec<String>, account: Option<String>) -> Self {
        let fits = issuers.len() <= MAX_ISSUER_NAMES
            && issuers.iter().all(|name| name.len() <= MAX_IDENTIFIER)
            && account.as_ref().is_none_or(|uri| uri.len() <= MAX_URL);
        if fits {
            Self { issuers, account }
        } else {
            Self::default()
        }
    }
}

/// The error for an invalid token. RFC 8555 section 8.3: it must end the attempt.
fn no_token(answer: &Answer) -> Error {
    answer.excessive(format!("a token that is not 1 to {MAX_TOKEN} characters of base64url"))
}

/// Returns the URLs of authorizations, if none is too long.
fn bounded(answer: &Answer, urls: Vec<String>) -> Result<Vec<String>, Error> {
    urls.into_iter().map(|url| answer.bounded_url(url)).collect()
}

/// Parses a status. One that RFC 8555 section 7.1.6 does not have is an error without its text.
fn state<S: DeserializeOwned>(answer: &Answer, name: Field<String>) -> Result<S, Error> {
    let name = name.text().ok_or_else(|| answer.unreadable("missing field `status`"))?;
    let name: StringDeserializer<serde::de::value::Error> = name.into_deserializer();
    S::deserialize(name).map_err(|_| answer.unreadable("its status is none that RFC 8555 has"))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct WireOrder {
    status: Field<String>,
    authorizations: Field<Vec<String>>,
    finalize: Field<String>,
    certificate: Field<String>,
    error: Field<WireProblem>,
    expires: Field<Timestamp>,
    profile: Field<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct WireAuthorization {
    status: Field<String>,
    identifier: Field<WireIdentifier>,
    wildcard: Field<bool>,
    challenges: Field<Vec<WireChallenge>>,
    expires: Field<Timestamp>,
}

/// An identifier (RFC 8555 section 9.7.7).
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct WireIdentifier {
    #[serde(rename = "type")]
    pub(super) kind: Field<String>,
    pub(super) value: Field<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct WireChallenge {
    #[serde(rename = "type")]
    kind: Field<String>,
    url: Field<String>,
    token: Field<String>,
    status: Field<String>,
    error: Field<WireProblem>,
    #[serde(rename = "issuer-domain-names")]
    issuer_domain_names: Field<Vec<String>>,
    accounturi: Field<String>,
}

lenient_objects!(WireIdentifier, WireChallenge);

impl WireChallenge {
    /// Whether a solver could prove an identifier of this type. Others are not kept.
    fn is_known(&self) -> bool {
        self.kind.0.as_deref().is_some_and(|kind| KINDS.contains(&kind))
    }
}

#[cfg(test)]
#[path = "order_tests.rs"]
mod tests;
