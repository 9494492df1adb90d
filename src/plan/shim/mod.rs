//! The planner of annotated Ingresses, Gateways and ListenerSets, and their Certificates (ANN-01..23, SHM-01..13, GWS-03..08).
//!
//! One Certificate for each Secret that the object names for TLS, with the name of the Secret and owned by the object. certlet changes no
//! more than cert-manager does (NB-39): a removed annotation deletes nothing, Certificates of other owners are not changed, and
//! drift is detected only in the fields of SHM-05.
//!
//! [`ingress`] and [`gateway`] describe an object of their kind as an [`ShimObject`]; everything else is common to all kinds.

#[cfg(test)]
pub(crate) use annotations::fuzz as fuzz_annotations;

mod annotations;
mod csv;
mod drift;
mod foreign;
pub mod gateway;
pub mod ingress;
mod issuer;
mod listener;
mod pace;
pub mod routes;
mod template;
mod wanted;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::{Value, json};

pub use pace::NamesChange;

use crate::{
    api::{IssuerRef, Solver, certificate::CertificateSpec, names::annotation},
    plan::{
        merge_patch,
        seen::{Meta, Pairs},
        settings::Settings,
    },
};

/// An annotated object, in the terms that all kinds share.
#[derive(Clone, Debug)]
pub struct ShimObject {
    /// Its kind, for messages.
    pub(super) noun: &'static str,
    /// Whether the annotation for automatic TLS counts.
    pub(super) may_be_automatic: bool,
    /// Its metadata with its effective annotations.
    pub meta: Meta,
    /// Annotations of the Certificate that name the parent of HTTPRoutes (ANO-03).
    pub(super) parent: Pairs,
    /// Its Secrets, or why the whole object is refused.
    pub(super) tls: Result<Tls, String>,
}

impl ShimObject {
    /// The Secrets that may get a Certificate.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        let tls = self.tls.iter().flat_map(|tls| &tls.blocks);
        tls.map(|block| block.secret_name.as_str())
    }

    /// The issuer that its annotations name, if it asks for certificates.
    pub fn issuer(&self, settings: &Settings) -> Option<IssuerRef> {
        let wanted = issuer::is_wanted(self, settings);
        let chosen = wanted.then(|| issuer::choose(&self.meta.annotations, &settings.default_issuer, self.noun));
        chosen?.ok()
    }
}

/// The Secrets of an object.
#[derive(Clone, Debug, Default)]
pub(super) struct Tls {
    /// Complete ones, each Secret once.
    blocks: Vec<Block>,
    /// Every Secret that the object names, even in a part that is skipped.
    named: Vec<String>,
    /// Why parts are skipped.
    complaints: Vec<String>,
}

/// A Secret and the names of its certificate.
#[derive(Clone, Debug)]
pub(super) struct Block {
    secret_name: String,
    /// DNS names and IP addresses.
    names: Vec<String>,
    /// Names from HTTPRoutes, if the object takes them.
    routes: Option<RouteNames>,
}

/// Names from HTTPRoutes.
#[derive(Clone, Debug, Default)]
pub(super) struct RouteNames {
    /// The names.
    names: BTreeSet<String>,
    /// The hostnames of the listeners in lower case, each the bound of such names; empty for all.
    within: Vec<String>,
}

/// The observation of an annotated object.
#[derive(Clone, Copy, Debug)]
pub struct ShimObservation<'a> {
    /// The object.
    pub object: &'a ShimObject,
    /// All Certificates of its namespace that it owns, or with the name of one of its Secrets.
    pub certificates: &'a [Existing],
    /// The solvers of its issuer, if that is an ACME issuer that exists.
    pub solvers: Option<&'a [Solver]>,
    /// The settings of the administrator.
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
    /// `status.renewalTime`, if the Certificate is Ready.
    pub renewal: Option<Timestamp>,
    /// The last change of its names from routes, as far as it is remembered.
    pub names_change: Option<NamesChange>,
}

/// A wanted Certificate.
#[derive(Clone, Debug, PartialEq)]
pub struct WantedCertificate {
    /// Its name, which is that of the Secret (SHM-02).
    pub name: String,
    /// Labels of the object, without those of apply sets (ANN-23).
    pub labels: Pairs,
    /// Copied annotations (ANN-22), and those for solvers (ANN-17..20, ANO-03).
    pub annotations: Pairs,
    /// The whole spec.
    pub spec: CertificateSpec,
}

/// A write.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "a handful per reconcile, moved once")]
pub enum ShimEffect {
    /// Create a Certificate that the object owns.
    Create(WantedCertificate),
    /// Change a Certificate by a merge patch.
    Update {
        /// The observed Certificate.
        certificate: Meta,
        /// The changes.
        patch: Value,
        /// What is to be remembered if the names from routes are among them.
        names_change: Option<NamesChange>,
    },
    /// Delete a Certificate whose Secret is no longer named (SHM-07).
    Delete(Meta),
}

