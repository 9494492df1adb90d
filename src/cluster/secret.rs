//! Records of Secrets: reduced to a summary when they arrive. Data is only held in types that cannot be printed.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{Arc, OnceLock},
};

use aws_lc_rs::digest;
use base64::{Engine, engine::general_purpose::STANDARD};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::{Map, Value, json, value::RawValue};
use zeroize::Zeroizing;

use super::wire::MetaIn;
use crate::{
    api::names,
    pki::{chain::SizeLimits, hidden::Hidden, key::sha256, pem, summary::PairSummary},
    plan::{
        copies::{COPIED_KEYS, SecretFacts},
        seen::{ManagedKeys, ObjectKey, SecretSeen},
    },
};

#[derive(Deserialize)]
struct SecretIn {
    metadata: Box<RawValue>,
    #[serde(rename = "type", default)]
    type_: Option<Box<str>>,
    #[serde(default)]
    data: Option<BTreeMap<String, Option<Zeroizing<String>>>>,
}

/// `metadata`, of which only the field managers are read.
#[derive(Deserialize)]
pub(super) struct ManagedFieldsIn {
    #[serde(rename = "managedFields", default)]
    pub(super) managed_fields: Option<Vec<ManagedIn>>,
}

/// The fields that one field manager owns.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ManagedIn {
    #[serde(default)]
    manager: String,
    #[serde(default)]
    operation: String,
    /// Not parsed: users may write `managedFields` for other managers that cannot be parsed.
    #[serde(default)]
    fields_v1: Option<Box<RawValue>>,
}

type Data = BTreeMap<String, Hidden<Vec<u8>>>;

impl SecretIn {
    fn open(self) -> Result<(SecretSeen, Data), serde_json::Error> {
        let meta: MetaIn = serde_json::from_str(self.metadata.get())?;
        let managed = managed(names::SECRETS_FIELD_MANAGER, self.metadata.get());
        let data: Data = self
            .data
            .unwrap_or_default()
            .into_iter()
            .map(|(key, value)| {
                // the API server writes standard base64, or null for an empty value
                let value = value.unwrap_or_default();
                (key, Hidden::new(STANDARD.decode(value.as_bytes()).unwrap_or_default()))
            })
            .collect();
        let part = |key: &str| data.get(key).map(|value| value.expose().as_slice());
        let pair = PairSummary::new(
            part(names::data_key::TLS_KEY),
            part(names::data_key::TLS_CRT),
            part(names::data_key::CA_CRT),
            &size_limits(),
        );
        let seen = SecretSeen {
            meta: meta.into(),
            type_: self.type_.unwrap_or_else(|| "Opaque".into()),
            data_keys: data.keys().map(|key| key.as_str().into()).collect(),
            pair: Box::new(pair),
            wrong_formats: wrong_formats(&data),
            managed: Arc::new(managed),
            digest: digest_of(&data),
        };
        Ok((seen, data))
    }
}

static SIZE_LIMITS: OnceLock<SizeLimits> = OnceLock::new();

/// Sets the size limits for Secrets and requests (FLG-30), once, before anything is read. They belong to the process because
/// objects of a watch are parsed when they arrive.
pub(crate) fn set_size_limits(limits: SizeLimits) {
    // a second call keeps the first limits: a process has one set of flags
    SIZE_LIMITS.get_or_init(|| limits);
}

/// The size limits. cert-manager's defaults until they are set.
pub(super) fn size_limits() -> SizeLimits {
    SIZE_LIMITS.get().copied().unwrap_or_default()
}

/// The additional output formats that exist and do not match key and certificate.
fn wrong_formats(data: &Data) -> Box<[Box<str>]> {
    let part = |key: &str| data.get(key).map(|value| value.expose().as_slice());
    let (Some(key), Some(chain)) = (part(names::data_key::TLS_KEY), part(names::data_key::TLS_CRT)) else {
        return Box::default();
    };
    let der = |found: &[u8]| pem::key_der(key).is_ok_and(|der| der.expose() == found);
    let combined = |found: &[u8]| {
        let rest = found.strip_prefix(key).and_then(|rest| rest.strip_prefix(b"\n"));
        rest == Some(chain)
    };
    let wrong_der = part(names::data_key::KEY_DER).is_some_and(|found| !der(found));
    let wrong_combined = part(names::data_key::TLS_COMBINED_PEM).is_some_and(|found| !combined(found));
    let wrong = [
        (names::data_key::KEY_DER, wrong_der),
        (names::data_key::TLS_COMBINED_PEM, wrong_combined),
    ];
    wrong
        .into_iter()
        .filter(|(_, wrong)| *wrong)
        .map(|(key, _)| key.into())
        .collect()
}

