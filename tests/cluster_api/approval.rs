//! Who may approve.

use serde_json::json;

use crate::support::approval::{approve, may_approve};
use crate::{good, prepared, request, requests, stored};

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn only_who_may_approve_for_the_signer_can_approve() {
    let (bed, namespace) = prepared().await;
    let requests = requests(&bed, &namespace).await;
    let signers = [
        (
            "issuer",
            json!({ "name": "ca" }),
            format!("issuers.cert-manager.io/{namespace}.ca"),
        ),
        (
            "cluster",
            json!({ "name": "ca", "kind": "ClusterIssuer" }),
            "clusterissuers.cert-manager.io/ca".to_owned(),
        ),
        (
            "external",
            json!({ "name": "ca", "kind": "StepIssuer", "group": "certmanager.step.sm" }),
            format!("stepissuers.certmanager.step.sm/{namespace}.ca"),
        ),
        (
            "external-cluster",
            json!({ "name": "ca", "kind": "AWSPCAClusterIssuer", "group": "awspca.cert-manager.io" }),
            "awspcaclusterissuers.awspca.cert-manager.io/ca".to_owned(),
        ),
        (
            "plural",
            json!({ "name": "ca", "kind": "Authority", "group": "a.example" }),
            format!("authorities.a.example/{namespace}.ca"),
        ),
    ];
    for (name, issuer, signer) in &signers {
        let mut spec = good("CertificateRequest");
        spec["issuerRef"] = issuer.clone();
        stored(&requests, &request(name, &spec)).await;
        let all = format!("{}/*", signer.split_once('/').unwrap().0);
        for (kind, signer) in [("one", signer.as_str()), ("all", all.as_str())] {
            let role = format!("{namespace}-{name}-{kind}");
            may_approve(&bed, &role, signer).await;
        }
        let approve = |user: String| approve(&bed, &namespace, name, user);
        let refusal = approve(format!("{namespace}-nobody")).await.expect_err("no right");
        assert!(
            refusal.contains(&format!("the verb approve on signers {signer} is needed: Forbidden: ")),
            "{refusal}"
        );
        approve(format!("{namespace}-{name}-one")).await.unwrap();
        approve(format!("{namespace}-{name}-all")).await.unwrap();
    }
    // A right for one signer is none for another.
    let refusal = approve(&bed, &namespace, "cluster", format!("{namespace}-issuer-all")).await;
    assert!(refusal.is_err());
}
