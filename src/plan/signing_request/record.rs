//! The record of a Kubernetes CertificateSigningRequest, and the issuer of its signer name (CSR-01).

use jiff::Timestamp;
use k8s_openapi::api::certificates::v1::{
    CertificateSigningRequestCondition, CertificateSigningRequestSpec, CertificateSigningRequestStatus,
};

use crate::{
    api::{
        Condition, ConditionStatus, GROUP, IssuerRef,
        condition::{APPROVED, DENIED},
        names::signer_name,
        reference::{CLUSTER_ISSUER_KIND, ISSUER_KIND},
    },
    plan::seen::Meta,
};

/// Condition type of a request that can never be signed.
const FAILED: &str = "Failed";

/// A stored CertificateSigningRequest.
#[derive(Clone, Debug, PartialEq)]
pub struct SigningRequestSeen {
    /// Metadata without a namespace.
    pub meta: Meta,
    /// `spec`.
    pub spec: CertificateSigningRequestSpec,
    /// `status`.
    pub status: CertificateSigningRequestStatus,
    /// Why `spec` cannot be decoded; the decodable parts are present.
    pub unreadable: Option<Box<str>>,
}

impl SigningRequestSeen {
    pub(super) fn has(&self, type_: &str) -> bool {
        self.status
            .conditions
            .iter()
            .flatten()
            .any(|condition| condition.type_ == type_)
    }

    /// Approval or denial, as conditions of a CertificateRequest.
    pub(super) fn word(&self) -> Box<[Condition]> {
        let decisions = [(APPROVED, "Approved"), (DENIED, "Denied")];
        decisions
            .into_iter()
            .filter(|(_, type_)| self.has(type_))
            .map(|(condition, reason)| Condition::new(condition, ConditionStatus::True, reason, ""))
            .collect()
    }

    /// Whether the request is final: signed, denied, or failed.
    pub fn is_finished(&self) -> bool {
        let signed = self.status.certificate.as_ref().is_some_and(|pem| !pem.0.is_empty());
        signed || self.has("Denied") || self.has(FAILED)
    }

    /// The issuer, if the signer is ours (CSR-01).
    pub fn signer(&self) -> Option<SignerName> {
        SignerName::parse(&self.spec.signer_name)
    }

    /// The conditions with an additional one of type Failed.
    pub fn failed(&self, reason: &str, message: &str, now: Timestamp) -> Vec<CertificateSigningRequestCondition> {
        let time = crate::api::condition::whole_second(now);
        let failed = CertificateSigningRequestCondition {
            type_: FAILED.to_owned(),
            status: "True".to_owned(),
            reason: Some(reason.to_owned()),
            message: Some(message.to_owned()),
            last_transition_time: Some(time.clone()),
            last_update_time: Some(time),
        };
        self.status
            .conditions
            .iter()
            .flatten()
            .cloned()
            .chain([failed])
            .collect()
    }
}

/// An issuer in `spec.signerName` (CSR-01).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignerName {
    /// Its namespace, empty for a ClusterIssuer.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl SignerName {
    /// Parses `issuers.cert-manager.io/<namespace>.<name>` or `clusterissuers.cert-manager.io/<name>`.
    pub fn parse(signer: &str) -> Option<Self> {
        let (kind, path) = signer.split_once('/')?;
        let (namespace, name) = match kind {
            signer_name::ISSUERS => path.split_once('.')?,
            signer_name::CLUSTER_ISSUERS => ("", path),
            _ => return None,
        };
        let present = !name.is_empty() && (kind == signer_name::CLUSTER_ISSUERS || !namespace.is_empty());
        present.then(|| Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        })
    }

    /// Namespace and name, for messages.
    pub(super) fn place(&self) -> String {
        if self.namespace.is_empty() {
            self.name.clone()
        } else {
            format!("{}/{}", self.namespace, self.name)
        }
    }

    /// The equivalent `issuerRef` of a CertificateRequest.
    pub fn issuer_ref(&self) -> IssuerRef {
        let kind = if self.namespace.is_empty() {
            CLUSTER_ISSUER_KIND
        } else {
            ISSUER_KIND
        };
        IssuerRef {
            group: Some(GROUP.to_owned()),
            kind: Some(kind.to_owned()),
            name: self.name.clone(),
        }
    }
}
