//! The annotations of an Order that override what routes the CA's request.

use std::collections::BTreeMap;

use super::{NoSolver, OrderMeta};
use crate::api::http01::{GatewayHttpRoute, Http01Ingress, ParentRef, Routing};
use crate::api::names::annotation;

/// The routing of the solver with this index, with the overrides of the Order.
///
/// # Errors
/// If the annotations contradict each other, or an HTTPRoute would have no parent.
pub(super) fn applied(routing: Routing, order: OrderMeta<'_>, index: usize) -> Result<Routing, NoSolver> {
    match routing {
        Routing::Ingress(ingress) => with_ingress(&ingress, order.annotations).map(Routing::Ingress),
        Routing::HttpRoute(route) => with_parent(route, order, index).map(Routing::HttpRoute),
    }
}

/// Replaces name, class and ingressClassName of the solver by the Order's override annotations (ANO-02).
fn with_ingress(ingress: &Http01Ingress, annotations: &BTreeMap<String, String>) -> Result<Http01Ingress, NoSolver> {
    let name = annotations.get(annotation::HTTP01_OVERRIDE_INGRESS_NAME);
    let class = annotations.get(annotation::HTTP01_OVERRIDE_INGRESS_CLASS);
    let class_name = annotations.get(annotation::HTTP01_OVERRIDE_INGRESS_CLASS_NAME);
    let given = [name, class, class_name].into_iter().flatten().count();
    match given {
        0 => Ok(ingress.clone()),
        1 => Ok(Http01Ingress {
            name: name.cloned(),
            class: class.cloned(),
            ingress_class_name: class_name.cloned(),
            ..ingress.clone()
        }),
        _ => Err(NoSolver::ConflictingOverrides),
    }
}

/// Adds the parent that the Order's annotations name, instead of an equal one of the solver (ANO-03, GWS-06).
///
/// As at cert-manager, a parent of the solver is equal only if it names its namespace, whatever its listener is.
fn with_parent(
    mut route: GatewayHttpRoute,
    OrderMeta {
        namespace, annotations, ..
    }: OrderMeta<'_>,
    index: usize,
) -> Result<GatewayHttpRoute, NoSolver> {
    let name = annotations.get(annotation::HTTP01_PARENT_REF_NAME);
    let kind = annotations.get(annotation::HTTP01_PARENT_REF_KIND);
    match (name, kind) {
        (None, None) => {}
        (Some(name), Some(kind)) => {
            let given = annotations.get(annotation::HTTP01_PARENT_REF_NAMESPACE);
            let namespace = given
                .filter(|given| !given.is_empty())
                .map_or(namespace, String::as_str);
            let is_equal = |parent: &ParentRef| {
                parent.namespace.as_deref() == Some(namespace)
                    && parent.name == *name
                    && parent.kind.as_ref().is_none_or(|of_solver| of_solver == kind)
            };
            route.parent_refs.retain(|parent| !is_equal(parent));
            route.parent_refs.push(ParentRef {
                kind: Some(kind.clone()),
                name: name.clone(),
                namespace: Some(namespace.to_owned()),
                ..ParentRef::default()
            });
        }
        (Some(_), None) | (None, Some(_)) => return Err(NoSolver::HalfOfParent),
    }
    if route.parent_refs.is_empty() {
        return Err(NoSolver::NoParent { index });
    }
    Ok(route)
}
