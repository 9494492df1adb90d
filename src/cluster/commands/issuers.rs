//! Issuers, as commands read them.

use kube::{Api, Client};

use crate::{
    api::{ClusterIssuer, Issuer, IssuerSpec, IssuerStatus},
    plan::{issuer::IssuerId, seen::ObjectKey},
};

/// Spec and status of an issuer.
///
/// # Errors
/// The API server's error.
pub(crate) async fn read(client: &Client, id: &IssuerId) -> Result<(IssuerSpec, IssuerStatus), kube::Error> {
    let ObjectKey { namespace, name } = &id.0;
    let (spec, status) = if id.is_cluster() {
        let found = Api::<ClusterIssuer>::all(client.clone()).get(name).await?;
        (found.spec.0, found.status)
    } else {
        let found = Api::<Issuer>::namespaced(client.clone(), namespace).get(name).await?;
        (found.spec, found.status)
    };
    Ok((spec, status.unwrap_or_default()))
}
