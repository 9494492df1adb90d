//! Names are judged by those that cert-manager 1.21.1 gave to the Orders of its own requests.

use super::{NotOurs, counts, desired_order, elected, other_name};
use crate::{
    api::{ConditionStatus, GoDuration, acme_issuer::AcmeIssuer, condition, order::OrderStatus},
    plan::{
        kinds::OrderKind,
        request::fixture::{csr_for, meta, noon, owned_by, request},
        seen::{Object, RequestSeen},
    },
};

fn takeover(name: &str, dns: &[&str], group: Option<&str>) -> RequestSeen {
    let mut request = request().asking(&csr_for(dns, |_| ()));
    request.meta = meta(name, "uid");
    request.issuer_ref.name = "letsencrypt-takeover".into();
    request.issuer_ref.kind = Some("ClusterIssuer".into());
    request.issuer_ref.group = group.map(str::to_owned);
    request
}

fn name_of(request: &RequestSeen, acme: &AcmeIssuer) -> String {
    desired_order(request, acme, None).unwrap().name
}

#[test]
fn ord_12_names_are_those_of_cert_manager() {
    let rows = [
        ("acme-1", &["acme.takeover.example.com"][..], None, "acme-1-2896651731"),
        ("stuck-1", &["stuck.takeover.example.com"], None, "stuck-1-3413279115"),
        (
            "shop-tls-1",
            &["shop.takeover.example.com", "www.takeover.example.com"],
            Some("cert-manager.io"),
            "shop-tls-1-58562073",
        ),
    ];
    for (request, dns, group, name) in rows {
        assert_eq!(name_of(&takeover(request, dns, group), &AcmeIssuer::default()), name);
    }
}

#[test]
fn ord_12_a_long_name_is_cut_to_52_characters_ending_in_a_letter_or_digit() {
    let long = format!("{}-{}", "a".repeat(50), "-b".repeat(10));
    let name = name_of(&takeover(&long, &["a.example.com"], None), &AcmeIssuer::default());
    let (prefix, hash) = name.rsplit_once('-').unwrap();
    assert_eq!(prefix, "a".repeat(50));
    assert!(hash.parse::<u32>().is_ok() && name.len() <= 63, "{name}");
    // Two long names with one beginning: the hash tells them apart.
    let other = name_of(
        &takeover(&format!("{long}c"), &["a.example.com"], None),
        &AcmeIssuer::default(),
    );
    assert_ne!(name, other);
}

#[test]
fn aor_04_and_05_duration_and_profile_come_from_the_issuer() {
    let mut request = request();
    request.duration = Some(GoDuration::from_hours(48));
    let plain = desired_order(&request, &AcmeIssuer::default(), None).unwrap();
    assert_eq!((plain.spec.duration, plain.spec.profile), (None, None));
    let issuer = AcmeIssuer {
        enable_duration_feature: Some(true),
        profile: Some("shortlived".into()),
        ..AcmeIssuer::default()
    };
    let asked = desired_order(&request, &issuer, Some("aki.serial")).unwrap();
    assert_eq!(asked.spec.duration, Some(GoDuration::from_hours(48)));
    assert_eq!(asked.spec.profile.as_deref(), Some("shortlived"));
    assert_eq!(asked.spec.replaces.as_deref(), Some("aki.serial"));
    assert_ne!(asked.name, plain.name);
    assert_eq!(
        asked.name,
        desired_order(&request, &issuer, None).unwrap().name,
        "replaces may change meanwhile"
    );
}

#[test]
fn another_name_for_a_taken_one_holds_eight_digits_of_the_uid() {
    assert_eq!(
        other_name("web-1-77", &meta("web-1", "0a1b2c3d-4e5f")),
        "web-1-77-0a1b2c3d"
    );
}

/// An Order that the request stands for.
fn order(request: &RequestSeen, name: &str) -> Object<OrderKind> {
    let mut meta = meta(name, &format!("{name}-uid"));
    meta.owners = owned_by(request);
    let spec = desired_order(request, &AcmeIssuer::default(), None).unwrap().spec;
    Object {
        meta,
        spec,
        status: OrderStatus::default(),
    }
}

