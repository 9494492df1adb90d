//! What this API server does not have, and what of another installation is in the way: reported in the log at the start.

use super::webhooks;
use crate::{api::names, cluster::reader::Reader, controller::Ports};

/// Logs what is missing, and what would be in the way, in the background.
pub(super) fn report(ports: &Ports) {
    if ports.settings.injection.alone {
        return;
    }
    let is_for_cluster = ports.settings.namespace.is_none();
    tokio::spawn(say_what_is_missing(ports.reader.clone(), is_for_cluster));
    let client = ports.reader.client().clone();
    tokio::spawn(webhooks::report(client, is_for_cluster));
}

/// Logs what this API server does not support or does not have, and the consequences. An installation for one namespace may read no policies.
async fn say_what_is_missing(reader: Reader, is_for_cluster: bool) {
    match reader.can_write_requesters().await {
        Ok(true) if is_for_cluster => match reader.writes_requesters().await {
            Ok(true) => {}
            Ok(false) => tracing::warn!(
                "the policy {policy} is not applied: the API server does not record the requester of CertificateRequests that other \
                 clients create. Apply deploy/requester-identity/policy.yaml, or the Helm chart again",
                policy = names::REQUESTER_POLICY
            ),
            Err(error) => tracing::info!("cannot check whether this API server records requesters: {error}"),
        },
        Ok(true) => {}
        Ok(false) => tracing::warn!(
            "Kubernetes before 1.36: the API server cannot record the requester of CertificateRequests that other clients create. The \
             policies of certlet, if they are applied, still reject a wrong requester"
        ),
        Err(error) => tracing::info!("cannot check whether this API server records requesters: {error}"),
    }
}
