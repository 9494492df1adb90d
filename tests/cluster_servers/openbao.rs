//! OpenBao: plain HTTP, no renewal information, no `Retry-After`, and validations in the background.

use serde_json::{Value, json};

use crate::{
    everyday::{
        issuer, leaves_nothing, proves_a_name_and_its_wildcard, refuses, renews, says_what_it_does_not_find,
        serves_an_ingress, verify,
    },
    support::{
        Bed, Certlet, IN_TIME,
        acme_servers::OpenBao,
        condition_is, condition_reason_is,
        dns::{KNOT, Knot},
        eventually,
        scene::{ISSUERS, Scene, messages, solver},
        until,
    },
};

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn openbao_serves_an_annotated_ingress_over_http_01() {
    let bed = Bed::attach().await;
    if let Some(bao) = OpenBao::start(&bed, "OpenBao over HTTP-01").await {
        serves_an_ingress(&bao.acme).await;
    }
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn openbao_proves_a_name_and_its_wildcard_over_dns_01() {
    let bed = Bed::attach().await;
    if let Some(bao) = OpenBao::start(&bed, "OpenBao over DNS-01").await {
        proves_a_name_and_its_wildcard(&bao.acme).await;
    }
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn openbao_issues_again_what_is_to_be_renewed() {
    let bed = Bed::attach().await;
    if let Some(bao) = OpenBao::start(&bed, "a renewal at OpenBao").await {
        renews(&bao.acme).await;
    }
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn openbao_refuses_a_name_that_its_role_does_not_allow_in_its_own_words() {
    let bed = Bed::attach().await;
    if let Some(bao) = OpenBao::start(&bed, "a name that OpenBao refuses").await {
        refuses(&bao.acme, "400 urn:ietf:params:acme:error:rejectedIdentifier: ").await;
    }
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn what_is_deleted_in_flight_at_openbao_leaves_nothing() {
    let bed = Bed::attach().await;
    if let Some(bao) = OpenBao::start(&bed, "a deletion in flight at OpenBao").await {
        leaves_nothing(&bao.acme).await;
    }
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn openbao_binds_an_account_to_an_external_one_and_says_what_is_missing() {
    let bed = Bed::attach().await;
    let Some(bao) = OpenBao::start(&bed, "an external account at OpenBao").await else {
        return;
    };
    let (id, key) = bao.require_external_account().await;
    let scene = Scene::new().await;
    let _certlet = Certlet::start(&scene.bed, &[]).await;
    let issuers = scene.objects(ISSUERS).await;
    let is_refused = async |words: &str| {
        let what = format!("{words:?} in the conditions of the issuer");
        let message = eventually(&what, IN_TIME, async || {
            let refused = until(
                &issuers,
                "ca",
                IN_TIME,
                condition_reason_is("Ready", "ErrRegisterACMEAccount"),
            )
            .await;
            messages(&refused?).into_iter().find(|message| message.contains(words))
        })
        .await;
        println!("{message}");
    };
    scene.apply(&issuer(&bao.acme, &solver("traefik"), Value::Null)).await;
    is_refused("urn:ietf:params:acme:error:externalAccountRequired").await;

    let binding = json!({"externalAccountBinding": {"keyID": id, "keySecretRef": {"name": "eab", "key": "key"}}});
    let secret = |key: &str| {
        let secret =
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "eab"}, "stringData": {"key": key}});
        secret.to_string()
    };
    scene.apply(&secret("d3Jvbmc")).await;
    scene.apply(&issuer(&bao.acme, &solver("traefik"), binding)).await;
    // OpenBao has no better word for a binding that another key signed
    is_refused("500 urn:ietf:params:acme:error:serverInternal: ").await;

    scene.apply(&secret(&key)).await;
    until(&issuers, "ca", IN_TIME, condition_is("Ready", "True")).await;
    let host = scene.certificate("bound").await;
    scene.ready("bound").await;
    verify(&scene, &bao.acme, "bound-tls", &host).await;
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn what_openbao_does_not_find_is_told_while_it_goes_on_looking() {
    let bed = Bed::attach().await;
    if let Some(bao) = OpenBao::start(&bed, "a record that OpenBao does not find").await {
        let _knot = Knot::start().await;
        bao.resolve_at(KNOT).await;
        says_what_it_does_not_find(&bao.acme, "400 urn:ietf:params:acme:error:incorrectResponse: ").await;
    }
}
