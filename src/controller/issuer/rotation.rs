//! Rotation of the certificates of a CA issuer: scans its leaves, stores the record of its CAs, and wakes the Certificates.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::{Either, Issuers, previous_cas};
use crate::{
    api::{
        GROUP,
        condition::{self, Condition},
        issuer::CaIssuer,
        names::{annotation, data_key, label},
    },
    cluster::{owner::owning, secret::SecretApply, store::Link},
    controller::{ControllerError, FollowUp, rotations::Rotation},
    pki::{chain, hidden::Hidden, key::sha256},
    plan::{
        issuer::{IssuerId, secret_of},
        kinds::CertificateKind,
        object_name::prefix,
        rotation::{self, Authority, Fingerprint, Leaf, LeafState, ROTATING, Rotating, RotationObservation, later},
        seen::{Lean, Next, Object, ObjectKey, SecretSeen},
    },
    signer::ca::CertificateAuthority,
};

/// Minimum interval between scans of all leaves.
const MIN_SCAN_INTERVAL: SignedDuration = SignedDuration::from_secs(1);
/// Maximum number of leaves that are requeued by one scan because their bundle must change.
const MAX_REQUEUED_LEAVES: usize = 100;
/// Interval of rescans, because a leaf of a previous CA may reappear, for example from a backup.
const RESCAN_INTERVAL: SignedDuration = SignedDuration::from_hours(1);

/// Scans the leaves of a Ready CA issuer. Returns its condition `Rotating` (`None` leaves it unchanged) and when to scan again.
pub(super) async fn scan<K: Either>(
    controller: &Issuers,
    issuer: &Object<K>,
    spec: &CaIssuer,
) -> Result<(Option<Rotating>, Next), ControllerError> {
    let id = IssuerId(issuer.meta.key.clone());
    let condition = condition::get(&issuer.status.conditions, ROTATING);
    let settle = match asked(issuer, condition) {
        Ok(settle) => settle,
        Err(instead) => {
            controller.rotations.forget(&id);
            return Ok((instead, Next::OnChange));
        }
    };
    let (now, known) = (controller.ports.now(), controller.rotations.of(&id));
    let Some(ca) = ca_of(controller, issuer, spec).await else {
        return Ok((None, Next::OnChange));
    };
    let known = known.filter(|known| known.authority == ca.authority);
    if let Some(again) = known.as_ref().and_then(|known| too_soon(known, now)) {
        return Ok((None, Next::At(again)));
    }
    let record = match Record::read(controller, issuer).await? {
        Ok(record) => record,
        Err(taken) => {
            controller.rotations.forget(&id);
            return Ok((Some(taken), Next::At(later(now, RESCAN_INTERVAL))));
        }
    };
    let found = leaves::<K>(controller, issuer, &ca.secret);
    let record = record.or_discovered(controller, issuer, &ca.authority, &found).await?;
    let seen = seen(&ca.authority, &record, &found, known.as_deref(), condition, settle);
    let plan = rotation::plan(now, &seen);
    let bundle = record.keep(controller, issuer, &plan.record, ca.root).await?;
    let before = known.as_deref();
    let allowed = before.map(|known| &known.allowed).cloned().unwrap_or_default();
    let allowed = rotation::allowances(now, &allowed, &seen, &plan);
    let requeued = before.filter(|known| known.trust == plan.trust);
    let mut requeued = requeued.map(|known| known.requeued.clone()).unwrap_or_default();
    let outdated: Vec<ObjectKey> = plan
        .distrusting
        .iter()
        .filter(|key| !requeued.contains(key))
        .cloned()
        .collect();
    let waking: Vec<ObjectKey> = outdated.iter().take(MAX_REQUEUED_LEAVES).cloned().collect();
    requeued.extend(waking.iter().cloned());
    let mut next = plan.next.or_at(later(now, RESCAN_INTERVAL));
    if waking.len() < outdated.len() {
        next = next.or_at(later(now, MIN_SCAN_INTERVAL));
    }
    let rotation = Rotation {
        authority: ca.authority.clone(),
        trust: plan.trust.clone(),
        bundle: of_these(bundle, &plan.trust.bundle),
        allowed,
        requeued,
        scanned: now,
    };
    controller.rotations.keep(id, rotation);
    let to_do: HashSet<ObjectKey> = waking.into_iter().chain(plan.allowed).collect();
    for key in to_do {
        controller.ports.queues.follow_up(FollowUp::AuthorityChanged(key));
    }
    Ok((plan.condition, next))
}

/// The result of a dry run.
#[derive(Clone, Debug, Default)]
pub(crate) struct RotationDryRun {
    /// The condition `Rotating`; `None` leaves it unchanged.
    pub condition: Option<Rotating>,
    /// Number of Certificates whose `ca.crt` would be updated.
    pub distrusting: usize,
    /// Number of Certificates that would be re-issued.
    pub stale: usize,
}

