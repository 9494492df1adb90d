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
use kube::Api;
use kube::api::DynamicObject;
use serde_json::{Value, json};
use support::bed::project;
use support::certlet::PROGRAM;
use support::command::{Finished, try_run};
use support::{
    AuditedWrite, Bed, Certlet, IN_TIME, condition_is, condition_reason_is, eventually, openssl_csr, run, until,
};

const NO_APPROVER: &[&str] = &["--controllers=*,-certificaterequests-approver"];

struct Scene {
    bed: Bed,
    namespace: String,
    certificates: Api<DynamicObject>,
    requests: Api<DynamicObject>,
}

/// A CA, bootstrapped from a self-signed Certificate while somebody else approves, and a Certificate of it that waits.
async fn waiting() -> (Scene, Certlet) {
    let bed = Bed::attach().await;
    bed.install_crds().await;
    let namespace = bed.new_namespace().await;
    let certlet = Certlet::start(&bed, NO_APPROVER).await;
    let certificates = bed.objects("cert-manager.io/v1", "Certificate", Some(&namespace)).await;
    let requests = bed
        .objects("cert-manager.io/v1", "CertificateRequest", Some(&namespace))
        .await;
    let scene = Scene {
        bed,
        namespace,
        certificates,
        requests,
    };
    scene.apply("Issuer", "self", json!({"selfSigned": {}})).await;
    scene.apply("Issuer", "ca", json!({"ca": {"secretName": "root"}})).await;
    scene
        .apply("Certificate", "root", certificate("root", "self", true))
        .await;
    scene.request_of("root").await;
    scene.cmctl("approve", "root-1").await;
    until(&scene.certificates, "root", IN_TIME, condition_is("Ready", "True")).await;
    scene.apply("Certificate", "web", certificate("web", "ca", false)).await;
    scene.request_of("web").await;
    (scene, certlet)
}

fn certificate(secret: &str, issuer: &str, is_ca: bool) -> Value {
    let name = format!("{secret}.example.com");
    json!({
        "secretName": secret, "isCA": is_ca, "commonName": name, "dnsNames": [name],
        "privateKey": {"algorithm": "ECDSA"}, "issuerRef": {"name": issuer},
    })
}

impl Scene {
    async fn apply(&self, kind: &str, name: &str, spec: Value) {
        let object =
            json!({"apiVersion": "cert-manager.io/v1", "kind": kind, "metadata": {"name": name}, "spec": spec});
        self.bed.apply(&self.namespace, &object.to_string()).await;
    }

    /// The first request of a Certificate, once certlet has said what it waits for.
    async fn request_of(&self, certificate: &str) -> DynamicObject {
        let name = format!("{certificate}-1");
        let made = until(&self.requests, &name, IN_TIME, |request: Option<&DynamicObject>| {
            request.is_some()
        })
        .await
        .unwrap();
        let selector = format!("involvedObject.name={name},reason=WaitingForApproval");
        eventually("the event WaitingForApproval", IN_TIME, async || {
            let path = "jsonpath={.items[*].message}";
            let text = self
                .bed
                .kubectl(&[
                    "get",
                    "events",
                    "-n",
                    &self.namespace,
                    "--field-selector",
                    &selector,
                    "-o",
                    path,
                ])
                .await;
            (text == "Not signing CertificateRequest until it is Approved").then_some(())
        })
        .await;
        made
    }

    async fn certlet(&self, args: &[&str]) -> Finished {
        let kubeconfig = self.bed.kubeconfig();
        let place = ["-n", &self.namespace, "--kubeconfig", kubeconfig.to_str().unwrap()];
        try_run(PROGRAM, &[args, &place].concat(), None).await
    }

    async fn cmctl(&self, verb: &str, request: &str) -> String {
        let kubeconfig = self.bed.kubeconfig();
        run(
            "cmctl",
            &[
                verb,
                request,
                "-n",
                &self.namespace,
                "--kubeconfig",
                kubeconfig.to_str().unwrap(),
            ],
        )
        .await
    }
}

