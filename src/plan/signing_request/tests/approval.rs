//! What a request waits for: approval (CSR-02), the right to refer to the issuer (CSR-03), the issuer (CSR-05).

use super::*;

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
}
