//! The Service without selector, and its `EndpointSlice`s, which route from a namespace to certlet's own replicas.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use k8s_openapi::api::core::v1::{Service, ServiceSpec};
use k8s_openapi::api::discovery::v1::{Endpoint, EndpointConditions, EndpointPort, EndpointSlice};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};

use super::{PORT_NAME, add_labels, service_port};
use crate::api::names::{SOLVER_NAME_PREFIX, annotation, label};
use crate::solver::classes::Class;

/// The label that assigns a slice to its Service.
const SERVICE_NAME: &str = "kubernetes.io/service-name";
/// The label with the manager of a slice. Without it, the mirroring of Endpoints could change the slice.
const SLICE_MANAGER: &str = "endpointslice.kubernetes.io/managed-by";
/// The most endpoints of a slice that all controllers accept.
const MOST_ENDPOINTS: usize = 100;

/// The type of the Service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ServiceKind {
    /// For every controller that reads endpoints or reaches cluster addresses.
    ClusterIp,
    /// For load balancers outside the cluster that reach only nodes.
    NodePort,
}

impl ServiceKind {
    fn as_str(self) -> &'static str {
        match self {
            Self::ClusterIp => "ClusterIP",
            Self::NodePort => "NodePort",
        }
    }

    /// The name of the shared Service of this type.
    #[must_use]
    pub fn service_name(self) -> String {
        match self {
            Self::ClusterIp => format!("{SOLVER_NAME_PREFIX}certlet"),
            Self::NodePort => format!("{SOLVER_NAME_PREFIX}certlet-nodeport"),
        }
    }
}

/// The type of Service for a solver's `serviceType`, else that of its class.
///
/// cert-manager's default is always `NodePort` (HTT-02). Here it is used only if the controller needs it.
#[must_use]
pub fn service_kind(service_type: Option<&str>, class: Option<&Class>) -> ServiceKind {
    match service_type {
        Some("NodePort") => ServiceKind::NodePort,
        Some("ClusterIP") => ServiceKind::ClusterIp,
        _ if class.is_some_and(|class| class.needs_node_port) => ServiceKind::NodePort,
        _ => ServiceKind::ClusterIp,
    }
}

/// The Service of a namespace that all its temporary Ingresses have as backend.
///
/// `owner` is the CRD of Challenges ([`super::crd_owner`]); none if it cannot be read. `addresses` are those of the
/// slices. They decide about the address families of the Service.
#[must_use]
pub fn shared_service(
    namespace: &str,
    kind: ServiceKind,
    addresses: &[IpAddr],
    owner: Option<&OwnerReference>,
    extra_labels: &BTreeMap<String, String>,
) -> Service {
    let mut metadata = metadata(kind.service_name(), namespace, owner, extra_labels);
    metadata.annotations = Some(BTreeMap::from([(
        annotation::ISTIO_AUTH_8089.to_owned(),
        "NONE".to_owned(),
    )]));
    let families = families(addresses);
    Service {
        metadata,
        spec: Some(ServiceSpec {
            type_: Some(kind.as_str().to_owned()),
            // The cluster's default family may differ from that of our addresses.
            ip_family_policy: match families.len() {
                0 => None,
                1 => Some("SingleStack".to_owned()),
                _ => Some("PreferDualStack".to_owned()),
            },
            ip_families: (families.len() == 1).then_some(families),
            ports: Some(vec![service_port()]),
            ..ServiceSpec::default()
        }),
        status: None,
    }
}

/// One slice for each address family, for the Service of this type. `port` is the port of the replicas.
#[must_use]
pub fn endpoint_slices(
    namespace: &str,
    kind: ServiceKind,
    (addresses, port): (&[IpAddr], u16),
    owner: Option<&OwnerReference>,
    extra_labels: &BTreeMap<String, String>,
) -> Vec<EndpointSlice> {
    let service = kind.service_name();
    let slice = |family: String| {
        let name = format!("{service}-{}", family.to_ascii_lowercase());
        let mut metadata = metadata(name, namespace, owner, extra_labels);
        let labels = metadata.labels.get_or_insert_default();
        labels.insert(SERVICE_NAME.to_owned(), service.clone());
        labels.insert(SLICE_MANAGER.to_owned(), "certlet".to_owned());
        let mut own: Vec<IpAddr> = addresses
            .iter()
            .copied()
            .filter(|address| family_of(address) == family)
            .collect();
        own.sort_unstable();
        own.dedup();
        own.truncate(MOST_ENDPOINTS);
        EndpointSlice {
            metadata,
            address_type: family,
            endpoints: own.iter().map(endpoint).collect(),
            ports: Some(vec![EndpointPort {
                name: Some(PORT_NAME.to_owned()),
                port: Some(i32::from(port)),
                protocol: Some("TCP".to_owned()),
                app_protocol: None,
            }]),
        }
    };
    families(addresses).into_iter().map(slice).collect()
}

