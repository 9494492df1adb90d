//! The proof of an authorization, and where it is presented.

use crate::{
    api::{challenge::ChallengeType, http01::Http01Ingress},
    plan::seen::ObjectKey,
};

/// What the CA has to find, one variant for each type of challenge.
#[derive(Clone, Debug, PartialEq)]
pub enum Proof {
    /// The key authorization under the well-known path of the name (RFC 8555 section 8.3).
    Http01 {
        /// The key authorization.
        key_authorization: String,
        /// The solver's settings of the temporary Ingress, with overrides (ANO-02).
        ingress: Box<Http01Ingress>,
    },
    /// A TXT record (RFC 8555 section 8.4).
    Dns01 {
        /// The name of the record.
        name: String,
        /// Its value: the digest of the key authorization.
        value: String,
    },
}

impl Proof {
    /// The type of the challenge.
    pub const fn challenge_type(&self) -> ChallengeType {
        match self {
            Self::Http01 { .. } => ChallengeType::Http01,
            Self::Dns01 { .. } => ChallengeType::Dns01,
        }
    }

    /// `spec.key` of the Challenge (ORD-07).
    pub fn key(&self) -> &str {
        match self {
            Self::Http01 { key_authorization, .. } => key_authorization,
            Self::Dns01 { value, .. } => value,
        }
    }

    /// The part that is outside the cluster, as a text for the Challenge's annotation. With it and the Challenge's
    /// spec, the part is found again for its withdrawal.
    pub fn record(&self) -> Option<&str> {
        match self {
            Self::Http01 { .. } => None,
            Self::Dns01 { name, .. } => Some(name),
        }
    }

    /// The batch of this proof, which is of the authorization with this URL.
    pub(super) fn batch(&self, authorization: &str) -> Batch {
        match self {
            Self::Http01 { .. } => Batch::Order,
            Self::Dns01 { .. } => Batch::Authorization(authorization.to_owned()),
        }
    }
}

/// Whether the proof of a challenge of this type is in the cluster.
pub(super) const fn is_in_cluster(type_: ChallengeType) -> bool {
    match type_ {
        ChallengeType::Http01 => true,
        ChallengeType::Dns01 => false,
    }
}

/// Proofs of an Order that are presented, and fail, together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Batch {
    /// All proofs in the cluster: those of HTTP-01 share temporary Ingresses.
    Order,
    /// The proof of the authorization with this URL, alone.
    Authorization(String),
}

/// A place of proofs, for their withdrawal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Placed {
    /// Everything in the cluster for the Order.
    InCluster,
    /// What is outside the cluster for this Challenge of the Order.
    Outside(ObjectKey),
}
