use proptest::prelude::*;

use super::*;
use crate::api::{IssuerRef, IssuerSpec, issuer::SelfSignedIssuer};
use crate::pki::chain::SizeLimits;
use crate::plan::settings::GatewaySettings;

fn now() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

fn spec(json: serde_json::Value) -> IssuerSpec {
    serde_json::from_value(json).unwrap()
}

fn ready(status: &IssuerStatus) -> Condition {
    condition::get(&status.conditions, condition::READY).unwrap().clone()
}

/// Key and certificate as PEM; `not_after` in seconds from [`now`].
fn pair(is_ca: bool, not_after: i64) -> (String, String) {
    pair_for(is_ca, not_after, &[], &[])
}

fn pair_for(
    is_ca: bool,
    not_after: i64,
    usages: &[rcgen::KeyUsagePurpose],
    purposes: &[rcgen::ExtendedKeyUsagePurpose],
) -> (String, String) {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(vec!["ca.example".to_owned()]).unwrap();
    params.is_ca = if is_ca {
        rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained)
    } else {
        rcgen::IsCa::ExplicitNoCa
    };
    (params.key_usages, params.extended_key_usages) = (usages.to_vec(), purposes.to_vec());
    let at = |seconds| time::OffsetDateTime::from_unix_timestamp(now().as_second() + seconds).unwrap();
    (params.not_before, params.not_after) = (at(-1000), at(not_after));
    (key.serialize_pem(), params.self_signed(&key).unwrap().pem())
}

fn summary(key: Option<&str>, certificate: Option<&str>) -> PairSummary {
    PairSummary::new(
        key.map(str::as_bytes),
        certificate.map(str::as_bytes),
        None,
        &SizeLimits::default(),
    )
}

#[test]
fn an_issuer_signs_with_exactly_one_thing() {
    assert!(matches!(
        Backend::only(&spec(serde_json::json!({"selfSigned": {}}))),
        Ok(Backend::SelfSigned(_))
    ));
    assert!(matches!(
        Backend::only(&spec(serde_json::json!({"ca": {"secretName": "x"}}))),
        Ok(Backend::Ca(_))
    ));
    let acme = serde_json::json!({"acme": {"server": "https://ca/dir", "privateKeySecretRef": {"name": "k"}}});
    assert!(matches!(Backend::only(&spec(acme)), Ok(Backend::Acme(_))));
    let refused = |spec: &IssuerSpec| Backend::only(spec).unwrap_err();
    assert_eq!(refused(&IssuerSpec::default()).reason, "InvalidSpec");
    let two = spec(serde_json::json!({"selfSigned": {}, "ca": {"secretName": "x"}}));
    assert_eq!(
        refused(&two).message,
        "spec: may not specify more than one issuer type, but has ca, selfSigned"
    );
    assert!(matches!(Backend::of(&two), Some(Backend::Ca(_))));
    assert!(Backend::of(&IssuerSpec::default()).is_none());
}

#[test]
fn servers_sign_later() {
    let issuer_type = |json| Backend::only(&spec(json)).unwrap().issuer_type();
    let vault = issuer_type(serde_json::json!({"vault": {"server": "https://v", "path": "p", "auth": {}}}));
    let venafi = issuer_type(serde_json::json!({"venafi": {"zone": "z"}}));
    for issuer_type in [vault, venafi] {
        assert_eq!(issuer_type.reach(), Reach::Later);
    }
}

#[test]
fn a_reference_means_an_issuer_of_ours_or_none() {
    let meant = |group: &str, kind: &str| {
        let reference = IssuerRef {
            group: Some(group.into()),
            kind: Some(kind.into()),
            name: "ca".into(),
        };
        IssuerId::of(&reference, "shop").map(|id| id.to_string())
    };
    assert_eq!(meant("", "").as_deref(), Some("Issuer shop/ca"));
    assert_eq!(
        meant("cert-manager.io", "ClusterIssuer").as_deref(),
        Some("ClusterIssuer ca")
    );
    assert_eq!(meant("cert-manager.io", "Pca"), None);
    assert_eq!(meant("pca.example.com", "Issuer"), None);
}

