//! What a call makes of the answers: which requests follow, and which do not.

use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use certlet::acme::accounts::ensure;
use certlet::acme::jws::ExternalAccount;
use certlet::acme::order::NewOrderRequest;
use certlet::acme::problem::Kind;
use certlet::acme::registration::Step;
use certlet::acme::transport::Settings;
use certlet::acme::{Error, Next};
use certlet::net::{Observer, Unobserved};
use certlet::process::metrics::RequestLabels;
use serde_json::{Value, json};

use super::server::{Reply, Server, answer, client, problem};
use super::{now, order, placed};

#[tokio::test]
async fn an_order_is_placed_again_without_replaces_only_when_that_can_help() {
    let server = Server::start().await;
    let account = server.account();
    let request = NewOrderRequest {
        replaces: Some("aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE".into()),
        ..order()
    };
    server.on("/order", [problem(409, "alreadyReplaced", ""), placed(&server)]);
    let made = account.new_order(&request).await.unwrap();
    assert!(made.replaces_refused.unwrap().contains("replaced already"));
    let sent: Vec<_> = server
        .seen("/order")
        .iter()
        .map(|seen| seen.payload["replaces"].clone())
        .collect();
    assert_eq!(sent, [json!("aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE"), Value::Null]);

    for (reply, kind) in [
        (problem(429, "rateLimited", ""), Kind::RateLimited),
        (problem(400, "rejectedIdentifier", ""), Kind::RejectedIdentifier),
    ] {
        let before = server.seen("/order").len();
        server.on("/order", [reply]);
        let error = account.new_order(&request).await.unwrap_err();
        assert_eq!(
            (error.problem().unwrap().kind, server.seen("/order").len()),
            (kind, before + 1)
        );
    }
    let profile = NewOrderRequest {
        profile: Some("long".into()),
        ..order()
    };
    let before = server.seen("/order").len();
    let error = account.new_order(&profile).await.unwrap_err();
    let error_text = error.to_string();
    assert!(
        error_text.starts_with("acme: certificate authority does not advertise a profile with name long; ")
            && error_text.ends_with(" offers classic, short"),
        "{error}"
    );
    assert_eq!(
        (error.next(now()), server.seen("/order").len()),
        (Next::UserMustAct, before),
        "AOR-05"
    );
}

