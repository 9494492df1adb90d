//! The equivalent CertificateRequest: its duration (CSR-04), its usages and its key (CSR-05), its annotations (ANO-08).

use super::*;

#[test]
fn csr_04_the_annotation_outranks_the_field_and_ten_minutes_are_the_least() {
    let duration_of = |request: &SigningRequestSeen| {
        let step = step(request, Some(&ca()), Some(true));
        let SigningRequestStep::Sign(signed) = step else {
            panic!("expected to sign, got {step:?}")
        };
        signed.duration
    };
    let mut asking = request();
    assert_eq!(duration_of(&asking), None);
    asking.spec.expiration_seconds = Some(3600);
    assert_eq!(duration_of(&asking), Some(GoDuration::from_hours(1)));
    let both = annotated(asking.clone(), annotation::CSR_REQUEST_DURATION, "2h");
    assert_eq!(duration_of(&both), Some(GoDuration::from_hours(2)));
    asking.spec.expiration_seconds = Some(599);
    let waiting = ca().ready(false);
    assert_eq!(failed(step(&asking, Some(&waiting), Some(true))).0, "InvalidDuration");
    let (reason, message) = failed(step(&asking, Some(&ca()), Some(true)));
    assert_eq!(
        (reason, message.as_str()),
        (
            "InvalidDuration",
            "CertificateSigningRequest minimum allowed duration is 10m0s, requested 9m59s"
        )
    );
    let nonsense = annotated(request(), annotation::CSR_REQUEST_DURATION, "90d");
    let (reason, message) = failed(step(&nonsense, Some(&ca()), Some(true)));
    assert_eq!(reason, "ErrorParseDuration");
    let words = "Failed to parse requested duration: failed to parse requested duration on annotation";
    assert!(message.starts_with(words), "{message}");
}

#[test]
fn csr_05_a_request_to_a_self_signed_issuer_names_its_key() {
    let own = issuer(IssuerSpec {
        self_signed: Some(crate::api::issuer::SelfSignedIssuer::default()),
        ..IssuerSpec::default()
    });
    let nameless = annotated(request(), annotation::CSR_PRIVATE_KEY_SECRET_NAME, "");
    for asking in [request(), nameless] {
        let (reason, message) = failed(step(&asking, Some(&own), Some(true)));
        assert_eq!(reason, "MissingAnnotation");
        assert_eq!(
            message,
            "Missing private key reference annotation: \"experimental.cert-manager.io/private-key-secret-name\""
        );
    }
    let asking = annotated(request(), annotation::CSR_PRIVATE_KEY_SECRET_NAME, "key");
    assert!(matches!(
        step(&asking, Some(&own), Some(true)),
        SigningRequestStep::Sign(_)
    ));
}

/// What cert-manager's `BuildKeyUsagesKube` makes of them: nothing is added for a CA.
#[test]
fn csr_05_a_ca_gets_the_usages_that_were_approved_and_no_other() {
    let pem = csr_for(&["a.example.com"], |template| {
        template.is_ca = true;
        template.encode_basic_constraints = true;
        template.usages = crate::pki::usage::UsageSet::new(&[], false);
    });
    let mut asking = annotated(request(), annotation::CSR_REQUEST_IS_CA, "true");
    asking.spec.request = ByteString(pem);
    let SigningRequestStep::Sign(signed) = step(&asking, Some(&ca()), Some(true)) else {
        panic!("expected to sign")
    };
    assert!(signed.is_ca && signed.of_kubernetes);
    assert!(!signed.usage_set(&[]).contains(crate::pki::usage::Usage::CertSign));
}

#[test]
fn ano_08_annotations_become_fields_of_the_request_that_is_signed() {
    let asking = annotated(request(), annotation::CSR_REQUEST_IS_CA, "true");
    let SigningRequestStep::Sign(signed) = step(&asking, Some(&ca()), Some(true)) else {
        panic!("expected to sign")
    };
    assert!(signed.is_ca);
    assert_eq!(signed.meta.key, ObjectKey::new("shop", "web"));
    let asking = annotated(request(), annotation::CSR_PRIVATE_KEY_SECRET_NAME, "key");
    let SigningRequestStep::Sign(signed) = step(&asking, Some(&ca()), Some(true)) else {
        panic!("expected to sign")
    };
    assert_eq!(
        signed.meta.annotations.get(annotation::PRIVATE_KEY_SECRET_NAME),
        Some("key")
    );
}
