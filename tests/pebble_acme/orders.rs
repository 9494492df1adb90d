//! Orders: names proven, what was asked for issued, and what the server refuses.

use std::time::Duration;

use certlet::acme::Next;
use certlet::acme::accounts::ensure;
use certlet::acme::order::{AuthorizationStatus, NewOrderRequest, OrderStatus};
use certlet::acme::problem::Kind;
use certlet::pki::certificate::CertificateInfo;
use jiff::{SignedDuration, Timestamp};

use super::server::{Options, Server};
use super::{client_with, complete, csr, order_for, patiently, registered, rsa_key, verify};

#[tokio::test]
#[ignore = "needs the test bed"]
async fn names_and_an_address_are_proven_and_webpki_accepts_the_chain() {
    let server = Server::start(Options::default()).await;
    let account = registered(&server).await;
    let names = ["a.order.example", "b.order.example", "127.0.0.1"];
    let placed = account.new_order(&order_for(&names)).await.unwrap();
    assert_eq!(
        (placed.order.status, placed.order.authorizations.len()),
        (OrderStatus::Pending, 3)
    );
    assert!(placed.order.expires.is_some());
    let url = complete(&server, &account, &placed, &csr(&names)).await;
    let issued = account.certificate(&url, "").await.unwrap();
    verify(&issued.chain.certificates, &server.root(0).await, "a.order.example");
    verify(&issued.chain.certificates, &server.root(0).await, "127.0.0.1");
}

#[tokio::test]
#[ignore = "needs the test bed"]
async fn the_end_of_validity_and_the_profile_are_what_was_asked_for() {
    let server = Server::start(Options::default()).await;
    let account = registered(&server).await;
    let not_after: Timestamp = "2027-03-04T05:06:07Z".parse().unwrap();
    let request = NewOrderRequest {
        not_after: Some(not_after),
        ..order_for(&["until.example"])
    };
    let placed = account.new_order(&request).await.unwrap();
    let url = complete(&server, &account, &placed, &csr(&["until.example"])).await;
    let issued = account.certificate(&url, "").await.unwrap();
    let (_, leaf) = x509_parser::parse_x509_certificate(&issued.chain.certificates[0]).unwrap();
    assert_eq!(leaf.validity().not_after.timestamp(), not_after.as_second());

    let request = NewOrderRequest {
        profile: Some("shortlived".into()),
        ..order_for(&["short.example"])
    };
    let placed = account.new_order(&request).await.unwrap();
    assert_eq!(placed.order.profile.as_deref(), Some("shortlived"));
    let url = complete(&server, &account, &placed, &csr(&["short.example"])).await;
    let issued = account.certificate(&url, "").await.unwrap();
    let (_, leaf) = x509_parser::parse_x509_certificate(&issued.chain.certificates[0]).unwrap();
    let lifetime = leaf.validity().not_after.timestamp() - leaf.validity().not_before.timestamp();
    assert!((518_399..=518_400).contains(&lifetime), "{lifetime}");

    let request = NewOrderRequest {
        profile: Some("none".into()),
        ..order_for(&["short.example"])
    };
    let error = account.new_order(&request).await.unwrap_err().to_string();
    assert!(
        error.starts_with("acme: certificate authority does not advertise a profile with name none; ")
            && error.ends_with(" offers default, shortlived"),
        "{error}"
    );
}

#[tokio::test]
#[ignore = "needs the test bed"]
async fn the_preferred_chain_is_found_among_the_alternates() {
    let server = Server::start(Options {
        alternate_roots: 2,
        ..Options::default()
    })
    .await;
    let account = registered(&server).await;
    let placed = account.new_order(&order_for(&["chain.example"])).await.unwrap();
    let url = complete(&server, &account, &placed, &csr(&["chain.example"])).await;
    for number in 0..3 {
        let root = server.root(number).await;
        let (_, pem) = x509_parser::pem::parse_x509_pem(root.as_bytes()).unwrap();
        let name = pem
            .parse_x509()
            .unwrap()
            .subject()
            .iter_common_name()
            .next()
            .unwrap()
            .as_str()
            .unwrap()
            .to_owned();
        let issued = account.certificate(&url, &name).await.unwrap();
        assert!(issued.preferred_found, "{name}");
        verify(&issued.chain.certificates, &root, "chain.example");
    }
    let default = account.certificate(&url, "").await.unwrap();
    let unknown = account.certificate(&url, "No Such Root").await.unwrap();
    assert_eq!((unknown.chain, unknown.preferred_found), (default.chain, false));
}

