//! Writes of objects that have a type in k8s-openapi: Services, EndpointSlices, Ingresses, Pods, Leases.

use k8s_openapi::{apimachinery::pkg::apis::meta::v1::ObjectMeta, serde::Serialize};
use kube::api::{Patch, PatchParams, Preconditions};
use serde_json::json;

use super::{
    error::Error,
    reader::Reader,
    scope::Namespaced,
    write::Target,
    writer::{FIELD_MANAGER, Writer, merge, where_nothing_is},
};
use crate::plan::seen::ObjectKey;

/// A namespaced type that is read and written.
pub(crate) trait Typed: Namespaced + Serialize {}

impl<K> Typed for K where K: Namespaced + Serialize {}

impl Writer {
    /// Creates an object.
    ///
    /// # Errors
    /// [`Error::is_already_exists`] when the name is taken.
    pub(crate) async fn create_object<K: Typed>(&self, object: &K) -> Result<K, Error> {
        let target = self.object("create", object)?;
        let body = serde_json::to_vec(object).map_err(|error| target.unreadable(&error))?;
        let answer = self.post(&target, body).await?;
        target.parse(&answer)
    }

    /// Server-side apply as `certlet`, taking over fields that others set: over the object that is there now, or where there is none.
    ///
    /// # Errors
    /// [`Error::is_conflict`] when it was changed, made or replaced meanwhile.
    pub(crate) async fn apply_object<K: Typed>(&self, reader: &Reader, object: &K) -> Result<K, Error> {
        let target = self.object("apply", object)?;
        let mut body = serde_json::to_value(object).map_err(|error| target.unreadable(&error))?;
        let ObjectKey { namespace, name } = key(object);
        let found = reader.listed::<K>(&namespace, &name).await?;
        let precondition = found.map_or_else(
            where_nothing_is,
            |found| json!({ "metadata": { "uid": found.uid, "resourceVersion": found.resource_version } }),
        );
        merge(&mut body, precondition);
        let parameters = PatchParams::apply(FIELD_MANAGER).force();
        let answer = self.change(&target, &parameters, &Patch::Apply(body)).await?;
        target.parse(&answer)
    }

    /// Replaces an object; its `metadata.resourceVersion` is the precondition.
    pub(crate) async fn replace_object<K: Typed>(&self, object: &K) -> Result<K, Error> {
        let target = self.object("replace", object)?;
        let body = serde_json::to_vec(object).map_err(|error| target.unreadable(&error))?;
        let answer = self.put(&target, body).await?;
        target.parse(&answer)
    }

    /// Deletes exactly this object (uid precondition where it has one). It being gone already is success.
    pub(crate) async fn delete_object<K: Typed>(&self, object: &K) -> Result<(), Error> {
        let target = self.object("delete", object)?;
        let only = object.meta().uid.clone().map(|uid| Preconditions {
            uid: Some(uid),
            resource_version: None,
        });
        self.remove(&target, only).await
    }

    fn object<K: Typed>(&self, verb: &'static str, object: &K) -> Result<Target, Error> {
        let key = key(object);
        let url = K::url_path(&(), Some(&key.namespace));
        self.target(verb, &K::kind(&()), url, &key)
    }
}

fn key(object: &impl Typed) -> ObjectKey {
    let ObjectMeta { namespace, name, .. } = object.meta();
    ObjectKey::new(
        namespace.as_deref().unwrap_or_default(),
        name.as_deref().unwrap_or_default(),
    )
}
