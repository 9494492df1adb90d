//! Writes of objects that have a type in k8s-openapi: Services, EndpointSlices, Ingresses, Pods, Leases.

use k8s_openapi::serde::{Serialize, de::DeserializeOwned};
use kube::{
    Api, Resource,
    api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions, PropagationPolicy},
    core::NamespaceResourceScope,
};
use serde_json::json;

use super::{
    error::{Call, Error},
    reader::{Reader, within},
    writer::{FIELD_MANAGER, Writer, merge, where_nothing_is},
};

/// A namespaced type of k8s-openapi.
pub trait Typed:
    Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Serialize + DeserializeOwned + std::fmt::Debug
{
}

impl<K> Typed for K where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + Serialize
        + DeserializeOwned
        + std::fmt::Debug
{
}

impl Writer {
    /// Creates an object.
    ///
    /// # Errors
    /// [`Error::is_already_exists`] when the name is taken.
    pub async fn create_object<K: Typed>(&self, object: &K) -> Result<K, Error> {
        let (call, api) = self.typed::<K>("create", object)?;
        let parameters = PostParams {
            field_manager: Some(FIELD_MANAGER.into()),
            ..PostParams::default()
        };
        within(call, api.create(&parameters, object)).await
    }

    /// Server-side apply as `certlet`, taking over fields that others set: over the object that is there now, or where there is none.
    ///
    /// # Errors
    /// [`Error::is_conflict`] when it was changed, made or replaced meanwhile.
    pub async fn apply_object<K: Typed>(&self, reader: &Reader, object: &K) -> Result<K, Error> {
        let (call, api) = self.typed::<K>("apply", object)?;
        let name = object.meta().name.clone().unwrap_or_default();
        let namespace = object.meta().namespace.clone().unwrap_or_default();
        let mut body = serde_json::to_value(object).map_err(|error| Error::Answer {
            call: call.clone(),
            message: error.to_string(),
        })?;
        let found = reader.listed::<K>(&namespace, &name).await?;
        let precondition = found.map_or_else(
            where_nothing_is,
            |found| json!({ "metadata": { "uid": found.uid, "resourceVersion": found.resource_version } }),
        );
        merge(&mut body, precondition);
        let parameters = PatchParams::apply(FIELD_MANAGER).force();
        within(call, api.patch(&name, &parameters, &Patch::Apply(body))).await
    }

    /// Replaces an object; its `metadata.resourceVersion` is the precondition.
    pub async fn replace_object<K: Typed>(&self, object: &K) -> Result<K, Error> {
        let (call, api) = self.typed::<K>("replace", object)?;
        let name = object.meta().name.clone().unwrap_or_default();
        let parameters = PostParams {
            field_manager: Some(FIELD_MANAGER.into()),
            ..PostParams::default()
        };
        within(call, api.replace(&name, &parameters, object)).await
    }

    /// Deletes exactly this object (uid precondition where it has one). It being gone already is success.
    pub async fn delete_object<K: Typed>(&self, object: &K) -> Result<(), Error> {
        let (call, api) = self.typed::<K>("delete", object)?;
        let name = object.meta().name.clone().unwrap_or_default();
        let parameters = DeleteParams {
            preconditions: object.meta().uid.clone().map(|uid| Preconditions {
                uid: Some(uid),
                resource_version: None,
            }),
            propagation_policy: Some(PropagationPolicy::Background),
            ..DeleteParams::default()
        };
        match within(call, api.delete(&name, &parameters)).await {
            Ok(_) => Ok(()),
            Err(error) if error.is_not_found() => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn typed<K: Typed>(&self, verb: &'static str, object: &K) -> Result<(Call, Api<K>), Error> {
        let namespace = object.meta().namespace.clone().unwrap_or_default();
        let name = object.meta().name.as_deref().unwrap_or_default();
        let call = self.allowed(Call {
            verb,
            kind: K::kind(&()).into_owned(),
            object: format!("{namespace}/{name}"),
        })?;
        Ok((call, Api::namespaced(self.client().clone(), &namespace)))
    }
}
