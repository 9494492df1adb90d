//! A namespace for tests of certificates: manifests, and looks at what became of them.

#![allow(clippy::format_collect, reason = "a manifest is short")]

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU32, Ordering};

use kube::Api;
use kube::api::{DynamicObject, ListParams};
use serde_json::{Value, json};

use super::certlet::PROGRAM;
use super::command::Finished;
use super::{Bed, Certlet, IN_TIME, Pebble, condition_is, eventually, openssl_verify, served_chain, until};

pub(crate) const CERTIFICATES: (&str, &str) = ("cert-manager.io/v1", "Certificate");
pub(crate) const REQUESTS: (&str, &str) = ("cert-manager.io/v1", "CertificateRequest");
pub(crate) const ISSUERS: (&str, &str) = ("cert-manager.io/v1", "Issuer");
pub(crate) const ORDERS: (&str, &str) = ("acme.cert-manager.io/v1", "Order");
pub(crate) const CHALLENGES: (&str, &str) = ("acme.cert-manager.io/v1", "Challenge");
pub(crate) const INGRESSES: (&str, &str) = ("networking.k8s.io/v1", "Ingress");
pub(crate) const SERVICES: (&str, &str) = ("v1", "Service");
pub(crate) const SLICES: (&str, &str) = ("discovery.k8s.io/v1", "EndpointSlice");
pub(crate) const EVENTS: (&str, &str) = ("v1", "Event");
pub(crate) const SECRETS: (&str, &str) = ("v1", "Secret");

/// A namespace of a bed that has this project's API.
pub(crate) struct Scene {
    pub(crate) bed: Bed,
    pub(crate) namespace: String,
}

impl Scene {
    /// A new namespace.
    pub(crate) async fn new() -> Self {
        let bed = Bed::attach().await;
        bed.install_crds().await;
        let namespace = bed.new_namespace().await;
        Self { bed, namespace }
    }

    /// A new namespace with an Issuer `ca` at the bed's Pebble, one solver for this class, and a certlet that serves it.
    pub(crate) async fn open(class: &str) -> (Self, Certlet) {
        let scene = Self::new().await;
        let certlet = Certlet::start(&scene.bed, &[]).await;
        scene.issuer(scene.bed.pebble().directory(), class).await;
        (scene, certlet)
    }

    /// Another namespace of the same bed.
    pub(crate) async fn another(&self) -> Self {
        Self {
            bed: self.bed.clone(),
            namespace: self.bed.new_namespace().await,
        }
    }

    /// A host that no other test uses.
    pub(crate) fn host(&self, name: &str) -> String {
        static COUNTER: AtomicU32 = AtomicU32::new(1);
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        format!("{name}-{number}.{}.example", self.namespace)
    }

    pub(crate) async fn apply(&self, manifests: &str) {
        self.bed.apply(&self.namespace, manifests).await;
    }

    /// Runs one of certlet's commands in the namespace, and prints what it says.
    pub(crate) async fn certlet(&self, args: &[&str]) -> Finished {
        let finished = self.bed.command(PROGRAM, &self.namespace, args).await;
        println!("{}{}", finished.stdout, finished.stderr);
        finished
    }

    /// An Issuer `ca` with one solver for this class, at this directory.
    pub(crate) async fn issuer(&self, directory: &str, class: &str) {
        self.apply(&issuer("Issuer", directory, &self.bed.pebble(), &solver(class), ""))
            .await;
    }

    /// Waits until the Issuer `ca` is ready.
    pub(crate) async fn issuer_is_ready(&self) {
        let issuers = self.objects(ISSUERS).await;
        until(&issuers, "ca", IN_TIME, condition_is("Ready", "True")).await;
    }

    /// Applies a Certificate for a host of its own, which is returned.
    pub(crate) async fn certificate(&self, name: &str) -> String {
        let host = self.host(name);
        self.apply(&certificate(name, &[&host], "")).await;
        host
    }

    /// Applies a Certificate whose host leads to where nobody listens, and waits until it says so. Returns the host.
    pub(crate) async fn stuck_certificate(&self, name: &str) -> String {
        const NOBODY: &str = "10.99.0.77";
        let host = self.host(name);
        self.bed.names().set_a(&host, &[NOBODY]).await;
        self.apply(&certificate(name, &[&host], "")).await;
        self.told(name, NOBODY).await;
        host
    }

