//! The kind CertificateRequest: one signing request and its result (CRQ rows).

use std::collections::BTreeMap;

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::usage::KeyUsage;
use super::{ByteString, Condition, GoDuration, IssuerRef, Time};

/// The signing request, its issuer and its requester. It cannot be changed once created.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(group = "cert-manager.io", version = "v1", kind = "CertificateRequest", namespaced)]
#[kube(status = "CertificateRequestStatus", derive = "PartialEq", derive = "Default")]
#[kube(shortname = "cr", shortname = "crs", category = "cert-manager")]
#[kube(
    selectable = ".spec.issuerRef.group",
    selectable = ".spec.issuerRef.kind",
    selectable = ".spec.issuerRef.name"
)]
#[kube(doc = "One certificate signing request for an issuer, its approval, and the signed certificate.")]
#[serde(rename_all = "camelCase")]
pub struct CertificateRequestSpec {
    /// How long the certificate shall be valid, for example 2160h; the issuer decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration: Option<GoDuration>,
    /// Further facts about who created the request; filled in by the API server.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub extra: BTreeMap<String, Vec<String>>,
    /// Groups of who created the request; filled in by the API server.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// Whether the certificate may sign other certificates.
    #[serde(rename = "isCA", default, skip_serializing_if = "Option::is_none")]
    pub is_ca: Option<bool>,
    /// Who signs.
    pub issuer_ref: IssuerRef,
    /// The signing request (PKCS#10) in PEM.
    #[schemars(schema_with = "super::schema::bytes")]
    pub request: ByteString,
    /// UID of who created the request; filled in by the API server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// What the certificate may be used for; it has to agree with the usages in the signing request, if there are any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub usages: Vec<KeyUsage>,
    /// Who created the request; filled in by the API server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
}

/// What became of the request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CertificateRequestStatus {
    /// Certificate of the CA in PEM, if the issuer knows it. ACME issuers leave it empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "super::schema::bytes")]
    pub ca: Option<ByteString>,
    /// The signed certificate in PEM, with the certificates of the authorities between it and the root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "super::schema::bytes")]
    pub certificate: Option<ByteString>,
    /// Ready, Approved, Denied or InvalidRequest. They have no observedGeneration: the spec cannot change.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// When the request failed for good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure_time: Option<Time>,
}
