//! A CA that gets another key pair: its leaves are issued again in waves, and everybody trusts everybody all the while.

use serde_json::{Value, json};

use super::shop::{Shop, condition, text};
use crate::support::{IN_TIME, Pair, condition_reason_is, eventually, openssl_verify, until};

/// More than one wave.
const LEAVES: usize = 24;

pub(super) fn leaf(number: usize) -> String {
    format!("leaf-{number:02}")
}

/// A namespace with `LEAVES` certificates of the issuer `rotating`, whose CA in Secret `pair` is `ca`, and one of another issuer.
async fn with_leaves(ca: &Pair, settle: &str) -> Shop {
    let shop = with_some_leaves(ca, LEAVES, json!({"certlet.io/rotate-leaves": settle})).await;
    shop.ca_issuer("still", "pair", json!({})).await;
    shop.certificate("still", json!({"issuerRef": {"name": "still"}})).await;
    shop.is_ready("still").await;
    shop
}

/// A namespace with so many certificates of the issuer `rotating`, whose CA in Secret `pair` is `ca`.
pub(super) async fn with_some_leaves(ca: &Pair, leaves: usize, annotations: Value) -> Shop {
    let shop = Shop::open(&[]).await;
    ca.store(&shop.bed, &shop.namespace, "pair").await;
    shop.ca_issuer("rotating", "pair", annotations).await;
    for number in 0..leaves {
        shop.certificate(&leaf(number), json!({"issuerRef": {"name": "rotating"}}))
            .await;
    }
    for number in 0..leaves {
        shop.is_ready(&leaf(number)).await;
    }
    shop
}

impl Shop {
    pub(super) async fn rotation(&self, reason: &'static str) -> String {
        let issuers = self.issuers().await;
        // a leaf that cannot follow is waited for as long as IN_TIME
        let issuer = until(
            &issuers,
            "rotating",
            IN_TIME * 2,
            condition_reason_is("Rotating", reason),
        )
        .await;
        let condition = condition(&issuer.unwrap(), "Rotating");
        assert_eq!(
            condition["status"] == "True",
            !["Completed", "Stopped"].contains(&reason)
        );
        condition["message"].as_str().unwrap().to_owned()
    }

    /// `tls.crt` and `ca.crt` of every leaf.
    async fn leaves(&self) -> Vec<(String, String)> {
        self.first_leaves(LEAVES).await
    }

    pub(super) async fn first_leaves(&self, leaves: usize) -> Vec<(String, String)> {
        let mut held = Vec::new();
        for number in 0..leaves {
            let secret = self.secret(&leaf(number)).await;
            held.push((text(&secret, "tls.crt"), text(&secret, "ca.crt")));
        }
        held
    }
}

pub(super) async fn accepted(bundle: &str, leaf: &str, host: usize) -> Result<(), String> {
    openssl_verify(bundle, &[leaf.to_owned()], &format!("leaf-{host:02}.example.com")).await
}

