//! Live reads from the API server, for decisions that must not depend on the index.

use std::time::Duration;

use k8s_openapi::{apimachinery::pkg::apis::meta::v1::ObjectMeta, serde::de::DeserializeOwned};
use kube::{
    Api, Client, Resource,
    api::{GetParams, ListParams},
    core::Request,
};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    error::{Call, Error},
    index::Stored,
    request::LiveRequest,
    scope::{ClusterScoped, Namespaced},
    secret::{LiveSecret, ManagedFieldsIn},
    wire::{self, Record},
};
use crate::plan::seen::{ObjectKey, RequestSeen, SecretSeen};

/// Time limit of every call. It is shorter than lease duration minus renew deadline.
pub(crate) const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// Reads objects from the API server.
#[derive(Clone)]
pub(crate) struct Reader {
    client: Client,
}

impl Reader {
    /// A reader over `client`.
    pub(crate) fn new(client: Client) -> Self {
        Self { client }
    }

    /// The client, for objects without a record.
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// The record of `key`, or `None` if it does not exist.
    ///
    /// # Errors
    /// If the API server rejects the call, or cannot be reached.
    pub(crate) async fn get<K: Stored>(&self, key: &ObjectKey) -> Result<Option<K::Record>, Error> {
        self.record::<K::Record>(key).await
    }

