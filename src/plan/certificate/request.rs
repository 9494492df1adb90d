//! The CertificateRequest of a Certificate (LIF-03, ANW-05).

use std::net::IpAddr;

use super::matching::{other_names, subject, usages};
use crate::{
    api::{
        CertificateSpec, GoDuration, IssuerRef, certificate::NameConstraintItem, names::annotation, usage::KeyUsage,
    },
    pki::{
        Error,
        constraints::{NameConstraints, NameTrees},
        csr::{self, CsrTemplate},
        name::{Name, SubjectAltNames},
        usage::UsageSet,
    },
    plan::{
        kinds::CertificateKind,
        seen::{Object, Pairs},
        settings::Settings,
    },
};

/// A request to create. The CSR is made from `template` when the key is available.
#[derive(Clone, Debug, PartialEq)]
pub struct DesiredRequest {
    /// Its name.
    pub name: String,
    /// Labels of the Certificate.
    pub labels: Pairs,
    /// Copied annotations of the Certificate, and those for revision and key.
    pub annotations: Pairs,
    /// `spec.duration`.
    pub duration: Option<GoDuration>,
    /// `spec.isCA`.
    pub is_ca: bool,
    /// `spec.issuerRef`, as written.
    pub issuer_ref: IssuerRef,
    /// `spec.usages`, as written.
    pub usages: Vec<KeyUsage>,
    /// The content of the CSR.
    pub template: CsrTemplate,
}

/// The request of a revision, with the key in the Secret `key_secret`.
///
/// # Errors
/// If the spec contains something that a CSR cannot express.
pub fn desired(
    certificate: &Object<CertificateKind>,
    settings: &Settings,
    name: String,
    revision: i64,
    key_secret: &str,
) -> Result<DesiredRequest, Error> {
    let spec = &certificate.spec;
    let own = [
        (annotation::CERTIFICATE_NAME, certificate.meta.name().to_owned()),
        (annotation::CERTIFICATE_REVISION, revision.to_string()),
        (annotation::PRIVATE_KEY_SECRET_NAME, key_secret.to_owned()),
    ];
    let copied = certificate
        .meta
        .annotations
        .iter()
        .filter(|(key, _)| {
            is_copied(key, &settings.copied_annotation_prefixes)
                && !own.iter().any(|(own, _)| own == key)
                // only a request for a fallback issuer has it
                && *key != annotation::FALLBACK_FOR
        })
        .map(|(key, value)| (key.to_owned(), value.to_owned()));
    let annotations = copied
        .chain(own.clone().map(|(key, value)| (key.to_owned(), value)))
        .collect();
    let template = template(spec, settings)?;
    csr::check(&template)?;
    Ok(DesiredRequest {
        name,
        labels: certificate.meta.labels.clone(),
        annotations,
        duration: spec.duration,
        is_ca: spec.is_ca.unwrap_or(false),
        issuer_ref: spec.issuer_ref.clone(),
        usages: spec.usages.clone(),
        template,
    })
}

/// The content of the CSR for a spec.
///
/// # Errors
/// If the spec contains something that a CSR cannot express.
pub fn template(spec: &CertificateSpec, settings: &Settings) -> Result<CsrTemplate, Error> {
    let is_ca = spec.is_ca.unwrap_or(false);
    let name = match spec.literal_subject.as_deref().filter(|literal| !literal.is_empty()) {
        Some(literal) => Name::from_literal(literal)?,
        None => subject(spec).to_name(),
    };
    Ok(CsrTemplate {
        subject: name,
        sans: sans(spec)?,
        usages: UsageSet::new(&usages(&spec.usages), is_ca),
        encode_usages: spec.encode_usages_in_request.unwrap_or(true),
        is_ca,
        encode_basic_constraints: settings.gates.basic_constraints_in_request,
        name_constraints: name_constraints(spec),
        signature_algorithm: spec
            .signature_algorithm
            .and_then(|algorithm| algorithm.as_str().parse().ok()),
    })
}

/// The content of a temporary certificate: names and usages only, as in cert-manager (SEC-06).
///
/// # Errors
/// Like [`template`].
pub fn temporary_template(spec: &CertificateSpec, settings: &Settings) -> Result<CsrTemplate, Error> {
    let named = [&spec.dns_names, &spec.ip_addresses, &spec.uris, &spec.email_addresses];
    let named =
        named.iter().any(|names| !names.is_empty()) || spec.common_name.as_ref().is_some_and(|name| !name.is_empty());
    let plain = CertificateSpec {
        // required if there is no other name
        literal_subject: spec.literal_subject.clone().filter(|_| !named),
        other_names: Vec::new(),
        name_constraints: None,
        ..spec.clone()
    };
    template(&plain, settings)
}

/// The name constraints of a spec.
pub(super) fn name_constraints(spec: &CertificateSpec) -> Option<NameConstraints> {
    let wanted = spec.name_constraints.as_ref()?;
    let trees = |item: &Option<NameConstraintItem>| {
        let NameConstraintItem {
            dns_domains,
            email_addresses,
            ip_ranges,
            uri_domains,
        } = item.clone().unwrap_or_default();
        NameTrees {
            dns_domains,
            ip_ranges,
            email_addresses,
            uri_domains,
        }
    };
    Some(NameConstraints {
        critical: wanted.critical.unwrap_or(false),
        permitted: trees(&wanted.permitted),
        excluded: trees(&wanted.excluded),
    })
}

fn sans(spec: &CertificateSpec) -> Result<SubjectAltNames, Error> {
    let address = |text: &String| {
        text.parse::<IpAddr>()
            .map_err(|_| Error::Name(format!("{text:?} in spec.ipAddresses is not an IP address")))
    };
    Ok(SubjectAltNames {
        dns: spec.dns_names.clone(),
        emails: spec.email_addresses.clone(),
        ips: spec.ip_addresses.iter().map(address).collect::<Result<_, _>>()?,
        uris: spec.uris.clone(),
        others: other_names(spec),
        foreign: Vec::new(),
    })
}

/// Whether an annotation is copied (FLG-23). Prefixes apply in order, and the last match decides: `-` before a prefix excludes
/// it; if `*` is present, every other entry includes all annotations.
pub(in crate::plan) fn is_copied(key: &str, prefixes: &[String]) -> bool {
    let all = prefixes.iter().any(|prefix| prefix == "*");
    prefixes
        .iter()
        .fold(false, |copied, prefix| match prefix.strip_prefix('-') {
            Some(excluded) => copied && !key.starts_with(excluded),
            None => copied || all || key.starts_with(prefix.as_str()),
        })
}