#[test]
fn rdy_02_a_ca_is_verified_by_what_its_secret_holds() {
    let issuer = CaIssuer {
        secret_name: "ca-key-pair".into(),
        ..CaIssuer::default()
    };
    let verdict = |pair: Option<&PairSummary>| ca(now(), &issuer, pair).0;
    let (key, certificate) = pair(true, 1000);
    let (good, next) = ca(now(), &issuer, Some(&summary(Some(&key), Some(&certificate))));
    assert_eq!(good, IssuerVerdict::ready("KeyPairVerified", "Signing CA verified"));
    assert_eq!(
        next,
        Next::At(Timestamp::from_second(now().as_second() + 600).unwrap()),
        "it is judged again when it nears its end: for the last fifth of 2,000 s"
    );

    let leaf = pair(false, 1000);
    let not_a_ca = verdict(Some(&summary(Some(&leaf.0), Some(&leaf.1))));
    assert_eq!(
        not_a_ca,
        IssuerVerdict::not_ready(
            "ErrInvalidKeyPair",
            "Error getting keypair for CA issuer: certificate is not a CA"
        )
    );
    let mute = pair_for(true, 1000, &[rcgen::KeyUsagePurpose::DigitalSignature], &[]);
    let (key_of_another, certificate_of_another) =
        pair_for(true, 1000, &[], &[rcgen::ExtendedKeyUsagePurpose::ServerAuth]);
    let purposes_only = verdict(Some(&summary(Some(&key_of_another), Some(&certificate_of_another))));
    assert_eq!(
        purposes_only.reason, "KeyPairVerified",
        "no key usage at all allows everything"
    );
    let other_key = pair(true, 1000).0;
    let expired = pair(true, -10);
    for (pair, reason, word) in [
        (None, "ErrGetKeyPair", "not found"),
        (Some(summary(None, Some(&certificate))), "ErrGetKeyPair", "tls.key"),
        (Some(summary(Some(&key), None)), "ErrGetKeyPair", "tls.crt"),
        (
            Some(summary(Some("garbage"), Some(&certificate))),
            "ErrGetKeyPair",
            "tls.key",
        ),
        (Some(summary(Some(&key), Some("garbage"))), "ErrGetKeyPair", "tls.crt"),
        (
            Some(summary(Some(&other_key), Some(&certificate))),
            "ErrInvalidKeyPair",
            "do not match",
        ),
        (
            Some(summary(Some(&expired.0), Some(&expired.1))),
            "ErrInvalidKeyPair",
            "expired",
        ),
        (
            Some(summary(Some(&mute.0), Some(&mute.1))),
            "ErrInvalidKeyPair",
            "cert sign",
        ),
    ] {
        let verdict = verdict(pair.as_ref());
        assert_eq!(verdict.reason, reason, "{}", verdict.message);
        assert!(
            verdict.message.starts_with("Error getting keypair for CA issuer: "),
            "{}",
            verdict.message
        );
        assert!(verdict.message.contains(word), "{}", verdict.message);
    }
}