    /// Forbids objects of a kind with a quota (`count/secrets`), and waits until it is in force.
    pub(crate) async fn forbid(&self, what: &str) {
        let quota = json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none"}, "spec": {"hard": {what: "0"}}});
        self.apply(&quota.to_string()).await;
        let quotas = self.objects(("v1", "ResourceQuota")).await;
        eventually("the quota is in force", IN_TIME, async || {
            let quota = quotas.get("none").await.unwrap();
            field(&quota, "/status/hard").contains(what).then_some(())
        })
        .await;
    }

    /// Takes the quota away.
    pub(crate) async fn allow(&self) {
        self.bed
            .kubectl(&["delete", "resourcequota", "-n", &self.namespace, "none"])
            .await;
    }

    pub(crate) async fn objects(&self, (api_version, kind): (&str, &str)) -> Api<DynamicObject> {
        self.bed.objects(api_version, kind, Some(&self.namespace)).await
    }

    pub(crate) async fn list(&self, kind: (&str, &str)) -> Vec<DynamicObject> {
        self.objects(kind)
            .await
            .list(&ListParams::default())
            .await
            .unwrap()
            .items
    }

    /// The one object of a kind in the namespace.
    pub(crate) async fn only(&self, kind: (&str, &str)) -> DynamicObject {
        let mut found = self.list(kind).await;
        assert_eq!(found.len(), 1, "one {}: {found:#?}", kind.1);
        found.remove(0)
    }

    /// Waits until the Certificate is ready.
    pub(crate) async fn ready(&self, certificate: &str) {
        until(
            &self.objects(CERTIFICATES).await,
            certificate,
            IN_TIME,
            condition_is("Ready", "True"),
        )
        .await;
    }

    /// Waits until a text is in a condition of the Certificate, and returns the whole message.
    pub(crate) async fn told(&self, certificate: &str, text: &str) -> String {
        let api = self.objects(CERTIFICATES).await;
        eventually(
            &format!("{text:?} in the conditions of {certificate}"),
            IN_TIME,
            async || {
                messages(&api.get_opt(certificate).await.unwrap()?)
                    .into_iter()
                    .find(|message| message.contains(text))
            },
        )
        .await
    }

    /// The reason of the one Order in the namespace, once it contains a text.
    pub(crate) async fn order_says(&self, text: &str) -> String {
        let api = self.objects(ORDERS).await;
        eventually(&format!("{text:?} in the reason of an Order"), IN_TIME, async || {
            let orders = api.list(&ListParams::default()).await.unwrap().items;
            orders
                .iter()
                .map(|order| field(order, "/status/reason"))
                .find(|reason| reason.contains(text))
        })
        .await
    }

    /// Waits for an Event with this reason and these words about an object of this kind whose name begins so; its sentence.
    pub(crate) async fn event(&self, (kind, begins): (&str, &str), reason: &str, words: &str) -> String {
        let what = format!("an Event {reason} with {words:?} about {kind} {begins}");
        eventually(&what, IN_TIME, async || {
            let events = self.list(EVENTS).await;
            let is_it = |event: &&DynamicObject| {
                field(event, "/reason") == reason
                    && field(event, "/involvedObject/kind") == kind
                    && field(event, "/involvedObject/name").starts_with(begins)
                    && field(event, "/message").contains(words)
            };
            events.iter().find(is_it).map(|event| field(event, "/message"))
        })
        .await
    }

    /// How often something was told in the namespace: an Event that is told again is counted, not made anew.
    pub(crate) async fn times_told(&self) -> u64 {
        let times = |event: &DynamicObject| {
            let counts = ["/series/count", "/count"].map(|count| field(event, count).parse().unwrap_or(1));
            counts.into_iter().max().unwrap_or(1)
        };
        self.list(EVENTS).await.iter().map(times).sum()
    }

    /// Waits until nothing is left in the namespace that showed a challenge.
    pub(crate) async fn tidy(&self) {
        eventually("nothing that shows challenges is left", IN_TIME, async || {
            self.strays().await.is_empty().then_some(())
        })
        .await;
    }

    /// What shows challenges.
    pub(crate) async fn strays(&self) -> Vec<String> {
        let mut found = Vec::new();
        for kind in [INGRESSES, SERVICES, SLICES] {
            let objects = self.list(kind).await;
            let names = objects.iter().filter_map(|object| object.metadata.name.clone());
            found.extend(
                names
                    .filter(|name| name.contains("acme-http-solver"))
                    .map(|name| format!("{} {name}", kind.1)),
            );
        }
        found
    }

