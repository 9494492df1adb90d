//! Problem documents (RFC 8555 section 6.7), and their classification.

use std::fmt;

use jiff::{SignedDuration, Timestamp};

use super::document::WireProblem;
use crate::net::{OutageKind, RetryAfter};

/// The wait after 429 or `rateLimited` if the server names none.
pub const DEFAULT_RATE_LIMIT_DELAY: SignedDuration = SignedDuration::from_mins(5);
/// The wait after 503 if the server names none.
pub const DEFAULT_UNAVAILABLE_DELAY: SignedDuration = SignedDuration::from_mins(1);
/// The most subproblems that a message lists.
const SHOWN_SUBPROBLEMS: usize = 5;

/// The next action after a failure.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Next {
    /// Repeat the request, not before this time: a limit or an outage, never a failure of the certificate.
    Wait(Timestamp),
    /// Repeat the request, with the caller's back-off.
    Retry,
    /// This order has failed. A new one may succeed, because the cause is outside of it (DNS, reachability, an
    /// expired authorization).
    NewOrder,
    /// A retry cannot succeed before an edit of the object, the account, or the CA's configuration.
    UserMustAct,
}

/// The problem types of RFC 8555 section 6.7, RFC 9773 section 5 and the profiles extension.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(
    missing_docs,
    reason = "each is the RFC's name; Other is any type that is not listed there"
)]
pub enum Kind {
    AccountDoesNotExist,
    AlreadyReplaced,
    AlreadyRevoked,
    BadCsr,
    BadNonce,
    BadPublicKey,
    BadRevocationReason,
    BadSignatureAlgorithm,
    Caa,
    Compound,
    Connection,
    Dns,
    ExternalAccountRequired,
    IncorrectResponse,
    InvalidContact,
    InvalidProfile,
    Malformed,
    OrderNotReady,
    RateLimited,
    RejectedIdentifier,
    ServerInternal,
    Tls,
    Unauthorized,
    UnsupportedContact,
    UnsupportedIdentifier,
    UserActionRequired,
    Other,
}

/// The meaning of a type. The status and `Retry-After` can turn it into a wait.
#[derive(Clone, Copy)]
enum Meaning {
    Wait,
    Retry,
    NewOrder,
    UserMustAct,
}

