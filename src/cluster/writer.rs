//! Writes: only while this process leads, each with a time-out and a precondition, and seen in the index at once.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::{
    Client,
    api::{Patch, PatchParams, Preconditions},
};
use serde_json::{Value, json};

use super::{
    error::{Call, Error},
    index::{Index, Observer, Registered, Stored},
    secret::SecretApply,
    wire,
    write::{Target, patch_by},
};
use crate::{
    api::names,
    plan::{
        merge_patch::difference,
        seen::{Kind, Meta, Object, ObjectKey, Pairs, SecretSeen},
    },
};

/// The name under which the API server records our writes, but for the target Secrets.
pub(crate) use names::FIELD_MANAGER;

/// Writes objects to the API server.
#[derive(Clone)]
pub(crate) struct Writer {
    client: Client,
    index: Arc<Index>,
    observer: Observer,
    leading: Arc<AtomicBool>,
}

/// An object that is to be created.
#[derive(Clone, Debug)]
pub(crate) struct NewObject<K: Kind> {
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
    pub(crate) fn new(client: Client, index: Arc<Index>, observer: Observer, leading: Arc<AtomicBool>) -> Self {
        Self {
            client,
            index,
            observer,
            leading,
        }
    }

    /// Whether this process may write.
    pub(crate) fn leads(&self) -> bool {
        self.leading.load(Ordering::Acquire)
    }

    /// Creates an object.
    ///
    /// # Errors
    /// [`Error::is_already_exists`] when the name is taken.
    pub(crate) async fn create<K: Stored>(&self, new: &NewObject<K>) -> Result<Arc<K::Record>, Error> {
        let target = self.record::<K::Record>("create", &new.key)?;
        let body = json!({
            "apiVersion": format!("{}/{}", K::GROUP, K::VERSION),
            "kind": K::KIND,
            "metadata": metadata(&new.key, &new.labels, &new.annotations, &new.owners, &new.finalizers),
            "spec": new.spec,
        });
        let answer = self.post(&target, body.to_string().into_bytes()).await?;
        self.written(&target, &answer)
    }

    /// Writes what differs between the status that was seen and `status`; nothing, and `None`, when nothing does.
    /// Fields of the status that we do not know stay as they are.
    pub(crate) async fn write_status<K: Stored>(
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
    pub(crate) async fn patch_status<K: Stored>(&self, meta: &Meta, status: Value) -> Result<Arc<K::Record>, Error> {
        let target = self.record::<K::Record>("update status of", &meta.key)?;
        let patch = json!({ "metadata": precondition(meta), "status": status });
        let answer = self.change_status(&target, &Patch::Merge(patch)).await?;
        self.written(&target, &answer)
    }

    /// Merge patch of metadata and spec, only if the object is still as it was seen.
    pub(crate) async fn patch<K: Stored>(&self, meta: &Meta, mut patch: Value) -> Result<Arc<K::Record>, Error> {
        let target = self.record::<K::Record>("update", &meta.key)?;
        merge(&mut patch, json!({ "metadata": precondition(meta) }));
        let answer = self
            .change(&target, &patch_by(FIELD_MANAGER), &Patch::Merge(patch))
            .await?;
        self.written(&target, &answer)
    }

    /// Deletes exactly the object that was seen. It being gone already is success.
    pub(crate) async fn delete<K: Stored>(&self, meta: &Meta) -> Result<(), Error> {
        self.delete_record::<K::Record>(meta).await
    }

    /// Deletes exactly the Secret that was seen. It being gone already is success.
    pub(crate) async fn delete_secret(&self, meta: &Meta) -> Result<(), Error> {
        self.delete_record::<SecretSeen>(meta).await
    }

    async fn delete_record<R: Registered>(&self, meta: &Meta) -> Result<(), Error> {
        let target = self.record::<R>("delete", &meta.key)?;
        let only = Preconditions {
            uid: Some(meta.uid.to_string()),
            resource_version: Some(meta.resource_version.to_string()),
        };
        self.remove(&target, Some(only)).await?;
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
    pub(crate) async fn apply_secret(&self, secret: &SecretApply) -> Result<Arc<SecretSeen>, Error> {
        self.apply_secret_as(names::SECRETS_FIELD_MANAGER, secret).await
    }

    /// The same of a copy of a Secret, as the field manager of copies.
    ///
    /// # Errors
    /// [`Error::is_conflict`] when another Secret is there by now.
    pub(crate) async fn apply_copy(&self, secret: &SecretApply) -> Result<Arc<SecretSeen>, Error> {
        self.apply_secret_as(names::COPIES_FIELD_MANAGER, secret).await
    }

    async fn apply_secret_as(&self, manager: &str, secret: &SecretApply) -> Result<Arc<SecretSeen>, Error> {
        let target = self.record::<SecretSeen>("apply", &secret.key)?;
        let parameters = PatchParams::apply(manager).force();
        let mut body = secret.body();
        if secret.uid.is_none() {
            merge(&mut body, where_nothing_is());
        }
        let answer = self.change(&target, &parameters, &Patch::Apply(body)).await?;
        self.written(&target, &answer)
    }

    /// Strategic merge patch of a Secret, which names its uid.
    pub(super) async fn patch_secret(&self, key: &ObjectKey, patch: Value) -> Result<(), Error> {
        let target = self.record::<SecretSeen>("update", key)?;
        let parameters = patch_by(names::SECRETS_FIELD_MANAGER);
        let answer = self.change(&target, &parameters, &Patch::Strategic(patch)).await?;
        self.written::<SecretSeen>(&target, &answer).map(drop)
    }

    /// Creates a Secret.
    ///
    /// # Errors
    /// [`Error::is_already_exists`] when the name is taken.
    pub(crate) async fn create_secret(&self, secret: &SecretApply) -> Result<Arc<SecretSeen>, Error> {
        let target = self.record::<SecretSeen>("create", &secret.key)?;
        let body = zeroize::Zeroizing::new(secret.body().to_string());
        let answer = self.post(&target, body.as_bytes().to_vec()).await?;
        self.written(&target, &answer)
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    pub(super) fn record<R: Registered>(&self, verb: &'static str, key: &ObjectKey) -> Result<Target, Error> {
        self.target(verb, R::KIND, wire::url::<R>(&key.namespace), key)
    }

    /// Puts what the API server answered into the index, so that the next plan sees it.
    pub(super) fn written<R: Registered>(&self, target: &Target, answer: &str) -> Result<Arc<R>, Error> {
        let record = Arc::new(target.parse::<R>(answer)?);
        if let Some(old) = R::store(&self.index).apply(&record) {
            (self.observer)(R::change(old, Some(Arc::clone(&record))));
        }
        Ok(record)
    }
}

/// The precondition of an apply that may create, but not change what came meanwhile: a resourceVersion that no object has. A server that
/// finds nothing makes the object, and does not look at it; a POST would make its fields those of an update, which an apply does not take
/// away again.
pub(super) fn where_nothing_is() -> Value {
    json!({ "metadata": { "resourceVersion": i64::MAX.to_string() } })
}

pub(super) fn precondition(meta: &Meta) -> Value {
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
