//! Fixtures that read as prose: `an_ingress().annotated(..).tls(..)`.

mod annotations;
mod from_routes;
mod gateway_scene;
mod gateways;
mod lifecycle;
mod listener_sets;
mod properties;
mod refusals;

use jiff::Timestamp;
use k8s_openapi::api::networking::v1::{IngressSpec, IngressStatus, IngressTLS};

use super::{Existing, ShimEffect, ShimObservation, ShimPlan, WantedCertificate, ingress, plan};
use crate::{
    api::certificate::CertificateSpec,
    plan::{
        kinds::IngressKind,
        seen::{Meta, Object, ObjectKey, Owner, Pairs},
        settings::Settings,
    },
};

pub(super) const INGRESS_UID: &str = "ingress-uid";

pub(super) fn meta(name: &str, uid: &str) -> Meta {
    Meta {
        key: ObjectKey::new("shop", name),
        uid: uid.into(),
        resource_version: "7".into(),
        generation: 1,
        created: Timestamp::UNIX_EPOCH,
        deleting: None,
        owners: Box::new([]),
        labels: Pairs::default(),
        annotations: Pairs::default(),
        finalizers: Box::new([]),
    }
}

fn with(pairs: &Pairs, key: &str, value: &str) -> Pairs {
    let others = pairs.iter().filter(|(other, _)| *other != key);
    others.chain([(key, value)]).collect()
}

/// An Ingress, the Certificates around it, and the flags.
#[derive(Clone, Debug)]
pub(super) struct Scene {
    pub(super) ingress: Object<IngressKind>,
    pub(super) certificates: Vec<Existing>,
    pub(super) settings: Settings,
}

/// An Ingress without annotations and without tls.
pub(super) fn an_ingress() -> Scene {
    Scene {
        ingress: Object {
            meta: meta("web", INGRESS_UID),
            spec: IngressSpec::default(),
            status: IngressStatus::default(),
        },
        certificates: Vec::new(),
        settings: Settings::default(),
    }
}

impl Scene {
    pub(super) fn annotated(mut self, key: &str, value: &str) -> Self {
        self.ingress.meta.annotations = with(&self.ingress.meta.annotations, key, value);
        self
    }

    pub(super) fn labelled(mut self, key: &str, value: &str) -> Self {
        self.ingress.meta.labels = with(&self.ingress.meta.labels, key, value);
        self
    }

    pub(super) fn without(mut self, key: &str) -> Self {
        self.ingress.meta.annotations = self
            .ingress
            .meta
            .annotations
            .iter()
            .filter(|(other, _)| *other != key)
            .collect();
        self
    }

    pub(super) fn tls(mut self, secret_name: &str, hosts: &[&str]) -> Self {
        self.ingress.spec.tls.get_or_insert_default().push(IngressTLS {
            hosts: Some(hosts.iter().map(|host| (*host).to_owned()).collect())
                .filter(|hosts: &Vec<_>| !hosts.is_empty()),
            secret_name: Some(secret_name.to_owned()).filter(|name| !name.is_empty()),
        });
        self
    }

    pub(super) fn no_tls(mut self) -> Self {
        self.ingress.spec.tls = None;
        self
    }

    pub(super) fn plan(&self) -> ShimPlan {
        let object = ingress::annotated(&self.ingress);
        let seen = ShimObservation {
            object: &object,
            certificates: &self.certificates,
            solvers: None,
            settings: &self.settings,
        };
        plan(Timestamp::UNIX_EPOCH, &seen)
    }

    /// The only Certificate that is to be created.
    pub(super) fn created(&self) -> WantedCertificate {
        only_creation(self.plan())
    }

    /// The only complaint, with nothing done.
    pub(super) fn complaint(&self) -> String {
        only_complaint(self.plan())
    }

    /// The same after the API server has done what the plan says.
    pub(super) fn applied(mut self) -> Self {
        for effect in self.plan().effects {
            apply(&mut self.certificates, effect);
        }
        self
    }

