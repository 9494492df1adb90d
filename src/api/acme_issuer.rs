//! Issuers backed by an ACME server (ISS-15..24).

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::dns01::Dns01;
use super::http01::Http01;
use super::wire_enum::wire_enum;
use super::{ByteString, GoDuration, SecretKeySelector};

/// Signs with an ACME server (RFC 8555), for example Let's Encrypt.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AcmeIssuer {
    /// CA certificates in PEM that the server's own certificate is checked against, for private servers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "super::schema::bytes")]
    pub ca_bundle: Option<ByteString>,
    /// Whether the account key has to exist already; if not set, one is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disable_account_key_generation: Option<bool>,
    /// Where the CA can reach you.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Whether the duration of a Certificate is sent to the server; few allow that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enable_duration_feature: Option<bool>,
    /// Ties the account to one that you already have with the CA (RFC 8555 section 7.3.4).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_account_binding: Option<ExternalAccountBinding>,
    /// Common name of the authority at whose end the chain shall be, if the server offers several chains.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preferred_chain: Option<String>,
    /// Secret that holds the account's private key, made if it does not exist; its key is tls.key if not set.
    pub private_key_secret_ref: SecretKeySelector,
    /// Profile of the server that orders request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// Whether the server's renewal information is polled (ARI, RFC 9773; also if not set) or not (None).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renewal_information_source: Option<RenewalInformationSource>,
    /// The server's directory URL, for example `https://acme-v02.api.letsencrypt.org/directory`.
    pub server: String,
    /// Whether the server's certificate is not checked. For tests only.
    #[serde(rename = "skipTLSVerify", default, skip_serializing_if = "Option::is_none")]
    pub skip_tls_verify: Option<bool>,
    /// Ways to prove that a name is yours. The best match by selector is used.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub solvers: Vec<Solver>,
}

wire_enum! {
    /// The source of renewal times beside the certificate's own expiry (ISS-23).
    #[derive(Default)]
    pub enum RenewalInformationSource {
        /// The ACME server, the default.
        #[default]
        Ari = "ARI",
        /// Renewal information is not used.
        None = "None",
    }
}

/// An account with the CA that the ACME account is tied to (ISS-20).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExternalAccountBinding {
    /// Ignored; HS256 is used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_algorithm: Option<HmacAlgorithm>,
    /// Identifier that the CA gave you.
    #[serde(rename = "keyID")]
    pub key_id: String,
    /// Secret with the key that the CA gave you, in base64url.
    pub key_secret_ref: SecretKeySelector,
}

wire_enum! {
    /// Message authentication of an external account binding; no longer used.
    pub enum HmacAlgorithm {
        /// HMAC with SHA-256.
        Hs256 = "HS256",
        /// HMAC with SHA-384.
        Hs384 = "HS384",
        /// HMAC with SHA-512.
        Hs512 = "HS512",
    }
}

/// One way to prove that names are yours: either dns01 or http01 (SEL rows).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Solver {
    /// By a TXT record. The only way for wildcards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dns01: Option<Dns01>,
    /// By a file that the name's web server serves on port 80.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http01: Option<Http01>,
    /// Which names this is for; all if not set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<SolverSelector>,
    /// Waits this long instead of checking from here that the proof can be seen, for example 2m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_instead_of_self_check: Option<GoDuration>,
}

/// Which names and Certificates a solver is for. The longest matching name wins, then the zone, then the labels.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SolverSelector {
    /// Exactly these names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dns_names: Vec<String>,
    /// These domains and everything below them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dns_zones: Vec<String>,
    /// Certificates that have all these labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub match_labels: BTreeMap<String, String>,
}