    pub(super) async fn text<R: Record>(&self, key: &ObjectKey) -> Result<Option<String>, Error> {
        let call = Call {
            verb: "get",
            kind: R::KIND.to_owned(),
            object: key.to_string(),
        };
        let request = Request::new(wire::url::<R>(&key.namespace))
            .get(&key.name, &GetParams::default())
            .map_err(|error| Error::Answer {
                call: call.clone(),
                message: error.to_string(),
            })?;
        match within(call, self.client.request_text(request)).await {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn record<R: Record>(&self, key: &ObjectKey) -> Result<Option<R>, Error> {
        let Some(text) = self.text::<R>(key).await? else {
            return Ok(None);
        };
        parse(&text, R::KIND, key).map(Some)
    }

    /// The Secret of this name with its data, or `None` if it does not exist.
    ///
    /// # Errors
    /// If the API server rejects the call, or cannot be reached.
    pub(crate) async fn secret(&self, key: &ObjectKey) -> Result<Option<LiveSecret>, Error> {
        let Some(text) = self.text::<SecretSeen>(key).await? else {
            return Ok(None);
        };
        let text = zeroize::Zeroizing::new(text);
        LiveSecret::parse(&text).map(Some).map_err(|message| Error::Answer {
            call: Call {
                verb: "get",
                kind: "Secret".into(),
                object: key.to_string(),
            },
            message,
        })
    }

    /// The uid of this Secret and its field managers, or `None` if it does not exist.
    pub(super) async fn field_managers(&self, key: &ObjectKey) -> Result<Option<(String, ManagedFieldsIn)>, Error> {
        #[derive(Deserialize)]
        struct In {
            metadata: Box<RawValue>,
        }
        #[derive(Deserialize)]
        struct Uid {
            uid: String,
        }
        let Some(text) = self.text::<SecretSeen>(key).await? else {
            return Ok(None);
        };
        let text = zeroize::Zeroizing::new(text);
        let In { metadata } = parse(&text, "Secret", key)?;
        let Uid { uid } = parse(metadata.get(), "Secret", key)?;
        Ok(Some((uid, parse(metadata.get(), "Secret", key)?)))
    }

    /// The CertificateRequest of this name with its CSR and certificate, or `None` if it does not exist.
    ///
    /// # Errors
    /// If the API server rejects the call, or cannot be reached.
    pub(crate) async fn request(&self, key: &ObjectKey) -> Result<Option<LiveRequest>, Error> {
        let Some(text) = self.text::<RequestSeen>(key).await? else {
            return Ok(None);
        };
        parse(&text, "CertificateRequest", key).map(Some)
    }

    /// A namespaced object of a type of k8s-openapi, or `None` if it does not exist.
    ///
    /// # Errors
    /// If the API server rejects the call, or cannot be reached.
    pub(crate) async fn object<K: Namespaced>(&self, key: &ObjectKey) -> Result<Option<K>, Error> {
        let call = Call {
            verb: "get",
            kind: K::kind(&()).into_owned(),
            object: key.to_string(),
        };
        let api: Api<K> = Api::namespaced(self.client.clone(), &key.namespace);
        within(call, api.get_opt(&key.name)).await
    }

    /// A cluster-scoped object of a type of k8s-openapi, or `None` if it does not exist.
    ///
    /// # Errors
    /// If the API server rejects the call, or cannot be reached.
    pub(crate) async fn cluster_object<K: ClusterScoped>(&self, name: &str) -> Result<Option<K>, Error> {
        let api: Api<K> = Api::all(self.client.clone());
        within(cluster_call::<K>(name), api.get_opt(name)).await
    }

    /// The metadata of a cluster-scoped object whose content may be large, or `None` if it does not exist.
    ///
    /// # Errors
    /// If the API server rejects the call, or cannot be reached.
    pub(crate) async fn cluster_metadata<K: ClusterScoped>(&self, name: &str) -> Result<Option<ObjectMeta>, Error> {
        let api: Api<K> = Api::all(self.client.clone());
        let found = within(cluster_call::<K>(name), api.get_metadata_opt(name)).await?;
        Ok(found.map(|found| found.metadata))
    }

    /// The metadata of an object whose type may be listed but not read, or `None` if it does not exist.
    ///
    /// # Errors
    /// If the API server rejects the call, or cannot be reached.
    pub(crate) async fn listed<K: Namespaced>(&self, namespace: &str, name: &str) -> Result<Option<ObjectMeta>, Error> {
        let call = Call {
            verb: "list",
            kind: K::kind(&()).into_owned(),
            object: format!("{namespace}/{name}"),
        };
        let api: Api<K> = Api::namespaced(self.client.clone(), namespace);
        let parameters = ListParams::default().fields(&format!("metadata.name={name}"));
        let found = within(call, api.list_metadata(&parameters)).await?;
        Ok(found.items.into_iter().next().map(|found| found.metadata))
    }

    /// All objects of a namespaced type with these labels, in one namespace or in all. Objects that cannot be decoded are
    /// skipped, so that they do not hide the others.
    ///
    /// # Errors
    /// If the API server rejects the call, or cannot be reached.
    pub(crate) async fn list<K: Namespaced>(&self, namespace: Option<&str>, labels: &str) -> Result<Vec<K>, Error> {
        let call = Call {
            verb: "list",
            kind: K::kind(&()).into_owned(),
            object: namespace.unwrap_or("*").to_owned(),
        };
        let parameters = ListParams::default().labels(labels);
        within(call, list_readable(&self.client, namespace, &parameters)).await
    }
}

/// All objects of a type, in one namespace or in all. Objects that cannot be decoded are skipped and logged.
///
/// # Errors
/// If the API server rejects the list, or cannot be reached.
pub(crate) async fn list_readable<K>(
    client: &Client,
    namespace: Option<&str>,
    parameters: &ListParams,
) -> Result<Vec<K>, kube::Error>
where
    K: Resource<DynamicType = ()> + DeserializeOwned,
{
    let request = Request::new(K::url_path(&(), namespace)).list(parameters);
    let text = client.request_text(request.map_err(kube::Error::BuildRequest)?).await?;
    readable(&text).map_err(kube::Error::SerdeError)
}

/// The items of a list that can be decoded. `managedFields` are skipped, because users may write unparsable times into them.
fn readable<K: Resource<DynamicType = ()> + DeserializeOwned>(list: &str) -> Result<Vec<K>, serde_json::Error> {
    #[derive(Deserialize)]
    struct List {
        #[serde(default)]
        items: Option<Vec<Box<RawValue>>>,
    }
    let List { items } = serde_json::from_str(list)?;
    let read = |item: Box<RawValue>| {
        let read = without_managers(item.get()).and_then(serde_json::from_value::<K>);
        read.inspect_err(|error| tracing::warn!("an object of kind {} cannot be decoded: {error}", K::kind(&())))
            .ok()
    };
    Ok(items.unwrap_or_default().into_iter().filter_map(read).collect())
}

fn without_managers(json: &str) -> Result<serde_json::Value, serde_json::Error> {
    let mut value: serde_json::Value = serde_json::from_str(json)?;
    if let Some(metadata) = value.get_mut("metadata").and_then(serde_json::Value::as_object_mut) {
        metadata.remove("managedFields");
    }
    Ok(value)
}

fn cluster_call<K: Resource<DynamicType = ()>>(name: &str) -> Call {
    Call {
        verb: "get",
        kind: K::kind(&()).into_owned(),
        object: name.to_owned(),
    }
}

fn parse<T: DeserializeOwned>(text: &str, kind: &str, key: &ObjectKey) -> Result<T, Error> {
    serde_json::from_str(text).map_err(|error| Error::Answer {
        call: Call {
            verb: "get",
            kind: kind.to_owned(),
            object: key.to_string(),
        },
        message: error.to_string(),
    })
}

/// Runs a call with the time limit [`CALL_TIMEOUT`].
pub(super) async fn within<T>(call: Call, future: impl Future<Output = Result<T, kube::Error>>) -> Result<T, Error> {
    match tokio::time::timeout(CALL_TIMEOUT, future).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(source)) => Err(Error::Api {
            call,
            source: Box::new(source),
        }),
        Err(_) => Err(Error::Timeout {
            call,
            after: CALL_TIMEOUT,
        }),
    }
}
