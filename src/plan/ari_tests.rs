use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::acme::Action;
use crate::acme::ari::Window;
use crate::api::{CertificateStatus, Condition, ConditionStatus};
use crate::net::RetryAfter;
use crate::pki::chain::SizeLimits;
use crate::pki::summary::PairSummary;
use crate::plan::seen::{ManagedKeys, Meta, ObjectKey, Pairs};

const DAY: i64 = 86_400;

fn now() -> Timestamp {
    "2026-11-21T12:00:00Z".parse().unwrap()
}

fn later(seconds: i64) -> Timestamp {
    now() + SignedDuration::from_secs(seconds)
}

fn meta(name: &str, annotations: &[(&str, &str)]) -> Meta {
    Meta {
        key: ObjectKey::new("shop", name),
        uid: "237faef4-afd4-4535-bb7c-ca7caee56aa7".into(),
        resource_version: "1".into(),
        generation: 1,
        created: now(),
        deleting: None,
        owners: Box::default(),
        labels: Pairs::default(),
        annotations: annotations.iter().copied().collect(),
        finalizers: Box::default(),
    }
}

fn certificate() -> Object<CertificateKind> {
    let spec = r#"{"secretName":"web-tls","issuerRef":{"name":"le"},"dnsNames":["web.example.com"]}"#;
    Object {
        meta: meta("web", &[]),
        spec: serde_json::from_str(spec).unwrap(),
        status: CertificateStatus::default(),
    }
}

/// A Secret whose certificate began 30 days ago and has 60 to go.
fn secret(issuer: &str) -> SecretSeen {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(vec!["web.example.com".to_owned()]).unwrap();
    params.use_authority_key_identifier_extension = true;
    let at = |days: i64| time::OffsetDateTime::from_unix_timestamp(later(days * DAY).as_second()).unwrap();
    (params.not_before, params.not_after) = (at(-30), at(60));
    let ca = rcgen::Issuer::new(rcgen::CertificateParams::default(), rcgen::KeyPair::generate().unwrap());
    let pem = params.signed_by(&key, &ca).unwrap().pem();
    SecretSeen {
        meta: meta("web-tls", &[(annotation::ISSUER_NAME, issuer)]),
        type_: "kubernetes.io/tls".into(),
        data_keys: Box::default(),
        pair: Box::new(PairSummary::new(
            None,
            Some(pem.as_bytes()),
            None,
            &SizeLimits::default(),
        )),
        wrong_formats: Box::default(),
        managed: Arc::new(ManagedKeys::default()),
        digest: [0; 32],
    }
}

fn acme() -> AcmeIssuer {
    AcmeIssuer {
        server: "https://ca.example/dir".into(),
        ..AcmeIssuer::default()
    }
}

fn record(secret: &SecretSeen) -> AriRecord {
    let fingerprint = leaf_of(secret).unwrap().fingerprint;
    AriRecord {
        fingerprint,
        next: now(),
        failures: 0,
        information: None,
    }
}

fn planned(
    certificate: &Object<CertificateKind>,
    secret: &SecretSeen,
    issuer: &AcmeIssuer,
    record: Option<&AriRecord>,
) -> AriPlan {
    let seen = AriSeen {
        certificate,
        secret: Some(secret),
        issuer: AriIssuer::Acme(issuer),
        record,
    };
    plan(now(), &seen, &Settings::default())
}

fn info(start: i64, end: i64) -> RenewalInfo {
    RenewalInfo {
        window: Window {
            start: later(start),
            end: later(end),
        },
        explanation_url: None,
    }
}

fn unreachable() -> Error {
    Error::Unreachable {
        host: "ca.example".into(),
        action: Action::RenewalInfo,
        reason: "connection refused".into(),
    }
}

