//! Caddy with smallstep's ACME server: no `meta` in the directory, no renewal information, no `Retry-After`, and a challenge that failed
//! stays pending until the client asks for another validation.

use crate::{
    everyday::{
        leaves_nothing, proves_a_name_and_its_wildcard, refuses, renews, says_what_it_does_not_find, scene_at,
        serves_an_ingress,
    },
    support::{
        Bed,
        acme_servers::Caddy,
        dns::{KNOT, Knot},
        scene::{ORDERS, certificate, field, solver},
    },
};

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn caddy_serves_an_annotated_ingress_over_http_01() {
    let bed = Bed::attach().await;
    if let Some(caddy) = Caddy::start(&bed, "Caddy over HTTP-01").await {
        serves_an_ingress(&caddy.acme).await;
    }
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn caddy_proves_a_name_and_its_wildcard_over_dns_01() {
    let bed = Bed::attach().await;
    if let Some(caddy) = Caddy::start(&bed, "Caddy over DNS-01").await {
        proves_a_name_and_its_wildcard(&caddy.acme).await;
    }
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn caddy_issues_again_what_is_to_be_renewed() {
    let bed = Bed::attach().await;
    if let Some(caddy) = Caddy::start(&bed, "a renewal at Caddy").await {
        renews(&caddy.acme).await;
    }
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn caddy_refuses_a_name_that_its_policy_denies_in_its_own_words() {
    let bed = Bed::attach().await;
    if let Some(caddy) = Caddy::start(&bed, "a name that Caddy refuses").await {
        refuses(&caddy.acme, "400 urn:ietf:params:acme:error:rejectedIdentifier: ").await;
    }
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn what_is_deleted_in_flight_at_caddy_leaves_nothing() {
    let bed = Bed::attach().await;
    if let Some(caddy) = Caddy::start(&bed, "a deletion in flight at Caddy").await {
        leaves_nothing(&caddy.acme).await;
    }
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn what_caddy_does_not_find_is_told_and_it_is_asked_to_look_again() {
    let bed = Bed::attach().await;
    let _knot = Knot::start().await;
    if let Some(caddy) = Caddy::start_with_resolver(&bed, "a record that Caddy does not find", KNOT).await {
        says_what_it_does_not_find(&caddy.acme, "urn:ietf:params:acme:error:").await;
    }
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_wrong_answer_ends_the_order_though_caddy_leaves_its_authorization_pending() {
    const ELSEWHERE: &str = "10.99.0.7";
    let bed = Bed::attach().await;
    let Some(caddy) = Caddy::start(&bed, "a wrong answer to Caddy").await else {
        return;
    };
    let listener = tokio::net::TcpListener::bind((ELSEWHERE, 80)).await.unwrap();
    let app = axum::Router::new().fallback(async || "something else");
    let server = tokio::spawn(async { axum::serve(listener, app).await.unwrap() });
    let unchecked = solver("traefik").replacen('{', "{waitInsteadOfSelfCheck: 1ms, ", 1);
    let (scene, _certlet) = scene_at(&caddy.acme, &unchecked).await;
    let host = scene.host("wrong");
    scene.bed.names().set_a(&host, &[ELSEWHERE]).await;
    scene.apply(&certificate("wrong", &[&host], "")).await;
    let reason = scene.order_says("urn:ietf:params:acme:error:").await;
    println!("{reason}");
    assert!(
        reason.starts_with(&format!("The CA's validation failed: {host}: ")),
        "{reason}"
    );
    assert_eq!(field(&scene.only(ORDERS).await, "/status/state"), "invalid");
    scene.tidy().await;
    server.abort();
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn caddy_does_not_offer_dns_persist_01_and_that_is_told_in_one_sentence() {
    let bed = Bed::attach().await;
    let Some(caddy) = Caddy::start(&bed, "a CA without dns-persist-01").await else {
        return;
    };
    let solver = "{dns01: {webhook: {groupName: certlet.io, solverName: dns-persist}}}";
    let (scene, _certlet) = scene_at(&caddy.acme, solver).await;
    let host = scene.host("persist");
    scene.apply(&certificate("persist", &[&host], "")).await;
    let sentence = format!("this CA does not offer dns-persist-01 for {host}");
    println!("{}", scene.told("persist", &sentence).await);
    assert!(scene.list(crate::support::scene::CHALLENGES).await.is_empty());
}
