//! Approval by others: `--controllers=-certificaterequests-approver`, or because it is forbidden to certlet, with cmctl as the one who
//! decides (CTL-08, NB-26).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking"
)]

mod support;

use std::path::Path;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use kube::api::DynamicObject;
use serde_json::json;
use support::bed::project;
use support::certlet::PROGRAM;
use support::command::try_run;
use support::shop::{Shop, condition};
use support::{AuditedWrite, Bed, Certlet, IN_TIME, condition_is, condition_reason_is, eventually, openssl_csr, until};

const NO_APPROVER: &[&str] = &["--controllers=*,-certificaterequests-approver"];

/// A CA, bootstrapped from a self-signed Certificate while somebody else approves, and a Certificate of it that waits.
async fn waiting() -> Shop {
    let shop = Shop::empty(NO_APPROVER).await;
    shop.add_issuers().await;
    shop.waits_for_approval("root-1").await;
    shop.cmctl(&["approve", "root-1"]).await;
    shop.is_ready("root").await;
    shop.certificate("web", json!({})).await;
    shop.waits_for_approval("web-1").await;
    shop
}

impl Shop {
    /// Waits until there is this request, and certlet has said what it waits for.
    async fn waits_for_approval(&self, request: &str) {
        until(&self.requests, request, IN_TIME, |request: Option<&DynamicObject>| {
            request.is_some()
        })
        .await;
        assert_eq!(
            self.told(request, "WaitingForApproval").await,
            "Not signing CertificateRequest until it is Approved"
        );
    }
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_request_waits_for_cmctl_approve_through_a_restart() {
    let shop = waiting().await;
    let before = shop.requests.get("web-1").await.unwrap();
    assert_eq!(
        before.data.get("status"),
        None,
        "nothing is said about it before somebody approves"
    );
    shop.certlet.kill();

    let shop = shop.with_another(NO_APPROVER).await;
    shop.cmctl(&["approve", "web-1"]).await;
    shop.is_ready("web").await;
    let after = shop.requests.get("web-1").await.unwrap();
    assert_eq!(
        after.metadata.uid, before.metadata.uid,
        "the request that was approved is the one that was signed"
    );
    assert_eq!(condition(&after, "Approved")["reason"], "KubectlCertManager");
    let certificate = shop.certificates.get("web").await.unwrap();
    assert_eq!(certificate.data["status"]["revision"], 1);
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn cmctl_deny_ends_the_request_and_the_certificate_says_so() {
    let shop = waiting().await;
    shop.cmctl(&["deny", "web-1"]).await;
    let request = until(&shop.requests, "web-1", IN_TIME, condition_reason_is("Ready", "Denied"))
        .await
        .unwrap();
    let message = "The CertificateRequest was denied by an approval controller";
    assert_eq!(condition(&request, "Ready")["message"], message);
    assert!(request.data["status"]["failureTime"].is_string());
    let certificate = until(&shop.certificates, "web", IN_TIME, condition_is("Issuing", "False"))
        .await
        .unwrap();
    let told = condition(&certificate, "Issuing")["message"]
        .as_str()
        .unwrap()
        .to_owned();
    let why = "manually denied by \"cmctl\"";
    assert_eq!(
        told,
        format!("The certificate request has failed to complete and will be retried: {why}")
    );
    assert_eq!(certificate.data["status"]["failedIssuanceAttempts"], 1);
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn certlet_approve_lets_a_request_be_signed_and_cannot_be_taken_back() {
    let shop = waiting().await;
    let args = ["approve", "web-1", "--reason", "Fine", "--message", "looked at it"];
    let said = shop.command(PROGRAM, &args).await;
    assert_eq!(
        said.stdout,
        format!("CertificateRequest {}/web-1 is approved\n", shop.namespace),
        "{said:?}"
    );
    shop.is_ready("web").await;
    let approved = condition(&shop.requests.get("web-1").await.unwrap(), "Approved");
    assert_eq!(
        (&approved["reason"], &approved["message"]),
        (&json!("Fine"), &json!("looked at it"))
    );
    for word in ["approve", "deny"] {
        let refused = shop.command(PROGRAM, &[word, "web-1"]).await;
        assert_eq!(refused.status.code(), Some(1), "{refused:?}");
        assert!(refused.stderr.contains("is already approved"), "{refused:?}");
    }
    let missing = shop.command(PROGRAM, &["approve", "nothing"]).await;
    assert!(missing.stderr.contains("\"nothing\" not found"), "{missing:?}");
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn certlet_deny_ends_the_request_with_its_reason() {
    let shop = waiting().await;
    let said = shop
        .command(PROGRAM, &["deny", "web-1", "--message", "not this name"])
        .await;
    assert_eq!(
        said.stdout,
        format!("CertificateRequest {}/web-1 is denied\n", shop.namespace),
        "{said:?}"
    );
    let certificate = until(&shop.certificates, "web", IN_TIME, condition_is("Issuing", "False"))
        .await
        .unwrap();
    assert_eq!(
        condition(&certificate, "Issuing")["message"],
        "The certificate request has failed to complete and will be retried: not this name"
    );
}

/// Everything but the right to approve.
fn all_but_approve(namespace: &str) -> String {
    format!(
        "
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {{name: all-but-approve}}
rules:
- {{apiGroups: ['*'], resources: ['*'], verbs: [get, list, watch, create, update, patch, delete]}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {{name: all-but-approve-{namespace}}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: all-but-approve}}
subjects: [{{kind: ServiceAccount, name: unapproving, namespace: {namespace}}}]
"
    )
}

/// Waits until the API server keeps the owner of this kubeconfig from approving.
async fn is_kept_from_approving(bed: &Bed, namespace: &str, kubeconfig: &Path) {
    let csr = BASE64_STANDARD.encode(openssl_csr("/CN=a", &[]).await);
    let canary = json!({"apiVersion": "cert-manager.io/v1", "kind": "CertificateRequest", "metadata": {"name": "canary"},
        "spec": {"issuerRef": {"name": "nobody"}, "request": csr}});
    bed.apply(namespace, &canary.to_string()).await;
    let approval = json!({"type": "Approved", "status": "True", "reason": "r", "message": "m"});
    let patch = json!({"status": {"conditions": [approval]}}).to_string();
    let kubeconfig = kubeconfig.to_str().unwrap();
    let place = [
        "--kubeconfig",
        kubeconfig,
        "patch",
        "certificaterequest",
        "canary",
        "-n",
        namespace,
    ];
    let what = [
        "--subresource=status",
        "--type=merge",
        "--dry-run=server",
        "--patch",
        &patch,
    ];
    eventually("the policy in force", IN_TIME, async || {
        let answer = try_run("kubectl", &[&place[..], &what[..]].concat(), None).await;
        answer
            .stderr
            .contains("does not have permissions to set approved")
            .then_some(())
    })
    .await;
}

/// NB-26: approving is a right that may be taken from certlet, and everything else goes on.
#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn where_approving_is_forbidden_to_certlet_a_request_is_made_once_and_its_key_is_kept() {
    let bed = Bed::attach().await;
    bed.install_crds().await;
    let policies = project().join("deploy/api/policies.yaml");
    bed.kubectl(&["apply", "-f", policies.to_str().unwrap()]).await;
    let namespace = bed.new_namespace().await;
    let kubeconfig = bed.kubeconfig_of_service_account(&namespace, "unapproving").await;
    bed.apply(&namespace, &all_but_approve(&namespace)).await;
    is_kept_from_approving(&bed, &namespace, &kubeconfig).await;
    let mark = bed.audit_mark().await;
    let certlet = Certlet::launch(&bed).kubeconfig(&kubeconfig).ready().await;
    let shop = Shop::of(bed, namespace, certlet).await;
    let own = json!({"apiVersion": "cert-manager.io/v1", "kind": "Issuer", "metadata": {"name": "own"}, "spec": {"selfSigned": {}}});
    shop.apply(&own.to_string()).await;
    shop.certificate("web", json!({"issuerRef": {"name": "own"}})).await;
    eventually("the Certificate says what it waits for", IN_TIME, async || {
        let ready = condition(&shop.certificates.get("web").await.ok()?, "Ready");
        let message = ready["message"].as_str()?;
        message
            .ends_with("CertificateRequest \"web-1\" is waiting for approval")
            .then_some(())
    })
    .await;
    let told = shop.told("web-1", "ApprovalNotAllowed").await;
    assert!(told.contains("grant the verb approve on signers"), "{told}");
    let made = |write: &AuditedWrite| {
        write.verb == "create" && write.resource == "certificaterequests" && write.namespace == shop.namespace
    };
    let writes = shop.bed.writes_since(mark).await;
    assert_eq!(writes.iter().filter(|write| made(write)).count(), 1, "{writes:?}");

    shop.cmctl(&["approve", "web-1"]).await;
    shop.is_ready("web").await;
}
