//! Killed at every write, before and after the server has seen it, and started again: one certificate, one Order, at most
//! one further ACME order per kill, and nothing left behind.

use kube::api::DynamicObject;

use super::scene::{CERTIFICATES, CHALLENGES, ORDERS, REQUESTS, SECRETS, Scene, certificate, field};
use crate::support::{Certlet, FaultProxy, IN_TIME, Moment, Pebble, PebbleOptions, eventually};

/// More writes than any issuance has: the loop ends at the first trap that does not spring.
const MOST_WRITES: usize = 40;

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn killed_at_any_write_to_the_api_server_it_issues_one_certificate_and_leaves_nothing() {
    let stage = Stage::new().await;
    let proxy = FaultProxy::before_api_server(&stage.scene.bed).await;
    let kubeconfig = stage.scene.bed.kubeconfig_for(&proxy.url());
    for moment in [Moment::BeforeForward, Moment::BeforeReply] {
        let mut nth = 1;
        while stage.issue_with_a_kill(&proxy, &kubeconfig, nth, moment).await {
            nth += 1;
            assert!(nth < MOST_WRITES, "it never ends");
        }
        println!("{moment:?}: {} writes to the API server, killed at each", nth - 1);
        assert!(nth > 8, "an issuance has more writes than that");
    }
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn killed_at_any_request_to_the_ca_it_issues_one_certificate_and_leaves_nothing() {
    let stage = Stage::new().await;
    let kubeconfig = stage.scene.bed.kubeconfig();
    for moment in [Moment::BeforeForward, Moment::BeforeReply] {
        let mut nth = 1;
        while stage.issue_with_a_kill(&stage.acme, &kubeconfig, nth, moment).await {
            nth += 1;
            assert!(nth < MOST_WRITES, "it never ends");
        }
        println!("{moment:?}: {} requests to the CA, killed at each", nth - 1);
        assert!(nth > 5, "an issuance has more requests than that");
    }
}

/// A CA behind a proxy, and an issuer that is ready.
pub(super) struct Stage {
    pub(super) scene: Scene,
    pub(super) pebble: Pebble,
    pub(super) acme: FaultProxy,
}

impl Stage {
    pub(super) async fn new() -> Self {
        let scene = Scene::new().await;
        // refused nonces would move the points at which it is killed
        let pebble = Pebble::start(
            &scene.bed,
            PebbleOptions {
                nonce_reject_percent: 0,
                ..PebbleOptions::default()
            },
        )
        .await;
        let acme = FaultProxy::before_pebble(&scene.bed, &pebble).await;
        scene.issuer(&acme.directory(), "traefik").await;
        let certlet = Certlet::start(&scene.bed, &[]).await;
        scene.issuer_is_ready().await;
        certlet.stop().await;
        Self { scene, pebble, acme }
    }

    /// Issues one certificate with a kill at the n-th write through `proxy`; says whether that write came.
    async fn issue_with_a_kill(
        &self,
        proxy: &FaultProxy,
        kubeconfig: &std::path::Path,
        nth: usize,
        moment: Moment,
    ) -> bool {
        let Self { scene, pebble, acme } = self;
        let name = format!(
            "k{nth}-{}",
            if moment == Moment::BeforeForward {
                "before"
            } else {
                "after"
            }
        );
        let host = scene.host(&name);
        let certlet = Certlet::launch(&scene.bed).kubeconfig(kubeconfig).ready().await;
        let (orders_before, issued_before) = (new_orders(acme), issued(acme));
        let killer = certlet.killer();
        proxy.on_write(nth, moment, move || async move { killer.kill() });
        scene.apply(&certificate(&name, &[&host], "")).await;
        let ready = scene.objects(CERTIFICATES).await;
        eventually("it is killed, or done", IN_TIME, async || {
            if certlet.killer().ended().is_some() {
                return Some(());
            }
            let is_ready = |object: &DynamicObject| object.data.to_string().contains(r#""reason":"Ready""#);
            let done = ready
                .get_opt(&name)
                .await
                .unwrap()
                .is_some_and(|object| is_ready(&object));
            (done && scene.strays().await.is_empty() && scene.list(CHALLENGES).await.is_empty()).then_some(())
        })
        .await;
        if !proxy.has_killed(&certlet).await {
            certlet.stop().await;
            return false;
        }
        drop(certlet);
        let second = Certlet::launch(&scene.bed).kubeconfig(kubeconfig).ready().await;
        scene.ready(&name).await;
        scene.tidy().await;
        eventually("the Challenges are gone", IN_TIME, async || {
            scene.list(CHALLENGES).await.is_empty().then_some(())
        })
        .await;
        let of = |objects: Vec<DynamicObject>| -> Vec<DynamicObject> {
            let begins = format!("{name}-");
            objects
                .into_iter()
                .filter(|one| {
                    one.metadata
                        .name
                        .as_deref()
                        .is_some_and(|full| full.starts_with(&begins))
                })
                .collect()
        };
        let orders = of(scene.list(ORDERS).await);
        assert_eq!(orders.len(), 1, "{name}: one Order");
        assert_eq!(field(&orders[0], "/status/state"), "valid", "{name}");
        assert_eq!(of(scene.list(REQUESTS).await).len(), 1, "{name}: one request");
        // the next key goes after its certificate has been stored
        eventually(
            &format!("{name}: only the target Secret is left"),
            IN_TIME,
            async || (of(scene.list(SECRETS).await).len() == 1).then_some(()),
        )
        .await;
        let made = new_orders(acme) - orders_before;
        assert!((1..=2).contains(&made), "{name}: {made} ACME orders for one kill");
        assert_eq!(issued(acme) - issued_before, 1, "{name}: one certificate");
        scene.verify_secret(&format!("{name}-tls"), pebble, 0, &host).await;
        second.stop().await;
        true
    }
}

/// How many orders the CA has made.
pub(super) fn new_orders(acme: &FaultProxy) -> usize {
    acme.writes()
        .iter()
        .filter(|write| write.head.path.contains("/order-plz") && write.status == Some(201))
        .count()
}

/// How often the CA has accepted a signing request: how many certificates it has issued.
pub(super) fn issued(acme: &FaultProxy) -> usize {
    acme.writes()
        .iter()
        .filter(|write| write.head.path.contains("/finalize-order/") && write.status == Some(200))
        .count()
}
