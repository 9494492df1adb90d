//! Checks of the Secret of an issued certificate. A violation is repaired by applying the Secret again, without re-issuance
//! (POL-13).

use std::collections::{BTreeMap, BTreeSet};

use super::{
    CertificateObservation, KeystoresSeen, Violation, keystores,
    secret::{certificate_annotations, extra_data_keys},
};
use crate::{
    api::{
        certificate::{CertificateSpec, SecretTemplate},
        names::{annotation, data_key, label},
    },
    plan::{
        kinds::CertificateKind,
        rotation::Trust,
        seen::{Object, SecretSeen},
        settings::Settings,
    },
};

type Check = fn(&Input<'_>) -> Option<Violation>;

const CHECKS: &[Check] = &[
    base_label,
    certificate_details,
    managed_metadata,
    template_values,
    template_ownership,
    output_formats,
    keystore_files,
    trust,
    owner,
];

struct Input<'a> {
    certificate: &'a Object<CertificateKind>,
    trust: Option<&'a Trust>,
    secret: &'a SecretSeen,
    details: BTreeMap<String, String>,
    keystores: &'a KeystoresSeen,
    settings: &'a Settings,
}

/// The first violation that an apply would repair. `None` also for a Secret whose managed fields cannot be decoded, because an
/// apply would not change that.
pub(super) fn check(seen: &CertificateObservation, secret: &SecretSeen, settings: &Settings) -> Option<Violation> {
    let details = certificate_annotations(secret.pair.certificate.valid()?);
    if secret.managed.error.is_some() {
        return None;
    }
    let input = Input {
        certificate: &seen.certificate,
        trust: seen.rotation.trust.as_ref(),
        secret,
        details,
        keystores: &seen.keystores,
        settings,
    };
    CHECKS.iter().find_map(|check| check(&input))
}

fn is_own(key: &str) -> bool {
    key.starts_with("cert-manager.io/") || key.starts_with("controller.cert-manager.io/")
}

/// Whether certlet decides about the key, whatever the template has.
fn is_certlets(key: &str) -> bool {
    is_own(key) || key == annotation::FALLBACK_FOR
}

fn base_label(input: &Input<'_>) -> Option<Violation> {
    let value = input
        .secret
        .meta
        .labels
        .get(label::FOR_ATTENTION_OF)
        .filter(|value| *value != "true")?;
    Some(Violation::new(
        "SecretManagedMetadataMismatch",
        format!(
            "wrong base label {} value {value:?}, expected \"true\"",
            label::FOR_ATTENTION_OF
        ),
    ))
}

fn certificate_details(input: &Input<'_>) -> Option<Violation> {
    let differs = |(key, value): &(&String, &String)| {
        input
            .secret
            .meta
            .annotations
            .get(key)
            .is_some_and(|found| found != value.as_str())
    };
    let (key, value) = input.details.iter().find(differs)?;
    Some(Violation::new(
        "SecretManagedMetadataMismatch",
        format!("Secret annotation {key} does not match the certificate's {value:?}"),
    ))
}

/// The annotations for Certificate and issuer are checked elsewhere.
const ATTRIBUTION: [&str; 4] = [
    annotation::CERTIFICATE_NAME,
    annotation::ISSUER_NAME,
    annotation::ISSUER_KIND,
    annotation::ISSUER_GROUP,
];

fn managed_metadata(input: &Input<'_>) -> Option<Violation> {
    let managed = &input.secret.managed;
    let labels: BTreeSet<&str> = managed
        .labels
        .iter()
        .map(|key| &**key)
        .filter(|key| is_own(key))
        .collect();
    let allowed = template(&input.certificate.spec).annotations;
    let owned = managed.annotations.iter().map(|key| &**key);
    let annotations: BTreeSet<&str> = owned
        .filter(|key| is_own(key) && !ATTRIBUTION.contains(key) && !allowed.contains_key(*key))
        .collect();
    let wanted_labels = BTreeSet::from([label::FOR_ATTENTION_OF]);
    let wanted: BTreeSet<&str> = input.details.keys().map(String::as_str).collect();
    difference(
        "SecretManagedMetadataMismatch",
        "Managed Labels",
        &labels,
        &wanted_labels,
    )
    .or_else(|| {
        difference(
            "SecretManagedMetadataMismatch",
            "Managed Annotations",
            &annotations,
            &wanted,
        )
    })
}

fn template_values(input: &Input<'_>) -> Option<Violation> {
    let SecretTemplate { annotations, labels } = template(&input.certificate.spec);
    let meta = &input.secret.meta;
    let wrong = |what: &str| {
        Violation::new(
            "SecretTemplateMismatch",
            format!("Certificate's SecretTemplate {what} missing or incorrect value on Secret"),
        )
    };
    let annotations_differ = annotations
        .iter()
        .filter(|(key, _)| *key != annotation::FALLBACK_FOR)
        .any(|(key, value)| meta.annotations.get(key).is_some_and(|found| found != value));
    let own_label = |key: &str| key == label::FOR_ATTENTION_OF;
    let labels_differ = labels
        .iter()
        .any(|(key, value)| !own_label(key) && meta.labels.get(key).is_some_and(|found| found != value));
    if annotations_differ {
        return Some(wrong("Annotations"));
    }
    labels_differ.then(|| wrong("Labels"))
}

