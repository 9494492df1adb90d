//! The kind Order: one ACME order (RFC 8555 section 7.1.3, ORD rows).

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::wire_enum::wire_enum;
use super::{ByteString, GoDuration, IssuerRef, Time};

/// What is ordered, and from which issuer.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(group = "acme.cert-manager.io", version = "v1", kind = "Order", namespaced)]
#[kube(status = "OrderStatus", derive = "PartialEq", derive = "Default")]
#[kube(category = "cert-manager", category = "cert-manager-acme")]
#[kube(
    selectable = ".spec.issuerRef.group",
    selectable = ".spec.issuerRef.kind",
    selectable = ".spec.issuerRef.name"
)]
#[kube(doc = "One order at an ACME server. Created for a CertificateRequest; users do not write one.")]
#[serde(rename_all = "camelCase")]
pub struct OrderSpec {
    /// Common name of the signing request; it is ordered too if it can be a DNS name or IP address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub common_name: Option<String>,
    /// DNS names that are ordered.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dns_names: Vec<String>,
    /// Lifetime that the order requests, if the issuer allows that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration: Option<GoDuration>,
    /// IP addresses that are ordered.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ip_addresses: Vec<String>,
    /// The ACME issuer.
    pub issuer_ref: IssuerRef,
    /// Profile of the server that the order requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// Identifier of the certificate that this one replaces (RFC 9773 section 4.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<String>,
    /// The signing request (PKCS#10) in PEM.
    #[schemars(schema_with = "super::schema::bytes")]
    pub request: ByteString,
}

/// What became of the order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OrderStatus {
    /// What the server wants to be proved, one for each name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub authorizations: Vec<Authorization>,
    /// The certificate chain in PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "super::schema::bytes")]
    pub certificate: Option<ByteString>,
    /// When the order failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure_time: Option<Time>,
    /// Where the signing request is sent.
    #[serde(rename = "finalizeURL", default, skip_serializing_if = "Option::is_none")]
    pub finalize_url: Option<String>,
    /// Why the order is in its state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// State of the order at the server, or errored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<State>,
    /// The order's URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

wire_enum! {
    /// State of an order, authorization or challenge (RFC 8555 section 7.1.6, ORD-03).
    pub enum State {
        /// Done.
        Valid = "valid",
        /// Everything is proved, the signing request can be sent.
        Ready = "ready",
        /// Something has to be proved yet.
        Pending = "pending",
        /// The server works on it.
        Processing = "processing",
        /// Failed at the server.
        Invalid = "invalid",
        /// Not finished in time.
        Expired = "expired",
        /// Given up here: the server refused in a way that only an edit can change.
        Errored = "errored",
    }
}

impl State {
    /// Whether nothing follows: valid, invalid, expired, errored.
    pub const fn is_final(self) -> bool {
        match self {
            Self::Valid | Self::Invalid | Self::Expired | Self::Errored => true,
            Self::Ready | Self::Pending | Self::Processing => false,
        }
    }

    /// Whether it has failed: invalid, expired, errored.
    pub const fn is_failure(self) -> bool {
        match self {
            Self::Invalid | Self::Expired | Self::Errored => true,
            Self::Valid | Self::Ready | Self::Pending | Self::Processing => false,
        }
    }
}

/// What the server wants to be proved about one name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Authorization {
    /// Ways to prove it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub challenges: Vec<OfferedChallenge>,
    /// The name, without the *. of a wildcard.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identifier: Option<String>,
    /// State when the order was made; valid means that nothing has to be proved again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initial_state: Option<State>,
    /// The authorization's URL.
    pub url: String,
    /// Whether it is for the wildcard of the name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wildcard: Option<bool>,
}

/// A way to prove that a name is one's own, as the server offers it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OfferedChallenge {
    /// The part of the proof that the server chose.
    pub token: String,
    /// Kind of proof as the server names it, for example http-01.
    #[serde(rename = "type")]
    pub type_: String,
    /// The challenge's URL.
    pub url: String,
}