#[test]
fn a_ca_that_nears_its_end_is_told_with_the_date_and_what_to_do() {
    let issuer = CaIssuer {
        secret_name: "ca-key-pair".into(),
        ..CaIssuer::default()
    };
    let (key, certificate) = pair(true, 1000);
    let held = summary(Some(&key), Some(&certificate));
    let info = held.certificate.valid().unwrap();
    let at = |second: i64| Timestamp::from_second(now().as_second() + second).unwrap();
    assert_eq!(nears_its_end(at(599), "ca-key-pair", info), None);
    let sentence = nears_its_end(at(600), "ca-key-pair", info).unwrap();
    assert!(
        sentence.contains("\"ca-key-pair\"")
            && sentence.contains(&at(1000).to_string())
            && sentence.contains("renew the CA"),
        "{sentence}"
    );
    let (verdict, next) = ca(at(600), &issuer, Some(&held));
    assert!(verdict.ready, "it still signs");
    assert_eq!(next, Next::At(at(1000)));
    let wanted = WantedStatus {
        verdict: Some(verdict),
        expiring: Some(sentence.clone()),
        ..WantedStatus::default()
    };
    let warned = status(at(600), 1, &IssuerStatus::default(), &wanted);
    let verified = Notice::normal("KeyPairVerified", "Signing CA verified");
    assert_eq!(
        news(&IssuerStatus::default(), &warned),
        [verified, Notice::warning("CAExpiresSoon", sentence)]
    );
    let renewed = status(
        at(700),
        1,
        &warned,
        &WantedStatus {
            expiring: None,
            ..wanted
        },
    );
    assert_eq!(condition::get(&renewed.conditions, EXPIRING_SOON), None);
    let month = pair(true, 10 * 365 * 86_400);
    let long = summary(Some(&month.0), Some(&month.1));
    let ends = at(10 * 365 * 86_400);
    assert_eq!(
        ca(now(), &issuer, Some(&long)).1,
        Next::At(ends - SignedDuration::from_hours(720)),
        "30 days at most"
    );
}

#[test]
fn solvers_that_are_not_there_yet_are_named() {
    let acme = |solvers: serde_json::Value| {
        spec(serde_json::json!({"acme": {"server": "s", "privateKeySecretRef": {"name": "k"}, "solvers": solvers}}))
            .acme
            .unwrap()
    };
    let http01 = serde_json::json!({"http01": {"ingress": {}}});
    let dns01 = serde_json::json!({"dns01": {"digitalocean": {"tokenSecretRef": {"name": "n", "key": "k"}}}});
    let route = serde_json::json!({"http01": {"gatewayHTTPRoute": {}}});
    let off = GatewaySettings::default();
    let on = GatewaySettings {
        enabled: true,
        ..GatewaySettings::default()
    };
    assert_eq!(
        unsupported_solvers(&acme(serde_json::json!([http01, dns01])), &off),
        None
    );
    assert_eq!(
        unsupported_solvers(&acme(serde_json::json!([http01, route])), &on),
        None
    );
    let some = acme(serde_json::json!([http01, {"dns01": {}}, {}, route]));
    let sentence = unsupported_solvers(&some, &on).unwrap();
    assert!(
        sentence.contains("spec.acme.solvers[1] (dns01) and spec.acme.solvers[2] (no solver)"),
        "{sentence}"
    );
    let sentence = unsupported_solvers(&some, &off).unwrap();
    assert!(
        sentence.ends_with(
            "; for spec.acme.solvers[3] (http01.gatewayHTTPRoute), certlet has to be started with --enable-gateway-api"
        ),
        "{sentence}"
    );
}

#[test]
fn what_cert_manager_wrote_is_left_as_it_is() {
    let condition = |reason: &str, message: Option<&str>| {
        serde_json::json!({
            "type": "Ready", "status": "True", "reason": reason, "message": message, "observedGeneration": 1, "lastTransitionTime": "2026-11-21T06:03:15Z"
        })
    };
    let account = serde_json::json!({"uri": "https://ca/my-account/1", "lastRegisteredEmail": "ops@example.com", "lastPrivateKeyHash": "h"});
    let acme: IssuerStatus = serde_json::from_value(serde_json::json!({
        "acme": account, "conditions": [condition("ACMEAccountRegistered", Some("The ACME account was registered with the ACME server"))]
    })).unwrap();
    let wanted = WantedStatus {
        acme: acme.acme.clone(),
        ..WantedStatus::default()
    };
    assert_eq!(status(now(), 1, &acme, &wanted), acme);
    let self_signed_status: IssuerStatus =
        serde_json::from_value(serde_json::json!({"conditions": [condition("IsReady", None)]})).unwrap();
    let wanted = WantedStatus {
        verdict: Some(self_signed()),
        ..WantedStatus::default()
    };
    assert_eq!(status(now(), 1, &self_signed_status, &wanted), self_signed_status);
    assert!(news(&acme, &acme).is_empty());
}

