//! Records of observed objects: plain data, small enough to store 10,000 of each kind.

use std::{fmt, sync::Arc};

use jiff::Timestamp;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;

use super::{injection, kinds::Watched, link::Link};
use crate::{
    api::{self, Condition, GoDuration, InvalidField, IssuerRef, condition},
    pki::{
        csr::CsrInfo,
        key::KeyHash,
        summary::PairSummary,
        usage::{Usage, UsageSet},
    },
};

/// Namespace and name of an object; the namespace of a cluster-scoped object is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ObjectKey {
    /// The namespace, empty for a cluster-scoped object.
    pub namespace: Arc<str>,
    /// The name.
    pub name: Arc<str>,
}

impl ObjectKey {
    /// The key of `name` in `namespace`.
    pub fn new(namespace: impl Into<Arc<str>>, name: impl Into<Arc<str>>) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
        }
    }

    /// The key of a cluster-scoped object.
    pub fn cluster(name: impl Into<Arc<str>>) -> Self {
        Self::new("", name)
    }

    /// The key of another object in the same namespace.
    #[must_use]
    pub fn sibling(&self, name: impl Into<Arc<str>>) -> Self {
        Self {
            namespace: Arc::clone(&self.namespace),
            name: name.into(),
        }
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace.is_empty() {
            f.write_str(&self.name)
        } else {
            write!(f, "{}/{}", self.namespace, self.name)
        }
    }
}

/// Labels or annotations, sorted by key, in one allocation per string.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pairs(pub Box<[(Box<str>, Box<str>)]>);

impl Pairs {
    /// The value of `key`.
    pub fn get(&self, key: &str) -> Option<&str> {
        let at = self.0.binary_search_by(|(k, _)| (**k).cmp(key)).ok()?;
        self.0.get(at).map(|(_, v)| &**v)
    }

    /// Whether `key` is present, with any value.
    pub fn contains(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// Every pair, in the order of the keys.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(k, v)| (&**k, &**v))
    }
}

impl<K: Into<Box<str>>, V: Into<Box<str>>> FromIterator<(K, V)> for Pairs {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(iter: I) -> Self {
        let mut pairs: Vec<(Box<str>, Box<str>)> = iter.into_iter().map(|(k, v)| (k.into(), v.into())).collect();
        pairs.sort();
        Self(pairs.into_boxed_slice())
    }
}

/// An owner reference (`metadata.ownerReferences[]`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// The owner's `apiVersion`.
    pub api_version: Box<str>,
    /// The owner's kind.
    pub kind: Box<str>,
    /// The owner's name.
    pub name: Box<str>,
    /// The owner's uid: the only proof that the owner is the one meant.
    pub uid: Box<str>,
    /// Whether the owner is the managing controller.
    pub controller: bool,
}

/// The stored part of `metadata`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meta {
    /// Namespace and name.
    pub key: ObjectKey,
    /// The uid given by the API server.
    pub uid: Box<str>,
    /// The resourceVersion of this observation; writes carry it as their precondition.
    pub resource_version: Box<str>,
    /// `metadata.generation`, 0 for kinds that have none.
    pub generation: i64,
    /// Time of creation.
    pub created: Timestamp,
    /// Time of the deletion request.
    pub deleting: Option<Timestamp>,
    /// All owners.
    pub owners: Box<[Owner]>,
    /// Labels.
    pub labels: Pairs,
    /// Annotations, without `kubectl.kubernetes.io/last-applied-configuration`.
    pub annotations: Pairs,
    /// Finalizers.
    pub finalizers: Box<[Box<str>]>,
}

impl Meta {
    /// The namespace, empty for a cluster-scoped object.
    pub fn namespace(&self) -> &str {
        &self.key.namespace
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.key.name
    }

    /// Whether the object with `uid` is among the owners.
    pub fn owned_by(&self, uid: &str) -> bool {
        self.owners.iter().any(|owner| &*owner.uid == uid)
    }

    /// The managing controller among the owners.
    pub fn controller(&self) -> Option<&Owner> {
        self.owners.iter().find(|owner| owner.controller)
    }

    /// The keys of the owners of kind `K`, in the namespace of this object.
    pub fn owners_of_kind<K: Kind>(&self) -> impl Iterator<Item = ObjectKey> {
        let owners = self.owners.iter().filter(|owner| &*owner.kind == K::KIND);
        owners.map(|owner| self.key.sibling(&*owner.name))
    }

    /// The managing controller, if it is of kind `K`.
    pub fn controller_of_kind<K: Kind>(&self) -> Option<&Owner> {
        self.controller().filter(|owner| &*owner.kind == K::KIND)
    }
}

