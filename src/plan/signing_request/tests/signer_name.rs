//! Requests whose signer is an issuer of ours (CSR-01), and those that do not concern this planner.

use super::*;

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