/// MST-05: the CA of another issuer would not know the certificate. cert-manager compares name, kind and group, too.
#[test]
fn a_certificate_of_another_issuer_is_not_asked_about_and_that_is_told_once() {
    let acme = acme();
    for (key, value) in [
        (annotation::ISSUER_NAME, "other"),
        (annotation::ISSUER_KIND, "ClusterIssuer"),
        (annotation::ISSUER_GROUP, "example.com"),
    ] {
        let mut secret = secret("le");
        let kept = [(annotation::ISSUER_NAME, "le"), (annotation::ISSUER_KIND, "Issuer")];
        let kept = kept.into_iter().filter(|(known, _)| *known != key);
        secret.meta.annotations = kept.chain([(key, value)]).collect();
        let AriPlan::Refuse {
            record,
            warning: Some(warning),
        } = planned(&certificate(), &secret, &acme, None)
        else {
            panic!("{key} is not compared")
        };
        assert!(
            warning.starts_with("Could not fetch ACME Renewal Information: ")
                && warning.ends_with(", not by Issuer.cert-manager.io/le"),
            "{warning}"
        );
        assert_eq!(
            planned(&certificate(), &secret, &acme, Some(&record)),
            AriPlan::Wait(record.next)
        );
        let due = AriRecord { next: now(), ..record };
        let again = planned(&certificate(), &secret, &acme, Some(&due));
        assert!(matches!(again, AriPlan::Refuse { warning: None, .. }), "{again:?}");
    }
    let mut unknown = secret("le");
    unknown.meta.annotations = Pairs::default();
    assert_eq!(
        planned(&certificate(), &unknown, &acme, None),
        AriPlan::Forget(Next::OnChange)
    );
}

#[test]
fn a_certificate_is_asked_about_within_the_first_hour_and_then_at_its_time() {
    let (certificate, secret, acme) = (certificate(), secret("le"), acme());
    let AriPlan::Expect(expected) = planned(&certificate, &secret, &acme, None) else {
        panic!("nothing is expected")
    };
    assert!(
        expected.next >= now() && expected.next <= later(3600),
        "{}",
        expected.next
    );
    assert!(
        matches!(planned(&certificate, &secret, &acme, Some(&expected)), AriPlan::Wait(until) if until == expected.next)
    );
    let due = record(&secret);
    let AriPlan::Ask { certificate_id } = planned(&certificate, &secret, &acme, Some(&due)) else {
        panic!("it is due")
    };
    let leaf = leaf_of(&secret).unwrap();
    assert_eq!(Some(certificate_id), leaf.ari_id());
}

#[test]
fn a_new_certificate_in_the_secret_is_expected_afresh() {
    let (certificate, acme) = (certificate(), acme());
    let old = AriRecord {
        next: later(100),
        ..record(&secret("le"))
    };
    assert!(matches!(
        planned(&certificate, &secret("le"), &acme, Some(&old)),
        AriPlan::Expect(_)
    ));
}

