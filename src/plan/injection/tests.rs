//! Tables of the planner, and its property: what it has written it leaves alone.

use std::sync::LazyLock;

use jiff::SignedDuration;
use proptest::prelude::*;

use super::{pace::pace, *};
use crate::{
    pki::{
        fixture::{ca_extras, p256, request},
        sign::{Validity, self_sign},
    },
    plan::{
        request::fixture::{meta, noon},
        seen::ObjectKey,
        settings::Settings,
    },
};

const LIMIT: usize = 330_000;

/// A self-signed CA that ends these hours after noon.
fn ca(name: &str, hours: i64) -> Vec<u8> {
    let key = p256();
    let validity = Validity {
        not_before: noon() - SignedDuration::from_hours(1000),
        not_after: noon() + SignedDuration::from_hours(hours),
    };
    let der = self_sign(&request(name, &[], &key), &key, validity, [1; 16], &ca_extras()).unwrap();
    chain::to_pem(&[der])
}

/// Four valid CAs and an expired one.
static CAS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let valid = (0..4).map(|number| ca(&format!("ca-{number}"), 100));
    valid.chain([ca("expired", -1)]).collect()
});

fn joined(numbers: &[usize]) -> Vec<u8> {
    numbers.iter().flat_map(|number| CAS[*number].clone()).collect()
}

fn annotated(pairs: &[(&str, &str)]) -> Pairs {
    pairs.iter().copied().collect()
}

fn target(bundles: &[Vec<u8>]) -> TargetSeen {
    let slots = bundles.iter().enumerate().map(|(number, bundle)| Slot {
        webhook: format!("hook-{number}"),
        bundle: bundle.clone(),
    });
    TargetSeen {
        meta: meta("hooks", "uid"),
        slots: slots.collect(),
        skips_verification: false,
    }
}

fn certificate() -> CaSource {
    CaSource::Certificate(ObjectKey::new("shop", "serving"))
}

fn of_certificate(ca: Option<&[u8]>) -> SourceSeen {
    let secret = SecretSource {
        annotations: annotated(&[(annotation::CERTIFICATE_NAME, "serving")]),
        ca: ca.map(<[u8]>::to_vec),
        has_certificate: true,
    };
    SourceSeen::Certificate(Some(("serving-tls".into(), Some(secret))))
}

fn planned(target: &TargetSeen, source: &CaSource, seen: &SourceSeen) -> InjectionStep {
    let observation = InjectionObservation {
        target,
        source,
        seen,
        written: None,
        limit: LIMIT,
    };
    plan(noon(), &observation).step
}

fn written(step: &InjectionStep) -> Vec<Vec<u8>> {
    match step {
        InjectionStep::Write { slots, .. } => slots.iter().map(|slot| slot.bundle.clone()).collect(),
        InjectionStep::Leave | InjectionStep::Refuse(_) | InjectionStep::Delay(_) => {
            panic!("nothing is written: {step:?}")
        }
    }
}

fn sentence(step: &InjectionStep) -> &str {
    match step {
        InjectionStep::Refuse(refusal) => &refusal.message,
        InjectionStep::Leave | InjectionStep::Write { .. } | InjectionStep::Delay(_) => {
            panic!("not refused: {step:?}")
        }
    }
}

#[test]
fn cai_02_the_secret_comes_before_the_certificate_and_the_certificate_before_the_api_server() {
    let secret = (annotation::INJECT_CA_FROM_SECRET, "shop/ca");
    let certificate = (annotation::INJECT_CA_FROM, "shop/serving");
    let server = (annotation::INJECT_APISERVER_CA, "true");
    let key = |name| ObjectKey::new("shop", name);
    for (annotations, expected) in [
        (vec![secret, certificate, server], CaSource::Secret(key("ca"))),
        (vec![certificate, server], CaSource::Certificate(key("serving"))),
        (vec![server], CaSource::ApiServer),
    ] {
        assert_eq!(source_of(&annotated(&annotations)), Some(Ok(expected)));
    }
    assert_eq!(source_of(&annotated(&[])), None);
    assert_eq!(
        source_of(&annotated(&[(annotation::INJECT_APISERVER_CA, "false")])),
        None
    );
}

