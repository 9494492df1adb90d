//! A world that damages the Secret after each issuance.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use proptest::{collection::vec, prelude::*};

use super::model::Model;
use crate::{
    api::{ConditionStatus, GoDuration, condition, names::annotation},
    pki::summary::Part,
    plan::{
        certificate::{CertificateEffect, CertificateObservation, IssuerState, plan, unsettled::UNSETTLED},
        issuer::Reach,
        seen::{Next, Pairs, SecretSeen},
    },
};

const SECOND: SignedDuration = SignedDuration::from_secs(1);
const HOUR: SignedDuration = SignedDuration::from_hours(1);

#[derive(Clone, Copy, Debug)]
enum Damage {
    Deleted,
    Emptied,
    KeyGarbage,
    CertificateGarbage,
    OtherPair,
    OtherIssuer,
    OtherCertificate,
    Former,
}

const DAMAGES: [Damage; 8] = [
    Damage::Deleted,
    Damage::Emptied,
    Damage::KeyGarbage,
    Damage::CertificateGarbage,
    Damage::OtherPair,
    Damage::OtherIssuer,
    Damage::OtherCertificate,
    Damage::Former,
];

impl Model {
    fn at_once() -> Self {
        let mut model = Self::new();
        model.issuer = IssuerState::Ready(Reach::AtOnce);
        model
    }

    fn damage(&mut self, damage: Damage, former: Option<Arc<SecretSeen>>) {
        if self.secret.is_none() {
            return;
        }
        let annotate = |secret: &mut SecretSeen, key: &str| {
            let others = secret.meta.annotations.iter().filter(|(found, _)| *found != key);
            let others = others.map(|(key, value)| (key.to_owned(), value.to_owned()));
            secret.meta.annotations = others.chain([(key.to_owned(), "other".to_owned())]).collect::<Pairs>();
        };
        match damage {
            Damage::Deleted => self.secret = None,
            Damage::Emptied => self.edit_secret(|secret| {
                secret.data_keys = Box::default();
                secret.pair.key = Part::Missing;
                secret.pair.certificate = Part::Missing;
            }),
            Damage::KeyGarbage => self.edit_secret(|secret| secret.pair.key = Part::Invalid("garbage".into())),
            Damage::CertificateGarbage => {
                self.edit_secret(|secret| secret.pair.certificate = Part::Invalid("garbage".into()));
            }
            Damage::OtherPair => self.edit_secret(|secret| {
                if let Part::Valid(certificate) = &mut secret.pair.certificate {
                    certificate.key_hash = certificate_of_nobody();
                }
            }),
            Damage::OtherIssuer => self.edit_secret(|secret| annotate(secret, annotation::ISSUER_NAME)),
            Damage::OtherCertificate => self.edit_secret(|secret| annotate(secret, annotation::CERTIFICATE_NAME)),
            Damage::Former => self.secret = former,
        }
    }

    /// Lets time pass from one instant that the planner asks for to the next, until another certificate is stored.
    fn until_stored(&mut self) {
        let before = self.stored.len();
        for _ in 0..50 {
            self.settle();
            for name in self.requests.keys().cloned().collect::<Vec<_>>() {
                if self.requests[&name].conditions.is_empty() {
                    self.sign(&name);
                }
            }
            self.settle();
            if self.stored.len() > before {
                return;
            }
            let Next::At(at) = self.plan().next else {
                panic!("nothing is left to wait for: {:?}", self.certificate.status)
            };
            assert!(at > self.now, "it does not wait");
            self.now = at;
        }
        panic!("no certificate is issued any more: {:?}", self.certificate.status);
    }

    fn unsettled(&self) -> Option<(&str, &str)> {
        let found = condition::get(&self.certificate.status.conditions, UNSETTLED)?;
        assert_eq!(found.status, ConditionStatus::True);
        Some((found.reason(), found.message()))
    }
}

