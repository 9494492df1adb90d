//! Who may approve.

use serde_json::json;

use crate::support::Bed;
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
            bed.apply(&namespace, &role_manifest(&role, signer)).await;
        }
        let approve = |user: String| approve(&bed, &namespace, name, user);
        let refusal = approve(format!("{namespace}-nobody")).await.expect_err("no right");
        let says = format!("does not have permissions to set approved/denied conditions for issuer {signer}");
        assert!(refusal.contains(&says), "{refusal}");
        approve(format!("{namespace}-{name}-one")).await.unwrap();
        approve(format!("{namespace}-{name}-all")).await.unwrap();
    }
    // A right for one signer is none for another.
    let refusal = approve(&bed, &namespace, "cluster", format!("{namespace}-issuer-all")).await;
    assert!(refusal.is_err());
}

/// A user of the role's name may write the status of requests, and approve for one signer.
fn role_manifest(role: &str, signer: &str) -> String {
    format!(
        "
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {{name: {role}}}
rules:
- {{apiGroups: [cert-manager.io], resources: [signers], resourceNames: ['{signer}'], verbs: [approve]}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {{name: {role}}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: {role}}}
subjects: [{{kind: User, name: {role}, apiGroup: rbac.authorization.k8s.io}}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {{name: request-status}}
rules:
- {{apiGroups: [cert-manager.io], resources: [certificaterequests, certificaterequests/status], verbs: [get]}}
- {{apiGroups: [cert-manager.io], resources: [certificaterequests/status], verbs: [update, patch]}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {{name: request-status}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: request-status}}
subjects: [{{kind: Group, name: request-status, apiGroup: rbac.authorization.k8s.io}}]
"
    )
}

/// Approves without storing, as a user who may write the status.
async fn approve(bed: &Bed, namespace: &str, request: &str, user: String) -> Result<(), String> {
    let status = json!({ "status": { "conditions": [{ "type": "Approved", "status": "True", "reason": "r", "message": "m" }] } });
    let status = status.to_string();
    let (user, patch) = (format!("--as={user}"), format!("--patch={status}"));
    let args = [
        "patch",
        "certificaterequest",
        request,
        "-n",
        namespace,
        "--subresource=status",
        "--type=merge",
    ];
    let done = bed
        .try_kubectl(
            &[
                &args[..],
                &[&patch, &user, "--as-group=request-status", "--dry-run=server"],
            ]
            .concat(),
        )
        .await;
    if done.status.success() {
        Ok(())
    } else {
        Err(done.stderr)
    }
}