fn digest_of(data: &Data) -> [u8; 32] {
    let mut context = digest::Context::new(&digest::SHA256);
    for (key, value) in data {
        for part in [key.as_bytes(), value.expose()] {
            context.update(&part.len().to_be_bytes());
            context.update(part);
        }
    }
    let mut out = [0; 32];
    out.copy_from_slice(context.finish().as_ref());
    out
}

impl ManagedIn {
    pub(super) fn is_apply(&self) -> bool {
        self.operation == "Apply"
    }

    pub(super) fn is_of(&self, manager: &str) -> bool {
        self.manager == manager
    }

    pub(super) fn holds_annotation(&self, key: &str) -> bool {
        let fields = self.fields().unwrap_or_default();
        let annotations = fields
            .get("f:metadata")
            .and_then(|metadata| metadata.get("f:annotations"));
        annotations.is_some_and(|annotations| annotations.get(format!("f:{key}")).is_some())
    }

    pub(super) fn fields(&self) -> Option<Map<String, Value>> {
        serde_json::from_str(self.fields_v1.as_deref()?.get()).ok()
    }
}

/// The fields that a field manager owns by server-side apply. Fields of earlier updates are not included.
fn managed(manager: &str, metadata: &str) -> ManagedKeys {
    match serde_json::from_str::<ManagedFieldsIn>(metadata) {
        Ok(ManagedFieldsIn { managed_fields }) => {
            let entries = managed_fields.as_deref().unwrap_or_default().iter();
            held(entries.filter(|entry| entry.manager == manager && entry.is_apply()))
        }
        Err(error) => ManagedKeys {
            error: Some(format!("managedFields cannot be decoded: {error}").into()),
            ..ManagedKeys::default()
        },
    }
}

/// The fields that these field managers own.
pub(super) fn held<'a>(entries: impl Iterator<Item = &'a ManagedIn>) -> ManagedKeys {
    let mut keys = [const { BTreeSet::<Box<str>>::new() }; 4];
    let mut error = None;
    for entry in entries {
        let Some(fields) = entry.fields() else {
            error = Some(format!("managedFields of {} are empty or cannot be decoded", entry.manager).into());
            continue;
        };
        let metadata = fields.get("f:metadata");
        let [annotations, labels, data, owners] = &mut keys;
        collect(
            metadata.and_then(|metadata| metadata.get("f:annotations")),
            "f:",
            annotations,
        );
        collect(metadata.and_then(|metadata| metadata.get("f:labels")), "f:", labels);
        collect(fields.get("f:data"), "f:", data);
        collect(
            metadata.and_then(|metadata| metadata.get("f:ownerReferences")),
            "k:",
            owners,
        );
    }
    let [annotations, labels, data, owners] = keys.map(|set| set.into_iter().collect());
    ManagedKeys {
        annotations,
        labels,
        data,
        owners: uids(&owners),
        error,
    }
}

fn collect(fields: Option<&Value>, prefix: &str, into: &mut BTreeSet<Box<str>>) {
    let Some(Value::Object(fields)) = fields else { return };
    into.extend(fields.keys().filter_map(|key| key.strip_prefix(prefix)).map(Box::from));
}

/// Owner references have the key `{"uid":"…"}` in `managedFields`.
fn uids(keys: &[Box<str>]) -> Box<[Box<str>]> {
    #[derive(Deserialize)]
    struct Key {
        uid: Box<str>,
    }
    keys.iter()
        .filter_map(|key| serde_json::from_str::<Key>(key).ok())
        .map(|key| key.uid)
        .collect()
}

impl<'de> Deserialize<'de> for SecretSeen {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (seen, _) = SecretIn::deserialize(deserializer)?.open().map_err(D::Error::custom)?;
        Ok(seen)
    }
}

/// A Secret with its data, as the API server has it.
pub(crate) struct LiveSecret {
    /// The summary.
    pub seen: SecretSeen,
    /// What the field manager of copies owns of it.
    pub(super) copied: ManagedKeys,
    data: Data,
}

impl LiveSecret {
    pub(super) fn parse(json: &str) -> Result<Self, String> {
        let read = serde_json::from_str::<SecretIn>(json).and_then(|secret| {
            let copied = managed(names::COPIES_FIELD_MANAGER, secret.metadata.get());
            let (seen, data) = secret.open()?;
            Ok(Self { seen, copied, data })
        });
        read.map_err(|error| error.to_string())
    }

