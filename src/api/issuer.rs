//! The kinds Issuer and ClusterIssuer (ISS rows).

use std::ops::Deref;

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::acme_issuer::AcmeIssuer;
use super::vault::VaultIssuer;
use super::venafi::VenafiIssuer;
use super::{Condition, Time};

/// How certificates are signed: exactly one of the fields is set.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(group = "cert-manager.io", version = "v1", kind = "Issuer", namespaced)]
#[kube(status = "IssuerStatus", derive = "PartialEq", derive = "Default")]
#[kube(shortname = "iss", category = "cert-manager")]
#[kube(doc = "Signs certificates for the namespace it is in.")]
#[serde(rename_all = "camelCase")]
pub struct IssuerSpec {
    /// An ACME server, for example Let's Encrypt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acme: Option<AcmeIssuer>,
    /// A CA certificate and its key in a Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<CaIssuer>,
    /// Each certificate signs itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub self_signed: Option<SelfSignedIssuer>,
    /// The PKI engine of HashiCorp Vault or OpenBao.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vault: Option<VaultIssuer>,
    /// CyberArk (once Venafi) Certificate Manager.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub venafi: Option<VenafiIssuer>,
}

/// The same as [`IssuerSpec`], for the cluster-scoped kind. It dereferences to it.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(group = "cert-manager.io", version = "v1", kind = "ClusterIssuer")]
#[kube(status = "IssuerStatus", derive = "PartialEq", derive = "Default")]
#[kube(shortname = "ciss", category = "cert-manager")]
#[kube(doc = "Signs certificates for every namespace. Its Secrets are in the cluster resource namespace.")]
#[serde(transparent)]
pub struct ClusterIssuerSpec(pub IssuerSpec);

impl Deref for ClusterIssuerSpec {
    type Target = IssuerSpec;

    fn deref(&self) -> &IssuerSpec {
        &self.0
    }
}

/// What is known about an issuer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct IssuerStatus {
    /// The account at the ACME server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acme: Option<AcmeIssuerStatus>,
    /// Ready reports whether the issuer can sign.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
}

impl IssuerStatus {
    /// When the condition of this type last changed its status.
    pub fn transition_time(&self, type_: &str) -> Option<&Time> {
        super::condition::get(&self.conditions, type_)?
            .last_transition_time
            .as_ref()
    }
}

/// The account at an ACME server (ISS-26).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AcmeIssuerStatus {
    /// SHA-256 of the account key with which the account was last registered, in base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_private_key_hash: Option<String>,
    /// E-mail address with which the account was last registered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_registered_email: Option<String>,
    /// The account's URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
}

/// Signs with a CA that is held in a Secret (ISS-02, ISS-03).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CaIssuer {
    /// Where the CA's revocation lists are; written into each certificate.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub crl_distribution_points: Vec<String>,
    /// Where the CA's own certificate is; written into each certificate.
    #[serde(rename = "issuingCertificateURLs", default, skip_serializing_if = "Vec::is_empty")]
    pub issuing_certificate_urls: Vec<String>,
    /// OCSP responders; written into each certificate.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ocsp_servers: Vec<String>,
    /// Secret with the CA in tls.crt and tls.key.
    pub secret_name: String,
}

/// Lets each certificate sign itself (ISS-01).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SelfSignedIssuer {
    /// Where revocation lists are; written into each certificate.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub crl_distribution_points: Vec<String>,
}