#[test]
fn nobody_is_asked_about_what_is_not_theirs_or_not_to_be_renewed() {
    let (web, own, acme) = (certificate(), secret("le"), acme());
    let due = record(&own);
    let never = AriPlan::Forget(Next::OnChange);
    let mut disabled = certificate();
    disabled.spec.renewal = serde_json::from_str(r#"{"policy":"Disabled"}"#).unwrap();
    assert_eq!(planned(&disabled, &own, &acme, Some(&due)), never);
    let mut issuing = certificate();
    issuing.status.conditions = vec![Condition::new(ISSUING, ConditionStatus::True, "Renewing", "")];
    assert_eq!(planned(&issuing, &own, &acme, Some(&due)), never);
    let off = AcmeIssuer {
        renewal_information_source: Some(RenewalInformationSource::None),
        ..acme.clone()
    };
    assert!(
        matches!(planned(&web, &own, &off, Some(&due)), AriPlan::Forget(Next::At(_))),
        "ARI-01"
    );

    let seen = |issuer, secret| AriSeen {
        certificate: &web,
        secret,
        issuer,
        record: Some(&due),
    };
    let settings = Settings::default();
    assert_eq!(plan(now(), &seen(AriIssuer::Other, Some(&own)), &settings), never);
    assert_eq!(plan(now(), &seen(AriIssuer::Acme(&acme), None), &settings), never);
    assert_eq!(
        plan(later(61 * DAY), &seen(AriIssuer::Acme(&acme), Some(&own)), &settings),
        never,
        "expired"
    );
    assert!(matches!(
        plan(now(), &seen(AriIssuer::Absent, Some(&own)), &settings),
        AriPlan::Forget(Next::At(_))
    ));
    let mut gates = Settings::default();
    gates.gates.ari = false;
    assert_eq!(plan(now(), &seen(AriIssuer::Acme(&acme), Some(&own)), &gates), never);
}

#[test]
fn the_certificate_is_looked_at_only_when_its_window_moves() {
    let before = record(&secret("le"));
    let six_hours = Some(RetryAfter::After(SignedDuration::from_hours(6)));
    let first = conclude(now(), &before, Ok((&info(10 * DAY, 20 * DAY), six_hours)), None);
    assert!(first.changed && first.warning.is_none());
    assert_eq!(first.record.next, later(6 * 3600));
    let same = conclude(later(100), &first.record, Ok((&info(10 * DAY, 20 * DAY), None)), None);
    assert!(!same.changed, "only the time of the poll is another");
    assert!(conclude(now(), &same.record, Ok((&info(-20, -10), None)), None).changed);
    let explained = RenewalInfo {
        explanation_url: Some("https://ca.example/why".into()),
        ..info(10 * DAY, 20 * DAY)
    };
    assert!(conclude(now(), &same.record, Ok((&explained, None)), None).changed);
}

#[test]
fn ari_06_failures_are_told_once_and_keep_what_was_heard() {
    let before = AriRecord {
        information: Some(information(now(), now(), &info(0, DAY))),
        ..record(&secret("le"))
    };
    let first = conclude(now(), &before, Err(&unreachable()), None);
    let warning = first.warning.unwrap();
    assert!(
        warning.starts_with("Could not fetch ACME Renewal Information: ") && warning.contains("connection refused"),
        "{warning}"
    );
    assert!(first.changed, "the status says so");
    let known = first.record.information.clone().unwrap();
    assert_eq!(
        known.suggested_window,
        before.information.clone().unwrap().suggested_window
    );
    assert!(known.last_error.unwrap().contains("connection refused"));
    assert_eq!(known.next_check, Some(condition::whole_second(first.record.next)));
    let mut series = first.record;
    let mut waits = vec![now().duration_until(series.next).as_hours()];
    for _ in 0..4 {
        let again = conclude(now(), &series, Err(&unreachable()), None);
        assert_eq!((again.warning, again.changed), (None, false));
        series = again.record;
        waits.push(now().duration_until(series.next).as_hours());
    }
    assert_eq!(waits, [1, 2, 4, 6, 6]);
    let unsupported = Error::Unsupported {
        host: "ca.example".into(),
        what: "renewal information",
    };
    let quiet = conclude(now(), &before, Err(&unsupported), None);
    assert_eq!((quiet.warning, quiet.record.next), (None, later(DAY)), "ARI-04");
    assert_eq!(quiet.record.information, Some(RenewalInformation::default()));
    let answered = conclude(now(), &series, Ok((&info(0, DAY), None)), None);
    assert!(answered.changed, "what was wrong is not reported any more");
    assert_eq!(answered.record.information.unwrap().last_error, None);
}

#[test]
fn the_administrators_interval_is_kept_whatever_the_server_asks_for() {
    let settings = Settings {
        ari_minimum_interval: Some(Duration::from_secs(5)),
        ..Settings::default()
    };
    let day = Some(RetryAfter::After(SignedDuration::from_hours(24)));
    let before = record(&secret("le"));
    assert_eq!(
        conclude(now(), &before, Ok((&info(0, 1), day)), fixed(&settings))
            .record
            .next,
        later(5)
    );
    assert_eq!(
        conclude(now(), &before, Err(&unreachable()), fixed(&settings))
            .record
            .next,
        later(5)
    );
}

proptest! {
    #[test]
    fn first_polls_are_spread_over_the_hour(uids in prop::collection::vec(any::<u32>(), 200)) {
        let secret = secret("le");
        let leaf = leaf_of(&secret).unwrap();
        let minutes: std::collections::BTreeSet<i64> =
            uids.iter().map(|uid| now().duration_until(first_poll(now(), &format!("{uid:08x}-42ee"), leaf, None)).as_mins()).collect();
        prop_assert!(minutes.iter().all(|minute| (0..=60).contains(minute)));
        prop_assert!(minutes.len() > 10, "{minutes:?}");
    }

    #[test]
    fn what_is_nearer_to_its_expiry_is_asked_about_earlier(uid in "[0-9a-f]{8}", days in 1_i64..59) {
        let secret = secret("le");
        let leaf = leaf_of(&secret).unwrap();
        let wait = |at: Timestamp| at.duration_until(first_poll(at, &uid, leaf, None));
        prop_assert!(wait(later(days * DAY)) < wait(now()));
    }
}
