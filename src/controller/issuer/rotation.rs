//! When a CA gets another key pair: looks at all leaves of the issuer, keeps the record of its CAs, and tells who has to do something.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::{Either, Issuers, former};
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
        rotation::{self, Authority, Fingerprint, Leaf, LeafState, ROTATING, Rotating, Seen, later},
        seen::{Lean, Next, Object, ObjectKey, SecretSeen},
    },
    signer::ca::CertificateAuthority,
};

/// All leaves are looked at no more often than this.
const AT_MOST: SignedDuration = SignedDuration::from_secs(1);
/// Leaves that are told of another bundle at once.
const TOLD_AT_ONCE: usize = 100;
/// A leaf of a former CA may come from elsewhere, for example from a backup: that is not seen at once.
const NOW_AND_THEN: SignedDuration = SignedDuration::from_hours(1);

/// One look at an issuer with a CA that is ready. Returns its condition `Rotating` (`None`: as it is) and when to look again.
pub(super) async fn look<K: Either>(
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
            return Ok((Some(taken), Next::At(later(now, NOW_AND_THEN))));
        }
    };
    let found = leaves::<K>(controller, issuer, &ca.secret);
    let record = record.or_former(controller, issuer, &ca.authority, &found).await?;
    let seen = seen(&ca.authority, &record, &found, known.as_deref(), condition, settle);
    let plan = rotation::plan(now, &seen);
    let bundle = record.keep(controller, issuer, &plan.record, ca.root).await?;
    let before = known.as_deref();
    let allowed = before.map(|known| &known.allowed).cloned().unwrap_or_default();
    let allowed = rotation::allowances(now, &allowed, &seen, &plan);
    let told = before.filter(|known| known.trust == plan.trust);
    let mut told = told.map(|known| known.told.clone()).unwrap_or_default();
    let untold: Vec<ObjectKey> = plan
        .distrusting
        .iter()
        .filter(|key| !told.contains(key))
        .cloned()
        .collect();
    let telling: Vec<ObjectKey> = untold.iter().take(TOLD_AT_ONCE).cloned().collect();
    told.extend(telling.iter().cloned());
    let mut next = plan.next.or_at(later(now, NOW_AND_THEN));
    if telling.len() < untold.len() {
        next = next.or_at(later(now, AT_MOST));
    }
    let rotation = Rotation {
        authority: ca.authority.clone(),
        trust: plan.trust.clone(),
        bundle: of_these(bundle, &plan.trust.bundle),
        allowed,
        told,
        looked: now,
    };
    controller.rotations.keep(id, rotation);
    let to_do: HashSet<ObjectKey> = telling.into_iter().chain(plan.allowed).collect();
    for key in to_do {
        controller.ports.queues.follow_up(FollowUp::AuthorityChanged(key));
    }
    Ok((plan.condition, next))
}

/// What a look would come to, by who only reads.
#[derive(Clone, Debug, Default)]
pub struct Foreseen {
    /// The condition `Rotating`; `None` leaves it as it is.
    pub condition: Option<Rotating>,
    /// Certificates whose `ca.crt` would be written.
    pub distrusting: usize,
    /// Certificates that would be issued again.
    pub stale: usize,
}

/// What [`look`] would come to, without doing any of it.
pub(super) async fn foresee<K: Either>(
    controller: &Issuers,
    issuer: &Object<K>,
    spec: &CaIssuer,
) -> Result<Foreseen, ControllerError> {
    let condition = condition::get(&issuer.status.conditions, ROTATING);
    let only = |condition| Foreseen {
        condition,
        ..Foreseen::default()
    };
    let settle = match asked(issuer, condition) {
        Ok(settle) => settle,
        Err(instead) => return Ok(only(instead)),
    };
    let Some(ca) = ca_of(controller, issuer, spec).await else {
        return Ok(Foreseen::default());
    };
    let record = match Record::read(controller, issuer).await? {
        Ok(record) => record,
        Err(taken) => return Ok(only(Some(taken))),
    };
    let found = leaves::<K>(controller, issuer, &ca.secret);
    let record = record.or_former(controller, issuer, &ca.authority, &found).await?;
    let seen = seen(&ca.authority, &record, &found, None, condition, settle);
    let plan = rotation::plan(controller.ports.now(), &seen);
    let is_stale = |leaf: &&Leaf<'_>| !seen.authority.issued(leaf.certificate, leaf.trusted);
    Ok(Foreseen {
        condition: plan.condition,
        distrusting: plan.distrusting.len(),
        stale: seen.leaves.iter().filter(is_stale).count(),
    })
}

