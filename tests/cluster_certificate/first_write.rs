//! The first write of a target Secret: it makes the Secret, and changes nothing where somebody else was faster.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{ObjectMeta, PostParams};
use serde_json::json;

use super::shop::{Shop, data, text};
use crate::support::{Certlet, FaultProxy, Head, IN_TIME, Moment, Pair, eventually, openssl};

/// Whose fields a Secret's are, and by which operation.
fn managers(secret: &Secret) -> Vec<(String, String)> {
    let entries = secret.metadata.managed_fields.iter().flatten();
    entries
        .map(|entry| {
            let (manager, operation) = (entry.manager.clone(), entry.operation.clone());
            (manager.unwrap_or_default(), operation.unwrap_or_default())
        })
        .collect()
}

const APPLIED: (&str, &str) = ("cert-manager-certificates-issuing", "Apply");

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_first_write_that_comes_late_leaves_the_secret_that_is_there_as_it_is() {
    let shop = Shop::open(&[]).await;
    // where nothing was, one apply has made it
    let made = managers(&shop.secret("root").await);
    assert_eq!(made, [(APPLIED.0.to_owned(), APPLIED.1.to_owned())]);

    shop.certlet.stop().await;
    let proxy = FaultProxy::before_api_server(&shop.bed).await;
    let kubeconfig = shop.bed.kubeconfig_for(&proxy.url());
    let certlet = Certlet::launch(&shop.bed).kubeconfig(&kubeconfig).ready().await;
    let other = Pair::by_openssl("/CN=of the successor").await;
    let bytes = |text: &str| ByteString(text.as_bytes().to_vec());
    let theirs = Secret {
        metadata: ObjectMeta {
            name: Some("web".to_owned()),
            ..ObjectMeta::default()
        },
        type_: Some("kubernetes.io/tls".to_owned()),
        data: Some(BTreeMap::from([
            ("tls.key".to_owned(), bytes(&other.key)),
            ("tls.crt".to_owned(), bytes(&other.certificate)),
            ("extra".to_owned(), bytes("kept")),
        ])),
        ..Secret::default()
    };
    let (secrets, successor) = (shop.secrets.clone(), theirs);
    let is_first = |head: &Head| head.method == http::Method::PATCH && head.path.contains("/secrets/web?");
    proxy.on_first(is_first, Moment::OnTheWay, move || async move {
        secrets.create(&PostParams::default(), &successor).await.unwrap();
    });
    shop.certificate("web", json!({})).await;
    shop.is_ready("web").await;
    let first = eventually("the write that was held is answered", IN_TIME, async || {
        let writes = proxy.writes();
        writes
            .iter()
            .find(|write| is_first(&write.head))
            .and_then(|write| write.status)
    })
    .await;
    assert_eq!(first, 409, "it was made for a Secret that was not there");

    // after a new look the Certificate's own is stored, beside what is none of its business
    let secret = shop.secret("web").await;
    assert_eq!(data(&secret, "extra"), b"kept");
    let of_key = openssl(&["pkey", "-pubout"], &text(&secret, "tls.key")).await;
    assert_eq!(
        openssl(&["x509", "-noout", "-pubkey"], &text(&secret, "tls.crt")).await,
        of_key
    );
    let ours = managers(&secret)
        .into_iter()
        .filter(|(manager, _)| manager == APPLIED.0);
    assert_eq!(ours.map(|(_, operation)| operation).collect::<Vec<_>>(), [APPLIED.1]);
    certlet.stop().await;
}
