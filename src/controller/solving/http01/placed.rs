//! What presents the challenges of Orders: Ingresses and HTTPRoutes.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::{
    api::{gateway::HttpRouteSpec, names::label},
    controller::Ports,
    plan::seen::{Meta, ObjectKey},
    solver::{classes::Class, objects::ChallengePath},
};

/// The objects of all Orders. May be lost at any time: they are found by their label.
#[derive(Debug, Default)]
pub(super) struct Placed {
    orders: Mutex<HashMap<Box<str>, Vec<PlacedObject>>>,
    /// HTTPRoutes as they were written, by the uid of the Order and their name.
    routes: Mutex<HashMap<(Box<str>, String), Written>>,
}

/// An HTTPRoute as it was written.
#[derive(Clone, Debug)]
pub(super) struct Written {
    uid: String,
    generation: i64,
    pub(super) spec: HttpRouteSpec,
}

impl Written {
    /// The HTTPRoute that the API server has after it was written with this spec.
    pub(super) fn of(metadata: &ObjectMeta, spec: HttpRouteSpec) -> Self {
        Self {
            uid: metadata.uid.clone().unwrap_or_default(),
            generation: metadata.generation.unwrap_or_default(),
            spec,
        }
    }

    /// Whether an observed HTTPRoute is this one, and its spec was not edited since.
    pub(super) fn is(&self, seen: &Meta) -> bool {
        *seen.uid == *self.uid && seen.generation == self.generation
    }
}

/// An object with challenge paths.
#[derive(Clone, Debug)]
pub(super) struct PlacedObject {
    pub(super) name: String,
    pub(super) kind: PlacedKind,
    pub(super) paths: Vec<ChallengePath>,
}