/// A watched kind: its names, the types of spec and status, and what is kept of an object. All are in the table of
/// [`kinds`](super::kinds).
pub trait Kind: Send + Sync + fmt::Debug + Sized + 'static {
    /// The type of `spec`; `()` if the kind has none.
    type Spec: DeserializeOwned + Serialize + Clone + fmt::Debug + Send + Sync;
    /// The type of `status`; `()` if the kind has none.
    type Status: DeserializeOwned + Serialize + Default + Clone + PartialEq + fmt::Debug + Send + Sync;
    /// What is kept of an object in memory.
    type Record;
    /// API group, for example `cert-manager.io`.
    const GROUP: &'static str;
    /// API version, for example `v1`.
    const VERSION: &'static str;
    /// Kind, for example `Certificate`.
    const KIND: &'static str;
    /// Plural, for example `certificates`.
    const PLURAL: &'static str;
    /// Whether the kind is namespaced.
    const NAMESPACED: bool;
    /// How the kind is watched.
    const WATCHED: Watched;

    /// The metadata of a record.
    fn meta(record: &Self::Record) -> &Meta;

    /// Whether an object concerns certlet. One that does not any more is treated as deleted.
    fn is_relevant(_record: &Self::Record) -> bool {
        true
    }

    /// The links by which a record is found.
    fn links(record: &Self::Record) -> Vec<Link>;
}

/// A stored object: metadata, and spec and status as raw JSON, which is parsed when it is needed.
#[derive(Debug)]
pub struct Lean<K: Kind> {
    /// Metadata.
    pub meta: Meta,
    /// `spec` as received; `{}` if it is missing.
    pub spec: Box<RawValue>,
    /// `status` as received.
    pub status: Option<Box<RawValue>>,
    /// The kind.
    pub kind: std::marker::PhantomData<fn() -> K>,
}

impl<K: Kind> Clone for Lean<K> {
    fn clone(&self) -> Self {
        Self {
            meta: self.meta.clone(),
            spec: self.spec.clone(),
            status: self.status.clone(),
            kind: std::marker::PhantomData,
        }
    }
}

impl<K: Kind> PartialEq for Lean<K> {
    fn eq(&self, other: &Self) -> bool {
        let text = |raw: &Option<Box<RawValue>>| raw.as_deref().map(|raw| raw.get().to_owned());
        self.meta == other.meta && self.spec.get() == other.spec.get() && text(&self.status) == text(&other.status)
    }
}

impl<K: Kind> Lean<K> {
    /// Parses the object.
    ///
    /// # Errors
    /// If `spec` does not match its type. Parts of `status` that cannot be parsed count as missing, because certlet rewrites
    /// them.
    pub fn parse(&self) -> Result<Object<K>, InvalidField> {
        let spec = api::parse(self.spec.get()).map_err(|invalid| invalid.under("spec"))?;
        Ok(Object {
            meta: self.meta.clone(),
            spec,
            status: self.status(),
        })
    }

    /// The parsed status: empty if it is missing, without the parts that cannot be parsed.
    pub fn status(&self) -> K::Status {
        self.status
            .as_deref()
            .map(|raw| api::parse_readable(raw.get()))
            .unwrap_or_default()
    }
}

/// A stored object of which only the metadata is watched, reduced to the annotations that request a CA.
#[derive(Debug)]
pub struct Annotated<K: Kind> {
    /// Metadata.
    pub meta: Meta,
    /// The kind.
    pub kind: std::marker::PhantomData<fn() -> K>,
}

impl<K: Kind> Annotated<K> {
    /// The record of an object with this metadata.
    pub fn new(meta: Meta) -> Self {
        let requests = meta
            .annotations
            .iter()
            .filter(|(key, _)| injection::ANNOTATIONS.contains(key));
        Self {
            meta: Meta {
                annotations: requests.collect(),
                labels: Pairs::default(),
                owners: Box::default(),
                finalizers: Box::default(),
                ..meta
            },
            kind: std::marker::PhantomData,
        }
    }

    /// Whether its annotations name a source, or try to.
    pub fn requests_a_ca(&self) -> bool {
        injection::source_of(&self.meta.annotations).is_some()
    }
}

impl<K: Kind> Clone for Annotated<K> {
    fn clone(&self) -> Self {
        Self {
            meta: self.meta.clone(),
            kind: std::marker::PhantomData,
        }
    }
}

