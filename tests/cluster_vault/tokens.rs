//! The life of tokens: renewal, tokens that cannot be renewed or have few uses, namespaces, and a server that limits calls.

use serde_json::json;

use crate::{
    Place, ROLE, app_role, login,
    support::{
        IN_TIME,
        command::split_pem,
        openssl_verify,
        scene::{SECRETS, decoded},
    },
};

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_short_token_is_renewed_and_not_replaced() {
    let Some(place) = Place::open("renewal of Vault's tokens").await else {
        return;
    };
    let auth = place.login("short", &json!({"token_ttl": "18s"})).await;
    place.issuer("ca", json!({"auth": auth})).await;
    place.is_ready("ca").await;
    let started = tokio::time::Instant::now();
    let mut number = 0;
    while place.requests("auth/token/renew-self") == 0 {
        assert!(started.elapsed() < IN_TIME, "{}", place.certlet.log());
        place.issue(&format!("renewed-{number}"), "ca").await;
        number += 1;
    }
    place.issue("after", "ca").await;
    assert_eq!(place.requests("auth/approle/login"), 1);
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn batch_tokens_and_tokens_with_few_uses_sign() {
    let Some(place) = Place::open("kinds of Vault's tokens").await else {
        return;
    };
    let auth = place
        .login("batch", &json!({"token_type": "batch", "token_ttl": "20m"}))
        .await;
    place.issuer("batch", json!({"auth": auth})).await;
    place.is_ready("batch").await;
    for number in 0..3 {
        place.issue(&format!("batch-{number}"), "batch").await;
    }
    assert_eq!(place.requests("auth/approle/login"), 1);

    let auth = place
        .login("few", &json!({"token_num_uses": 3, "token_ttl": "20m"}))
        .await;
    place.issuer("few", json!({"auth": auth})).await;
    place.is_ready("few").await;
    for number in 0..4 {
        place.issue(&format!("few-{number}"), "few").await;
    }
    // the question about rights and four certificates are five uses
    assert_eq!(place.requests("auth/approle/login"), 3);
    place.certlet.stop().await;
    // a batch token cannot be revoked; the other one has a use left
    assert_eq!(place.requests("auth/token/revoke-self"), 1);
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_replaced_login_is_revoked_while_certlet_runs() {
    let Some(place) = Place::open("revocation of Vault's tokens").await else {
        return;
    };
    place.issuer("ca", json!({})).await;
    place.is_ready("ca").await;
    let secret_id = place.bao.write("auth/approle/role/approle/secret-id", &json!({})).await;
    place.secret(ROLE, &json!({"id": secret_id["data"]["secret_id"]})).await;
    crate::support::eventually("the first token is revoked", IN_TIME * 2, async || {
        (place.requests("auth/token/revoke-self") == 1).then_some(())
    })
    .await;
    place.issue("after", "ca").await;
    assert_eq!(place.requests("auth/approle/login"), 2);
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_namespace_has_its_own_logins_and_engines() {
    let Some(place) = Place::open("namespaces of Vault").await else {
        return;
    };
    let bao = &place.bao;
    bao.write("sys/namespaces/team", &json!({})).await;
    bao.write(
        "team/sys/mounts/pki",
        &json!({"type": "pki", "config": {"max_lease_ttl": "8760h"}}),
    )
    .await;
    let subject = json!({"common_name": "Team Root", "key_type": "ec", "key_bits": 256, "ttl": "8000h"});
    let root = bao.write("team/pki/root/generate/internal", &subject).await;
    let root = root["data"]["certificate"].as_str().unwrap();
    let role =
        json!({"allowed_domains": ["example"], "allow_subdomains": true, "key_type": "any", "require_cn": false});
    bao.write("team/pki/roles/names", &role).await;
    let policy = json!({"policy": "path \"pki/sign/*\" { capabilities = [\"update\"] }"});
    bao.write("team/sys/policies/acl/certlet", &policy).await;
    bao.write("team/sys/auth/approle", &json!({"type": "approle"})).await;
    let role = json!({"token_policies": ["certlet"], "token_ttl": "20m"});
    let secret_id = app_role(bao, "team/", "team", &role).await;
    place.secret("team", &json!({"id": secret_id})).await;

    place.issuer("outside", json!({"auth": login("team")})).await;
    place.is_refused("outside", "invalid role or secret ID").await;
    place
        .issuer("team", json!({"auth": login("team"), "namespace": "team"}))
        .await;
    place.is_ready("team").await;
    let host = place.certificate("team", "team").await;
    place.scene.ready("team").await;
    let secret = place.scene.objects(SECRETS).await.get("team-tls").await.unwrap();
    let chain = split_pem(&decoded(&secret, "/data/tls.crt"));
    openssl_verify(root, &chain, &host).await.unwrap();
    assert_eq!(decoded(&secret, "/data/ca.crt").trim(), root.trim());
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_limit_of_calls_delays_certificates_and_refuses_none() {
    let Some(place) = Place::open("limits of Vault").await else {
        return;
    };
    place.issuer("ca", json!({})).await;
    place.is_ready("ca").await;
    let headers = json!({"enable_rate_limit_response_headers": true});
    place.bao.write("sys/quotas/config", &headers).await;
    let quota = json!({"path": "pki/", "rate": 2, "interval": "8s"});
    place.bao.write("sys/quotas/rate-limit/pki", &quota).await;
    for number in 0..5 {
        place.certificate(&format!("limited-{number}"), "ca").await;
    }
    let requests = place.scene.objects(crate::REQUESTS).await;
    let message = crate::support::eventually("a request that is limited", IN_TIME, async || {
        let all = requests.list(&kube::api::ListParams::default()).await.ok()?;
        let mut messages = all.items.iter().flat_map(crate::messages);
        messages.find(|message| message.contains("it limits the number of calls"))
    });
    let message = message.await;
    assert!(message.contains("POST v1/pki/sign/names with 429"), "{message}");
    for number in 0..5 {
        place.scene.ready(&format!("limited-{number}")).await;
    }
    let issuer = place.issuers.get("ca").await.unwrap();
    assert_eq!(issuer.data["status"]["conditions"][0]["status"], "True");
}
