//! Writes: only while this process leads, each with a time-out and a precondition, and seen in the index at once.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::{
    Client,
    api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions, PropagationPolicy},
    core::Request,
};
use serde_json::{Value, json};

use super::{
    error::{Call, Error},
    index::{Index, Observer, Registered},
    reader::within,
    records::Stored,
    secret::SecretApply,
    wire::{self, Record},
};
use crate::{
    api::names,
    plan::{
        merge_patch::difference,
        seen::{Kind, Meta, Object, ObjectKey, Pairs, SecretSeen},
    },
};

/// The name under which the API server records our writes, but for the target Secrets.
pub use names::FIELD_MANAGER;

/// Writes objects to the API server.
#[derive(Clone)]
pub struct Writer {
    client: Client,
    index: Arc<Index>,
    observer: Observer,
    leading: Arc<AtomicBool>,
}

/// An object that is to be created.
#[derive(Clone, Debug)]
pub struct NewObject<K: Kind> {
    /// Namespace and name.
    pub key: ObjectKey,
    /// Labels.
    pub labels: Pairs,
    /// Annotations.
    pub annotations: Pairs,
    /// Owners.
    pub owners: Vec<OwnerReference>,
    /// Finalizers.
    pub finalizers: Vec<String>,
    /// What is asked for.
    pub spec: K::Spec,
}

impl Writer {
    /// A writer that writes while `leading` is true.
    pub fn new(client: Client, index: Arc<Index>, observer: Observer, leading: Arc<AtomicBool>) -> Self {
        Self {
            client,
            index,
            observer,
            leading,
        }
    }

    /// Whether this process may write.
    pub fn leads(&self) -> bool {
        self.leading.load(Ordering::Acquire)
    }

    /// Creates an object.
    ///
    /// # Errors
    /// [`Error::is_already_exists`] when the name is taken.
    pub async fn create<K: Stored>(&self, new: &NewObject<K>) -> Result<Arc<K::Record>, Error> {
        let call = self.call::<K::Record>("create", &new.key)?;
        let body = json!({
            "apiVersion": format!("{}/{}", K::GROUP, K::VERSION),
            "kind": K::KIND,
            "metadata": metadata(&new.key, &new.labels, &new.annotations, &new.owners, &new.finalizers),
            "spec": new.spec,
        });
        let parameters = PostParams {
            field_manager: Some(FIELD_MANAGER.into()),
            ..PostParams::default()
        };
        let request =
            Request::new(wire::url::<K::Record>(&new.key.namespace)).create(&parameters, body.to_string().into_bytes());
        self.send(call, request).await
    }

    /// Writes what differs between the status that was seen and `status`; nothing, and `None`, when nothing does.
    /// Fields of the status that we do not know stay as they are.
    pub async fn write_status<K: Stored>(
        &self,
        seen: &Object<K>,
        status: &K::Status,
    ) -> Result<Option<Arc<K::Record>>, Error> {
        // the most frequent case by far
        if seen.status == *status {
            return Ok(None);
        }
        let unreadable = |error: serde_json::Error| Error::Answer {
            call: Call {
                verb: "update status of",
                kind: K::KIND.into(),
                object: seen.meta.key.to_string(),
            },
            message: error.to_string(),
        };
        let old = serde_json::to_value(&seen.status).map_err(unreadable)?;
        let new = serde_json::to_value(status).map_err(unreadable)?;
        match difference(&old, &new) {
            None => Ok(None),
            Some(patch) => self.patch_status::<K>(&seen.meta, patch).await.map(Some),
        }
    }

    /// Merge patch of `status`, only if the object is still as it was seen.
    pub async fn patch_status<K: Stored>(&self, meta: &Meta, status: Value) -> Result<Arc<K::Record>, Error> {
        let call = self.call::<K::Record>("update status of", &meta.key)?;
        let patch = json!({ "metadata": precondition(meta), "status": status });
        let request = Request::new(wire::url::<K::Record>(&meta.key.namespace)).patch_subresource(
            "status",
            meta.name(),
            &PatchParams {
                field_manager: Some(FIELD_MANAGER.into()),
                ..PatchParams::default()
            },
            &Patch::Merge(patch),
        );
        self.send(call, request).await
    }

    /// Merge patch of metadata and spec, only if the object is still as it was seen.
    pub async fn patch<K: Stored>(&self, meta: &Meta, mut patch: Value) -> Result<Arc<K::Record>, Error> {
        let call = self.call::<K::Record>("update", &meta.key)?;
        merge(&mut patch, json!({ "metadata": precondition(meta) }));
        let parameters = PatchParams {
            field_manager: Some(FIELD_MANAGER.into()),
            ..PatchParams::default()
        };
        let request = Request::new(wire::url::<K::Record>(&meta.key.namespace)).patch(
            meta.name(),
            &parameters,
            &Patch::Merge(patch),
        );
        self.send(call, request).await
    }

    /// Deletes exactly the object that was seen. It being gone already is success.
    pub async fn delete<K: Stored>(&self, meta: &Meta) -> Result<(), Error> {
        self.delete_record::<K::Record>(meta).await
    }

    /// Deletes exactly the Secret that was seen. It being gone already is success.
    pub async fn delete_secret(&self, meta: &Meta) -> Result<(), Error> {
        self.delete_record::<SecretSeen>(meta).await
    }

