//! The ACME client against Pebble, the test server of Let's Encrypt, in strict mode.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[allow(
    dead_code,
    reason = "what the harness of the cluster tests knows about other people's programs, used in part"
)]
#[path = "../support/command.rs"]
mod command;
mod server;

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use certlet::acme::accounts::ensure;
use certlet::acme::jws::{ExternalAccount, generate_rsa_2048_pem};
use certlet::acme::order::{AuthorizationStatus, NewOrderRequest, OrderStatus, PlacedOrder};
use certlet::acme::problem::Kind;
use certlet::acme::registration::Step;
use certlet::acme::tls::{ExtraRoots, Trust};
use certlet::acme::transport::{Settings, Unobserved};
use certlet::acme::{Account, AccountKey, Client, Error, Identifier, Next, Registry};
use certlet::pki::certificate::CertificateInfo;
use jiff::{SignedDuration, Timestamp};
use rcgen::{CertificateParams, KeyPair};
use rustls_pki_types::CertificateDer;
use server::{Options, Server};

fn rsa_key() -> AccountKey {
    AccountKey::from_pem(generate_rsa_2048_pem().unwrap().expose()).unwrap()
}

fn p256_key() -> AccountKey {
    AccountKey::from_pem(KeyPair::generate().unwrap().serialize_pem().as_bytes()).unwrap()
}

fn client_with(server: &Server, key: &AccountKey) -> Client {
    let trust = Trust {
        ca_bundle: Some(server.ca_bundle()),
        skip_verify: false,
    };
    Registry::new(Settings::default(), Arc::new(Unobserved))
        .client(&server.directory(), &trust, key)
        .unwrap()
}

async fn registered(server: &Server) -> Account {
    let client = client_with(server, &rsa_key());
    let registration = ensure(&client, "ops@example.com", None, None).await.unwrap();
    client.account(&registration.uri).unwrap()
}

fn order_for(names: &[&str]) -> NewOrderRequest {
    let identifiers = names.iter().map(|name| match name.parse() {
        Ok(address) => Identifier::Ip(address),
        Err(_) => Identifier::Dns((*name).to_owned()),
    });
    NewOrderRequest {
        identifiers: identifiers.collect(),
        ..NewOrderRequest::default()
    }
}

fn csr(names: &[&str]) -> Vec<u8> {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params
        .serialize_request(&KeyPair::generate().unwrap())
        .unwrap()
        .der()
        .to_vec()
}