#[test]
fn an_annotation_that_names_nothing_is_refused_and_no_other_takes_its_place() {
    for value in [
        "",
        "serving",
        "/serving",
        "shop/",
        "shop/a/b",
        "shop/..",
        "Shop/a",
        "shop/a\nb",
        "shop/a?x=1",
    ] {
        let pairs = [
            (annotation::INJECT_CA_FROM, value),
            (annotation::INJECT_APISERVER_CA, "true"),
        ];
        let refusal = source_of(&annotated(&pairs)).unwrap().unwrap_err();
        assert!(
            refusal
                .message
                .contains("must name a Certificate as <namespace>/<name>"),
            "{refusal:?}"
        );
    }
}

#[test]
fn cai_06_sources_outside_of_the_namespaces_that_are_read_are_refused() {
    let mut settings = Settings::default();
    assert_eq!(allowed(&certificate(), &settings), Ok(()));
    settings.injection.ignored_namespaces = vec!["shop".into()];
    assert!(
        allowed(&certificate(), &settings)
            .unwrap_err()
            .message
            .contains("--ignore-namespaces")
    );
    settings.injection.ignored_namespaces.clear();
    settings.namespace = Some("other".into());
    assert!(
        allowed(&certificate(), &settings)
            .unwrap_err()
            .message
            .contains("--namespace")
    );
    assert_eq!(allowed(&CaSource::ApiServer, &settings), Ok(()));
    settings.namespace = None;
    settings.injection.certificates = false;
    assert!(allowed(&certificate(), &settings).is_err());
}

#[test]
fn cai_04_what_is_there_stays_expired_certificates_go_and_the_new_one_comes_last() {
    for (there, source, expected) in [
        (joined(&[]), joined(&[0]), joined(&[0])),
        (joined(&[0]), joined(&[1]), joined(&[0, 1])),
        (joined(&[0, 4, 1]), joined(&[2, 0, 4]), joined(&[0, 1, 2])),
        (joined(&[0, 0]), joined(&[0]), joined(&[0])),
        (b"\n".to_vec(), joined(&[3]), joined(&[3])),
        (
            [
                &b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"[..],
                &joined(&[1]),
            ]
            .concat(),
            joined(&[0]),
            joined(&[1, 0]),
        ),
    ] {
        let step = planned(&target(&[there]), &certificate(), &of_certificate(Some(&source)));
        assert_eq!(written(&step), [expected]);
    }
}

#[test]
fn a_bundle_that_has_the_ca_stays_as_it_is_whatever_is_around_it() {
    for there in [
        joined(&[0]),
        joined(&[1, 0]),
        [b"# our CA\n".to_vec(), joined(&[0])].concat(),
    ] {
        let step = planned(&target(&[there]), &certificate(), &of_certificate(Some(&joined(&[0]))));
        assert_eq!(step, InjectionStep::Leave);
    }
}

#[test]
fn every_webhook_gets_the_ca_and_the_write_names_them_all() {
    let step = planned(
        &target(&[joined(&[1]), joined(&[0]), Vec::new()]),
        &certificate(),
        &of_certificate(Some(&joined(&[0]))),
    );
    assert_eq!(written(&step), [joined(&[1, 0]), joined(&[0]), joined(&[0])]);
}

#[test]
fn a_target_without_bundles_or_on_its_way_out_is_left_alone() {
    let seen = of_certificate(Some(&joined(&[0])));
    assert_eq!(planned(&target(&[]), &certificate(), &seen), InjectionStep::Leave);
    let mut deleted = target(&[Vec::new()]);
    deleted.meta.deleting = Some(noon());
    assert_eq!(planned(&deleted, &certificate(), &seen), InjectionStep::Leave);
}

