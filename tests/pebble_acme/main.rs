//! The ACME client against Pebble, the test server of Let's Encrypt, in strict mode.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod accounts;
#[allow(
    dead_code,
    reason = "what the harness of the cluster tests knows about other people's programs, used in part"
)]
#[path = "../support/command.rs"]
mod command;
mod orders;
mod server;
mod trust;

use std::sync::Arc;
use std::time::Duration;

use certlet::acme::accounts::ensure;
use certlet::acme::jws::generate_rsa_2048_pem;
use certlet::acme::order::{AuthorizationStatus, NewOrderRequest, OrderStatus, PlacedOrder};
use certlet::acme::transport::Settings;
use certlet::acme::{Account, AccountKey, Client, Error, Identifier, Next, Registry};
use certlet::net::{Trust, Unobserved};
use jiff::Timestamp;
use rcgen::{CertificateParams, KeyPair};
use rustls_pki_types::CertificateDer;
use server::Server;

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
