//! From `kubectl apply` to the certificate, over DNS-01: Pebble finds the records at BIND.

use kube::api::DeleteParams;

use crate::{
    stage::{
        Rfc2136, both, challenge_says, following, name_in, no_challenges, open, prepare, record_of, recursive, removed,
        scene_with, written,
    },
    support::{
        Certlet,
        dns::{BIND, dig_txt},
        openssl,
        scene::{CERTIFICATES, CHALLENGES, ISSUERS, ORDERS, SECRETS, Scene, certificate, decoded, field, solver},
    },
};

/// A name in the zone of BIND that no other test uses.
fn name(scene: &Scene, name: &str) -> String {
    name_in(scene, name, "dns01.example")
}

/// The DNS names of the certificate in a Secret, as openssl shows them.
async fn sans(scene: &Scene, secret: &str) -> String {
    let secret = scene.objects(SECRETS).await.get(secret).await.unwrap();
    openssl(
        &["x509", "-noout", "-ext", "subjectAltName"],
        &decoded(&secret, "/data/tls.crt"),
    )
    .await
}

/// A solver that writes the record and then waits for an hour.
fn waiting() -> String {
    let solver = Rfc2136 {
        more: "waitInsteadOfSelfCheck: 1h, ",
        ..Rfc2136::default()
    };
    solver.solver()
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn one_name_is_proved_and_its_record_removed_with_no_more_writes_than_over_http() {
    let (scene, _certlet) = open().await;
    scene.issuer_is_ready().await;
    let host = name(&scene, "one");
    let mark = scene.bed.audit_mark().await;
    scene.apply(&certificate("one", &[&host], "")).await;
    scene.ready("one").await;
    no_challenges(&scene).await;
    removed(&record_of(&host)).await;
    scene.verify_secret("one-tls", &scene.bed.pebble(), 0, &host).await;
    let writes: Vec<_> = scene.bed.writes_since(mark).await;
    let own: Vec<_> = writes
        .iter()
        .filter(|write| write.namespace == scene.namespace && !write.resource.starts_with("issuers"))
        .filter(|write| !write.agent.starts_with("kubectl"))
        .collect();
    for write in &own {
        println!("  {} {} {} {}", write.verb, write.resource, write.name, write.code);
    }
    assert!(own.len() <= 16, "{}", own.len());
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_name_and_its_wildcard_are_proved_beside_each_other_in_one_certificate() {
    let (scene, _certlet) = open().await;
    let host = name(&scene, "apex");
    scene
        .apply(&certificate("both", &[&host, &format!("*.{host}")], ""))
        .await;
    scene.ready("both").await;
    let sans = sans(&scene, "both-tls").await;
    assert!(
        sans.contains(&format!("DNS:{host}")) && sans.contains(&format!("DNS:*.{host}")),
        "{sans}"
    );
    no_challenges(&scene).await;
    removed(&record_of(&host)).await;
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn one_order_proves_a_name_by_http_and_a_wildcard_by_dns_as_the_selectors_say() {
    let scene = scene_with(&both()).await;
    let _certlet = Certlet::start(&scene.bed, &[&recursive()]).await;
    let (by_http, by_dns) = (scene.host("web"), name(&scene, "wild"));
    let names = [by_http.as_str(), &format!("*.{by_dns}")];
    scene.apply(&certificate("mixed", &names, "")).await;
    scene.ready("mixed").await;
    let sans = sans(&scene, "mixed-tls").await;
    assert!(names.iter().all(|name| sans.contains(&format!("DNS:{name}"))), "{sans}");
    scene.tidy().await;
    no_challenges(&scene).await;
    removed(&record_of(&by_dns)).await;
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn one_name_is_proved_in_two_namespaces_at_once_by_dns_and_by_http() {
    // the zone leads this name to the ingress controller, too
    const HOST: &str = "two-ways.dns01.example";
    let by_dns = scene_with(&Rfc2136::default().solver()).await;
    let by_http = by_dns.another().await;
    prepare(&by_http, &solver("traefik")).await;
    let _certlet = Certlet::start(&by_dns.bed, &[&recursive()]).await;
    for scene in [&by_dns, &by_http] {
        scene.apply(&certificate("web", &[HOST], "")).await;
    }
    for scene in [&by_dns, &by_http] {
        scene.ready("web").await;
        scene.verify_secret("web-tls", &scene.bed.pebble(), 0, HOST).await;
        scene.tidy().await;
        no_challenges(scene).await;
    }
    removed(&record_of(HOST)).await;
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_cname_is_followed_where_the_solver_says_so_and_named_where_it_does_not() {
    let scene = scene_with(&Rfc2136::default().solver()).await;
    let _certlet = Certlet::start(&scene.bed, &[&recursive()]).await;
    scene.apply(&certificate("alias", &["alias.dns01.example"], "")).await;
    let sentence = scene.told("alias", "set cnameStrategy: Follow").await;
    assert!(sentence.contains("_acme-challenge.alias.other.example"), "{sentence}");
    challenge_says(&scene, "set cnameStrategy: Follow").await;
    assert_eq!(dig_txt(BIND, "_acme-challenge.alias.other.example").await, [""; 0]);
    prepare(&scene, &following()).await;
    scene.ready("alias").await;
    no_challenges(&scene).await;
    removed("_acme-challenge.alias.other.example").await;
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_wildcard_cname_is_not_followed_and_a_loop_is_shown_as_found() {
    let scene = scene_with(&following()).await;
    let _certlet = Certlet::start(&scene.bed, &[&recursive()]).await;
    scene.apply(&certificate("wild", &["x.wild.dns01.example"], "")).await;
    scene.apply(&certificate("loop", &["loop.dns01.example"], "")).await;
    scene.ready("wild").await;
    removed("_acme-challenge.x.wild.dns01.example").await;
    let sentence = scene.told("loop", "is a loop").await;
    assert!(sentence.contains("loop.other.example"), "{sentence}");
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn what_is_deleted_in_flight_leaves_no_record_and_hangs_nothing() {
    let scene = scene_with(&waiting()).await;
    let _certlet = Certlet::start(&scene.bed, &[&recursive()]).await;
    // the Order, which its request makes again
    let host = name(&scene, "order");
    scene.apply(&certificate("order", &[&host], "")).await;
    written(&record_of(&host)).await;
    let challenge = scene.only(CHALLENGES).await;
    assert_eq!(
        field(&challenge, "/metadata/annotations/certlet.io~1dns01-record"),
        format!("{} dns01.example", record_of(&host))
    );
    let before = dig_txt(BIND, &record_of(&host)).await;
    let order = scene.only(ORDERS).await;
    let orders = scene.objects(ORDERS).await;
    orders
        .delete(order.metadata.name.as_deref().unwrap(), &DeleteParams::default())
        .await
        .unwrap();
    crate::support::eventually("its record is gone", crate::support::IN_TIME, async || {
        let now = dig_txt(BIND, &record_of(&host)).await;
        before.iter().all(|value| !now.contains(value)).then_some(())
    })
    .await;
    // the Certificate
    scene
        .objects(CERTIFICATES)
        .await
        .delete("order", &DeleteParams::default())
        .await
        .unwrap();
    no_challenges(&scene).await;
    removed(&record_of(&host)).await;
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_namespace_that_goes_with_issuer_and_secret_leaves_no_record() {
    let scene = scene_with(&waiting()).await;
    let _certlet = Certlet::start(&scene.bed, &[&recursive()]).await;
    let host = name(&scene, "gone");
    scene.apply(&certificate("gone", &[&host], "")).await;
    written(&record_of(&host)).await;
    scene
        .objects(SECRETS)
        .await
        .delete("tsig", &DeleteParams::default())
        .await
        .unwrap();
    scene
        .objects(ISSUERS)
        .await
        .delete("ca", &DeleteParams::default())
        .await
        .unwrap();
    scene
        .bed
        .kubectl(&["delete", "namespace", &scene.namespace, "--wait=true", "--timeout=60s"])
        .await;
    removed(&record_of(&host)).await;
}
