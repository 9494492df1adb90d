//! A cluster in memory whose leaves are issued again as the plan says.

use super::*;
use crate::{
    api::{Time, condition::ConditionStatus},
    pki::fixture::{self, leaf, p256, root},
};

/// A CA: how planners see it, and a leaf of it.
struct Ca {
    authority: Authority,
    leaf: CertificateInfo,
}

fn ca(name: &str) -> Ca {
    let issuer = root(name, p256());
    let leaf = CertificateInfo::parse(&leaf(&issuer, &["a.example"], &p256())).unwrap();
    let authority = Authority {
        subject: issuer.info.subject.clone(),
        key_id: issuer.key_identifier(),
        root: issuer.info.fingerprint,
    };
    Ca { authority, leaf }
}

/// A Certificate and its Secret.
#[derive(Clone)]
struct Holder {
    certificate: CertificateInfo,
    trusted: Vec<Fingerprint>,
    state: LeafState,
    /// What an issuance comes to.
    fate: Fate,
}

#[derive(Clone, Copy, PartialEq)]
enum Fate {
    Issued,
    Fails,
    WaitsForApproval,
}

struct World {
    now: Timestamp,
    present: Authority,
    issued: CertificateInfo,
    record: Vec<Fingerprint>,
    holders: BTreeMap<ObjectKey, Holder>,
    allowed: BTreeMap<ObjectKey, Timestamp>,
    condition: Option<Condition>,
    settle: SignedDuration,
    /// The most that were issued at one look.
    largest_wave: usize,
}

impl World {
    fn new(ca: &Ca, leaves: usize) -> Self {
        let now = fixture::validity().not_before + SignedDuration::from_hours(100);
        let mut world = Self {
            now,
            present: ca.authority.clone(),
            issued: ca.leaf.clone(),
            record: Vec::new(),
            holders: BTreeMap::new(),
            allowed: BTreeMap::new(),
            condition: None,
            settle: SETTLE,
            largest_wave: 0,
        };
        for number in 0..leaves {
            let hours = i64::try_from((number * 37) % 101).unwrap();
            let certificate = CertificateInfo {
                not_before: now - SignedDuration::from_hours(hours),
                not_after: now + SignedDuration::from_hours(1000 - hours),
                ..ca.leaf.clone()
            };
            let holder = Holder {
                certificate,
                trusted: vec![ca.authority.root],
                state: LeafState::Settled,
                fate: Fate::Issued,
            };
            world.holders.insert(key(number), holder);
        }
        world.reconcile();
        assert_eq!(world.condition, None, "nothing has happened");
        world
    }

    fn change_to(&mut self, ca: &Ca) {
        self.present = ca.authority.clone();
        self.issued = ca.leaf.clone();
        // what was allowed was allowed for the CA of then
        self.allowed.clear();
    }

    fn plan(&self) -> (RotationPlan, BTreeMap<ObjectKey, Timestamp>) {
        let leaves = self.holders.iter().map(|(key, holder)| Leaf {
            key,
            certificate: &holder.certificate,
            trusted: &holder.trusted,
            state: holder.state.clone(),
            allowed: self.allowed.get(key).copied(),
        });
        let seen = RotationObservation {
            authority: &self.present,
            record: &self.record,
            leaves: leaves.collect(),
            condition: self.condition.as_ref(),
            settle: self.settle,
        };
        let plan = plan(self.now, &seen);
        let allowed = allowances(self.now, &self.allowed, &seen, &plan);
        (plan, allowed)
    }

