//! Requests that can never be signed.

use super::*;

#[test]
fn a_request_that_cannot_be_read_is_never_signed() {
    let request = SigningRequestSeen {
        unreadable: Some("spec.usages: invalid type".into()),
        ..request()
    };
    let step = step(&request, Some(&ca()), Some(true));
    assert!(
        matches!(step, SigningRequestStep::Fail { reason: "BadConfig", message } if message.contains("spec.usages"))
    );
}

/// CSR-05, ANO-08.
#[test]
fn csr_05_refusals_name_the_annotation_that_is_read_here() {
    let asking = annotated(request(), annotation::CSR_PRIVATE_KEY_SECRET_NAME, "key");
    let asked = equivalent(&asking, &Settings::default()).unwrap();
    let worded = |reason: &'static str, message: &str| reworded(reason, message, &asked);
    let unreadable =
        "Failed to get key \"key\" referenced in annotation \"cert-manager.io/private-key-secret-name\": no key";
    let (reason, message) = worded("ErrorParsingKey", unreadable);
    assert_eq!(reason, "ErrorParsingKey");
    assert!(
        message.contains("\"experimental.cert-manager.io/private-key-secret-name\": no key"),
        "{message}"
    );
    assert_eq!(
        worded("MissingSecret", "gone"),
        ("SecretNotFound", "Referenced Secret shop/key not found".to_owned())
    );
    assert_eq!(
        worded("ErrorKeyMatch", "another").1,
        "Referenced private key in Secret does not match that in the request"
    );
    assert_eq!(worded("SecretMissing", "gone"), ("SecretMissing", "gone".to_owned()));
}

/// ANO-09: what Venafi's annotations on a CertificateRequest say has other names here, whatever is copied to Orders.
#[test]
fn annotations_of_venafi_have_names_of_their_own() {
    let mut asking = request();
    asking.meta.annotations = [
        (annotation::CSR_VENAFI_PICKUP_ID, "id"),
        (annotation::CSR_VENAFI_CUSTOM_FIELDS, "[]"),
        (annotation::VENAFI_CUSTOM_FIELDS, "of another kind"),
    ]
    .into_iter()
    .collect();
    let settings = Settings {
        copied_annotation_prefixes: Vec::new(),
        ..Settings::default()
    };
    let asked = equivalent(&asking, &settings).unwrap();
    let annotations = &asked.meta.annotations;
    assert_eq!(annotations.get(annotation::VENAFI_PICKUP_ID), Some("id"));
    assert_eq!(annotations.get(annotation::VENAFI_CUSTOM_FIELDS), Some("[]"));
    assert_eq!(
        counterpart(annotation::VENAFI_PICKUP_ID),
        annotation::CSR_VENAFI_PICKUP_ID
    );
    for (reason, message, wanted) in [
        ("VenafiInitError", "x", ("ErrorVenafiInit", "x")),
        (
            "RequestError",
            "Failed to request certificate from Certificate Manager: no",
            ("ErrorRequest", "Failed to request Certificate Manager certificate: no"),
        ),
        (
            "RetrieveError",
            "Failed to obtain certificate from Certificate Manager: no",
            ("ErrorRetrieve", "Failed to obtain Certificate Manager certificate: no"),
        ),
        (
            "CustomFieldsError",
            "\"venafi.cert-manager.io/custom-fields\" no",
            (
                "ErrorCustomFields",
                "\"venafi.experimental.cert-manager.io/custom-fields\" no",
            ),
        ),
        ("ParseError", "no", ("ErrorParse", "no")),
    ] {
        assert_eq!(reworded(reason, message, &asked), (wanted.0, wanted.1.to_owned()));
    }
}

/// S13: what a CertificateRequest is refused for, a request of Kubernetes' own kind is refused for, whoever signs.
#[test]
fn requests_that_can_never_be_signed_fail_for_every_type_of_issuer() {
    let asking = |edit: &dyn Fn(&mut SigningRequestSeen)| {
        let mut request = annotated(request(), annotation::CSR_PRIVATE_KEY_SECRET_NAME, "key");
        edit(&mut request);
        request
    };
    let desk = crate::pki::oracle::Desk::new();
    desk.openssl("req -new -newkey rsa:1024 -nodes -subj /CN=a.example.com -keyout k -out weak.csr")
        .accepted();
    let weak = desk.get("weak.csr");
    let two = include_bytes!("../../../../tests/data/hostile/two.pem");
    let own = issuer(IssuerSpec {
        self_signed: Some(crate::api::issuer::SelfSignedIssuer::default()),
        ..IssuerSpec::default()
    });
    let cases = [
        (asking(&|it| it.spec.request = ByteString(weak.clone())), "1024 bits"),
        (
            asking(&|it| it.spec.request = ByteString(two.to_vec())),
            "more than once",
        ),
        (
            asking(&|it| it.spec.usages = Some(vec!["flying".into()])),
            "unknown key usage",
        ),
        (
            asking(&|it| it.spec.usages = Some(vec!["client auth".into()])),
            "do not match the expected",
        ),
    ];
    for (request, part) in cases {
        for (issuer, expected) in [
            (ca(), "SigningError"),
            (own.clone(), "ErrorGenerating"),
            (acme(), "RequestParsingError"),
        ] {
            for ready in [true, false] {
                let issuer = issuer.clone().ready(ready);
                let (reason, message) = failed(step(&request, Some(&issuer), Some(true)));
                assert_eq!(reason, expected);
                assert!(
                    message.starts_with("Error generating certificate template: ") && message.contains(part),
                    "{message}"
                );
            }
        }
    }
}
