//! Temporary Ingresses, and Ingresses that are edited in place.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use k8s_openapi::{
    api::networking::v1::{Ingress, IngressClass},
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use tokio::{sync::Mutex, time::Instant};

use crate::{
    api::{http01::Http01Ingress, names::annotation},
    cluster::{self, objects::Typed},
    controller::{ControllerError, Ports},
    plan::seen::{Meta, ObjectKey, Pairs},
    solver::{
        classes::{Class, PathType, class_of},
        objects::{ChallengePath, Exposure, Group, temporary_ingress, with_paths, without_paths},
    },
};

/// How long the controller of a class is cached.
const KNOWN: Duration = Duration::from_secs(60);
/// The most attempts of an edit that conflicts with other clients' edits.
const EDITS: usize = 5;

/// The place of an Order's Ingresses.
pub(super) struct Placing<'a> {
    pub(super) context: &'a Ports,
    pub(super) order: &'a Meta,
    pub(super) class: &'static Class,
}

impl Placing<'_> {
    /// The name of the group's temporary Ingress.
    pub(super) fn name(&self, group: &Group<Http01Ingress>) -> String {
        let ingress = self.wanted(group, "", PathType::Exact);
        ingress.metadata.name.unwrap_or_default()
    }

    fn wanted(&self, group: &Group<Http01Ingress>, service: &str, path_type: PathType) -> Ingress {
        temporary_ingress(&Exposure {
            namespace: self.order.namespace(),
            order_uid: &self.order.uid,
            group,
            class: self.class,
            path_type,
            service,
            extra_labels: &self.context.settings.http01.extra_labels,
        })
    }

    /// Creates or repairs the group's temporary Ingress.
    ///
    /// # Errors
    /// The API server's error.
    pub(super) async fn make(&self, group: &Group<Http01Ingress>, service: &str) -> Result<(), ControllerError> {
        self.apply(|path_type| self.wanted(group, service, path_type)).await
    }

    /// Applies an Ingress with the first path type that admission webhooks and policies accept. An Ingress that the
    /// index shows as wanted is not written.
    ///
    /// # Errors
    /// The API server's error.
    pub(super) async fn apply(&self, build: impl Fn(PathType) -> Ingress) -> Result<(), ControllerError> {
        let mut refusal = None;
        let exact = self.context.settings.http01.path_type_exact;
        if self
            .class
            .path_types(exact)
            .into_iter()
            .any(|path_type| self.is_current(&build(path_type)))
        {
            return Ok(());
        }
        for path_type in self.class.path_types(exact) {
            let wanted = build(path_type);
            let applied = self.context.writer.apply_object(&self.context.reader, &wanted);
            match applied.await {
                Ok(_) => return Ok(()),
                Err(error) if is_refusal(&error) => {
                    tracing::info!(order = %self.order.key, path_type = path_type.as_str(), "{error}");
                    refusal.get_or_insert(error);
                }
                Err(error) => return Err(error.into()),
            }
        }
        let none = || ControllerError::Failed(format!("{} takes no path type", self.class.name));
        Err(refusal.map_or_else(none, ControllerError::Cluster))
    }

    /// Whether the index shows the Ingress as wanted. A deletion or an edit by another client is seen there at once.
    fn is_current(&self, wanted: &Ingress) -> bool {
        let name = wanted.metadata.name.as_deref().unwrap_or_default();
        let seen = self.context.index.ingresses.get(&self.order.key.sibling(name));
        seen.is_some_and(|seen| {
            let spec = seen.parse().ok().map(|ingress| ingress.spec);
            spec == wanted.spec && is_current(&seen.meta, &wanted.metadata)
        })
    }

    /// Adds the challenges' paths to an Ingress of the user (HTT-05).
    ///
    /// # Errors
    /// The API server's error, or [`ControllerError::Failed`] if the Ingress does not exist.
    pub(super) async fn edit(&self, name: &str, paths: &[ChallengePath], service: &str) -> Result<(), ControllerError> {
        let key = self.order.key.sibling(name);
        let missing = || {
            ControllerError::Failed(format!(
                "the solver edits Ingress {key}, which does not exist: create it, or change the solver"
            ))
        };
        let mut refusal = None;
        for path_type in self.class.path_types(self.context.settings.http01.path_type_exact) {
            let add = |ingress: &Ingress| with_paths(ingress, paths, service, path_type);
            match edit(self.context, &key, add).await {
                Ok(Edited::Done) => return Ok(()),
                Ok(Edited::Missing) => return Err(missing()),
                Err(ControllerError::Cluster(error)) if is_refusal(&error) => {
                    refusal.get_or_insert(error);
                }
                Err(error) => return Err(error),
            }
        }
        Err(refusal.map_or_else(missing, ControllerError::Cluster))
    }
}

/// Whether metadata has the wanted labels, annotations and owners, and no deletion was requested.
pub(super) fn is_current(seen: &Meta, wanted: &ObjectMeta) -> bool {
    let all_in = |wanted: &Option<BTreeMap<String, String>>, seen: &Pairs| {
        wanted
            .iter()
            .flatten()
            .all(|(key, value)| seen.get(key) == Some(value.as_str()))
    };
    seen.deleting.is_none()
        && all_in(&wanted.labels, &seen.labels)
        && all_in(&wanted.annotations, &seen.annotations)
        && wanted
            .owner_references
            .iter()
            .flatten()
            .all(|owner| seen.owned_by(&owner.uid))
}

