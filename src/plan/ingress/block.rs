//! One `tls` block of an Ingress and its Certificate (SHM-02, SHM-03, SHM-10).

use std::{
    collections::{BTreeMap, HashSet},
    net::IpAddr,
};

use k8s_openapi::api::networking::v1::IngressTLS;

use super::{
    WantedCertificate,
    annotations::{self, BadAnnotation},
};
use crate::{
    api::{
        IssuerRef,
        certificate::CertificateSpec,
        names::{annotation, label},
        usage::DEFAULT_USAGES,
    },
    plan::{
        kinds::IngressKind,
        seen::{Object, Pairs},
        settings::Settings,
    },
};

/// A complete block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Block<'a> {
    secret_name: &'a str,
    hosts: &'a [String],
}

/// A Secret in two blocks would need two Certificates with the same name: the whole Ingress is rejected (SHM-10).
///
/// Blocks without a Secret are skipped, each with its own message.
pub(super) fn refuse_duplicates(blocks: &[IngressTLS]) -> Result<(), String> {
    let name = |tls: &IngressTLS| tls.secret_name.clone().unwrap_or_default();
    let mut wrong = Vec::new();
    for (index, tls) in blocks.iter().enumerate() {
        let places: Vec<usize> = (0..)
            .zip(blocks)
            .filter(|(_, other)| name(other) == name(tls))
            .map(|(at, _)| at)
            .collect();
        if let [first, second, ..] = *places
            && first == index
            && !name(tls).is_empty()
        {
            wrong.push(format!(
                "spec.tls[{first}].secretName: Invalid value: {:?}: this secret name must only appear in a single TLS entry but is also used in spec.tls[{second}].secretName",
                name(tls)
            ));
        }
    }
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(aggregate(wrong))
    }
}

/// The block, or what is missing.
pub(super) fn read(index: usize, tls: &IngressTLS) -> Result<Block<'_>, String> {
    let secret_name = tls.secret_name.as_deref().unwrap_or_default();
    let hosts = tls.hosts.as_deref().unwrap_or_default();
    let mut missing = Vec::new();
    if hosts.is_empty() {
        missing.push(format!(
            "spec.tls[{index}].hosts: Required value: list the names of the certificate"
        ));
    }
    if secret_name.is_empty() {
        missing.push(format!(
            "spec.tls[{index}].secretName: Required value: set the name of the Secret for the certificate"
        ));
    }
    if missing.is_empty() {
        Ok(Block { secret_name, hosts })
    } else {
        Err(aggregate(missing))
    }
}

/// Joins several messages in the format of Kubernetes.
fn aggregate(mut complaints: Vec<String>) -> String {
    match complaints.len() {
        1 => complaints.remove(0),
        _ => format!("[{}]", complaints.join(", ")),
    }
}

/// The Certificate for a block.
pub(super) fn wanted(
    block: &Block<'_>,
    ingress: &Object<IngressKind>,
    issuer_ref: &IssuerRef,
    settings: &Settings,
) -> Result<WantedCertificate, BadAnnotation> {
    let (ip_addresses, dns_names) = block
        .hosts
        .iter()
        .cloned()
        .partition(|host| host.parse::<IpAddr>().is_ok());
    let mut spec = CertificateSpec {
        dns_names,
        ip_addresses,
        secret_name: block.secret_name.to_owned(),
        issuer_ref: issuer_ref.clone(),
        usages: DEFAULT_USAGES.to_vec(),
        ..CertificateSpec::default()
    };
    annotations::translate(&mut spec, &ingress.meta.annotations)?;
    each_once(&mut spec.dns_names, String::clone);
    each_once(&mut spec.ip_addresses, |address| {
        address
            .parse::<IpAddr>()
            .map_or_else(|_| address.clone(), |ip| ip.to_string())
    });
    Ok(WantedCertificate {
        name: block.secret_name.to_owned(),
        labels: ingress
            .meta
            .labels
            .iter()
            .filter(|(key, _)| *key != label::APPLYSET_PART_OF)
            .collect(),
        annotations: copied(ingress, settings),
        spec,
    })
}

fn each_once(values: &mut Vec<String>, meaning: impl Fn(&String) -> String) {
    let mut seen = HashSet::new();
    values.retain(|value| seen.insert(meaning(value)));
}

/// Annotations of the Certificate (ANN-17..19, ANN-22).
fn copied(ingress: &Object<IngressKind>, settings: &Settings) -> Pairs {
    let given = &ingress.meta.annotations;
    let mut copied: BTreeMap<&str, &str> = settings
        .extra_certificate_annotations
        .iter()
        .filter_map(|key| Some((key.as_str(), given.get(key)?)))
        .collect();
    if given.get(annotation::HTTP01_EDIT_IN_PLACE) == Some("true") {
        copied.insert(annotation::HTTP01_OVERRIDE_INGRESS_NAME, ingress.meta.name());
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
    copied.into_iter().collect()
}
