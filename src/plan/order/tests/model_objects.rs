//! What the model is made of, and what its API server refuses.

use std::collections::BTreeSet;

use super::{
    super::{ca::AuthorizationAtCa, facts::Choice, persist::Demand, proof::Proof, slots::Slot},
    model::World,
};
use crate::{
    api::{
        IssuerRef, Solver,
        challenge::{ChallengeSpec, ChallengeStatus},
        http01::{Http01Ingress, Routing},
        names::annotation,
        order::OrderStatus,
    },
    plan::{
        kinds::ChallengeKind,
        seen::{Meta, Object, ObjectKey, Owner, Pairs},
    },
};

pub(super) fn http01(authorization: &AuthorizationAtCa) -> Choice {
    let offered = &authorization.challenges[0];
    Choice::Prove {
        url: offered.url.clone(),
        token: offered.token.clone(),
        proof: Proof::Http01 {
            key_authorization: format!("{}.thumbprint", offered.token),
            routing: Box::new(Routing::Ingress(Http01Ingress::default())),
        },
        solver: Box::new(Solver::default()),
        wait: None,
    }
}

pub(super) fn dns01(authorization: &AuthorizationAtCa) -> Choice {
    let offered = &authorization.challenges[0];
    Choice::Prove {
        url: offered.url.clone(),
        token: offered.token.clone(),
        proof: Proof::Dns01 {
            value: format!("digest of {}", offered.token),
        },
        solver: Box::new(Solver::default()),
        wait: None,
    }
}

pub(super) fn dns_persist(authorization: &AuthorizationAtCa) -> Choice {
    let demand = Demand {
        identifier: authorization.identifier.clone(),
        wildcard: authorization.wildcard,
        issuers: vec!["ca.example".to_owned()],
        account: "https://ca.example/acct/1".to_owned(),
    };
    Choice::Prove {
        url: authorization.challenges[0].url.clone(),
        token: String::new(),
        proof: Proof::DnsPersist {
            record: demand.record(false, None),
            demand: Box::new(demand),
        },
        solver: Box::new(Solver::default()),
        wait: None,
    }
}

/// The name of the TXT record that proves `name`.
pub(super) fn record_of(name: &str) -> String {
    format!("_acme-challenge.{name}")
}

/// Writes on a Challenge what is about to be written outside the cluster.
pub(super) fn set_guard(meta: &mut Meta, finalizers: Vec<String>, record: &str) {
    meta.finalizers = finalizers.into_iter().map(Into::into).collect();
    meta.annotations = [(annotation::RECORD, record)].into_iter().collect();
}

pub(super) fn issuer_ref() -> IssuerRef {
    IssuerRef {
        name: "ca".into(),
        ..IssuerRef::default()
    }
}

pub(super) fn meta(name: &str, uid: &str, owners: &[&str]) -> Meta {
    let owner = |uid: &&str| Owner {
        api_version: "acme.cert-manager.io/v1".into(),
        kind: "Order".into(),
        name: "shop-1-123".into(),
        uid: (*uid).into(),
        controller: true,
    };
    Meta {
        key: ObjectKey::new("shop", name),
        uid: uid.into(),
        resource_version: "1".into(),
        generation: 1,
        created: "2026-11-21T06:00:00Z".parse().expect("a time"),
        deleting: None,
        owners: owners.iter().map(owner).collect(),
        labels: Pairs::default(),
        annotations: Pairs::default(),
        finalizers: Box::default(),
    }
}

pub(super) fn challenge_of(name: &str, spec: ChallengeSpec) -> Object<ChallengeKind> {
    Object {
        meta: meta(name, &format!("uid-of-{name}"), &["order-uid"]),
        spec,
        status: ChallengeStatus::default(),
    }
}

pub(super) fn slots_of(world: &World) -> Vec<Slot> {
    world
        .memory
        .authorizations
        .keys()
        .map(|url| world.slots.slot(&world.order.meta.uid, url))
        .collect()
}

pub(super) fn names(set: &[&str]) -> BTreeSet<String> {
    set.iter().map(ToString::to_string).collect()
}

/// What the API server refuses (VAL-36).
pub(super) fn assert_write_once(before: &OrderStatus, after: &OrderStatus) {
    let kept = |before: &Option<String>, after: &Option<String>| before.is_none() || before == after;
    assert!(kept(&before.url, &after.url) && kept(&before.finalize_url, &after.finalize_url));
    if before.authorizations.is_empty() {
        return;
    }
    assert_eq!(before.authorizations.len(), after.authorizations.len());
    for (before, after) in before.authorizations.iter().zip(&after.authorizations) {
        assert_eq!(before.url, after.url);
        assert!(
            before.identifier.is_none() || before == after,
            "{before:?} became {after:?}"
        );
    }
}