    /// The value under this key of `data`.
    pub(crate) fn data(&self, key: &str) -> Option<&[u8]> {
        self.data.get(key).map(|value| value.expose().as_slice())
    }

    /// What is copied of it into other namespaces.
    pub(crate) fn copied_data(&self) -> BTreeMap<String, Hidden<Vec<u8>>> {
        let copied = self.data.iter().filter(|(key, _)| COPIED_KEYS.contains(&key.as_str()));
        copied.map(|(key, value)| (key.clone(), value.clone())).collect()
    }

    /// What decides about its copies.
    pub(crate) fn facts(&self) -> SecretFacts {
        let copied = self.data.iter().filter(|(key, _)| COPIED_KEYS.contains(&key.as_str()));
        SecretFacts {
            seen: self.seen.clone(),
            digests: copied
                .map(|(key, value)| (key.as_str().into(), sha256(value.expose())))
                .collect(),
            applied: self.copied.clone(),
        }
    }
}

impl fmt::Debug for LiveSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiveSecret")
            .field("seen", &self.seen)
            .field("copied", &self.copied)
            .field("data", &"[hidden]")
            .finish()
    }
}

/// A Secret to apply. certlet owns exactly these fields.
#[derive(Debug)]
pub(crate) struct SecretApply {
    /// Namespace and name.
    pub key: ObjectKey,
    /// `type`.
    pub type_: String,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    pub annotations: BTreeMap<String, String>,
    /// Owners.
    pub owners: Vec<OwnerReference>,
    /// Data.
    pub data: BTreeMap<String, Hidden<Vec<u8>>>,
    /// The resourceVersion that was planned from; `None` if the Secret does not exist yet.
    pub resource_version: Option<String>,
    /// The uid of the Secret that was planned from.
    pub uid: Option<String>,
}

impl SecretApply {
    pub(super) fn body(&self) -> Value {
        let encoded = |value: &Hidden<Vec<u8>>| Value::from(STANDARD.encode(value.expose()));
        let data: Map<String, Value> = self
            .data
            .iter()
            .map(|(key, value)| (key.clone(), encoded(value)))
            .collect();
        let mut metadata = json!({ "name": self.key.name, "namespace": self.key.namespace });
        if let Some(metadata) = metadata.as_object_mut() {
            let mut put = |name: &str, value: Value, present: bool| {
                if present {
                    metadata.insert(name.to_owned(), value);
                }
            };
            put("labels", json!(self.labels), !self.labels.is_empty());
            put("annotations", json!(self.annotations), !self.annotations.is_empty());
            put("ownerReferences", json!(self.owners), !self.owners.is_empty());
            put(
                "resourceVersion",
                json!(self.resource_version),
                self.resource_version.is_some(),
            );
            put("uid", json!(self.uid), self.uid.is_some());
        }
        json!({ "apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": self.type_, "data": data })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = r#"{"metadata":{"name":"web","namespace":"shop","uid":"u","resourceVersion":"7",
        "annotations":{"a":"1","kubectl.kubernetes.io/last-applied-configuration":"{}"},
        "managedFields":[
            {"manager":"kubectl","operation":"Update","fieldsV1":{"f:data":{"f:extra":{}}}},
            {"manager":"cert-manager-certificates-issuing","operation":"Apply","fieldsV1":{"f:data":{"f:tls.crt":{},".":{}},
             "f:metadata":{"f:annotations":{"f:a":{}},"f:ownerReferences":{"k:{\"uid\":\"owner\"}":{}}}}}]},
        "type":"kubernetes.io/tls","data":{"extra":"c2VjcmV0"}}"#;

    #[test]
    fn only_fields_of_our_manager_count_as_ours() {
        let seen: SecretSeen = serde_json::from_str(SECRET).unwrap();
        assert_eq!(*seen.managed.data, ["tls.crt".into()]);
        assert_eq!(*seen.managed.annotations, ["a".into()]);
        assert_eq!(*seen.managed.owners, ["owner".into()]);
        assert_eq!(
            seen.meta.annotations.iter().count(),
            1,
            "last-applied-configuration is not kept"
        );
    }

    #[test]
    fn the_value_of_a_secret_is_in_no_debug_output() {
        let live = LiveSecret::parse(SECRET).unwrap();
        assert_eq!(live.data("extra"), Some(b"secret".as_slice()));
        let shown = format!("{live:?}");
        assert!(
            !shown.contains("secret\"") && !shown.contains("115, 101") && !shown.contains("c2VjcmV0"),
            "{shown}"
        );
    }
}
