//! The temporary HTTPRoute of one Order, solver configuration and set of parents (HTT-12).

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use serde_json::json;

use super::{ChallengePath, Group, add_labels, derived_name, group, metadata};
use crate::api::gateway::{
    BackendRef, GATEWAY_KIND, GROUP, HttpRoute, HttpRouteSpec, PathMatch, RouteMatch, RouteRule,
};
use crate::api::http01::{GatewayHttpRoute, ParentRef};
use crate::api::names::SOLVER_PORT;

/// The most hostnames, and the most rules, that an HTTPRoute may have.
const MOST_HOSTNAMES: usize = 16;

/// The most parts in which a placed challenge is searched. An Order has far fewer.
const MOST_PARTS: usize = 64;

/// What challenges have in common that share an HTTPRoute.
#[derive(Clone, Debug, PartialEq)]
pub struct Attachment {
    /// The solver configuration.
    pub route: GatewayHttpRoute,
    /// Its parents, perhaps each with the listener that was chosen for the challenges.
    pub parents: Vec<ParentRef>,
    /// Whether the challenges are for names. An HTTPRoute for addresses has no hostname, because an address is none.
    hosted: bool,
    /// The part, if there are more challenges than one HTTPRoute can have.
    part: usize,
}

impl Attachment {
    /// `serviceType` of the solver.
    #[must_use]
    pub fn service_type(&self) -> Option<&str> {
        self.route.service_type.as_deref()
    }

    /// The groups of an Order's challenges, one for each HTTPRoute, in a stable order. Each challenge has the parents of
    /// its HTTPRoute.
    ///
    /// `placed` returns the names of HTTPRoutes with a path. A challenge stays in the part where it is, because the CA may
    /// be asking just now: a controller may handle the HTTPRoute that loses a path before the one that gets it.
    #[must_use]
    pub fn groups(
        order_uid: &str,
        mut challenges: Vec<(GatewayHttpRoute, Vec<ParentRef>, ChallengePath, OwnerReference)>,
        placed: &dyn Fn(&ChallengePath) -> Vec<String>,
    ) -> Vec<Group<Self>> {
        challenges.sort_by(|a, b| a.2.cmp(&b.2));
        let mut attached: Vec<(Self, ChallengePath, OwnerReference)> = Vec::new();
        let mut others = Vec::new();
        for (route, parents, path, owner) in challenges {
            let attachment = Self {
                route,
                parents,
                hosted: path.host.in_rule().is_some(),
                part: 0,
            };
            let names = placed(&path);
            let part = (0..MOST_PARTS)
                .take_while(|_| !names.is_empty())
                .find(|part| names.contains(&attachment.in_part(*part).name(order_uid)));
            match part {
                Some(part) => attached.push((attachment.in_part(part), path, owner)),
                None => others.push((attachment, path, owner)),
            }
        }
        for (attachment, path, owner) in others {
            let size = |part: &Self| attached.iter().filter(|(other, ..)| other == part).count();
            let mut parts = (0..MOST_PARTS).map(|part| attachment.in_part(part));
            let with_room = parts.find(|part| size(part) < MOST_HOSTNAMES);
            attached.push((with_room.unwrap_or(attachment), path, owner));
        }
        group(attached)
    }

    fn in_part(&self, part: usize) -> Self {
        Self { part, ..self.clone() }
    }

    /// The name of the HTTPRoute. It is derived from the configuration and not from the challenges, so that it stays the
    /// same when some of them are finished.
    fn name(&self, order_uid: &str) -> String {
        let Self {
            route,
            parents,
            hosted,
            part,
        } = self;
        let config = json!([route, parents, hosted, part]).to_string();
        derived_name(&[order_uid, &config])
    }
}

/// The inputs of one temporary HTTPRoute.
#[derive(Clone, Debug)]
pub struct RouteExposure<'a> {
    /// The namespace of the Order, and of the Service.
    pub namespace: &'a str,
    /// The UID of the Order, from which the name is derived.
    pub order_uid: &'a str,
    /// The challenges.
    pub group: &'a Group<Attachment>,
    /// The Service behind it.
    pub service: &'a str,
    /// `--acme-http01-solver-extra-labels`.
    pub extra_labels: &'a BTreeMap<String, String>,
}

/// The HTTPRoute that routes the group's challenge paths to the Service: all hostnames, and one rule for each path.
///
/// Each path is served for each of the hostnames. The responder tells them apart. The spec has the fields that the API
/// server would add by default, so that it can be compared with what the API server has.
#[must_use]
pub fn temporary_route(exposure: &RouteExposure<'_>) -> HttpRoute {
    let RouteExposure {
        namespace,
        order_uid,
        group,
        service,
        extra_labels,
    } = exposure;
    let Attachment { route, parents, .. } = &group.config;
    build(
        &Frame {
            name: group.config.name(order_uid),
            order_uid,
            namespace,
            service,
            extra_labels,
        },
        (route, parents),
        &group.paths,
        group.owners.clone(),
    )
}

/// The parts of a temporary HTTPRoute without its rules.
pub(super) struct Frame<'a> {
    pub(super) name: String,
    pub(super) order_uid: &'a str,
    pub(super) namespace: &'a str,
    pub(super) service: &'a str,
    pub(super) extra_labels: &'a BTreeMap<String, String>,
}

/// Builds a temporary HTTPRoute.
pub(super) fn build(
    frame: &Frame<'_>,
    (config, parents): (&GatewayHttpRoute, &[ParentRef]),
    paths: &[ChallengePath],
    owners: Vec<OwnerReference>,
) -> HttpRoute {
    let place = (frame.namespace, frame.order_uid);
    let mut metadata = metadata(frame.name.clone(), place, paths, frame.extra_labels, owners);
    add_labels(metadata.labels.get_or_insert_default(), &config.labels);
    let mut hostnames: Vec<String> = paths
        .iter()
        .filter_map(|path| path.host.in_rule())
        .map(str::to_owned)
        .collect();
    hostnames.dedup();
    HttpRoute {
        metadata,
        spec: HttpRouteSpec {
            parent_refs: parents.iter().map(parent).collect(),
            hostnames,
            rules: paths.iter().map(|path| rule(path, frame)).collect(),
        },
        status: None,
    }
}

/// The rule of one challenge.
fn rule(path: &ChallengePath, frame: &Frame<'_>) -> RouteRule {
    RouteRule {
        matches: vec![RouteMatch {
            path: Some(PathMatch {
                type_: Some("Exact".to_owned()),
                value: Some(path.token.path()),
            }),
        }],
        backend_refs: vec![BackendRef {
            group: Some(String::new()),
            kind: Some("Service".to_owned()),
            name: frame.service.to_owned(),
            namespace: Some(frame.namespace.to_owned()),
            port: Some(i32::from(SOLVER_PORT)),
            weight: Some(1),
        }],
    }
}

/// A parent, with the defaults of the Gateway API.
fn parent(parent: &ParentRef) -> ParentRef {
    ParentRef {
        group: Some(parent.group.clone().unwrap_or_else(|| GROUP.to_owned())),
        kind: Some(parent.kind.clone().unwrap_or_else(|| GATEWAY_KIND.to_owned())),
        ..parent.clone()
    }
}