/// The plan for an annotated object.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ShimPlan {
    /// Writes, in order.
    pub effects: Vec<ShimEffect>,
    /// Messages of Warning Events with reason `BadConfig`. Only an edit of the object helps.
    pub complaints: Vec<String>,
    /// Messages of Normal Events with reason `WaitingForRoutes`.
    pub waiting: Vec<String>,
    /// When to plan again.
    pub again: Option<Timestamp>,
}

impl ShimPlan {
    fn refuse(complaint: String) -> Self {
        Self {
            complaints: vec![complaint],
            ..Self::default()
        }
    }
}

/// Plans the Certificates of an annotated object.
pub fn plan(now: Timestamp, seen: &ShimObservation<'_>) -> ShimPlan {
    let ShimObservation { object, settings, .. } = *seen;
    if !issuer::is_wanted(object, settings) || is_deleting(&object.meta) {
        return ShimPlan::default();
    }
    let issuer_ref = match issuer::choose(&object.meta.annotations, &settings.default_issuer, object.noun) {
        Ok(issuer_ref) => issuer_ref,
        Err(why) => {
            return ShimPlan::refuse(format!(
                "Could not determine issuer for {} due to bad annotations: {why}",
                object.noun
            ));
        }
    };
    let tls = match &object.tls {
        Ok(tls) => tls,
        Err(complaint) => return ShimPlan::refuse(complaint.clone()),
    };
    let mut plan = ShimPlan {
        complaints: tls.complaints.clone(),
        ..ShimPlan::default()
    };
    for block in &tls.blocks {
        // an invalid annotation stops everything, because it applies to all blocks (SHM-11)
        if let Err(complaint) = plan_block(now, seen, block, &issuer_ref, &mut plan) {
            return ShimPlan::refuse(complaint);
        }
    }
    plan.effects.extend(stale(seen, &tls.named));
    plan
}

fn plan_block(
    now: Timestamp,
    seen: &ShimObservation<'_>,
    block: &Block,
    issuer_ref: &IssuerRef,
    plan: &mut ShimPlan,
) -> Result<(), String> {
    let ShimObservation { object, settings, .. } = *seen;
    let mut wanted =
        wanted::wanted(block, object, issuer_ref, settings).map_err(|bad| format!("invalid {} {bad}", object.noun))?;
    let existing = seen
        .certificates
        .iter()
        .find(|existing| existing.meta.name() == wanted.name);
    let mut names_change = None;
    if let Some(routes) = &block.routes {
        let ours = existing.filter(|existing| controls(&object.meta, &existing.meta));
        let chosen = routes::choose(now, routes, ours, &wanted.spec.dns_names);
        plan.again = plan.again.into_iter().chain(chosen.until).min();
        if chosen.left_out > 0 {
            plan.complaints.push(format!(
                "Secret {:?}: {} hostnames of HTTPRoutes are left out, because a certificate has at most {} of them; \
                 use more listeners, each with a Secret and a hostname of its own",
                block.secret_name,
                chosen.left_out,
                routes::MAX_NAMES
            ));
        }
        if let Some(due) = chosen.waits {
            plan.waiting.push(format!(
                "Secret {:?}: the hostnames of HTTPRoutes have changed; the Certificate follows at {}, because they change often and each \
                 change is an order",
                block.secret_name,
                due.strftime("%Y-%m-%dT%H:%M:%SZ")
            ));
        }
        names_change = chosen.change;
        wanted.spec.dns_names.extend(chosen.names);
        if has_no_names(&wanted.spec) {
            plan.waiting.push(format!(
                "Secret {:?}: no accepted HTTPRoute has a hostname within {}; the Certificate is created when one has",
                block.secret_name,
                bounds(&routes.within)
            ));
            return Ok(());
        }
    }
    plan.complaints.extend(unprovable(seen, &wanted));
    plan.effects.extend(reach(wanted, existing, object, names_change));
    Ok(())
}

/// Why the issuer cannot prove a wildcard of a listener. The Certificate is created all the same, as by cert-manager.
fn unprovable(seen: &ShimObservation<'_>, wanted: &WantedCertificate) -> Option<String> {
    let solvers = seen.solvers.filter(|solvers| !solvers.is_empty())?;
    let without_dns = solvers.iter().all(|solver| solver.dns01.is_none());
    let is_of_listener = !seen.object.may_be_automatic;
    let wildcard = wanted.spec.dns_names.iter().find(|name| name.starts_with("*."))?;
    (without_dns && is_of_listener).then(|| {
        format!(
            "Secret {:?}: {} {:?} has no dns01 solver, and a server issues {wildcard:?} only with DNS-01; add one to the issuer, or take \
             the names of the HTTPRoutes with the annotation {}: \"true\"",
            wanted.name,
            wanted.spec.issuer_ref.kind_or_default(),
            wanted.spec.issuer_ref.name,
            annotation::HOSTNAMES_FROM_ROUTES
        )
    })
}

