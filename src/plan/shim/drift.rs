//! Detection of drift between a Certificate and the object that owns it (SHM-05).

use crate::{
    api::{
        certificate::CertificateSpec,
        key::{KeyAlgorithm, PrivateKey},
        names::annotation::{HTTP01_PARENT_REF_KIND, HTTP01_PARENT_REF_NAME, HTTP01_PARENT_REF_NAMESPACE},
    },
    plan::seen::Pairs,
};

const PARENT: [&str; 3] = [
    HTTP01_PARENT_REF_KIND,
    HTTP01_PARENT_REF_NAME,
    HTTP01_PARENT_REF_NAMESPACE,
];

/// Whether the Certificate names another parent for HTTPRoutes, as after an edit of the annotation for the fallback (ANN-20). A Certificate
/// that names none, for example one of an early version of cert-manager, has no drift.
pub(super) fn names_another_parent(existing: &Pairs, wanted: &Pairs) -> bool {
    let both = [existing, wanted]
        .iter()
        .all(|pairs| pairs.contains(HTTP01_PARENT_REF_KIND));
    both && PARENT.iter().any(|key| existing.get(key) != wanted.get(key))
}

/// The annotations of an earlier parent that the present one does not have.
pub(super) fn removed<'a>(existing: &'a Pairs, wanted: &'a Pairs) -> impl Iterator<Item = &'static str> + 'a {
    let names_parent = wanted.contains(HTTP01_PARENT_REF_KIND);
    PARENT
        .into_iter()
        .filter(move |key| names_parent && existing.contains(key) && !wanted.contains(key))
}

/// Compares exactly the fields of SHM-05. All others, such as `issuerRef.group`, IP addresses and usages, may be edited manually
/// and stay unchanged (NB-39).
pub(super) fn needs_update(existing: &CertificateSpec, wanted: &CertificateSpec) -> bool {
    text(existing.common_name.as_ref()) != text(wanted.common_name.as_ref())
        || names(&existing.dns_names) != names(&wanted.dns_names)
        || existing.secret_name != wanted.secret_name
        || existing.issuer_ref.name != wanted.issuer_ref.name
        || text(existing.issuer_ref.kind.as_ref()) != text(wanted.issuer_ref.kind.as_ref())
        || existing.revision_history_limit != wanted.revision_history_limit
        || key_differs(existing.private_key.as_ref(), wanted.private_key.as_ref())
        || existing.duration != wanted.duration
        || existing.renew_before != wanted.renew_before
}

/// cert-manager does not distinguish absent and empty strings.
fn text(value: Option<&String>) -> &str {
    value.map(String::as_str).unwrap_or_default()
}

/// Sorted without duplicates: a list of cert-manager with a duplicate name is equal.
fn names(names: &[String]) -> Vec<&str> {
    let mut seen: Vec<&str> = Vec::with_capacity(names.len());
    for name in names {
        if !seen.contains(&name.as_str()) {
            seen.push(name);
        }
    }
    seen
}

fn key_differs(existing: Option<&PrivateKey>, wanted: Option<&PrivateKey>) -> bool {
    let none = PrivateKey::default();
    let (existing, wanted) = (existing.unwrap_or(&none), wanted.unwrap_or(&none));
    // Ed25519 keys have one size.
    let size_matters = existing.algorithm != Some(KeyAlgorithm::Ed25519);
    existing.algorithm != wanted.algorithm
        || existing.encoding != wanted.encoding
        || existing.rotation_policy != wanted.rotation_policy
        || size_matters && existing.size.unwrap_or_default() != wanted.size.unwrap_or_default()
}
