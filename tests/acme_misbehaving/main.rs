//! The ACME client against servers that are busy, broken or hostile. They are scripted here, answer for answer, because no
//! real server can be asked to behave like that.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking"
)]

mod addresses;
mod calls;
mod server;
mod texts;

use std::sync::Arc;
use std::time::Duration;

use certlet::acme::directory::MAX_AGE;
use certlet::acme::order::NewOrderRequest;
use certlet::acme::problem::Kind;
use certlet::acme::transport::Settings;
use certlet::acme::{Action, Error, Identifier, Next};
use certlet::net::{ClientSettings, Unobserved};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use server::{Reply, Server, answer, client, problem};

fn now() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

fn order() -> NewOrderRequest {
    NewOrderRequest {
        identifiers: vec![Identifier::Dns("a.example".into())],
        ..NewOrderRequest::default()
    }
}

fn order_body(server: &Server) -> String {
    json!({"status": "pending", "authorizations": [server.url("/authz/1")], "finalize": server.url("/finalize/1")})
        .to_string()
}

fn placed(server: &Server) -> Reply {
    answer(201, order_body(server)).with(&format!("Location: {}", server.url("/order/1")))
}

#[tokio::test]
async fn a_rate_limit_or_an_outage_is_a_delay_of_as_long_as_the_server_says() {
    let server = Server::start().await;
    let account = server.account();
    let page = |header: &str| {
        Reply::Http(
            503,
            format!("Content-Type: text/html\r\n{header}"),
            "<html>secret</html>".into(),
        )
    };
    let date = "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nRetry-After: Sun, 06 Nov 1994 08:51:37 GMT";
    for (reply, seconds) in [
        (problem(429, "rateLimited", "Retry-After: 7200\r\n"), 7200),
        (problem(429, "rateLimited", &format!("{date}\r\n")), 120),
        (problem(503, "rateLimited", "Retry-After: 30\r\n"), 30),
        (page("Retry-After: 45\r\n"), 45),
        (page(&format!("{date}\r\n")), 120),
        (page(""), 60),
        (answer(429, "busy"), 300),
    ] {
        server.on("/order", [reply]);
        let error = account.new_order(&order()).await.unwrap_err();
        assert_eq!(
            error.next(now()),
            Next::Wait(now() + SignedDuration::from_secs(seconds)),
            "{error}"
        );
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}

#[tokio::test]
async fn pages_of_something_else_are_never_quoted_and_never_believed() {
    let server = Server::start().await;
    let account = server.account();
    let html = |status: u16| {
        Reply::Http(
            status,
            "Content-Type: text/html\r\n".into(),
            "<html>secret</html>".into(),
        )
    };
    for reply in [
        html(500),
        html(403),
        html(200),
        answer(200, r#"{"status":"secret"}"#),
        answer(200, r#""secret""#),
        answer(418, "secret"),
    ] {
        server.on("/order/1", [reply]);
        let error = account.order(&server.url("/order/1")).await.unwrap_err();
        assert_eq!(error.next(now()), Next::Retry, "{error}");
        assert!(!format!("{error} {error:?}").contains("secret"), "{error}");
    }
    server.on("/cert/1", [html(200)]);
    let error = account.certificate(&server.url("/cert/1"), "").await.unwrap_err();
    assert!(
        matches!(error, Error::Unreadable { .. }) && !error.to_string().contains("secret"),
        "{error}"
    );
}

#[tokio::test]
async fn answers_that_do_not_end_or_never_come_end_the_request() {
    let server = Server::start().await;
    let settings = Settings {
        client: ClientSettings {
            request_timeout: Duration::from_millis(800),
            ..ClientSettings::default()
        },
        max_object: 20_000,
        ..Settings::default()
    };
    let account = server.client_with(settings).account(&server.url("/acct/1")).unwrap();
    let ask = async || account.order(&server.url("/order/1")).await.unwrap_err();
    server.on("/order/1", [answer(200, "x".repeat(20_001))]);
    assert!(matches!(ask().await, Error::TooLarge { limit: 20_000, .. }));
    assert!(ask().await.is_excess());
    for (reply, words) in [
        (Reply::Cut, "did not answer"),
        (Reply::CutBody, "did not answer"),
        (Reply::Hang, "within the time limit"),
    ] {
        server.on("/order/1", [reply]);
        let error = ask().await;
        assert!(
            matches!(error, Error::Unreachable { .. }) && error.to_string().contains(words),
            "{error}"
        );
        assert_eq!(error.next(now()), Next::Retry);
    }
    let nobody = client("http://127.0.0.1:1/dir", Settings::default(), Arc::new(Unobserved));
    let error = nobody.directory().await.unwrap_err().to_string();
    assert!(error.contains("127.0.0.1:1") && error.contains("refused"), "{error}");
}

#[tokio::test]
async fn what_is_not_an_acme_server_is_called_so() {
    let server = Server::start().await;
    for (reply, words) in [
        (answer(200, "<html>"), "not JSON"),
        (answer(200, "{}"), "missing field"),
        (answer(200, r#"{"new-reg": "https://ca/new-reg"}"#), "ACME v1"),
        (answer(404, ""), "status 404"),
        (answer(401, ""), "status 401"),
    ] {
        server.on("/dir", [reply]);
        let error = server.client().directory().await.unwrap_err();
        assert!(
            matches!(error, Error::NotAcme { .. }) && error.to_string().contains(words),
            "{error}"
        );
    }
    server.on("/dir", [answer(502, "")]);
    assert_eq!(
        server.client().directory().await.unwrap_err().status(),
        Some(502),
        "it may come back"
    );
}

#[tokio::test]
async fn a_refused_nonce_is_replaced_by_the_one_that_came_with_the_refusal_five_times() {
    let server = Server::start().await;
    let account = server.account();
    let refuse = |number: usize| problem(400, "badNonce", &format!("Replay-Nonce: fresh{number}\r\n"));
    server.on("/order/1", (0..5).map(refuse).chain([answer(200, order_body(&server))]));
    account.order(&server.url("/order/1")).await.unwrap();
    let nonces: Vec<_> = server
        .seen("/order/1")
        .iter()
        .map(|seen| seen.header["nonce"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(nonces, ["first", "fresh0", "fresh1", "fresh2", "fresh3", "fresh4"]);

    server.on("/order/2", [refuse(9)]);
    let error = account.order(&server.url("/order/2")).await.unwrap_err();
    assert_eq!(
        (error.problem().unwrap().kind, error.next(now())),
        (Kind::BadNonce, Next::Retry)
    );
    assert_eq!(server.seen("/order/2").len(), 6);
    assert_eq!(server.seen("/nonce").len(), 1, "every answer brings the next");
}

#[tokio::test]
async fn a_server_without_nonces_is_an_error_and_not_a_loop() {
    let server = Server::start().await;
    server.on("/nonce", [answer(200, "").with("Replay-Nonce: not a nonce!")]);
    let error = server.account().order(&server.url("/order/1")).await.unwrap_err();
    assert!(
        matches!(
            error,
            Error::Unreadable {
                action: Action::NewNonce { .. },
                ..
            }
        ),
        "{error}"
    );
    assert_eq!(server.seen("/nonce").len(), 1);
}

#[tokio::test]
async fn those_that_wait_for_a_silent_servers_directory_share_one_time_limit() {
    let server = Server::start().await;
    server.on("/dir", [Reply::Hang, answer(500, "")]);
    let client = server.client_with(Settings {
        client: ClientSettings {
            request_timeout: Duration::from_secs(1),
            ..ClientSettings::default()
        },
        ..Settings::default()
    });
    let together = futures::future::join_all((0..20).map(|_| client.directory())).await;
    for answer in together {
        let error = answer.unwrap_err().to_string();
        assert!(error.contains("within the time limit"), "{error}");
    }
    assert_eq!(server.seen("/dir").len(), 1);
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(3)).await;
    tokio::time::resume();
    assert_eq!(client.directory().await.unwrap_err().status(), Some(500));
}

#[tokio::test]
async fn the_directory_is_asked_for_once_and_an_old_one_serves_while_the_server_is_away() {
    let server = Server::start().await;
    let client = server.client();
    let together = futures::future::join_all((0..20).map(|_| client.directory())).await;
    assert!(together.iter().all(Result::is_ok));
    assert_eq!(server.seen("/dir").len(), 1);
    let age = async |by: Duration| {
        tokio::time::pause();
        tokio::time::advance(by).await;
        tokio::time::resume();
    };
    age(MAX_AGE).await;
    client.directory().await.unwrap();
    assert_eq!(server.seen("/dir").len(), 2);
    server.on("/dir", [answer(500, "")]);
    age(MAX_AGE).await;
    client.directory().await.unwrap();
    assert_eq!(server.seen("/dir").len(), 3);
    age(Duration::from_secs(86_400)).await;
    assert!(client.directory().await.is_err());
}
