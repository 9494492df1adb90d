//! Records of CertificateRequests: the CSR is reduced to its content and the certificate to digests when they arrive.

use serde::{Deserialize, Deserializer};

use super::wire::ObjectIn;
use crate::{
    api::{ByteString, Condition, GoDuration, IssuerRef, Time, condition},
    pki::{
        self,
        certificate::CertificateInfo,
        csr::{self, CsrInfo},
    },
    plan::{
        request,
        seen::{IssuedDigest, RequestSeen},
    },
};

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct SpecIn {
    request: ByteString,
    issuer_ref: IssuerRef,
    duration: Option<GoDuration>,
    #[serde(rename = "isCA")]
    is_ca: bool,
    usages: Vec<Box<str>>,
    username: Option<Box<str>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct StatusIn {
    certificate: Option<ByteString>,
    ca: Option<ByteString>,
    conditions: Vec<Condition>,
    failure_time: Option<Time>,
}

/// A CertificateRequest with the bytes that are not stored in memory.
#[derive(Debug)]
pub(crate) struct LiveRequest {
    /// The record.
    pub seen: RequestSeen,
    /// `status.certificate`.
    pub certificate: Option<Vec<u8>>,
    /// `status.ca`.
    pub ca: Option<Vec<u8>>,
}

impl<'de> Deserialize<'de> for RequestSeen {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        LiveRequest::deserialize(deserializer).map(|live| live.seen)
    }
}

impl<'de> Deserialize<'de> for LiveRequest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // what cannot be decoded becomes part of the record and never fails a list
        let object = ObjectIn::deserialize(deserializer)?;
        let status: StatusIn = object.readable_status();
        let (spec, unreadable) = object.readable_spec::<SpecIn>();
        let bytes = |bytes: Option<ByteString>| bytes.map(|bytes| bytes.0).filter(|bytes| !bytes.is_empty());
        let (certificate, ca) = (bytes(status.certificate), bytes(status.ca));
        let finished = certificate.is_some() && condition::is_true(&status.conditions, condition::READY)
            || status.failure_time.is_some();
        let der = csr::only_request_within(&spec.request.0, super::secret::size_limits().request());
        let csr = match (unreadable, &der) {
            (Some(unreadable), _) => Err(unreadable),
            (None, Err(error)) => Err(request::unreadable(&spec.request.0, error)),
            (None, Ok(der)) => read(der, finished).map_err(|error| request::unreadable(&spec.request.0, &error)),
        };
        let seen = RequestSeen {
            meta: object.metadata.into(),
            issuer_ref: spec.issuer_ref,
            duration: spec.duration,
            is_ca: spec.is_ca,
            usages: spec.usages.into(),
            of_kubernetes: false,
            username: spec.username.filter(|name| !name.is_empty()),
            csr,
            csr_pem: (!finished).then(|| der.map(|der| csr::to_pem(&der)).unwrap_or_default().into()),
            certificate: certificate.as_deref().map(digest),
            has_ca: ca.is_some(),
            conditions: status.conditions.into(),
            failure_time: status.failure_time.map(|time| time.0),
        };
        Ok(Self { seen, certificate, ca })
    }
}

/// Fast path for finished requests, of which there are thousands at startup.
fn read(der: &[u8], finished: bool) -> Result<Box<CsrInfo>, pki::Error> {
    let info = if finished {
        CsrInfo::from_der_unverified(der)
    } else {
        CsrInfo::from_der(der)
    };
    info.map(Box::new)
}

fn digest(pem: &[u8]) -> IssuedDigest {
    let (size, limit) = (pem.len(), super::secret::size_limits().chain);
    let leaf = if size > limit {
        // such a chain could not be read from the Secret again (SEC-08)
        Err(pki::Error::TooLarge {
            what: "issued chain",
            size,
            limit,
        })
    } else {
        CertificateInfo::parse_pem(pem)
    };
    match leaf {
        Ok(leaf) => IssuedDigest {
            leaf: Ok(leaf.fingerprint),
            key_hash: Some(leaf.key_hash),
            not_after: Some(leaf.not_after),
        },
        Err(error) => IssuedDigest {
            leaf: Err(if matches!(error, pki::Error::TooLarge { .. }) {
                format!("{error} with the flag --max-certificate-chain-length").into()
            } else {
                error.to_string().into()
            }),
            key_hash: None,
            not_after: None,
        },
    }
}

#[cfg(test)]
mod tests {
    use base64::{Engine, engine::general_purpose::STANDARD};
    use serde_json::json;

    use super::*;
    use crate::plan::request::fixture::csr_for;

    /// S9: what waits for an issuer that never comes is kept as long as it waits.
    #[test]
    fn of_a_request_that_waits_only_the_block_is_kept_and_one_far_too_large_says_so() {
        let pem = csr_for(&["a.example.com"], |_| ());
        let read = |around: usize| {
            let text = [vec![b'#'; around], b"\n".to_vec(), pem.clone()].concat();
            let object = json!({ "metadata": { "name": "a", "namespace": "b", "uid": "u", "resourceVersion": "1" },
                "spec": { "request": STANDARD.encode(text), "issuerRef": { "name": "none" } } });
            serde_json::from_value::<RequestSeen>(object).unwrap()
        };
        let usual = read(0);
        for around in [0, 60_000, 150_000] {
            let kept = read(around);
            assert_eq!(kept.csr_pem, Some(pem.clone().into_boxed_slice()));
            assert_eq!(kept.csr, usual.csr);
        }
        let large = read(1_000_000);
        assert_eq!(large.csr_pem.unwrap_or_default().len(), 0);
        let why = large.csr.unwrap_err();
        let words = "the certificate signing request has 1000";
        assert!(
            why.starts_with("spec.request: Invalid value: ") && why.contains(words),
            "{why}"
        );
        assert!(
            why.contains("more than the limit of 160536") && why.len() < 400,
            "{why}"
        );
    }

    #[test]
    fn the_signature_of_a_csr_matters_until_the_request_has_ended() {
        let (whole, other) = (csr_for(&["a.example.com"], |_| ()), csr_for(&["b.example.com"], |_| ()));
        let der = |pem: &[u8]| pki::pem::parse(pem).unwrap()[0].der.expose().clone();
        let (mut forged, other) = (der(&whole), der(&other));
        let end = forged.len() - 16;
        forged[end..].copy_from_slice(&other[other.len() - 16..]);
        let read = |status: serde_json::Value| {
            let request = STANDARD.encode(pki::pem::encode("CERTIFICATE REQUEST", &forged));
            let object = json!({ "metadata": { "name": "a", "namespace": "b", "uid": "u", "resourceVersion": "1" },
                "spec": { "request": request, "issuerRef": { "name": "ca" } }, "status": status });
            serde_json::from_value::<RequestSeen>(object).unwrap()
        };
        let pending = read(json!({}));
        assert!(pending.csr.unwrap_err().contains("signature"));
        let failed = read(json!({ "failureTime": "2026-01-01T00:00:00Z" }));
        assert_eq!(*failed.csr.unwrap().sans.dns, ["a.example.com"]);
    }
}