    /// The chain in a Secret, verified by openssl against the CA's root.
    pub(crate) async fn verify_secret(&self, secret: &str, pebble: &Pebble, root: u8, host: &str) {
        let secret = self.objects(SECRETS).await.get(secret).await.unwrap();
        let pem = decoded(&secret, "/data/tls.crt");
        let chain = super::command::split_pem(&pem);
        assert_eq!(openssl_verify(&pebble.trust(root).await, &chain, host).await, Ok(()));
    }

    /// Waits until the ingress controller at `address` serves a chain for the host that openssl accepts.
    pub(crate) async fn served(&self, pebble: &Pebble, host: &str, address: &str) {
        let root = pebble.trust(0).await;
        eventually(
            &format!("{address} serves a certificate for {host}"),
            IN_TIME,
            async || {
                let chain = served_chain(host, address).await;
                openssl_verify(&root, &chain, host).await.ok()
            },
        )
        .await;
    }
}

/// A solver through Ingresses of this class.
pub(crate) fn solver(class: &str) -> String {
    format!("{{http01: {{ingress: {{ingressClassName: {class}}}}}}}")
}

/// An ACME issuer named `ca`; `more` are further fields of `spec.acme`, each on a line of its own.
pub(crate) fn issuer(kind: &str, directory: &str, pebble: &Pebble, solvers: &str, more: &str) -> String {
    let mut text = format!(
        "
apiVersion: cert-manager.io/v1
kind: {kind}
metadata: {{name: ca}}
spec:
  acme:
    server: {directory}
    caBundle: {}
    email: ops@certlet-tests.net
    privateKeySecretRef: {{name: ca-account}}
    solvers: [{solvers}]
",
        pebble.ca_bundle()
    );
    for line in more.lines() {
        writeln!(text, "    {line}").unwrap();
    }
    text
}

/// Such an issuer under another name, with an account of its own.
pub(crate) fn named(issuer: &str, name: &str) -> String {
    issuer
        .replace("name: ca}", &format!("name: {name}}}"))
        .replace("ca-account", &format!("{name}-account"))
}

/// A Certificate whose Secret is `NAME-tls`; `more` are further fields of its spec, each on a line of its own.
pub(crate) fn certificate(name: &str, hosts: &[&str], more: &str) -> String {
    let mut text = format!(
        "
---
apiVersion: cert-manager.io/v1
kind: Certificate
metadata: {{name: {name}}}
spec:
  secretName: {name}-tls
  issuerRef: {{name: ca}}
  dnsNames: [{}]
  privateKey: {{algorithm: ECDSA}}
",
        hosts
            .iter()
            .map(|host| format!("{host:?}"))
            .collect::<Vec<_>>()
            .join(", ")
    );
    for line in more.lines() {
        writeln!(text, "  {line}").unwrap();
    }
    text
}

/// An annotated Ingress with these tls blocks: Secret and hosts.
pub(crate) fn ingress(name: &str, class: &str, annotation: &str, blocks: &[(&str, &[&str])]) -> String {
    let hosts = blocks.iter().flat_map(|(_, hosts)| *hosts);
    let rules: String = hosts
        .map(|host| {
            let backend = "{service: {name: own, port: {number: 80}}}";
            format!("  - {{host: {host}, http: {{paths: [{{path: /, pathType: Prefix, backend: {backend}}}]}}}}\n")
        })
        .collect();
    let tls: String = blocks
        .iter()
        .map(|(secret, hosts)| format!("  - {{secretName: {secret}, hosts: [{}]}}\n", hosts.join(", ")))
        .collect();
    format!(
        "
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {{name: {name}, annotations: {{{annotation}}}}}
spec:
  ingressClassName: {class}
  rules:
{rules}  tls:
{tls}---
apiVersion: v1
kind: Service
metadata: {{name: own}}
spec: {{ports: [{{port: 80, protocol: TCP}}]}}
"
    )
}

/// A field of an object as text; empty where it is missing.
pub(crate) fn field(object: &DynamicObject, pointer: &str) -> String {
    match serde_json::to_value(object).unwrap().pointer(pointer) {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => String::new(),
    }
}

/// A base64 field as text.
pub(crate) fn decoded(object: &DynamicObject, pointer: &str) -> String {
    use base64::Engine as _;
    let bytes = base64::prelude::BASE64_STANDARD.decode(field(object, pointer)).unwrap();
    String::from_utf8(bytes).unwrap()
}

/// The messages of all conditions.
pub(crate) fn messages(object: &DynamicObject) -> Vec<String> {
    let conditions = object
        .data
        .pointer("/status/conditions")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    conditions
        .iter()
        .filter_map(|condition| Some(condition.get("message")?.as_str()?.to_owned()))
        .collect()
}