/// Plans a scan without applying it.
pub(super) async fn dry_run<K: Either>(
    controller: &Issuers,
    issuer: &Object<K>,
    spec: &CaIssuer,
) -> Result<RotationDryRun, ControllerError> {
    let condition = condition::get(&issuer.status.conditions, ROTATING);
    let only = |condition| RotationDryRun {
        condition,
        ..RotationDryRun::default()
    };
    let settle = match asked(issuer, condition) {
        Ok(settle) => settle,
        Err(instead) => return Ok(only(instead)),
    };
    let Some(ca) = ca_of(controller, issuer, spec).await else {
        return Ok(RotationDryRun::default());
    };
    let record = match Record::read(controller, issuer).await? {
        Ok(record) => record,
        Err(taken) => return Ok(only(Some(taken))),
    };
    let found = leaves::<K>(controller, issuer, &ca.secret);
    let record = record.or_discovered(controller, issuer, &ca.authority, &found).await?;
    let seen = seen(&ca.authority, &record, &found, None, condition, settle);
    let plan = rotation::plan(controller.ports.now(), &seen);
    let is_stale = |leaf: &&Leaf<'_>| !seen.authority.issued(leaf.certificate, leaf.trusted);
    Ok(RotationDryRun {
        condition: plan.condition,
        distrusting: plan.distrusting.len(),
        stale: seen.leaves.iter().filter(is_stale).count(),
    })
}

/// The settle time in the annotation. Without a valid one, the error is the condition to set.
fn asked<K: Either>(issuer: &Object<K>, condition: Option<&Condition>) -> Result<SignedDuration, Option<Rotating>> {
    match rotation::settle_time(issuer.meta.annotations.get(annotation::ROTATE_LEAVES)) {
        Ok(Some(settle)) => Ok(settle),
        Ok(None) => Err(rotation::not_requested(condition)),
        Err(why) => Err(Some(rotation::invalid_annotation(&why))),
    }
}

/// The CA of an issuer.
struct Ca {
    /// The Secret of its key pair.
    secret: ObjectKey,
    authority: Authority,
    /// The certificate by which its leaves are trusted.
    root: Vec<u8>,
}

/// The CA of an issuer; `None` if it cannot be read. The Ready condition then reports why.
async fn ca_of<K: Either>(controller: &Issuers, issuer: &Object<K>, spec: &CaIssuer) -> Option<Ca> {
    let namespace = &controller.ports.settings.cluster_resource_namespace;
    let secret = secret_of(&issuer.meta, &spec.secret_name, namespace);
    let ca = controller
        .signing
        .authorities
        .get(&controller.ports, &secret)
        .await
        .ok()?;
    let (authority, root) = authority(&ca, controller.ports.settings.size_limits.bundle)?;
    Some(Ca {
        secret,
        authority,
        root,
    })
}

fn too_soon(known: &Rotation, now: Timestamp) -> Option<Timestamp> {
    let again = later(known.scanned, MIN_SCAN_INTERVAL);
    (again > now).then_some(again)
}

/// The CA as planners use it, and the certificate by which its leaves are trusted.
fn authority(ca: &CertificateAuthority, limit: usize) -> Option<(Authority, Vec<u8>)> {
    let root = chain::parse_certificates(ca.ca_pem(), limit).ok()?;
    let root = root.into_iter().next()?;
    let authority = Authority {
        subject: ca.info().subject.clone(),
        key_id: ca.key_identifier(),
        root: sha256(&root),
    };
    Some((authority, root))
}

fn of_these(certificates: Vec<Vec<u8>>, wanted: &[Fingerprint]) -> Vec<Vec<u8>> {
    let mut certificates = certificates;
    certificates.retain(|der| wanted.contains(&sha256(der)));
    certificates
}

/// A Certificate whose Secret holds a leaf of the issuer.
pub(super) struct IssuedLeaf {
    pub(super) certificate: Arc<Lean<CertificateKind>>,
    pub(super) secret: Arc<SecretSeen>,
}

fn leaves<K: Either>(controller: &Issuers, issuer: &Object<K>, ca_secret: &ObjectKey) -> Vec<IssuedLeaf> {
    #[derive(Default, Deserialize)]
    #[serde(rename_all = "camelCase", default)]
    struct Peek {
        secret_name: String,
    }
    let link = Link::Issuer(K::KIND.into(), GROUP.into(), issuer.meta.key.clone());
    let certificates = controller.ports.index.certificates.linked(&link).into_iter();
    let found = certificates.filter_map(|certificate| {
        let Peek { secret_name } = serde_json::from_str(certificate.spec.get()).ok()?;
        let key = certificate.meta.key.sibling(secret_name);
        let secret = controller.ports.index.secrets.get(&key).filter(|_| key != *ca_secret)?;
        let says = |name: &str| secret.meta.annotations.get(name);
        let ours = says(annotation::CERTIFICATE_NAME) == Some(certificate.meta.name())
            && says(annotation::ISSUER_NAME) == Some(issuer.meta.name())
            && secret.pair.matches() == Some(true);
        (ours && certificate.meta.deleting.is_none()).then_some(IssuedLeaf { certificate, secret })
    });
    found.collect()
}

