//! Which signer a request goes to, and what it waits for (SGN-01, SGN-02, CTL-07, NB-41).

use super::{RequestStep, RequestVerdict, acme, ca, self_signed, status_write, vault, venafi, with_issuer};
use crate::{
    api::{InvalidField, issuer::IssuerSpec},
    plan::{
        issuer::{IssuerId, IssuerType, Lookup},
        seen::ObjectKey,
    },
};

#[test]
fn each_type_has_its_signer_in_the_same_pass_as_the_approval() {
    for (spec, step) in [
        (ca(), RequestStep::Sign(IssuerType::Ca)),
        (self_signed(), RequestStep::Sign(IssuerType::SelfSigned)),
    ] {
        let plan = with_issuer(spec).plan();
        assert_eq!((plan.approve, plan.step), (true, step));
    }
}

#[test]
fn a_missing_issuer_is_waited_for_by_name() {
    let scene = with_issuer(ca()).orphaned();
    assert_eq!(
        scene.pending(),
        "Referenced \"Issuer\" not found: issuer.cert-manager.io \"le\" not found"
    );
    let cluster = scene.request(|it| it.issued_by("cert-manager.io", "ClusterIssuer", "le"));
    assert_eq!(
        cluster.pending(),
        "Referenced \"ClusterIssuer\" not found: clusterissuer.cert-manager.io \"le\" not found"
    );
    assert!(
        cluster.settled().plan().step != RequestStep::Nothing,
        "it is looked at again when the issuer comes"
    );
}

#[test]
fn an_issuer_without_a_type_is_named() {
    let scene = with_issuer(IssuerSpec::default());
    assert_eq!(
        scene.pending(),
        "Missing issuer type: no issuer specified for Issuer 'shop/le'"
    );
}

#[test]
fn an_issuer_that_is_not_ready_is_waited_for() {
    let scene = with_issuer(ca()).ready(false);
    assert_eq!(
        scene.pending(),
        "Referenced issuer does not have a Ready status condition"
    );
}

#[test]
fn an_issuer_that_cannot_be_read_is_waited_for_with_the_field() {
    let mut scene = with_issuer(ca());
    let why = InvalidField {
        path: "spec.ca".into(),
        message: "invalid type".into(),
    };
    scene.issuer = Lookup::Unreadable(IssuerId(ObjectKey::new("shop", "le")), why);
    assert_eq!(
        scene.pending(),
        "Referenced issuer cannot be decoded: spec.ca: invalid type"
    );
}

#[test]
fn ctl_07_a_signer_that_is_switched_off_leaves_the_request_approved() {
    for (spec, name) in [
        (ca(), "ca"),
        (self_signed(), "selfsigned"),
        (acme(), "acme"),
        (vault(), "vault"),
        (venafi(), "venafi"),
    ] {
        let mut scene = with_issuer(spec);
        scene
            .settings
            .controllers
            .disabled
            .push(format!("certificaterequests-issuer-{name}"));
        let plan = scene.plan();
        assert_eq!((plan.approve, plan.step), (true, RequestStep::Nothing), "{name}");
    }
}

#[test]
fn nb_41_waiting_is_told_once_and_written_once() {
    let scene = with_issuer(ca()).orphaned();
    let verdict = RequestVerdict::Pending {
        reason: "IssuerNotFound",
        message: scene.pending(),
    };
    let first = status_write(scene.now, &scene.request, true, Some(&verdict)).unwrap();
    assert_eq!(
        first.notices.iter().map(|notice| &*notice.reason).collect::<Vec<_>>(),
        ["cert-manager.io", "IssuerNotFound"]
    );
    let scene = scene.settled();
    assert_eq!(status_write(scene.now, &scene.request, false, Some(&verdict)), None);
    let other = RequestVerdict::Pending {
        reason: "IssuerNotReady",
        message: "now this".into(),
    };
    let second = status_write(scene.now, &scene.request, false, Some(&other)).unwrap();
    assert_eq!(second.notices, [], "still waiting: no event");
}

#[test]
fn a_request_that_is_being_deleted_is_left_to_go() {
    let plan = with_issuer(ca())
        .request(|mut it| {
            it.meta.deleting = Some(super::fixture::noon());
            it
        })
        .plan();
    assert!(plan.is_nothing());
}
