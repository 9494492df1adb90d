//! Where requests go: where the directory leads, and nowhere else, and never to what answers only because certlet is where it is.

use std::sync::Arc;

use certlet::acme::accounts::ensure;
use certlet::acme::transport::Settings;
use certlet::acme::{Client, Error, Next};
use certlet::net::{AddressPolicy, ClientSettings, Unobserved};
use serde_json::json;

use super::server::{Reply, Server, answer, client, problem};
use super::{now, order, order_body, placed};

fn redirect(status: u16, to: &str) -> Reply {
    Reply::Http(status, format!("Location: {to}\r\n"), String::new())
}

fn directory_of(server: &Server) -> String {
    json!({"newNonce": server.url("/nonce"), "newAccount": server.url("/account"), "newOrder": server.url("/order")})
        .to_string()
}

#[tokio::test]
async fn only_the_directory_may_redirect_and_elsewhere_the_target_is_named() {
    let (server, elsewhere) = (Server::start().await, Server::start().await);
    for status in [301, 302, 303, 307, 308] {
        server.on("/dir", [redirect(status, "/next")]);
        server.on("/next", [redirect(status, &elsewhere.url("/dir"))]);
        let directory = server.client().directory().await.unwrap();
        assert_eq!(directory.new_order, elsewhere.url("/order"), "{status}");
    }
    let asked = elsewhere.seen.lock().unwrap().len();
    for path in ["/order/1", "/account"] {
        elsewhere.on(path, [answer(200, order_body(&elsewhere))]);
    }
    let server = Server::start().await;
    for status in [301, 307, 308] {
        server.on("/order/1", [redirect(status, &elsewhere.url("/order/1"))]);
        let error = server.account().order(&server.url("/order/1")).await.unwrap_err();
        assert_eq!(error.status(), Some(status));
        assert!(error.to_string().ends_with(&format!(
            "a redirect to {}, and only the directory may redirect",
            elsewhere.url("/order/1")
        )));
    }
    assert_eq!(elsewhere.seen.lock().unwrap().len(), asked);
}

#[tokio::test]
async fn redirects_of_a_directory_end_and_lead_nowhere_else_than_a_server_can_be() {
    let server = Server::start().await;
    let said = async |reply: Reply| {
        server.on("/dir", [reply]);
        let error = server.client().directory().await.unwrap_err();
        assert!(matches!(error, Error::NotAcme { .. }), "{error}");
        error.to_string()
    };
    let before = server.seen("/dir").len();
    let endless = said(redirect(302, "/dir")).await;
    assert!(endless.contains("more than 5 times, at last to"), "{endless}");
    assert_eq!(server.seen("/dir").len() - before, 6);
    for (to, words) in [
        (
            "ftp://ca.example/dir",
            "it redirects to ftp://ca.example/dir, which cannot be a URL",
        ),
        ("https://user:secret@ca.example/", "which cannot be a URL"),
        (
            "http://169.254.169.254/latest",
            "it redirects to http://169.254.169.254/latest, and 169.254.169.254 is a link-local address",
        ),
        ("http://[fd00:ec2::254]/", "the metadata service of a cloud"),
        ("http://[::ffff:100.100.100.200]/", "the metadata service of a cloud"),
    ] {
        let text = said(redirect(301, to)).await;
        assert!(text.contains(words), "{text}");
    }
    assert!(
        said(Reply::Http(301, String::new(), String::new()))
            .await
            .contains("a redirect to nowhere")
    );
}

