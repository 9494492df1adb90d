//! What an apply cannot take out of a Secret: what is not wanted any more, and what somebody else holds besides (NB-04).
//!
//! The API server leaves what another field manager holds. Where that one applies it, somebody wants it. But cert-manager before 1.8
//! wrote its Secrets whole, without applying them, and so does whoever restores one from a backup: they hold every key that they wrote
//! for ever, and nobody stands behind it any more. An old keystore, the CA of a former issuer, or the owner by which a Secret
//! goes with its Certificate would stay. So what we held, and nobody but such a writer holds, is taken out by name.

use serde_json::{Map, Value, json};

use super::{
    Error,
    reader::Reader,
    secret::{ManagedFieldsIn, ManagedIn, SecretApply, held},
    writer::Writer,
};
use crate::{
    api::names::annotation,
    plan::seen::{ManagedKeys, ObjectKey, SecretSeen},
};

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Leftovers(ManagedKeys);

impl Leftovers {
    /// What our field manager held before `applied`, and that is not in it and is still there after it, in `now`.
    pub fn of(before: &ManagedKeys, applied: &SecretApply, now: &SecretSeen) -> Self {
        let left = |held: &[Box<str>], stays: &dyn Fn(&str) -> bool, gone: &dyn Fn(&str) -> bool| {
            held.iter().filter(|key| !stays(key) && !gone(key)).cloned().collect()
        };
        Self(ManagedKeys {
            annotations: left(
                &before.annotations,
                &|key| applied.annotations.contains_key(key),
                &|key| now.meta.annotations.get(key).is_none(),
            ),
            labels: left(&before.labels, &|key| applied.labels.contains_key(key), &|key| {
                now.meta.labels.get(key).is_none()
            }),
            data: left(&before.data, &|key| applied.data.contains_key(key), &|key| {
                now.data_keys.iter().all(|found| &**found != key)
            }),
            owners: left(
                &before.owners,
                &|uid| applied.owners.iter().any(|owner| owner.uid == uid),
                &|uid| now.meta.owners.iter().all(|owner| &*owner.uid != uid),
            ),
            error: None,
        })
    }

    fn is_empty(&self) -> bool {
        self.0 == ManagedKeys::default()
    }

    /// Those that a writer of whole Secrets holds, and nobody applies.
    fn held_by_nobody_else(&self, entries: &[ManagedIn]) -> Self {
        let (applied, updated): (Vec<_>, Vec<_>) = entries.iter().partition(|entry| entry.is_apply());
        let whole = held(
            updated
                .into_iter()
                .filter(|entry| entry.holds_annotation(annotation::CERTIFICATE_NAME)),
        );
        let applied = held(applied.into_iter());
        let both = |keys: &[Box<str>], whole: &[Box<str>], applied: &[Box<str>]| {
            keys.iter()
                .filter(|key| whole.contains(key) && !applied.contains(key))
                .cloned()
                .collect()
        };
        let left = &self.0;
        Self(ManagedKeys {
            annotations: both(&left.annotations, &whole.annotations, &applied.annotations),
            labels: both(&left.labels, &whole.labels, &applied.labels),
            data: both(&left.data, &whole.data, &applied.data),
            owners: both(&left.owners, &whole.owners, &applied.owners),
            error: None,
        })
    }

    /// A strategic merge patch that takes them out of the Secret with this uid.
    fn patch(&self, uid: &str) -> Value {
        let nulls = |keys: &[Box<str>]| -> Map<String, Value> {
            keys.iter().map(|key| (key.to_string(), Value::Null)).collect()
        };
        let owners = self.0.owners.iter();
        let owners: Vec<Value> = owners.map(|uid| json!({ "$patch": "delete", "uid": uid })).collect();
        let metadata = json!({
            "uid": uid, "annotations": nulls(&self.0.annotations), "labels": nulls(&self.0.labels), "ownerReferences": owners,
        });
        json!({ "metadata": metadata, "data": nulls(&self.0.data) })
    }
}

