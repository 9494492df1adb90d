//! Left-overs of challenges that are not in flight any more.

use std::collections::HashSet;

use k8s_openapi::api::networking::v1::Ingress;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::edit::{solver_paths, without_paths};
use crate::api::names::{SOLVER_NAME_PREFIX, label};

/// A kind of solver object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FoundKind {
    /// A temporary Ingress.
    Ingress,
    /// A temporary HTTPRoute.
    HttpRoute,
    /// A Service.
    Service,
    /// An `EndpointSlice`.
    EndpointSlice,
    /// A solver pod.
    Pod,
}

impl FoundKind {
    /// The kind as manifests have it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ingress => "Ingress",
            Self::HttpRoute => "HTTPRoute",
            Self::Service => "Service",
            Self::EndpointSlice => "EndpointSlice",
            Self::Pod => "Pod",
        }
    }
}

/// A solver object that was found by its label.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// Its kind.
    pub kind: FoundKind,
    /// Its metadata.
    pub metadata: ObjectMeta,
}

/// The challenges in flight, read **after** the objects were listed. Objects that are created in between are then not
/// deleted.
#[derive(Clone, Debug, Default)]
pub struct InFlight {
    /// UIDs of the unfinished Challenges.
    pub challenges: HashSet<String>,
    /// Namespaces with an unfinished Order.
    pub namespaces: HashSet<String>,
    /// Namespace and token of every unfinished challenge.
    pub tokens: HashSet<(String, String)>,
}

/// The clean-up of one object.
#[derive(Clone, Debug, PartialEq)]
pub enum Stray {
    /// Delete it; precondition: UID and resourceVersion.
    Delete(Box<Found>),
    /// Replace it by this one, which lacks our paths; precondition: resourceVersion.
    Edit(Box<Ingress>),
}

/// Selects left-overs: solver objects of finished Challenges, shared objects in namespaces without Orders in flight,
/// and paths in edited Ingresses whose token is not in flight.
///
/// An object that a Challenge in flight owns is kept, whichever program created it (NB-18), and so are objects without
/// our label and name.
#[must_use]
pub fn strays(found: Vec<Found>, ingresses: &[Ingress], in_flight: &InFlight) -> Vec<Stray> {
    let deleted = found
        .into_iter()
        .filter(|found| is_stray(&found.metadata, in_flight))
        .map(|found| Stray::Delete(Box::new(found)));
    let edited = ingresses
        .iter()
        .filter(|ingress| !has_our_label(&ingress.metadata))
        .filter_map(|ingress| {
            let namespace = ingress.metadata.namespace.as_deref().unwrap_or_default();
            let is_done = |token: &str| !in_flight.tokens.contains(&(namespace.to_owned(), token.to_owned()));
            // A clone of an Ingress is expensive, and very few have such a path.
            solver_paths(ingress).next()?;
            without_paths(ingress, |path| is_done(path.token)).map(|ingress| Stray::Edit(Box::new(ingress)))
        });
    deleted.chain(edited).collect()
}

fn is_stray(metadata: &ObjectMeta, in_flight: &InFlight) -> bool {
    let ours = has_our_label(metadata)
        && metadata
            .name
            .as_deref()
            .is_some_and(|name| name.starts_with(SOLVER_NAME_PREFIX))
        && metadata.deletion_timestamp.is_none();
    let owners = || {
        metadata
            .owner_references
            .iter()
            .flatten()
            .filter(|owner| owner.kind == "Challenge")
    };
    let needed = if owners().next().is_some() {
        owners().any(|owner| in_flight.challenges.contains(&owner.uid))
    } else {
        metadata
            .namespace
            .as_ref()
            .is_some_and(|namespace| in_flight.namespaces.contains(namespace))
    };
    ours && !needed
}

fn has_our_label(metadata: &ObjectMeta) -> bool {
    let value = metadata
        .labels
        .as_ref()
        .and_then(|labels| labels.get(label::HTTP01_SOLVER));
    value.is_some_and(|value| value == "true")
}