/// One row for each type: the RFC's name, the kind, the meaning, and the explanation in messages.
const TABLE: &[(&str, Kind, Meaning, &str)] = &[
    (
        "accountDoesNotExist",
        Kind::AccountDoesNotExist,
        Meaning::Retry,
        "the CA does not know the ACME account; it is registered again",
    ),
    (
        "alreadyReplaced",
        Kind::AlreadyReplaced,
        Meaning::NewOrder,
        "the certificate to be replaced has been replaced already",
    ),
    (
        "alreadyRevoked",
        Kind::AlreadyRevoked,
        Meaning::UserMustAct,
        "the certificate is revoked already",
    ),
    (
        "badCSR",
        Kind::BadCsr,
        Meaning::UserMustAct,
        "the CA does not accept the certificate signing request",
    ),
    (
        "badNonce",
        Kind::BadNonce,
        Meaning::Retry,
        "the CA refused the request's nonce",
    ),
    (
        "badPublicKey",
        Kind::BadPublicKey,
        Meaning::UserMustAct,
        "the CA does not accept the public key",
    ),
    (
        "badRevocationReason",
        Kind::BadRevocationReason,
        Meaning::UserMustAct,
        "the CA does not accept the reason of revocation",
    ),
    (
        "badSignatureAlgorithm",
        Kind::BadSignatureAlgorithm,
        Meaning::UserMustAct,
        "the CA does not accept signatures of the account key's kind",
    ),
    (
        "caa",
        Kind::Caa,
        Meaning::NewOrder,
        "CAA records of the domain forbid this CA",
    ),
    (
        "compound",
        Kind::Compound,
        Meaning::NewOrder,
        "the CA found several errors",
    ),
    (
        "connection",
        Kind::Connection,
        Meaning::NewOrder,
        "the CA could not connect to the domain",
    ),
    (
        "dns",
        Kind::Dns,
        Meaning::NewOrder,
        "the CA could not resolve the domain",
    ),
    (
        "externalAccountRequired",
        Kind::ExternalAccountRequired,
        Meaning::UserMustAct,
        "the CA wants an external account binding: set spec.acme.externalAccountBinding of the issuer",
    ),
    (
        "incorrectResponse",
        Kind::IncorrectResponse,
        Meaning::NewOrder,
        "the CA got another answer than the challenge's",
    ),
    (
        "invalidContact",
        Kind::InvalidContact,
        Meaning::UserMustAct,
        "the CA does not accept the e-mail address in spec.acme.email of the issuer",
    ),
    (
        "invalidProfile",
        Kind::InvalidProfile,
        Meaning::UserMustAct,
        "the CA does not offer the profile",
    ),
    (
        "malformed",
        Kind::Malformed,
        Meaning::NewOrder,
        "the CA does not accept the request",
    ),
    (
        "orderNotReady",
        Kind::OrderNotReady,
        Meaning::Retry,
        "the CA is not ready to finalize the order",
    ),
    (
        "rateLimited",
        Kind::RateLimited,
        Meaning::Wait,
        "a rate limit of the CA is reached",
    ),
    (
        "rejectedIdentifier",
        Kind::RejectedIdentifier,
        Meaning::UserMustAct,
        "the CA does not issue for this name",
    ),
    (
        "serverInternal",
        Kind::ServerInternal,
        Meaning::Retry,
        "the CA had an internal error",
    ),
    (
        "tls",
        Kind::Tls,
        Meaning::NewOrder,
        "the CA had a TLS error when it validated the domain",
    ),
    (
        "unauthorized",
        Kind::Unauthorized,
        Meaning::NewOrder,
        "the CA refused the authorization",
    ),
    (
        "unsupportedContact",
        Kind::UnsupportedContact,
        Meaning::UserMustAct,
        "the CA does not support this kind of contact",
    ),
    (
        "unsupportedIdentifier",
        Kind::UnsupportedIdentifier,
        Meaning::UserMustAct,
        "the CA does not support this kind of name",
    ),
    (
        "userActionRequired",
        Kind::UserActionRequired,
        Meaning::UserMustAct,
        "the CA wants the account's owner to act",
    ),
];
const OTHER: (&str, Kind, Meaning, &str) = ("", Kind::Other, Meaning::NewOrder, "the CA refused the request");

/// A refusal of the server, for the whole request or for one identifier of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Problem {
    /// The type, classified.
    pub kind: Kind,
    /// The type as sent, for types that are not in the table. Empty if the server sent none.
    pub type_uri: String,
    /// The server's explanation, without control characters, truncated to 300 characters.
    pub detail: String,
    /// The HTTP status of the answer, or that in the document if the answer had another (a challenge's error).
    pub status: Option<u16>,
    /// A URL for the user (RFC 8555 section 7.3.3: the new terms of service).
    pub instance: Option<String>,
    /// `Retry-After` of the answer.
    pub retry_after: Option<RetryAfter>,
    /// Subproblems of single identifiers (RFC 8555 section 6.7.1), with the identifier.
    pub subproblems: Vec<(Option<String>, Self)>,
}

impl Problem {
    /// Parses the problem in `body`. Returns `None` if it is not one of an ACME server.
    ///
    /// A document counts only if it names an ACME error type. Other services have problem documents too (RFC 9457).
    /// If an issuer leads to an internal one, its author must not get to read its answers.
    pub fn from_answer(content_type: &str, body: &[u8]) -> Option<Self> {
        let document: WireProblem = serde_json::from_slice(body).ok()?;
        let problem = Self::from(document);
        let sent_as_problem = content_type
            .split(';')
            .next()
            .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/problem+json"));
        // Some CAs omit the prefix. Then the name alone must be in the table.
        let is_acme = problem.names_acme_type() || (sent_as_problem && problem.kind != Kind::Other);
        is_acme.then_some(problem)
    }

