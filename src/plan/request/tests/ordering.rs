//! AOR-01..03, ORD-12, ANW-06: requests for ACME issuers.

use super::{RequestPlan, RequestStep, Scene, acme, fixture, with_issuer};
use crate::{
    api::{
        ByteString,
        order::{OrderStatus, State},
    },
    plan::{
        order::desired::{DesiredOrder, desired_order},
        seen::{Next, Object},
    },
};

/// A request approved and waiting, with the Order that it asked for in this state.
fn with_order(status: OrderStatus) -> Scene {
    let mut scene = with_issuer(acme()).settled();
    let RequestStep::Order { order, .. } = scene.plan().step else {
        panic!("expected an Order")
    };
    let mut meta = fixture::meta(&order.name, "order-uid");
    meta.owners = fixture::owned_by(&scene.request);
    scene.orders.push(Object {
        meta,
        spec: order.spec,
        status,
    });
    scene
}

fn in_state(state: State) -> OrderStatus {
    OrderStatus {
        state: Some(state),
        ..OrderStatus::default()
    }
}

fn wanted(scene: &Scene) -> DesiredOrder {
    let issuer = scene.issuer.found().unwrap();
    desired_order(&scene.request, issuer.spec.acme.as_ref().unwrap(), None).unwrap()
}

#[test]
fn aor_02_approval_and_the_orders_name_are_one_write_before_the_order() {
    let scene = with_issuer(acme());
    let RequestPlan {
        approve,
        step: RequestStep::Order { order, announce },
        ..
    } = scene.plan()
    else {
        panic!("expected an Order")
    };
    assert!(approve);
    assert_eq!(order, wanted(&scene));
    let write = super::status_write(scene.now, &scene.request, approve, Some(&announce)).unwrap();
    assert_eq!(write.patch["conditions"][1]["reason"], "Pending");
    assert_eq!(
        write.patch["conditions"][1]["message"],
        format!("Created Order resource shop/{}", order.name)
    );
    assert_eq!(write.notices[1].reason, "OrderCreated");
    // Killed between the two: the Order is created by the next pass, which writes no status.
    let RequestPlan {
        approve,
        step: RequestStep::Order { announce, .. },
        ..
    } = with_issuer(acme()).settled().plan()
    else {
        panic!("expected the Order again")
    };
    assert!(!approve);
    let settled = scene.settled();
    assert_eq!(
        super::status_write(settled.now, &settled.request, approve, Some(&announce)).map(|write| write.notices),
        None
    );
}

#[test]
fn aor_01_a_common_name_that_is_no_name_fails_the_request() {
    let pem = fixture::csr_for(&["a.example.com", "b.example.com"], |template| {
        template.subject = fixture::common_name("Shop");
    });
    let (reason, message) = with_issuer(acme()).request(|it| it.asking(&pem)).failed();
    assert_eq!(reason, "InvalidOrder");
    assert!(
        message.ends_with(r#": "Shop" does not exist in [a.example.com b.example.com] or []"#),
        "{message}"
    );
}

#[test]
fn an_order_in_flight_costs_no_write_while_it_is_young() {
    let scene = with_order(in_state(State::Pending));
    let plan = scene.plan();
    assert!(plan.is_nothing());
    assert_eq!(plan.next, Next::At("2026-11-21T12:00:10Z".parse().unwrap()));
}

#[test]
fn aor_02_an_order_that_takes_long_gets_its_state_told() {
    let mut scene = with_order(in_state(State::Pending));
    scene.now = "2026-11-21T12:00:10Z".parse().unwrap();
    let name = &scene.orders[0].meta.key;
    assert_eq!(
        scene.pending(),
        format!("Waiting on certificate issuance from order {name}: \"pending\"")
    );
}

#[test]
fn aor_02_a_failed_order_fails_the_request_with_its_reason() {
    for state in [State::Invalid, State::Expired, State::Errored] {
        let scene = with_order(OrderStatus {
            reason: Some("the CA says no".into()),
            ..in_state(state)
        });
        let name = scene.orders[0].meta.name();
        let message = format!(
            "Failed to wait for order resource {name:?} to become ready: order is in \"{state}\" state: the CA says no"
        );
        assert_eq!(scene.failed(), ("OrderFailed", message));
    }
}

#[test]
fn a_valid_order_without_its_certificate_is_waited_for() {
    let scene = with_order(in_state(State::Valid));
    assert!(
        scene
            .pending()
            .starts_with("Waiting for order-controller to add certificate data to Order shop/web-1-")
    );
}

#[test]
fn aor_03_a_certificate_that_is_none_or_for_another_key_has_its_order_deleted_once() {
    let other = rcgen::generate_simple_self_signed(vec!["a.example.com".to_owned()]).unwrap();
    for certificate in [b"junk".to_vec(), other.cert.pem().into_bytes()] {
        let mut scene = with_order(OrderStatus {
            certificate: Some(ByteString(certificate)),
            ..in_state(State::Valid)
        });
        assert_eq!(
            scene.plan().step,
            RequestStep::DeleteOrder(scene.orders[0].meta.clone())
        );
        // a CA that does so every time is not asked for certificates without end
        scene.reordered = true;
        let (reason, message) = scene.failed();
        assert_eq!(reason, "OrderBadCertificate");
        assert!(message.contains(&scene.orders[0].meta.key.to_string()), "{message}");
    }
}

#[test]
fn an_order_of_the_right_name_for_other_names_is_replaced() {
    let mut scene = with_order(in_state(State::Pending));
    scene.orders[0].spec.dns_names = vec!["victim.example.com".into()];
    assert_eq!(
        scene.plan().step,
        RequestStep::DeleteOrder(scene.orders[0].meta.clone())
    );
}

#[test]
fn a_forged_order_of_another_name_is_not_looked_at() {
    let mut scene = with_order(in_state(State::Valid));
    scene.orders[0].spec.dns_names = vec!["victim.example.com".into()];
    scene.orders[0].meta.key = scene.orders[0].meta.key.sibling("forged");
    assert!(matches!(scene.plan().step, RequestStep::Order { .. }));
}

#[test]
fn anw_06_labels_and_annotations_go_along() {
    let scene = with_issuer(acme()).request(|mut it| {
        it.meta.labels = [("team", "blue")].into_iter().collect();
        it.meta.annotations = [("acme.cert-manager.io/http01-override-ingress-name", "web")]
            .into_iter()
            .collect();
        it
    });
    let order = wanted(&scene);
    assert_eq!(
        (order.labels, order.annotations),
        (scene.request.meta.labels, scene.request.meta.annotations)
    );
}
