//! What a server answers with, as plain data: orders, authorizations, challenges (RFC 8555 section 7.1).

use instant_acme::{AuthorizationState, Identifier, OrderState};
pub use instant_acme::{AuthorizationStatus, ChallengeStatus, OrderStatus};
use jiff::Timestamp;
use serde::Deserialize;

use super::Problem;
use super::transport::Answer;
use super::{Error, RetryAfter};

/// What to order.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct NewOrderRequest {
    /// The names, wildcards with `*.`, and addresses.
    pub identifiers: Vec<Identifier>,
    /// The end of the certificate's validity (AOR-04); the server's default without it.
    pub not_after: Option<Timestamp>,
    /// The profile (AOR-05).
    pub profile: Option<String>,
    /// The certificate that this one replaces: its identifier of RFC 9773 section 4.1 (ARI-05).
    pub replaces: Option<String>,
}

/// A new order.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PlacedOrder {
    /// The order's URL: all that is needed to find it again.
    pub url: String,
    /// Its state.
    pub order: Order,
    /// Why `replaces` was not accepted, when the order had to be placed without it.
    pub replaces_refused: Option<String>,
    /// The wait that the answer asks for.
    pub retry_after: Option<RetryAfter>,
}

/// The state of an order (RFC 8555 section 7.1.3).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Order {
    /// Where it is in its life (section 7.1.6).
    pub status: OrderStatus,
    /// URLs of the authorizations, one per identifier.
    pub authorizations: Vec<String>,
    /// Where the signing request goes.
    pub finalize: String,
    /// Where the certificate is, once valid.
    pub certificate: Option<String>,
    /// Why it is invalid.
    pub error: Option<Problem>,
    /// When the server forgets it.
    pub expires: Option<Timestamp>,
    /// The profile that the server chose.
    pub profile: Option<String>,
}

/// The state of an authorization (RFC 8555 section 7.1.4).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Authorization {
    /// Where it is in its life.
    pub status: AuthorizationStatus,
    /// What is to be proven; never with `*.`.
    pub identifier: Identifier,
    /// True when it is for `*.` of the identifier.
    pub wildcard: bool,
    /// The ways to prove it.
    pub challenges: Vec<Challenge>,
    /// When it ends.
    pub expires: Option<Timestamp>,
}

/// One way to prove control (RFC 8555 section 7.1.5).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Challenge {
    /// `http-01`, `dns-01`, … as the server names it.
    pub kind: String,
    /// Where it is accepted.
    pub url: String,
    /// What the response is made from; empty for kinds that have none.
    pub token: String,
    /// Where it is in its life.
    pub status: ChallengeStatus,
    /// Why it failed.
    pub error: Option<Problem>,
}

impl Order {
    pub(super) fn read(answer: &Answer) -> Result<Self, Error> {
        let state: OrderState = answer.json()?;
        let Expiry { expires } = answer.json()?;
        Ok(Self {
            status: state.status,
            authorizations: state
                .authorizations
                .into_iter()
                .map(|authorization| authorization.url)
                .collect(),
            finalize: state.finalize,
            certificate: state.certificate,
            error: state.error.map(Problem::from),
            expires,
            profile: state.profile,
        })
    }
}

impl Authorization {
    pub(super) fn read(answer: &Answer) -> Result<Self, Error> {
        let state: AuthorizationState = answer.json()?;
        let Expiry { expires } = answer.json()?;
        Ok(Self {
            status: state.status,
            identifier: state.identifier().identifier.clone(),
            wildcard: state.wildcard,
            challenges: state.challenges.into_iter().map(Challenge::from).collect(),
            expires,
        })
    }

    /// The challenge of one kind.
    pub fn challenge(&self, kind: &str) -> Option<&Challenge> {
        self.challenges.iter().find(|challenge| challenge.kind == kind)
    }

    /// The failure of whichever challenge was tried.
    pub fn error(&self) -> Option<&Problem> {
        self.challenges.iter().find_map(|challenge| challenge.error.as_ref())
    }
}