fn template_ownership(input: &Input<'_>) -> Option<Violation> {
    let SecretTemplate { annotations, labels } = template(&input.certificate.spec);
    let managed = &input.secret.managed;
    let foreign = |keys: &'_ [Box<str>]| {
        keys.iter()
            .filter(|key| !is_certlets(key))
            .map(ToString::to_string)
            .collect::<BTreeSet<_>>()
    };
    let wanted = |map: &BTreeMap<String, String>| {
        map.keys()
            .filter(|key| !is_certlets(key))
            .cloned()
            .collect::<BTreeSet<_>>()
    };
    difference(
        "SecretTemplateMismatch",
        "Template Labels",
        &foreign(&managed.labels),
        &wanted(&labels),
    )
    .or_else(|| {
        difference(
            "SecretTemplateMismatch",
            "Template Annotations",
            &foreign(&managed.annotations),
            &wanted(&annotations),
        )
    })
}

const FORMAT_KEYS: [&str; 2] = [data_key::KEY_DER, data_key::TLS_COMBINED_PEM];
fn output_formats(input: &Input<'_>) -> Option<Violation> {
    extra_data(input, &FORMAT_KEYS).map(|what| {
        Violation::new(
            "AdditionalOutputFormatsMismatch",
            format!("Certificate's AdditionalOutputFormats doesn't match Secret: {what}"),
        )
    })
}

fn keystore_files(input: &Input<'_>) -> Option<Violation> {
    let fault = match input.keystores {
        KeystoresSeen::Opened(fault) => fault.clone(),
        KeystoresSeen::Unopened => None,
    };
    extra_data(input, &keystores::DATA_KEYS).or(fault).map(|what| {
        Violation::new(
            "SecretMismatch",
            format!("Certificate's keystores do not match Secret: {what}"),
        )
    })
}

/// Whether the keystores must be opened to finish the check.
pub(super) fn wants_keystores_opened(seen: &CertificateObservation) -> bool {
    seen.keystores == KeystoresSeen::Unopened && seen.certificate.spec.keystores_to_make().next().is_some()
}

/// The first of these data keys that is wanted and missing, or that we own and no longer want.
fn extra_data(input: &Input<'_>, of: &[&'static str]) -> Option<String> {
    let present = |key: &str| input.secret.data_keys.iter().any(|found| &**found == key);
    let ours = |key: &str| input.secret.managed.data.iter().any(|found| &**found == key);
    let wanted = extra_data_keys(&input.certificate.spec, present(data_key::CA_CRT));
    of.iter()
        .find_map(|key| match (wanted.contains(key), present(key), ours(key)) {
            (true, false, _) => Some(format!("{key} is missing")),
            (false, true, true) => Some(format!("{key} is no longer requested")),
            (true, true, _) if input.secret.wrong_formats.iter().any(|wrong| &**wrong == *key) => {
                Some(format!("{key} does not match key and certificate"))
            }
            (true, true, _) | (false, _, _) => None,
        })
}

/// During a rotation of the issuer's CA, `ca.crt` also contains the previous CA.
fn trust(input: &Input<'_>) -> Option<Violation> {
    let wrong = !input.trust?.holds(&input.secret.pair.trusted);
    wrong.then(|| {
        Violation::new(
            "SecretMismatch",
            "ca.crt of the Secret does not contain the CAs of the issuer's rotation",
        )
    })
}

/// The owner reference follows the flag, in both directions (SEC-02, NB-14).
fn owner(input: &Input<'_>) -> Option<Violation> {
    let uid = &input.certificate.meta.uid;
    let enabled = input.settings.enable_certificate_owner_ref;
    let managed = input.secret.managed.owners.contains(uid);
    let right = input.secret.meta.owners.iter().any(|owner| {
        owner.uid == *uid
            && owner.controller
            && &*owner.kind == "Certificate"
            && &*owner.name == input.certificate.meta.name()
    });
    let fault = if enabled { !managed || !right } else { managed };
    fault.then(|| {
        Violation::new(
            "SecretOwnerRefMismatch",
            format!(
                "unexpected managed Secret Owner Reference field on Secret --enable-certificate-owner-ref={enabled}"
            ),
        )
    })
}

fn template(spec: &CertificateSpec) -> SecretTemplate {
    spec.secret_template.clone().unwrap_or_default()
}

fn difference<T: Ord + AsRef<str>>(
    reason: &'static str,
    what: &str,
    found: &BTreeSet<T>,
    wanted: &BTreeSet<T>,
) -> Option<Violation> {
    let list = |a: &BTreeSet<T>, b: &BTreeSet<T>| a.difference(b).map(AsRef::as_ref).collect::<Vec<_>>().join(" ");
    let (missing, extra) = (list(wanted, found), list(found, wanted));
    if !missing.is_empty() {
        return Some(Violation::new(
            reason,
            format!("Secret is missing these {what}: [{missing}]"),
        ));
    }
    (!extra.is_empty()).then(|| Violation::new(reason, format!("Secret has these extra {what}: [{extra}]")))
}
