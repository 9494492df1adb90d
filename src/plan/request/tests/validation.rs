//! VAL-31, VAL-02, CRQ-03: requests of users that the API server let in.

use super::{RequestPlan, ca, fixture, with_issuer};
use crate::{
    pki::usage::{Usage, UsageSet},
    plan::issuer::IssuerType,
};

fn message(edit: impl FnOnce(super::RequestSeen) -> super::RequestSeen) -> String {
    let scene = with_issuer(ca()).request(edit);
    let (reason, message) = scene.failed();
    assert_eq!(reason, "BadConfig");
    assert!(!scene.plan().approve, "what can never be signed is not approved");
    assert_eq!(scene.settled().plan(), RequestPlan::nothing());
    message.strip_prefix("resource validation failed: ").unwrap().to_owned()
}

#[test]
fn val_31_garbage_is_shown_up_to_a_hundred_characters() {
    let long = "x".repeat(300);
    let message = message(|it| it.asking(long.as_bytes()));
    let shown = format!("spec.request: Invalid value: \"{}\"…: ", "x".repeat(100));
    assert!(message.starts_with(&shown), "{message}");
    assert!(message.len() > shown.len(), "the reason is part of it");
}

#[test]
fn val_31_a_private_key_in_place_of_a_csr_is_not_quoted() {
    for (before, after) in [("", "\n"), ("\n", "\r"), ("\u{feff}", "")] {
        let key = format!(
            "{before}-----BEGIN PRIVATE KEY-----{after}MC4CAQAwBQYDK2VwBCIEIA{after}-----END PRIVATE KEY-----\n"
        );
        let message = message(|it| it.asking(key.as_bytes()));
        assert!(message.starts_with("spec.request: Invalid value: \""), "{message}");
        assert!(!message.contains("MC4C"), "{message}");
    }
}

#[test]
fn val_31_a_csr_with_a_wrong_signature_is_refused() {
    let pem = String::from_utf8(fixture::csr_for(&["a.example.com"], |_| ())).unwrap();
    let der = crate::pki::pem::parse(pem.as_bytes())
        .unwrap()
        .remove(0)
        .der
        .expose()
        .clone();
    let mut broken = der;
    *broken.last_mut().unwrap() ^= 1;
    let message = message(|it| it.asking(&crate::pki::pem::encode("CERTIFICATE REQUEST", &broken)));
    assert!(message.starts_with("spec.request: Invalid value: "), "{message}");
}

#[test]
fn crq_03_usages_have_to_be_those_of_the_csr() {
    let message_of = message(|it| it.for_usages(&[Usage::Signing, Usage::KeyEncipherment, Usage::ServerAuth]));
    assert_eq!(
        message_of,
        "spec.request: Invalid value: encoded CSR error: the ExtKeyUsages [] do not match the expected ExtKeyUsages [ 'server auth' ]"
    );
    let message_of = message(|it| it.for_usages(&[Usage::KeyEncipherment]));
    assert_eq!(
        message_of,
        "spec.request: Invalid value: encoded CSR error: the KeyUsages [ 'digital signature', 'key encipherment' ] do not match the expected KeyUsages [ 'key encipherment' ]"
    );
}

#[test]
fn crq_03_a_csr_without_usages_agrees_with_any() {
    let pem = fixture::csr_for(&["a.example.com"], |template| template.encode_usages = false);
    let scene = with_issuer(ca()).request(|it| it.asking(&pem).for_usages(&[Usage::ServerAuth]));
    assert_eq!(scene.plan().step, super::RequestStep::Sign(IssuerType::Ca));
}

#[test]
fn crq_03_the_order_of_usages_does_not_matter_and_a_ca_may_sign() {
    let pem = fixture::csr_for(&["a.example.com"], |template| {
        template.usages = UsageSet::new(&[Usage::ClientAuth, Usage::ServerAuth, Usage::CertSign], false);
    });
    let scene = with_issuer(ca()).request(|mut it| {
        it.is_ca = true;
        it.asking(&pem).for_usages(&[Usage::ServerAuth, Usage::ClientAuth])
    });
    assert_eq!(scene.plan().step, super::RequestStep::Sign(IssuerType::Ca));
}

/// cert-manager compares the purposes that have a name, and copies the others (VAL-31).
#[test]
fn crq_03_purposes_without_a_name_are_no_reason_to_refuse() {
    let asking_also = |purpose: &'static str| {
        let pem = fixture::csr_for(&["a.example.com"], |template| {
            template.usages = UsageSet::new(&[Usage::ServerAuth], false);
            template.usages.insert_purpose(purpose);
        });
        with_issuer(ca()).request(move |it| it.asking(&pem).for_usages(&[Usage::ServerAuth]))
    };
    assert_eq!(
        asking_also("1.3.6.1.5.5.8.2.2").plan().step,
        super::RequestStep::Sign(IssuerType::Ca)
    );
    // one that has a name is compared
    let (_, message) = asking_also("1.3.6.1.5.5.7.3.2").failed();
    assert!(
        message.contains("the ExtKeyUsages [ 'server auth', 'client auth' ] do not match"),
        "{message}"
    );
}

#[test]
fn val_31_is_ca_has_to_be_that_of_the_csr() {
    let pem = fixture::csr_for(&["a.example.com"], |template| {
        template.is_ca = true;
        template.encode_basic_constraints = true;
    });
    let message = message(|it| it.asking(&pem));
    assert_eq!(
        message,
        "spec.request: Invalid value: encoded CSR error: IsCA true does not match expected IsCA false"
    );
}

#[test]
fn val_31_an_unknown_usage_is_named() {
    let message = message(|mut it| {
        it.usages = Box::new(["making tea".into()]);
        it
    });
    assert!(
        message.starts_with("spec.usages: ") && message.contains("making tea"),
        "{message}"
    );
}

#[test]
fn val_02_only_two_kinds_are_ours() {
    let message = message(|it| it.issued_by("", "AWSPCAIssuer", "x"));
    assert_eq!(
        message,
        "spec.issuerRef.kind: Invalid value: \"AWSPCAIssuer\": must be one of Issuer or ClusterIssuer (did you forget to set spec.issuerRef.group?)"
    );
}
