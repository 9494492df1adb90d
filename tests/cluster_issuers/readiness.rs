//! What makes an issuer ready, or says why it is not.

use std::time::Duration;

use serde_json::{Value, json};

use crate::Place;
use crate::support::shop::condition;
use crate::support::{IN_TIME, Pair, condition_is, eventually, until};

/// For half a minute nothing is written in the namespace, and little is read.
async fn is_left_in_peace(place: &Place) {
    let mark = place.bed.audit_mark().await;
    let before = place.bed.requests().await;
    // The span in which nothing may happen cannot be waited for in another way than by waiting.
    tokio::time::sleep(Duration::from_secs(30)).await;
    let writes = place.bed.writes_since(mark).await;
    let ours: Vec<_> = writes
        .iter()
        .filter(|write| write.namespace == place.namespace && write.agent.starts_with("certlet"))
        .collect();
    assert!(ours.is_empty(), "{ours:?}");
    let during = place.bed.requests().await.since(&before);
    println!("in half a minute, with issuers that cannot become ready:\n{during}");
    assert!(during.total() < 120, "{during}");
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn servers_that_cannot_work_are_explained_cause_no_hot_loop_and_are_cured_by_an_edit() {
    let place = Place::new().await;
    let cases = [
        (
            "refused",
            json!({"server": "https://127.0.0.1:1/dir"}),
            "ErrRegisterACMEAccount",
            "did not answer",
        ),
        (
            "nobody",
            json!({"server": "https://no-such-host.invalid/dir"}),
            "ErrRegisterACMEAccount",
            "did not answer",
        ),
        (
            "page",
            json!({"server": place.bed.pebble().directory().replace("/dir", "/")}),
            "ErrRegisterACMEAccount",
            "is not the directory of an ACME server",
        ),
        (
            "missing",
            json!({"server": place.bed.pebble().directory().replace("/dir", "/nothing")}),
            "ErrRegisterACMEAccount",
            "status 404",
        ),
        (
            "v1",
            json!({"server": "https://acme-v01.api.letsencrypt.org/directory"}),
            "InvalidConfig",
            "acme-v02.api.letsencrypt.org",
        ),
        ("nonsense", json!({"server": "pebble"}), "InvalidURL", "pebble"),
        (
            "untrusted",
            json!({"caBundle": Value::Null}),
            "ErrRegisterACMEAccount",
            "spec.acme.caBundle",
        ),
    ];
    for (name, wrong, _, _) in &cases {
        place.acme_issuer(name, wrong).await;
    }
    for (name, _, reason, words) in &cases {
        let message = place.is_refused(name, reason).await;
        assert!(message.contains(words), "{name}: {message}");
        // cert-manager records a URL that is none under a reason of its own alone (RDY-06)
        let event = if *reason == "InvalidURL" {
            *reason
        } else {
            "ErrInitIssuer"
        };
        assert!(place.told(name, event).await.contains(words));
    }
    is_left_in_peace(&place).await;
    for (name, ..) in &cases {
        place.acme_issuer(name, &json!({})).await;
    }
    for (name, ..) in &cases {
        place.is_ready(name).await;
    }
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn issuers_without_a_server_are_judged_by_what_they_hold() {
    let place = Place::new().await;
    place.issuer("self", &json!({"selfSigned": {}})).await;
    assert_eq!(condition(&place.is_ready("self").await, "Ready")["reason"], "IsReady");

    place.issuer("ca", &json!({"ca": {"secretName": "ca-key-pair"}})).await;
    let message = place.is_refused("ca", "ErrGetKeyPair").await;
    assert!(message.contains("secret \"ca-key-pair\" not found"), "{message}");
    assert_eq!(place.told("ca", "ErrGetKeyPair").await, message);
    assert!(place.told("ca", "ErrInitIssuer").await.contains("not found"));
    let made = Pair::by_openssl("/CN=ca").await;
    place
        .secret("ca-key-pair", json!({"tls.key": made.key, "tls.crt": made.certificate}))
        .await;
    let judged = condition(&place.is_ready("ca").await, "Ready");
    assert_eq!(
        (&judged["reason"], &judged["message"]),
        (&json!("KeyPairVerified"), &json!("Signing CA verified"))
    );
    assert_eq!(place.told("ca", "KeyPairVerified").await, "Signing CA verified");

    let vault = json!({"vault": {"server": "https://vault.example", "path": "pki/sign/x", "auth": {"tokenSecretRef": {"name": "t"}}}});
    place.issuer("vault", &vault).await;
    let message = place.is_refused("vault", "VaultError").await;
    assert!(message.contains("not found"), "{message}");

    let gateway = json!({"solvers": [{"http01": {"gatewayHTTPRoute": {"parentRefs": [{"name": "g"}]}}}]});
    place.acme_issuer("gateway", &gateway).await;
    place.is_ready("gateway").await;
    let issuer = until(
        &place.issuers,
        "gateway",
        IN_TIME,
        condition_is("SolversSupported", "False"),
    )
    .await
    .unwrap();
    assert!(
        issuer.data["status"]
            .to_string()
            .contains("spec.acme.solvers[0] (http01.gatewayHTTPRoute)")
    );
    place.told("gateway", "UnsupportedSolver").await;
}

/// As cert-manager's own end-to-end tests have it: a Secret that is missing, and one without the key.
#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn acc_09_an_issuer_whose_dns_solvers_lack_a_secret_is_not_ready_until_it_is_there() {
    let place = Place::new().await;
    let token = json!({"cloudflare": {"apiTokenSecretRef": {"name": "token", "key": "test"}}});
    let tsig = json!({"nameserver": "10.99.0.3:53", "tsigKeyName": "k", "tsigSecretSecretRef": {"name": "tsig", "key": "secret"}});
    let solvers = json!({"solvers": [{"dns01": token}, {"dns01": {"rfc2136": tsig}}]});
    place.acme_issuer("dns", &solvers).await;
    let message = place.is_refused("dns", "InvalidSolver").await;
    println!("{message}");
    for words in [
        "failed to get secret \"token\": spec.acme.solvers[0] needs it",
        "failed to get secret \"tsig\": spec.acme.solvers[1] needs it",
    ] {
        assert!(message.contains(words), "{message}");
    }
    assert!(
        place
            .told("dns", "ErrInitIssuer")
            .await
            .contains("failed to get secret")
    );
    place.secret("tsig", json!({"secret": "x"})).await;
    place.secret("token", json!({"key": ""})).await;
    let what = "the message names the key that is missing, and nothing else";
    let without_key = "the secret \"token\" does not have key \"test\", which spec.acme.solvers[0] needs";
    eventually(what, IN_TIME, async || {
        (place.is_refused("dns", "InvalidSolver").await == without_key).then_some(())
    })
    .await;
    place.secret("token", json!({"test": "x"})).await;
    place.is_ready("dns").await;
    // and what was ready is not when its Secret goes
    place
        .bed
        .kubectl(&["delete", "secret", "-n", &place.namespace, "tsig"])
        .await;
    let message = place.is_refused("dns", "InvalidSolver").await;
    assert!(message.starts_with("failed to get secret \"tsig\""), "{message}");
    place.secret("tsig", json!({"secret": "x"})).await;
    place.is_ready("dns").await;
}