fn certificate_of_nobody() -> crate::pki::key::KeyHash {
    use crate::pki::key::{KeyAlgorithm, KeySpec, PrivateKey};
    PrivateKey::generate(KeySpec::new(KeyAlgorithm::Ecdsa, None))
        .expect("a key")
        .hash()
}

fn gaps(stored: &[Timestamp]) -> Vec<SignedDuration> {
    stored.windows(2).map(|pair| pair[1].duration_since(pair[0])).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// However the Secret is damaged, and however soon: the second certificate comes at once, each further one waits twice as long.
    #[test]
    fn bko_07_no_certificate_is_issued_a_third_time_in_a_row_before_a_growing_wait(
        slow in any::<bool>(),
        damages in vec((0_usize..DAMAGES.len(), 0_i64..3500), 9),
    ) {
        let mut model = if slow { Model::new() } else { Model::at_once() };
        model.until_stored();
        let mut former = None;
        for (damage, after) in &damages {
            let present = model.secret.clone();
            model.pass(SECOND * i32::try_from(*after).unwrap());
            model.damage(DAMAGES[*damage], former);
            former = present;
            model.until_stored();
        }
        let gaps = gaps(&model.stored);
        for (row, gap) in gaps.iter().enumerate().skip(1) {
            let wait = SECOND * 10 * (1 << (row - 1));
            prop_assert!(*gap >= wait, "after {} in a row {gap:?} passed, less than {wait:?}: {gaps:?}", row + 1);
        }
        prop_assert_eq!(model.certificate.status.failed_issuance_attempts, Some(9));
        prop_assert_eq!(model.certificate.status.revision, Some(10));
        // and once it lasts, nothing is left of it
        let Next::At(at) = model.plan().next else { panic!("the mark stays for ever") };
        prop_assert!(at.duration_since(model.now) >= HOUR);
        model.now = at;
        model.settle();
        prop_assert_eq!(model.unsettled(), None);
        prop_assert_eq!(model.certificate.status.failed_issuance_attempts, None);
        prop_assert_eq!(model.certificate.status.last_failure_time.clone(), None);
        prop_assert_eq!(model.ready().0, ConditionStatus::True);
    }
}

/// The Secret is damaged before anybody has seen it: what was stored in this reconcile counts as issued all the same.
#[test]
fn bko_07_a_secret_that_is_damaged_before_it_is_seen_counts_as_issued() {
    let mut model = Model::at_once();
    for revision in 1..6 {
        for _ in 0..20 {
            let plan = model.plan();
            let stored = model.stored.len();
            model.carry_out(&plan);
            if model.stored.len() > stored {
                model.damage(Damage::Deleted, None);
            }
            if model.certificate.status.revision == Some(revision) {
                break;
            }
            if let Next::At(at) = plan.next {
                model.now = at;
            }
        }
        assert_eq!(model.certificate.status.revision, Some(revision));
    }
    let waited: Vec<i64> = gaps(&model.stored).iter().map(SignedDuration::as_secs).collect();
    assert_eq!(waited, [0, 10, 20, 40]);
}

#[test]
fn bko_07_the_third_certificate_in_a_row_waits_and_says_why() {
    let mut model = Model::at_once();
    model.settle();
    model.damage(Damage::Deleted, None);
    model.settle();
    assert_eq!(
        (model.ready().0, model.issuing()),
        (ConditionStatus::True, None),
        "the second comes at once"
    );
    model.pass(SECOND * 2);
    model.damage(Damage::Deleted, None);
    let plan = model.plan();
    assert_eq!((plan.effects.as_slice(), plan.events.len()), ([].as_slice(), 1));
    assert_eq!(
        (plan.events[0].is_warning(), &*plan.events[0].reason),
        (true, "SecretNotKept")
    );
    model.settle();
    assert_eq!(model.plan().events, [], "it is reported once");
    let stated = "2 certificates in a row did not last, another client changes or deletes Secret \"web-tls\" each time: find that client \
                and stop it. Next attempt at 2026-11-21 12:00:10 +0000 UTC";
    assert_eq!(model.unsettled(), Some(("SecretNotKept", stated)));
    assert_eq!(
        model.ready(),
        (
            ConditionStatus::False,
            "DoesNotExist",
            &*format!("Issuing certificate as Secret does not exist. {stated}")
        )
    );
    // an edit that asks for something else ends it
    model.edit(|spec| spec.dns_names = vec!["other.example.com".into()]);
    model.settle();
    assert_eq!(model.ready().0, ConditionStatus::True);
    assert_eq!(model.unsettled(), None);
}

