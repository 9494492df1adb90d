//! The proof of an authorization, and where it is presented.

use super::persist::Demand;
use crate::{
    api::{challenge::ChallengeType, http01::Routing},
    plan::seen::ObjectKey,
};

/// What the CA has to find, one variant for each type of challenge.
#[derive(Clone, Debug, PartialEq)]
pub enum Proof {
    /// The key authorization under the well-known path of the name (RFC 8555 section 8.3).
    Http01 {
        /// The key authorization.
        key_authorization: String,
        /// The solver's settings of the temporary Ingress or HTTPRoute, with overrides (ANO-02, ANO-03).
        routing: Box<Routing>,
    },
    /// A TXT record (RFC 8555 section 8.4). Where it is written has to be located first: a CNAME may lead elsewhere.
    Dns01 {
        /// Its value: the digest of the key authorization.
        value: String,
    },
    /// A TXT record that a user writes, once (draft-ietf-acme-dns-persist). Its Challenge has the type DNS-01, since the API has no
    /// third one; that its solver is `dns-persist` tells it from the other.
    DnsPersist {
        /// What the CA has to find.
        demand: Box<Demand>,
        /// The value of the record that is asked for.
        record: String,
    },
}

impl Proof {
    /// The type of the challenge.
    pub const fn challenge_type(&self) -> ChallengeType {
        match self {
            Self::Http01 { .. } => ChallengeType::Http01,
            Self::Dns01 { .. } | Self::DnsPersist { .. } => ChallengeType::Dns01,
        }
    }

    /// `spec.key` of the Challenge (ORD-07).
    pub fn key(&self) -> &str {
        match self {
            Self::Http01 { key_authorization, .. } => key_authorization,
            Self::Dns01 { value } | Self::DnsPersist { record: value, .. } => value,
        }
    }

    /// Whether it is written outside the cluster. Then it is located first, and its record is written on the Challenge before
    /// anything else: with that and the Challenge's spec it is found again by what removes it.
    pub const fn is_outside(&self) -> bool {
        !is_in_cluster(self.challenge_type()) && self.is_written()
    }

    /// Whether certlet itself writes it.
    pub const fn is_written(&self) -> bool {
        match self {
            Self::Http01 { .. } | Self::Dns01 { .. } => true,
            Self::DnsPersist { .. } => false,
        }
    }

    /// What no two challenges may prove at the same time, with the type of the challenge. Several values of one TXT record do not
    /// stand in each other's way (NB-20), and neither do authorizations that one record proves.
    pub fn subject(&self, identifier: &str, authorization: &str) -> String {
        match self {
            Self::Http01 { .. } => identifier.to_owned(),
            Self::Dns01 { value } => format!("{identifier} {value}"),
            Self::DnsPersist { .. } => format!("{identifier} {authorization}"),
        }
    }

    /// The batch of this proof, which is of the authorization with this URL.
    pub(super) fn batch(&self, authorization: &str) -> Batch {
        match self {
            Self::Http01 { .. } => Batch::Order,
            Self::Dns01 { .. } | Self::DnsPersist { .. } => Batch::Authorization(authorization.to_owned()),
        }
    }
}

/// Whether the proof of a challenge of this type is in the cluster.
pub const fn is_in_cluster(type_: ChallengeType) -> bool {
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