#[test]
fn what_must_not_be_injected_is_refused_with_a_sentence() {
    let secret = CaSource::Secret(ObjectKey::new("shop", "ca"));
    let direct = |annotations: &[(&str, &str)], ca: Option<Vec<u8>>| {
        SourceSeen::Secret(Some(SecretSource {
            annotations: annotated(annotations),
            ca,
            has_certificate: false,
        }))
    };
    let allows = [(annotation::ALLOW_DIRECT_INJECTION, "true")];
    let foreign = SecretSource {
        annotations: annotated(&[(annotation::CERTIFICATE_NAME, "other")]),
        ca: Some(joined(&[0])),
        has_certificate: true,
    };
    let foreign = SourceSeen::Certificate(Some(("serving-tls".into(), Some(foreign))));
    let key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    let with_key = [joined(&[0]), key.as_bytes().to_vec()].concat();
    for (source, seen, expected) in [
        (&secret, SourceSeen::Secret(None), "Secret shop/ca does not exist"),
        (
            &secret,
            direct(&[], Some(joined(&[0]))),
            "annotate the Secret with cert-manager.io/allow-direct-injection: \"true\"",
        ),
        (
            &secret,
            direct(&[(annotation::ALLOW_DIRECT_INJECTION, "false")], Some(joined(&[0]))),
            "does not allow it",
        ),
        (&secret, direct(&allows, None), "has no ca.crt yet"),
        (
            &secret,
            direct(&allows, Some(b"hello".to_vec())),
            "cannot be read, and is not injected",
        ),
        (&secret, direct(&allows, Some(with_key)), "\"PRIVATE KEY\" in line"),
        (&secret, direct(&allows, Some(joined(&[4]))), "has expired"),
        (
            &certificate(),
            SourceSeen::Certificate(None),
            "Certificate shop/serving does not exist",
        ),
        (
            &certificate(),
            SourceSeen::Certificate(Some(("tls".into(), None))),
            "has no Secret yet: \"tls\"",
        ),
        (&certificate(), foreign, "belongs to \"other\""),
        (
            &certificate(),
            of_certificate(None),
            "has no ca.crt: its issuer gives no CA",
        ),
        (&CaSource::ApiServer, SourceSeen::ApiServer(None), "names no CA"),
    ] {
        let step = planned(&target(&[joined(&[1])]), source, &seen);
        assert!(sentence(&step).contains(expected), "{expected}: {step:?}");
    }
    let mut skipping = target(&[Vec::new()]);
    skipping.skips_verification = true;
    let step = planned(&skipping, &certificate(), &of_certificate(Some(&joined(&[0]))));
    assert!(sentence(&step).contains("insecureSkipTLSVerify"));
}

#[test]
fn a_bundle_does_not_grow_beyond_the_limit_the_oldest_go_first() {
    let limit = joined(&[0, 1, 2]).len() + 10;
    let seen = of_certificate(Some(&joined(&[3])));
    let (target, source) = (target(&[joined(&[0, 1, 2])]), certificate());
    let observation = InjectionObservation {
        target: &target,
        source: &source,
        seen: &seen,
        written: None,
        limit,
    };
    let bundle = written(&plan(noon(), &observation).step).remove(0);
    let readable = chain::readable_anchors(&bundle);
    assert!(bundle.len() <= limit && bundle.ends_with(&joined(&[3])) && readable.len() < 4);
}

#[test]
fn another_client_that_removes_the_ca_is_met_with_a_doubling_wait_and_a_rotation_is_not() {
    let (first, second) = ([1; 32], [2; 32]);
    let mut now = noon();
    let mut last: Option<Written> = None;
    let mut waits = Vec::new();
    for _attempt in 0..15 {
        let next = match pace(now, last.as_ref(), first) {
            Pace::Write(written) => written,
            Pace::Wait { until, .. } => {
                waits.push(until.duration_since(now).as_secs());
                now = until;
                match pace(now, last.as_ref(), first) {
                    Pace::Write(written) => written,
                    Pace::Wait { .. } => panic!("it is due"),
                }
            }
        };
        last = Some(next);
    }
    assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 3600, 3600]);
    assert!(last.as_ref().unwrap().is_contested());
    let soon = now + SignedDuration::from_secs(1);
    assert!(matches!(
        pace(soon, last.as_ref(), second),
        Pace::Write(Written { times: 1, .. })
    ));
    let later = now + SignedDuration::from_hours(3);
    assert!(matches!(
        pace(later, last.as_ref(), first),
        Pace::Write(Written { times: 1, .. })
    ));
}

