//! Reports the end of an issuance: one line in the log, and the metrics of its issuer.

use crate::{
    api::IssuerRef,
    controller::Ports,
    pki::certificate::CertificateInfo,
    plan::certificate::{CertificateObservation, IssuanceOutcome, issuer_asked},
    process::metrics::IssuerLabels,
    text,
};

/// Reports `outcome` of the observed Certificate.
pub(super) fn report(ports: &Ports, seen: &CertificateObservation, outcome: IssuanceOutcome<'_>) {
    let meta = &seen.certificate.meta;
    let reference = issuer_asked(seen);
    let issuer = format!("{} {}", reference.kind_or_default(), reference.name);
    let labels = labels(reference, meta.namespace());
    match outcome {
        IssuanceOutcome::Issued {
            is_renewal,
            took,
            certificate,
        } => {
            let serial = certificate.map(CertificateInfo::serial_hex).unwrap_or_default();
            let not_after = certificate
                .map(|certificate| certificate.not_after.to_string())
                .unwrap_or_default();
            tracing::info!(
                certificate = %meta.key,
                issuer,
                serial,
                not_after,
                took = %format_args!("{:.3}s", took.as_secs_f64()),
                "{} certificate",
                if is_renewal { "renewed" } else { "issued" }
            );
            ports.metrics.issuances.issued(labels, is_renewal, took.unsigned_abs());
        }
        IssuanceOutcome::Failed {
            reason,
            message,
            attempts,
        } => {
            tracing::warn!(
                certificate = %meta.key,
                issuer,
                reason,
                attempts,
                why = text::excerpt(&message),
                "failed to issue certificate"
            );
            ports.metrics.issuances.failed(labels);
        }
    }
}

fn labels(reference: &IssuerRef, namespace: &str) -> IssuerLabels {
    let kind = reference.kind_or_default();
    // by their names, because the scope of other controllers' kinds is not known
    let is_for_cluster = kind.contains("Cluster");
    IssuerLabels {
        namespace: if is_for_cluster {
            String::new()
        } else {
            namespace.to_owned()
        },
        name: reference.name.clone(),
        kind: kind.to_owned(),
        group: reference.group_or_default().to_owned(),
    }
}