pub(super) fn certificates(pem: &str) -> usize {
    pem.matches("BEGIN CERTIFICATE").count()
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn leaves_of_a_new_key_pair_are_issued_in_waves_and_old_and_new_trust_each_other_until_all_are() {
    let (old_ca, new_ca) = (
        Pair::by_openssl("/CN=Shop CA").await,
        Pair::by_openssl("/CN=Shop CA").await,
    );
    let shop = with_leaves(&old_ca, "5s").await;
    let before = shop.leaves().await;
    assert!(before.iter().all(|(_, ca)| *ca == old_ca.certificate));
    shop.everything_before_is_done().await;
    let mark = shop.bed.audit_mark().await;
    new_ca.store(&shop.bed, &shop.namespace, "pair").await;

    let distributing = shop.rotation("DistributingCA").await;
    let start = format!("0 of {LEAVES} certificates are issued by the current CA \"CN=Shop CA\"");
    assert!(distributing.starts_with(&start), "{distributing}");
    eventually("both CAs in every ca.crt", IN_TIME, async || {
        shop.leaves()
            .await
            .iter()
            .all(|(_, ca)| certificates(ca) == 2)
            .then_some(())
    })
    .await;
    let between = shop.leaves().await;
    let unchanged = between.iter().zip(&before).all(|((leaf, _), (old, _))| leaf == old);
    assert!(unchanged, "no leaf of the new CA before everybody trusts it");

    shop.rotation("Reissuing").await;
    let settling = shop.rotation("Settling").await;
    assert!(settling.starts_with(&format!("{LEAVES} of {LEAVES} ")), "{settling}");
    let after = shop.leaves().await;
    for number in [0, LEAVES - 1] {
        let ((old, _), (new, bundle)) = (&before[number], &after[number]);
        assert_eq!(
            accepted(bundle, new, number).await,
            Ok(()),
            "a new leaf by its own ca.crt"
        );
        assert_eq!(
            accepted(bundle, old, number).await,
            Ok(()),
            "an old leaf by a new one's ca.crt"
        );
        assert_eq!(
            accepted(&between[number].1, new, number).await,
            Ok(()),
            "a new leaf by an old one's ca.crt"
        );
        assert!(
            accepted(&old_ca.certificate, new, number).await.is_err(),
            "it is of the new CA"
        );
    }

    it_comes_to_rest(&shop, &new_ca, &before, &after).await;
    let writes = shop.written(mark).await;
    let requests = writes
        .iter()
        .filter(|write| write.verb == "create" && write.resource == "certificaterequests");
    assert_eq!(requests.count(), LEAVES, "each leaf once");
    assert_eq!(shop.written_about("still", mark).await, [""; 0], "nobody asked for it");
    assert!(shop.told("rotating", "RotationStarted").await.starts_with("0 of"));
    shop.told("rotating", "RotationCompleted").await;
    let mark = shop.bed.audit_mark().await;
    shop.everything_before_is_done().await;
    let about_leaves: Vec<_> = shop
        .written(mark)
        .await
        .into_iter()
        .filter(|write| write.name.starts_with("leaf-"))
        .collect();
    assert_eq!(about_leaves, [], "it has come to rest");
}

/// Only the new CA is left in every `ca.crt`; taking the old one out has issued nothing, and nothing more happens.
async fn it_comes_to_rest(shop: &Shop, new_ca: &Pair, before: &[(String, String)], after: &[(String, String)]) {
    let completed = shop.rotation("Completed").await;
    assert!(
        completed.starts_with(&format!("All {LEAVES} certificates")),
        "{completed}"
    );
    eventually("only the new CA in every ca.crt", IN_TIME, async || {
        shop.leaves()
            .await
            .iter()
            .all(|(_, ca)| *ca == new_ca.certificate)
            .then_some(())
    })
    .await;
    let last = shop.leaves().await;
    for number in [0, LEAVES - 1] {
        assert_eq!(last[number].0, after[number].0, "taking the old CA out issues nothing");
        assert!(accepted(&last[number].1, &before[number].0, number).await.is_err());
    }
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_second_change_and_a_kill_in_the_middle_end_with_every_leaf_of_the_last_ca() {
    let mut cas = Vec::new();
    for name in ["/CN=First", "/CN=Second", "/CN=Third"] {
        cas.push(Pair::by_openssl(name).await);
    }
    let shop = with_leaves(&cas[0], "0s").await;
    // one that nobody can issue for: it must not hold up the others, nor be forgotten
    shop.patch_spec(&leaf(0), json!({"secretTemplate": {"labels": {"not a label!": "x"}}}))
        .await;
    cas[1].store(&shop.bed, &shop.namespace, "pair").await;
    shop.rotation("Reissuing").await;
    shop.certlet.kill();
    cas[2].store(&shop.bed, &shop.namespace, "pair").await;
    let shop = shop.restarted().await;
    shop.patch_spec(&leaf(0), json!({"secretTemplate": null})).await;
    eventually("every leaf of the third CA alone", IN_TIME * 2, async || {
        shop.leaves()
            .await
            .iter()
            .all(|(_, ca)| *ca == cas[2].certificate)
            .then_some(())
    })
    .await;
    for (number, (leaf, bundle)) in shop.leaves().await.iter().enumerate() {
        assert_eq!(accepted(bundle, leaf, number).await, Ok(()));
    }
    shop.rotation("Completed").await;
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_ca_that_is_renewed_with_its_key_is_replaced_in_ca_crt_and_issues_nothing() {
    let old = Pair::dated("Same Key", -10, 20, true);
    let shop = with_leaves(&old, "true").await;
    let before = shop.leaves().await;
    let mark = shop.bed.audit_mark().await;
    let renewed = old.renewed("Same Key", 300);
    renewed.store(&shop.bed, &shop.namespace, "pair").await;
    eventually("the renewed CA in every ca.crt", IN_TIME, async || {
        shop.leaves()
            .await
            .iter()
            .all(|(_, ca)| *ca == renewed.certificate)
            .then_some(())
    })
    .await;
    for (number, (leaf, bundle)) in shop.leaves().await.iter().enumerate() {
        assert_eq!(*leaf, before[number].0);
        assert_eq!(accepted(bundle, leaf, number).await, Ok(()));
    }
    shop.everything_before_is_done().await;
    let requested = |write: &&crate::support::AuditedWrite| {
        write.resource == "certificaterequests" && write.name.starts_with("leaf-")
    };
    assert_eq!(shop.written(mark).await.iter().filter(requested).count(), 0);
    assert_eq!(shop.written_about("still", mark).await, [""; 0], "nobody asked for it");
    let issuer = shop.issuers().await.get("rotating").await.unwrap();
    assert!(condition(&issuer, "Rotating").is_null());
}