fn check(order: &Object<OrderKind>, request: &RequestSeen) -> Result<(), NotOurs> {
    counts(order, Some(request), &AcmeIssuer::default(), [order])
}

#[test]
fn an_order_of_an_approved_request_counts() {
    let request = request().approved();
    assert_eq!(check(&order(&request, "o"), &request), Ok(()));
}

/// cert-manager copies the text of the request; of a request that waits only its block is kept here.
#[test]
fn an_order_counts_whatever_text_is_around_its_signing_request() {
    let request = request().approved();
    let mut written = order(&request, "o");
    written.spec.request.0.splice(0..0, *b"Subject: CN = a\n");
    assert_eq!(check(&written, &request), Ok(()));
    written.spec.request.0.extend_from_slice(b"-----BEGIN X-----\n");
    assert_eq!(check(&written, &request), Err(NotOurs::Differs("spec.request")));
}

#[test]
fn an_order_without_its_request_does_not_count() {
    let request = request().approved();
    let mut orphan = order(&request, "o");
    assert_eq!(
        counts(&orphan, None, &AcmeIssuer::default(), [&orphan]),
        Err(NotOurs::NoRequest)
    );
    orphan.meta.owners[0].uid = "of-a-former-request".into();
    assert_eq!(check(&orphan, &request), Err(NotOurs::NoRequest));
    let mut elsewhere = order(&request, "o");
    elsewhere.meta.key = crate::plan::seen::ObjectKey::new("other", "o");
    assert_eq!(check(&elsewhere, &request), Err(NotOurs::NoRequest));
}

#[test]
fn an_order_of_a_request_that_is_not_approved_does_not_count() {
    let fresh = request();
    assert_eq!(check(&order(&fresh, "o"), &fresh), Err(NotOurs::NotApproved));
    let denied = request()
        .approved()
        .with_condition(condition::DENIED, ConditionStatus::True, "no");
    assert_eq!(check(&order(&denied, "o"), &denied), Err(NotOurs::NotApproved));
}

type Edit = fn(&mut crate::api::order::OrderSpec);

#[test]
#[rustfmt::skip]
fn an_order_for_anything_else_than_its_request_does_not_count() {
    let request = request().approved();
    let edits: [(&'static str, Edit); 8] = [
        ("spec.request", |spec| spec.request.0.truncate(200)),
        ("spec.issuerRef", |spec| spec.issuer_ref.name.push('x')),
        ("spec.commonName", |spec| spec.common_name = Some("victim.example.com".into())),
        ("spec.dnsNames", |spec| spec.dns_names.push("victim.example.com".into())),
        ("spec.ipAddresses", |spec| spec.ip_addresses.push("10.0.0.1".into())),
        ("spec.duration", |spec| spec.duration = Some(GoDuration::from_hours(9999))),
        ("spec.profile", |spec| spec.profile = Some("other".into())),
        ("spec.replaces", |spec| spec.replaces = Some("not an id".into())),
    ];
    for (field, edit) in edits {
        let mut order = order(&request, "o");
        edit(&mut order.spec);
        assert_eq!(check(&order, &request), Err(NotOurs::Differs(field)));
    }
}

#[test]
fn an_issuer_reference_with_its_defaults_written_is_the_same() {
    let request = request().approved();
    let mut order = order(&request, "o");
    order.spec.issuer_ref.kind = Some("Issuer".into());
    order.spec.issuer_ref.group = Some("cert-manager.io".into());
    assert_eq!(check(&order, &request), Ok(()));
}

#[test]
fn of_several_orders_for_one_request_the_oldest_does_the_work() {
    let request = request().approved();
    let old = order(&request, "b");
    let mut young = order(&request, "a");
    young.meta.created = noon() + jiff::SignedDuration::from_secs(1);
    assert_eq!(
        elected(&request, &AcmeIssuer::default(), [&young, &old]).map(|order| order.meta.name()),
        Some("b")
    );
    let verdict = counts(&young, Some(&request), &AcmeIssuer::default(), [&young, &old]);
    assert_eq!(verdict, Err(NotOurs::NotElected));
}

#[test]
fn a_finished_request_needs_no_order() {
    let mut request = request().approved();
    let order = order(&request, "o");
    request.csr_pem = None;
    assert_eq!(check(&order, &request), Err(NotOurs::Finished));
}
