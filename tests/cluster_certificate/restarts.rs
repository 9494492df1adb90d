//! Stopped and killed while an issuance waits for something: nothing is thrown away, nothing is asked for a second time, and what was
//! waited for is used the moment it is there.

use k8s_openapi::api::core::v1::Secret;
use serde_json::json;

use super::shop::{Shop, condition, text};
use crate::support::{IN_TIME, Pair, eventually, openssl, openssl_verify};

const NO_APPROVER: &[&str] = &["--controllers=*,-certificaterequests-approver"];

/// What an issuance holds while it waits.
#[derive(Debug, PartialEq, Eq)]
struct Held {
    /// Uid of its request.
    request: String,
    /// Uid of the Secret with its key.
    secret: String,
    /// The public half of that key.
    key: String,
    attempts: Option<i64>,
}

#[derive(Clone, Copy, Debug)]
enum End {
    Stopped,
    Killed,
}

impl Shop {
    /// What the first issuance of a Certificate holds, once it has a key and a request.
    async fn held(&self, name: &str) -> Held {
        eventually(&format!("{name} waits"), IN_TIME, async || {
            let certificate = self.certificates.get(name).await.ok()?;
            let secret = self.next_key(name).await?;
            let request = self.requests.get_opt(&format!("{name}-1")).await.unwrap()?;
            Some(Held {
                request: request.metadata.uid?,
                key: openssl(&["pkey", "-pubout"], &text(&secret, "tls.key")).await,
                secret: secret.metadata.uid?,
                attempts: certificate.data["status"]["failedIssuanceAttempts"].as_i64(),
            })
        })
        .await
    }

    /// The Secret with the key of an issuance that is under way.
    async fn next_key(&self, name: &str) -> Option<Secret> {
        self.next_keys().await.into_iter().find(|secret| {
            let owners = secret.metadata.owner_references.iter().flatten();
            owners.into_iter().any(|owner| owner.name == name)
        })
    }

    async fn ended_and_started(self, how: End, args: &[&str]) -> Self {
        match how {
            End::Stopped => self.stopped_and_started(args).await,
            End::Killed => {
                self.certlet.kill();
                self.with_another(args).await
            }
        }
    }

    /// Ends certlet and starts another, which leaves what a Certificate holds as it is and writes nothing about it.
    async fn outlasted_by(self, name: &str, held: &Held, how: End) -> Self {
        self.everything_before_is_done().await;
        let mark = self.bed.audit_mark().await;
        let shop = self.ended_and_started(how, &[]).await;
        shop.everything_before_is_done().await;
        assert_eq!(shop.held(name).await, *held);
        assert_eq!(shop.written_about(name, mark).await, [""; 0], "{how:?}");
        shop
    }

    /// The Certificate is Ready with the request and the key that waited.
    async fn took_what_waited(&self, name: &str, held: &Held, ca: &str) {
        let certificate = self.is_ready(name).await;
        assert_eq!(certificate.data["status"]["revision"], 1);
        assert!(condition(&certificate, "Issuing").is_null());
        let secret = self.secret(name).await;
        let public = openssl(&["pkey", "-pubout"], &text(&secret, "tls.key")).await;
        assert_eq!(public, held.key, "the key is the one that waited");
        let leaf = text(&secret, "tls.crt");
        assert_eq!(
            openssl_verify(ca, &[leaf], &format!("{name}.example.com")).await,
            Ok(())
        );
        let requests = self.requests_of(name).await;
        assert_eq!(requests.len(), 1);
        let uid = requests[0].metadata.uid.as_ref();
        assert_eq!(uid, Some(&held.request), "the request is the one that waited");
        eventually("no next key left", IN_TIME, async || {
            self.next_key(name).await.is_none().then_some(())
        })
        .await;
    }
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_request_that_waits_for_a_person_survives_a_stop_and_a_kill() {
    let mut shop = Shop::open(&[]).await;
    let ca = text(&shop.secret("root").await, "tls.crt");
    shop = shop.stopped_and_started(NO_APPROVER).await;
    for how in [End::Stopped, End::Killed] {
        let name = format!("{how:?}").to_lowercase();
        shop.certificate(&name, json!({})).await;
        let held = shop.held(&name).await;
        shop.told(&format!("{name}-1"), "WaitingForApproval").await;
        eventually("the Certificate tells what it waits for", IN_TIME, async || {
            let ready = condition(&shop.certificates.get(&name).await.ok()?, "Ready");
            ready["message"]
                .as_str()?
                .contains("is waiting for approval")
                .then_some(())
        })
        .await;
        let mark = shop.bed.audit_mark().await;
        shop = shop.ended_and_started(how, NO_APPROVER).await;
        // a Certificate after it has been looked at: so has this one
        let later = format!("{name}-canary");
        shop.certificate(&later, json!({})).await;
        shop.held(&later).await;
        assert_eq!(shop.held(&name).await, held);
        let written = shop.written(mark).await;
        let about: Vec<_> = written.iter().filter(|write| !write.name.contains("canary")).collect();
        assert!(about.is_empty(), "{how:?}: {about:?}");
        shop.says(&["approve", &format!("{name}-1")]).await;
        shop.took_what_waited(&name, &held, &ca).await;
    }
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn an_issuance_without_its_issuer_survives_a_stop_and_a_kill() {
    let mut shop = Shop::open(&[]).await;
    let ca = text(&shop.secret("root").await, "tls.crt");
    for how in [End::Stopped, End::Killed] {
        let name = format!("{how:?}").to_lowercase();
        shop.certificate(&name, json!({"issuerRef": {"name": name}})).await;
        shop.is_refused(&name, "DoesNotExist").await;
        let held = shop.held(&name).await;
        shop = shop.outlasted_by(&name, &held, how).await;
        shop.ca_issuer(&name, "root", json!({})).await;
        shop.took_what_waited(&name, &held, &ca).await;
    }
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn an_issuance_without_its_ca_survives_a_stop_and_a_kill() {
    let mut shop = Shop::open(&[]).await;
    let ca = Pair::by_openssl("/CN=Late CA").await;
    for how in [End::Stopped, End::Killed] {
        let name = format!("{how:?}").to_lowercase();
        let pair = format!("pair-of-{name}");
        shop.ca_issuer(&name, &pair, json!({})).await;
        shop.certificate(&name, json!({"issuerRef": {"name": name}})).await;
        let held = shop.held(&name).await;
        shop = shop.outlasted_by(&name, &held, how).await;
        ca.store(&shop.bed, &shop.namespace, &pair).await;
        shop.took_what_waited(&name, &held, &ca.certificate).await;
    }
}