/// Deletes a temporary Ingress of this Order.
///
/// # Errors
/// The API server's error.
pub(super) async fn delete(context: &Ports, key: ObjectKey, order_uid: &str) -> Result<(), ControllerError> {
    let seen = context.index.ingresses.get(&key);
    delete_temporary::<Ingress>(context, &key, order_uid, seen.as_ref().map(|seen| &seen.meta)).await
}

/// Deletes a temporary Ingress or HTTPRoute of this Order. `seen` is the object in the index.
///
/// # Errors
/// The API server's error.
pub(super) async fn delete_temporary<K: Typed + Default>(
    context: &Ports,
    key: &ObjectKey,
    order_uid: &str,
    seen: Option<&Meta>,
) -> Result<(), ControllerError> {
    let mut object = K::default();
    let meta = object.meta_mut();
    meta.name = Some(key.name.to_string());
    meta.namespace = Some(key.namespace.to_string());
    // The uid is the precondition. An object that the index does not have yet is deleted by its name, which is
    // derived from the Order.
    meta.uid = seen
        .filter(|seen| seen.labels.get(crate::api::names::label::ORDER_UID) == Some(order_uid))
        .map(|seen| seen.uid.to_string());
    match context.writer.delete_object(&object).await {
        // another one was created since
        Err(error) if error.is_conflict() => {
            object.meta_mut().uid = None;
            Ok(context.writer.delete_object(&object).await?)
        }
        other => Ok(other?),
    }
}

/// Removes the challenges' paths from an Ingress of the user. Succeeds if it does not exist.
///
/// # Errors
/// The API server's error.
pub(super) async fn clean(context: &Ports, key: &ObjectKey, paths: &[ChallengePath]) -> Result<(), ControllerError> {
    let remove = |ingress: &Ingress| without_paths(ingress, |found| paths.iter().any(|path| found.is(path)));
    edit(context, key, remove).await.map(drop)
}

/// The result of an edit.
pub(super) enum Edited {
    /// The Ingress is as wanted.
    Done,
    /// The Ingress does not exist.
    Missing,
}

/// Edits an Ingress, and retries after conflicts with other clients.
async fn edit(
    context: &Ports,
    key: &ObjectKey,
    change: impl Fn(&Ingress) -> Option<Ingress>,
) -> Result<Edited, ControllerError> {
    let mut tries = 0;
    loop {
        let Some(ingress) = context.reader.object::<Ingress>(key).await? else {
            return Ok(Edited::Missing);
        };
        let Some(changed) = change(&ingress) else {
            return Ok(Edited::Done);
        };
        tries += 1;
        match context.writer.replace_object(&changed).await {
            Ok(_) => return Ok(Edited::Done),
            Err(error) if error.is_not_found() => return Ok(Edited::Missing),
            Err(error) if error.is_conflict() && tries < EDITS => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// The cache of `IngressClass`es: the controller of each, for a minute.
#[derive(Debug, Default)]
pub(super) struct Classes(Mutex<HashMap<String, (Instant, Option<String>)>>);

impl Classes {
    /// The requirements of the ingress controller behind a solver configuration.
    pub(super) async fn class(&self, context: &Ports, order: &Meta, config: &Http01Ingress) -> &'static Class {
        let given = config.ingress_class_name.clone().or_else(|| config.class.clone());
        let of_edited = || {
            let name = config.name.as_ref()?;
            class_of_ingress(context, &order.key.sibling(name.as_str()))
        };
        let name = given.or_else(of_edited);
        let controller = match &name {
            Some(name) => self.controller(context, name).await,
            None => None,
        };
        class_of(controller.as_deref(), name.as_deref())
    }

    /// `spec.controller` of a class. If classes cannot be read, their names are used instead; the rights of an
    /// installation for one namespace do not include classes.
    async fn controller(&self, context: &Ports, class: &str) -> Option<String> {
        if context.settings.namespace.is_some() {
            return None;
        }
        // the lock is held during the request, so that a hundred Orders cause one request
        let mut known = self.0.lock().await;
        known.retain(|_, (since, _)| since.elapsed() < KNOWN);
        if let Some((_, controller)) = known.get(class) {
            return controller.clone();
        }
        let found = match context.reader.cluster_object::<IngressClass>(class).await {
            Ok(found) => found,
            Err(error) => {
                // not cached: the name is used this time
                tracing::debug!("the controller of the class is not known: {error}");
                return None;
            }
        };
        let controller = found.and_then(|class| class.spec?.controller);
        known.insert(class.to_owned(), (Instant::now(), controller.clone()));
        controller
    }
}

fn class_of_ingress(context: &Ports, key: &ObjectKey) -> Option<String> {
    let ingress = context.index.ingresses.get(key)?;
    let by_annotation = || {
        ingress
            .meta
            .annotations
            .get(annotation::INGRESS_CLASS)
            .map(str::to_owned)
    };
    let by_field = ingress.parse().ok().and_then(|ingress| ingress.spec.ingress_class_name);
    by_field.or_else(by_annotation)
}

/// Whether an admission webhook or policy refused, so that another path type may be accepted. Quotas and rights do not
/// count.
fn is_refusal(error: &cluster::Error) -> bool {
    let message = error.server_message().unwrap_or_default();
    let by_webhook = message.starts_with("admission webhook") && message.contains("denied the request");
    by_webhook || (message.contains("ValidatingAdmissionPolicy") && message.contains("denied request"))
}
