//! A CA that gets another key pair, where it is not so simple: the annotation comes too late, leaves wait or fail, there are intermediate
//! CAs and truststores.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use kube::api::{Patch, PatchParams};
use serde_json::json;

use super::rotation::{accepted, certificates, leaf, with_some_leaves};
use super::shop::{Shop, condition, text};
use crate::support::command::{keytool, split_pem};
use crate::support::{IN_TIME, Pair, eventually};

const LEAVES: usize = 4;
const NO_APPROVER: &[&str] = &["--controllers=*,-certificaterequests-approver"];

impl Shop {
    async fn rotate(&self, settle: &str) {
        let patch = Patch::Merge(json!({"metadata": {"annotations": {"certlet.io/rotate-leaves": settle}}}));
        let issuers = self.issuers().await;
        issuers
            .patch("rotating", &PatchParams::default(), &patch)
            .await
            .unwrap();
    }

    /// Waits until the message of the condition `Rotating` has this in it.
    async fn rotation_says(&self, part: &str) -> String {
        let issuers = self.issuers().await;
        eventually(
            &format!("{part:?} in the condition Rotating"),
            IN_TIME * 2,
            async || {
                let issuer = issuers.get("rotating").await.ok()?;
                let message = condition(&issuer, "Rotating")["message"].as_str()?.to_owned();
                message.contains(part).then_some(message)
            },
        )
        .await
    }
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn asked_for_only_after_the_change_everybody_still_trusts_everybody_and_nobody_slips_a_ca_in() {
    let names = ["/CN=Before", "/CN=After", "/CN=Mallory"];
    let [before_ca, after_ca, mallory] = [
        Pair::by_openssl(names[0]).await,
        Pair::by_openssl(names[1]).await,
        Pair::by_openssl(names[2]).await,
    ];
    let shop = with_some_leaves(&before_ca, LEAVES, json!({})).await;
    let before = shop.first_leaves(LEAVES).await;
    // whoever may write one Secret may add to its ca.crt
    let added = format!("{}{}", mallory.certificate, before_ca.certificate);
    let patch = Patch::Merge(json!({"data": {"ca.crt": BASE64_STANDARD.encode(added)}}));
    shop.secrets
        .patch(&leaf(0), &PatchParams::default(), &patch)
        .await
        .unwrap();
    after_ca.store(&shop.bed, &shop.namespace, "pair").await;
    shop.everything_before_is_done().await;
    shop.rotate("5s").await;
    shop.rotation("DistributingCA").await;
    let settling = shop
        .rotation_says("The previous CA will be removed from ca.crt at")
        .await;
    assert!(settling.starts_with(&format!("{LEAVES} of {LEAVES} ")), "{settling}");
    let after = shop.first_leaves(LEAVES).await;
    for number in 0..LEAVES {
        let other = (number + 1) % LEAVES;
        let (new, bundle) = &after[number];
        assert_eq!(accepted(bundle, new, number).await, Ok(()));
        assert_eq!(
            accepted(bundle, &before[other].0, other).await,
            Ok(()),
            "an old leaf by a new one's ca.crt"
        );
        assert_eq!(accepted(bundle, &after[other].0, other).await, Ok(()));
        if number > 0 {
            assert_eq!(certificates(bundle), 2);
            assert!(!bundle.contains(mallory.certificate.trim()), "it signed nothing");
        }
    }
    shop.rotation("Completed").await;
    eventually("only the new CA in every ca.crt", IN_TIME, async || {
        let leaves = shop.first_leaves(LEAVES).await;
        leaves.iter().all(|(_, ca)| *ca == after_ca.certificate).then_some(())
    })
    .await;
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn leaves_that_wait_or_fail_are_named_and_the_old_ca_stays_until_they_are_done() {
    let (old_ca, new_ca) = (Pair::by_openssl("/CN=Old").await, Pair::by_openssl("/CN=New").await);
    let shop = with_some_leaves(&old_ca, LEAVES, json!({"certlet.io/rotate-leaves": "0s"})).await;
    let before = shop.first_leaves(LEAVES).await;
    let shop = shop.stopped_and_started(NO_APPROVER).await;
    new_ca.store(&shop.bed, &shop.namespace, "pair").await;
    let last = LEAVES - 1;
    for number in 0..last {
        let name = format!("{}-2", leaf(number));
        eventually("its request", IN_TIME, async || {
            shop.requests.get_opt(&name).await.unwrap()
        })
        .await;
        shop.says(&["approve", &name]).await;
    }
    let waiting = format!("1 wait for approval or their issuer: {}/{}", shop.namespace, leaf(last));
    let told = shop.rotation_says(&waiting).await;
    assert!(told.starts_with(&format!("{last} of {LEAVES} ")), "{told}");
    let half = shop.first_leaves(LEAVES).await;
    for (number, (leaf, bundle)) in half.iter().enumerate() {
        assert_eq!(leaf == &before[number].0, number == last);
        assert_eq!(certificates(bundle), 2, "the old CA stays while one leaf is of it");
        assert_eq!(accepted(bundle, &half[last].0, last).await, Ok(()));
        assert_eq!(accepted(bundle, &half[0].0, 0).await, Ok(()));
    }
    let denied = format!("{}-2", leaf(last));
    shop.says(&["deny", &denied, "--message", "not today"]).await;
    let failed = format!("1 failed and will be retried: {}/{}", shop.namespace, leaf(last));
    let told = shop.rotation_says(&failed).await;
    assert!(told.contains("not today"), "{told}");
    // an edit ends the wait after a failure
    let host = format!("{}.example.com", leaf(last));
    shop.patch_spec(&leaf(last), json!({"dnsNames": [host, "more.example.com"]}))
        .await;
    eventually("its next request approved", IN_TIME, async || {
        let request = shop.requests.get_opt(&denied).await.unwrap()?;
        condition(&request, "Denied").is_null().then_some(())
    })
    .await;
    shop.says(&["approve", &denied]).await;
    shop.rotation("Completed").await;
    eventually("only the new CA in every ca.crt", IN_TIME, async || {
        let leaves = shop.first_leaves(LEAVES).await;
        leaves.iter().all(|(_, ca)| *ca == new_ca.certificate).then_some(())
    })
    .await;
}

/// The certificates in `truststore.p12`, as keytool counts them.
async fn trusted_by_java(shop: &Shop, secret: &str) -> usize {
    let file = shop.bed.path(&format!("run/{}-{secret}.p12", shop.namespace));
    std::fs::write(&file, super::shop::data(&shop.secret(secret).await, "truststore.p12")).unwrap();
    let path = file.to_str().unwrap();
    let args = [
        "-list",
        "-storetype",
        "PKCS12",
        "-keystore",
        path,
        "-storepass",
        "password",
    ];
    let listed = keytool(&args).await;
    assert!(listed.status.success(), "{listed:?}");
    listed.stdout.matches("trustedCertEntry").count()
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn intermediate_cas_and_truststores_are_led_over_as_well() {
    let (root, other_root) = (
        Pair::dated("Root", -1, 900, true),
        Pair::dated("Other Root", -1, 900, true),
    );
    let shop = with_some_leaves(
        &root.intermediate("First"),
        2,
        json!({"certlet.io/rotate-leaves": "2s"}),
    )
    .await;
    let keystores = json!({"keystores": {"pkcs12": {"create": true, "profile": "Modern2023", "password": "password"}}});
    shop.patch_spec(&leaf(0), keystores).await;
    eventually("a truststore", IN_TIME, async || {
        shop.secret(&leaf(0))
            .await
            .data?
            .contains_key("truststore.p12")
            .then_some(())
    })
    .await;
    assert_eq!(trusted_by_java(&shop, &leaf(0)).await, 1);
    let first = shop.first_leaves(2).await;
    assert!(
        first.iter().all(|(_, ca)| *ca == root.certificate),
        "the root is what is trusted (SEC-09)"
    );

    // another intermediate CA of the same root: nobody has to trust anything new
    root.intermediate("Second")
        .store(&shop.bed, &shop.namespace, "pair")
        .await;
    shop.rotation_says("All 2 certificates are issued by the current CA \"CN=Second\"")
        .await;
    let second = shop.first_leaves(2).await;
    for (number, (chain, ca)) in second.iter().enumerate() {
        assert_ne!(*chain, first[number].0);
        assert_eq!(*ca, root.certificate);
        assert_eq!(chain_accepted(ca, chain, number).await, Ok(()));
    }

    let third = other_root.intermediate("Third");
    third.store(&shop.bed, &shop.namespace, "pair").await;
    // that they are is over after seconds, so both are watched at the same time
    let both = eventually("both roots in the truststore", IN_TIME, async || {
        (trusted_by_java(&shop, &leaf(0)).await == 2).then_some(())
    });
    let announced = shop.rotation_says("The previous CA will be removed from ca.crt at");
    tokio::join!(both, announced);
    for (number, (chain, ca)) in shop.first_leaves(2).await.iter().enumerate() {
        assert_eq!(chain_accepted(ca, chain, number).await, Ok(()));
        assert_eq!(chain_accepted(ca, &second[number].0, number).await, Ok(()));
    }
    shop.rotation_says("All 2 certificates are issued by the current CA \"CN=Third\"")
        .await;
    eventually("the former root out of ca.crt and truststore", IN_TIME, async || {
        let leaves = shop.first_leaves(2).await;
        let gone = leaves.iter().all(|(_, ca)| *ca == other_root.certificate);
        (gone && trusted_by_java(&shop, &leaf(0)).await == 1).then_some(())
    })
    .await;
    assert_eq!(text(&shop.secret(&leaf(0)).await, "ca.crt"), other_root.certificate);
}

async fn chain_accepted(bundle: &str, chain: &str, host: usize) -> Result<(), String> {
    let host = format!("leaf-{host:02}.example.com");
    crate::support::openssl_verify(bundle, &split_pem(chain), &host).await
}
