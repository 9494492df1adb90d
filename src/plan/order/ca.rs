//! The CA's view of an order, as plain data. It is only kept in memory, and read again after a restart.

use jiff::Timestamp;

pub use crate::acme::order::{AuthorizationStatus as AuthorizationState, OrderStatus as OrderState, Persist};
use crate::api::order::State;

/// An ACME order (RFC 8555 section 7.1.3), as of the last answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderAtCa {
    /// Its URL.
    pub url: String,
    /// Its status.
    pub state: OrderState,
    /// URLs of its authorizations.
    pub authorizations: Vec<String>,
    /// The URL for the signing request.
    pub finalize: String,
    /// The URL of the certificate, if there is one.
    pub certificate: Option<String>,
    /// The CA's error of an invalid order.
    pub error: Option<String>,
    /// When the CA sent this answer.
    pub answered: Timestamp,
    /// `Retry-After` of the answer.
    pub retry_at: Option<Timestamp>,
}

/// An authorization (RFC 8555 section 7.1.4), as of the last answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthorizationAtCa {
    /// Its status; invalid also if a challenge of it is invalid.
    pub state: AuthorizationState,
    /// Whether the CA leaves it pending although its challenge is invalid, against RFC 8555 section 7.1.6. Then its order
    /// stays pending, too.
    pub left_pending: bool,
    /// The name or IP address, without the `*.` of a wildcard.
    pub identifier: String,
    /// Whether it is for the wildcard of the name.
    pub wildcard: bool,
    /// Its challenges.
    pub challenges: Vec<ChallengeAtCa>,
    /// When the CA sent this answer.
    pub answered: Timestamp,
    /// `Retry-After` of the answer.
    pub retry_at: Option<Timestamp>,
}

impl OrderAtCa {
    /// Its status, as the status of an Order has it.
    pub const fn mirrored_state(&self) -> State {
        match self.state {
            OrderState::Pending => State::Pending,
            OrderState::Ready => State::Ready,
            OrderState::Processing => State::Processing,
            OrderState::Valid => State::Valid,
            OrderState::Invalid => State::Invalid,
        }
    }
}

/// A challenge (RFC 8555 section 7.1.5), as part of its authorization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChallengeAtCa {
    /// Its type, such as `http-01`.
    pub type_: String,
    /// Its URL.
    pub url: String,
    /// Its token; empty for types that have none.
    pub token: String,
    /// Whether the CA is validating it: it was accepted before.
    pub processing: bool,
    /// The CA's error of the last validation that failed.
    pub error: Option<String>,
    /// Whether it failed for a wrong or missing answer. The CA reports the same if no responder is running.
    pub unanswered: bool,
    /// What it has instead of a token, if its type is `dns-persist-01`.
    pub persist: Option<Persist>,
}

impl AuthorizationAtCa {
    /// Its status, as the status of an Order or Challenge has it.
    pub const fn mirrored_state(&self) -> State {
        match self.state {
            AuthorizationState::Pending => State::Pending,
            AuthorizationState::Valid => State::Valid,
            AuthorizationState::Invalid | AuthorizationState::Deactivated | AuthorizationState::Revoked => {
                State::Invalid
            }
            AuthorizationState::Expired => State::Expired,
        }
    }

    /// Whether it can never become valid, so that its order has failed.
    pub const fn is_lost(&self) -> bool {
        !matches!(self.state, AuthorizationState::Pending | AuthorizationState::Valid)
    }

    /// The challenge whose validation failed without a decision about the authorization. While it is processing, the
    /// CA validates again by itself; otherwise it has to be accepted again (RFC 8555 section 8.2).
    pub fn undecided_failure(&self) -> Option<&ChallengeAtCa> {
        let mut challenges = self.challenges.iter();
        challenges.find(|challenge| self.state == AuthorizationState::Pending && challenge.error.is_some())
    }

    /// Whether its proof failed, and a missing responder explains that.
    pub fn is_unanswered(&self) -> bool {
        self.state == AuthorizationState::Invalid && self.challenges.iter().any(|challenge| challenge.unanswered)
    }

    /// Whether the CA says that it did not find the proof, as opposed to a refusal of the name.
    pub fn is_not_found(&self) -> bool {
        const TYPES: [&str; 3] = ["error:unauthorized", "error:incorrectResponse", "error:dns"];
        let error = self.error().unwrap_or_default();
        self.state == AuthorizationState::Invalid && TYPES.iter().any(|type_| error.contains(type_))
    }

    /// The approximate number of bytes that are kept of it.
    pub fn size(&self) -> usize {
        let challenges = self.challenges.iter().map(|challenge| {
            let ChallengeAtCa {
                type_,
                url,
                token,
                processing: _,
                error,
                unanswered: _,
                persist,
            } = challenge;
            let texts = persist.iter().flat_map(|one| one.issuers.iter().chain(&one.account));
            let persist: usize = texts.map(String::len).sum();
            type_.len() + url.len() + token.len() + persist + error.as_ref().map_or(0, String::len)
        });
        self.identifier.len() + challenges.sum::<usize>()
    }

    /// The CA's error of the failed challenge.
    pub fn error(&self) -> Option<&str> {
        self.challenges.iter().find_map(|challenge| challenge.error.as_deref())
    }
}
