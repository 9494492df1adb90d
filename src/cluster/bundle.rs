//! Trust bundles: sources and targets. Targets are listed by label, of each only the metadata; sources are read when they are needed.
//! Neither is held in memory.

use std::collections::{BTreeMap, BTreeSet};

use base64::{Engine, engine::general_purpose::STANDARD};
use kube::{
    api::{ListParams, PatchParams, Preconditions},
    core::Request,
};
use serde::Deserialize;
use serde_json::{Map, Value, json, value::RawValue};

use super::{
    error::{Call, Error},
    reader::{Reader, within},
    secret::ManagedFieldsIn,
    wire::MetaIn,
    writer::{Writer, merge, precondition, where_nothing_is},
};
use crate::{
    api::bundle::{BUNDLE_LABEL, FIELD_MANAGER, GROUP, HASH_ANNOTATION, VERSION},
    plan::{
        bundle::{Existing, Files, TargetKind},
        kinds::BundleKind,
        seen::{Kind as _, Meta, ObjectKey, Pairs},
    },
};

/// Page size of the lists of targets: a tenant may give an object annotations of 256 KiB.
const PAGE_SIZE: u32 = 100;

/// A page of a list of which only the metadata was requested.
#[derive(Deserialize)]
struct PageIn {
    metadata: ContinueIn,
    #[serde(default)]
    items: Option<Vec<ItemIn>>,
}

#[derive(Default, Deserialize)]
struct ContinueIn {
    #[serde(rename = "continue", default)]
    token: Option<String>,
}

#[derive(Deserialize)]
struct ItemIn {
    metadata: Box<RawValue>,
}

impl ItemIn {
    /// The target, with nothing that others can make large; `managedFields` that cannot be decoded count as missing, so that the target is
    /// written again.
    fn existing(&self, kind: TargetKind) -> Result<Existing, serde_json::Error> {
        let meta = Meta::from(serde_json::from_str::<MetaIn>(self.metadata.get())?);
        let only = |pairs: &Pairs, key: &'static str| -> Pairs {
            pairs.get(key).map(|value| (key, value)).into_iter().collect()
        };
        let managers: Option<ManagedFieldsIn> = serde_json::from_str(self.metadata.get()).ok();
        let entries = managers
            .and_then(|managers| managers.managed_fields)
            .unwrap_or_default();
        let mut managed = BTreeSet::new();
        for entry in entries.iter().filter(|entry| entry.is_of(FIELD_MANAGER)) {
            let fields = entry.fields().unwrap_or_default();
            for field in ["f:data", "f:binaryData"] {
                let keys = fields.get(field).and_then(Value::as_object).into_iter().flatten();
                managed.extend(keys.filter_map(|(key, _)| key.strip_prefix("f:")).map(str::to_owned));
            }
        }
        Ok(Existing {
            kind,
            meta: Meta {
                labels: only(&meta.labels, BUNDLE_LABEL),
                annotations: only(&meta.annotations, HASH_ANNOTATION),
                finalizers: Box::default(),
                ..meta
            },
            managed,
        })
    }
}

impl Reader {
    /// The metadata of all objects of a kind that have the name of this Bundle and its label, in all namespaces.
    ///
    /// # Errors
    /// If the API server rejects the list, or cannot be reached.
    pub(crate) async fn bundle_targets(&self, kind: TargetKind, bundle: &str) -> Result<Vec<Existing>, Error> {
        let call = call("list", kind, "*");
        let mut parameters = ListParams::default()
            .labels(&format!("{BUNDLE_LABEL}={bundle}"))
            .fields(&format!("metadata.name={bundle}"))
            .limit(PAGE_SIZE);
        let mut found = Vec::new();
        loop {
            let request = Request::new(url(kind, ""))
                .list_metadata(&parameters)
                .map_err(|error| unreadable(&call, &error))?;
            let text = within(call.clone(), self.client().request_text(request)).await?;
            let PageIn { metadata, items } = serde_json::from_str(&text).map_err(|error| unreadable(&call, &error))?;
            for item in items.unwrap_or_default() {
                found.push(item.existing(kind).map_err(|error| unreadable(&call, &error))?);
            }
            match metadata.token.filter(|token| !token.is_empty()) {
                Some(token) => parameters = parameters.continue_token(&token),
                None => return Ok(found),
            }
        }
    }
}

