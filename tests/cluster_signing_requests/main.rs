//! Kubernetes CertificateSigningRequests behind their feature gate (CSR-01..05).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking"
)]

mod ordered;
mod own_key;
mod signed;
#[path = "../support/mod.rs"]
mod support;

use base64::{Engine, engine::general_purpose::STANDARD};
use kube::api::{DeleteParams, DynamicObject, ListParams};
use kube::{Api, ResourceExt as _};
use serde_json::{Value, json};
use support::command::split_pem;
use support::{
    Bed, Certlet, IN_TIME, Pair, condition_is, events, eventually, openssl, openssl_csr, openssl_verify, until,
};

const GATE: &str = "--feature-gates=ExperimentalCertificateSigningRequestControllers=true";

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
    let root = Pair::by_openssl_with_usage("/CN=Shop Root").await;
    root.store(&bed, &namespace, "root").await;
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
        root: root.certificate,
    }
}

/// A signing request for one host, in base64 of PEM.
async fn csr(host: &str) -> String {
    let names = format!("subjectAltName=DNS:{host}");
    STANDARD.encode(openssl_csr(&format!("/CN={host}"), &["-addext", &names]).await)
}

impl Scene {
    /// Makes a request named after the namespace, as an administrator or as somebody else.
    async fn apply(&self, name: &str, extra: Value, as_user: Option<&str>) {
        let dir = tempfile::tempdir().unwrap();
        let mut spec = json!({
            "request": csr("web.example.com").await, "signerName": format!("issuers.cert-manager.io/{}.ca", self.namespace),
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

    /// An ACME issuer of this kind; its account is its own.
    async fn acme(&self, kind: &str, name: &str) {
        let pebble = self.bed.pebble();
        let acme = json!({
            "server": pebble.directory(), "caBundle": pebble.ca_bundle(), "privateKeySecretRef": {"name": name},
            "solvers": [{"http01": {"ingress": {"ingressClassName": "traefik"}}}],
        });
        let issuer = json!({"apiVersion": "cert-manager.io/v1", "kind": kind, "metadata": {"name": name}, "spec": {"acme": acme}});
        self.bed.apply(&self.namespace, &issuer.to_string()).await;
    }

    /// Waits for the certificate, which has to lead to the ACME server's root.
    async fn signed_by_acme(&self, name: &str, host: &str) -> DynamicObject {
        let signed = until(&self.requests, name, IN_TIME, |request: Option<&DynamicObject>| {
            request.is_some_and(|request| request.data["status"]["certificate"].is_string())
        })
        .await
        .unwrap();
        let pem = signed.data["status"]["certificate"].as_str().unwrap();
        let chain = split_pem(&String::from_utf8(STANDARD.decode(pem).unwrap()).unwrap());
        let root = self.bed.pebble().trust(0).await;
        assert_eq!(openssl_verify(&root, &chain, host).await, Ok(()));
        signed
    }

    /// The Orders of a namespace that a request owns.
    async fn orders(&self, namespace: &str, request: &DynamicObject) -> Vec<DynamicObject> {
        let orders = self
            .bed
            .objects("acme.cert-manager.io/v1", "Order", Some(namespace))
            .await;
        let orders = orders.list(&ListParams::default()).await.unwrap().items;
        let uid = request.metadata.uid.as_ref().unwrap();
        let is_owned = |order: &DynamicObject| order.owner_references().iter().any(|owner| owner.uid == *uid);
        orders.into_iter().filter(is_owned).collect()
    }

    async fn approve(&self, name: &str) {
        self.bed.kubectl(&["certificate", "approve", name]).await;
    }

    async fn told(&self, name: &str, reason: &str) -> String {
        // what has no namespace has its Events in this one
        events::told(&self.bed, "default", name, reason).await
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
