//! Writing what the plan says leaves nothing to write, whatever was reported about the request before.

use proptest::prelude::*;

use super::{RequestStep, Scene, acme, ca, self_signed, status_write, vault, venafi, with_issuer};
use crate::api::{ConditionStatus, condition};

fn with_condition() -> impl Strategy<Value = (&'static str, ConditionStatus, &'static str)> {
    prop::sample::select(vec![
        (condition::APPROVED, ConditionStatus::True, "somebody"),
        (condition::DENIED, ConditionStatus::True, "somebody"),
        (condition::INVALID_REQUEST, ConditionStatus::True, "x"),
        (condition::READY, ConditionStatus::False, "Pending"),
        (condition::READY, ConditionStatus::False, "Failed"),
        (condition::READY, ConditionStatus::True, "Issued"),
        ("Audited", ConditionStatus::Unknown, "x"),
    ])
}

fn scene() -> impl Strategy<Value = Scene> {
    let issuer = prop::sample::select(vec![ca(), self_signed(), acme(), vault(), venafi()]);
    let flags = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    (issuer, prop::collection::vec(with_condition(), 0..4), flags).prop_map(
        |(spec, with_condition, (ready, there, approver, readable))| {
            let mut scene = with_issuer(spec).request(|request| {
                let request = if readable { request } else { request.asking(b"garbage") };
                with_condition
                    .into_iter()
                    .fold(request, |request, (type_, status, reason)| {
                        request.with_condition(type_, status, reason)
                    })
            });
            scene = scene.ready(ready);
            if !there {
                scene = scene.orphaned();
            }
            if approver { scene } else { scene.without_approver() }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_second_look_writes_nothing(scene in scene()) {
        let settled = scene.settled();
        let plan = settled.plan();
        prop_assert!(!plan.approve, "{:?}", plan);
        let verdict = match &plan.step {
            RequestStep::Settle(verdict) | RequestStep::Order { announce: verdict, .. } => Some(verdict),
            RequestStep::Nothing | RequestStep::Sign(_) | RequestStep::TakeFromOrder(_) | RequestStep::DeleteOrder(_) => None,
        };
        prop_assert_eq!(status_write(settled.now, &settled.request, plan.approve, verdict), None);
    }
}