/// The kind of an object with challenge paths.
#[derive(Clone, Copy, Debug)]
pub(super) enum PlacedKind {
    /// A temporary Ingress, with the class of its controller.
    Ingress(&'static Class),
    /// An Ingress of the user that is edited in place, with the class of its controller.
    Edited(&'static Class),
    /// A temporary HTTPRoute.
    Route,
}

impl PlacedKind {
    const fn is_route(self) -> bool {
        matches!(self, Self::Route)
    }
}

/// The objects of one Order, by kind.
#[derive(Debug, Default)]
pub(super) struct PlacedNames {
    /// Temporary Ingresses.
    pub(super) ingresses: BTreeSet<String>,
    /// Temporary HTTPRoutes.
    pub(super) routes: BTreeSet<String>,
    /// Edited Ingresses, with the paths in them.
    pub(super) edited: Vec<(String, Vec<ChallengePath>)>,
}

impl Placed {
    /// Remembers an object of an Order. Must be called before its creation, so that a failure half-way leaves nothing behind.
    pub(super) fn remember(&self, order: &Meta, object: PlacedObject) {
        let mut orders = self.lock();
        let objects = orders.entry(order.uid.clone()).or_default();
        let is_same =
            |known: &&mut PlacedObject| known.name == object.name && known.kind.is_route() == object.kind.is_route();
        match objects.iter_mut().find(is_same) {
            Some(known) => {
                // earlier paths may still be in it
                let before = known.paths.iter().filter(|path| !object.paths.contains(path)).cloned();
                let paths = before.chain(object.paths.iter().cloned()).collect();
                *known = PlacedObject { paths, ..object };
            }
            None => objects.push(object),
        }
    }

    /// The object with this path. Of several, the latest.
    pub(super) fn with_path(&self, order: &Meta, path: &ChallengePath) -> Option<PlacedObject> {
        let orders = self.lock();
        let mut objects = orders.get(&order.uid)?.iter().rev();
        objects.find(|object| object.paths.contains(path)).cloned()
    }

    /// The HTTPRoutes of an Order with this path.
    pub(super) fn routes_with(&self, order: &Meta, path: &ChallengePath) -> Vec<String> {
        let orders = self.lock();
        let objects = orders.get(&order.uid).into_iter().flatten();
        let with = objects.filter(|object| object.kind.is_route() && object.paths.contains(path));
        with.map(|object| object.name.clone()).collect()
    }

    /// The HTTPRoutes of an Order, apart from these.
    pub(super) fn routes_apart_from(&self, order: &Meta, names: &BTreeSet<String>) -> Vec<String> {
        let orders = self.lock();
        let objects = orders.get(&order.uid).into_iter().flatten();
        let others = objects.filter(|object| object.kind.is_route() && !names.contains(&object.name));
        others.map(|object| object.name.clone()).collect()
    }

    /// Remembers how an HTTPRoute of an Order was written.
    pub(super) fn wrote(&self, order: &Meta, name: &str, written: Written) {
        lock(&self.routes).insert((order.uid.clone(), name.to_owned()), written);
    }

    /// How an HTTPRoute of an Order was written.
    pub(super) fn written(&self, order: &Meta, name: &str) -> Option<Written> {
        lock(&self.routes).get(&(order.uid.clone(), name.to_owned())).cloned()
    }

    /// Forgets a deleted HTTPRoute of an Order.
    pub(super) fn forget_route(&self, order: &Meta, name: &str) {
        lock(&self.routes).remove(&(order.uid.clone(), name.to_owned()));
        if let Some(objects) = self.lock().get_mut(&order.uid) {
            objects.retain(|object| !object.kind.is_route() || object.name != name);
        }
    }

    /// All objects of an Order. After a restart they are found by label and by path; `paths` are those that may be in edited
    /// Ingresses.
    pub(super) fn names(
        &self,
        context: &Ports,
        order: &ObjectKey,
        order_uid: &str,
        paths: &[ChallengePath],
    ) -> PlacedNames {
        let Some(objects) = self.lock().get(order_uid).cloned() else {
            return found(context, order, order_uid, paths);
        };
        let mut names = PlacedNames::default();
        for PlacedObject { name, kind, paths } in objects {
            match kind {
                PlacedKind::Ingress(_) => drop(names.ingresses.insert(name)),
                PlacedKind::Edited(_) => names.edited.push((name, paths)),
                PlacedKind::Route => drop(names.routes.insert(name)),
            }
        }
        names
    }

    /// Forgets the objects of an Order.
    pub(super) fn forget(&self, order_uid: &str) {
        self.lock().remove(order_uid);
        lock(&self.routes).retain(|(uid, _), _| **uid != *order_uid);
    }

    /// Forgets all objects.
    pub(super) fn clear(&self) {
        self.lock().clear();
        lock(&self.routes).clear();
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Box<str>, Vec<PlacedObject>>> {
        lock(&self.orders)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The objects of an Order after a restart.
fn found(context: &Ports, order: &ObjectKey, order_uid: &str, paths: &[ChallengePath]) -> PlacedNames {
    let mut names = PlacedNames::default();
    let is_of_order = |meta: &Meta| meta.labels.get(label::ORDER_UID) == Some(order_uid);
    for ingress in context.index.ingresses.in_namespace(&order.namespace) {
        if is_of_order(&ingress.meta) {
            names.ingresses.insert(ingress.meta.name().to_owned());
        } else if !ingress.meta.labels.contains(label::HTTP01_SOLVER) {
            let inside = |path: &&ChallengePath| ingress.spec.get().contains(path.token.as_str());
            let inside: Vec<ChallengePath> = paths.iter().filter(inside).cloned().collect();
            if !inside.is_empty() {
                names.edited.push((ingress.meta.name().to_owned(), inside));
            }
        }
    }
    let routes = context.index.http_routes.in_namespace(&order.namespace).into_iter();
    let routes = routes.filter(|route| is_of_order(&route.meta));
    names.routes = routes.map(|route| route.meta.name().to_owned()).collect();
    names
}