    /// Edits the only Certificate by hand.
    pub(super) fn edited(mut self, edit: impl FnOnce(&mut Existing, &mut CertificateSpec)) -> Self {
        let [existing] = &mut self.certificates[..] else {
            panic!("expected one Certificate")
        };
        let mut spec = existing.spec.clone().unwrap();
        edit(existing, &mut spec);
        existing.raw = serde_json::to_value(&spec).unwrap();
        existing.spec = Some(spec);
        self
    }
}

/// The only Certificate that is to be created.
pub(super) fn only_creation(plan: ShimPlan) -> WantedCertificate {
    match <[ShimEffect; 1]>::try_from(plan.effects) {
        Ok([ShimEffect::Create(wanted)]) => wanted,
        other => panic!("expected one creation, got {other:?}"),
    }
}

/// The only complaint, with nothing done.
pub(super) fn only_complaint(plan: ShimPlan) -> String {
    assert_eq!(plan.effects, []);
    match <[String; 1]>::try_from(plan.complaints) {
        Ok([complaint]) => complaint,
        Err(other) => panic!("expected one complaint, got {other:?}"),
    }
}

/// Does what an effect says.
pub(super) fn apply(certificates: &mut Vec<Existing>, effect: ShimEffect) {
    match effect {
        ShimEffect::Create(wanted) => certificates.push(existing(&wanted)),
        ShimEffect::Update {
            certificate,
            patch,
            names_change,
        } => {
            let found = certificates.iter_mut().find(|it| it.meta.key == certificate.key);
            let found = found.unwrap();
            patched(found, &patch);
            found.names_change = names_change.or_else(|| found.names_change.take());
        }
        ShimEffect::Delete(certificate) => certificates.retain(|it| it.meta.key != certificate.key),
    }
}

/// As the API server stores what is created, owned by the Ingress.
fn existing(wanted: &WantedCertificate) -> Existing {
    let mut meta = meta(&wanted.name, &format!("{}-uid", wanted.name));
    meta.labels = wanted.labels.clone();
    meta.annotations = wanted.annotations.clone();
    meta.owners = Box::new([Owner {
        api_version: "networking.k8s.io/v1".into(),
        kind: "Ingress".into(),
        name: "web".into(),
        uid: INGRESS_UID.into(),
        controller: true,
    }]);
    Existing {
        meta,
        raw: serde_json::to_value(&wanted.spec).unwrap(),
        spec: Some(wanted.spec.clone()),
        renewal: None,
        names_change: None,
    }
}

fn merge(into: &mut serde_json::Value, patch: &serde_json::Value) {
    let Some(patch) = patch.as_object() else {
        *into = patch.clone();
        return;
    };
    if !into.is_object() {
        *into = serde_json::json!({});
    }
    let into = into.as_object_mut().unwrap();
    for (key, value) in patch {
        if value.is_null() {
            into.remove(key);
        } else {
            merge(into.entry(key.clone()).or_insert(serde_json::Value::Null), value);
        }
    }
}

fn patched(existing: &mut Existing, patch: &serde_json::Value) {
    let pairs = |pairs: &Pairs, patch: &serde_json::Value| -> Pairs {
        let mut map: serde_json::Value = pairs
            .iter()
            .map(|(k, v)| (k.to_owned(), serde_json::Value::from(v)))
            .collect();
        merge(&mut map, patch);
        map.as_object()
            .unwrap()
            .iter()
            .map(|(k, v)| (k.as_str(), v.as_str().unwrap()))
            .collect()
    };
    if let Some(labels) = patch.pointer("/metadata/labels") {
        existing.meta.labels = pairs(&existing.meta.labels, labels);
    }
    if let Some(annotations) = patch.pointer("/metadata/annotations") {
        existing.meta.annotations = pairs(&existing.meta.annotations, annotations);
    }
    if let Some(spec) = patch.get("spec") {
        merge(&mut existing.raw, spec);
    }
    existing.spec = serde_json::from_value(existing.raw.clone()).ok();
}
