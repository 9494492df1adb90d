//! Killed at every write to the API server and at every request to the CA, before and after the server has seen it, and started again:
//! one certificate, at most one further ACME order, and no record left at the name server.

use std::path::Path;

use kube::api::DynamicObject;

use crate::{
    stage::{KEY, Rfc2136, name_in, no_challenges, record_of, recursive, removed, tsig_secret},
    support::{
        Certlet, FaultProxy, IN_TIME, Moment, Pebble, PebbleOptions,
        dns::secret,
        eventually,
        scene::{CERTIFICATES, CHALLENGES, ORDERS, Scene, certificate, field, issuer},
    },
};

/// More writes than any issuance has: the loop ends at the first trap that does not spring.
const MOST_WRITES: usize = 40;

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn killed_at_any_write_to_the_api_server_it_leaves_no_record() {
    let stage = Stage::new().await;
    let proxy = FaultProxy::before_api_server(&stage.scene.bed).await;
    let kubeconfig = stage.scene.bed.kubeconfig_for(&proxy.url());
    stage
        .kill_at_each("writes to the API server", &proxy, &kubeconfig, 8)
        .await;
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn killed_at_any_request_to_the_ca_it_leaves_no_record() {
    let stage = Stage::new().await;
    let kubeconfig = stage.scene.bed.kubeconfig();
    stage
        .kill_at_each("requests to the CA", &stage.acme, &kubeconfig, 5)
        .await;
}

/// A CA behind a proxy, and an issuer that is ready.
pub(crate) struct Stage {
    pub(crate) scene: Scene,
    pub(crate) pebble: Pebble,
    pub(crate) acme: FaultProxy,
}

impl Stage {
    pub(crate) async fn new() -> Self {
        let scene = Scene::new().await;
        // refused nonces would move the points at which it is killed
        let options = PebbleOptions {
            nonce_reject_percent: 0,
            ..PebbleOptions::default()
        };
        let pebble = Pebble::start(&scene.bed, options).await;
        let acme = FaultProxy::before_pebble(&scene.bed, &pebble).await;
        scene.apply(&tsig_secret("tsig", &secret(KEY))).await;
        let solver = Rfc2136::default().solver();
        scene
            .apply(&issuer("Issuer", &acme.directory(), &scene.bed.pebble(), &solver, ""))
            .await;
        let certlet = Certlet::start(&scene.bed, &[&recursive()]).await;
        scene.issuer_is_ready().await;
        certlet.stop().await;
        Self { scene, pebble, acme }
    }

    /// Issues certificates with a kill at the first write through `proxy`, at the second, and so on, until an issuance has no more.
    async fn kill_at_each(&self, what: &str, proxy: &FaultProxy, kubeconfig: &Path, at_least: usize) {
        for moment in [Moment::BeforeForward, Moment::BeforeReply] {
            let mut nth = 1;
            while self.issue_with_a_kill(proxy, kubeconfig, nth, moment).await {
                nth += 1;
                assert!(nth < MOST_WRITES, "it never ends");
            }
            println!("{moment:?}: {} {what}, killed at each", nth - 1);
            assert!(nth > at_least, "an issuance has more {what} than that");
        }
    }

    /// Issues one certificate with a kill at the n-th write; says whether that write came.
    async fn issue_with_a_kill(&self, proxy: &FaultProxy, kubeconfig: &Path, nth: usize, moment: Moment) -> bool {
        let Self { scene, pebble, acme } = self;
        let when = if moment == Moment::BeforeForward {
            "before"
        } else {
            "after"
        };
        let name = format!("k{nth}-{when}");
        let host = name_in(scene, &name, "dns01.example");
        let launch = || Certlet::launch(&scene.bed).kubeconfig(kubeconfig).args(&[&recursive()]);
        let certlet = launch().ready().await;
        let made = new_orders(acme);
        let killer = certlet.killer();
        proxy.on_write(nth, moment, move || async move { killer.kill() });
        scene.apply(&certificate(&name, &[&host], "")).await;
        let certificates = scene.objects(CERTIFICATES).await;
        eventually("it is killed, or done", IN_TIME, async || {
            if certlet.killer().ended().is_some() {
                return Some(());
            }
            let is_ready = |object: &DynamicObject| object.data.to_string().contains(r#""reason":"Ready""#);
            let done = certificates
                .get_opt(&name)
                .await
                .unwrap()
                .is_some_and(|object| is_ready(&object));
            (done && scene.list(CHALLENGES).await.is_empty()).then_some(())
        })
        .await;
        if !proxy.has_killed(&certlet).await {
            certlet.stop().await;
            return false;
        }
        drop(certlet);
        let second = launch().ready().await;
        scene.ready(&name).await;
        no_challenges(scene).await;
        removed(&record_of(&host)).await;
        scene.verify_secret(&format!("{name}-tls"), pebble, 0, &host).await;
        let begins = format!("{name}-");
        let mut orders = scene.list(ORDERS).await;
        orders.retain(|order| order.metadata.name.as_deref().unwrap().starts_with(&begins));
        let [order] = &orders[..] else {
            panic!("{name}: one Order, and not {}", orders.len())
        };
        assert_eq!(field(order, "/status/state"), "valid", "{name}");
        let made = new_orders(acme) - made;
        assert!((1..=2).contains(&made), "{name}: {made} ACME orders for one kill");
        second.stop().await;
        true
    }
}

/// How many orders the CA has made.
fn new_orders(acme: &FaultProxy) -> usize {
    let is_order = |path: &str, status| path.contains("/order-plz") && status == Some(201);
    let writes = acme.writes();
    writes
        .iter()
        .filter(|write| is_order(&write.head.path, write.status))
        .count()
}