    async fn delete_record<R: Registered>(&self, meta: &Meta) -> Result<(), Error> {
        let call = self.call::<R>("delete", &meta.key)?;
        let parameters = DeleteParams {
            preconditions: Some(Preconditions {
                uid: Some(meta.uid.to_string()),
                resource_version: Some(meta.resource_version.to_string()),
            }),
            propagation_policy: Some(PropagationPolicy::Background),
            ..DeleteParams::default()
        };
        let request = Request::new(wire::url::<R>(&meta.key.namespace)).delete(meta.name(), &parameters);
        let request = request.map_err(|error| unbuildable(&call, &error))?;
        match within(call, self.client.request_text(request)).await {
            Ok(_) => {}
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(error),
        }
        // an object with finalizers is still there: the watch will say so
        if meta.finalizers.is_empty()
            && let Some(old) = R::store(&self.index).remove(&meta.key, &meta.uid, &meta.resource_version)
        {
            (self.observer)(R::change(Some(old), None));
        }
        Ok(())
    }

    /// Server-side apply of a target Secret as `cert-manager-certificates-issuing` (LIF-04): over the one that this was planned from, or
    /// where there is none.
    ///
    /// # Errors
    /// [`Error::is_conflict`] when another Secret is there by now.
    pub async fn apply_secret(&self, secret: &SecretApply) -> Result<Arc<SecretSeen>, Error> {
        let call = self.call::<SecretSeen>("apply", &secret.key)?;
        let parameters = PatchParams::apply(names::SECRETS_FIELD_MANAGER).force();
        let url = wire::url::<SecretSeen>(&secret.key.namespace);
        let mut body = secret.body();
        if secret.uid.is_none() {
            merge(&mut body, where_nothing_is());
        }
        let request = Request::new(url).patch(&secret.key.name, &parameters, &Patch::Apply(body));
        self.send(call, request).await
    }

    /// Strategic merge patch of a Secret, which names its uid.
    pub(super) async fn patch_secret(&self, key: &ObjectKey, patch: Value) -> Result<(), Error> {
        let call = self.call::<SecretSeen>("update", key)?;
        let parameters = PatchParams {
            field_manager: Some(names::SECRETS_FIELD_MANAGER.into()),
            ..PatchParams::default()
        };
        let url = wire::url::<SecretSeen>(&key.namespace);
        let request = Request::new(url).patch(&key.name, &parameters, &Patch::Strategic(patch));
        self.send::<SecretSeen>(call, request).await.map(drop)
    }

    /// Creates a Secret.
    ///
    /// # Errors
    /// [`Error::is_already_exists`] when the name is taken.
    pub async fn create_secret(&self, secret: &SecretApply) -> Result<Arc<SecretSeen>, Error> {
        let call = self.call::<SecretSeen>("create", &secret.key)?;
        let parameters = PostParams {
            field_manager: Some(FIELD_MANAGER.into()),
            ..PostParams::default()
        };
        let body = zeroize::Zeroizing::new(secret.body().to_string());
        let request =
            Request::new(wire::url::<SecretSeen>(&secret.key.namespace)).create(&parameters, body.as_bytes().to_vec());
        self.send(call, request).await
    }

    pub(super) fn call<R: Record>(&self, verb: &'static str, key: &ObjectKey) -> Result<Call, Error> {
        self.allowed(Call {
            verb,
            kind: R::KIND.to_owned(),
            object: key.to_string(),
        })
    }

    /// The call, if this process leads.
    pub(super) fn allowed(&self, call: Call) -> Result<Call, Error> {
        if self.leads() {
            Ok(call)
        } else {
            Err(Error::NotLeader(call))
        }
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    async fn send<R: Registered>(
        &self,
        call: Call,
        request: Result<http::Request<Vec<u8>>, kube::core::request::Error>,
    ) -> Result<Arc<R>, Error> {
        let request = request.map_err(|error| unbuildable(&call, &error))?;
        let text = within(call.clone(), self.client.request_text(request)).await?;
        let text = zeroize::Zeroizing::new(text);
        let record: R = serde_json::from_str(&text).map_err(|error| Error::Answer {
            call,
            message: error.to_string(),
        })?;
        let record = Arc::new(record);
        if let Some(old) = R::store(&self.index).apply(&record) {
            (self.observer)(R::change(old, Some(Arc::clone(&record))));
        }
        Ok(record)
    }
}

fn unbuildable(call: &Call, error: &kube::core::request::Error) -> Error {
    Error::Answer {
        call: call.clone(),
        message: error.to_string(),
    }
}

/// The precondition of an apply that may create, but not change what came meanwhile: a resourceVersion that no object has. A server that
/// finds nothing makes the object, and does not look at it; a POST would make its fields those of an update, which an apply does not take
/// away again.
pub(super) fn where_nothing_is() -> Value {
    json!({ "metadata": { "resourceVersion": i64::MAX.to_string() } })
}

fn precondition(meta: &Meta) -> Value {
    json!({ "uid": meta.uid, "resourceVersion": meta.resource_version })
}

fn metadata(
    key: &ObjectKey,
    labels: &Pairs,
    annotations: &Pairs,
    owners: &[OwnerReference],
    finalizers: &[String],
) -> Value {
    let map = |pairs: &Pairs| {
        pairs
            .iter()
            .map(|(k, v)| (k.to_owned(), v.into()))
            .collect::<serde_json::Map<_, Value>>()
    };
    let mut metadata = json!({ "name": key.name });
    let mut put = |name: &str, value: Value, empty: bool| {
        if !empty {
            merge(&mut metadata, json!({ name: value }));
        }
    };
    put("namespace", (*key.namespace).into(), key.namespace.is_empty());
    put("labels", map(labels).into(), labels.0.is_empty());
    put("annotations", map(annotations).into(), annotations.0.is_empty());
    put("ownerReferences", json!(owners), owners.is_empty());
    put("finalizers", json!(finalizers), finalizers.is_empty());
    metadata
}

pub(super) fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from,
    }
}
