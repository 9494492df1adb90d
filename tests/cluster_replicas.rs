//! Several replicas, and an API server that goes away.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod support;

use std::time::Duration;

use kube::api::DynamicObject;
use support::certlet::Launch;
use support::scene::{CHALLENGES, ORDERS, SLICES, Scene, field};
use support::{Bed, Certlet, FaultProxy, IN_TIME, condition_is, curl_status, eventually, scene, until};

const SELF_SIGNED: &str = r"
apiVersion: cert-manager.io/v1
kind: Issuer
metadata: {name: own}
spec: {selfSigned: {}}
";

fn certificate(name: &str) -> String {
    format!(
        "apiVersion: cert-manager.io/v1\nkind: Certificate\nmetadata: {{name: {name}}}\nspec:\n  secretName: {name}\n  dnsNames: [{name}.example]\n  \
         privateKey: {{algorithm: ECDSA}}\n  issuerRef: {{name: own}}\n"
    )
}

async fn ready(bed: &Bed, namespace: &str, name: &str) {
    let certificates = bed.objects("cert-manager.io/v1", "Certificate", Some(namespace)).await;
    until(&certificates, name, IN_TIME, condition_is("Ready", "True")).await;
}

async fn holder(bed: &Bed) -> String {
    let leases = bed
        .objects("coordination.k8s.io/v1", "Lease", Some("kube-system"))
        .await;
    let lease: Option<DynamicObject> = leases.get_opt("cert-manager-controller").await.unwrap();
    let lease = lease.map(|lease| lease.data);
    let holder = lease
        .as_ref()
        .and_then(|lease| lease["spec"]["holderIdentity"].as_str());
    holder.unwrap_or_default().to_owned()
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_leader_that_ends_hands_over_and_only_one_replica_ever_writes() {
    let bed = Bed::attach().await;
    bed.forget_leaders().await;
    bed.install_crds().await;
    let namespace = bed.new_namespace().await;
    bed.apply(&namespace, SELF_SIGNED).await;

    let mark = bed.audit_mark().await;
    let replica = |name: &str| Certlet::launch(&bed).leader_election().variable("POD_NAME", name);
    let first = replica("replica-one").ready().await;
    first.wait_for_log("leading").await;
    let one = holder(&bed).await;
    let second = replica("replica-two").ready().await;
    second.wait_for_log("standing by").await;
    bed.apply(&namespace, &certificate("before")).await;
    ready(&bed, &namespace, "before").await;
    assert_eq!(holder(&bed).await, one, "a standby takes nothing from a living leader");
    let of_objects = ["certmanager_certificate_", "certmanager_issuer_"];
    let (_, page) = first.page("/metrics").await.unwrap();
    assert!(of_objects.iter().all(|family| page.contains(family)), "{page}");
    let (_, page) = second.page("/metrics").await.unwrap();
    assert!(!of_objects.iter().any(|family| page.contains(family)), "{page}");

    assert!(first.stop().await.success());
    second.wait_for_log("leading").await;
    let two = holder(&bed).await;
    assert!(two != one && !two.is_empty(), "{one} {two}");
    bed.apply(&namespace, &certificate("after")).await;
    ready(&bed, &namespace, "after").await;

    assert!(second.stop().await.success());
    assert_eq!(holder(&bed).await, "", "whoever ends gives the Lease back");

    // who may ask what everybody may write nothing down
    let audited = bed.writes_since(mark).await.into_iter();
    let audited =
        audited.filter(|write| write.agent.starts_with("certlet/") && !write.resource.starts_with("selfsubject"));
    let writers: Vec<(String, String)> = audited.map(|write| (write.replica, write.namespace)).collect();
    for replica in ["replica-one", "replica-two"] {
        let own = writers
            .iter()
            .filter(|writer| **writer == (replica.to_owned(), namespace.clone()));
        assert!(own.count() >= 3, "{replica} issued nothing: {writers:?}");
    }
    let mut turns: Vec<&str> = writers.iter().map(|(replica, _)| replica.as_str()).collect();
    turns.dedup();
    assert_eq!(turns, ["replica-one", "replica-two"]);
}

/// Leads nowhere: an order for a name with this address waits.
const NOWHERE: &str = "10.99.0.77";
/// Where Traefik answers.
const TRAEFIK: &str = "10.99.0.1:80";

/// A replica as in a pod, which knows the address that it is reached at.
fn replica(bed: &Bed, address: &str) -> Launch {
    Certlet::launch(bed)
        .leader_election()
        .variable("POD_IP", address)
        .args(&[
            &format!("--acme-http01-listen-address={address}:8089"),
            &format!("--acme-http01-advertise-address={address}"),
        ])
}

/// Begins an order whose name leads nowhere, and returns the host and the URL of the challenge once Traefik serves it.
async fn waiting_order(scene: &Scene, name: &str) -> (String, String) {
    scene.issuer(scene.bed.pebble().directory(), "traefik").await;
    let host = scene.host(name);
    scene.bed.names().set_a(&host, &[NOWHERE]).await;
    scene.apply(&scene::certificate(name, &[&host], "")).await;
    scene.told(name, NOWHERE).await;
    let challenge = scene.list(CHALLENGES).await.pop().unwrap();
    let token = field(&challenge, "/spec/token");
    let url = format!("http://{host}/.well-known/acme-challenge/{token}");
    eventually("the challenge behind Traefik", IN_TIME, async || {
        (curl_status(&url, TRAEFIK).await.0 == 200).then_some(())
    })
    .await;
    (host, url)
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_leader_that_ends_in_mid_order_answers_until_the_ingress_leads_to_its_successor() {
    let scene = Scene::new().await;
    scene.bed.forget_leaders().await;
    let bed = &scene.bed;
    let first = replica(bed, "10.99.0.5").ready().await;
    first.wait_for_log("leading").await;
    let second = replica(bed, "10.99.0.6").ready().await;
    second.wait_for_log("standing by").await;
    let (host, url) = waiting_order(&scene, "handed-over").await;

    // What the CA would see at any moment of the change.
    let (over, mut is_over) = tokio::sync::watch::channel(false);
    let asking = tokio::spawn({
        let url = url.clone();
        async move {
            let mut wrong = Vec::new();
            while !*is_over.borrow_and_update() {
                let (status, _) = curl_status(&url, TRAEFIK).await;
                if status != 200 {
                    wrong.push(status);
                }
            }
            wrong
        }
    });
    first.signal("TERM");
    first.wait_for_log("answering challenges until").await;
    assert_eq!(first.page("/readyz").await.unwrap(), (503, "ending\n".to_owned()));
    assert_eq!(curl_status(&url, "10.99.0.5:8089").await.0, 200);
    second.wait_for_log("leading").await;
    assert!(first.ended().await.success());
    assert!(!first.log().contains("still led here"), "{}", first.log());
    over.send_replace(true);
    assert_eq!(asking.await.unwrap(), Vec::<u16>::new());
    let slices = scene.list(SLICES).await;
    let endpoints = field(&slices[0], "/endpoints");
    assert!(
        endpoints.contains("10.99.0.6") && !endpoints.contains("10.99.0.5"),
        "{endpoints}"
    );

    bed.names().clear_a(&host).await;
    scene.ready("handed-over").await;
    assert_eq!(scene.list(ORDERS).await.len(), 1);
    scene.tidy().await;
    assert!(second.stop().await.success());
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_second_signal_and_a_persons_interrupt_end_it_at_once_in_mid_order() {
    let scene = Scene::new().await;
    scene.bed.forget_leaders().await;
    let certlet = replica(&scene.bed, "10.99.0.5").ready().await;
    certlet.wait_for_log("leading").await;
    let (_, url) = waiting_order(&scene, "left-alone").await;
    certlet.signal("TERM");
    certlet.wait_for_log("answering challenges until").await;
    eventually("the Lease is given back", IN_TIME, async || {
        holder(&scene.bed).await.is_empty().then_some(())
    })
    .await;
    certlet.signal("TERM");
    assert!(certlet.ended().await.success());
    assert!(certlet.log().contains("received a second signal"), "{}", certlet.log());

    let certlet = replica(&scene.bed, "10.99.0.5").ready().await;
    certlet.wait_for_log("leading").await;
    eventually("its answers", IN_TIME, async || {
        (curl_status(&url, "10.99.0.5:8089").await.0 == 200).then_some(())
    })
    .await;
    certlet.signal("INT");
    assert!(certlet.ended().await.success());
    assert!(
        !certlet.log().contains("answering challenges until"),
        "{}",
        certlet.log()
    );
    assert_eq!(holder(&scene.bed).await, "", "whoever ends gives the Lease back");

    let delete = ["delete", "certificate", "-n", &scene.namespace, "left-alone"];
    scene.bed.kubectl(&delete).await;
}

/// The Lease of an installation that nobody has ever seen, held until the end of days, by a name that terminals obey.
fn forged_lease(seconds: i32) -> String {
    format!(
        "apiVersion: coordination.k8s.io/v1\nkind: Lease\nmetadata: {{name: cert-manager-controller}}\nspec:\n  \
         holderIdentity: \"tenant\\e[2K\\nleading\"\n  leaseDurationSeconds: {seconds}\n  renewTime: \"2099-01-01T00:00:00.000000Z\"\n"
    )
}

/// Whether the page of metrics has this sample.
async fn says(certlet: &Certlet, sample: &str) -> bool {
    let (_, page) = certlet.page("/metrics").await.unwrap();
    page.lines().any(|line| line == sample)
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_lease_in_a_tenants_namespace_keeps_nobody_from_leading() {
    let bed = Bed::attach().await;
    bed.forget_leaders().await;
    bed.install_crds().await;
    let tenant = bed.new_namespace().await;
    bed.apply(&tenant, &forged_lease(i32::MAX)).await;
    let certlet = Certlet::launch(&bed).leader_election().ready().await;
    certlet.wait_for_log("leading").await;
    assert!(!certlet.log().contains("standing by"), "{}", certlet.log());
    assert!(says(&certlet, "certlet_standing_by 0").await);
    assert!(says(&certlet, "certlet_leader 1").await);
    assert!(certlet.stop().await.success());
    bed.forget_leaders().await;
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_lease_that_nobody_renews_is_waited_for_as_long_as_it_lasts_whatever_time_it_names() {
    let bed = Bed::attach().await;
    bed.forget_leaders().await;
    bed.install_crds().await;
    let owned = bed.new_namespace().await;
    bed.apply(&owned, &forged_lease(4)).await;
    // an installation's own rights end at its own Lease: looking at others' takes more
    let certlet = Certlet::launch(&bed)
        .leader_election()
        .kubeconfig(&bed.kubeconfig())
        .args(&[&format!("--other-installations-namespaces={owned}")])
        .spawn();
    certlet.wait_for_log("Unless it renews the Lease").await;
    assert!(
        certlet.log().contains(r"tenant\u{1b}[2K\nleading holds"),
        "{}",
        certlet.log()
    );
    eventually("it leads", IN_TIME, async || {
        let (_, page) = certlet.page("/metrics").await.ok()?;
        page.contains("certlet_leader 1\n").then_some(())
    })
    .await;
    assert!(says(&certlet, "certlet_standing_by 0").await);
    assert!(certlet.stop().await.success());
    bed.forget_leaders().await;
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_second_installation_with_a_lease_of_its_own_stands_by_while_the_first_renews_and_says_so() {
    let bed = Bed::attach().await;
    bed.forget_leaders().await;
    bed.install_crds().await;
    let elsewhere = bed.new_namespace().await;
    let admin = bed.kubeconfig();
    let renewing_often = "--leader-election-retry-period=1s";
    let first = Certlet::launch(&bed)
        .leader_election()
        .args(&[renewing_often])
        .ready()
        .await;
    first.wait_for_log("leading").await;
    let namespace = format!("--leader-election-namespace={elsewhere}");
    let second = Certlet::launch(&bed)
        .leader_election()
        .kubeconfig(&admin)
        .args(&[&namespace])
        .ready()
        .await;
    second.wait_for_log("another installation is at work").await;
    let (status, text) = second.page("/readyz").await.unwrap();
    let held = format!(
        "{} renews the Lease cert-manager-controller in namespace kube-system",
        holder(&bed).await
    );
    assert_eq!(status, 200, "{text}");
    assert!(text.contains(&held), "{text} does not name {held}");
    assert!(says(&second, "certlet_standing_by 1").await);
    assert!(says(&second, "certlet_leader 0").await);
    assert_eq!(second.log().matches("another installation is at work").count(), 1);
    let leases = bed.objects("coordination.k8s.io/v1", "Lease", Some(&elsewhere)).await;
    assert!(
        leases.get_opt("cert-manager-controller").await.unwrap().is_none(),
        "it takes no Lease of its own"
    );
    assert!(first.stop().await.success());
    second.wait_for_log("leading").await;
    // the next test finds a Lease that nobody holds
    assert!(second.stop().await.success());
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn after_seventy_seconds_without_an_api_server_the_same_process_goes_on() {
    let bed = Bed::attach().await;
    bed.forget_leaders().await;
    bed.install_crds().await;
    let namespace = bed.new_namespace().await;
    bed.apply(&namespace, SELF_SIGNED).await;
    let proxy = FaultProxy::before_api_server(&bed).await;
    let kubeconfig = bed.kubeconfig_for(&proxy.url());
    let certlet = Certlet::launch(&bed)
        .leader_election()
        .kubeconfig(&kubeconfig)
        .ready()
        .await;
    certlet.wait_for_log("leading").await;
    bed.apply(&namespace, &certificate("before")).await;
    ready(&bed, &namespace, "before").await;

    proxy.go_away();
    bed.apply(&namespace, &certificate("meanwhile")).await;
    // longer than the Lease lasts: the outage is what is tested, there is no event to await
    tokio::time::sleep(Duration::from_secs(70)).await;
    certlet.wait_for_log("lost the leadership").await;
    let (live, _) = certlet.page("/livez").await.unwrap();
    assert_eq!(live, 200, "an API server that is away is no reason to be restarted");
    proxy.come_back();

    ready(&bed, &namespace, "meanwhile").await;
    eventually("the Lease is held again", IN_TIME, async || {
        (!holder(&bed).await.is_empty()).then_some(())
    })
    .await;
    assert!(certlet.stop().await.success());
}
