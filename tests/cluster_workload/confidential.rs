//! Nothing that certlet says is confidential: `make test` runs this module when all other beds have ended, over every log, Event, condition and
//! metric of all of them.

use serde_json::json;

use crate::support::Bed;
use crate::support::audit::EarlierBeds;
use crate::support::command::{openssl, run};
use crate::support::confidential::{Known, Said, Volume, leaks};

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn no_log_event_condition_or_metric_of_any_test_has_keys_tokens_or_pem() {
    let _bed = Bed::attach().await;
    // without the other beds there is nothing to judge: make cluster
    let Some(earlier) = EarlierBeds::find() else { return };
    let (audits, said) = (earlier.audits(), earlier.said());
    assert_eq!(audits, said.len(), "a bed has not left what was said in it");
    let mut volume = Volume::default();
    let found: Vec<String> = said
        .iter()
        .flat_map(|folder| Said::in_folder(folder).leaks(&mut volume))
        .collect();
    assert!(found.is_empty(), "{} leaks:\n{}", found.len(), found.join("\n"));
    for (kind, at_least) in [
        ("log lines", 1_000),
        ("Events", 500),
        ("messages", 500),
        ("metrics", 10_000),
    ] {
        let seen = volume.texts.get(kind).copied().unwrap_or_default();
        assert!(seen >= at_least, "only {seen} {kind} were seen: {volume:?}");
    }
    assert!(volume.known >= 500, "few Secrets were seen: {volume:?}");
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn what_is_planted_is_found() {
    let key = openssl(
        &["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
        "",
    )
    .await;
    let rsa = openssl(&["genpkey", "-algorithm", "RSA"], "").await;
    let older = openssl(&["ec"], &key).await;
    let token = run("kubectl", &["create", "token", "default"]).await;
    let encoded = |text: &str| base64::Engine::encode(&base64::prelude::BASE64_STANDARD, text);
    let secrets = json!({"items": [
        {"type": "Opaque", "data": {"password": encoded("not-a-word-of-any-language"), "user": encoded("shop")}},
    ]});
    let known = Known::of(&secrets);
    let body = |pem: &str| pem.lines().nth(1).unwrap().to_owned();
    for (planted, kind) in [
        (key.clone(), "a body of PEM: "),
        (format!("level=info key={}", encoded(&key)), "PEM: "),
        (format!("it is {}", body(&key)), "a body of PEM: "),
        (format!("it is \"{}\"", body(&rsa)), "a body of PEM: "),
        (format!("it is {}", body(&older)), "a body of PEM: "),
        (format!("Authorization: Bearer {token}"), "a token: "),
        (
            "the server refuses not-a-word-of-any-language.".to_owned(),
            "a value of a Secret: ",
        ),
    ] {
        let found = leaks(&planted, &known);
        assert!(
            found.first().is_some_and(|leak| leak.starts_with(kind)),
            "{planted}: {found:?}"
        );
    }
    let harmless = "2026-01-01T00:00:00Z  INFO certlet: issued certificate=shop/web serial=03a1b2c3d4e5f60718293a4b5c6d7e8f9012 \
                    uri=https://ca.example/acme/acct/1 path=/.well-known/acme-challenge/0123456789abcdef user shop";
    assert_eq!(leaks(harmless, &known), Vec::<String>::new());
}
