//! Temporary objects of a command that runs once: created, and deleted by name whatever has become of them.

use k8s_openapi::api::networking::v1::{Ingress, IngressClass};
use kube::{
    Api, Resource,
    api::{DeleteParams, ListParams, PostParams},
};

use super::{
    error::{Call, Error},
    objects::Typed,
    reader::{Reader, list_readable, within},
};
use crate::plan::seen::ObjectKey;

impl Reader {
    /// Creates an object, with the rights of a command's caller.
    ///
    /// # Errors
    /// If the API server rejects the call, or cannot be reached.
    pub(crate) async fn create_temporary<K: Typed>(&self, key: &ObjectKey, object: &K) -> Result<(), Error> {
        let api: Api<K> = Api::namespaced(self.client().clone(), &key.namespace);
        let parameters = PostParams::default();
        let created = api.create(&parameters, object);
        within(call::<K>("create", key), created).await.map(drop)
    }

    /// Deletes an object. One that does not exist is no error.
    ///
    /// # Errors
    /// If the API server rejects the call, or cannot be reached.
    pub(crate) async fn delete_temporary<K: Typed>(&self, key: &ObjectKey) -> Result<(), Error> {
        let api: Api<K> = Api::namespaced(self.client().clone(), &key.namespace);
        let parameters = DeleteParams::default();
        match within(call::<K>("delete", key), api.delete(&key.name, &parameters)).await {
            Ok(_) => Ok(()),
            Err(error) if error.is_not_found() => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Names and controllers of all IngressClasses.
    ///
    /// # Errors
    /// If the API server rejects the call, or cannot be reached.
    pub(crate) async fn ingress_classes(&self) -> Result<Vec<(String, String)>, Error> {
        let parameters = ListParams::default();
        let listed = list_readable::<IngressClass>(self.client(), None, &parameters);
        let call = Call {
            verb: "list",
            kind: "IngressClass".to_owned(),
            object: "*".to_owned(),
        };
        let found = within(call, listed).await?;
        let class = |class: IngressClass| {
            let controller = class.spec.and_then(|spec| spec.controller).unwrap_or_default();
            Some((class.metadata.name?, controller))
        };
        Ok(found.into_iter().filter_map(class).collect())
    }

    /// The address that an ingress controller has written into the status of an Ingress; `None` if there is none yet.
    ///
    /// # Errors
    /// If the API server rejects the call, or cannot be reached.
    pub(crate) async fn ingress_address(&self, key: &ObjectKey) -> Result<Option<String>, Error> {
        let found = self.object::<Ingress>(key).await?;
        let balancer = found.and_then(|ingress| ingress.status?.load_balancer);
        let entries = balancer.and_then(|balancer| balancer.ingress).unwrap_or_default();
        Ok(entries.into_iter().find_map(|entry| entry.ip.or(entry.hostname)))
    }
}

fn call<K: Resource<DynamicType = ()>>(verb: &'static str, key: &ObjectKey) -> Call {
    Call {
        verb,
        kind: K::kind(&()).into_owned(),
        object: key.to_string(),
    }
}
