//! Issuers backed by CyberArk (once Venafi) Certificate Manager (ISS-11..14).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ByteString, LocalObjectReference, SecretKeySelector};

/// Signs with Certificate Manager: exactly one of tpp, cloud and ngts is set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct VenafiIssuer {
    /// The service in the cloud.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cloud: Option<VenafiCloud>,
    /// Palo Alto Networks' Next-Generation Trust Security.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ngts: Option<VenafiNgts>,
    /// A server of your own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tpp: Option<VenafiTpp>,
    /// Zone or policy folder that rules the certificates.
    pub zone: String,
}

/// The service in the cloud.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VenafiCloud {
    /// Secret with the API key; its key is api-key if not set.
    pub api_token_secret_ref: SecretKeySelector,
    /// URL of the service, if it is not the usual one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

/// Next-Generation Trust Security.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VenafiNgts {
    /// Secret with the client's identifier and secret.
    pub credentials_ref: LocalObjectReference,
    /// URL that gives out tokens, if it is not the usual one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_endpoint: Option<String>,
    /// Identifier of the tenant service group.
    #[serde(rename = "tsgID")]
    pub tsg_id: String,
    /// URL of the service, if it is not the usual one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

/// A server of your own.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VenafiTpp {
    /// CA certificates in PEM that the server's certificate is checked against. Not together with caBundleSecretRef.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "super::schema::bytes")]
    pub ca_bundle: Option<ByteString>,
    /// Secret with these CA certificates; its key is ca.crt if not set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_bundle_secret_ref: Option<SecretKeySelector>,
    /// Secret with an access token, or a user name and password.
    pub credentials_ref: LocalObjectReference,
    /// URL of the server, for example https://tpp.example.com/vedsdk.
    pub url: String,
}
