//! Validation of a Secret or request before it is written, with the checks that apply when it is read again. A violation fails
//! the issuance once, instead of causing a loop.

use super::{
    FallbackPolicy, Violation, checks,
    matching::request_differences,
    secret::{RenderedSecret, TLS_TYPE},
};
use crate::{
    api::{CertificateSpec, IssuerRef, names::data_key},
    pki::{chain::SizeLimits, hidden::Hidden, summary::PairSummary},
    plan::seen::{ManagedKeys, Meta, Pairs, RequestSeen, SecretSeen},
};

/// Maximum size of all values of a Secret. The API server rejects more.
const LARGEST_SECRET: usize = 1024 * 1024;
/// Maximum size of all annotations of an object, keys included.
const LARGEST_ANNOTATIONS: usize = 256 * 1024;

/// A Secret to write for a Certificate.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// Name of the Certificate.
    pub name: &'a str,
    /// The spec.
    pub spec: &'a CertificateSpec,
    /// Its fallback issuers.
    pub fallback: Option<&'a FallbackPolicy>,
    /// The content.
    pub rendered: &'a RenderedSecret,
    /// The size limits.
    pub limits: &'a SizeLimits,
}

/// Why a created request does not match the spec; `issuer` is the one that it was directed to.
pub fn request_fault(request: &RequestSeen, spec: &CertificateSpec, issuer: &IssuerRef) -> Option<Violation> {
    let name = request.meta.name();
    match request_differences(request, spec, issuer) {
        Ok(fields) if fields.is_empty() => None,
        Ok(fields) => Some(Violation::new(
            "RequestChanged",
            format!(
                "CertificateRequest {name:?} was changed while it was created, by an admission webhook or policy, and differs in [{}] \
                 from what was asked for",
                fields.join(" ")
            ),
        )),
        Err(why) => Some(Violation::new(
            "InvalidCertificateRequest",
            format!("CertificateRequest {name:?} cannot be read back: {why}"),
        )),
    }
}

impl Candidate<'_> {
    /// Why this Secret would be unusable with the certificate of `request`.
    pub fn fault(&self, request: &RequestSeen) -> Option<Violation> {
        self.size_fault()
            .or_else(|| self.violation(|input| checks::content(&input), Some(request)))
    }

    /// Why this Secret would be unusable with a temporary certificate.
    pub fn temporary_fault(&self) -> Option<Violation> {
        self.size_fault()
            .or_else(|| self.violation(|input| checks::unusable(&input), None))
    }

    fn violation(
        &self,
        check: impl FnOnce(checks::Input<'_>) -> Option<Violation>,
        current: Option<&RequestSeen>,
    ) -> Option<Violation> {
        let secret = as_read(self.rendered, Meta::default(), self.limits);
        let violation = check(checks::Input {
            name: self.name,
            spec: self.spec,
            secret: Some(&secret),
            current,
            fallback: self.fallback,
        })?;
        let size = |key: &str| self.rendered.data.get(key).map_or(0, |value| value.expose().len());
        let flag = if size(data_key::TLS_CRT) > self.limits.chain {
            Some("--max-certificate-chain-length")
        } else {
            (size(data_key::TLS_KEY) > self.limits.key).then_some("--max-private-key-size")
        };
        let Violation { reason, message } = violation;
        let message = message.strip_prefix("Issuing certificate as ").unwrap_or(&message);
        Some(Violation::new(
            reason,
            match flag {
                Some(flag) => format!("{message} with the flag {flag}"),
                None => message.to_owned(),
            },
        ))
    }

    /// Why the API server would reject this Secret.
    pub fn size_fault(&self) -> Option<Violation> {
        let RenderedSecret { annotations, data, .. } = self.rendered;
        let data = data.values().map(|value| value.expose().len()).sum();
        let annotations = annotations.iter().map(|(key, value)| key.len() + value.len()).sum();
        let excess = |what: &str, size: usize, limit: usize| {
            (size > limit).then(|| {
                let message = format!(
                    "{what} Secret {:?} would have {size} bytes, more than the {limit} that Kubernetes allows: ask for fewer names, or \
                     for fewer keystores and output formats",
                    self.spec.secret_name
                );
                Violation::new("SecretTooLarge", message)
            })
        };
        excess("the data of", data, LARGEST_SECRET)
            .or_else(|| excess("the annotations of", annotations, LARGEST_ANNOTATIONS))
    }
}

/// The Secret as it will be read after the write.
pub(super) fn as_read(rendered: &RenderedSecret, meta: Meta, limits: &SizeLimits) -> SecretSeen {
    let RenderedSecret {
        labels,
        annotations,
        data,
    } = rendered;
    let part = |key: &str| data.get(key).map(|value: &Hidden<Vec<u8>>| value.expose().as_slice());
    let pair = PairSummary::new(
        part(data_key::TLS_KEY),
        part(data_key::TLS_CRT),
        part(data_key::CA_CRT),
        limits,
    );
    let managed = ManagedKeys {
        annotations: annotations.keys().map(|key| key.as_str().into()).collect(),
        labels: labels.keys().map(|key| key.as_str().into()).collect(),
        data: data.keys().map(|key| key.as_str().into()).collect(),
        owners: meta.owners.iter().map(|owner| owner.uid.clone()).collect(),
        error: None,
    };
    let pairs = |map: &std::collections::BTreeMap<String, String>| -> Pairs {
        map.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect()
    };
    SecretSeen {
        meta: Meta {
            labels: pairs(labels),
            annotations: pairs(annotations),
            ..meta
        },
        type_: TLS_TYPE.into(),
        data_keys: managed.data.clone(),
        pair: Box::new(pair),
        wrong_formats: Box::default(),
        managed: managed.into(),
        digest: [0; 32],
    }
}
