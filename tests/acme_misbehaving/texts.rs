//! What a server writes reaches conditions, Events, logs and terminals: in one line, in bounds, and without anything that moves a
//! cursor or turns text around, whichever field it came in.

use certlet::acme::Error;
use certlet::acme::accounts::ensure;
use certlet::acme::order::NewOrderRequest;
use certlet::text::is_hidden;
use serde_json::{Value, json};

use super::server::{Reply, Server, answer};
use super::{order, placed};

/// A forged line of a log, a terminal's escape, and the mark that writes from right to left; and much of it.
fn evil() -> String {
    format!(
        "EVIL\nlevel=error msg=forged\r\u{1b}[31m\u{9b}0m\u{7}\u{202e}\u{2066}\u{200b}\u{2028}{}",
        "x".repeat(5_000)
    )
}

fn is_harmless(what: &str, error: &Error) {
    let text = error.to_string();
    assert!(!text.contains(is_hidden), "{what}: {text:?}");
    assert!(
        text.chars().count() < 2_500,
        "{what}: {} characters",
        text.chars().count()
    );
    // what is not shown must not be in a log by another way
    let debug = format!("{error:?}");
    assert!(debug.len() < 20_000, "{what}: {} bytes", debug.len());
}

fn problem(field: &str) -> Reply {
    let mut document = json!({"type": "urn:ietf:params:acme:error:malformed", "detail": "why", "status": 400});
    let evil = evil();
    document[field] = match field {
        "type" => format!("urn:ietf:params:acme:error:{evil}").into(),
        "subproblems" => {
            let one = json!({"type": format!("urn:ietf:params:acme:error:{evil}"), "detail": evil, "identifier": {"type": evil, "value": evil}});
            Value::from(vec![one; 50])
        }
        _ => evil.into(),
    };
    let headers = "Content-Type: application/problem+json\r\n".to_owned();
    // as many parts as fit into what is read
    let mut body = document.to_string();
    while body.len() > 60_000 {
        let parts = document["subproblems"].as_array_mut().unwrap();
        parts.truncate(parts.len() / 2);
        body = document.to_string();
    }
    Reply::Http(400, headers, body)
}

#[tokio::test]
async fn every_field_of_a_problem_is_shown_harmless() {
    let server = Server::start().await;
    let account = server.account();
    for field in ["type", "detail", "title", "instance", "status", "subproblems"] {
        server.on("/order", [problem(field)]);
        let error = account.new_order(&order()).await.unwrap_err();
        assert!(error.problem().is_some(), "{field}: {error}");
        is_harmless(field, &error);
        server.on("/account", [problem(field)]);
        let (_, error) = ensure(&server.client(), "", None, None).await.unwrap_err();
        is_harmless(field, &error);
    }
}

#[tokio::test]
async fn every_url_and_name_is_shown_harmless() {
    let server = Server::start().await;
    let account = server.account();
    let long = evil();
    let short: String = long.chars().take(900).collect();
    for url in [&long, &short] {
        for url in [
            url.clone(),
            format!("https://{url}"),
            format!("{}/{url}", server.address),
            format!("http://ca/{url}"),
        ] {
            for error in [
                account.order(&url).await.map(drop),
                account.authorization(&url).await.map(drop),
                account.accept(&url).await.map(drop),
                account.finalize(&url, b"csr").await.map(drop),
                account.certificate(&url, "").await.map(drop),
            ] {
                is_harmless("a URL", &error.unwrap_err());
            }
        }
        let body = |field: &str| {
            let mut order = json!({"status": "pending", "authorizations": [], "finalize": "f"});
            order[field] = if field == "authorizations" {
                json!([url])
            } else {
                url.clone().into()
            };
            order.to_string()
        };
        for field in [
            "status",
            "authorizations",
            "finalize",
            "certificate",
            "error",
            "expires",
            "profile",
        ] {
            server.on("/order/1", [answer(200, body(field))]);
            match account.order(&server.url("/order/1")).await {
                Ok(read) => {
                    let profile = read.value.profile.unwrap_or_default();
                    assert!(!profile.contains(is_hidden) && profile.len() < 2_500, "{profile:?}");
                    assert!(read.value.authorizations.iter().all(|url| url.len() <= 2048));
                }
                Err(error) => is_harmless(field, &error),
            }
        }
    }
    server.on(
        "/account",
        [answer(200, json!({"status": long, "contact": [long]}).to_string())
            .with(&format!("Location: {}", server.url("/acct/1")))],
    );
    if let Err((_, error)) = ensure(&server.client(), "", Some(""), None).await {
        is_harmless("an account", &error);
    }
}

#[tokio::test]
async fn every_field_of_a_directory_is_shown_harmless() {
    let server = Server::start().await;
    server.on("/order", [placed(&server)]);
    let evil = evil();
    for field in ["newNonce", "newAccount", "newOrder", "renewalInfo", "meta"] {
        let mut directory = json!({"newNonce": server.url("/nonce"), "newAccount": server.url("/account"), "newOrder": server.url("/order")});
        directory[field] = match field {
            "meta" => {
                json!({"profiles": {(short(&evil)): evil, "good": evil}, "termsOfService": evil, "website": evil})
            }
            _ => short(&evil).into(),
        };
        server.on("/dir", [answer(200, directory.to_string())]);
        let account = server.account();
        let asked = NewOrderRequest {
            profile: Some("other".into()),
            ..order()
        };
        is_harmless(field, &account.new_order(&asked).await.unwrap_err());
        if let Err((_, error)) = ensure(&server.client(), "", None, None).await {
            is_harmless(field, &error);
        }
        if let Err(error) = server.client().server().renewal_info("a.b").await {
            is_harmless(field, &error);
        }
    }
}

fn short(text: &str) -> String {
    text.chars().take(200).collect()
}
