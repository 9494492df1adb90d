//! Certificates for annotated Ingresses (ANN-01..19, SHM-01..13).
//!
//! One Certificate per `tls` block, named after the block's Secret and owned by the Ingress. What cert-manager leaves
//! alone is left alone here too (NB-39): an annotation that goes away deletes nothing, Certificates of others are not
//! touched, and drift is looked for only in the fields of SHM-05.

#[cfg(test)]
pub(crate) use annotations::fuzz as fuzz_annotations;

mod annotations;
mod block;
mod csv;
mod drift;
mod issuer;
mod template;

#[cfg(test)]
mod tests;

use serde_json::{Value, json};

use crate::{
    api::certificate::CertificateSpec,
    plan::{
        kinds::IngressKind,
        merge_patch,
        seen::{Meta, Object, Pairs},
        settings::Settings,
    },
};

/// What is looked at.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// The Ingress.
    pub ingress: &'a Object<IngressKind>,
    /// Every Certificate of its namespace that it owns, or whose name one of its blocks asks for.
    pub certificates: &'a [Existing],
    /// What the administrator set.
    pub settings: &'a Settings,
}

/// A Certificate that exists.
#[derive(Clone, Debug)]
pub struct Existing {
    /// Metadata.
    pub meta: Meta,
    /// `spec` as it is stored, with fields that we may not know.
    pub raw: Value,
    /// `spec`, unless it cannot be read.
    pub spec: Option<CertificateSpec>,
}

/// A Certificate that shall exist.
#[derive(Clone, Debug, PartialEq)]
pub struct Wanted {
    /// Its name, which is that of the Secret (SHM-02).
    pub name: String,
    /// Labels of the Ingress, without those of apply sets (ANN-23).
    pub labels: Pairs,
    /// Copied annotations (ANN-22) and what edits in place or chooses a class (ANN-17..19).
    pub annotations: Pairs,
    /// The whole spec.
    pub spec: CertificateSpec,
}

/// One write.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "a handful per reconcile, moved once")]
pub enum Effect {
    /// Create a Certificate that the Ingress owns.
    Create(Wanted),
    /// Change one by a merge patch.
    Update {
        /// The Certificate as it was seen.
        certificate: Meta,
        /// What changes.
        patch: Value,
    },
    /// Delete one whose `tls` block is gone (SHM-07).
    Delete(Meta),
}

/// What to do about an Ingress.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// Writes, in order.
    pub effects: Vec<Effect>,
    /// Sentences for Warning Events with reason `BadConfig`: only an edit of the Ingress helps.
    pub complaints: Vec<String>,
}

impl Plan {
    fn refuse(complaint: String) -> Self {
        Self {
            effects: Vec::new(),
            complaints: vec![complaint],
        }
    }
}

/// Decides what the Certificates of an Ingress must become.
pub fn plan(seen: &Seen<'_>) -> Plan {
    let Seen { ingress, settings, .. } = *seen;
    if !issuer::is_wanted(&ingress.meta.annotations, settings) || is_deleting(&ingress.meta) {
        return Plan::default();
    }
    let issuer_ref = match issuer::choose(&ingress.meta.annotations, &settings.default_issuer) {
        Ok(issuer_ref) => issuer_ref,
        Err(why) => {
            return Plan::refuse(format!(
                "Could not determine issuer for ingress due to bad annotations: {why}"
            ));
        }
    };
    let blocks = ingress.spec.tls.as_deref().unwrap_or_default();
    if let Err(complaint) = block::refuse_duplicates(blocks) {
        return Plan::refuse(complaint);
    }
    let mut plan = Plan::default();
    for (index, tls) in blocks.iter().enumerate() {
        match block::read(index, tls) {
            Err(why) => plan.complaints.push(format!("Skipped a TLS block: {why}")),
            // One bad annotation stops everything, as its value holds for all blocks (SHM-11).
            Ok(block) => match block::wanted(&block, ingress, &issuer_ref, settings) {
                Err(bad) => return Plan::refuse(bad.to_string()),
                Ok(wanted) => plan.effects.extend(reach(wanted, seen)),
            },
        }
    }
    plan.effects.extend(stale(seen, blocks));
    plan
}

/// Foreground deletion: what the garbage collector waits to see gone must not come back (SHM-12).
fn is_deleting(meta: &Meta) -> bool {
    meta.deleting.is_some()
        || meta
            .finalizers
            .iter()
            .any(|finalizer| &**finalizer == "foregroundDeletion")
}

fn controls(ingress: &Meta, certificate: &Meta) -> bool {
    certificate.controller().is_some_and(|owner| owner.uid == ingress.uid)
}

/// The step from what exists to `wanted`; none if it is someone else's (SHM-04) or close enough (SHM-05).
fn reach(wanted: Wanted, seen: &Seen<'_>) -> Option<Effect> {
    let Some(existing) = seen
        .certificates
        .iter()
        .find(|existing| existing.meta.name() == wanted.name)
    else {
        return Some(Effect::Create(wanted));
    };
    let ours = controls(&seen.ingress.meta, &existing.meta) && existing.meta.deleting.is_none();
    let drifted = existing.meta.labels != wanted.labels
        || existing
            .spec
            .as_ref()
            .is_none_or(|spec| drift::needs_update(spec, &wanted.spec));
    (ours && drifted).then(|| Effect::Update {
        certificate: existing.meta.clone(),
        patch: update(existing, &wanted),
    })
}

/// The whole spec and all labels are replaced, annotations only added (SHM-06).
fn update(existing: &Existing, wanted: &Wanted) -> Value {
    let map = |pairs: &Pairs| {
        pairs
            .iter()
            .map(|(key, value)| (key.to_owned(), Value::from(value)))
            .collect::<Value>()
    };
    let wanted_spec = serde_json::to_value(&wanted.spec).unwrap_or_default();
    let added: Pairs = wanted
        .annotations
        .iter()
        .filter(|(key, value)| existing.meta.annotations.get(key) != Some(*value))
        .collect();
    let mut patch = json!({});
    let mut put = |pointer: &str, value: Option<Value>| {
        if let (Some(value), Some(object)) = (value, patch.as_object_mut()) {
            object.insert(pointer.to_owned(), value);
        }
    };
    put("spec", merge_patch::difference(&existing.raw, &wanted_spec));
    let mut metadata = serde_json::Map::new();
    if let Some(labels) = merge_patch::difference(&map(&existing.meta.labels), &map(&wanted.labels)) {
        metadata.insert("labels".to_owned(), labels);
    }
    if !added.0.is_empty() {
        metadata.insert("annotations".to_owned(), map(&added));
    }
    put("metadata", (!metadata.is_empty()).then_some(Value::Object(metadata)));
    patch
}

/// Certificates of ours whose Secret no block names any more (SHM-07).
fn stale(seen: &Seen<'_>, blocks: &[k8s_openapi::api::networking::v1::IngressTLS]) -> Vec<Effect> {
    let named = |name: &str| {
        blocks
            .iter()
            .any(|tls| tls.secret_name.as_deref().unwrap_or_default() == name)
    };
    let secret = |existing: &Existing| match &existing.spec {
        Some(spec) => spec.secret_name.clone(),
        None => existing.meta.name().to_owned(),
    };
    seen.certificates
        .iter()
        .filter(|existing| controls(&seen.ingress.meta, &existing.meta) && existing.meta.deleting.is_none())
        .filter(|existing| !named(&secret(existing)))
        .map(|existing| Effect::Delete(existing.meta.clone()))
        .collect()
}
