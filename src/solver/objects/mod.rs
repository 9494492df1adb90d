//! Kubernetes objects that route the CA's request to a responder: builders of wanted objects, and decisions about found
//! ones.
//!
//! All functions are pure: plain Kubernetes types in and out.

mod edit;
mod group;
mod ingress;
mod pod;
mod route;
mod shared;
mod sweep;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use k8s_openapi::api::core::v1::ServicePort;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::host::Host;
use super::token::Token;
use crate::api::names::{SOLVER_NAME_PREFIX, SOLVER_PORT, label};
pub use edit::{SolverPath, solver_paths, with_paths, without_paths};
pub use group::{Group, group};
pub use ingress::{Exposure, temporary_ingress};
pub use pod::{PodChallenge, PodSettings, pod_ingress, pod_route, pod_service, solver_pod};
pub use route::{Attachment, RouteExposure, temporary_route};
pub use shared::{ServiceKind, endpoint_slices, leads_as_wanted, service_kind, shared_service};
pub use sweep::{Found, FoundKind, InFlight, Stray, strays};

/// The CRD that owns the shared Service and slices, so that an uninstallation removes them.
pub const CHALLENGE_CRD: &str = "challenges.acme.cert-manager.io";

/// The name of the port in Services and slices (HTT-03).
const PORT_NAME: &str = "http";

/// The location of one challenge: a host, and the token under its well-known path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChallengePath {
    /// The identifier.
    pub host: Host,
    /// The token.
    pub token: Token,
}

/// The owner reference to a Challenge, for its objects (ANW-07).
#[must_use]
pub fn challenge_owner(name: &str, uid: &str) -> OwnerReference {
    OwnerReference {
        api_version: "acme.cert-manager.io/v1".to_owned(),
        kind: "Challenge".to_owned(),
        name: name.to_owned(),
        uid: uid.to_owned(),
        controller: None,
        block_owner_deletion: Some(true),
    }
}

/// The owner reference to the CRD of Challenges, for shared objects. It does not block the CRD's deletion.
#[must_use]
pub fn crd_owner(crd_uid: &str) -> OwnerReference {
    OwnerReference {
        api_version: "apiextensions.k8s.io/v1".to_owned(),
        kind: "CustomResourceDefinition".to_owned(),
        name: CHALLENGE_CRD.to_owned(),
        uid: crd_uid.to_owned(),
        controller: None,
        block_owner_deletion: None,
    }
}

/// The port of a Service in front of solvers.
fn service_port() -> ServicePort {
    let port = i32::from(SOLVER_PORT);
    ServicePort {
        name: Some(PORT_NAME.to_owned()),
        port,
        protocol: Some("TCP".to_owned()),
        target_port: Some(IntOrString::Int(port)),
        ..ServicePort::default()
    }
}

/// Makes the first owner the controller: an object can have only one, and tools search for it (NB-18).
fn controlled(mut owners: Vec<OwnerReference>) -> Option<Vec<OwnerReference>> {
    owners.sort_by(|a, b| a.name.cmp(&b.name));
    if let Some(first) = owners.first_mut() {
        first.controller = Some(true);
    }
    (!owners.is_empty()).then_some(owners)
}

/// The labels of solver objects (ANW-07): the decimal Adler-32 of host and token. For several challenges in one object,
/// it is computed over all hosts, and over all tokens, joined by commas in the order of the hosts.
fn identity_labels(paths: &[ChallengePath]) -> BTreeMap<String, String> {
    let joined = |text: &dyn Fn(&ChallengePath) -> String| paths.iter().map(text).collect::<Vec<_>>().join(",");
    let domain = adler32(&joined(&|path| path.host.to_string()));
    let token = adler32(&joined(&|path| path.token.to_string()));
    BTreeMap::from([
        (label::HTTP_DOMAIN.to_owned(), domain.to_string()),
        (label::HTTP_TOKEN.to_owned(), token.to_string()),
        (label::HTTP01_SOLVER.to_owned(), "true".to_owned()),
    ])
}

/// The metadata of a temporary object of an Order, found by its labels.
fn metadata(
    name: String,
    (namespace, order_uid): (&str, &str),
    paths: &[ChallengePath],
    extra_labels: &BTreeMap<String, String>,
    owners: Vec<OwnerReference>,
) -> ObjectMeta {
    let mut labels = identity_labels(paths);
    labels.insert(label::ORDER_UID.to_owned(), order_uid.to_owned());
    add_labels(&mut labels, extra_labels);
    ObjectMeta {
        name: Some(name),
        namespace: Some(namespace.to_owned()),
        labels: Some(labels),
        owner_references: controlled(owners),
        ..ObjectMeta::default()
    }
}

/// Adds labels of a template or a flag, except those by which solver objects are found (FLG-13).
fn add_labels(labels: &mut BTreeMap<String, String>, more: &BTreeMap<String, String>) {
    for (key, value) in more {
        if ![
            label::HTTP_DOMAIN,
            label::HTTP_TOKEN,
            label::HTTP01_SOLVER,
            label::ORDER_UID,
        ]
        .contains(&key.as_str())
        {
            labels.insert(key.clone(), value.clone());
        }
    }
}

/// A deterministic name, so that a repeated creation is harmless.
fn derived_name(parts: &[&str]) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, parts.join("\n").as_bytes());
    let mut name = SOLVER_NAME_PREFIX.to_owned();
    for byte in digest.as_ref().iter().take(6) {
        // A write into a String cannot fail.
        write!(name, "{byte:02x}").unwrap_or_default();
    }
    name
}

/// Adler-32 (RFC 1950 section 8.2), which cert-manager uses as a short hash.
fn adler32(text: &str) -> u32 {
    const MODULUS: u32 = 65521;
    let (a, b) = text.bytes().fold((1, 0), |(a, b), byte| {
        let a = (a + u32::from(byte)) % MODULUS;
        (a, (b + a) % MODULUS)
    });
    (b << 16) | a
}