#[tokio::test]
#[ignore = "needs the test bed"]
async fn renewal_information_moves_and_a_replacement_is_announced_once() {
    let server = Server::start(Options::default()).await;
    let account = registered(&server).await;
    let names = ["ari.example"];
    let placed = account.new_order(&order_for(&names)).await.unwrap();
    let url = complete(&server, &account, &placed, &csr(&names)).await;
    let issued = account.certificate(&url, "").await.unwrap();
    let id = CertificateInfo::parse(&issued.chain.certificates[0])
        .unwrap()
        .ari_id()
        .unwrap();

    let answered = account.client().server().renewal_info(&id).await.unwrap();
    let now = Timestamp::now_for_tests();
    assert!(!answered.value.window.is_past(now) && answered.retry_after.is_some());
    let leaf = issued
        .chain
        .pem
        .split_inclusive("-----END CERTIFICATE-----\n")
        .next()
        .unwrap();
    server
        .set_renewal_window(leaf, "2020-01-01T00:00:00Z", "2020-01-02T00:00:00Z")
        .await;
    assert!(
        account
            .client()
            .server()
            .renewal_info(&id)
            .await
            .unwrap()
            .value
            .window
            .is_past(now)
    );
    assert!(
        account
            .client()
            .server()
            .renewal_info("aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE")
            .await
            .is_err()
    );

    let request = NewOrderRequest {
        replaces: Some(id),
        ..order_for(&names)
    };
    let placed = account.new_order(&request).await.unwrap();
    assert_eq!(placed.replaces_refused, None);
    complete(&server, &account, &placed, &csr(&names)).await;
    let again = account.new_order(&request).await.unwrap();
    assert!(
        again.replaces_refused.is_some_and(|why| why.contains("replaced")),
        "placed without it, and said so"
    );
    let unknown = NewOrderRequest {
        replaces: Some("aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE".into()),
        ..order_for(&names)
    };
    assert!(account.new_order(&unknown).await.unwrap().replaces_refused.is_some());
}

#[tokio::test]
#[ignore = "needs the test bed"]
async fn refused_nonces_are_no_failure() {
    for nonce_reject_percent in [20, 50] {
        let server = Server::start(Options {
            nonce_reject_percent,
            ..Options::default()
        })
        .await;
        let client = client_with(&server, &rsa_key());
        let registration = patiently(async || ensure(&client, "", None, None).await.map_err(|(_, error)| error)).await;
        let account = client.account(&registration.uri).unwrap();
        let orders = (0..10).map(|number| {
            let (server, account, name) = (&server, account.clone(), format!("n{number}.nonce.example"));
            async move {
                let placed = patiently(async || account.new_order(&order_for(&[&name])).await).await;
                let url = complete(server, &account, &placed, &csr(&[&name])).await;
                let issued = patiently(async || account.certificate(&url, "").await).await;
                verify(&issued.chain.certificates, &server.root(0).await, &name);
            }
        });
        futures::future::join_all(orders).await;
    }
}

#[tokio::test]
#[ignore = "needs the test bed"]
async fn what_the_server_refuses_is_classified() {
    let server = Server::start(Options::default()).await;
    let account = registered(&server).await;
    let refused = async |name: &str| account.new_order(&order_for(&[name])).await.unwrap_err();
    let now = Timestamp::UNIX_EPOCH;
    let blocked = refused("www.blocked-domain.example").await;
    assert_eq!(blocked.problem().unwrap().kind, Kind::RejectedIdentifier, "{blocked}");
    assert_eq!(blocked.next(now), Next::UserMustAct);
    assert_eq!(refused("under_score.example").await.next(now), Next::NewOrder);

    // A challenge that nobody answers.
    let placed = account.new_order(&order_for(&["silent.example"])).await.unwrap();
    let url = &placed.order.authorizations[0];
    let pending = account.authorization(url).await.unwrap().value;
    account
        .accept(&pending.challenge("http-01").unwrap().url)
        .await
        .unwrap();
    let failed = loop {
        let state = account.authorization(url).await.unwrap().value;
        if state.status != AuthorizationStatus::Pending {
            break state;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert_eq!(failed.status, AuthorizationStatus::Invalid);
    assert_eq!(
        failed.error().unwrap().next(now),
        Next::NewOrder,
        "{}",
        failed.error().unwrap()
    );
    let order = account.order(&placed.url).await.unwrap().value;
    assert_eq!(order.status, OrderStatus::Invalid);

    // Finalized too early.
    let placed = account.new_order(&order_for(&["early.example"])).await.unwrap();
    let early = account
        .finalize(&placed.order.finalize, &csr(&["early.example"]))
        .await
        .unwrap_err();
    assert_eq!(
        (early.problem().unwrap().kind, early.next(now)),
        (Kind::OrderNotReady, Next::Retry)
    );
    account
        .deactivate_authorization(&placed.order.authorizations[0])
        .await
        .unwrap();
}

/// `Timestamp::now` is banned from the program; a test against a real server needs the real time.
trait NowForTests {
    fn now_for_tests() -> Self;
}

impl NowForTests for Timestamp {
    fn now_for_tests() -> Self {
        let since = SignedDuration::try_from(std::time::UNIX_EPOCH.elapsed().unwrap()).unwrap();
        Self::UNIX_EPOCH + since
    }
}