    /// Plans, carries out, and lets the time pass until the next look.
    fn reconcile(&mut self) -> RotationPlan {
        let (plan, allowed) = self.plan();
        self.record.clone_from(&plan.record);
        if let Some(rotating) = &plan.condition {
            self.write(rotating);
        }
        self.largest_wave = self.largest_wave.max(plan.allowed.len());
        self.allowed = allowed;
        for key in &plan.distrusting {
            let holder = self.holders.get_mut(key).unwrap();
            if plan.trust.only {
                holder.trusted.clone_from(&plan.trust.bundle);
            } else {
                let lacking = plan.trust.bundle.iter().filter(|root| !holder.trusted.contains(root));
                let lacking: Vec<Fingerprint> = lacking.copied().collect();
                holder.trusted.extend(lacking);
            }
        }
        for key in self.allowed.keys() {
            let holder = self.holders.get_mut(key).unwrap();
            match holder.fate {
                Fate::Issued => {
                    holder.certificate = CertificateInfo {
                        not_before: self.now,
                        not_after: self.now + SignedDuration::from_hours(2000),
                        ..self.issued.clone()
                    };
                    holder.trusted.clone_from(&plan.trust.bundle);
                    holder.state = LeafState::Settled;
                }
                Fate::Fails => holder.state = LeafState::Failing("the webhook said no".into()),
                Fate::WaitsForApproval if holder.state == LeafState::Settled => {
                    holder.state = LeafState::Issuing(self.now);
                }
                Fate::WaitsForApproval => {}
            }
        }
        self.everybody_trusts_everybody();
        if let Next::At(at) = plan.next {
            assert!(at > self.now, "no hot loop");
            self.now = at;
        }
        plan
    }

    fn write(&mut self, rotating: &Rotating) {
        let status = if rotating.lasts {
            ConditionStatus::True
        } else {
            ConditionStatus::False
        };
        let mut conditions: Vec<Condition> = self.condition.take().into_iter().filter(|_| !rotating.anew).collect();
        let condition = Condition::new(ROTATING, status, rotating.reason, rotating.message.clone());
        condition::set(&mut conditions, condition, self.now);
        self.condition = conditions.pop();
    }

    /// Looks until nothing more is to be done, or `looks` are over; how many it took.
    fn until_settled(&mut self, looks: usize) -> usize {
        for look in 1..=looks {
            if self.reconcile().next == Next::OnChange {
                return look;
            }
        }
        looks
    }

    /// The point of it all: whoever holds one leaf accepts the holder of any other.
    fn everybody_trusts_everybody(&self) {
        if self
            .condition
            .as_ref()
            .is_some_and(|condition| condition.reason() == "DistributingCA")
        {
            return;
        }
        for (trusting, holder) in &self.holders {
            for (trusted, other) in &self.holders {
                let root = other.trusted.first().unwrap();
                assert!(
                    holder.trusted.contains(root),
                    "{trusting} does not trust {trusted}: {:?}",
                    self.condition
                );
            }
        }
    }

    fn stale(&self) -> usize {
        let stale = |holder: &&Holder| !self.present.issued(&holder.certificate, &holder.trusted);
        self.holders.values().filter(stale).count()
    }

    fn report(&self) -> (&str, &str) {
        let condition = self.condition.as_ref().unwrap();
        (condition.reason(), condition.message())
    }
}

fn key(number: usize) -> ObjectKey {
    ObjectKey::new("shop", format!("leaf-{number:03}"))
}

#[test]
fn a_new_key_pair_is_trusted_everywhere_before_the_first_leaf_of_it_and_the_old_one_until_after_the_last() {
    let (old, new) = (ca("old"), ca("new"));
    let mut world = World::new(&old, 120);
    world.change_to(&new);
    let first = world.reconcile();
    assert_eq!((first.allowed.len(), first.distrusting.len()), (0, 120));
    assert_eq!(first.record, [new.authority.root, old.authority.root]);
    let (reason, message) = world.report();
    assert_eq!(reason, "DistributingCA");
    assert!(
        message.starts_with("0 of 120 certificates are issued by the current CA \"CN=new\""),
        "{message}"
    );
    while world.report().0 == "DistributingCA" {
        world.reconcile();
    }
    world.reconcile();
    assert!(
        world
            .report()
            .1
            .starts_with("20 of 120 certificates are issued by the current CA"),
        "{:?}",
        world.report()
    );
    let looks = world.until_settled(40);
    assert!(looks < 40, "it ends");
    assert!(world.largest_wave <= MAX_BATCH);
    assert_eq!(world.stale(), 0);
    assert_eq!(world.report().0, "Completed");
    assert_eq!(world.record, [new.authority.root]);
    assert!(
        world
            .holders
            .values()
            .all(|holder| holder.trusted == [new.authority.root])
    );
    let (again, _) = world.plan();
    assert_eq!(
        (again.condition, again.next, again.allowed, again.distrusting),
        (None, Next::OnChange, vec![], vec![])
    );
}