#[test]
fn bko_07_a_certificate_that_has_lasted_is_not_counted() {
    let mut model = Model::at_once();
    model.settle();
    for _ in 0..4 {
        model.pass(HOUR);
        model.log.clear();
        model.damage(Damage::KeyGarbage, None);
        model.settle();
        let writes = model.log.iter().filter(|write| **write == "status").count();
        assert_eq!(writes, 1, "no write more than before: {:?}", model.log);
        assert_eq!(model.unsettled(), None);
    }
}

/// The slow way there is no write more either, and in one pass one: that it is counted.
#[test]
fn bko_07_counting_takes_no_write_where_one_is_made_anyway() {
    for (mut model, wanted) in [(Model::new(), 2), (Model::at_once(), 2)] {
        model.issue();
        model.damage(Damage::Deleted, None);
        model.until_stored();
        let writes = model.log.iter().filter(|write| **write == "status").count();
        assert_eq!(writes, wanted, "{:?}", model.log);
        assert_eq!(model.unsettled().unwrap().0, "SecretNotKept");
    }
}

#[test]
fn bko_07_a_failure_of_the_request_waits_as_failures_do() {
    let mut model = Model::new();
    model.issue();
    model.damage(Damage::Deleted, None);
    model.settle();
    model.fail("web-2", "the CA said no");
    model.settle();
    assert_eq!(model.certificate.status.failed_issuance_attempts, Some(2));
    assert_eq!(model.plan().next, Next::At(model.now + HOUR * 2));
}

/// `renewBefore` that is as good as the whole lifetime, or a CA that hands out what is as good as over.
#[test]
fn bko_07_what_is_due_for_renewal_at_once_is_not_issued_without_end() {
    let mut model = Model::at_once();
    model.edit(|spec| {
        spec.duration = Some(GoDuration::from_hours(1));
        spec.renew_before = Some("59m59s".parse().unwrap());
    });
    model.settle();
    for _ in 0..9 {
        model.pass(SECOND);
        model.until_stored();
    }
    let waited: Vec<i64> = gaps(&model.stored).iter().map(SignedDuration::as_secs).collect();
    assert_eq!(waited, [1, 10, 20, 40, 80, 160, 225, 225, 225]);
    assert_eq!(model.unsettled().unwrap().0, "DueAtOnce");
}

/// What the spec asks for is not slowed down.
#[test]
fn bko_07_a_short_renewal_that_is_asked_for_goes_on() {
    let mut model = Model::at_once();
    model.edit(|spec| {
        spec.duration = Some(GoDuration::from_hours(1));
        spec.renew_before = Some("55m".parse().unwrap());
    });
    model.settle();
    for _ in 0..5 {
        model.until_stored();
    }
    let waited: Vec<i64> = gaps(&model.stored).iter().map(SignedDuration::as_mins).collect();
    assert!(waited.iter().all(|minutes| *minutes == 5), "{waited:?}");
    assert_eq!(model.unsettled(), None);
}

/// NB-06: a Secret that a watch does not show is there all the same, for all that a planner knows.
#[test]
fn nothing_is_counted_or_said_on_the_word_of_a_cache() {
    for mut model in [Model::at_once(), Model::new()] {
        model.issue();
        let unseen = CertificateObservation {
            secret: None,
            live: false,
            ..model.seen()
        };
        let plan = plan(model.now, &unseen, &model.settings);
        assert_eq!(plan.effects, [CertificateEffect::Confirm]);
        assert_eq!(plan.status, model.certificate.status);
        assert!(plan.events.is_empty());
    }
}