/// What the annotation asks for, or what becomes of the condition where it asks for nothing that can be done.
fn asked<K: Either>(issuer: &Object<K>, condition: Option<&Condition>) -> Result<SignedDuration, Option<Rotating>> {
    match rotation::asked(issuer.meta.annotations.get(annotation::ROTATE_LEAVES)) {
        Ok(Some(settle)) => Ok(settle),
        Ok(None) => Err(rotation::not_asked(condition)),
        Err(why) => Err(Some(rotation::misunderstood(&why))),
    }
}

/// The CA of an issuer, as planners see it.
struct Ca {
    /// Where its key pair is.
    secret: ObjectKey,
    authority: Authority,
    /// The certificate that its leaves are trusted by.
    root: Vec<u8>,
}

/// `None` where it cannot be read: what is wrong with the Secret is in the condition Ready.
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
    let again = later(known.looked, AT_MOST);
    (again > now).then_some(again)
}

/// The CA as planners see it, and the certificate that its leaves are trusted by.
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

/// A Certificate of the issuer whose Secret holds what the issuer signed.
pub(super) struct Found {
    pub(super) certificate: Arc<Lean<CertificateKind>>,
    pub(super) secret: Arc<SecretSeen>,
}

fn leaves<K: Either>(controller: &Issuers, issuer: &Object<K>, ca_secret: &ObjectKey) -> Vec<Found> {
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
        (ours && certificate.meta.deleting.is_none()).then_some(Found { certificate, secret })
    });
    found.collect()
}

fn seen<'a>(
    authority: &'a Authority,
    record: &'a Record,
    found: &'a [Found],
    known: Option<&Rotation>,
    condition: Option<&'a Condition>,
    settle: SignedDuration,
) -> Seen<'a> {
    let leaves = found.iter().filter_map(|found| {
        let (secret, meta) = (&found.secret.pair, &found.certificate.meta);
        let certificate = secret.certificate.valid()?;
        // what the status says matters only for those that have to be issued again
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
    Seen {
        authority,
        record: &record.fingerprints,
        leaves: leaves.collect(),
        condition,
        settle,
    }
}

/// The certificates of an issuer's CA, the present one first, in a Secret that belongs to the issuer. Leaves' Secrets hold the same
/// certificates, but who may write those is not trusted to say what all others trust.
struct Record {
    key: ObjectKey,
    secret: Option<Arc<SecretSeen>>,
    fingerprints: Vec<Fingerprint>,
    certificates: Vec<Vec<u8>>,
}

impl Record {
    /// The record, or what the condition says of a Secret of somebody else that has its name.
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

    /// The same, or what can be known of former CAs where there is no record yet.
    async fn or_former<K: Either>(
        mut self,
        controller: &Issuers,
        issuer: &Object<K>,
        present: &Authority,
        found: &[Found],
    ) -> Result<Self, ControllerError> {
        if self.secret.is_none() {
            self.certificates = former::authorities(controller, issuer, present, found).await?;
            self.fingerprints = self.certificates.iter().map(|der| sha256(der)).collect();
        }
        Ok(self)
    }

    /// Writes the record if it is not what it has to be. Returns its certificates.
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

/// The name of an issuer's record; what is too long for a name ends in a part of its hash.
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