fn condition(object: &DynamicObject, type_: &str) -> Value {
    let conditions = object.data["status"]["conditions"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    conditions
        .into_iter()
        .find(|condition| condition["type"] == type_)
        .unwrap_or_default()
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_request_waits_for_cmctl_approve_through_a_restart() {
    let (scene, certlet) = waiting().await;
    let before = scene.requests.get("web-1").await.unwrap();
    assert_eq!(
        before.data.get("status"),
        None,
        "nothing is said about it before somebody approves"
    );
    certlet.kill();
    drop(certlet);

    let _certlet = Certlet::start(&scene.bed, NO_APPROVER).await;
    scene.cmctl("approve", "web-1").await;
    until(&scene.certificates, "web", IN_TIME, condition_is("Ready", "True")).await;
    let after = scene.requests.get("web-1").await.unwrap();
    assert_eq!(
        after.metadata.uid, before.metadata.uid,
        "the request that was approved is the one that was signed"
    );
    assert_eq!(condition(&after, "Approved")["reason"], "KubectlCertManager");
    let certificate = scene.certificates.get("web").await.unwrap();
    assert_eq!(certificate.data["status"]["revision"], 1);
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn cmctl_deny_ends_the_request_and_the_certificate_says_so() {
    let (scene, _certlet) = waiting().await;
    scene.cmctl("deny", "web-1").await;
    let request = until(
        &scene.requests,
        "web-1",
        IN_TIME,
        condition_reason_is("Ready", "Denied"),
    )
    .await
    .unwrap();
    let message = "The CertificateRequest was denied by an approval controller";
    assert_eq!(condition(&request, "Ready")["message"], message);
    assert!(request.data["status"]["failureTime"].is_string());
    let certificate = until(&scene.certificates, "web", IN_TIME, condition_is("Issuing", "False"))
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
    let (scene, _certlet) = waiting().await;
    let args = ["approve", "web-1", "--reason", "Fine", "--message", "looked at it"];
    let said = scene.certlet(&args).await;
    assert_eq!(
        said.stdout,
        format!("CertificateRequest {}/web-1 is approved\n", scene.namespace),
        "{said:?}"
    );
    until(&scene.certificates, "web", IN_TIME, condition_is("Ready", "True")).await;
    let approved = condition(&scene.requests.get("web-1").await.unwrap(), "Approved");
    assert_eq!(
        (&approved["reason"], &approved["message"]),
        (&json!("Fine"), &json!("looked at it"))
    );
    for word in ["approve", "deny"] {
        let refused = scene.certlet(&[word, "web-1"]).await;
        assert_eq!(refused.status.code(), Some(1), "{refused:?}");
        assert!(refused.stderr.contains("is already approved"), "{refused:?}");
    }
    let missing = scene.certlet(&["approve", "nothing"]).await;
    assert!(missing.stderr.contains("\"nothing\" not found"), "{missing:?}");
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn certlet_deny_ends_the_request_with_its_reason() {
    let (scene, _certlet) = waiting().await;
    let said = scene.certlet(&["deny", "web-1", "--message", "not this name"]).await;
    assert_eq!(
        said.stdout,
        format!("CertificateRequest {}/web-1 is denied\n", scene.namespace),
        "{said:?}"
    );
    let certificate = until(&scene.certificates, "web", IN_TIME, condition_is("Issuing", "False"))
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

impl Scene {
    /// Waits until the API server keeps the owner of this kubeconfig from approving.
    async fn is_kept_from_approving(&self, kubeconfig: &Path) {
        let csr = openssl_csr("/CN=a", &[]).await;
        let spec = json!({"issuerRef": {"name": "nobody"}, "request": BASE64_STANDARD.encode(csr)});
        self.apply("CertificateRequest", "canary", spec).await;
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
            &self.namespace,
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
    let scene = Scene {
        certificates: bed.objects("cert-manager.io/v1", "Certificate", Some(&namespace)).await,
        requests: bed
            .objects("cert-manager.io/v1", "CertificateRequest", Some(&namespace))
            .await,
        bed: bed.clone(),
        namespace,
    };
    scene.is_kept_from_approving(&kubeconfig).await;
    let mark = bed.audit_mark();
    let _certlet = Certlet::launch(&bed).kubeconfig(&kubeconfig).ready().await;
    scene.apply("Issuer", "self", json!({"selfSigned": {}})).await;
    scene
        .apply("Certificate", "web", certificate("web", "self", false))
        .await;
    eventually("the Certificate says what it waits for", IN_TIME, async || {
        let ready = condition(&scene.certificates.get("web").await.ok()?, "Ready");
        let message = ready["message"].as_str()?;
        message
            .ends_with("CertificateRequest \"web-1\" is waiting for approval")
            .then_some(())
    })
    .await;
    let told = [
        "get",
        "events",
        "-n",
        &scene.namespace,
        "-o",
        "jsonpath={.items[*].message}",
    ];
    let why = "--field-selector=involvedObject.name=web-1,reason=ApprovalNotAllowed";
    eventually("the Event says why", IN_TIME, async || {
        let text = bed.kubectl(&[&told[..], &[why]].concat()).await;
        text.contains("allow it the verb approve on signers").then_some(())
    })
    .await;
    let made = |write: &AuditedWrite| {
        write.verb == "create" && write.resource == "certificaterequests" && write.namespace == scene.namespace
    };
    let writes = bed.writes_since(mark);
    assert_eq!(writes.iter().filter(|write| made(write)).count(), 1, "{writes:?}");

    scene.cmctl("approve", "web-1").await;
    until(&scene.certificates, "web", IN_TIME, condition_is("Ready", "True")).await;
}