impl Challenge {
    pub(super) fn read(answer: &Answer) -> Result<Self, Error> {
        Ok(answer.json::<instant_acme::Challenge>()?.into())
    }
}

impl From<instant_acme::Challenge> for Challenge {
    fn from(challenge: instant_acme::Challenge) -> Self {
        let instant_acme::Challenge {
            r#type,
            url,
            token,
            status,
            error,
        } = challenge;
        Self {
            kind: kind_name(r#type),
            url,
            token,
            status,
            error: error.map(Problem::from),
        }
    }
}

fn kind_name(kind: instant_acme::ChallengeType) -> String {
    use instant_acme::ChallengeType::{DeviceAttest01, Dns01, Http01, TlsAlpn01, Unknown};
    match kind {
        Http01 => "http-01".to_owned(),
        Dns01 => "dns-01".to_owned(),
        TlsAlpn01 => "tls-alpn-01".to_owned(),
        DeviceAttest01 => "device-attest-01".to_owned(),
        Unknown(name) => name,
        _ => "unknown".to_owned(),
    }
}

/// `expires`, which the library's types leave out.
#[derive(Deserialize)]
struct Expiry {
    #[serde(default)]
    expires: Option<Timestamp>,
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, StatusCode};

    use super::*;
    use crate::acme::Action;

    fn answer(body: &'static str) -> Answer {
        Answer {
            action: Action::Order,
            host: "ca".into(),
            status: StatusCode::OK,
            headers: HeaderMap::new(),
            body: body.into(),
        }
    }

    #[test]
    fn the_order_of_rfc_8555_is_read() {
        let order = Order::read(&answer(
            r#"{"status": "invalid", "expires": "2016-01-05T14:09:07.99Z", "notBefore": "2016-01-01T00:00:00Z",
            "identifiers": [{"type": "dns", "value": "www.example.org"}], "authorizations": ["https://ca/authz/1"],
            "finalize": "https://ca/order/1/finalize", "error": {"type": "urn:ietf:params:acme:error:caa", "status": 403}}"#,
        ))
        .unwrap();
        assert_eq!(order.status, OrderStatus::Invalid);
        assert_eq!(order.expires, Some("2016-01-05T14:09:07.99Z".parse().unwrap()));
        assert_eq!(order.authorizations, ["https://ca/authz/1"]);
        assert_eq!(
            order.error.map(|problem| problem.kind),
            Some(crate::acme::problem::Kind::Caa)
        );
    }

    #[test]
    fn an_authorization_may_offer_challenges_that_nobody_here_knows() {
        let authorization = Authorization::read(&answer(
            r#"{"status": "pending", "identifier": {"type": "ip", "value": "10.0.0.1"}, "challenges": [
            {"type": "dns-persist-01", "url": "https://ca/c/1", "status": "pending"},
            {"type": "http-01", "url": "https://ca/c/2", "status": "pending", "token": "t"}]}"#,
        ))
        .unwrap();
        assert_eq!(authorization.challenges[0].kind, "dns-persist-01");
        assert_eq!(
            authorization
                .challenge("http-01")
                .map(|challenge| challenge.token.as_str()),
            Some("t")
        );
        assert_eq!(authorization.identifier, Identifier::Ip("10.0.0.1".parse().unwrap()));
        assert!(!authorization.wildcard && authorization.expires.is_none());
    }

    #[test]
    fn what_is_not_an_order_is_an_error_without_its_text() {
        for body in [r#"{"status":"secret"}"#, r#""secret""#, "<html>secret</html>", "[]", ""] {
            let error = Order::read(&answer(body)).unwrap_err();
            assert!(
                matches!(error, Error::Unreadable { .. }) && !error.to_string().contains("secret"),
                "{error}"
            );
        }
        let error = Order::read(&answer(r#"{"status":"ready","authorizations":[]}"#))
            .unwrap_err()
            .to_string();
        assert!(error.ends_with("missing field `finalize`"), "{error}");
    }
}