fn seen<'a>(
    authority: &'a Authority,
    record: &'a Record,
    found: &'a [IssuedLeaf],
    known: Option<&Rotation>,
    condition: Option<&'a Condition>,
    settle: SignedDuration,
) -> RotationObservation<'a> {
    let leaves = found.iter().filter_map(|found| {
        let (secret, meta) = (&found.secret.pair, &found.certificate.meta);
        let certificate = secret.certificate.valid()?;
        // the status matters only for leaves that must be re-issued
        let state = if authority.issued(certificate, &secret.trusted) {
            LeafState::Settled
        } else {
            rotation::leaf_state(&found.certificate.status().conditions)
        };
        Some(Leaf {
            key: &meta.key,
            certificate,
            trusted: &secret.trusted,
            state,
            allowed: known.and_then(|known| known.allowed.get(&meta.key).copied()),
        })
    });
    RotationObservation {
        authority,
        record: &record.fingerprints,
        leaves: leaves.collect(),
        condition,
        settle,
    }
}

/// The certificates of an issuer's CAs, the current one first, in a Secret that belongs to the issuer. Users who may write the
/// Secrets of leaves must not decide what all others trust, so those are not used.
struct Record {
    key: ObjectKey,
    secret: Option<Arc<SecretSeen>>,
    fingerprints: Vec<Fingerprint>,
    certificates: Vec<Vec<u8>>,
}

impl Record {
    /// Reads the record. The error is the condition if another owner's Secret has its name.
    async fn read<K: Either>(
        controller: &Issuers,
        issuer: &Object<K>,
    ) -> Result<Result<Self, Rotating>, ControllerError> {
        let name = record_name(K::KIND, issuer.meta.name());
        let key = secret_of(
            &issuer.meta,
            &name,
            &controller.ports.settings.cluster_resource_namespace,
        );
        let live = controller.ports.reader.secret(&key).await?;
        if live
            .as_ref()
            .is_some_and(|live| !live.seen.meta.owned_by(&issuer.meta.uid))
        {
            return Ok(Err(rotation::record_taken(&key)));
        }
        let text = live.as_ref().and_then(|live| live.data(data_key::CA_CRT));
        let limit = controller.ports.settings.size_limits.bundle;
        let certificates = text
            .and_then(|text| chain::parse_certificates(text, limit).ok())
            .unwrap_or_default();
        Ok(Ok(Self {
            key,
            fingerprints: certificates.iter().map(|der| sha256(der)).collect(),
            secret: live.map(|live| Arc::new(live.seen)),
            certificates,
        }))
    }

    /// The record, or if there is none yet, the previous CAs that can be discovered.
    async fn or_discovered<K: Either>(
        mut self,
        controller: &Issuers,
        issuer: &Object<K>,
        present: &Authority,
        found: &[IssuedLeaf],
    ) -> Result<Self, ControllerError> {
        if self.secret.is_none() {
            self.certificates = previous_cas::discover(controller, issuer, present, found).await?;
            self.fingerprints = self.certificates.iter().map(|der| sha256(der)).collect();
        }
        Ok(self)
    }

    /// Writes the record if it differs. Returns its certificates.
    async fn keep<K: Either>(
        &self,
        controller: &Issuers,
        issuer: &Object<K>,
        wanted: &[Fingerprint],
        root: Vec<u8>,
    ) -> Result<Vec<Vec<u8>>, ControllerError> {
        if self.fingerprints == wanted {
            return Ok(self.certificates.clone());
        }
        let known = std::iter::once(root).chain(self.certificates.iter().cloned());
        let known: Vec<(Fingerprint, Vec<u8>)> = known.map(|der| (sha256(&der), der)).collect();
        let certificates: Vec<Vec<u8>> = wanted
            .iter()
            .filter_map(|wanted| known.iter().find(|(fingerprint, _)| fingerprint == wanted))
            .map(|(_, der)| der.clone())
            .collect();
        let meta = self.secret.as_ref().map(|secret| &secret.meta);
        let pem = Hidden::new(chain::to_pem(&certificates));
        let secret = SecretApply {
            key: self.key.clone(),
            type_: "Opaque".to_owned(),
            labels: BTreeMap::from([(label::FOR_ATTENTION_OF.to_owned(), "true".to_owned())]),
            annotations: BTreeMap::new(),
            owners: vec![owning::<K>(&issuer.meta)],
            data: BTreeMap::from([(data_key::CA_CRT.to_owned(), pem)]),
            resource_version: meta.map(|meta| meta.resource_version.to_string()),
            uid: meta.map(|meta| meta.uid.to_string()),
        };
        controller.ports.writer.apply_secret(&secret).await?;
        Ok(certificates)
    }
}

/// The name of an issuer's record. A long name is shortened and ends in a part of its hash.
fn record_name(kind: &str, issuer: &str) -> String {
    const LONGEST: usize = 253;
    let name = format!("{issuer}.{}.ca-record", kind.to_ascii_lowercase());
    if name.len() <= LONGEST {
        return name;
    }
    let [a, b, c, d, ..] = sha256(name.as_bytes());
    format!(
        "{}-{:08x}.ca-record",
        prefix(&name, 200),
        u32::from_be_bytes([a, b, c, d])
    )
}
