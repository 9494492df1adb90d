//! Tables of the planner, and its property: what it has written and removed it leaves alone.

mod consents;
mod properties;
mod refusals;

use super::*;
use crate::{
    pki::{
        chain::{SizeLimits, to_pem},
        fixture::{leaf, p256, root},
        key::KeyEncoding,
        summary::PairSummary,
    },
    plan::{
        request::fixture::{meta, noon},
        seen::{ManagedKeys, Pairs, SecretSeen},
    },
};

fn pairs<K: AsRef<str>, V: AsRef<str>>(pairs: impl IntoIterator<Item = (K, V)>) -> Pairs {
    pairs
        .into_iter()
        .map(|(key, value)| (key.as_ref().to_owned(), value.as_ref().to_owned()))
        .collect()
}

/// A Secret with nothing in it that anybody owns.
fn secret(namespace: &str, name: &str) -> SecretFacts {
    let mut meta = meta(name, &format!("uid-{namespace}-{name}"));
    meta.key = ObjectKey::new(namespace, name);
    SecretFacts {
        seen: SecretSeen {
            meta,
            type_: "kubernetes.io/tls".into(),
            data_keys: Box::default(),
            pair: Box::new(PairSummary::new(None, None, None, &SizeLimits::default())),
            wrong_formats: Box::default(),
            managed: Arc::default(),
            digest: [0; 32],
        },
        digests: Digests::new(),
        applied: ManagedKeys::default(),
    }
}

fn digests(keys: &[&str], version: u8) -> Digests {
    keys.iter().map(|key| (Box::from(*key), [version; 32])).collect()
}

const PAIR: [&str; 2] = ["tls.crt", "tls.key"];

/// The Secret of Certificate `shop/web`, in this version.
fn own(version: u8) -> SecretFacts {
    let (root, key) = (root("root", p256()), p256());
    let chain = to_pem(&[leaf(&root, &["a.example"], &key)]);
    let key = key.to_pem(KeyEncoding::Pkcs1).unwrap();
    let mut own = secret("shop", "web-tls");
    own.seen.meta.annotations = pairs([(annotation::CERTIFICATE_NAME, "web")]);
    own.seen.pair = Box::new(PairSummary::new(
        Some(key.expose()),
        Some(&chain),
        None,
        &SizeLimits::default(),
    ));
    own.digests = digests(&PAIR, version);
    own
}

/// Metadata of Certificate `shop/web`.
fn web(namespaces: &str) -> Meta {
    let mut web = meta("web", "web-uid");
    web.annotations = pairs([(annotation::SYNC_TO, namespaces)]);
    web
}

/// What the writer makes of a plan to copy `own`.
fn copy(namespace: &str, name: &str, of: &Meta, own: &Digests) -> SecretFacts {
    let mut copy = secret(namespace, name);
    copy.seen.meta.labels = pairs(LABELS);
    copy.seen.meta.annotations = pairs(annotations(of));
    copy.digests = own.clone();
    copy.applied = ManagedKeys {
        annotations: [annotation::COPY_OF.into(), annotation::COPY_OF_UID.into()].into(),
        labels: [label::FOR_ATTENTION_OF.into(), label::COPY.into()].into(),
        data: own.keys().cloned().collect(),
        ..ManagedKeys::default()
    };
    copy
}

fn target(namespace: &str, consent: Consent, secret: Option<SecretFacts>) -> CopyTarget {
    CopyTarget {
        namespace: namespace.into(),
        consent,
        secret,
        user: None,
    }
}

/// Certificate `shop/web` with its Secret, and what is in namespace `blog`.
fn observed(consent: Consent, there: Option<SecretFacts>) -> CopyObservation {
    let meta = web("blog");
    CopyObservation {
        key: meta.key.clone(),
        certificate: Some(CopiedCertificate {
            request: SyncRequest::of(&meta),
            meta,
            secret_name: "web-tls".into(),
            secret: Some(own(1)),
        }),
        obstacle: None,
        targets: vec![target("blog", consent, there)],
        others: Vec::new(),
    }
}

fn planned(seen: &CopyObservation) -> CopyPlan {
    plan(noon(), seen, &BTreeMap::new())
}

/// What is written and what is removed, by namespace and name, and the reasons of the problems.
fn summary(plan: &CopyPlan) -> (Vec<String>, Vec<String>, Vec<&'static str>) {
    let key = |key: &ObjectKey| key.to_string();
    (
        plan.writes.iter().map(|write| key(&write.key)).collect(),
        plan.removals.iter().map(|removal| key(&removal.copy.key)).collect(),
        plan.problems.iter().map(|problem| problem.reason).collect(),
    )
}

fn good(version: u8) -> SecretFacts {
    copy("blog", "web-tls", &web("blog"), &digests(&PAIR, version))
}
