//! The input and the answer of a solver.

use crate::{
    plan::{
        order::{memory::NotYet, proof::Proof},
        seen::Meta,
    },
    solver::{host::Host, select::Method, token::KeyAuthorization},
};

/// A solver's answer: done, or not yet.
pub type Answer = Result<(), NotYet>;

/// A proof, with those parts of its authorization that a solver needs.
#[derive(Clone, Debug)]
pub struct Provable {
    /// Metadata of its Challenge.
    pub challenge: Meta,
    /// The name or address, without the `*.` of a wildcard.
    pub identifier: String,
    /// The key authorization.
    pub key_authorization: KeyAuthorization,
    /// What the CA has to find.
    pub proof: Proof,
}

/// The proof of an authorization, by the method of its selected solver.
///
/// # Errors
/// Why the method cannot prove this identifier, as a sentence.
pub fn proof(method: Method, identifier: &str, key_authorization: &KeyAuthorization) -> Result<Proof, String> {
    match method {
        Method::Http01(ingress) if Host::parse(identifier).is_some() => Ok(Proof::Http01 {
            key_authorization: key_authorization.as_str().to_owned(),
            ingress,
        }),
        Method::Http01(_) => Err(format!(
            "{identifier:?} is no name or address that can be asked over HTTP"
        )),
        Method::Dns01 => Ok(Proof::Dns01 {
            name: format!("_acme-challenge.{identifier}"),
            value: key_authorization.digest(),
        }),
    }
}
