//! Accounts: registered once, found again, bound to somebody else's.

use certlet::acme::accounts::ensure;
use certlet::acme::jws::ExternalAccount;
use certlet::acme::problem::Kind;
use certlet::acme::registration::Step;

use super::server::{Options, Server};
use super::{client_with, order_for, p256_key, registered, rsa_key};

#[tokio::test]
#[ignore = "needs the test bed"]
async fn an_account_is_registered_once_and_found_again_with_its_key() {
    let server = Server::start(Options::default()).await;
    for key in [rsa_key(), p256_key()] {
        let client = client_with(&server, &key);
        let none = client.lookup().await.unwrap_err();
        assert!(none.says_account_is_unknown() && client.account_is_unknown(), "{none}");
        let made = ensure(&client, "Ops@Example.com", None, None).await.unwrap();
        assert!(made.created && !client.account_is_unknown());
        assert_eq!(made.contacts, ["mailto:ops@example.com"]);

        let other = client_with(&server, &key);
        let found = ensure(&other, "ops@example.com", None, None).await.unwrap();
        assert_eq!((found.uri.as_str(), found.created), (made.uri.as_str(), false));
    }
}

#[tokio::test]
#[ignore = "needs the test bed"]
async fn the_contact_follows_the_issuer_and_can_be_taken_away() {
    let server = Server::start(Options::default()).await;
    let client = client_with(&server, &rsa_key());
    for email in ["one@example.com", "two@example.com", ""] {
        let uri = ensure(&client, email, None, None).await.unwrap().uri;
        let contacts = client.lookup().await.unwrap().contacts;
        let expected: Vec<String> = if email.is_empty() {
            vec![]
        } else {
            vec![format!("mailto:{email}")]
        };
        assert_eq!(contacts, expected, "{uri}");
    }
}

#[tokio::test]
#[ignore = "needs the test bed"]
async fn a_server_that_was_reset_gets_one_new_account() {
    let mut server = Server::start(Options::default()).await;
    let account = registered(&server).await;
    server.restart().await;
    // All kept nonces are refused now, too.
    let error = account.new_order(&order_for(&["lost.example"])).await.unwrap_err();
    assert!(error.says_account_is_unknown(), "{error}");
    assert!(account.client().account_is_unknown());
    assert!(
        ensure(account.client(), "ops@example.com", None, None)
            .await
            .unwrap()
            .created
    );
}

#[tokio::test]
#[ignore = "needs the test bed"]
async fn an_external_account_is_bound_where_the_server_wants_it() {
    const MAC: &[u8] = b"zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W";
    let server = Server::start(Options {
        external_account_required: true,
        ..Options::default()
    })
    .await;
    let client = client_with(&server, &rsa_key());
    let (step, missing) = ensure(&client, "", None, None).await.unwrap_err();
    assert_eq!(
        (step, missing.problem().unwrap().kind),
        (Step::Register, Kind::ExternalAccountRequired)
    );
    assert!(
        missing.to_string().contains("spec.acme.externalAccountBinding"),
        "{missing}"
    );
    let wrong = ExternalAccount::new("kid-1", b"d3Jvbmc").unwrap();
    let (_, wrong) = ensure(&client, "", None, Some(&wrong)).await.unwrap_err();
    assert!((400..500).contains(&wrong.status().unwrap()), "{wrong}");

    let bound = ExternalAccount::new("kid-1", MAC).unwrap();
    let made = ensure(&client, "", None, Some(&bound)).await.unwrap();
    // Found again without the binding's key, which a CA may accept only once.
    assert_eq!(ensure(&client, "", None, None).await.unwrap().uri, made.uri);
}
