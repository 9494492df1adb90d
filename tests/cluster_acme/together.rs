//! Every wrong input that the API server lets through, at once: each is told in a condition and in an Event, together they cause no
//! hot loop, none is in another's way, and each is cured by correcting it.

use std::time::Duration;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use kube::api::{DeleteParams, DynamicObject, Patch, PatchParams};
use serde_json::json;

use super::scene::{
    CERTIFICATES, ORDERS, REQUESTS, SECRETS, Scene, certificate, decoded, field, ingress, issuer, named, solver,
};
use crate::support::{Certlet, IN_TIME, Pebble, condition_is, eventually, openssl, openssl_csr, until};

/// How long is looked for a hot loop.
const QUIET: Duration = Duration::from_secs(30);

/// A Certificate that cannot be issued as it is: its name, words of its condition, kind of the object that the Event is about, reason
/// and words of the Event.
type Wrong = (&'static str, &'static str, &'static str, &'static str, &'static str);

const WRONGS: [Wrong; 14] = [
    ("cn", "other.example", "Certificate", "Failed", "other.example"),
    (
        "blocked",
        "blocked-domain.example",
        "Certificate",
        "Failed",
        "blocked-domain.example",
    ),
    ("wild", "DNS-01", "Order", "Solver", "DNS-01"),
    ("days", "90d", "Certificate", "InvalidSpec", "90d"),
    (
        "second",
        "\"first\"",
        "Certificate",
        "DuplicateSecretName",
        "Certificate \"first\" has the same spec.secretName",
    ),
    (
        "missing",
        "does not exist",
        "CertificateRequest",
        "IssuerNotFound",
        "\"missing\" not found",
    ),
    ("down", "did not answer", "Issuer", "ErrInitIssuer", "did not answer"),
    (
        "page",
        "is not the directory",
        "Issuer",
        "ErrInitIssuer",
        "is not the directory",
    ),
    (
        "v1",
        "acme-v02.api.letsencrypt.org",
        "Issuer",
        "ErrInitIssuer",
        "acme-v02.api.letsencrypt.org",
    ),
    ("garbage", "key is invalid", "Issuer", "ErrInitIssuer", "key is invalid"),
    ("broken", "SERVFAIL", "Challenge", "WaitingForPropagation", "SERVFAIL"),
    (
        "elsewhere",
        "10.99.0.2",
        "Challenge",
        "WaitingForPropagation",
        "10.99.0.2",
    ),
    (
        "nobody",
        "10.99.0.77",
        "Challenge",
        "WaitingForPropagation",
        "10.99.0.77",
    ),
    ("poor", "exceeded quota", "Challenge", "PresentError", "exceeded quota"),
];

/// Issuers that cannot work, each with a Certificate of the same name.
const ISSUERLESS: [&str; 5] = ["missing", "down", "page", "v1", "garbage"];

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn everything_that_can_be_wrong_at_once_is_told_causes_no_hot_loop_and_is_cured() {
    let stage = Stage::new().await;
    stage.do_everything_wrong().await;
    for (name, condition, kind, reason, words) in WRONGS {
        let scene = stage.place(name);
        println!("{name}: {}", scene.told(name, condition).await);
        println!(
            "    {kind}, {reason}: {}",
            scene.event((kind, name), reason, words).await
        );
    }
    let scene = &stage.scene;
    let skipped = scene.event(("Ingress", "shop"), "BadConfig", "secretName").await;
    println!("shop: {skipped}");
    // a stranger's name is no obstacle: another is taken, and told
    scene
        .event(("Certificate", "taken"), "RequestNameTaken", "taken-1")
        .await;
    scene.ready("taken").await;
    stage.garbage_is_collected().await;
    stage.nothing_goes_on_for_ever().await;
    stage.is_cured_by_correction().await;
    stage.the_secret_comes_back().await;
    let forged = scene.objects(ORDERS).await.get("forged").await.unwrap();
    assert_eq!(
        field(&forged, "/status"),
        "",
        "nothing is done for an Order that no request owns"
    );
    stage.scene.tidy().await;
    stage.poor.tidy().await;
}

struct Stage {
    scene: Scene,
    /// A namespace with a quota that forbids Ingresses.
    poor: Scene,
    pebble: Pebble,
    _certlet: Certlet,
    hosts: Vec<(&'static str, String)>,
}

impl Stage {
    /// A Certificate `first` that is ready, and a namespace with a ready issuer and a quota.
    async fn new() -> Self {
        let scene = Scene::new().await;
        let pebble = scene.bed.pebble();
        let certlet = Certlet::start(&scene.bed, &[]).await;
        let poor = scene.another().await;
        for scene in [&scene, &poor] {
            scene.issuer(pebble.directory(), "traefik").await;
            scene.issuer_is_ready().await;
        }
        poor.forbid("count/ingresses.networking.k8s.io").await;
        scene.certificate("first").await;
        scene.ready("first").await;
        let hosts = WRONGS.iter().map(|(name, ..)| (*name, scene.host(name))).collect();
        Self {
            scene,
            poor,
            pebble,
            _certlet: certlet,
            hosts,
        }
    }

    fn place(&self, name: &str) -> &Scene {
        if name == "poor" { &self.poor } else { &self.scene }
    }

    fn host(&self, name: &str) -> &str {
        let found = self.hosts.iter().find(|(wrong, _)| *wrong == name);
        &found.unwrap().1
    }

    /// As it should be.
    fn right(&self, name: &str) -> String {
        let right = certificate(name, &[self.host(name)], "");
        if ISSUERLESS.contains(&name) {
            right.replace("issuerRef: {name: ca}", &format!("issuerRef: {{name: {name}}}"))
        } else {
            right
        }
    }

    fn wrong(&self, name: &str) -> String {
        let host = self.host(name);
        match name {
            "cn" => certificate(name, &[host], "commonName: other.example"),
            "blocked" => certificate(name, &["blocked-domain.example"], ""),
            "wild" => certificate(name, &["*.wild.example"], ""),
            "days" => certificate(name, &[host], "duration: 90d"),
            "second" => self.right(name).replace("second-tls", "first-tls"),
            _ => self.right(name),
        }
    }

    /// An issuer of this name at this server.
    fn issuer(&self, name: &str, directory: &str) -> String {
        named(&issuer("Issuer", directory, &self.pebble, &solver("traefik"), ""), name)
    }

    async fn account_key(&self, text: &str) {
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "garbage-account"},
            "stringData": {"tls.key": text}});
        self.scene.apply(&secret.to_string()).await;
    }

    async fn do_everything_wrong(&self) {
        let (scene, names) = (&self.scene, self.scene.bed.names());
        names.set_servfail(self.host("broken")).await;
        names.set_a(self.host("elsewhere"), &["10.99.0.2"]).await; // the other ingress controller
        names.set_a(self.host("nobody"), &["10.99.0.77"]).await; // where nobody listens
        self.account_key("garbage").await;
        let directory = self.pebble.directory();
        let issuers = [
            ("down", "https://127.0.0.1:1/dir"),
            ("page", &directory.replace("/dir", "/")),
            ("v1", "https://acme-v01.api.letsencrypt.org/directory"),
            ("garbage", directory),
        ];
        let issuers = issuers.map(|(name, directory)| self.issuer(name, directory));
        scene.apply(&issuers.join("---")).await;
        let csr = self.strangers().await;
        for (name, ..) in WRONGS {
            self.place(name).apply(&self.wrong(name)).await;
        }
        scene.certificate("taken").await;
        scene.apply(&without_secret_name()).await;
        let forged = json!({"apiVersion": "acme.cert-manager.io/v1", "kind": "Order", "metadata": {"name": "forged"},
            "spec": {"request": csr, "issuerRef": {"name": "ca"}, "dnsNames": ["victim.example"]}});
        scene.apply(&forged.to_string()).await;
    }

    /// Somebody else's request has the name that certlet would give its own. Returns its CSR.
    async fn strangers(&self) -> String {
        let csr = BASE64_STANDARD.encode(openssl_csr("/CN=victim.example", &[]).await);
        let issuer = json!({"name": "theirs", "kind": "Issuer", "group": "issuers.example.com"});
        let request = json!({"apiVersion": "cert-manager.io/v1", "kind": "CertificateRequest", "metadata": {"name": "taken-1"},
            "spec": {"request": csr, "issuerRef": issuer}});
        self.scene.apply(&request.to_string()).await;
        csr
    }

    /// In a new bed the garbage collector asks about the owners of kinds that it has only just heard of; no more once it collects them.
    async fn garbage_is_collected(&self) {
        let certificates = self.scene.objects(CERTIFICATES).await;
        certificates.delete("taken", &DeleteParams::default()).await.unwrap();
        eventually("what belonged to the Certificate is gone", IN_TIME, async || {
            let orders = self.scene.list(ORDERS).await;
            let of_it = |order: &DynamicObject| field(order, "/metadata/name").starts_with("taken-");
            (!orders.iter().any(of_it)).then_some(())
        })
        .await;
    }

    async fn nothing_goes_on_for_ever(&self) {
        let (bed, mark) = (&self.scene.bed, self.scene.bed.audit_mark().await);
        let (before, told) = (bed.requests().await, self.scene.times_told().await);
        tokio::time::sleep(QUIET).await; // what is looked for is that nothing happens
        let during = bed.requests().await.since(&before);
        let told = self.scene.times_told().await - told;
        println!(
            "in {QUIET:?}, with {} hopeless objects, {told} Events and:\n{during}",
            WRONGS.len() + 2
        );
        for write in bed.writes_since(mark).await {
            println!(
                "  {} {} {}/{} {}",
                write.verb, write.resource, write.namespace, write.name, write.code
            );
        }
        let writes = during.writes();
        // what shows a challenge is made sure of now and then, and an Ingress may be allowed by now
        assert!(writes.total() <= 10, "{writes}");
        assert!(during.total() <= 40, "{during}");
        assert!(told <= 4, "{told} Events in {QUIET:?}");
    }

    async fn is_cured_by_correction(&self) {
        let (scene, bed) = (&self.scene, &self.scene.bed);
        self.poor.allow().await;
        bed.names().clear_servfail(self.host("broken")).await;
        bed.names().clear_a(self.host("elsewhere")).await;
        bed.names().clear_a(self.host("nobody")).await;
        self.account_key(&openssl(&["genrsa", "-traditional", "2048"], "").await)
            .await;
        let issuers = ISSUERLESS.map(|name| self.issuer(name, self.pebble.directory()));
        scene.apply(&issuers.join("---")).await;
        for (name, ..) in WRONGS {
            if self.wrong(name) != self.right(name) {
                scene.apply(&self.right(name)).await;
            }
        }
        let host = scene.host("shop");
        let blocks: [(&str, &[&str]); 1] = [("shop-tls", &[&host])];
        scene
            .apply(&ingress("shop", "traefik", "cert-manager.io/issuer: ca", &blocks))
            .await;
        for (name, ..) in WRONGS.iter().filter(|(name, ..)| *name != "poor") {
            scene.ready(name).await;
        }
        scene.ready("shop-tls").await;
        // nobody tells that the quota is gone: it is tried again within a minute
        let certificates = self.poor.objects(CERTIFICATES).await;
        until(&certificates, "poor", 2 * IN_TIME, condition_is("Ready", "True")).await;
    }

    /// Deleted, edited, and without its label.
    async fn the_secret_comes_back(&self) {
        let (scene, secrets) = (&self.scene, self.scene.objects(SECRETS).await);
        let name = "first-tls";
        secrets.delete(name, &DeleteParams::default()).await.unwrap();
        scene
            .event(("Certificate", "first"), "Issuing", "Secret does not exist")
            .await;
        scene.ready("first").await;
        until(&secrets, name, IN_TIME, |secret: Option<&DynamicObject>| {
            secret.is_some()
        })
        .await;
        scene
            .verify_secret(name, &self.pebble, 0, &self.first_host().await)
            .await;

        let certificate = decoded(&secrets.get(name).await.unwrap(), "/data/tls.crt");
        let label = json!({"metadata": {"labels": {"controller.cert-manager.io/fao": null}}});
        secrets
            .patch(name, &PatchParams::default(), &Patch::Merge(&label))
            .await
            .unwrap();
        eventually("the label is back", IN_TIME, async || {
            let secret = secrets.get(name).await.unwrap();
            let labels = secret.metadata.labels.clone().unwrap_or_default();
            let issued = decoded(&secret, "/data/tls.crt");
            assert_eq!(issued, certificate, "a label is no reason to issue");
            labels.contains_key("controller.cert-manager.io/fao").then_some(())
        })
        .await;

        let edit = json!({"stringData": {"tls.crt": "garbage"}});
        secrets
            .patch(name, &PatchParams::default(), &Patch::Merge(&edit))
            .await
            .unwrap();
        eventually("the Secret holds a certificate again", IN_TIME, async || {
            let secret = secrets.get(name).await.unwrap();
            decoded(&secret, "/data/tls.crt")
                .starts_with("-----BEGIN CERTIFICATE")
                .then_some(())
        })
        .await;
        scene.ready("first").await;
        scene
            .verify_secret(name, &self.pebble, 0, &self.first_host().await)
            .await;
        let requests = scene.list(REQUESTS).await;
        let of_first = requests
            .iter()
            .filter(|request| field(request, "/metadata/name").starts_with("first-"));
        assert_eq!(of_first.count(), 1, "the requests of former revisions are gone");
    }

    async fn first_host(&self) -> String {
        let first = self.scene.objects(CERTIFICATES).await.get("first").await.unwrap();
        field(&first, "/spec/dnsNames/0")
    }
}

/// A tls block without secretName, in an Ingress that asks for a certificate.
fn without_secret_name() -> String {
    let blocks: [(&str, &[&str]); 1] = [("nothing", &["blockless.example"])];
    let shop = ingress("shop", "traefik", "cert-manager.io/issuer: ca", &blocks);
    shop.replace("secretName: nothing, ", "")
}
