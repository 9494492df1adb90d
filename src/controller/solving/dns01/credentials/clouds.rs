//! Logins at Google Cloud.

use super::{Place, Provider};
use crate::{
    api::dns01::CloudDns,
    cloud::{
        fault::{Fault, FaultKind},
        google,
    },
    solver::dns01::clouddns,
};

/// Google Cloud DNS (DNS-03): with the key of a service account, or with the identity of the place that certlet runs in.
pub(super) async fn cloud_dns(place: &Place<'_>, settings: &CloudDns) -> Result<Provider, Fault> {
    let login = match place.optional(settings.service_account_secret_ref.as_ref()).await? {
        Some(secret) => google::Login::with_key(secret.bytes(), &secret.text)?,
        None if place.ambient => google::Login::ambient(place.cloud).await?,
        None => return Err(not_ambient("cloudDNS.serviceAccountSecretRef")),
    };
    clouddns::Project::new(place.cloud, settings, login, clouddns::BASE).map(Provider::CloudDns)
}

/// The settings name no credential, and the identity of the place that certlet runs in may not be used (FLG-15).
fn not_ambient(missing: &str) -> Fault {
    let sentence = format!(
        "{missing} is not set, and certlet does not use its own identity for this kind of issuer: set {missing}, or start certlet with \
         --issuer-ambient-credentials (for a ClusterIssuer: --cluster-issuer-ambient-credentials)"
    );
    Fault::new(FaultKind::Credential, sentence)
}