fn has_no_names(spec: &CertificateSpec) -> bool {
    spec.common_name.is_none()
        && spec.dns_names.is_empty()
        && spec.ip_addresses.is_empty()
        && spec.email_addresses.is_empty()
}

/// The hostnames of listeners, for a message.
fn bounds(hostnames: &[String]) -> String {
    let quoted = hostnames.iter().map(|hostname| match hostname.as_str() {
        "" => "any domain".to_owned(),
        hostname => format!("{hostname:?}"),
    });
    quoted.collect::<Vec<_>>().join(" or ")
}

/// Joins several messages in the format of Kubernetes.
fn aggregate(mut complaints: Vec<String>) -> String {
    match complaints.len() {
        1 => complaints.remove(0),
        _ => format!("[{}]", complaints.join(", ")),
    }
}

/// Foreground deletion: objects that the garbage collector deletes must not be created again (SHM-12).
fn is_deleting(meta: &Meta) -> bool {
    meta.deleting.is_some()
        || meta
            .finalizers
            .iter()
            .any(|finalizer| &**finalizer == "foregroundDeletion")
}

fn controls(object: &Meta, certificate: &Meta) -> bool {
    certificate.controller().is_some_and(|owner| owner.uid == object.uid)
}

/// The effect from an existing Certificate to `wanted`; none if it has another owner (SHM-04) or no drift (SHM-05).
fn reach(
    wanted: WantedCertificate,
    existing: Option<&Existing>,
    object: &ShimObject,
    names_change: Option<NamesChange>,
) -> Option<ShimEffect> {
    let Some(existing) = existing else {
        return Some(ShimEffect::Create(wanted));
    };
    let ours = controls(&object.meta, &existing.meta) && existing.meta.deleting.is_none();
    let drifted = existing.meta.labels != wanted.labels
        || drift::names_another_parent(&existing.meta.annotations, &wanted.annotations)
        || existing
            .spec
            .as_ref()
            .is_none_or(|spec| drift::needs_update(spec, &wanted.spec));
    (ours && drifted).then(|| ShimEffect::Update {
        certificate: existing.meta.clone(),
        patch: update(existing, &wanted),
        names_change,
    })
}

/// Replaces the whole spec and all labels, and only adds annotations (SHM-06), except that a route's parent has no namespace of an
/// earlier parent.
fn update(existing: &Existing, wanted: &WantedCertificate) -> Value {
    let map = |pairs: &Pairs| {
        pairs
            .iter()
            .map(|(key, value)| (key.to_owned(), Value::from(value)))
            .collect::<serde_json::Map<_, _>>()
    };
    let wanted_spec = serde_json::to_value(&wanted.spec).unwrap_or_default();
    let mut annotations = map(&wanted.annotations);
    annotations.retain(|key, value| existing.meta.annotations.get(key) != value.as_str());
    let removed = drift::removed(&existing.meta.annotations, &wanted.annotations);
    annotations.extend(removed.map(|key| (key.to_owned(), Value::Null)));
    let mut patch = json!({});
    let mut put = |pointer: &str, value: Option<Value>| {
        if let (Some(value), Some(object)) = (value, patch.as_object_mut()) {
            object.insert(pointer.to_owned(), value);
        }
    };
    put("spec", merge_patch::difference(&existing.raw, &wanted_spec));
    let mut metadata = serde_json::Map::new();
    let (had, has) = (map(&existing.meta.labels).into(), map(&wanted.labels).into());
    if let Some(labels) = merge_patch::difference(&had, &has) {
        metadata.insert("labels".to_owned(), labels);
    }
    if !annotations.is_empty() {
        metadata.insert("annotations".to_owned(), annotations.into());
    }
    put("metadata", (!metadata.is_empty()).then_some(Value::Object(metadata)));
    patch
}

/// Our Certificates whose Secret the object does not name (SHM-07).
fn stale(seen: &ShimObservation<'_>, named: &[String]) -> Vec<ShimEffect> {
    let secret = |existing: &Existing| match &existing.spec {
        Some(spec) => spec.secret_name.clone(),
        None => existing.meta.name().to_owned(),
    };
    seen.certificates
        .iter()
        .filter(|existing| controls(&seen.object.meta, &existing.meta) && existing.meta.deleting.is_none())
        .filter(|existing| !named.contains(&secret(existing)))
        .map(|existing| ShimEffect::Delete(existing.meta.clone()))
        .collect()
}
