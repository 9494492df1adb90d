//! A namespace with an issuer that proves names by DNS-01 at BIND.

use kube::api::DynamicObject;

use crate::support::{
    Certlet, IN_TIME,
    dns::{BIND, RESOLVER, dig_txt, secret},
    eventually,
    scene::{CHALLENGES, Scene, certificate, field, issuer, solver},
};

/// The key that may write every TXT record.
pub(crate) const KEY: &str = "certlet-sha256";

/// The recursive name server of the bed.
pub(crate) fn recursive() -> String {
    format!("--dns01-recursive-nameservers={RESOLVER}")
}

/// A name in a zone that no other test uses.
pub(crate) fn name_in(scene: &Scene, name: &str, zone: &str) -> String {
    scene.host(name).replace("example", zone)
}

/// Where the record of a name is.
pub(crate) fn record_of(name: &str) -> String {
    format!("_acme-challenge.{name}")
}

/// What of an rfc2136 solver a test changes.
pub(crate) struct Rfc2136<'a> {
    /// `host:port`.
    pub(crate) nameserver: &'a str,
    /// Name of the key.
    pub(crate) key: &'a str,
    /// Name of the Secret.
    pub(crate) secret: &'a str,
    /// Key in the Secret.
    pub(crate) entry: &'a str,
    /// Further fields of the solver, inside its braces.
    pub(crate) more: &'a str,
}

impl Default for Rfc2136<'_> {
    fn default() -> Self {
        Self {
            nameserver: BIND,
            key: KEY,
            secret: "tsig",
            entry: "secret",
            more: "",
        }
    }
}

impl Rfc2136<'_> {
    /// The solver.
    pub(crate) fn solver(&self) -> String {
        let Self {
            nameserver,
            key,
            secret,
            entry,
            more,
        } = self;
        format!(
            "{{{more}dns01: {{rfc2136: {{nameserver: {nameserver:?}, tsigKeyName: {key}, tsigAlgorithm: HMACSHA256, \
             tsigSecretSecretRef: {{name: {secret}, key: {entry}}}}}}}}}"
        )
    }
}

/// The solver that follows CNAMEs.
pub(crate) fn following() -> String {
    let solver = Rfc2136::default().solver();
    solver.replace("dns01: {", "dns01: {cnameStrategy: Follow, ")
}

/// A Secret with the text of a TSIG key under `secret`.
pub(crate) fn tsig_secret(name: &str, text: &str) -> String {
    format!("---\napiVersion: v1\nkind: Secret\nmetadata: {{name: {name}}}\nstringData: {{secret: {text:?}}}\n")
}

/// A new namespace with the Secret `tsig`, and an Issuer `ca` with these solvers.
pub(crate) async fn scene_with(solvers: &str) -> Scene {
    let scene = Scene::new().await;
    prepare(&scene, solvers).await;
    scene
}

/// Gives a namespace the Secret `tsig`, and an Issuer `ca` with these solvers.
pub(crate) async fn prepare(scene: &Scene, solvers: &str) {
    scene.apply(&tsig_secret("tsig", &secret(KEY))).await;
    let pebble = scene.bed.pebble();
    scene
        .apply(&issuer("Issuer", pebble.directory(), &pebble, solvers, ""))
        .await;
}

/// A new namespace with one DNS-01 solver, and a certlet.
pub(crate) async fn open() -> (Scene, Certlet) {
    let scene = scene_with(&Rfc2136::default().solver()).await;
    let certlet = Certlet::start(&scene.bed, &[&recursive()]).await;
    (scene, certlet)
}

/// Solvers for both types: HTTP-01 by default, DNS-01 for names in `dns01.example`.
pub(crate) fn both() -> String {
    let dns = Rfc2136 {
        more: "selector: {dnsZones: [dns01.example]}, ",
        ..Rfc2136::default()
    };
    format!("{}, {}", solver("traefik"), dns.solver())
}

/// A Certificate for a name in this zone; the name.
pub(crate) async fn wish(scene: &Scene, name: &str, zone: &str) -> String {
    let host = name_in(scene, name, zone);
    scene.apply(&certificate(name, &[&host], "")).await;
    host
}

/// Waits until BIND has a record of this name.
pub(crate) async fn written(name: &str) {
    eventually(&format!("a TXT record of {name}"), IN_TIME, async || {
        (!dig_txt(BIND, name).await.is_empty()).then_some(())
    })
    .await;
}

/// Waits until BIND has no record of this name.
pub(crate) async fn removed(name: &str) {
    eventually(&format!("no TXT record of {name}"), IN_TIME, async || {
        let values = dig_txt(BIND, name).await;
        // an alias that a wildcard makes is no TXT record
        (!values.iter().any(|value| value.starts_with('"'))).then_some(())
    })
    .await;
}

/// Waits until the namespace has no Challenge.
pub(crate) async fn no_challenges(scene: &Scene) {
    eventually("the Challenges are gone", IN_TIME, async || {
        scene.list(CHALLENGES).await.is_empty().then_some(())
    })
    .await;
}

/// Waits until the reason of a Challenge contains a text; the Challenge.
pub(crate) async fn challenge_says(scene: &Scene, text: &str) -> DynamicObject {
    eventually(&format!("{text:?} in the reason of a Challenge"), IN_TIME, async || {
        let challenges = scene.list(CHALLENGES).await;
        challenges
            .into_iter()
            .find(|one| field(one, "/status/reason").contains(text))
    })
    .await
}
