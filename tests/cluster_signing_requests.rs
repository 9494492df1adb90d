//! Kubernetes CertificateSigningRequests behind their feature gate (CSR-01..05).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking"
)]

mod support;

use base64::{Engine, engine::general_purpose::STANDARD};
use kube::Api;
use kube::api::DynamicObject;
use serde_json::{Value, json};
use support::{Bed, Certlet, IN_TIME, condition_is, eventually, openssl, openssl_verify, until};

struct Scene {
    bed: Bed,
    namespace: String,
    requests: Api<DynamicObject>,
    root: String,
}

/// A CA issuer in a namespace.
async fn prepared() -> Scene {
    let bed = Bed::attach().await;
    bed.install_crds().await;
    let namespace = bed.new_namespace().await;
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let (key, certificate) = (path("ca.key"), path("ca.crt"));
    let args = [
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "365",
        "-subj",
        "/CN=Shop Root",
        "-addext",
        "keyUsage=critical,keyCertSign,cRLSign",
        "-keyout",
        &key,
        "-out",
        &certificate,
    ];
    openssl(&args, "").await;
    let (from, with) = (format!("--cert={certificate}"), format!("--key={key}"));
    bed.kubectl(&["create", "secret", "tls", "-n", &namespace, "root", &from, &with])
        .await;
    let issuer = json!({
        "apiVersion": "cert-manager.io/v1", "kind": "Issuer", "metadata": {"name": "ca"}, "spec": {"ca": {"secretName": "root"}},
    });
    bed.apply(&namespace, &issuer.to_string()).await;
    let requests = bed
        .objects("certificates.k8s.io/v1", "CertificateSigningRequest", None)
        .await;
    Scene {
        bed,
        namespace,
        requests,
        root: std::fs::read_to_string(certificate).unwrap(),
    }
}

impl Scene {
    /// Makes a request named after the namespace, as an administrator or as somebody else.
    async fn apply(&self, name: &str, extra: Value, as_user: Option<&str>) {
        let dir = tempfile::tempdir().unwrap();
        let key = dir.path().join("key.pem").to_str().unwrap().to_owned();
        let args = [
            "req",
            "-new",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-keyout",
            &key,
            "-subj",
            "/CN=web.example.com",
            "-addext",
            "subjectAltName=DNS:web.example.com",
        ];
        let csr = openssl(&args, "").await;
        let mut spec = json!({
            "request": STANDARD.encode(csr), "signerName": format!("issuers.cert-manager.io/{}.ca", self.namespace),
            "usages": ["digital signature", "server auth"],
        });
        for (key, value) in extra.as_object().unwrap() {
            spec[key] = value.clone();
        }
        let request = json!({
            "apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest", "metadata": {"name": name}, "spec": spec,
        });
        let file = dir.path().join("request.json");
        std::fs::write(&file, request.to_string()).unwrap();
        let mut args = vec!["create", "-f", file.to_str().unwrap()];
        if let Some(user) = as_user {
            args.extend(["--as", user]);
        }
        self.bed.kubectl(&args).await;
    }

    async fn approve(&self, name: &str) {
        self.bed.kubectl(&["certificate", "approve", name]).await;
    }

    async fn told(&self, name: &str, reason: &str) -> String {
        let selector = format!("involvedObject.name={name},reason={reason}");
        eventually(&format!("event {reason}"), IN_TIME, async || {
            let args = [
                "get",
                "events",
                "-n",
                "default",
                "--field-selector",
                &selector,
                "-o",
                "jsonpath={.items[*].message}",
            ];
            Some(self.bed.kubectl(&args).await).filter(|text| !text.is_empty())
        })
        .await
    }

    /// The message of condition Failed with this reason.
    async fn failed(&self, name: &str, reason: &str) -> String {
        let request = until(&self.requests, name, IN_TIME, condition_is("Failed", "True"))
            .await
            .unwrap();
        let conditions = request.data["status"]["conditions"].as_array().unwrap().clone();
        assert!(
            conditions.iter().any(|condition| condition["type"] == "Approved"),
            "others' conditions stay"
        );
        let failed = conditions
            .into_iter()
            .find(|condition| condition["type"] == "Failed")
            .unwrap();
        assert_eq!(failed["reason"], reason);
        failed["message"].as_str().unwrap().to_owned()
    }
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn an_approved_request_is_signed_by_the_issuer_that_it_names() {
    let scene = prepared().await;
    let _certlet = Certlet::start(
        &scene.bed,
        &["--feature-gates=ExperimentalCertificateSigningRequestControllers=true"],
    )
    .await;
    let name = scene.namespace.clone();
    scene.apply(&name, json!({"expirationSeconds": 3600}), None).await;
    assert_eq!(
        scene.told(&name, "WaitingApproval").await,
        "Waiting for the Approved condition before issuing"
    );
    scene.approve(&name).await;
    let signed = until(&scene.requests, &name, IN_TIME, |request: Option<&DynamicObject>| {
        request.is_some_and(|request| request.data["status"]["certificate"].is_string())
    })
    .await
    .unwrap();
    let leaf = String::from_utf8(
        STANDARD
            .decode(signed.data["status"]["certificate"].as_str().unwrap())
            .unwrap(),
    )
    .unwrap();
    assert_eq!(
        openssl_verify(&scene.root, std::slice::from_ref(&leaf), "web.example.com").await,
        Ok(())
    );
    openssl(&["x509", "-noout", "-checkend", "3000"], &leaf).await;

    // Too short a life, and a requester without the right to refer to the issuer.
    let short = format!("{name}-short");
    let annotated = json!({"expirationSeconds": 600});
    scene.apply(&short, annotated, None).await;
    scene
        .bed
        .kubectl(&[
            "annotate",
            "csr",
            &short,
            "experimental.cert-manager.io/request-duration=5m",
        ])
        .await;
    scene.approve(&short).await;
    let message = scene.failed(&short, "InvalidDuration").await;
    assert_eq!(
        message,
        "CertificateSigningRequest minimum allowed duration is 10m0s, requested 5m0s"
    );

    let user = format!("{name}-user");
    let role = format!("--user={user}");
    let resource = "--resource=certificatesigningrequests.certificates.k8s.io";
    scene
        .bed
        .kubectl(&["create", "clusterrole", &user, "--verb=create,get,patch", resource])
        .await;
    scene
        .bed
        .kubectl(&[
            "create",
            "clusterrolebinding",
            &user,
            &format!("--clusterrole={user}"),
            &role,
        ])
        .await;
    let denied = format!("{name}-denied");
    scene.apply(&denied, json!({}), Some(&user)).await;
    scene.approve(&denied).await;
    let message = scene.failed(&denied, "DeniedReference").await;
    assert_eq!(
        message,
        format!("Requester may not reference Namespaced Issuer {}/ca", scene.namespace)
    );
}
