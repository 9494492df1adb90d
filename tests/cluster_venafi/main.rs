//! Issuers of type venafi. There is no server of `CyberArk`'s to be had: a stand-in (`tests/testbed/venafi`) plays its three products. It counts
//! because `CyberArk`'s own client, vcert, gets a certificate from it first, and because certlet's requests are compared with that client's.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking"
)]

#[path = "../support/mod.rs"]
mod support;

mod faults;
mod kinds;
mod products;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use kube::{Api, api::DynamicObject};
use serde_json::{Value, json};
use support::{
    Certlet, IN_TIME, Pair,
    acme_servers::{Process, is_there},
    certlet::Launch,
    command::split_pem,
    condition_is, eventually,
    names::plain_http,
    openssl_verify,
    scene::{ISSUERS, REQUESTS, SECRETS, Scene, decoded, messages},
    until,
};

/// Where the stand-in listens.
const URL: &str = "https://10.99.0.6:8443";
const CONTROL: &str = "http://10.99.0.6:8081";
/// The zones of the stand-in.
const FOLDER: &str = "Certificates";
const APPLICATION_AND_ALIAS: &str = r"Shop Ü\Web";
const ALIAS: &str = "Web";

/// A namespace with a certlet, beside the stand-in.
struct Place {
    scene: Scene,
    certlet: Certlet,
    /// The CA of the stand-in's TLS certificate.
    tls: Pair,
    issuers: Api<DynamicObject>,
    /// The root of the certificates.
    root: String,
    http: reqwest::Client,
    _server: Process,
}

impl Place {
    /// `None` if the bed has no stand-in, which is reported.
    async fn open(test: &str) -> Option<Self> {
        Self::open_as(test, |certlet| certlet).await
    }

    /// As [`Place::open`], with a certlet that `launch` prepares. It trusts the CA of the stand-in.
    async fn open_as(test: &str, launch: impl FnOnce(Launch) -> Launch) -> Option<Self> {
        let scene = Scene::new().await;
        if !is_there(&scene.bed, "bed-venafi", test) || !is_there(&scene.bed, "bed-vcert", test) {
            return None;
        }
        scene
            .bed
            .kubectl(&["delete", "issuers.cert-manager.io", "--all", "-A"])
            .await;
        // that of an earlier test would call this server too
        scene
            .bed
            .kubectl(&["delete", "clusterissuers.cert-manager.io", "--all"])
            .await;
        let tls = Pair::by_openssl_with_usage("/CN=Stand-in TLS").await;
        let server = tls.server(&["10.99.0.6"]);
        let files = [("server.crt", server.certificate), ("server.key", server.key)];
        let command = ["bed-venafi", "10.99.0.6", "8443", "8081"];
        let variables = [("PYTHONDONTWRITEBYTECODE", "1")];
        let server = Process::start_with(&scene.bed, "venafi", &command, &files, &variables);
        let http = plain_http();
        let root = eventually("the stand-in answers", IN_TIME, async || {
            let answer = http.get(format!("{CONTROL}/root")).send().await.ok()?;
            answer.text().await.ok()
        })
        .await;
        let roots = scene.bed.path("venafi-tls.crt");
        std::fs::write(&roots, &tls.certificate).unwrap();
        // the services in the cloud have no field for a CA
        let trusting = |certlet: Launch| certlet.variable("SSL_CERT_FILE", roots.to_str().unwrap());
        let place = Self {
            certlet: launch(trusting(Certlet::launch(&scene.bed))).ready().await,
            issuers: scene.objects(ISSUERS).await,
            tls,
            root,
            http,
            scene,
            _server: server,
        };
        for (name, data) in [
            ("user", json!({"username": "certlet", "password": "password"})),
            ("token", json!({"access-token": "managed-token\n"})),
            ("key", json!({"api-key": "api-key"})),
            (
                "account",
                json!({"client-id": "service-account", "client-secret": "secret"}),
            ),
        ] {
            place.secret(name, &data).await;
        }
        Some(place)
    }

    /// Changes what the stand-in does.
    async fn set(&self, changes: Value) {
        let request = self.http.post(format!("{CONTROL}/set")).body(changes.to_string());
        assert!(request.send().await.unwrap().status().is_success(), "{changes}");
    }

    /// What the stand-in was sent, by certlet or by others.
    async fn sent(&self, by_certlet: bool) -> Vec<Value> {
        let answer = self.http.get(format!("{CONTROL}/requests")).send().await.unwrap();
        let all: Vec<Value> = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        let is_certlet = |request: &Value| request["agent"].as_str().unwrap().starts_with("certlet/");
        all.into_iter()
            .filter(|request| is_certlet(request) == by_certlet)
            .collect()
    }