/// Whether the found objects contain the wanted Service and all its wanted slices, with the same ports and addresses.
/// Other fields, which the API server or other clients add, do not matter.
#[must_use]
pub fn leads_as_wanted(wanted: (&Service, &[EndpointSlice]), found: (&[Service], &[EndpointSlice])) -> bool {
    let stays =
        |metadata: &ObjectMeta, name: &Option<String>| metadata.deletion_timestamp.is_none() && metadata.name == *name;
    let (service, slices) = wanted;
    let same_service = found
        .0
        .iter()
        .any(|one| stays(&one.metadata, &service.metadata.name) && is_reached_alike(one, service));
    let same_slice = |slice: &EndpointSlice| {
        let alike = |one: &&EndpointSlice| {
            stays(&one.metadata, &slice.metadata.name)
                && label_of(one) == label_of(slice)
                && slice_ports(one) == slice_ports(slice)
                && ready_addresses(one) == ready_addresses(slice)
        };
        found.1.iter().any(|one| alike(&one))
    };
    same_service && slices.iter().all(same_slice)
}

/// Whether a Service has the wanted ports and families, and still no selector.
fn is_reached_alike(service: &Service, wanted: &Service) -> bool {
    let (Some(spec), Some(wanted)) = (&service.spec, &wanted.spec) else {
        return false;
    };
    let ports = |spec: &ServiceSpec| {
        let ports = spec.ports.clone().unwrap_or_default().into_iter();
        ports.map(|port| (port.port, port.target_port)).collect::<Vec<_>>()
    };
    let has_selector = spec.selector.as_ref().is_some_and(|selector| !selector.is_empty());
    !has_selector && spec.type_ == wanted.type_ && ports(spec) == ports(wanted)
}

fn label_of(slice: &EndpointSlice) -> Option<&String> {
    slice.metadata.labels.as_ref()?.get(SERVICE_NAME)
}

fn slice_ports(slice: &EndpointSlice) -> Vec<(Option<&str>, Option<i32>)> {
    let ports = slice.ports.iter().flatten();
    ports.map(|port| (port.name.as_deref(), port.port)).collect()
}

fn ready_addresses(slice: &EndpointSlice) -> BTreeSet<&str> {
    let is_ready = |endpoint: &&Endpoint| {
        let conditions = endpoint.conditions.as_ref();
        conditions.and_then(|conditions| conditions.ready) != Some(false)
    };
    let ready = slice.endpoints.iter().filter(is_ready);
    ready
        .flat_map(|endpoint| endpoint.addresses.iter().map(String::as_str))
        .collect()
}

fn endpoint(address: &IpAddr) -> Endpoint {
    Endpoint {
        addresses: vec![address.to_string()],
        conditions: Some(EndpointConditions {
            ready: Some(true),
            serving: Some(true),
            terminating: Some(false),
        }),
        ..Endpoint::default()
    }
}

fn metadata(
    name: String,
    namespace: &str,
    owner: Option<&OwnerReference>,
    extra_labels: &BTreeMap<String, String>,
) -> ObjectMeta {
    let mut labels = BTreeMap::from([(label::HTTP01_SOLVER.to_owned(), "true".to_owned())]);
    add_labels(&mut labels, extra_labels);
    ObjectMeta {
        name: Some(name),
        namespace: Some(namespace.to_owned()),
        labels: Some(labels),
        owner_references: owner.map(|owner| vec![owner.clone()]),
        ..ObjectMeta::default()
    }
}

/// The families of the addresses, IPv4 first.
fn families(addresses: &[IpAddr]) -> Vec<String> {
    let mut families: Vec<String> = addresses.iter().map(|address| family_of(address).to_owned()).collect();
    families.sort_unstable();
    families.dedup();
    families
}

fn family_of(address: &IpAddr) -> &'static str {
    match address {
        IpAddr::V4(_) => "IPv4",
        IpAddr::V6(_) => "IPv6",
    }
}