#[test]
fn those_that_end_first_are_issued_first_and_each_step_waits() {
    let (old, new) = (ca("old"), ca("new"));
    let mut world = World::new(&old, 50);
    world.change_to(&new);
    let began = world.now;
    let first = loop {
        let at = world.now;
        let plan = world.reconcile();
        if !plan.allowed.is_empty() {
            assert!(at >= condition::whole_second(began).0 + SETTLE);
            break plan.allowed;
        }
    };
    let ends = |key: &ObjectKey| {
        let number: usize = key.name.strip_prefix("leaf-").unwrap().parse().unwrap();
        1000 - (number * 37) % 101
    };
    let latest = first.iter().map(ends).max().unwrap();
    let others = (0..50).map(key).filter(|key| !first.contains(key));
    assert!(others.map(|key| ends(&key)).min().unwrap() >= latest);
    while world.stale() > 0 {
        world.reconcile();
    }
    let last = world
        .holders
        .values()
        .map(|holder| holder.certificate.not_before)
        .max()
        .unwrap();
    while world.report().0 != "Completed" {
        assert_eq!(world.holders[&key(0)].trusted.len(), 2, "the old CA stays");
        world.reconcile();
    }
    assert!(world.now >= last + SETTLE);
}

#[test]
fn a_restart_in_the_middle_changes_nothing() {
    let (old, new) = (ca("old"), ca("new"));
    let mut world = World::new(&old, 60);
    world.change_to(&new);
    for _ in 0..200 {
        // memory is lost before every look
        world.allowed.clear();
        if world.reconcile().next == Next::OnChange {
            break;
        }
    }
    assert_eq!((world.stale(), world.report().0), (0, "Completed"));
    assert!(world.largest_wave <= MAX_BATCH);
}

#[test]
fn a_second_change_in_the_middle_keeps_all_three_until_the_end() {
    let (first, second, third) = (ca("first"), ca("second"), ca("third"));
    let mut world = World::new(&first, 60);
    world.change_to(&second);
    while world.stale() > 30 {
        world.reconcile();
    }
    let began = world.condition.as_ref().unwrap().last_transition_time.clone();
    world.change_to(&third);
    let plan = world.reconcile();
    assert_eq!(plan.record, [&third, &second, &first].map(|ca| ca.authority.root));
    assert!(plan.allowed.is_empty(), "the third is not trusted by all yet");
    assert_ne!(
        world.condition.as_ref().unwrap().last_transition_time,
        began,
        "it begins anew"
    );
    assert!(world.until_settled(60) < 60);
    assert_eq!((world.stale(), world.record.len()), (0, 1));
}