#[tokio::test]
async fn urls_are_good_where_the_directory_leads_and_elsewhere_it_is_said_what_the_server_should_be() {
    let (front, inner, stranger) = (Server::start().await, Server::start().await, Server::start().await);
    // a load balancer with another port before the CA
    front.on("/dir", [answer(200, directory_of(&inner))]);
    let made = answer(201, r#"{"status":"valid"}"#).with(&format!("Location: {}", inner.url("/acct/1")));
    inner.on("/account", [made]);
    inner.on("/order", [placed(&inner)]);
    inner.on("/order/1", [answer(200, order_body(&inner))]);
    let client = front.client();
    let registered = ensure(&client, "", None, None).await.unwrap();
    assert!(client.has_confirmed(&registered.uri));
    let account = client.account(&registered.uri).unwrap();
    let placed_order = account.new_order(&order()).await.unwrap();
    account.order(&placed_order.url).await.unwrap();

    let foreign = |error: Error| {
        assert!(
            matches!(error, Error::ForeignUrl { .. }) && error.next(now()) == Next::NewOrder,
            "{error}"
        );
        error.to_string()
    };
    let text = foreign(account.order(&stranger.url("/order/1")).await.unwrap_err());
    let expected = format!(
        "{} does not belong to the ACME server {}, whose directory names {}; it is not used. If it is the server that is meant, spec.acme.server of the issuer should be {}",
        stranger.url("/order/1"),
        front.url("/dir"),
        inner.address,
        stranger.url("/dir")
    );
    assert_eq!(text, expected);
    foreign(
        account
            .accept(&inner.url("/x").replace("http:", "https:"))
            .await
            .unwrap_err(),
    );
    foreign(account.finalize("file:///etc/passwd", b"csr").await.unwrap_err());
    inner.on(
        "/order",
        [answer(201, order_body(&inner)).with(&format!("Location: {}", stranger.url("/order/1")))],
    );
    foreign(account.new_order(&order()).await.unwrap_err());
    let strange = answer(201, r#"{"status":"valid"}"#).with(&format!("Location: {}", stranger.url("/acct/1")));
    inner.on("/account", [strange]);
    let (_, error) = ensure(&front.client(), "", None, None).await.unwrap_err();
    foreign(error);
    assert!(stranger.seen.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_directory_whose_urls_cannot_be_a_servers_is_none() {
    let server = Server::start().await;
    for bad in [
        "/order",
        "ftp://ca.example/order",
        "https://user@ca.example/",
        "order",
        "http://",
    ] {
        let text = json!({"newNonce": server.url("/n"), "newAccount": server.url("/a"), "newOrder": bad}).to_string();
        server.on("/dir", [answer(200, text)]);
        let error = server.client().directory().await.unwrap_err();
        assert!(matches!(error, Error::NotAcme { .. }), "{bad}: {error}");
    }
}

/// Where certlet runs in a pod.
fn in_a_pod(directory: &str) -> Client {
    let settings = Settings {
        client: ClientSettings {
            addresses: AddressPolicy::default(),
            ..ClientSettings::default()
        },
        ..Settings::default()
    };
    client(directory, settings, Arc::new(Unobserved))
}

#[tokio::test]
async fn what_answers_only_here_is_not_asked_by_address_nor_by_name() {
    let server = Server::start().await;
    let port = server.address.rsplit_once(':').unwrap().1;
    for host in [
        "127.0.0.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "localhost",
        "LOCALHOST",
        "2130706433",
        "0x7f.1",
    ] {
        let error = in_a_pod(&format!("http://{host}:{port}/dir"))
            .directory()
            .await
            .unwrap_err();
        assert!(matches!(error, Error::Forbidden { .. }), "{host}: {error}");
        let text = error.to_string();
        assert!(
            text.contains("is this machine itself, which certlet does not contact; --allow-outgoing-networks="),
            "{text}"
        );
        assert_eq!(error.next(now()), Next::Retry, "a name may lead elsewhere soon");
    }
    for host in [
        "169.254.169.254",
        "[fd20:ce::254]",
        "168.63.129.16",
        "[64:ff9b::a9fe:a9fe]",
        "0.0.0.0",
    ] {
        let outside = client(&format!("http://{host}/dir"), Settings::default(), Arc::new(Unobserved));
        for client in [in_a_pod(&format!("http://{host}/dir")), outside] {
            assert!(
                matches!(client.directory().await.unwrap_err(), Error::Forbidden { .. }),
                "{host}"
            );
        }
    }
    assert!(server.seen.lock().unwrap().is_empty());
    let allowed = Settings {
        client: ClientSettings {
            addresses: AddressPolicy::new(vec!["127.0.0.0/8".parse().unwrap()], false),
            ..ClientSettings::default()
        },
        ..Settings::default()
    };
    client(&server.url("/dir"), allowed, Arc::new(Unobserved))
        .directory()
        .await
        .unwrap();
}

/// An internal service that has problem documents of its own, which whoever makes an issuer must not be able to read.
#[tokio::test]
async fn the_words_of_what_is_no_acme_server_are_not_repeated() {
    let server = Server::start().await;
    let documents = [
        r#"{"type":"about:blank","title":"secret","detail":"secret","status":404,"instance":"secret"}"#,
        r#"{"type":"https://tools.ietf.org/html/rfc9110#section-15.5.5","title":"secret","traceId":"secret"}"#,
        r#"{"title":"secret"}"#,
    ];
    let sent = |status: u16, body: &str| {
        Reply::Http(
            status,
            "Content-Type: application/problem+json\r\n".into(),
            body.to_owned(),
        )
    };
    for status in [400, 404, 500] {
        for document in documents {
            server.on("/dir", [sent(status, document)]);
            let error = server.client().directory().await.unwrap_err();
            assert!(!format!("{error} {error:?}").contains("secret"), "{error}");
        }
    }
    // whoever forges an ACME problem is not quoted either before a directory was read there
    server.on("/dir", [problem(500, "serverInternal", "")]);
    let error = server.client().directory().await.unwrap_err();
    assert_eq!((error.problem(), error.status()), (None, Some(500)), "{error}");
    server.on("/dir", [problem(503, "rateLimited", "Retry-After: 30\r\n")]);
    let error = server.client().directory().await.unwrap_err();
    assert_eq!(
        error.next(now()),
        Next::Wait(now() + jiff::SignedDuration::from_secs(30)),
        "{error}"
    );

    server.on("/dir", [answer(200, directory_of(&server))]);
    for document in documents {
        server.on("/order", [sent(400, document)]);
        let error = server.account().new_order(&order()).await.unwrap_err();
        assert!(!format!("{error} {error:?}").contains("secret"), "{error}");
    }
}
