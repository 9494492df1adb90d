//! The planner of annotated Ingresses and their Certificates (ANN-01..19, SHM-01..13).
//!
//! One Certificate per `tls` block, with the name of the block's Secret and owned by the Ingress. certlet changes no more than
//! cert-manager does (NB-39): a removed annotation deletes nothing, Certificates of other owners are not changed, and drift is
//! detected only in the fields of SHM-05.

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

/// The observation of an Ingress.
#[derive(Clone, Copy, Debug)]
pub struct IngressObservation<'a> {
    /// The Ingress.
    pub ingress: &'a Object<IngressKind>,
    /// All Certificates of its namespace that it owns, or with a name that one of its blocks requests.
    pub certificates: &'a [Existing],
    /// What the administrator set.
    pub settings: &'a Settings,
}

/// An existing Certificate.
#[derive(Clone, Debug)]
pub struct Existing {
    /// Metadata.
    pub meta: Meta,
    /// `spec` as stored, with unknown fields.
    pub raw: Value,
    /// `spec`, or `None` if it cannot be decoded.
    pub spec: Option<CertificateSpec>,
}

/// A wanted Certificate.
#[derive(Clone, Debug, PartialEq)]
pub struct WantedCertificate {
    /// Its name, which is that of the Secret (SHM-02).
    pub name: String,
    /// Labels of the Ingress, without those of apply sets (ANN-23).
    pub labels: Pairs,
    /// Copied annotations (ANN-22), and those for in-place edits and classes (ANN-17..19).
    pub annotations: Pairs,
    /// The whole spec.
    pub spec: CertificateSpec,
}

/// A write.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "a handful per reconcile, moved once")]
pub enum IngressEffect {
    /// Create a Certificate that the Ingress owns.
    Create(WantedCertificate),
    /// Change a Certificate by a merge patch.
    Update {
        /// The observed Certificate.
        certificate: Meta,
        /// The changes.
        patch: Value,
    },
    /// Delete a Certificate whose `tls` block was removed (SHM-07).
    Delete(Meta),
}

/// The plan for an Ingress.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct IngressPlan {
    /// Writes, in order.
    pub effects: Vec<IngressEffect>,
    /// Messages of Warning Events with reason `BadConfig`. Only an edit of the Ingress helps.
    pub complaints: Vec<String>,
}

impl IngressPlan {
    fn refuse(complaint: String) -> Self {
        Self {
            effects: Vec::new(),
            complaints: vec![complaint],
        }
    }
}

/// Plans the Certificates of an Ingress.
pub fn plan(seen: &IngressObservation<'_>) -> IngressPlan {
    let IngressObservation { ingress, settings, .. } = *seen;
    if !issuer::is_wanted(&ingress.meta.annotations, settings) || is_deleting(&ingress.meta) {
        return IngressPlan::default();
    }
    let issuer_ref = match issuer::choose(&ingress.meta.annotations, &settings.default_issuer) {
        Ok(issuer_ref) => issuer_ref,
        Err(why) => {
            return IngressPlan::refuse(format!(
                "Could not determine issuer for ingress due to bad annotations: {why}"
            ));
        }
    };
    let blocks = ingress.spec.tls.as_deref().unwrap_or_default();
    if let Err(complaint) = block::refuse_duplicates(blocks) {
        return IngressPlan::refuse(complaint);
    }
    let mut plan = IngressPlan::default();
    for (index, tls) in blocks.iter().enumerate() {
        match block::read(index, tls) {
            Err(why) => plan.complaints.push(format!("Skipped a TLS block: {why}")),
            // an invalid annotation stops everything, because it applies to all blocks (SHM-11)
            Ok(block) => match block::wanted(&block, ingress, &issuer_ref, settings) {
                Err(bad) => return IngressPlan::refuse(bad.to_string()),
                Ok(wanted) => plan.effects.extend(reach(wanted, seen)),
            },
        }
    }
    plan.effects.extend(stale(seen, blocks));
    plan
}

/// Foreground deletion: objects that the garbage collector deletes must not be created again (SHM-12).
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

/// The effect from an existing Certificate to `wanted`; none if it has another owner (SHM-04) or no drift (SHM-05).
fn reach(wanted: WantedCertificate, seen: &IngressObservation<'_>) -> Option<IngressEffect> {
    let Some(existing) = seen
        .certificates
        .iter()
        .find(|existing| existing.meta.name() == wanted.name)
    else {
        return Some(IngressEffect::Create(wanted));
    };
    let ours = controls(&seen.ingress.meta, &existing.meta) && existing.meta.deleting.is_none();
    let drifted = existing.meta.labels != wanted.labels
        || existing
            .spec
            .as_ref()
            .is_none_or(|spec| drift::needs_update(spec, &wanted.spec));
    (ours && drifted).then(|| IngressEffect::Update {
        certificate: existing.meta.clone(),
        patch: update(existing, &wanted),
    })
}

/// Replaces the whole spec and all labels, and only adds annotations (SHM-06).
fn update(existing: &Existing, wanted: &WantedCertificate) -> Value {
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

/// Our Certificates whose Secret no block names (SHM-07).
fn stale(seen: &IngressObservation<'_>, blocks: &[k8s_openapi::api::networking::v1::IngressTLS]) -> Vec<IngressEffect> {
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
        .map(|existing| IngressEffect::Delete(existing.meta.clone()))
        .collect()
}