/// A target that is written. The fields of its Bundle are these and no others.
#[derive(Debug)]
pub(crate) struct TargetApply<'a> {
    /// Its kind.
    pub kind: TargetKind,
    /// Its namespace and name.
    pub key: &'a ObjectKey,
    /// The Bundle.
    pub bundle: &'a Meta,
    /// Labels, beside that with the name of the Bundle.
    pub labels: BTreeMap<String, String>,
    /// Annotations, that with the digest included.
    pub annotations: BTreeMap<String, String>,
    /// Its files.
    pub files: Files,
    /// The object that this was planned from; `None` where nothing is.
    pub found: Option<&'a Meta>,
}

impl<'a> TargetApply<'a> {
    /// A target that has nothing of its Bundle but the label.
    pub(crate) fn nothing(target: &'a Existing, bundle: &'a Meta) -> Self {
        Self {
            kind: target.kind,
            key: &target.meta.key,
            bundle,
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
            files: Files::default(),
            found: Some(&target.meta),
        }
    }

    /// With the digest as annotation.
    pub(crate) fn annotations_with(
        annotations: impl Iterator<Item = (&'a String, &'a String)>,
        hash: String,
    ) -> BTreeMap<String, String> {
        let given = annotations.map(|(key, value)| (key.clone(), value.clone()));
        given.chain([(HASH_ANNOTATION.to_owned(), hash)]).collect()
    }

    fn body(&self) -> Value {
        let Self {
            kind,
            key,
            bundle,
            labels,
            annotations,
            files: Files { text, bytes },
            found,
        } = self;
        let mut labels = labels.clone();
        labels.insert(BUNDLE_LABEL.to_owned(), bundle.name().to_owned());
        let mut body = json!({
            "apiVersion": "v1",
            "kind": kind.name(),
            "metadata": {
                "name": key.name,
                "namespace": key.namespace,
                "labels": labels,
                "ownerReferences": [{
                    "apiVersion": format!("{GROUP}/{VERSION}"),
                    "kind": BundleKind::KIND,
                    "name": bundle.name(),
                    "uid": bundle.uid,
                    "blockOwnerDeletion": true,
                    "controller": true,
                }],
            },
        });
        let base64 = |bytes: &[u8]| Value::from(STANDARD.encode(bytes));
        let encoded: Map<String, Value> = bytes.iter().map(|(key, bytes)| (key.clone(), base64(bytes))).collect();
        let (plain, encoded) = match kind {
            TargetKind::ConfigMap => (json!(text), ("binaryData", encoded)),
            TargetKind::Secret => {
                let text = text.iter().map(|(key, text)| (key.clone(), base64(text.as_bytes())));
                (json!({}), ("data", text.chain(encoded).collect()))
            }
        };
        let is_filled = |value: &Value| value.as_object().is_some_and(|fields| !fields.is_empty());
        let mut put = |field: &str, value: Value| {
            if is_filled(&value) {
                merge(&mut body, json!({ field: value }));
            }
        };
        put("data", plain);
        put(encoded.0, Value::Object(encoded.1));
        if !annotations.is_empty() {
            merge(&mut body, json!({ "metadata": { "annotations": annotations } }));
        }
        let condition = found.map_or_else(where_nothing_is, |found| json!({ "metadata": precondition(found) }));
        merge(&mut body, condition);
        body
    }
}

impl Writer {
    /// Server-side apply of a target as trust-manager, over the object that this was planned from, or where nothing is.
    ///
    /// # Errors
    /// [`Error::is_conflict`] if it was changed, made or replaced meanwhile.
    pub(crate) async fn apply_target(&self, target: &TargetApply<'_>) -> Result<(), Error> {
        let at = self.target("apply", target.kind.name(), url_of(target), target.key)?;
        let parameters = PatchParams::apply(FIELD_MANAGER).force();
        self.apply_for_metadata(&at, &parameters, target.body()).await.map(drop)
    }

