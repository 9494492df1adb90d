//! Issuers and ClusterIssuers on a real API server, with Pebble: accounts, readiness, wrong inputs and their cure.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking"
)]

#[path = "../support/mod.rs"]
mod support;

mod accounts;
mod examples;
mod external_account;
mod readiness;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use kube::Api;
use kube::api::DynamicObject;
use serde_json::{Value, json};
use support::shop::condition;
use support::{Bed, Certlet, IN_TIME, condition_is, condition_reason_is, events, until};

/// A namespace of a bed with a certlet.
struct Place {
    bed: Bed,
    namespace: String,
    issuers: Api<DynamicObject>,
}

impl Place {
    async fn new() -> Self {
        let bed = Bed::attach().await;
        bed.install_crds().await;
        Certlet::shared(&bed).await;
        let namespace = bed.new_namespace().await;
        let issuers = bed.objects("cert-manager.io/v1", "Issuer", Some(&namespace)).await;
        Self {
            bed,
            namespace,
            issuers,
        }
    }

    /// Applies an Issuer.
    async fn issuer(&self, name: &str, spec: &Value) {
        self.apply("Issuer", name, spec).await;
    }

    /// Applies an Issuer of the bed's ACME server with account key `account`; what `extra` says is different.
    async fn acme_issuer(&self, name: &str, extra: &Value) {
        self.issuer(name, &self.acme(extra)).await;
    }

    /// Its spec.
    fn acme(&self, extra: &Value) -> Value {
        let pebble = self.bed.pebble();
        let mut acme = json!({
            "server": pebble.directory(), "caBundle": pebble.ca_bundle(), "email": "ops@example.com",
            "privateKeySecretRef": {"name": "account"}, "solvers": [{"http01": {"ingress": {}}}],
        });
        for (key, value) in extra.as_object().unwrap() {
            acme[key] = value.clone();
        }
        json!({ "acme": acme })
    }

    async fn apply(&self, kind: &str, name: &str, spec: &Value) {
        let object =
            json!({"apiVersion": "cert-manager.io/v1", "kind": kind, "metadata": {"name": name}, "spec": spec});
        self.bed.apply(&self.namespace, &object.to_string()).await;
    }

    async fn secret(&self, name: &str, data: Value) {
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data});
        self.bed.apply(&self.namespace, &secret.to_string()).await;
    }

    async fn is_ready(&self, name: &str) -> DynamicObject {
        until(&self.issuers, name, IN_TIME, condition_is("Ready", "True"))
            .await
            .unwrap()
    }

    async fn is_refused(&self, name: &str, reason: &'static str) -> String {
        let issuer = until(&self.issuers, name, IN_TIME, condition_reason_is("Ready", reason))
            .await
            .unwrap();
        let ready = condition(&issuer, "Ready");
        assert_eq!(ready["status"], "False");
        assert_eq!(ready["observedGeneration"].as_i64(), issuer.metadata.generation);
        ready["message"].as_str().unwrap().to_owned()
    }

    /// The event that tells why.
    async fn told(&self, name: &str, reason: &str) -> String {
        events::told(&self.bed, &self.namespace, name, reason).await
    }

    /// A field of a Secret, by its path for kubectl.
    async fn of_secret(&self, name: &str, path: &str) -> String {
        let path = format!("jsonpath={{{path}}}");
        self.bed
            .kubectl(&["get", "secret", "-n", &self.namespace, name, "-o", &path])
            .await
    }

    async fn key_in(&self, secret: &str) -> Vec<u8> {
        BASE64_STANDARD
            .decode(self.of_secret(secret, ".data.tls\\.key").await)
            .unwrap()
    }
}
