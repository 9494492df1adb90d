//! Targets: what each is to have, and whether it has it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    fmt::Write as _,
    sync::Arc,
};

use super::Parsed;
use crate::{
    api::{
        bundle::{BUNDLE_LABEL, HASH_ANNOTATION, TargetTemplate},
        keystore::Pkcs12Profile,
    },
    pki::{Error, bundle::Pool, key::sha256, keystore::Seed},
    plan::seen::{Meta, ObjectKey},
};

/// A kind of targets, and of sources.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TargetKind {
    /// `ConfigMap`.
    ConfigMap,
    /// `Secret`.
    Secret,
}

impl TargetKind {
    /// Both.
    pub const ALL: [Self; 2] = [Self::ConfigMap, Self::Secret];

    /// Its name in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ConfigMap => "ConfigMap",
            Self::Secret => "Secret",
        }
    }

    /// Its plural in URLs.
    pub const fn plural(self) -> &'static str {
        match self {
            Self::ConfigMap => "configmaps",
            Self::Secret => "secrets",
        }
    }
}

impl fmt::Display for TargetKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The metadata of an object that is a target, or was one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Existing {
    /// Its kind.
    pub kind: TargetKind,
    /// Metadata.
    pub meta: Meta,
    /// The keys of its data that the field manager of targets owns.
    pub managed: BTreeSet<String>,
}

impl Existing {
    /// Kind, namespace and name.
    pub fn id(&self) -> (TargetKind, ObjectKey) {
        (self.kind, self.meta.key.clone())
    }

    /// Whether the Bundle with this uid is its managing controller.
    pub fn is_controlled_by(&self, uid: &str) -> bool {
        self.meta.controller().is_some_and(|owner| &*owner.uid == uid)
    }

    /// Whether the data of its Bundle is to be removed, if it is no target any more.
    pub(super) fn is_to_be_cleaned(&self, uid: &str) -> bool {
        self.meta.deleting.is_none() && self.is_controlled_by(uid)
    }

    /// Whether a Bundle of this name and uid wrote it. A Bundle that was restored from a backup has another uid.
    pub fn is_of(&self, bundle: &Meta) -> bool {
        self.meta.labels.get(BUNDLE_LABEL) == Some(bundle.name())
            && (self.is_controlled_by(&bundle.uid) || self.meta.annotations.contains(HASH_ANNOTATION))
    }
}

/// What to do for one target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetStep {
    /// Remove what the Bundle wrote, and the object if nothing remains.
    Clean(Existing),
    /// Write it.
    Write(Wanted),
}

/// A target that is to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Its kind.
    pub kind: TargetKind,
    /// Its namespace and name.
    pub key: ObjectKey,
    /// The object, if there is one with the label of the Bundle.
    pub found: Option<Existing>,
}

/// What is written into targets.
#[derive(Clone, Debug)]
pub struct Content {
    spec: Parsed,
    pool: Arc<Pool>,
    pem: String,
    /// Of each kind of targets.
    hashes: BTreeMap<TargetKind, String>,
}

/// The files of a target by key: text, and bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files {
    /// Text.
    pub text: BTreeMap<String, String>,
    /// Bytes.
    pub bytes: BTreeMap<String, Vec<u8>>,
}

impl Content {
    /// What the targets of a Bundle with these certificates have.
    pub fn new(spec: &Parsed, pool: &Arc<Pool>) -> Self {
        let pem = pool.pem();
        let hashes = spec.kinds().map(|kind| (kind, hash(spec, kind, &pem)));
        Self {
            hashes: hashes.collect(),
            spec: spec.clone(),
            pool: Arc::clone(pool),
            pem,
        }
    }

    /// The labels of a target, beside that with the name of the Bundle.
    pub fn labels(&self, kind: TargetKind) -> impl Iterator<Item = (&String, &String)> {
        self.spec.template(kind).into_iter().flat_map(TargetTemplate::labels)
    }

    /// The annotations of a target, beside that with the digest.
    pub fn annotations(&self, kind: TargetKind) -> impl Iterator<Item = (&String, &String)> {
        self.spec
            .template(kind)
            .into_iter()
            .flat_map(TargetTemplate::annotations)
    }

    /// The digest of what a target has; empty for a kind that the Bundle does not have.
    pub fn hash(&self, kind: TargetKind) -> &str {
        self.hashes.get(&kind).map_or("", String::as_str)
    }

    /// Whether the object has it all: the Bundle controls it, and label, digest and keys are right.
    pub(super) fn is_in(&self, found: &Existing, bundle: &Meta) -> bool {
        found.is_controlled_by(&bundle.uid)
            && found.meta.labels.get(BUNDLE_LABEL) == Some(bundle.name())
            && found.meta.annotations.get(HASH_ANNOTATION) == Some(self.hash(found.kind))
            && found.managed == self.keys(found.kind)
    }

    /// The keys of the files.
    pub fn keys(&self, kind: TargetKind) -> BTreeSet<String> {
        let Parsed { jks, pkcs12, .. } = &self.spec;
        let pem = self.spec.template(kind).map(|template| template.key.clone());
        pem.into_iter()
            .chain(jks.as_ref().map(|(key, _)| key.clone()))
            .chain(pkcs12.as_ref().map(|(key, ..)| key.clone()))
            .collect()
    }

    /// The files in the formats beside PEM, which all targets share.
    ///
    /// # Errors
    /// If a password or a name cannot be encoded.
    pub fn formats(&self, seed: &Seed) -> Result<BTreeMap<String, Vec<u8>>, Error> {
        let Parsed { jks, pkcs12, .. } = &self.spec;
        let mut files = BTreeMap::new();
        if let Some((key, password)) = jks {
            files.insert(key.clone(), self.pool.jks(password)?);
        }
        if let Some((key, password, _)) = pkcs12 {
            let file = self.pool.pkcs12(password, self.spec.profile(), seed)?;
            files.insert(key.clone(), file);
        }
        Ok(files)
    }

    /// The files of a kind of targets.
    pub fn files(&self, kind: TargetKind, formats: &BTreeMap<String, Vec<u8>>) -> Files {
        let pem = self
            .spec
            .template(kind)
            .map(|template| (template.key.clone(), self.pem.clone()));
        Files {
            text: pem.into_iter().collect(),
            bytes: formats.clone(),
        }
    }
}

/// The digest of what a target has, as trust-manager computes it: PKCS#12 has random salts, so what it is made from counts.
fn hash(spec: &Parsed, kind: TargetKind, pem: &str) -> String {
    let Parsed { jks, pkcs12, .. } = spec;
    let mut hashed = pem.to_owned();
    if let Some((_, password)) = jks {
        hashed.push_str(password);
    }
    if let Some((_, password, profile)) = pkcs12 {
        hashed.push_str(password);
        hashed.push_str(profile.map_or("", Pkcs12Profile::as_str));
    }
    // maps that are sorted by key
    if let Some(template) = spec.template(kind) {
        for (key, value) in template.annotations().chain(template.labels()) {
            hashed.push_str(key);
            hashed.push_str(value);
        }
    }
    sha256(hashed.as_bytes()).iter().fold(String::new(), |mut text, byte| {
        let _infallible = write!(text, "{byte:02x}");
        text
    })
}
