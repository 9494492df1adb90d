//! The actions for copies of Secrets in other namespaces.

use super::{Action, status::status_written};
use crate::{
    api::names::annotation,
    controller::copies::CopiesDryRun,
    plan::{
        kinds::{CertificateKind, SecretKind},
        seen::{Kind, ObjectKey},
    },
};

/// The actions for the copies of one Certificate, each with the kind and the key of its object.
pub(in crate::cli::plan) fn copies(
    certificate: &ObjectKey,
    dry_run: &CopiesDryRun,
) -> Vec<(&'static str, ObjectKey, Action)> {
    let CopiesDryRun { plan, status } = dry_run;
    let writes = plan.writes.iter().map(|write| {
        let (would, because) = if write.over.is_some() {
            (
                "write it again",
                "it differs from the Secret of which it is a copy".to_owned(),
            )
        } else {
            let because = format!(
                "Certificate {certificate} names its namespace in {}, which accepts it",
                annotation::SYNC_TO
            );
            ("create it", because)
        };
        let would = format!("{would} as a copy of the Secret of Certificate {certificate}");
        (SecretKind::KIND, write.key.clone(), (would, because))
    });
    let removals = plan.removals.iter().map(|removal| {
        let would = format!("delete it, a copy of the Secret of Certificate {certificate}");
        (
            SecretKind::KIND,
            removal.copy.key.clone(),
            (would, removal.why.to_owned()),
        )
    });
    let written = status
        .as_ref()
        .and_then(|[before, after]| status_written(before, after));
    let written = written.map(|action| (CertificateKind::KIND, certificate.clone(), action));
    writes.chain(removals).chain(written).collect()
}
