//! The records of the watched kinds: which fields are stored, and by which links they are found.

use serde::Deserialize;

use super::{index::Registered, link::Link, wire::Record};
use crate::{
    api::{IssuerRef, names},
    plan::{
        kinds::{CertificateKind, ChallengeKind, ClusterIssuerKind, IngressKind, IssuerKind, OrderKind, RequestKind},
        seen::{Kind, Lean, Meta, RequestSeen, SecretSeen},
        signing_request::{SigningRequestKind, SigningRequestSeen},
    },
};

/// The kinds that certlet writes, each with the record for a written object.
pub trait Stored: Kind {
    /// The record.
    type Record: Registered;
}

impl Stored for RequestKind {
    type Record = RequestSeen;
}

impl Stored for SigningRequestKind {
    type Record = SigningRequestSeen;
}

/// An owner in `ownerReferences`.
fn owners(meta: &Meta) -> impl Iterator<Item = Link> + '_ {
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

fn certificate_links(record: &Lean<CertificateKind>) -> Vec<Link> {
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
    links.dedup();
    links
}

fn child_links(meta: &Meta, spec: &str) -> Vec<Link> {
    #[derive(Default, Deserialize)]
    #[serde(rename_all = "camelCase", default)]
    struct Peek {
        issuer_ref: Option<IssuerRef>,
    }
    let peek: Peek = peek(spec);
    let issuer = peek
        .issuer_ref
        .map(|reference| Link::issuer(&reference, meta.namespace()));
    issuer.into_iter().chain(owners(meta)).collect()
}

/// The names of all Secrets in an issuer's spec: every `…SecretRef.name`, `secretName` and `caBundleSecretRef.name`. The
/// namespace of a ClusterIssuer's Secrets is a setting that the router knows, so it is empty here.
fn issuer_links(meta: &Meta, spec: &str) -> Vec<Link> {
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
    walk(&serde_json::from_str(spec).unwrap_or_default(), "", &mut names);
    names.sort();
    names.dedup();
    names
        .into_iter()
        .map(|name| Link::Secret(meta.key.sibling(name)))
        .collect()
}

fn is_secret_reference(key: &str) -> bool {
    key.ends_with("SecretRef") || key == "credentialsRef" || key == "secretRef"
}

macro_rules! lean_record {
    ($kind:ty, |$record:ident| $links:expr) => {
        impl Stored for $kind {
            type Record = Lean<$kind>;
        }

        impl Record for Lean<$kind> {
            const GROUP: &'static str = <$kind as Kind>::GROUP;
            const VERSION: &'static str = <$kind as Kind>::VERSION;
            const KIND: &'static str = <$kind as Kind>::KIND;
            const PLURAL: &'static str = <$kind as Kind>::PLURAL;
            const NAMESPACED: bool = <$kind as Kind>::NAMESPACED;

            fn meta(&self) -> &Meta {
                &self.meta
            }

            fn links(&self) -> Vec<Link> {
                let $record = self;
                $links
            }
        }
    };
}

lean_record!(CertificateKind, |record| certificate_links(record));
lean_record!(OrderKind, |record| child_links(&record.meta, record.spec.get()));
lean_record!(ChallengeKind, |record| child_links(&record.meta, record.spec.get()));
lean_record!(IssuerKind, |record| issuer_links(&record.meta, record.spec.get()));
lean_record!(ClusterIssuerKind, |record| issuer_links(
    &record.meta,
    record.spec.get()
));
lean_record!(IngressKind, |record| owners(&record.meta).collect());

impl Record for RequestSeen {
    const GROUP: &'static str = RequestKind::GROUP;
    const VERSION: &'static str = RequestKind::VERSION;
    const KIND: &'static str = RequestKind::KIND;
    const PLURAL: &'static str = RequestKind::PLURAL;
    const NAMESPACED: bool = RequestKind::NAMESPACED;

    fn meta(&self) -> &Meta {
        &self.meta
    }

    fn links(&self) -> Vec<Link> {
        let key = &self.meta.key;
        let annotation = |name: &str| self.meta.annotations.get(name).map(|value| key.sibling(value));
        let mut links: Vec<Link> = owners(&self.meta).collect();
        if self.csr_pem.is_some() {
            // only an unfinished request waits for its issuer or its key
            links.extend(annotation(names::annotation::PRIVATE_KEY_SECRET_NAME).map(Link::Secret));
            links.push(Link::issuer(&self.issuer_ref, self.meta.namespace()));
        }
        links
    }
}

impl Record for SigningRequestSeen {
    const GROUP: &'static str = SigningRequestKind::GROUP;
    const VERSION: &'static str = SigningRequestKind::VERSION;
    const KIND: &'static str = SigningRequestKind::KIND;
    const PLURAL: &'static str = SigningRequestKind::PLURAL;
    const NAMESPACED: bool = SigningRequestKind::NAMESPACED;

    fn meta(&self) -> &Meta {
        &self.meta
    }

    fn is_relevant(&self) -> bool {
        self.signer().is_some()
    }

    fn links(&self) -> Vec<Link> {
        if self.is_finished() {
            Vec::new()
        } else {
            vec![Link::Waiting]
        }
    }
}

impl Record for SecretSeen {
    const GROUP: &'static str = "";
    const VERSION: &'static str = "v1";
    const KIND: &'static str = "Secret";
    const PLURAL: &'static str = "secrets";
    const NAMESPACED: bool = true;

    fn meta(&self) -> &Meta {
        &self.meta
    }

    fn links(&self) -> Vec<Link> {
        owners(&self.meta).collect()
    }
}
