//! A namespace with a CA issuer and a certlet, and other namespaces that may get copies.

use serde_json::{Value, json};

use crate::support::shop::{Shop, condition};
use crate::support::{IN_TIME, eventually, openssl};

pub(crate) const SYNC_TO: &str = "certlet.io/sync-to";
pub(crate) const ACCEPT: &str = "certlet.io/accept-secrets-from";
/// The Secret by which a namespace accepts copies.
pub(crate) const SPEAKER: &str = "certlet-accept-secrets";

/// See the module.
pub(crate) struct Stage {
    pub(crate) shop: Shop,
}

impl Stage {
    pub(crate) async fn open() -> Self {
        Self {
            shop: Shop::open(&[]).await,
        }
    }

    /// A namespace without a consent.
    pub(crate) async fn other(&self) -> String {
        self.shop.bed.new_namespace().await
    }

    /// Issues a Certificate, its Secret has its name, and then names these namespaces in it.
    pub(crate) async fn certificate(&self, name: &str, namespaces: &[&str]) {
        self.shop.certificate(name, json!({})).await;
        self.shop.is_ready(name).await;
        self.names(name, namespaces).await;
    }

    /// Names these namespaces in the Certificate.
    pub(crate) async fn names(&self, certificate: &str, namespaces: &[&str]) {
        let annotation = format!("{SYNC_TO}={}", namespaces.join(","));
        self.kubectl(&["annotate", "--overwrite", "certificate", certificate, &annotation])
            .await;
    }

    /// `<namespace>/<name>`, as a consent has it.
    pub(crate) fn place(&self, certificate: &str) -> String {
        format!("{}/{certificate}", self.shop.namespace)
    }

    /// The Namespace accepts this, and nothing else.
    pub(crate) async fn accepts(&self, namespace: &str, what: &str) {
        let annotation = format!("{ACCEPT}={what}");
        let bed = &self.shop.bed;
        bed.kubectl(&["annotate", "--overwrite", "namespace", namespace, &annotation])
            .await;
    }

    /// The Secret of the namespace that speaks for it accepts this.
    pub(crate) async fn speaker_accepts(&self, namespace: &str, what: &str) {
        let secret =
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": SPEAKER, "annotations": {ACCEPT: what}}});
        self.shop.bed.apply(namespace, &secret.to_string()).await;
    }

    /// kubectl in the namespace of the Certificates.
    pub(crate) async fn kubectl(&self, args: &[&str]) -> String {
        let place = ["-n", &self.shop.namespace];
        self.shop.bed.kubectl(&[args, &place].concat()).await
    }

    /// A Secret, as kubectl has it.
    pub(crate) async fn secret(&self, namespace: &str, name: &str) -> Option<Value> {
        let args = [
            "get",
            "secret",
            "--ignore-not-found",
            "-o",
            "json",
            "-n",
            namespace,
            name,
        ];
        let found = self.shop.bed.kubectl(&args).await;
        (!found.is_empty()).then(|| serde_json::from_str(&found).unwrap())
    }

    /// Waits until the namespace has what the Secret of this name has now, all of it and nothing else.
    pub(crate) async fn is_copied(&self, name: &str, namespace: &str) -> Value {
        let own = self.secret(&self.shop.namespace, name).await.unwrap();
        eventually(
            &format!("Secret {name} is copied into {namespace}"),
            IN_TIME,
            async || {
                let found = self.secret(namespace, name).await?;
                (found["data"] == own["data"]).then_some(found)
            },
        )
        .await
    }

    /// Waits until there is no such Secret any more.
    pub(crate) async fn is_gone(&self, namespace: &str, name: &str) {
        eventually(
            &format!("Secret {name} is gone from {namespace}"),
            IN_TIME,
            async || self.secret(namespace, name).await.is_none().then_some(()),
        )
        .await;
    }

    /// Waits until the condition has this reason; its status and message.
    pub(crate) async fn reports(&self, certificate: &str, reason: &str) -> (String, String) {
        eventually(&format!("{certificate} reports {reason}"), IN_TIME, async || {
            let found = self.shop.certificates.get(certificate).await.unwrap();
            let synced = condition(&found, "SecretSynced");
            let word = |field: &str| synced[field].as_str().unwrap_or_default().to_owned();
            (word("reason") == reason).then(|| (word("status"), word("message")))
        })
        .await
    }

    /// Waits until the Certificate reports nothing about copies.
    pub(crate) async fn reports_nothing(&self, certificate: &str) {
        eventually(&format!("{certificate} reports nothing"), IN_TIME, async || {
            let found = self.shop.certificates.get(certificate).await.unwrap();
            condition(&found, "SecretSynced").is_null().then_some(())
        })
        .await;
    }

    /// Everything about copies that was to be done is done: a copy that was requested after it is there.
    pub(crate) async fn everything_is_done(&self) {
        let last = self.other().await;
        let name = format!("last-{last}");
        self.accepts(&last, &self.place(&name)).await;
        self.certificate(&name, &[&last]).await;
        self.is_copied(&name, &last).await;
    }
}

/// A value of a Secret.
pub(crate) fn value(secret: &Value, key: &str) -> String {
    use base64::Engine as _;
    let text = secret["data"][key].as_str().unwrap();
    String::from_utf8(base64::prelude::BASE64_STANDARD.decode(text).unwrap()).unwrap()
}

/// openssl finds the same public key in both halves.
pub(crate) async fn belongs_together(secret: &Value) {
    let of_certificate = openssl(&["x509", "-noout", "-pubkey"], &value(secret, "tls.crt")).await;
    let of_key = openssl(&["pkey", "-pubout"], &value(secret, "tls.key")).await;
    assert_eq!(of_certificate, of_key);
}

/// What shows whether a Secret was written or replaced.
pub(crate) fn version(secret: &Value) -> [String; 2] {
    ["uid", "resourceVersion"].map(|field| secret["metadata"][field].as_str().unwrap().to_owned())
}
