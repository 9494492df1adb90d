//! The Order for an ACME issuer (CSR-05).

use super::*;

/// The Order that is asked for, as it would be on the server.
fn ordered(request: &SigningRequestSeen) -> Object<OrderKind> {
    let step = step(request, Some(&acme()), Some(true));
    let SigningRequestStep::Order(asked, order) = step else {
        panic!("expected an Order, got {step:?}")
    };
    let mut meta = meta(&order.name, "order-uid");
    meta.key = asked.meta.key.sibling(order.name.as_str());
    meta.annotations = order.annotations;
    meta.owners = Box::new([crate::plan::seen::Owner {
        api_version: "certificates.k8s.io/v1".into(),
        kind: "CertificateSigningRequest".into(),
        name: request.meta.name().into(),
        uid: request.meta.uid.clone(),
        controller: true,
    }]);
    Object {
        meta,
        spec: order.spec,
        status: crate::api::order::OrderStatus::default(),
    }
}

#[test]
fn csr_05_an_acme_issuer_gets_an_order_in_the_namespace_of_its_secrets_which_counts_while_the_request_is_approved() {
    let request = annotated(request(), "acme.cert-manager.io/http01-edit-in-place", "true");
    let order = ordered(&request);
    assert_eq!(order.meta.namespace(), "shop");
    assert_eq!(
        order.meta.annotations.get("acme.cert-manager.io/http01-edit-in-place"),
        Some("true"),
        "solvers are chosen by them"
    );
    assert_eq!(order.spec.dns_names, ["a.example.com"]);
    assert!(
        order
            .spec
            .issuer_ref
            .means_same(&request.signer().unwrap().issuer_ref())
    );
    let counts = |request: &SigningRequestSeen| {
        let asked = equivalent(request, &Settings::default()).unwrap();
        crate::plan::order::desired::counts(&order, Some(&asked), &AcmeIssuer::default(), [&order])
    };
    assert_eq!(counts(&request), Ok(()));
    let mut waiting = request.clone();
    waiting.status.conditions = None;
    assert_eq!(counts(&waiting), Err(crate::plan::order::desired::NotOurs::NotApproved));
    let mut another = request;
    another.spec.request = ByteString(csr_for(&["b.example.com"], |_| ()));
    assert!(counts(&another).is_err(), "an Order for something else does not count");
}

#[test]
fn csr_05_the_order_of_a_request_is_waited_for_and_its_failure_is_that_of_the_request() {
    let request = request();
    let mut order = ordered(&request);
    let follow =
        |order: &Object<OrderKind>| with_orders(&request, Some(&acme()), Some(true), std::slice::from_ref(order));
    assert_eq!(reported(&follow(&order)), "OrderPending");
    order.status.state = Some(crate::api::order::State::Invalid);
    order.status.reason = Some("the CA says no".to_owned());
    let (reason, message) = failed(follow(&order));
    assert_eq!(reason, "OrderFailed");
    assert!(
        message.ends_with("order is in \"invalid\" state: the CA says no"),
        "{message}"
    );
}