    /// Removes what a Bundle wrote into an object that is no target any more, and the object if nothing remains.
    ///
    /// # Errors
    /// [`Error::is_conflict`] if it was changed or replaced meanwhile.
    pub(crate) async fn clean_target(&self, found: &Existing, bundle: &Meta) -> Result<(), Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Left {
            metadata: MetaIn,
            #[serde(default)]
            data: Option<Box<RawValue>>,
            #[serde(default)]
            binary_data: Option<Box<RawValue>>,
        }
        let target = TargetApply::nothing(found, bundle);
        let at = self.target("clean", target.kind.name(), url_of(&target), target.key)?;
        let parameters = PatchParams::apply(FIELD_MANAGER).force();
        let patch = kube::api::Patch::Apply(target.body());
        let answer = self.change(&at, &parameters, &patch).await?;
        let Left {
            metadata,
            data,
            binary_data,
        } = at.parse(&answer)?;
        let is_empty = |data: Option<Box<RawValue>>| data.is_none_or(|data| matches!(data.get(), "{}" | "null"));
        if !is_empty(data) || !is_empty(binary_data) {
            return Ok(());
        }
        let meta = Meta::from(metadata);
        let only = Preconditions {
            uid: Some(meta.uid.to_string()),
            resource_version: Some(meta.resource_version.to_string()),
        };
        let at = self.target("delete", target.kind.name(), url_of(&target), target.key)?;
        self.remove(&at, Some(only)).await
    }
}

fn url_of(target: &TargetApply<'_>) -> String {
    url(target.kind, &target.key.namespace)
}

/// The URL of the objects of a kind, in one namespace or in all.
fn url(kind: TargetKind, namespace: &str) -> String {
    match namespace {
        "" => format!("/api/v1/{}", kind.plural()),
        namespace => format!("/api/v1/namespaces/{namespace}/{}", kind.plural()),
    }
}

fn call(verb: &'static str, kind: TargetKind, object: &str) -> Call {
    Call {
        verb,
        kind: kind.name().to_owned(),
        object: object.to_owned(),
    }
}

fn unreadable(call: &Call, error: &dyn std::error::Error) -> Error {
    Error::Answer {
        call: call.clone(),
        message: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ITEM: &str = r#"{"metadata":{"name":"roots","namespace":"shop","uid":"u","resourceVersion":"7",
        "labels":{"trust.cert-manager.io/bundle":"roots"},
        "ownerReferences":[{"apiVersion":"trust.cert-manager.io/v1alpha1","kind":"Bundle","name":"roots","uid":"b","controller":true}],
        "managedFields":[
            {"manager":"kubectl","operation":"Update","fieldsV1":{"f:data":{"f:mine":{}}}},
            {"manager":"trust-manager","operation":"Apply",
             "fieldsV1":{"f:data":{"f:ca.crt":{},".":{}},"f:binaryData":{"f:ca.jks":{}},"f:metadata":{}}}]}}"#;

    #[test]
    fn only_the_keys_that_trust_manager_s_manager_owns_are_the_bundle_s() {
        let item: ItemIn = serde_json::from_str(ITEM).unwrap();
        let found = item.existing(TargetKind::ConfigMap).unwrap();
        assert_eq!(found.managed.iter().collect::<Vec<_>>(), ["ca.crt", "ca.jks"]);
        assert!(found.is_controlled_by("b") && !found.is_controlled_by("other"));
    }

    #[test]
    fn a_secret_has_all_files_in_data_and_a_config_map_has_bytes_apart() {
        let item: ItemIn = serde_json::from_str(ITEM).unwrap();
        let found = item.existing(TargetKind::ConfigMap).unwrap();
        let body = |kind| {
            let files = Files {
                text: [("ca.crt".to_owned(), "pem".to_owned())].into(),
                bytes: [("ca.jks".to_owned(), vec![1])].into(),
            };
            let target = TargetApply {
                kind,
                files,
                ..TargetApply::nothing(&found, &found.meta)
            };
            target.body()
        };
        let map = body(TargetKind::ConfigMap);
        assert_eq!(map["data"], json!({"ca.crt": "pem"}));
        assert_eq!(map["binaryData"], json!({"ca.jks": "AQ=="}));
        let secret = body(TargetKind::Secret);
        assert_eq!(secret["data"], json!({"ca.crt": "cGVt", "ca.jks": "AQ=="}));
        assert_eq!(secret["metadata"]["resourceVersion"], json!("7"));
    }
}
