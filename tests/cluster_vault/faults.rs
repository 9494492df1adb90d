//! What goes wrong, who can cure it, and that the cure is noticed.

use serde_json::json;

use crate::{
    PATH, Place, ROLE,
    support::{IN_TIME, Pair, condition_is, until},
};

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn refusals_of_the_role_fail_and_what_an_administrator_cures_waits() {
    let Some(place) = Place::open("faults of Vault").await else {
        return;
    };
    place.issuer("ca", json!({})).await;
    place.is_ready("ca").await;
    place.certificate_for("foreign", "ca", "www.foreign.net").await;
    let message = place.request_says("foreign", "not allowed by this role").await;
    assert!(
        message.starts_with(
            "Vault failed to sign certificate: Vault (10.99.0.6:8200) answered POST v1/pki/sign/names with 400"
        ),
        "{message}"
    );
    let requests = place.scene.objects(crate::REQUESTS).await;
    let failed = until(
        &requests,
        "foreign-1",
        IN_TIME,
        crate::support::condition_reason_is("Ready", "Failed"),
    )
    .await;
    assert!(failed.is_some());

    place.issuer("no-role", json!({"path": "pki/sign/missing"})).await;
    place.is_ready("no-role").await;
    let host = place.certificate("role", "no-role").await;
    place.request_says("role", "unknown role").await;
    place.issuer("no-mount", json!({"path": "nowhere/sign/x"})).await;
    place.is_ready("no-mount").await;
    place.certificate("mount", "no-mount").await;
    place.request_says("mount", "nothing is mounted there").await;
    place.issuer("no-right", json!({"path": "other/sign/x"})).await;
    place
        .is_refused(
            "no-right",
            "give one of its policies path \"other/sign/x\" the capability update",
        )
        .await;

    let role =
        json!({"allowed_domains": ["example"], "allow_subdomains": true, "key_type": "any", "require_cn": false});
    place.bao.write("pki/roles/missing", &role).await;
    place.scene.ready("role").await;
    place.verify("role", &host).await;
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_revoked_token_is_replaced_and_a_changed_secret_is_used_at_once() {
    let Some(place) = Place::open("tokens of Vault").await else {
        return;
    };
    place.issuer("ca", json!({})).await;
    place.is_ready("ca").await;
    place.certificate("first", "ca").await;
    place.scene.ready("first").await;
    place
        .bao
        .write("sys/leases/revoke-prefix/auth/approle", &json!({}))
        .await;
    let host = place.certificate("second", "ca").await;
    place.scene.ready("second").await;
    place.verify("second", &host).await;
    assert_eq!(place.requests("auth/approle/login"), 2);

    place.secret("bad", &json!({"token": "wrong"})).await;
    place
        .issuer("bad", json!({"auth": {"tokenSecretRef": {"name": "bad"}}}))
        .await;
    place.is_refused("bad", "POST v1/pki/sign/names with 403").await;
    let rights = json!({"policies": ["certlet"], "no_default_policy": true});
    let token = place.bao.write("auth/token/create", &rights).await;
    place
        .secret("bad", &json!({"token": token["auth"]["client_token"]}))
        .await;
    place.is_ready("bad").await;

    place.secret(ROLE, &json!({"id": "wrong"})).await;
    place.is_refused("ca", "invalid role or secret ID").await;
    place.secret(ROLE, &json!({"id": place.secret_id})).await;
    place.is_ready("ca").await;
    place.certificate("third", "ca").await;
    place.scene.ready("third").await;
    place.certlet.stop().await;
    assert!(place.requests("auth/token/revoke-self") >= 1, "{}", place.certlet.log());
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_sealed_vault_and_a_silent_one_hold_up_nobody_else() {
    let Some(place) = Place::open("a silent Vault").await else {
        return;
    };
    place.issuer("ca", json!({})).await;
    place.is_ready("ca").await;
    // a listener that accepts connections and never answers
    let silent = tokio::net::TcpListener::bind("10.99.0.6:8299").await.unwrap();
    let holding = tokio::spawn(async move {
        let mut held = Vec::new();
        loop {
            held.push(silent.accept().await.unwrap());
        }
    });
    for number in 0..40 {
        place
            .issuer(&format!("silent-{number}"), json!({"server": "http://10.99.0.6:8299"}))
            .await;
    }
    Pair::by_openssl("/CN=own")
        .await
        .store(&place.scene.bed, &place.scene.namespace, "own")
        .await;
    place.scene.apply(r#"{"apiVersion": "cert-manager.io/v1", "kind": "Issuer", "metadata": {"name": "own"}, "spec": {"ca": {"secretName": "own"}}}"#).await;
    place.is_ready("own").await;
    place.certificate("own", "own").await;
    place.scene.ready("own").await;
    let host = place.certificate("beside", "ca").await;
    place.scene.ready("beside").await;
    place.verify("beside", &host).await;
    holding.abort();

    let token = place
        .bao
        .write("auth/token/create", &json!({"policies": ["root"]}))
        .await;
    let token = token["auth"]["client_token"].as_str().unwrap().to_owned();
    place.secret("given", &json!({"token": format!("{token}\n")})).await;
    place
        .issuer(
            "given",
            json!({"auth": {"tokenSecretRef": {"name": "given"}}, "path": PATH}),
        )
        .await;
    place.is_ready("given").await;
    place.bao.write("sys/seal", &json!({})).await;
    place.certificate("sealed", "given").await;
    place.request_says("sealed", "sealed").await;
    let sealed = until(&place.issuers, "given", IN_TIME, condition_is("Ready", "False")).await;
    assert!(sealed.is_some());
    place.bao.unseal().await;
    place.scene.ready("sealed").await;
}
