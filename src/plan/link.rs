//! Links: references of a record by which it can be found, and those of each watched kind.

use std::sync::Arc;

use serde::Deserialize;

use super::{
    copies::{self, SyncRequest},
    injection::{CaSource, source_of},
    kinds::{BundleKind, CertificateKind, ChallengeKind, GatewayKind, ListenerSetKind},
    route::parent_link,
    seen::{Annotated, Kind, Lean, Meta, ObjectKey, RequestSeen, SecretSeen},
    signing_request::SigningRequestSeen,
};
use crate::api::{
    IssuerRef,
    bundle::{BundleSource, BundleSpec, SourceObject},
    gateway::ParentGateway,
    http01::ParentRef,
    names,
};

/// A reference of a record.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Link {
    /// Its owner's uid.
    Owner(Box<str>),
    /// A Secret that it reads or writes.
    Secret(ObjectKey),
    /// A ConfigMap that it reads.
    ConfigMap(ObjectKey),
    /// It reads Secrets with certain labels.
    SomeSecrets,
    /// It reads ConfigMaps with certain labels.
    SomeConfigMaps,
    /// Its issuer: kind, group (both with their defaults applied), and namespace/name.
    Issuer(Box<str>, Box<str>, ObjectKey),
    /// The Certificate whose CA it gets.
    Certificate(ObjectKey),
    /// The Gateway or ListenerSet that it attaches to, by its kind.
    Parent(&'static str, ObjectKey),
    /// Of a Certificate: a namespace into which its Secret is to be copied.
    SyncTo(Box<str>),
    /// Of a Secret: the Certificate whose copy it claims to be.
    CopyOf(ObjectKey),
    /// It takes part in the copying of Secrets: the Certificate requests copies, the Secret claims to be one.
    Synced,
    /// It is unfinished and has no other link by which a change could find it.
    Waiting,
}

impl Link {
    /// The link of an object in `namespace` to its issuer.
    pub fn issuer(reference: &IssuerRef, namespace: &str) -> Self {
        let kind = reference.kind_or_default();
        let key = match kind {
            "ClusterIssuer" => ObjectKey::cluster(reference.name.as_str()),
            _ => ObjectKey::new(namespace, reference.name.as_str()),
        };
        Self::Issuer(kind.into(), reference.group_or_default().into(), key)
    }
}

/// All owners in `ownerReferences`.
pub fn owners(meta: &Meta) -> impl Iterator<Item = Link> + '_ {
    meta.owners.iter().map(|owner| Link::Owner(owner.uid.clone()))
}

