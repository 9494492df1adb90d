//! What is remembered of issuers that have asked for `certlet.io/rotate-leaves`: public certificates, and which leaves may be issued
//! again. All of it is found again by looking, after a restart.

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

/// See the module.
#[derive(Debug, Default)]
pub struct Rotations(RwLock<HashMap<IssuerId, Arc<Rotation>>>);

/// What is remembered of one issuer.
#[derive(Clone, Debug)]
pub struct Rotation {
    /// Its CA.
    pub authority: Authority,
    /// What `ca.crt` of its leaves has to hold.
    pub trust: Trust,
    /// The same certificates as DER.
    pub bundle: Vec<Vec<u8>>,
    /// Leaves that may be issued again, since when.
    pub allowed: BTreeMap<ObjectKey, Timestamp>,
    /// Leaves that have been told of `trust`: each is told once.
    pub told: HashSet<ObjectKey>,
    /// When all leaves were last looked at.
    pub looked: Timestamp,
}

impl Rotations {
    /// What is remembered of this issuer.
    pub fn of(&self, issuer: &IssuerId) -> Option<Arc<Rotation>> {
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
    /// What is asked of a Certificate with this Secret.
    pub fn share(&self, certificate: &ObjectKey, secret: &SecretSeen) -> Share {
        let Some(leaf) = secret.pair.certificate.valid() else {
            return Share::default();
        };
        let due = self.allowed.contains_key(certificate) && !self.authority.issued(leaf, &secret.pair.trusted);
        let trust = self.concerns(leaf, &secret.pair.trusted).then(|| self.trust.clone());
        Share { due, trust }
    }

    /// The `ca.crt` of a Secret that keeps its leaf, given the one it has; one that is longer than `limit` counts as empty.
    pub fn kept_bundle(
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

    /// The `ca.crt` of a new leaf, given what its issuer says: nothing is left out, the CA may be newer than what is known here.
    pub fn new_bundle(&self, text: &[u8], limit: usize) -> Vec<u8> {
        chain::merge(text, &self.bundle, false, limit)
    }

    /// A leaf of a CA that is not known yet is left as it is: taking its own CA out of its `ca.crt` would break it.
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
            told: HashSet::new(),
            looked: Timestamp::UNIX_EPOCH,
        };
        let held = |bundle: &[u8]| chain::parse_certificates(bundle, usize::MAX).unwrap();
        assert!(text.len() > chain::SizeLimits::default().bundle);
        let all: Vec<Vec<u8>> = others.into_iter().chain([ours.clone()]).collect();
        assert_eq!(held(&rotation.new_bundle(&text, text.len())), all);
        assert_eq!(held(&rotation.new_bundle(&text, text.len() - 1)), [ours]);
    }
}