    fn names_acme_type(&self) -> bool {
        ACME_PREFIXES.iter().any(|prefix| self.type_uri.starts_with(prefix))
    }

    /// The next action. 429 and 503 are always a wait, whatever their type.
    pub fn next(&self, now: Timestamp) -> Next {
        let wait =
            |default: SignedDuration| Next::Wait(self.retry_after.unwrap_or(RetryAfter::After(default)).until(now));
        match (self.status, row(self.kind).2) {
            (Some(429), _) | (_, Meaning::Wait) => wait(DEFAULT_RATE_LIMIT_DELAY),
            (Some(503), _) => wait(DEFAULT_UNAVAILABLE_DELAY),
            (_, Meaning::Retry) => match self.retry_after {
                Some(retry_after) => Next::Wait(retry_after.until(now)),
                None => Next::Retry,
            },
            (Some(500..), _) => Next::Retry,
            (_, Meaning::NewOrder) if self.kind == Kind::Compound => self.worst_of_subproblems(now),
            (_, Meaning::NewOrder) => Next::NewOrder,
            (_, Meaning::UserMustAct) => Next::UserMustAct,
        }
    }

    /// The outage of the server, if the problem is one.
    pub fn outage(&self) -> Option<OutageKind> {
        match (self.status, self.kind) {
            (Some(429), _) | (_, Kind::RateLimited) => Some(OutageKind::RateLimited),
            (Some(500..), _) | (_, Kind::ServerInternal) => Some(OutageKind::Unreachable),
            (_, _) => None,
        }
    }

    /// A compound problem is as severe as its worst subproblem.
    fn worst_of_subproblems(&self, now: Timestamp) -> Next {
        let hopeless = self
            .subproblems
            .iter()
            .any(|(_, problem)| problem.next(now) == Next::UserMustAct);
        if hopeless { Next::UserMustAct } else { Next::NewOrder }
    }

    /// Whether the server does not know the account: the CA was restored, or a test CA was restarted.
    pub fn says_account_is_unknown(&self) -> bool {
        self.kind == Kind::AccountDoesNotExist
    }
}

const ACME_PREFIXES: &[&str] = &["urn:ietf:params:acme:error:", "urn:acme:error:"];

fn row(kind: Kind) -> &'static (&'static str, Kind, Meaning, &'static str) {
    TABLE.iter().find(|row| row.1 == kind).unwrap_or(&OTHER)
}

/// The kind of a type.
pub(super) fn kind(type_uri: &str) -> Kind {
    let name = ACME_PREFIXES.iter().find_map(|prefix| type_uri.strip_prefix(prefix));
    let name = name.unwrap_or(type_uri);
    TABLE.iter().find(|row| row.0 == name).map_or(Kind::Other, |row| row.1)
}

impl fmt::Display for Problem {
    /// First the CA's own message in cert-manager's format (`<status> <type>: <detail>`), which users' tools search
    /// for, then the explanation.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = self.status.map(|status| status.to_string());
        let words = [status.as_deref(), Some(self.type_uri.as_str())];
        let words: Vec<&str> = words.into_iter().flatten().filter(|word| !word.is_empty()).collect();
        f.write_str(&words.join(" "))?;
        if !self.detail.is_empty() {
            let colon = if words.is_empty() { "" } else { ": " };
            write!(f, "{colon}{}", self.detail)?;
        }
        let quoted = !words.is_empty() || !self.detail.is_empty();
        write!(f, "{}{}", if quoted { "; " } else { "" }, row(self.kind).3)?;
        if let Some(instance) = &self.instance {
            write!(f, "; see {instance}")?;
        }
        for (name, problem) in self.subproblems.iter().take(SHOWN_SUBPROBLEMS) {
            write!(f, "; {}: {problem}", name.as_deref().unwrap_or("in addition"))?;
        }
        if self.subproblems.len() > SHOWN_SUBPROBLEMS {
            write!(f, "; and {} more", self.subproblems.len() - SHOWN_SUBPROBLEMS)?;
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "problem_tests.rs"]
mod tests;
