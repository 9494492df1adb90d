//! State of issuers with `certlet.io/rotate-leaves`: public certificates, and which leaves may be re-issued. A scan rebuilds it
//! after a restart.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{Arc, PoisonError, RwLock},
};

use jiff::Timestamp;

use crate::{
    pki::{certificate::CertificateInfo, chain},
    plan::{
        issuer::IssuerId,
        rotation::{Authority, Fingerprint, Share, Trust},
        seen::{ObjectKey, SecretSeen},
    },
};

/// Rotations by issuer.
#[derive(Debug, Default)]
pub(crate) struct Rotations(RwLock<HashMap<IssuerId, Arc<Rotation>>>);

/// The rotation of one issuer.
#[derive(Clone, Debug)]
pub(crate) struct Rotation {
    /// The current CA.
    pub authority: Authority,
    /// The required content of `ca.crt` of its leaves.
    pub trust: Trust,
    /// The same certificates as DER.
    pub bundle: Vec<Vec<u8>>,
    /// Leaves that may be re-issued, and since when.
    pub allowed: BTreeMap<ObjectKey, Timestamp>,
    /// Leaves that were requeued for `trust`. Each is requeued once.
    pub requeued: HashSet<ObjectKey>,
    /// When all leaves were scanned last.
    pub scanned: Timestamp,
}

impl Rotations {
    /// The rotation of this issuer, if any.
    pub(crate) fn of(&self, issuer: &IssuerId) -> Option<Arc<Rotation>> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        known.get(issuer).cloned()
    }

    pub(super) fn keep(&self, issuer: IssuerId, rotation: Rotation) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        known.insert(issuer, Arc::new(rotation));
    }

    pub(super) fn forget(&self, issuer: &IssuerId) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(issuer);
    }

    pub(super) fn clear(&self) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

impl Rotation {
    /// The part of the rotation that concerns a Certificate with this Secret.
    pub(crate) fn share(&self, certificate: &ObjectKey, secret: &SecretSeen) -> Share {
        let Some(leaf) = secret.pair.certificate.valid() else {
            return Share::default();
        };
        let due = self.allowed.contains_key(certificate) && !self.authority.issued(leaf, &secret.pair.trusted);
        let trust = self.concerns(leaf, &secret.pair.trusted).then(|| self.trust.clone());
        Share { due, trust }
    }

    /// The new `ca.crt` for a Secret whose leaf stays, from the current one. A current one longer than `limit` counts as empty.
    pub(crate) fn kept_bundle(
        &self,
        leaf: Option<&CertificateInfo>,
        trusted: &[Fingerprint],
        text: &[u8],
        limit: usize,
    ) -> Vec<u8> {
        let concerned = leaf.is_some_and(|leaf| self.concerns(leaf, trusted));
        if !concerned {
            return text.to_vec();
        }
        chain::merge(text, &self.bundle, self.trust.only, limit)
    }

    /// The `ca.crt` for a new leaf, from the one of its issuer. Nothing is removed, because the CA may be newer than the last
    /// scan.
    pub(crate) fn new_bundle(&self, text: &[u8], limit: usize) -> Vec<u8> {
        chain::merge(text, &self.bundle, false, limit)
    }

    /// Whether a leaf is affected. A leaf of an unknown CA is not: removing that CA from its `ca.crt` would break it.
    fn concerns(&self, leaf: &CertificateInfo, trusted: &[Fingerprint]) -> bool {
        !self.trust.only || self.authority.issued(leaf, trusted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_may_be_as_long_as_the_administrator_says() {
        let others: Vec<Vec<u8>> = (0..400_u16)
            .map(|n| [n.to_be_bytes().as_slice(), &[0; 1000]].concat())
            .collect();
        let (text, ours) = (chain::to_pem(&others), vec![1; 9]);
        let rotation = Rotation {
            authority: Authority {
                subject: crate::pki::name::Name::default(),
                key_id: Vec::new(),
                root: [0; 32],
            },
            trust: Trust {
                bundle: Vec::new(),
                only: false,
            },
            bundle: vec![ours.clone()],
            allowed: BTreeMap::new(),
            requeued: HashSet::new(),
            scanned: Timestamp::UNIX_EPOCH,
        };
        let held = |bundle: &[u8]| chain::parse_certificates(bundle, usize::MAX).unwrap();
        assert!(text.len() > chain::SizeLimits::default().bundle);
        let all: Vec<Vec<u8>> = others.into_iter().chain([ours.clone()]).collect();
        assert_eq!(held(&rotation.new_bundle(&text, text.len())), all);
        assert_eq!(held(&rotation.new_bundle(&text, text.len() - 1)), [ours]);
    }
}