/// The fields of a spec that links are made from. A spec that cannot be decoded has no links.
fn peek<'a, T: Deserialize<'a> + Default>(raw: &'a str) -> T {
    serde_json::from_str(raw).unwrap_or_default()
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct CertificatePeek {
    secret_name: Option<String>,
    issuer_ref: Option<IssuerRef>,
    keystores: Option<KeystoresPeek>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct KeystoresPeek {
    jks: Option<KeystorePeek>,
    pkcs12: Option<KeystorePeek>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct KeystorePeek {
    password_secret_ref: Option<NamePeek>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct NamePeek {
    name: String,
}

/// `spec.secretName`, also of a Certificate whose other fields are unreadable.
pub fn target_secret(record: &Lean<CertificateKind>) -> Option<Arc<str>> {
    let spec: serde_json::Value = serde_json::from_str(record.spec.get()).ok()?;
    let name = spec.get("secretName")?.as_str()?;
    (!name.is_empty()).then(|| name.into())
}

/// Of a Certificate: its Secrets, its issuer, its owners, and the namespaces that its Secret is to be copied into.
pub fn of_certificate(record: &Lean<CertificateKind>) -> Vec<Link> {
    let spec: CertificatePeek = peek(record.spec.get());
    let key = &record.meta.key;
    let keystores = spec.keystores.unwrap_or_default();
    let passwords = [keystores.jks, keystores.pkcs12]
        .into_iter()
        .flatten()
        .filter_map(|store| store.password_secret_ref);
    let secrets = spec
        .secret_name
        .into_iter()
        .chain(passwords.map(|password| password.name));
    let mut links: Vec<Link> = secrets.map(|name| Link::Secret(key.sibling(name))).collect();
    links.extend(
        spec.issuer_ref
            .map(|reference| Link::issuer(&reference, record.meta.namespace())),
    );
    links.extend(owners(&record.meta));
    if copies::is_requested(&record.meta) {
        let namespaces = SyncRequest::of(&record.meta).namespaces.into_iter();
        links.extend(namespaces.map(|namespace| Link::SyncTo((*namespace).into())));
        links.push(Link::Synced);
    }
    links.dedup();
    links
}

/// Of a Secret: its owners, and the Certificate whose copy it claims to be.
pub fn of_secret(record: &SecretSeen) -> Vec<Link> {
    let mut links: Vec<Link> = owners(&record.meta).collect();
    if let Some(certificate) = copies::copy_of(&record.meta) {
        links.extend([Link::CopyOf(certificate), Link::Synced]);
    }
    links
}

/// Of an object that a request owns directly or not: the issuer in its spec, and its owners.
pub fn of_child<K: Kind>(record: &Lean<K>) -> Vec<Link> {
    #[derive(Default, Deserialize)]
    #[serde(rename_all = "camelCase", default)]
    struct Peek {
        issuer_ref: Option<IssuerRef>,
    }
    let spec: Peek = peek(record.spec.get());
    let issuer = spec
        .issuer_ref
        .map(|reference| Link::issuer(&reference, record.meta.namespace()));
    issuer.into_iter().chain(owners(&record.meta)).collect()
}

/// Of a Challenge: those of [`of_child`], and the parents of the HTTPRoute of its solver.
pub fn of_challenge(record: &Lean<ChallengeKind>) -> Vec<Link> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Peek {
        solver: SolverPeek,
    }
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct SolverPeek {
        http01: Option<Http01Peek>,
    }
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Http01Peek {
        #[serde(rename = "gatewayHTTPRoute")]
        route: Option<RoutePeek>,
    }
    #[derive(Default, Deserialize)]
    #[serde(rename_all = "camelCase", default)]
    struct RoutePeek {
        parent_refs: Vec<ParentRef>,
    }
    let spec: Peek = peek(record.spec.get());
    let route = spec.solver.http01.and_then(|http01| http01.route);
    let references = route.map(|route| route.parent_refs).unwrap_or_default();
    let parents = references
        .iter()
        .filter_map(|reference| parent_link(reference, record.meta.namespace()));
    of_child(record).into_iter().chain(parents).collect()
}

/// Of an issuer: all Secrets in its spec, that is every `…SecretRef.name`, `secretName` and `caBundleSecretRef.name`. The
/// namespace of a ClusterIssuer's Secrets is a setting that the router knows, so it is empty here.
pub fn of_issuer<K: Kind>(record: &Lean<K>) -> Vec<Link> {
    fn walk(value: &serde_json::Value, under: &str, names: &mut Vec<String>) {
        for value in value.as_array().into_iter().flatten() {
            walk(value, under, names);
        }
        for (key, value) in value.as_object().into_iter().flatten() {
            match value.as_str() {
                Some(name) if key == "secretName" || (key == "name" && is_secret_reference(under)) => {
                    names.push(name.to_owned());
                }
                _ => walk(value, key, names),
            }
        }
    }
    let mut names = Vec::new();
    walk(
        &serde_json::from_str(record.spec.get()).unwrap_or_default(),
        "",
        &mut names,
    );
    names.sort();
    names.dedup();
    names
        .into_iter()
        .map(|name| Link::Secret(record.meta.key.sibling(name)))
        .collect()
}

fn is_secret_reference(key: &str) -> bool {
    key.ends_with("SecretRef") || key == "credentialsRef" || key == "secretRef"
}

/// Of a CertificateRequest: its owners and, until it is finished, its issuer and the Secret with its private key.
pub fn of_request(record: &RequestSeen) -> Vec<Link> {
    let key = &record.meta.key;
    let annotation = |name: &str| record.meta.annotations.get(name).map(|value| key.sibling(value));
    let mut links: Vec<Link> = owners(&record.meta).collect();
    if record.csr_pem.is_some() {
        // only an unfinished request waits for its issuer or its key
        links.extend(annotation(names::annotation::PRIVATE_KEY_SECRET_NAME).map(Link::Secret));
        links.push(Link::issuer(&record.issuer_ref, record.meta.namespace()));
    }
    links
}

/// Of a target of CAs: its source.
pub fn of_target<K: Kind>(record: &Annotated<K>) -> Vec<Link> {
    match source_of(&record.meta.annotations) {
        Some(Ok(CaSource::Secret(secret))) => vec![Link::Secret(secret)],
        Some(Ok(CaSource::Certificate(certificate))) => vec![Link::Certificate(certificate)],
        Some(Ok(CaSource::ApiServer) | Err(_)) | None => Vec::new(),
    }
}

/// Of a Bundle: its sources. Their namespaces are a setting that the router knows, so they are empty here.
pub fn of_bundle(record: &Lean<BundleKind>) -> Vec<Link> {
    let BundleSpec { sources, .. } = peek(record.spec.get());
    let mut links = Vec::new();
    for BundleSource { config_map, secret, .. } in sources {
        let link = |source: SourceObject, by_name: fn(ObjectKey) -> Link, by_labels: Link| {
            let name = source.name.filter(|name| !name.is_empty());
            name.map_or(by_labels, |name| by_name(ObjectKey::cluster(name)))
        };
        links.extend(config_map.map(|source| link(source, Link::ConfigMap, Link::SomeConfigMaps)));
        links.extend(secret.map(|source| link(source, Link::Secret, Link::SomeSecrets)));
    }
    links.dedup();
    links
}

/// Of a CertificateSigningRequest: it waits until it is finished.
pub fn of_signing_request(record: &SigningRequestSeen) -> Vec<Link> {
    if record.is_finished() {
        Vec::new()
    } else {
        vec![Link::Waiting]
    }
}

/// Of a ListenerSet: its Gateway and its owners.
pub fn of_listener_set(record: &Lean<ListenerSetKind>) -> Vec<Link> {
    #[derive(Default, Deserialize)]
    #[serde(rename_all = "camelCase", default)]
    struct Peek {
        parent_ref: ParentGateway,
    }
    let Peek { parent_ref } = peek(record.spec.get());
    let gateway = ObjectKey::new(
        parent_ref.namespace_or(record.meta.namespace()),
        parent_ref.name.as_str(),
    );
    [Link::Parent(GatewayKind::KIND, gateway)]
        .into_iter()
        .chain(owners(&record.meta))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{json, value::to_raw_value};

    use super::*;
    use crate::plan::request::fixture::meta;

    fn links(solver: &serde_json::Value) -> Vec<Link> {
        let record = Lean::<ChallengeKind> {
            meta: meta("web-1", "uid"),
            spec: to_raw_value(&json!({"solver": solver})).unwrap(),
            status: None,
            kind: std::marker::PhantomData,
        };
        of_challenge(&record)
    }

    #[test]
    fn a_challenge_is_found_by_the_parents_of_its_httproute() {
        let own = meta("web-1", "uid").key;
        let parents = json!([
            {"name": "front", "sectionName": "http"},
            {"name": "edge", "namespace": "gateways", "kind": "ListenerSet", "group": "gateway.networking.k8s.io"},
            {"name": "mesh", "kind": "Service", "group": ""},
        ]);
        assert_eq!(
            links(&json!({"http01": {"gatewayHTTPRoute": {"parentRefs": parents}}})),
            [
                Link::Parent(GatewayKind::KIND, own.sibling("front")),
                Link::Parent(ListenerSetKind::KIND, ObjectKey::new("gateways", "edge")),
            ]
        );
        assert_eq!(links(&json!({"http01": {"ingress": {"class": "front"}}})), []);
        assert_eq!(
            links(&json!({"http01": {"gatewayHTTPRoute": {"parentRefs": "front"}}})),
            []
        );
    }
}
