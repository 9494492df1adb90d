//! The status of a Certificate (CST rows).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Condition, Time};

/// What is known about the certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CertificateStatus {
    /// What the ACME server reports about this certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acme: Option<CertificateAcmeStatus>,
    /// Ready reports whether the Secret holds what the spec requests; Issuing is there while a certificate is being
    /// issued.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// How often issuing has failed since it last succeeded; the wait before the next attempt grows with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "super::schema::integer")]
    pub failed_issuance_attempts: Option<i64>,
    /// When issuing last failed, if it has not succeeded since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_failure_time: Option<Time>,
    /// Secret with the private key for the certificate that is being made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_private_key_secret_name: Option<String>,
    /// When the certificate in the Secret expires.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "super::endless")]
    #[schemars(with = "Option<Time>")]
    pub not_after: Option<Time>,
    /// When the certificate in the Secret begins to be valid.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "super::endless")]
    #[schemars(with = "Option<Time>")]
    pub not_before: Option<Time>,
    /// When the certificate will be renewed.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "super::endless")]
    #[schemars(with = "Option<Time>")]
    pub renewal_time: Option<Time>,
    /// How many certificates have been issued; the CertificateRequest of the present one is annotated with the same number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "super::schema::integer")]
    pub revision: Option<i64>,
}

/// What the ACME server reports about a certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CertificateAcmeStatus {
    /// When the server suggests to renew (RFC 9773).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ari: Option<RenewalInformation>,
}

/// ACME renewal information (RFC 9773, CST-07).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RenewalInformation {
    /// A page of the CA that explains the suggestion.
    #[serde(rename = "explanationURL", default, skip_serializing_if = "Option::is_none")]
    pub explanation_url: Option<String>,
    /// When the server was last polled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_checked: Option<Time>,
    /// Why the server last gave no answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// When the server will be polled again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_check: Option<Time>,
    /// The span of time in which the server would like the renewal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suggested_window: Option<SuggestedWindow>,
}

/// A span of time that an ACME server suggests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SuggestedWindow {
    /// Its end.
    pub end: Time,
    /// Its beginning; in the past it means: renew at once.
    pub start: Time,
}
