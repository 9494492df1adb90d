//! What an issuer does with the requests of the cluster in memory.

use jiff::SignedDuration;

use super::Model;
use crate::{
    api::{
        Condition, ConditionStatus,
        condition::{self, APPROVED, READY},
    },
    pki::{
        certificate::CertificateInfo,
        pem,
        sign::{self, Extras, Validity},
        usage::UsageSet,
    },
    plan::seen::IssuedDigest,
};

impl Model {
    /// The signer's part.
    pub(in crate::plan::certificate::tests) fn sign(&mut self, name: &str) {
        let lifetime = self
            .certificate
            .spec
            .duration
            .map_or(SignedDuration::from_hours(2160), SignedDuration::from);
        self.sign_for(name, lifetime);
    }

    pub(in crate::plan::certificate::tests) fn sign_for(&mut self, name: &str, lifetime: SignedDuration) {
        let request = self.requests.get(name).expect("it exists");
        let csr = request.csr.as_ref().expect("readable");
        let validity = Validity {
            not_before: self.now,
            not_after: self.now + lifetime,
        };
        let extras = Extras {
            usages: UsageSet::new(&[], request.is_ca),
            is_ca: request.is_ca,
            ..Extras::default()
        };
        self.counter += 1;
        let serial = u128::from(self.counter).to_be_bytes();
        let leaf = sign::sign(csr, &self.ca, validity, serial, &extras).expect("signed");
        let info = CertificateInfo::parse(&leaf).expect("our own certificate");
        let digest = IssuedDigest {
            leaf: Ok(info.fingerprint),
            key_hash: Some(info.key_hash),
            not_after: Some(info.not_after),
        };
        self.issued.insert(name.to_owned(), pem::encode("CERTIFICATE", &leaf));
        self.say(name, APPROVED, ConditionStatus::True, "cert-manager.io", "");
        self.say(name, READY, ConditionStatus::True, "Issued", "");
        self.requests.get_mut(name).expect("it exists").certificate = Some(digest);
    }

    /// The signer's other part.
    pub(in crate::plan::certificate::tests) fn fail(&mut self, name: &str, message: &str) {
        self.say(name, READY, ConditionStatus::False, "Failed", message);
        self.requests.get_mut(name).expect("it exists").failure_time = Some(self.now);
    }

    pub(in crate::plan::certificate::tests) fn say(
        &mut self,
        name: &str,
        kind: &str,
        status: ConditionStatus,
        reason: &str,
        message: &str,
    ) {
        let now = self.now;
        let request = self.requests.get_mut(name).expect("it exists");
        let mut conditions = request.conditions.to_vec();
        condition::set(&mut conditions, Condition::new(kind, status, reason, message), now);
        request.conditions = conditions.into();
    }
}
