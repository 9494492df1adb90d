//! Decoding of objects from the API server directly into records.

use std::{borrow::Cow, collections::BTreeMap, fmt, marker::PhantomData, str::FromStr, sync::Arc};

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use super::packed::Pack;
use crate::{
    api::{parse, parse_readable},
    plan::{
        link::Link,
        namespace::NamespaceSeen,
        seen::{Annotated, Kind, Lean, Meta, ObjectKey, Owner, Pairs},
    },
};

/// The annotation of `kubectl apply`. It is as large as the object and never read.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// `metadata` with the fields that are read. `managedFields` are skipped, because users may write unparsable times into them; the
/// API server has validated the other fields.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct MetaIn {
    name: Arc<str>,
    #[serde(default)]
    namespace: Option<Arc<str>>,
    #[serde(default)]
    uid: Box<str>,
    #[serde(default)]
    resource_version: Box<str>,
    #[serde(default)]
    generation: i64,
    #[serde(default)]
    creation_timestamp: Option<Readable<Timestamp>>,
    #[serde(default)]
    deletion_timestamp: Option<Readable<Timestamp>>,
    #[serde(default)]
    owner_references: Option<Vec<OwnerIn>>,
    #[serde(default)]
    labels: Option<BTreeMap<Box<str>, Box<str>>>,
    #[serde(default)]
    annotations: Option<BTreeMap<Box<str>, Box<str>>>,
    #[serde(default)]
    finalizers: Option<Vec<Box<str>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OwnerIn {
    api_version: Box<str>,
    kind: Box<str>,
    name: Box<str>,
    uid: Box<str>,
    #[serde(default)]
    controller: Option<bool>,
}

/// A timestamp, if it can be parsed. Go also writes years before 0 and after 9999.
struct Readable<T>(Option<T>);

impl<'de, T: FromStr> Deserialize<'de> for Readable<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Cow::<'de, str>::deserialize(deserializer).map(|text| Self(text.parse().ok()))
    }
}

impl From<MetaIn> for Meta {
    fn from(from: MetaIn) -> Self {
        let owners = from
            .owner_references
            .unwrap_or_default()
            .into_iter()
            .map(|owner| Owner {
                api_version: owner.api_version,
                kind: owner.kind,
                name: owner.name,
                uid: owner.uid,
                controller: owner.controller.unwrap_or(false),
            });
        let mut annotations = from.annotations.unwrap_or_default();
        annotations.remove(LAST_APPLIED);
        Self {
            key: ObjectKey {
                namespace: from.namespace.unwrap_or_else(|| Arc::from("")),
                name: from.name,
            },
            uid: from.uid,
            resource_version: from.resource_version,
            generation: from.generation,
            created: from
                .creation_timestamp
                .and_then(|time| time.0)
                .unwrap_or(Timestamp::UNIX_EPOCH),
            deleting: from
                .deletion_timestamp
                .map(|time| time.0.unwrap_or(Timestamp::UNIX_EPOCH)),
            owners: owners.collect(),
            labels: from.labels.unwrap_or_default().into_iter().collect::<Pairs>(),
            annotations: annotations.into_iter().collect::<Pairs>(),
            finalizers: from.finalizers.unwrap_or_default().into(),
        }
    }
}

/// An object with `spec` and `status` as raw JSON.
#[derive(Deserialize)]
pub(super) struct ObjectIn {
    pub(super) metadata: MetaIn,
    #[serde(default)]
    pub(super) spec: Option<Box<RawValue>>,
    #[serde(default)]
    pub(super) status: Option<Box<RawValue>>,
}

impl ObjectIn {
    /// The decodable part of `spec`, and the error for the rest.
    pub(super) fn readable_spec<T: DeserializeOwned + Default>(&self) -> (T, Option<Box<str>>) {
        let json = self.spec.as_deref().map_or("{}", RawValue::get);
        match parse::<T>(json) {
            Ok(spec) => (spec, None),
            Err(invalid) => (parse_readable(json), Some(invalid.under("spec").to_string().into())),
        }
    }

    /// The decodable part of `status`.
    pub(super) fn readable_status<T: DeserializeOwned + Default>(&self) -> T {
        self.status
            .as_deref()
            .map(|raw| parse_readable(raw.get()))
            .unwrap_or_default()
    }
}

impl<'de, K: Kind> Deserialize<'de> for Lean<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let ObjectIn { metadata, spec, status } = ObjectIn::deserialize(deserializer)?;
        let spec = match spec {
            Some(spec) => spec,
            None => RawValue::from_string("{}".to_owned()).map_err(serde::de::Error::custom)?,
        };
        Ok(Self {
            meta: metadata.into(),
            spec,
            status,
            kind: PhantomData,
        })
    }
}

/// An object of which only the metadata is read: also a complete one, as a live read has it.
#[derive(Deserialize)]
struct MetadataIn {
    metadata: MetaIn,
}

impl<'de, K: Kind> Deserialize<'de> for Annotated<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        MetadataIn::deserialize(deserializer).map(|object| Self::new(object.metadata.into()))
    }
}

impl<'de> Deserialize<'de> for NamespaceSeen {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        MetadataIn::deserialize(deserializer).map(|object| Self::new(object.metadata.into()))
    }
}

