//! The Certificate for one Secret (SHM-02, SHM-03, ANN-17..23).

use std::{
    collections::{BTreeMap, HashSet},
    net::IpAddr,
};

use super::{
    Annotated, Block, WantedCertificate,
    annotations::{self, BadAnnotation},
};
use crate::{
    api::{
        IssuerRef,
        certificate::CertificateSpec,
        names::{annotation, label},
        usage::DEFAULT_USAGES,
    },
    plan::{seen::Pairs, settings::Settings},
};

/// The Certificate of a block, without names of routes.
pub(super) fn wanted(
    block: &Block,
    object: &Annotated,
    issuer_ref: &IssuerRef,
    settings: &Settings,
) -> Result<WantedCertificate, BadAnnotation> {
    let (ip_addresses, dns_names) = block
        .names
        .iter()
        .cloned()
        .partition(|host| host.parse::<IpAddr>().is_ok());
    let mut spec = CertificateSpec {
        dns_names,
        ip_addresses,
        secret_name: block.secret_name.clone(),
        issuer_ref: issuer_ref.clone(),
        usages: DEFAULT_USAGES.to_vec(),
        ..CertificateSpec::default()
    };
    annotations::translate(&mut spec, &object.meta.annotations)?;
    each_once(&mut spec.dns_names, String::clone);
    each_once(&mut spec.ip_addresses, |address| {
        address
            .parse::<IpAddr>()
            .map_or_else(|_| address.clone(), |ip| ip.to_string())
    });
    Ok(WantedCertificate {
        name: block.secret_name.clone(),
        labels: object
            .meta
            .labels
            .iter()
            .filter(|(key, _)| *key != label::APPLYSET_PART_OF)
            .collect(),
        annotations: copied(object, settings),
        spec,
    })
}

/// Keeps the first of equal values.
fn each_once(values: &mut Vec<String>, meaning: impl Fn(&String) -> String) {
    let mut seen = HashSet::new();
    values.retain(|value| seen.insert(meaning(value)));
}

/// Annotations of the Certificate (ANN-17..19, ANN-22, ANO-03).
fn copied(object: &Annotated, settings: &Settings) -> Pairs {
    let given = &object.meta.annotations;
    let mut copied: BTreeMap<&str, &str> = settings
        .extra_certificate_annotations
        .iter()
        .filter_map(|key| Some((key.as_str(), given.get(key)?)))
        .collect();
    if given.get(annotation::HTTP01_EDIT_IN_PLACE) == Some("true") {
        copied.insert(annotation::HTTP01_OVERRIDE_INGRESS_NAME, object.meta.name());
        // some ingress controllers (GCE) do not serve without a certificate (NB-17)
        copied.insert(annotation::ISSUE_TEMPORARY_CERTIFICATE, "true");
    }
    let classes = [
        (
            annotation::HTTP01_INGRESS_CLASS,
            annotation::HTTP01_OVERRIDE_INGRESS_CLASS,
        ),
        (
            annotation::HTTP01_INGRESS_CLASS_NAME,
            annotation::HTTP01_OVERRIDE_INGRESS_CLASS_NAME,
        ),
    ];
    for (from, to) in classes {
        if let Some(value) = given.get(from).filter(|value| !value.is_empty()) {
            copied.insert(to, value);
        }
    }
    copied.extend(object.parent.iter());
    copied.into_iter().collect()
}
