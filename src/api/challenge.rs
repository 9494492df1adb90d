//! The kind Challenge: the proof of control of one name (RFC 8555 section 8, ORD-07..12).

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::order::State;
use super::wire_enum::wire_enum;
use super::{IssuerRef, Solver, Time};

/// What has to be proved, and how. It cannot be changed once created.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(group = "acme.cert-manager.io", version = "v1", kind = "Challenge", namespaced)]
#[kube(status = "ChallengeStatus", derive = "PartialEq", derive = "Default")]
#[kube(category = "cert-manager", category = "cert-manager-acme")]
#[kube(
    selectable = ".spec.issuerRef.group",
    selectable = ".spec.issuerRef.kind",
    selectable = ".spec.issuerRef.name"
)]
#[kube(doc = "The proof for one name of an Order. Created for the Order; users do not write one.")]
#[serde(rename_all = "camelCase")]
pub struct ChallengeSpec {
    /// URL of the authorization that the challenge belongs to.
    #[serde(rename = "authorizationURL")]
    pub authorization_url: String,
    /// The name (or IP address) to be proved, without the *. of a wildcard.
    pub dns_name: String,
    /// The ACME issuer.
    pub issuer_ref: IssuerRef,
    /// What has to be presented: the key authorization for HTTP-01, its digest for DNS-01.
    pub key: String,
    /// The issuer's solver that presents it.
    pub solver: Solver,
    /// The part of the proof that the server chose.
    pub token: String,
    /// Kind of proof.
    #[serde(rename = "type")]
    pub type_: ChallengeType,
    /// The challenge's URL.
    pub url: String,
    /// Whether it is for the wildcard of the name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wildcard: Option<bool>,
}

wire_enum! {
    /// Kind of proof.
    #[derive(Default)]
    pub enum ChallengeType {
        /// A file on the name's web server (RFC 8555 section 8.3).
        #[default]
        Http01 = "HTTP-01",
        /// A TXT record of the name (RFC 8555 section 8.4).
        Dns01 = "DNS-01",
    }
}

impl ChallengeType {
    /// The name of the type in ACME (RFC 8555 section 9.7.8).
    pub const fn acme_name(self) -> &'static str {
        match self {
            Self::Http01 => "http-01",
            Self::Dns01 => "dns-01",
        }
    }

    /// The type of this name in ACME; `None` for one that certlet does not know.
    pub fn of_acme(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|type_| type_.acme_name() == name)
    }
}

/// What became of the challenge.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChallengeStatus {
    /// Whether the proof is presented.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub presented: Option<bool>,
    /// Since when it is presented.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub presented_at: Option<Time>,
    /// Whether the challenge is in progress.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub processing: Option<bool>,
    /// The current state, as a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// State of the challenge at the server, or errored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<State>,
}
