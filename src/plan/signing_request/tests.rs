//! CSR-01..05.

use k8s_openapi::{
    ByteString,
    api::certificates::v1::{
        CertificateSigningRequestCondition, CertificateSigningRequestSpec, CertificateSigningRequestStatus,
    },
};

use super::*;
use crate::{
    api::issuer::{CaIssuer, IssuerSpec},
    plan::{
        issuer::IssuerId,
        request::fixture::{self, csr_for, meta, noon},
    },
};

fn issuer(spec: IssuerSpec) -> FoundIssuer {
    fixture::issuer("ca", spec)
}

fn ca() -> FoundIssuer {
    issuer(IssuerSpec {
        ca: Some(CaIssuer::default()),
        ..IssuerSpec::default()
    })
}

/// An approved request to Issuer `ca` of namespace `shop`.
fn request() -> SigningRequestSeen {
    let mut meta = meta("web", "csr-uid");
    meta.key = ObjectKey::cluster("web");
    let approved = CertificateSigningRequestCondition {
        type_: "Approved".into(),
        status: "True".into(),
        ..Default::default()
    };
    SigningRequestSeen {
        meta,
        spec: CertificateSigningRequestSpec {
            request: ByteString(csr_for(&["a.example.com"], |_| ())),
            signer_name: "issuers.cert-manager.io/shop.ca".into(),
            usages: Some(vec!["digital signature".into(), "key encipherment".into()]),
            ..Default::default()
        },
        status: CertificateSigningRequestStatus {
            conditions: Some(vec![approved]),
            certificate: None,
        },
        unreadable: None,
    }
}

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

fn step(request: &SigningRequestSeen, issuer: Option<&FoundIssuer>, may_refer: Option<bool>) -> SigningRequestStep {
    with_orders(request, issuer, may_refer, &[])
}

fn with_orders(
    request: &SigningRequestSeen,
    issuer: Option<&FoundIssuer>,
    may_refer: Option<bool>,
    orders: &[Object<OrderKind>],
) -> SigningRequestStep {
    let issuer = match issuer {
        Some(issuer) => Lookup::Found(Box::new(issuer.clone())),
        None => Lookup::Missing(IssuerId(ObjectKey::new("shop", "ca"))),
    };
    plan(
        noon(),
        &SigningRequestObservation {
            request,
            issuer: &issuer,
            orders,
            reordered: false,
            may_refer,
            settings: &Settings::default(),
        },
    )
}

fn reported(step: &SigningRequestStep) -> &str {
    let SigningRequestStep::Report(notice) = step else {
        panic!("expected a notice, got {step:?}")
    };
    &notice.reason
}

fn failed(step: SigningRequestStep) -> (&'static str, String) {
    let SigningRequestStep::Fail { reason, message } = step else {
        panic!("expected a failure, got {step:?}")
    };
    (reason, message)
}

fn annotated(mut request: SigningRequestSeen, key: &str, value: &str) -> SigningRequestSeen {
    request.meta.annotations = [(key, value)].into_iter().collect();
    request
}

#[test]
fn csr_01_signer_names_are_told_apart() {
    let parsed = |signer: &str| SignerName::parse(signer).map(|it| (it.namespace, it.name));
    assert_eq!(
        parsed("issuers.cert-manager.io/shop.my.ca"),
        Some(("shop".into(), "my.ca".into()))
    );
    assert_eq!(
        parsed("clusterissuers.cert-manager.io/my.ca"),
        Some((String::new(), "my.ca".into()))
    );
    for other in [
        "kubernetes.io/kube-apiserver-client",
        "issuers.cert-manager.io/ca",
        "issuers.cert-manager.io/.ca",
        "x",
    ] {
        assert_eq!(parsed(other), None, "{other}");
    }
}

#[test]
fn csr_02_approval_is_waited_for_never_given() {
    let mut waiting = request();
    waiting.status.conditions = None;
    assert_eq!(reported(&step(&waiting, Some(&ca()), None)), "WaitingApproval");
}

#[test]
fn csr_03_the_requester_must_be_allowed_to_refer_to_an_issuer_of_a_namespace() {
    assert!(
        matches!(step(&request(), Some(&ca()), None), SigningRequestStep::AskReference(signer) if signer.namespace == "shop")
    );
    assert!(matches!(
        step(&request(), Some(&ca()), Some(true)),
        SigningRequestStep::Sign(_)
    ));
    let (reason, message) = failed(step(&request(), Some(&ca()), Some(false)));
    assert_eq!(
        (reason, message.as_str()),
        (
            "DeniedReference",
            "Requester may not reference Namespaced Issuer shop/ca"
        )
    );
    let mut of_the_cluster = request();
    of_the_cluster.spec.signer_name = "clusterissuers.cert-manager.io/ca".into();
    assert!(
        matches!(step(&of_the_cluster, Some(&ca()), None), SigningRequestStep::Sign(_)),
        "no check for ClusterIssuers"
    );
}

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
fn csr_05_what_is_missing_is_told() {
    let warned = |issuer: Option<&FoundIssuer>| {
        let step = step(&request(), issuer, Some(true));
        let SigningRequestStep::Report(notice) = step else {
            panic!("expected a notice, got {step:?}")
        };
        notice
    };
    let not_ready = ca().ready(false);
    for (issuer, reason, message) in [
        (None, "IssuerNotFound", "Referenced Issuer shop/ca not found"),
        (
            Some(issuer(IssuerSpec::default())),
            "IssuerTypeMissing",
            "Referenced Issuer shop/ca is missing type",
        ),
        (
            Some(not_ready),
            "IssuerNotReady",
            "Referenced Issuer shop/ca does not have a Ready status condition",
        ),
    ] {
        assert_eq!(warned(issuer.as_ref()), Notice::warning(reason, message));
    }
    let vault = issuer(IssuerSpec {
        vault: Some(crate::api::vault::VaultIssuer::default()),
        ..IssuerSpec::default()
    });
    assert_eq!(
        reported(&step(&request(), Some(&vault), Some(true))),
        "IssuerNotSupported"
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
    let two = include_bytes!("../../../tests/data/hostile/two.pem");
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

#[test]
fn what_is_finished_or_not_ours_is_left_alone() {
    let mut signed = request();
    signed.status.certificate = Some(ByteString(b"pem".to_vec()));
    let mut denied = request();
    denied.status.conditions = Some(vec![CertificateSigningRequestCondition {
        type_: "Denied".into(),
        ..Default::default()
    }]);
    let mut failed = request();
    failed.status.conditions = Some(failed.failed("InvalidDuration", "no", noon()));
    let mut theirs = request();
    theirs.spec.signer_name = "kubernetes.io/kubelet-serving".into();
    for request in [signed, denied, failed, theirs] {
        assert!(matches!(
            step(&request, Some(&ca()), Some(true)),
            SigningRequestStep::Nothing
        ));
    }
}

#[test]
fn ctl_10_a_signer_that_is_switched_off_does_nothing() {
    let mut settings = Settings::default();
    settings
        .controllers
        .disabled
        .push("certificatesigningrequests-issuer-ca".into());
    let step = plan(
        noon(),
        &SigningRequestObservation {
            request: &request(),
            issuer: &Lookup::Found(Box::new(ca())),
            orders: &[],
            reordered: false,
            may_refer: Some(true),
            settings: &settings,
        },
    );
    assert!(matches!(step, SigningRequestStep::Nothing));
}

fn acme() -> FoundIssuer {
    issuer(IssuerSpec {
        acme: Some(AcmeIssuer::default()),
        ..IssuerSpec::default()
    })
}

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