impl Writer {
    /// Takes out of a Secret what an apply has left in it, as far as nobody wants it.
    ///
    /// # Errors
    /// The API server's.
    pub async fn take_out(&self, reader: &Reader, key: &ObjectKey, left: &Leftovers) -> Result<(), Error> {
        if left.is_empty() {
            return Ok(());
        }
        let Some((uid, fields)) = reader.field_managers(key).await? else {
            return Ok(());
        };
        let ManagedFieldsIn { managed_fields } = fields;
        let left = left.held_by_nobody_else(managed_fields.as_deref().unwrap_or_default());
        if left.is_empty() {
            return Ok(());
        }
        tracing::info!(secret = %key, keys = ?left.0, "taking out what nobody stands behind any more");
        self.patch_secret(key, left.patch(&uid)).await
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn secret(managers: &Value) -> SecretSeen {
        let secret = json!({
            "metadata": {
                "name": "web", "namespace": "shop", "uid": "u", "resourceVersion": "7", "managedFields": managers,
                "labels": {"team": "edge"}, "annotations": {"a": "1", "b": "2"},
                "ownerReferences": [{"apiVersion": "v1", "kind": "Certificate", "name": "web", "uid": "owner"}],
            },
            "data": {"tls.crt": "", "ca.crt": "", "key.der": ""},
        });
        serde_json::from_str(&secret.to_string()).unwrap()
    }

    fn manager(name: &str, operation: &str, annotations: &[&str], data: &[&str]) -> Value {
        let fields =
            |keys: &[&str]| -> Map<String, Value> { keys.iter().map(|key| (format!("f:{key}"), json!({}))).collect() };
        json!({"manager": name, "operation": operation, "fieldsV1": {
            "f:data": fields(data),
            "f:metadata": {
                "f:annotations": fields(annotations), "f:labels": {"f:team": {}}, "f:ownerReferences": {"k:{\"uid\":\"owner\"}": {}},
            },
        }})
    }

    fn applied(data: &[&str]) -> SecretApply {
        SecretApply {
            key: ObjectKey::new("shop", "web"),
            type_: String::new(),
            labels: BTreeMap::new(),
            annotations: BTreeMap::from([("a".to_owned(), "1".to_owned())]),
            owners: Vec::new(),
            data: data
                .iter()
                .map(|key| ((*key).to_owned(), crate::pki::hidden::Hidden::new(Vec::new())))
                .collect(),
            resource_version: None,
            uid: None,
        }
    }

    const OURS: &str = "cert-manager-certificates-issuing";

    #[test]
    fn what_we_held_and_want_no_more_and_is_still_there_is_left_over() {
        let before = secret(&json!([manager(
            OURS,
            "Apply",
            &["a", "b", "c"],
            &["tls.crt", "ca.crt", "keystore.jks"]
        )]));
        let left = Leftovers::of(&before.managed, &applied(&["tls.crt"]), &secret(&json!([])));
        assert_eq!(
            left.patch("u"),
            json!({
                "metadata": {
                    "uid": "u", "annotations": {"b": null}, "labels": {"team": null},
                    "ownerReferences": [{"$patch": "delete", "uid": "owner"}],
                },
                "data": {"ca.crt": null},
            })
        );
        assert!(Leftovers::of(&ManagedKeys::default(), &applied(&[]), &secret(&json!([]))).is_empty());
    }

    #[test]
    fn only_what_a_writer_of_the_whole_secret_holds_and_nobody_applies_is_taken_out() {
        let left = Leftovers(ManagedKeys {
            data: ["ca.crt".into(), "key.der".into()].into(),
            ..ManagedKeys::default()
        });
        let taken = |managers: Value| {
            let entries: Vec<ManagedIn> = serde_json::from_str(&managers.to_string()).unwrap();
            left.held_by_nobody_else(&entries).0.data.to_vec()
        };
        let name = "cert-manager.io/certificate-name";
        let whole = manager("controller", "Update", &[name], &["tls.crt", "ca.crt", "key.der"]);
        assert_eq!(taken(json!([whole])), ["ca.crt".into(), "key.der".into()]);
        let applies = manager("argocd", "Apply", &[], &["ca.crt"]);
        assert_eq!(taken(json!([whole, applies])), ["key.der".into()]);
        // somebody who has put it there by hand
        let by_hand = manager("kubectl-edit", "Update", &[], &["ca.crt"]);
        assert_eq!(taken(json!([by_hand])), [""; 0].map(Box::from));
    }
}
