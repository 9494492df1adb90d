//! Removal of fields of a Secret that server-side apply leaves because another field manager owns them too (NB-04).
//!
//! The API server does not remove a field that another manager owns. If that manager applied the field, it is wanted. But
//! cert-manager before 1.8 updated whole Secrets, and so do tools that restore a backup. Such a manager owns every key that it
//! wrote, for ever. An old keystore, the CA of a previous issuer, or an owner reference would stay. Therefore keys that certlet
//! owned before, and that only such a manager owns now, are removed by name.

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

/// The keys to remove from a Secret.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Leftovers(ManagedKeys);

impl Leftovers {
    /// The left-overs: what our field manager owned before `applied`, what `applied` does not contain, and what still exists in
    /// `now`.
    pub(crate) fn of(before: &ManagedKeys, applied: &SecretApply, now: &SecretSeen) -> Self {
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

    /// The keys that a manager owns by updates of the whole Secret, and that no manager applies.
    fn not_owned_elsewhere(&self, entries: &[ManagedIn]) -> Self {
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

    /// A strategic merge patch that removes them from the Secret with this uid.
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
    /// Removes the left-overs of an apply from a Secret.
    ///
    /// # Errors
    /// Those of the API server.
    pub(crate) async fn take_out(&self, reader: &Reader, key: &ObjectKey, left: &Leftovers) -> Result<(), Error> {
        if left.is_empty() {
            return Ok(());
        }
        let Some((uid, fields)) = reader.field_managers(key).await? else {
            return Ok(());
        };
        let ManagedFieldsIn { managed_fields } = fields;
        let left = left.not_owned_elsewhere(managed_fields.as_deref().unwrap_or_default());
        if left.is_empty() {
            return Ok(());
        }
        tracing::info!(secret = %key, keys = ?left.0, "removing left-over fields of a Secret");
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
            left.not_owned_elsewhere(&entries).0.data.to_vec()
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