/// Writes of a CA that changes every second, for this long: when each happened, in seconds.
fn changing(seconds: i64, last: &mut Option<Written>) -> Vec<i64> {
    let start = last.as_ref().map_or_else(noon, |last| last.at);
    let mut writes = Vec::new();
    for second in 1..=seconds {
        let now = start + SignedDuration::from_secs(second);
        let mut ca = [0; 32];
        ca[..8].copy_from_slice(&now.as_second().to_be_bytes());
        if let Pace::Write(written) = pace(now, last.as_ref(), ca) {
            writes.push(second);
            *last = Some(written);
        }
    }
    writes
}

#[test]
fn six_changes_of_a_source_are_free_and_further_ones_wait_longer_up_to_ten_minutes() {
    let mut last = None;
    let writes = changing(24 * 3600, &mut last);
    let waits: Vec<i64> = writes.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(
        waits[..17],
        [1, 1, 1, 1, 1, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600]
    );
    assert!(waits[15..].iter().all(|wait| *wait == 600));
    assert!(writes.len() < 7 + 9 + 24 * 6, "{}", writes.len());
}

#[test]
fn one_change_is_forgiven_for_ten_minutes_without_a_write() {
    let mut last = None;
    changing(10, &mut last);
    let at = last.as_ref().unwrap().at;
    let waits_after = |minutes: i64| {
        let now = at + SignedDuration::from_mins(minutes);
        match pace(now, last.as_ref(), [9; 32]) {
            Pace::Write(written) => written.changes,
            Pace::Wait { .. } => panic!("it is due"),
        }
    };
    let counted = last.as_ref().unwrap().changes;
    assert_eq!(waits_after(9), counted + 1);
    assert_eq!(waits_after(10), counted);
    assert_eq!(waits_after(59), counted - 4);
    assert_eq!(waits_after(119), 1);
}

#[test]
fn a_client_that_removes_the_ca_between_two_changes_of_the_source_gains_nothing() {
    let mut last: Option<Written> = None;
    let mut writes = 0;
    for second in 0..600 {
        let now = noon() + SignedDuration::from_secs(second);
        let ca = [u8::try_from(second / 2 % 200).unwrap(); 32];
        if let Pace::Write(written) = pace(now, last.as_ref(), ca) {
            writes += 1;
            last = Some(written);
        }
    }
    assert!(writes < 35, "{writes}");
}

#[test]
fn a_ca_that_changes_too_often_is_delayed_with_a_sentence() {
    let last = Written {
        content: [0; 32],
        at: noon(),
        times: 1,
        changes: 8,
    };
    let (target, source, seen) = (
        target(&[joined(&[1])]),
        certificate(),
        of_certificate(Some(&joined(&[0]))),
    );
    let observation = InjectionObservation {
        target: &target,
        source: &source,
        seen: &seen,
        written: Some(&last),
        limit: LIMIT,
    };
    let InjectionPlan { step, next } = plan(noon() + SignedDuration::from_secs(1), &observation);
    assert_eq!(next, Next::At(noon() + SignedDuration::from_secs(8)));
    let InjectionStep::Delay(refusal) = step else {
        panic!("{step:?}")
    };
    assert_eq!(
        refusal.message,
        "the CA of Certificate shop/serving has changed more than 6 times in short succession: its present CA is injected at 12:00:08 UTC. \
         Each further change waits longer, up to 10 minutes"
    );
    assert!(matches!(
        plan(noon() + SignedDuration::from_secs(8), &observation).step,
        InjectionStep::Write { .. }
    ));
}

proptest! {
    #[test]
    fn what_was_written_is_left_alone(there in prop::collection::vec(prop::collection::vec(0_usize..5, 0..6), 1..4), source in prop::collection::vec(0_usize..5, 1..4)) {
        let bundles: Vec<Vec<u8>> = there.iter().map(|numbers| joined(numbers)).collect();
        let mut target = target(&bundles);
        let seen = of_certificate(Some(&joined(&source)));
        match planned(&target, &certificate(), &seen) {
            InjectionStep::Write { slots, .. } => {
                for slot in &slots {
                    prop_assert!(!slot.bundle.is_empty());
                }
                target.slots = slots;
                prop_assert_eq!(planned(&target, &certificate(), &seen), InjectionStep::Leave);
            }
            InjectionStep::Leave => {}
            InjectionStep::Delay(_) => prop_assert!(false, "nothing was written before"),
            InjectionStep::Refuse(_) => prop_assert!(source.iter().all(|number| *number == 4)),
        }
    }
}
