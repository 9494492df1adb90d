//! What goes wrong, who can cure it, and that the cure is noticed.

use serde_json::json;

use crate::{
    Place,
    support::{
        Certlet, IN_TIME, eventually,
        scene::{REQUESTS, field, messages},
    },
};

const PICKUP_ID: &str = "/metadata/annotations/venafi.cert-manager.io~1pickup-id";

/// The pick-up id of the request of a Certificate.
async fn pickup_id(place: &Place, certificate: &str) -> String {
    let requests = place.scene.objects(REQUESTS).await;
    eventually("the pick-up id in the request", IN_TIME, async || {
        let request = requests.get(&format!("{certificate}-1")).await.ok()?;
        Some(field(&request, PICKUP_ID)).filter(|id| !id.is_empty())
    })
    .await
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_certlet_that_is_killed_while_the_server_issues_fetches_under_the_same_pickup_id() {
    let Some(place) = Place::open("pick-up ids of Venafi").await else {
        return;
    };
    place.issuer("tpp", place.self_hosted("user")).await;
    place.is_ready("tpp").await;
    place.set(json!({"pending": true})).await;
    let host = place.certificate("web", "tpp").await;
    let id = pickup_id(&place, "web").await;
    assert_eq!(id, format!(r"\VED\Policy\Certificates\{host}"));
    place
        .request_says(
            "web",
            "certificate still in a pending state, the request will be retried",
        )
        .await;
    place.request_is("web", "Pending").await;
    place.certlet.kill();
    place.certlet.ended().await;
    place.set(json!({"pending": false})).await;
    let _next = Certlet::launch(&place.scene.bed).ready().await;
    place.scene.ready("web").await;
    place.verify("web", &host).await;
    assert_eq!(pickup_id(&place, "web").await, id);
    assert_eq!(place.count("/certificates/request").await, 1);
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_wrong_credential_makes_the_issuer_not_ready_until_it_is_corrected() {
    let Some(place) = Place::open("credentials of Venafi").await else {
        return;
    };
    place.set(json!({"user": "another"})).await;
    place.issuer("user", place.self_hosted("user")).await;
    place
        .is_refused(
            "user",
            "OAuth token request failed: Certificate Manager, Self-Hosted (10.99.0.6:8443) answered",
        )
        .await;
    place
        .is_refused("user", "invalid_grant; Username/password combination not valid")
        .await;
    let issuer = place.issuers.get("user").await.unwrap();
    assert_eq!(issuer.data["status"]["conditions"][0]["reason"], "AuthFailed");
    assert!(!issuer.data.to_string().contains("\"password\""));
    place
        .secret("user", &json!({"username": "certlet", "password": "another"}))
        .await;
    place.is_ready("user").await;

    place.set(json!({"token": "revoked"})).await;
    place.issuer("token", place.self_hosted("token")).await;
    place.is_refused("token", "the token is not valid").await;
    place.set(json!({"token": "managed-token"})).await;
    place.is_ready("token").await;

    let mut spec = place.self_hosted("missing");
    place.issuer("missing", spec.clone()).await;
    place
        .is_refused(
            "missing",
            "Failed to setup Certificate Manager issuer: error building client: secret",
        )
        .await;
    place.secret("missing", &json!({"username": "certlet"})).await;
    place.is_refused("missing", "no TPP credentials configured").await;
    spec["zone"] = json!("Elsewhere");
    spec["tpp"]["credentialsRef"]["name"] = json!("user");
    place.issuer("zone", spec).await;
    place
        .is_refused("zone", r"PolicyDN: \VED\Policy\Elsewhere does not exist")
        .await;
    // a token that the server has forgotten is replaced in the middle of a request
    place.set(json!({"user": "another"})).await;
    place.issue("again", "user").await;
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn refusals_fail_with_the_servers_words_and_outages_wait() {
    let Some(place) = Place::open("refusals of Venafi").await else {
        return;
    };
    place.issuer("tpp", place.self_hosted("user")).await;
    place.is_ready("tpp").await;
    place.set(json!({"refuse": "no more certificates for you"})).await;
    place.certificate("refused", "tpp").await;
    let message = place.request_says("refused", "no more certificates for you").await;
    assert!(
        message.starts_with("Failed to request certificate from Certificate Manager: Certificate Manager, Self-Hosted"),
        "{message}"
    );
    place.request_is("refused", "Failed").await;
    place.set(json!({"refuse": ""})).await;

    place
        .certificate_with("policy", "tpp", "www.foreign.net", &json!({}))
        .await;
    place
        .request_says(
            "policy",
            "common name \"www.foreign.net\" is not allowed in this policy",
        )
        .await;
    place.request_is("policy", "Failed").await;

    place.set(json!({"failed": "Post CSR failed with error: no CA"})).await;
    place.certificate("stopped", "tpp").await;
    let message = place.request_says("stopped", "Post CSR failed with error: no CA").await;
    assert!(
        message.starts_with("Failed to obtain certificate from Certificate Manager: "),
        "{message}"
    );
    place.request_is("stopped", "Failed").await;
    place.set(json!({"failed": ""})).await;

    let requests = place.scene.objects(REQUESTS).await;
    for (status, words) in [(503, "with 503"), (429, "with 429")] {
        let name = format!("outage-{status}");
        place.set(json!({"status": status})).await;
        let host = place.certificate(&name, "tpp").await;
        // whichever is noticed first: by the request, or by the check of its issuer
        eventually(words, IN_TIME, async || {
            let request = requests.get(&format!("{name}-1")).await.ok()?;
            let issuer = place.issuers.get("tpp").await.ok()?;
            let said = [messages(&request), messages(&issuer)].concat();
            said.iter().any(|message| message.contains(words)).then_some(())
        })
        .await;
        place.request_is(&name, "Pending").await;
        place.set(json!({"status": 0})).await;
        place.scene.ready(&name).await;
        place.verify(&name, &host).await;
    }

    place.set(json!({"issuer": true})).await;
    place.certificate("foreign-key", "tpp").await;
    place
        .request_says("foreign-key", "the certificate is for another key than the request")
        .await;
    place.request_is("foreign-key", "Failed").await;
}