    /// How many requests of certlet have a path that ends so.
    async fn count(&self, ends: &str) -> usize {
        let sent = self.sent(true).await;
        sent.iter()
            .filter(|request| request["path"].as_str().unwrap().ends_with(ends))
            .count()
    }

    async fn secret(&self, name: &str, data: &Value) {
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data});
        self.scene.apply(&secret.to_string()).await;
    }

    /// An issuer with this `spec.venafi`, and these annotations.
    async fn issuer_with(&self, name: &str, venafi: &Value, annotations: &Value) {
        let issuer = json!({"apiVersion": "cert-manager.io/v1", "kind": "Issuer", "metadata": {"name": name, "annotations": annotations},
            "spec": {"venafi": venafi}});
        self.scene.apply(&issuer.to_string()).await;
    }

    async fn issuer(&self, name: &str, venafi: Value) {
        self.issuer_with(name, &venafi, &json!({})).await;
    }

    /// `spec.venafi` of Self-Hosted with the credential in this Secret.
    fn self_hosted(&self, secret: &str) -> Value {
        let bundle = BASE64_STANDARD.encode(&self.tls.certificate);
        json!({"zone": FOLDER, "tpp": {"url": format!("{URL}/vedsdk"), "credentialsRef": {"name": secret}, "caBundle": bundle}})
    }

    async fn is_ready(&self, issuer: &str) {
        let ready = until(&self.issuers, issuer, IN_TIME, condition_is("Ready", "True")).await;
        let ready = ready.unwrap_or_else(|| panic!("issuer {issuer} is not Ready:\n{}", self.certlet.log()));
        let condition = &ready.data["status"]["conditions"][0];
        assert_eq!(condition["reason"], "Certificate Manager issuer started");
        assert_eq!(condition["message"], "Certificate Manager issuer started");
    }

    async fn is_refused(&self, issuer: &str, words: &str) {
        let what = format!("{words:?} in the conditions of issuer {issuer}");
        let message = eventually(&what, IN_TIME, async || {
            let issuer = self.issuers.get(issuer).await.ok()?;
            messages(&issuer).into_iter().find(|message| message.contains(words))
        });
        println!("{}", message.await);
    }

    /// A Certificate of this issuer for a name below `example`, which is returned.
    async fn certificate(&self, name: &str, issuer: &str) -> String {
        let host = self.scene.host(name);
        self.certificate_with(name, issuer, &host, &json!({})).await;
        host
    }

    async fn certificate_with(&self, name: &str, issuer: &str, host: &str, annotations: &Value) {
        let certificate = json!({"apiVersion": "cert-manager.io/v1", "kind": "Certificate",
            "metadata": {"name": name, "annotations": annotations}, "spec": {
                "secretName": format!("{name}-tls"), "commonName": host, "dnsNames": [host], "issuerRef": {"name": issuer},
                "duration": "240h", "privateKey": {"algorithm": "ECDSA"}}});
        self.scene.apply(&certificate.to_string()).await;
    }

    /// The message of the request of this Certificate, when it has these words.
    async fn request_says(&self, certificate: &str, words: &str) -> String {
        let requests = self.scene.objects(REQUESTS).await;
        let what = format!("{words:?} in the conditions of the request of {certificate}");
        let message = eventually(&what, IN_TIME, async || {
            let request = requests.get(&format!("{certificate}-1")).await.ok()?;
            messages(&request).into_iter().find(|message| message.contains(words))
        });
        let message = message.await;
        println!("{message}");
        message
    }

    /// The reason of the request's condition Ready, when it is this one.
    async fn request_is(&self, certificate: &str, reason: &'static str) {
        let requests = self.scene.objects(REQUESTS).await;
        let is = support::condition_reason_is("Ready", reason);
        let found = until(&requests, &format!("{certificate}-1"), IN_TIME, is).await;
        assert!(found.is_some(), "{certificate} is not {reason}");
    }

    /// openssl accepts the chain in the Secret with the root of the stand-in.
    async fn verify(&self, name: &str, host: &str) {
        let secret = self
            .scene
            .objects(SECRETS)
            .await
            .get(&format!("{name}-tls"))
            .await
            .unwrap();
        let chain = split_pem(&decoded(&secret, "/data/tls.crt"));
        assert_eq!(chain.len(), 2, "the leaf and the intermediate");
        openssl_verify(&self.root, &chain, host).await.unwrap();
        assert_eq!(split_pem(&decoded(&secret, "/data/ca.crt")), split_pem(&self.root));
    }

    /// Waits until a Certificate of this name is issued, and verifies it.
    async fn issue(&self, name: &str, issuer: &str) {
        let host = self.certificate(name, issuer).await;
        self.scene.ready(name).await;
        self.verify(name, &host).await;
    }
}
