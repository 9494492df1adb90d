//! Live reads: what the index says is old, this is what the server has.

use std::time::Duration;

use k8s_openapi::{apimachinery::pkg::apis::meta::v1::ObjectMeta, serde::de::DeserializeOwned};
use kube::{
    Api, Client, Resource,
    api::GetParams,
    core::{ClusterResourceScope, NamespaceResourceScope, Request},
};
use serde::Deserialize;

use super::{
    error::{Call, Error},
    records::Stored,
    secret::{LiveSecret, ManagedFieldsIn},
    wire::{self, Record},
};
use crate::{
    api::certificate_request::CertificateRequest,
    plan::{
        kinds::RequestKind,
        seen::{ObjectKey, RequestSeen, SecretSeen},
    },
};

/// Every call ends after this time, with or without an answer (DESIGN: shorter than lease duration minus renew deadline).
pub const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// Reads objects from the API server.
#[derive(Clone)]
pub struct Reader {
    client: Client,
}

/// A CertificateRequest with the bytes that are not kept in memory.
#[derive(Debug)]
pub struct LiveRequest {
    /// The record.
    pub seen: RequestSeen,
    /// `spec.request`.
    pub csr_pem: Vec<u8>,
    /// `status.certificate`.
    pub certificate: Option<Vec<u8>>,
    /// `status.ca`.
    pub ca: Option<Vec<u8>>,
}

impl Reader {
    /// A reader over `client`.
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    /// The client itself, for what has no record.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The record of `key`, or `None` if it does not exist.
    pub async fn get<K: Stored>(&self, key: &ObjectKey) -> Result<Option<K::Record>, Error> {
        self.record::<K::Record>(key).await
    }

    async fn text<R: Record>(&self, key: &ObjectKey) -> Result<Option<String>, Error> {
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
    pub async fn secret(&self, key: &ObjectKey) -> Result<Option<LiveSecret>, Error> {
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

    /// The uid of the Secret of this name, and who holds what in it; `None` if it does not exist.
    pub(super) async fn field_managers(&self, key: &ObjectKey) -> Result<Option<(String, ManagedFieldsIn)>, Error> {
        #[derive(Deserialize)]
        struct In {
            metadata: Fields,
        }
        #[derive(Deserialize)]
        struct Fields {
            uid: String,
            #[serde(flatten)]
            managers: ManagedFieldsIn,
        }
        let Some(text) = self.text::<SecretSeen>(key).await? else {
            return Ok(None);
        };
        let text = zeroize::Zeroizing::new(text);
        let Fields { uid, managers } = parse::<In>(&text, "Secret", key)?.metadata;
        Ok(Some((uid, managers)))
    }

    /// The CertificateRequest of this name with its bytes, or `None` if it does not exist.
    pub async fn request(&self, key: &ObjectKey) -> Result<Option<LiveRequest>, Error> {
        let Some(text) = self.text::<<RequestKind as Stored>::Record>(key).await? else {
            return Ok(None);
        };
        let seen: RequestSeen = parse(&text, "CertificateRequest", key)?;
        let full: CertificateRequest = parse(&text, "CertificateRequest", key)?;
        let status = full.status.unwrap_or_default();
        Ok(Some(LiveRequest {
            seen,
            csr_pem: full.spec.request.0,
            certificate: status
                .certificate
                .map(|bytes| bytes.0)
                .filter(|bytes| !bytes.is_empty()),
            ca: status.ca.map(|bytes| bytes.0).filter(|bytes| !bytes.is_empty()),
        }))
    }

    /// A namespaced object of a type of k8s-openapi.
    pub async fn object<K>(&self, key: &ObjectKey) -> Result<Option<K>, Error>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + DeserializeOwned + std::fmt::Debug,
    {
        let call = Call {
            verb: "get",
            kind: K::kind(&()).into_owned(),
            object: key.to_string(),
        };
        let api: Api<K> = Api::namespaced(self.client.clone(), &key.namespace);
        within(call, api.get_opt(&key.name)).await
    }

    /// A cluster-scoped object of a type of k8s-openapi.
    pub async fn cluster_object<K>(&self, name: &str) -> Result<Option<K>, Error>
    where
        K: Resource<DynamicType = (), Scope = ClusterResourceScope> + Clone + DeserializeOwned + std::fmt::Debug,
    {
        let api: Api<K> = Api::all(self.client.clone());
        within(cluster_call::<K>(name), api.get_opt(name)).await
    }

    /// The metadata of a cluster-scoped object, which may be large beyond them.
    pub async fn cluster_metadata<K>(&self, name: &str) -> Result<Option<ObjectMeta>, Error>
    where
        K: Resource<DynamicType = (), Scope = ClusterResourceScope> + Clone + DeserializeOwned + std::fmt::Debug,
    {
        let api: Api<K> = Api::all(self.client.clone());
        let found = within(cluster_call::<K>(name), api.get_metadata_opt(name)).await?;
        Ok(found.map(|found| found.metadata))
    }

    /// All objects of a namespaced type with these labels, in one namespace or in all.
    pub async fn list<K>(&self, namespace: Option<&str>, labels: &str) -> Result<Vec<K>, Error>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + DeserializeOwned + std::fmt::Debug,
    {
        let call = Call {
            verb: "list",
            kind: K::kind(&()).into_owned(),
            object: namespace.unwrap_or("*").to_owned(),
        };
        let api: Api<K> = match namespace {
            Some(namespace) => Api::namespaced(self.client.clone(), namespace),
            None => Api::all(self.client.clone()),
        };
        let parameters = kube::api::ListParams::default().labels(labels);
        within(call, api.list(&parameters)).await.map(|list| list.items)
    }
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

/// Runs a call within [`CALL_TIMEOUT`].
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
