//! Issuers of type vault. The judge is `OpenBao`: its audit log counts requests and logins, and openssl verifies with its root.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking"
)]

#[path = "../support/mod.rs"]
mod support;

mod aws;
mod fallback;
mod faults;
mod kinds;
mod logins;
mod many;
mod tokens;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use kube::Api;
use kube::api::DynamicObject;
use serde_json::{Value, json};
use support::{
    Certlet, IN_TIME, Pair,
    acme_servers::OpenBao,
    certlet::Launch,
    command::split_pem,
    condition_is, eventually, openssl_verify,
    scene::{ISSUERS, REQUESTS, SECRETS, Scene, decoded, messages},
    until,
};

/// Where `OpenBao` listens: without TLS, and with it and a demand for client certificates.
const PLAIN: &str = "http://10.99.0.6:8200";
const TLS: &str = "https://10.99.0.6:8443";
/// The `AppRole` of issuers, and the Secret with the identifier of its secret.
const ROLE: &str = "approle";
/// The path of the role that `OpenBao::start` makes, for names below `example`.
const PATH: &str = "pki/sign/names";

/// A namespace with a certlet, beside an `OpenBao`.
struct Place {
    scene: Scene,
    bao: OpenBao,
    certlet: Certlet,
    /// The CA of the TLS listener and of client certificates.
    tls: Pair,
    issuers: Api<DynamicObject>,
    secret_id: String,
}

impl Place {
    /// `None` if the bed has no `OpenBao`, which is reported.
    async fn open(test: &str) -> Option<Self> {
        Self::open_as(test, &[], |certlet| certlet).await
    }

    /// As [`Place::open`], with arguments of `OpenBao` and a certlet that `launch` prepares.
    async fn open_as(test: &str, arguments: &[&str], launch: impl FnOnce(Launch) -> Launch) -> Option<Self> {
        let scene = Scene::new().await;
        // those of earlier tests would log in with what this server does not know, until it locks their role out
        scene
            .bed
            .kubectl(&["delete", "issuers.cert-manager.io", "--all", "-A"])
            .await;
        scene
            .bed
            .kubectl(&["delete", "clusterissuers.cert-manager.io", "--all"])
            .await;
        let tls = Pair::by_openssl_with_usage("/CN=Vault TLS").await;
        let server = tls.server(&["vault.example", "10.99.0.6"]);
        let config = r#"
listener "tcp" {
  address = "10.99.0.6:8443"
  tls_cert_file = "server.crt"
  tls_key_file = "server.key"
  tls_client_ca_file = "ca.crt"
  tls_require_and_verify_client_cert = true
}
audit "file" "bed" { options { file_path = "audit.log" } }
"#;
        let files = [
            ("bao.hcl", config.to_owned()),
            ("server.crt", server.certificate),
            ("server.key", server.key),
            ("ca.crt", tls.certificate.clone()),
        ];
        let bao = OpenBao::start_as(&scene.bed, test, &files, arguments).await?;
        let policy = format!(
            "path \"{PATH}\" {{ capabilities = [\"update\"] }}\npath \"pki/sign/*\" {{ capabilities = [\"update\"] }}\npath \"nowhere/*\" {{ capabilities = [\"update\"] }}"
        );
        bao.write("sys/policies/acl/certlet", &json!({ "policy": policy }))
            .await;
        bao.write("sys/auth/approle", &json!({"type": "approle"})).await;
        let role = json!({"token_policies": ["certlet"], "token_ttl": "20m"});
        let secret_id = app_role(&bao, "", ROLE, &role).await;
        let place = Self {
            certlet: launch(Certlet::launch(&scene.bed)).ready().await,
            issuers: scene.objects(ISSUERS).await,
            tls,
            secret_id,
            scene,
            bao,
        };
        place.secret(ROLE, &json!({"id": place.secret_id})).await;
        Some(place)
    }

    /// An `AppRole` of its own with these settings, with its Secret: the login of issuers.
    async fn login(&self, name: &str, settings: &Value) -> Value {
        let mut role = json!({"token_policies": ["certlet"]});
        role.as_object_mut()
            .unwrap()
            .extend(settings.as_object().unwrap().clone());
        let secret_id = app_role(&self.bao, "", name, &role).await;
        self.secret(name, &json!({"id": secret_id})).await;
        login(name)
    }

