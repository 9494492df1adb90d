//! Killed at every write to the API server, before and after the server has seen it, and started again: one certificate, and no record
//! left at the name server.

use kube::api::DynamicObject;

use crate::{
    stage::{Rfc2136, name_in, no_challenges, record_of, recursive, removed, scene_with},
    support::{
        Certlet, FaultProxy, IN_TIME, Moment, eventually,
        scene::{CERTIFICATES, CHALLENGES, Scene, certificate},
    },
};

/// More writes than any issuance has: the loop ends at the first trap that does not spring.
const MOST_WRITES: usize = 40;

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn killed_at_any_write_to_the_api_server_it_leaves_no_record() {
    let scene = scene_with(&Rfc2136::default().solver()).await;
    let certlet = Certlet::start(&scene.bed, &[&recursive()]).await;
    scene.issuer_is_ready().await;
    certlet.stop().await;
    let proxy = FaultProxy::before_api_server(&scene.bed).await;
    let kubeconfig = scene.bed.kubeconfig_for(&proxy.url());
    for moment in [Moment::BeforeForward, Moment::BeforeReply] {
        let mut nth = 1;
        while issue_with_a_kill(&scene, &proxy, &kubeconfig, nth, moment).await {
            nth += 1;
            assert!(nth < MOST_WRITES, "it never ends");
        }
        println!("{moment:?}: {} writes to the API server, killed at each", nth - 1);
        assert!(nth > 8, "an issuance has more writes than that");
    }
}

/// Issues one certificate with a kill at the n-th write; says whether that write came.
async fn issue_with_a_kill(
    scene: &Scene,
    proxy: &FaultProxy,
    kubeconfig: &std::path::Path,
    nth: usize,
    moment: Moment,
) -> bool {
    let when = if moment == Moment::BeforeForward {
        "before"
    } else {
        "after"
    };
    let name = format!("k{nth}-{when}");
    let host = name_in(scene, &name, "dns01.example");
    let launch = || Certlet::launch(&scene.bed).kubeconfig(kubeconfig).args(&[&recursive()]);
    let certlet = launch().ready().await;
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
    scene
        .verify_secret(&format!("{name}-tls"), &scene.bed.pebble(), 0, &host)
        .await;
    second.stop().await;
    true
}
