//! Tables of the planner, and its property: what it has written it leaves alone.

mod pace;

use std::sync::LazyLock;

use jiff::SignedDuration;
use proptest::prelude::*;

use super::*;
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