impl<K: Kind> PartialEq for Annotated<K> {
    fn eq(&self, other: &Self) -> bool {
        self.meta == other.meta
    }
}

/// A parsed object, the input of planners.
#[derive(Clone, Debug)]
pub struct Object<K: Kind> {
    /// Metadata.
    pub meta: Meta,
    /// The spec.
    pub spec: K::Spec,
    /// The status.
    pub status: K::Status,
}

/// A stored CertificateRequest: the CSR is reduced to its content, the certificate to digests.
#[derive(Clone, Debug, PartialEq)]
pub struct RequestSeen {
    /// Metadata.
    pub meta: Meta,
    /// `spec.issuerRef`.
    pub issuer_ref: IssuerRef,
    /// `spec.duration`.
    pub duration: Option<GoDuration>,
    /// `spec.isCA`.
    pub is_ca: bool,
    /// `spec.usages` as written.
    pub usages: Box<[Box<str>]>,
    /// Whether it represents a Kubernetes CSR (CSR-05).
    pub of_kubernetes: bool,
    /// `spec.username`: the requester.
    pub username: Option<Box<str>>,
    /// The content of the CSR, or why it cannot be parsed.
    pub csr: Result<Box<CsrInfo>, Box<str>>,
    /// The CSR in PEM, until the request is final.
    pub csr_pem: Option<Box<[u8]>>,
    /// Digests of the certificate in `status.certificate`.
    pub certificate: Option<IssuedDigest>,
    /// Whether `status.ca` is set.
    pub has_ca: bool,
    /// `status.conditions`.
    pub conditions: Box<[Condition]>,
    /// `status.failureTime`.
    pub failure_time: Option<Timestamp>,
}

impl RequestSeen {
    /// The effective usages of this request: a CA gets `cert sign` implicitly (CRT-16), but not in a Kubernetes CSR (CSR-05).
    pub fn usage_set(&self, named: &[Usage]) -> UsageSet {
        UsageSet::new(named, self.is_ca && !self.of_kubernetes)
    }

    /// The condition of this type.
    pub fn condition(&self, kind: &str) -> Option<&Condition> {
        condition::get(&self.conditions, kind)
    }

    /// Whether the condition of this type is `True`.
    pub fn is_true(&self, kind: &str) -> bool {
        condition::is_true(&self.conditions, kind)
    }
}

/// The stored part of an issued certificate, sufficient to recognise it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IssuedDigest {
    /// SHA-256 of the DER of the leaf, or why there is none.
    pub leaf: Result<[u8; 32], Box<str>>,
    /// Public key of the leaf.
    pub key_hash: Option<KeyHash>,
    /// Expiry of the leaf.
    pub not_after: Option<Timestamp>,
}

/// A stored Secret: a summary without key bytes and certificate bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct SecretSeen {
    /// Metadata.
    pub meta: Meta,
    /// `type`.
    pub type_: Box<str>,
    /// Keys of `data`, sorted.
    pub data_keys: Box<[Box<str>]>,
    /// The summary of `tls.key`, `tls.crt` and `ca.crt`.
    pub pair: Box<PairSummary>,
    /// Keys of the additional output formats that do not match `tls.key` and `tls.crt` (CRT-25), sorted.
    pub wrong_formats: Box<[Box<str>]>,
    /// The fields that the field manager `cert-manager-certificates-issuing` owns.
    pub managed: Arc<ManagedKeys>,
    /// SHA-256 of the keys and values of `data`.
    pub digest: [u8; 32],
}

/// The keys that our field manager owns in a Secret (`metadata.managedFields`), each list sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ManagedKeys {
    /// Keys of annotations.
    pub annotations: Box<[Box<str>]>,
    /// Keys of labels.
    pub labels: Box<[Box<str>]>,
    /// Keys of `data`.
    pub data: Box<[Box<str>]>,
    /// Uids of owner references.
    pub owners: Box<[Box<str>]>,
    /// Why `managedFields` cannot be decoded (POL-13, `ManagedFieldsParseError`).
    pub error: Option<Box<str>>,
}

/// When to reconcile an object again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Only after a change.
    OnChange,
    /// At this time at the latest.
    At(Timestamp),
}

impl Next {
    /// The time, if there is one.
    pub fn time(self) -> Option<Timestamp> {
        match self {
            Self::OnChange => None,
            Self::At(time) => Some(time),
        }
    }

    /// The earlier of the two.
    #[must_use]
    pub fn or_at(self, time: Timestamp) -> Self {
        match self {
            Self::OnChange => Self::At(time),
            Self::At(other) => Self::At(other.min(time)),
        }
    }
}
