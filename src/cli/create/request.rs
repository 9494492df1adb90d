//! A request for a template, with a new key.

use std::collections::BTreeMap;

use k8s_openapi::ByteString as KubernetesBytes;
use k8s_openapi::api::certificates::v1::{CertificateSigningRequest, CertificateSigningRequestSpec};

use super::template::Template;
use crate::{
    api::{ByteString, CertificateRequest, CertificateRequestSpec, names::annotation},
    pki::{csr, hidden::Hidden, key::PrivateKey},
    plan::{
        certificate::{key_encoding, key_spec, request},
        settings::Settings,
    },
};

/// A new key and its signing request.
pub(super) struct Made {
    /// The key in PEM.
    pub(super) key: Hidden<Vec<u8>>,
    csr: Vec<u8>,
    usages: Vec<String>,
}

impl Made {
    /// A key and a signing request as the controller would make them.
    ///
    /// # Errors
    /// A sentence that says what a signing request cannot express.
    pub(super) fn new(template: &Template) -> Result<Self, String> {
        let spec = &template.spec;
        let content = request::template(spec, &Settings::default()).map_err(|error| error.to_string())?;
        csr::check(&content).map_err(|error| error.to_string())?;
        let key = PrivateKey::generate(key_spec(spec)).map_err(|error| error.to_string())?;
        Ok(Self {
            key: key.to_pem(key_encoding(spec)).map_err(|error| error.to_string())?,
            csr: csr::build(&content, &key).map_err(|error| error.to_string())?,
            usages: content.usages.usages().iter().map(ToString::to_string).collect(),
        })
    }

    /// The CertificateRequest.
    pub(super) fn request(&self, template: &Template, name: &str) -> CertificateRequest {
        let spec = &template.spec;
        let mut request = CertificateRequest::new(
            name,
            CertificateRequestSpec {
                request: ByteString(self.csr.clone()),
                duration: spec.duration,
                issuer_ref: spec.issuer_ref.clone(),
                is_ca: spec.is_ca,
                usages: spec.usages.clone(),
                ..CertificateRequestSpec::default()
            },
        );
        request.metadata.labels = given(&template.labels);
        request.metadata.annotations = given(&template.annotations);
        request
    }

    /// The CertificateSigningRequest of Kubernetes.
    pub(super) fn signing_request(
        &self,
        template: &Template,
        name: &str,
        signer_name: String,
    ) -> CertificateSigningRequest {
        let spec = &template.spec;
        let mut annotations = template.annotations.clone();
        let is_ca = spec.is_ca.unwrap_or(false);
        annotations.insert(annotation::CSR_REQUEST_IS_CA.to_owned(), is_ca.to_string());
        if let Some(duration) = spec.duration {
            annotations.insert(annotation::CSR_REQUEST_DURATION.to_owned(), duration.to_string());
        }
        let seconds = |nanoseconds: i64| i32::try_from(nanoseconds / 1_000_000_000).unwrap_or(i32::MAX);
        let mut request = CertificateSigningRequest {
            spec: CertificateSigningRequestSpec {
                request: KubernetesBytes(self.csr.clone()),
                signer_name,
                expiration_seconds: spec.duration.map(|duration| seconds(duration.as_nanoseconds())),
                usages: Some(self.usages.clone()),
                ..CertificateSigningRequestSpec::default()
            },
            ..CertificateSigningRequest::default()
        };
        request.metadata.name = Some(name.to_owned());
        request.metadata.labels = given(&template.labels);
        request.metadata.annotations = given(&annotations);
        request
    }
}

fn given(pairs: &BTreeMap<String, String>) -> Option<BTreeMap<String, String>> {
    (!pairs.is_empty()).then(|| pairs.clone())
}