#[test]
fn one_that_fails_and_one_that_waits_hold_up_nobody_else_and_keep_the_old_ca() {
    let (old, new) = (ca("old"), ca("new"));
    let mut world = World::new(&old, 100);
    for number in 0..40 {
        world.holders.get_mut(&key(number)).unwrap().fate = Fate::WaitsForApproval;
    }
    world.holders.get_mut(&key(50)).unwrap().fate = Fate::Fails;
    world.change_to(&new);
    world.until_settled(60);
    assert_eq!(world.stale(), 41);
    let (reason, message) = world.report();
    assert_eq!(reason, "Reissuing");
    assert!(message.starts_with("59 of 100 "), "{message}");
    assert!(
        message
            .contains("40 wait for approval or their issuer: shop/leaf-000, shop/leaf-001, shop/leaf-002 and 37 more")
            && message.contains("1 failed and will be retried: shop/leaf-050 (the webhook said no)"),
        "{message}"
    );
    let before = world.now;
    let plan = world.reconcile();
    assert_eq!((plan.allowed.len(), plan.distrusting.len()), (0, 0));
    assert!(
        world.now >= before + SLOW_INTERVAL,
        "nobody is looked at in vain every second"
    );
    for holder in world.holders.values_mut() {
        holder.fate = Fate::Issued;
    }
    assert!(world.until_settled(60) < 60);
    assert_eq!((world.stale(), world.report().0), (0, "Completed"));
}

#[test]
fn a_ca_that_was_renewed_with_its_key_replaces_the_one_in_ca_crt_and_issues_nothing() {
    let old = ca("old");
    let mut world = World::new(&old, 10);
    world.present.root = [7; 32];
    let plan = world.reconcile();
    assert_eq!(
        (plan.allowed.len(), plan.distrusting.len(), plan.condition),
        (0, 10, None)
    );
    assert!(world.holders.values().all(|holder| holder.trusted == [[7; 32]]));
    assert_eq!(world.reconcile().distrusting, []);
}

#[test]
fn another_name_or_key_identifier_makes_a_leaf_stale_and_one_without_identifier_goes_by_its_ca_crt() {
    let ca = ca("old");
    let root = ca.authority.root;
    assert!(ca.authority.issued(&ca.leaf, &[]));
    let renamed = Authority {
        subject: Name::from_literal("CN=other").unwrap(),
        ..ca.authority.clone()
    };
    assert!(!renamed.issued(&ca.leaf, &[root]));
    let other_key = Authority {
        key_id: vec![1],
        ..ca.authority.clone()
    };
    assert!(!other_key.issued(&ca.leaf, &[root]));
    let silent = CertificateInfo {
        authority_key_id: None,
        ..ca.leaf.clone()
    };
    assert!(ca.authority.issued(&silent, &[root, [1; 32]]) && !ca.authority.issued(&silent, &[[1; 32], root]));
}

#[test]
fn a_leaf_that_was_signed_a_moment_ago_is_not_signed_again_at_once() {
    let (old, new) = (ca("old"), ca("new"));
    let mut world = World::new(&old, 1);
    world.settle = SignedDuration::ZERO;
    world.holders.get_mut(&key(0)).unwrap().certificate.not_before = world.now;
    world.change_to(&new);
    let began = world.now;
    while world.stale() > 0 {
        let before = world.now;
        world.reconcile();
        assert!(world.stale() == 1 || before >= began + MIN_AGE);
    }
}

#[test]
fn the_annotation_says_true_or_how_long_each_step_waits() {
    assert_eq!(settle_time(None), Ok(None));
    assert_eq!(settle_time(Some("false")), Ok(None));
    assert_eq!(settle_time(Some("true")), Ok(Some(SETTLE)));
    assert_eq!(settle_time(Some("0s")), Ok(Some(SignedDuration::ZERO)));
    assert_eq!(settle_time(Some("10m")), Ok(Some(SignedDuration::from_mins(10))));
    for wrong in ["yes", "-1s", "200h", "5"] {
        assert!(settle_time(Some(wrong)).unwrap_err().contains(wrong));
    }
    assert_eq!(not_requested(None), None);
    let lasting = Condition {
        last_transition_time: Some(Time(Timestamp::UNIX_EPOCH)),
        ..Condition::new(ROTATING, ConditionStatus::True, "Reissuing", "3 of 4")
    };
    assert_eq!(
        not_requested(Some(&lasting)).map(|over| (over.lasts, over.reason)),
        Some((false, "Stopped"))
    );
}