/// The record of an object of one kind.
///
/// # Contract
/// Decoding never fails for an object that the API server admits, because it would fail the list or the watch of all objects.
/// What cannot be decoded becomes a record with the error, or is skipped.
pub(crate) trait Record: for<'de> Deserialize<'de> + Pack + Send + Sync + fmt::Debug + 'static {
    /// Its kind.
    type Kind: Kind<Record = Self>;

    /// API group, empty for the core group.
    const GROUP: &'static str = <Self::Kind as Kind>::GROUP;
    /// API version.
    const VERSION: &'static str = <Self::Kind as Kind>::VERSION;
    /// Kind.
    const KIND: &'static str = <Self::Kind as Kind>::KIND;
    /// Plural.
    const PLURAL: &'static str = <Self::Kind as Kind>::PLURAL;
    /// Whether the kind is namespaced.
    const NAMESPACED: bool = <Self::Kind as Kind>::NAMESPACED;

    /// Metadata.
    fn meta(&self) -> &Meta {
        Self::Kind::meta(self)
    }

    /// Whether the object concerns certlet.
    fn is_relevant(&self) -> bool {
        Self::Kind::is_relevant(self)
    }

    /// The links by which the record is found.
    fn links(&self) -> Vec<Link> {
        Self::Kind::links(self)
    }
}

/// What kube's watcher sees of an object: its name and its version. The record is read when it is asked for: most events of a watch
/// repeat what the answer to our write has already delivered.
pub(crate) struct Wire<R> {
    metadata: ObjectMeta,
    json: Arc<Zeroizing<Box<str>>>,
    record: PhantomData<fn() -> R>,
}

/// The fields of `metadata` that distinguish events.
#[derive(Deserialize)]
struct IdentityIn {
    metadata: VersionIn,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct VersionIn {
    name: String,
    #[serde(default)]
    namespace: Option<String>,
    #[serde(default)]
    uid: String,
    #[serde(default)]
    resource_version: String,
}

impl<R: Record> Wire<R> {
    /// Reads the record.
    ///
    /// # Errors
    /// Never for an object that the API server admits: see [`Record`].
    pub(crate) fn record(&self) -> Result<Arc<R>, serde_json::Error> {
        serde_json::from_str(&self.json).map(Arc::new)
    }

    /// Namespace and name.
    pub(crate) fn key(&self) -> ObjectKey {
        let text = |text: &Option<String>| Arc::from(text.as_deref().unwrap_or_default());
        ObjectKey {
            namespace: text(&self.metadata.namespace),
            name: text(&self.metadata.name),
        }
    }

    /// The uid.
    pub(crate) fn uid(&self) -> &str {
        self.metadata.uid.as_deref().unwrap_or_default()
    }

    /// The resourceVersion.
    pub(crate) fn resource_version(&self) -> &str {
        self.metadata.resource_version.as_deref().unwrap_or_default()
    }
}

/// Without the JSON: it may be that of a Secret.
impl<R> fmt::Debug for Wire<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire")
            .field("metadata", &self.metadata)
            .finish_non_exhaustive()
    }
}

impl<R> Clone for Wire<R> {
    fn clone(&self) -> Self {
        Self {
            metadata: self.metadata.clone(),
            json: Arc::clone(&self.json),
            record: PhantomData,
        }
    }
}

impl<'de, R: Record> Deserialize<'de> for Wire<R> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = Zeroizing::new(Box::<str>::from(Box::<RawValue>::deserialize(deserializer)?));
        let IdentityIn { metadata } = serde_json::from_str(&json).map_err(serde::de::Error::custom)?;
        let metadata = ObjectMeta {
            name: Some(metadata.name),
            namespace: metadata.namespace.filter(|namespace| !namespace.is_empty()),
            uid: Some(metadata.uid),
            resource_version: Some(metadata.resource_version),
            ..ObjectMeta::default()
        };
        Ok(Self {
            metadata,
            json: Arc::new(json),
            record: PhantomData,
        })
    }
}

impl<R: Record> kube::Resource for Wire<R> {
    type DynamicType = ();
    type Scope = kube::core::DynamicResourceScope;

    fn kind((): &()) -> Cow<'_, str> {
        R::KIND.into()
    }

    fn group((): &()) -> Cow<'_, str> {
        R::GROUP.into()
    }

    fn version((): &()) -> Cow<'_, str> {
        R::VERSION.into()
    }

    fn plural((): &()) -> Cow<'_, str> {
        R::PLURAL.into()
    }

    fn metadata_api() -> bool {
        <R::Kind as Kind>::WATCHED.is_metadata
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

/// The URL of the objects of a kind, in one namespace or in all.
pub(super) fn url<R: Record>(namespace: &str) -> String {
    let base = if R::GROUP.is_empty() {
        format!("/api/{}", R::VERSION)
    } else {
        format!("/apis/{}/{}", R::GROUP, R::VERSION)
    };
    if namespace.is_empty() {
        format!("{base}/{}", R::PLURAL)
    } else {
        format!("{base}/namespaces/{namespace}/{}", R::PLURAL)
    }
}

#[cfg(test)]
#[path = "wire_tests.rs"]
mod tests;