#[test]
fn a_change_for_the_worse_is_told_once() {
    let bad = WantedStatus {
        verdict: Some(IssuerVerdict::not_ready("ErrVerifyACMEAccount", "gone")),
        ..WantedStatus::default()
    };
    let first = status(now(), 1, &IssuerStatus::default(), &bad);
    assert_eq!(
        news(&IssuerStatus::default(), &first),
        [Notice::warning("ErrInitIssuer", "Error initializing issuer: gone")]
    );
    let again = status(now(), 2, &first, &bad);
    assert!(news(&first, &again).is_empty(), "only the generation moved");
    assert_eq!(ready(&again).observed_generation, Some(2));
    let good = status(
        now(),
        2,
        &again,
        &WantedStatus {
            verdict: Some(self_signed()),
            ..WantedStatus::default()
        },
    );
    assert!(news(&again, &good).is_empty() && ready(&good).is_true());
}

/// What cert-manager records in `pkg/issuer/ca/setup.go`, `pkg/issuer/acme/setup.go` and `pkg/controller/issuers/sync.go`.
#[test]
fn rdy_06_events_have_the_reasons_of_cert_manager() {
    let reported = |verdict: IssuerVerdict| {
        let wanted = WantedStatus {
            verdict: Some(verdict),
            ..WantedStatus::default()
        };
        let before = IssuerStatus::default();
        news(&before, &status(now(), 1, &before, &wanted))
    };
    let spec = CaIssuer {
        secret_name: "root".into(),
        ..CaIssuer::default()
    };
    let (missing, _) = ca(now(), &spec, None);
    assert_eq!(
        reported(missing),
        [
            Notice::warning(
                "ErrGetKeyPair",
                "Error getting keypair for CA issuer: secret \"root\" not found"
            ),
            Notice::warning("ErrInitIssuer", "Error initializing issuer: secret \"root\" not found"),
        ]
    );
    let alone = |reason: &'static str| [Notice::warning(reason, "why")];
    for reason in ["ErrInvalidKeyPair", "InvalidURL", "ErrUpdateACMEAccount"] {
        assert_eq!(reported(IssuerVerdict::not_ready(reason, "why")), alone(reason));
    }
    assert_eq!(
        reported(IssuerVerdict::ready("KeyPairVerified", "Signing CA verified")),
        [Notice::normal("KeyPairVerified", "Signing CA verified")]
    );
    assert_eq!(
        reported(venafi_started()),
        [Notice::normal(
            "Ready",
            "Verified issuer with Certificate Manager server"
        )]
    );
    assert_eq!(reported(self_signed()), []);
}

proptest! {
    #[test]
    fn a_status_that_says_what_is_wanted_is_not_changed(
        is_ready in any::<bool>(),
        message in "[a-z ]{0,8}",
        solvers in proptest::option::of("[a-z ]{1,8}"),
        expiring in proptest::option::of("[a-z ]{1,8}"),
        lasts in proptest::option::of(any::<bool>()),
        decided in any::<bool>(),
        generation in 1_i64..9,
        later in 0_i64..1000,
    ) {
        let verdict = if is_ready { IssuerVerdict::ready("IsReady", message) } else { IssuerVerdict::not_ready("ErrGetKeyPair", message) };
        let rotating = lasts.map(|lasts| Rotating { lasts, reason: "Because", message: "so far".into(), anew: false });
        let wanted = WantedStatus { verdict: decided.then_some(verdict), acme: None, unsupported_solvers: solvers, expiring, rotating };
        let once = status(now(), generation, &IssuerStatus::default(), &wanted);
        let later = Timestamp::from_second(now().as_second() + later).unwrap();
        prop_assert_eq!(&status(later, generation, &once, &wanted), &once);
        prop_assert!(news(&once, &once).is_empty());
    }
}

#[test]
fn self_signed_issuers_need_nothing() {
    assert!(self_signed().ready && SelfSignedIssuer::default().crl_distribution_points.is_empty());
}