#[tokio::test]
async fn an_account_is_looked_up_before_it_is_made_and_the_binding_is_used_only_to_make_it() {
    let server = Server::start().await;
    let made = answer(201, r#"{"status":"valid"}"#).with(&format!("Location: {}", server.url("/acct/1")));
    let found = answer(200, r#"{"status":"valid"}"#).with(&format!("Location: {}", server.url("/acct/1")));
    server.on("/account", [problem(400, "accountDoesNotExist", ""), made, found]);
    server.on("/acct/1", [answer(200, r#"{"status":"valid"}"#)]);
    let client = server.client();
    let external = ExternalAccount::new("kid-1", b"c2VjcmV0").unwrap();
    assert!(
        ensure(&client, "Ops@example.com", None, Some(&external))
            .await
            .unwrap()
            .created
    );
    let sent = server.seen("/account");
    assert_eq!(sent[0].payload, json!({"onlyReturnExisting": true}));
    assert_eq!(sent[1].payload["contact"], json!(["mailto:ops@example.com"]));
    assert!(sent[1].payload["externalAccountBinding"]["protected"].is_string());
    assert!(
        sent.iter()
            .all(|request| request.header["jwk"].is_object() && request.header["kid"].is_null())
    );

    // A server that hides contacts is told once.
    ensure(&client, "ops@example.com", Some("ops@example.com"), Some(&external))
        .await
        .unwrap();
    assert_eq!((server.seen("/account").len(), server.seen("/acct/1").len()), (3, 0));
    ensure(&client, "new@example.com", Some("ops@example.com"), Some(&external))
        .await
        .unwrap();
    let update = server.seen("/acct/1");
    assert_eq!(
        (update.len(), &update[0].payload),
        (1, &json!({"contact": ["mailto:new@example.com"]}))
    );

    server.on(
        "/account",
        [answer(200, r#"{"status":"deactivated"}"#).with(&format!("Location: {}", server.url("/acct/1")))],
    );
    let (step, closed) = ensure(&client, "", None, None).await.unwrap_err();
    assert!(
        matches!(closed, Error::AccountClosed { .. }) && step == Step::LookUp,
        "{closed}"
    );
    server.on("/account", [problem(503, "serverInternal", "")]);
    let before = server.seen("/account").len();
    ensure(&client, "", None, None).await.unwrap_err();
    assert_eq!(
        server.seen("/account").len(),
        before + 1,
        "an outage is no reason to register"
    );
}

#[tokio::test]
async fn a_server_that_asks_for_the_binding_already_at_the_look_up_gets_it() {
    let external = ExternalAccount::new("kid-1", b"c2VjcmV0").unwrap();
    for refusal in ["externalAccountRequired", "malformed"] {
        let server = Server::start().await;
        let made = answer(201, r#"{"status":"valid"}"#).with(&format!("Location: {}", server.url("/acct/1")));
        server.on("/account", [problem(400, refusal, ""), made]);
        let registration = ensure(&server.client(), "", None, Some(&external)).await.unwrap();
        assert!(registration.created, "{refusal}");
        assert!(server.seen("/account")[1].payload["externalAccountBinding"]["protected"].is_string());
    }
    // without one there is nothing to be given: it is said once, by the registration
    let server = Server::start().await;
    server.on("/account", [problem(400, "externalAccountRequired", "")]);
    let (step, error) = ensure(&server.client(), "", None, None).await.unwrap_err();
    assert_eq!((step, server.seen("/account").len()), (Step::Register, 2), "{error}");
    for refusal in ["unauthorized", "rateLimited", "serverInternal"] {
        let server = Server::start().await;
        server.on("/account", [problem(403, refusal, "")]);
        let (step, _) = ensure(&server.client(), "", None, Some(&external)).await.unwrap_err();
        assert_eq!((step, server.seen("/account").len()), (Step::LookUp, 1), "{refusal}");
    }
}

#[tokio::test]
async fn alternate_chains_are_fetched_only_as_far_as_needed_and_a_broken_one_is_passed_over() {
    let server = Server::start().await;
    let account = server.account();
    let link = |number: u8| format!("Link: </cert/1/{number}>;rel=\"alternate\"");
    server.on(
        "/cert/1",
        [Reply::Http(
            200,
            format!("{}\r\n{}\r\n", link(1), link(2)),
            chain_below("First"),
        )],
    );
    server.on("/cert/1/1", [answer(500, "")]);
    server.on("/cert/1/2", [Reply::Http(200, String::new(), chain_below("Second"))]);
    let url = server.url("/cert/1");
    for preferred in ["", "First"] {
        assert!(account.certificate(&url, preferred).await.unwrap().preferred_found);
    }
    assert!(server.seen("/cert/1/1").is_empty());
    let second = account.certificate(&url, "Second").await.unwrap();
    assert_eq!(
        (second.chain.root_common_name().as_deref(), second.preferred_found),
        (Some("Second"), true)
    );
    let none = account.certificate(&url, "Third").await.unwrap();
    assert_eq!(
        (none.chain.root_common_name().as_deref(), none.preferred_found),
        (Some("First"), false)
    );
}

fn chain_below(root: &str) -> String {
    let named = |name: &str| {
        let mut params = rcgen::CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params
    };
    let (key, root_key) = (rcgen::KeyPair::generate().unwrap(), rcgen::KeyPair::generate().unwrap());
    named("leaf")
        .signed_by(&key, &rcgen::Issuer::new(named(root), root_key))
        .unwrap()
        .pem()
}

#[tokio::test]
async fn every_request_is_observed() {
    #[derive(Default)]
    struct Log(Mutex<Vec<(&'static str, Option<u16>)>>);
    impl Observer for Log {
        fn exchanged(&self, labels: &RequestLabels<'_>, _: Duration) {
            self.0.lock().unwrap().push((labels.action, labels.status));
        }
    }
    let server = Server::start().await;
    let log = Arc::new(Log::default());
    let account = client(&server.url("/dir"), Settings::default(), log.clone())
        .account(&server.url("/acct/1"))
        .unwrap();
    server.on("/order", [placed(&server), Reply::Cut]);
    account.new_order(&order()).await.unwrap();
    account.new_order(&order()).await.unwrap_err();
    let seen = log.0.lock().unwrap().clone();
    let expected = [
        ("discover", Some(200)),
        // the nonce that it needs is a part of the call
        ("authorize_order", Some(204)),
        ("authorize_order", Some(201)),
        ("authorize_order", None),
    ];
    assert_eq!(seen, expected);
}

/// The variables of a process can only be set from outside, so the test starts itself with them.
#[tokio::test]
async fn proxies_of_the_environment_are_used_and_exceptions_honoured() {
    const TEST: &str = "calls::proxies_of_the_environment_are_used_and_exceptions_honoured";
    if let Ok(directory) = std::env::var("CERTLET_TEST_DIRECTORY") {
        client(&directory, Settings::default(), Arc::new(Unobserved))
            .directory()
            .await
            .unwrap();
        return;
    }
    let (server, proxy) = (Server::start().await, Server::start().await);
    let directory = "http://acme.invalid/dir";
    let body = json!({"newNonce": "http://acme.invalid/n", "newAccount": "http://acme.invalid/a", "newOrder": "http://acme.invalid/o"});
    proxy.on(directory, [answer(200, body.to_string())]);
    let run = |directory: String, variables: Vec<(&'static str, String)>| async move {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args([TEST, "--exact"]).env("CERTLET_TEST_DIRECTORY", directory);
        for name in [
            "HTTP_PROXY",
            "http_proxy",
            "NO_PROXY",
            "no_proxy",
            "ALL_PROXY",
            "all_proxy",
        ] {
            command.env_remove(name);
        }
        command.envs(variables);
        tokio::task::spawn_blocking(move || command.output().unwrap().status.success())
            .await
            .unwrap()
    };
    let through = ("HTTP_PROXY", proxy.address.clone());
    assert!(run(directory.to_owned(), vec![through.clone()]).await);
    assert_eq!(proxy.seen(directory).len(), 1);
    let except = ("NO_PROXY", "127.0.0.1".to_owned());
    assert!(run(server.url("/dir"), vec![through, except]).await);
    assert_eq!((proxy.seen.lock().unwrap().len(), server.seen("/dir").len()), (1, 1));
}