/// Does what the server asks, however often its nonces are refused, until the certificate's URL is there.
async fn complete(server: &Server, account: &Account, placed: &PlacedOrder, csr: &[u8]) -> String {
    for url in &placed.order.authorizations {
        let authorization = patiently(async || account.authorization(url).await).await.value;
        if authorization.status == AuthorizationStatus::Pending {
            let challenge = authorization.challenge("http-01").unwrap();
            server
                .respond(&challenge.token, &account.key().key_authorization(&challenge.token))
                .await;
            patiently(async || account.accept(&challenge.url).await).await;
        }
    }
    loop {
        let answered = patiently(async || account.order(&placed.url).await).await;
        match answered.value.status {
            OrderStatus::Ready => {
                // Pebble may have taken the request although the answer was lost to a refused nonce.
                patiently(async || account.finalize(&answered.value.finalize, csr).await).await;
            }
            OrderStatus::Valid => return answered.value.certificate.unwrap(),
            OrderStatus::Invalid => panic!("{:?}", answered.value.error),
            OrderStatus::Pending | OrderStatus::Processing => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

/// Repeats what fails with nothing worse than refused nonces, as a controller does.
async fn patiently<T>(mut attempt: impl AsyncFnMut() -> Result<T, Error>) -> T {
    for _ in 0..50 {
        match attempt().await {
            Ok(value) => return value,
            Err(error) => assert_eq!(error.next(Timestamp::UNIX_EPOCH), Next::Retry, "{error}"),
        }
    }
    panic!("refused fifty times");
}

/// Checks with webpki, not with ourselves, that the chain leads to the root and is good for the name.
fn verify(chain: &[CertificateDer<'_>], root_pem: &str, name: &str) {
    use rustls_pki_types::pem::PemObject;
    let root = CertificateDer::from_pem_slice(root_pem.as_bytes()).unwrap();
    let anchor = webpki::anchor_from_trusted_cert(&root).unwrap();
    let leaf = webpki::EndEntityCert::try_from(&chain[0]).unwrap();
    let usage = webpki::KeyUsage::server_auth();
    let now = rustls_pki_types::UnixTime::now();
    leaf.verify_for_usage(
        webpki::ALL_VERIFICATION_ALGS,
        &[anchor],
        &chain[1..],
        now,
        usage,
        None,
        None,
    )
    .unwrap();
    leaf.verify_is_valid_for_subject_name(&name.try_into().unwrap())
        .unwrap();
}

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
    assert!(client.directory().await.unwrap().meta.external_account_required);

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
        error.contains(r#"the profile "none"; it offers default, shortlived"#),
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

#[tokio::test]
#[ignore = "needs the test bed"]
async fn a_server_certificate_that_is_its_own_ca_is_believed_when_it_is_listed() {
    let server = Server::start(Options {
        certificate_is_a_ca: true,
        ..Options::default()
    })
    .await;
    client_with(&server, &rsa_key()).directory().await.unwrap();

    let registry = Registry::new(Settings::default(), Arc::new(Unobserved));
    let elsewhere = server.directory().replace("127.0.0.1", "127.0.0.2");
    let trust = Trust {
        ca_bundle: Some(server.ca_bundle()),
        skip_verify: false,
    };
    let client = registry
        .client(&server.directory(), &Trust::default(), &rsa_key())
        .unwrap();
    let error = client.directory().await.unwrap_err().to_string();
    assert!(error.contains("certificate"), "{error}");
    assert!(
        registry
            .client(&elsewhere, &trust, &rsa_key())
            .unwrap()
            .directory()
            .await
            .is_err(),
        "another name"
    );
}

#[tokio::test]
#[ignore = "needs the test bed"]
async fn trust_is_as_narrow_as_the_issuer_says() {
    let [server, other] = [
        Server::start(Options::default()).await,
        Server::start(Options::default()).await,
    ];
    let registry = Registry::new(Settings::default(), Arc::new(Unobserved));
    let directory = async |trust: Trust| {
        registry
            .client(&server.directory(), &trust, &rsa_key())
            .unwrap()
            .directory()
            .await
    };
    let unknown = directory(Trust::default()).await.unwrap_err();
    assert!(unknown.to_string().contains("spec.acme.caBundle"), "{unknown}");
    assert!(
        directory(Trust {
            ca_bundle: Some(other.ca_bundle()),
            skip_verify: false
        })
        .await
        .is_err()
    );
    assert!(
        directory(Trust {
            ca_bundle: Some(server.ca_bundle()),
            skip_verify: false
        })
        .await
        .is_ok()
    );
    assert!(
        directory(Trust {
            ca_bundle: None,
            skip_verify: true
        })
        .await
        .is_ok()
    );

    // A folder of certificates, one of them garbage.
    let folder = server.folder().join("roots");
    std::fs::create_dir(&folder).unwrap();
    std::fs::copy(server.ca_file(), folder.join("test-ca.pem")).unwrap();
    std::fs::write(folder.join("garbage.pem"), "garbage").unwrap();
    let extra_roots = ExtraRoots {
        file: None,
        directories: vec![folder],
    };
    let registry = Registry::new(
        Settings {
            extra_roots,
            ..Settings::default()
        },
        Arc::new(Unobserved),
    );
    registry
        .client(&server.directory(), &Trust::default(), &rsa_key())
        .unwrap()
        .directory()
        .await
        .unwrap();
}

/// The variables of a process can only be set from outside, so the test starts itself with them.
#[tokio::test]
#[ignore = "needs the test bed"]
async fn a_server_is_reached_whose_ca_is_known_only_by_ssl_cert_file() {
    const TEST: &str = "a_server_is_reached_whose_ca_is_known_only_by_ssl_cert_file";
    if let Ok(directory) = std::env::var("CERTLET_TEST_DIRECTORY") {
        let registry = Registry::new(Settings::from_environment(), Arc::new(Unobserved));
        let client = registry.client(&directory, &Trust::default(), &rsa_key()).unwrap();
        let made = ensure(&client, "", None, None).await.unwrap();
        assert!(made.created);
        return;
    }
    let server = Server::start(Options::default()).await;
    let run = |variables: &[(&str, &std::path::Path)]| {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args([TEST, "--exact", "--ignored"])
            .env("CERTLET_TEST_DIRECTORY", server.directory());
        command
            .env_remove("SSL_CERT_FILE")
            .env_remove("SSL_CERT_DIR")
            .envs(variables.iter().copied());
        let output = command.output().unwrap();
        (
            output.status.success(),
            String::from_utf8_lossy(&output.stdout).into_owned(),
        )
    };
    let (without, output) = run(&[]);
    assert!(!without && output.contains("SSL_CERT_FILE"), "{output}");
    let (with, output) = run(&[("SSL_CERT_FILE", &server.ca_file())]);
    assert!(with && output.contains("1 passed"), "{output}");
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
