//! Names of objects, for completions.

use std::fmt;

use k8s_openapi::api::{
    core::v1::{Namespace, Secret},
    networking::v1::Ingress,
};
use kube::{Api, Client, api::ListParams};
use serde::de::DeserializeOwned;

use crate::api::{
    Certificate, CertificateRequest, ClusterIssuer, Issuer, Order,
    gateway::{Gateway, ListenerSet},
};
use crate::cluster::scope::{ClusterScoped, Namespaced};

/// The most names that are read.
const MOST: u32 = 500;

/// Kinds whose names are completed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Named {
    /// Certificates of the namespace.
    Certificate,
    /// CertificateRequests of the namespace.
    CertificateRequest,
    /// ClusterIssuers.
    ClusterIssuer,
    /// Gateways of the namespace.
    Gateway,
    /// Ingresses of the namespace.
    Ingress,
    /// Issuers of the namespace.
    Issuer,
    /// ListenerSets of the namespace.
    ListenerSet,
    /// Namespaces.
    Namespace,
    /// Orders of the namespace.
    Order,
    /// Secrets of the namespace.
    Secret,
}

/// The names of the objects of a kind. Only metadata is read.
///
/// # Errors
/// If the API server rejects the list, or cannot be reached.
pub(crate) async fn names(client: &Client, kind: Named, namespace: &str) -> Result<Vec<String>, kube::Error> {
    match kind {
        Named::Certificate => within::<Certificate>(client, namespace).await,
        Named::CertificateRequest => within::<CertificateRequest>(client, namespace).await,
        Named::ClusterIssuer => all::<ClusterIssuer>(client).await,
        Named::Gateway => within::<Gateway>(client, namespace).await,
        Named::Ingress => within::<Ingress>(client, namespace).await,
        Named::Issuer => within::<Issuer>(client, namespace).await,
        Named::ListenerSet => within::<ListenerSet>(client, namespace).await,
        Named::Namespace => all::<Namespace>(client).await,
        Named::Order => within::<Order>(client, namespace).await,
        Named::Secret => within::<Secret>(client, namespace).await,
    }
}

async fn within<K: Namespaced>(client: &Client, namespace: &str) -> Result<Vec<String>, kube::Error> {
    listed(&Api::<K>::namespaced(client.clone(), namespace)).await
}

async fn all<K: ClusterScoped>(client: &Client) -> Result<Vec<String>, kube::Error> {
    listed(&Api::<K>::all(client.clone())).await
}

async fn listed<K: Clone + DeserializeOwned + fmt::Debug>(api: &Api<K>) -> Result<Vec<String>, kube::Error> {
    let found = api.list_metadata(&ListParams::default().limit(MOST)).await?;
    let names = found.items.into_iter().filter_map(|object| object.metadata.name);
    Ok(names.collect())
}