    async fn secret(&self, name: &str, data: &Value) {
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data});
        self.scene.apply(&secret.to_string()).await;
    }

    /// A Vault issuer with these fields instead of the usual ones.
    async fn issuer(&self, name: &str, fields: Value) {
        let mut vault = json!({"server": PLAIN, "path": PATH, "auth": login(ROLE)});
        vault
            .as_object_mut()
            .unwrap()
            .extend(fields.as_object().unwrap().clone());
        let issuer = json!({"apiVersion": "cert-manager.io/v1", "kind": "Issuer", "metadata": {"name": name}, "spec": {"vault": vault}});
        self.scene.apply(&issuer.to_string()).await;
    }

    /// Waits until a Certificate of this name is issued, and verifies it.
    async fn issue(&self, name: &str, issuer: &str) {
        let host = self.certificate(name, issuer).await;
        self.scene.ready(name).await;
        self.verify(name, &host).await;
    }

    /// A Vault ClusterIssuer with the name of the namespace, that is Ready.
    async fn cluster_issuer(&self, auth: &Value) {
        let name = &self.scene.namespace;
        let spec = json!({"vault": {"server": PLAIN, "path": PATH, "auth": auth}});
        let issuer = json!({"apiVersion": "cert-manager.io/v1", "kind": "ClusterIssuer", "metadata": {"name": name}, "spec": spec});
        self.scene.apply(&issuer.to_string()).await;
        let issuers = self
            .scene
            .bed
            .objects("cert-manager.io/v1", "ClusterIssuer", None)
            .await;
        until(&issuers, name, IN_TIME, condition_is("Ready", "True")).await;
    }

    async fn is_ready(&self, issuer: &str) {
        let ready = until(&self.issuers, issuer, IN_TIME, condition_is("Ready", "True")).await;
        assert!(
            ready.is_some(),
            "{:?}",
            self.issuers.get(issuer).await.map(|issuer| messages(&issuer))
        );
    }

    async fn is_refused(&self, issuer: &str, words: &str) {
        let what = format!("{words:?} in the conditions of issuer {issuer}");
        let message = eventually(&what, IN_TIME, async || {
            let issuer = self.issuers.get(issuer).await.ok()?;
            messages(&issuer).into_iter().find(|message| message.contains(words))
        });
        println!("{}", message.await);
    }

    /// A Certificate of this issuer, for a name below `example`, which is returned.
    async fn certificate(&self, name: &str, issuer: &str) -> String {
        let host = self.scene.host(name);
        self.certificate_for(name, issuer, &host).await;
        host
    }

    async fn certificate_for(&self, name: &str, issuer: &str, host: &str) {
        let certificate = json!({"apiVersion": "cert-manager.io/v1", "kind": "Certificate", "metadata": {"name": name}, "spec": {
            "secretName": format!("{name}-tls"), "dnsNames": [host], "issuerRef": {"name": issuer},
            "duration": "240h", "privateKey": {"algorithm": "ECDSA"}}});
        self.scene.apply(&certificate.to_string()).await;
    }

    /// A Certificate of a ClusterIssuer.
    async fn cluster_certificate(&self, name: &str, issuer: &str, host: &str) {
        let certificate = json!({"apiVersion": "cert-manager.io/v1", "kind": "Certificate", "metadata": {"name": name}, "spec": {
            "secretName": format!("{name}-tls"), "dnsNames": [host], "issuerRef": {"name": issuer, "kind": "ClusterIssuer"},
            "duration": "240h", "privateKey": {"algorithm": "ECDSA"}}});
        self.scene.apply(&certificate.to_string()).await;
    }

    /// The message of a request of this Certificate, when it has these words.
    async fn request_says(&self, certificate: &str, words: &str) -> String {
        let requests = self.scene.objects(REQUESTS).await;
        let what = format!("{words:?} in the conditions of a request of {certificate}");
        let message = eventually(&what, IN_TIME, async || {
            let request = requests.get(&format!("{certificate}-1")).await.ok()?;
            messages(&request).into_iter().find(|message| message.contains(words))
        });
        let message = message.await;
        println!("{message}");
        message
    }

    /// openssl accepts the chain in the Secret with the root that `OpenBao` has.
    async fn verify(&self, name: &str, host: &str) {
        let secret = self
            .scene
            .objects(SECRETS)
            .await
            .get(&format!("{name}-tls"))
            .await
            .unwrap();
        let chain = split_pem(&decoded(&secret, "/data/tls.crt"));
        openssl_verify(&self.bao.acme.root, &chain, host).await.unwrap();
    }

    /// How many requests in the audit log have a path that begins so.
    fn requests(&self, begins: &str) -> usize {
        self.bao.requests(begins)
    }

    fn tls_fields(&self, auth: &Value) -> Value {
        json!({
            "server": TLS, "auth": auth, "caBundle": BASE64_STANDARD.encode(&self.tls.certificate),
            "clientCertSecretRef": {"name": "client"}, "clientKeySecretRef": {"name": "client"},
        })
    }
}

/// Makes an `AppRole` below this namespace of `OpenBao` (`team/`). Its identifier is `NAME-role`; that of the secret is returned.
async fn app_role(bao: &OpenBao, namespace: &str, name: &str, settings: &Value) -> String {
    let role = format!("{namespace}auth/approle/role/{name}");
    bao.write(&role, settings).await;
    let role_id = json!({"role_id": format!("{name}-role")});
    bao.write(&format!("{role}/role-id"), &role_id).await;
    let made = bao.write(&format!("{role}/secret-id"), &json!({})).await;
    made["data"]["secret_id"].as_str().unwrap().to_owned()
}

/// The login with an `AppRole` whose secret is in the Secret of its name.
fn login(name: &str) -> Value {
    json!({"appRole": {"path": "approle", "roleId": format!("{name}-role"), "secretRef": {"name": name, "key": "id"}}})
}
