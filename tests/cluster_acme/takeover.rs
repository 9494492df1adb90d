//! Two replicas, and the leader is killed in the middle of an order: the other one finishes it.

use super::kills::{Stage, issued, new_orders};
use super::scene::{ORDERS, Scene, certificate, field};
use crate::support::certlet::Launch;
use crate::support::{Bed, Certlet, Head, IN_TIME, Moment, eventually};

/// The addresses that the first and the second certlet of a test answer at.
const ADDRESSES: [&str; 2] = [
    "--acme-http01-advertise-address=10.99.0.1",
    "--acme-http01-advertise-address=10.99.0.3",
];

/// A certlet that leads, or takes over within seconds.
fn replica(bed: &Bed, args: &[&str]) -> Launch {
    let lease = [
        "--leader-election-lease-duration=5s",
        "--leader-election-renew-deadline=3s",
        "--leader-election-retry-period=1s",
    ];
    Certlet::launch(bed).leader_election().args(&lease).args(args)
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_standby_takes_an_order_over_when_the_leader_is_killed_in_the_middle() {
    let scene = Scene::new().await;
    let pebble = scene.bed.pebble();
    let leader = replica(&scene.bed, &ADDRESSES).ready().await;
    scene.issuer(pebble.directory(), "traefik").await;
    scene.issuer_is_ready().await;
    let _standby = replica(&scene.bed, &ADDRESSES).spawn();
    let host = scene.stuck_certificate("handed").await;
    drop(leader);
    scene.bed.names().clear_a(&host).await;
    // at the address of the one that was killed: every advertised address has to answer
    let _third = replica(&scene.bed, &ADDRESSES).spawn();
    scene.ready("handed").await;
    assert_eq!(scene.list(ORDERS).await.len(), 1);
    scene.tidy().await;
}

/// Between the leader's word to the CA and the CA's validation nobody leads; the standby answers all the same.
#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_standby_answers_the_ca_that_the_killed_leader_has_told_and_finishes_its_order() {
    let stage = Stage::new().await;
    let [_, of_standby] = ADDRESSES;
    let orders = stage.hand_over("answered", &[of_standby]).await;
    assert_eq!(orders, 1, "the order that the leader made was finished");
}

/// The CA finds nobody while it validates: what it declared invalid for that is ordered once more, and only once.
#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_standby_orders_once_more_what_nobody_answered_for_after_the_leader_was_killed() {
    let stage = Stage::new().await;
    // each advertises itself alone
    let orders = stage.hand_over("unanswered", &[]).await;
    assert_eq!(orders, 2, "the one that was lost, and another");
}

impl Stage {
    /// Issues a certificate whose leader is killed when it tells the CA to validate, before the CA hears of it. Returns how many
    /// ACME orders were made.
    async fn hand_over(&self, name: &str, leaders: &[&str]) -> usize {
        let Self { scene, pebble, acme } = self;
        let leader = replica(&scene.bed, leaders).ready().await;
        leader.wait_for_log("leading").await;
        let standby = replica(&scene.bed, &[]).ready().await;
        standby.wait_for_log("standing by").await;
        let (made, signed) = (new_orders(acme), issued(acme));
        let killer = leader.killer();
        let accepts = |head: &Head| head.path.contains("/chalZ/");
        acme.on_first(accepts, Moment::OnTheWay, move || async move { killer.kill() });
        let host = scene.host(name);
        scene.apply(&certificate(name, &[&host], "")).await;
        eventually("the leader is killed", IN_TIME, async || {
            leader.killer().ended().map(drop)
        })
        .await;
        scene.ready(name).await;
        scene.tidy().await;
        scene.verify_secret(&format!("{name}-tls"), pebble, 0, &host).await;
        let [order] = &scene.list(ORDERS).await[..] else {
            panic!("one Order")
        };
        assert_eq!(field(order, "/status/state"), "valid");
        assert_eq!(issued(acme) - signed, 1, "one certificate");
        standby.stop().await;
        new_orders(acme) - made
    }
}
