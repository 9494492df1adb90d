//! The input and the answer of a solver.

use crate::{
    api,
    plan::{
        issuer::IssuerId,
        order::{memory::NotYet, proof::Proof},
        seen::Meta,
    },
    solver::{host::Host, select::Method, token::KeyAuthorization},
};

/// A solver's answer: done, or not yet.
pub(crate) type Answer = Result<(), NotYet>;

/// The answer of a solver to the question whether the CA would find a proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Checked {
    /// It would.
    Visible,
    /// Not yet.
    NotYet(NotYet),
    /// Not yet, and what routes the CA's request there is reported not to.
    Refused(NotYet),
    /// It would look for the proof elsewhere: the proof has to be located again.
    Moved,
}

/// A proof, with those parts of its authorization that a solver needs.
#[derive(Clone, Debug)]
pub(crate) struct Provable {
    /// Metadata of its Challenge, as soon as that exists.
    pub challenge: Option<Meta>,
    /// The name or address, without the `*.` of a wildcard.
    pub identifier: String,
    /// The key authorization.
    pub key_authorization: KeyAuthorization,
    /// What the CA has to find.
    pub proof: Proof,
    /// Where it is written, as its Challenge names it, if it is outside the cluster and located.
    pub record: Option<String>,
    /// The solver.
    pub solver: api::Solver,
    /// The issuer whose solver it is.
    pub issuer: IssuerId,
}

/// Whether a text has the form of a DNS-01 value, which no other TXT record that matters has: a SHA-256 digest in base64url (RFC 8555
/// section 8.4).
pub(super) fn is_digest(value: &str) -> bool {
    value.len() == 43
        && value
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

/// The proof of an authorization, by the method of its selected solver.
///
/// # Errors
/// Why the method cannot prove this identifier, as a sentence.
pub(crate) fn proof(method: Method, identifier: &str, key_authorization: &KeyAuthorization) -> Result<Proof, String> {
    match method {
        Method::Http01(routing) if Host::parse(identifier).is_some() => Ok(Proof::Http01 {
            key_authorization: key_authorization.as_str().to_owned(),
            routing,
        }),
        Method::Http01(_) => Err(format!(
            "{identifier:?} is no name or address that can be asked over HTTP"
        )),
        Method::Dns01 => Ok(Proof::Dns01 {
            value: key_authorization.digest(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_digest_is_removed_for_a_challenge_whose_order_is_gone() {
        assert!(is_digest("LPsIwTo7o8BoG0-vjCyGQGBWSVIPxI-i_X336eUOQZo"));
        for other in [
            "",
            "v=spf1 include:_spf.example.com -all",
            "google-site-verification=LPsIwTo7o8BoG0-vjCyGQGBWSVI",
            "LPsIwTo7o8BoG0-vjCyGQGBWSVIPxI-i_X336eUOQZoo",
            "LPsIwTo7o8BoG0 vjCyGQGBWSVIPxI-i_X336eUOQZo",
        ] {
            assert!(!is_digest(other), "{other:?}");
        }
    }
}
