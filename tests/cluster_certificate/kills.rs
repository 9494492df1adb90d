//! Killed at every write of a certificate from a CA, before and after the API server has seen it, and started again: it ends Ready, with
//! the key of its certificate, at most one further request, and nothing left behind.

use std::path::Path;

use kube::api::ListParams;
use serde_json::json;

use super::shop::{Shop, condition, data, text};
use crate::support::{Certlet, FaultProxy, IN_TIME, Moment, eventually, openssl, openssl_verify};

/// More writes than any issuance has: the loop ends at the first trap that does not spring.
const MOST_WRITES: usize = 12;

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn killed_at_any_write_a_certificate_of_a_ca_ends_ready_with_its_key_and_nothing_left_behind() {
    at_each_write("at-once", &[], 4).await;
}

/// The issuer that approves is another program's: the key is in a Secret of its own while the request waits.
#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn killed_at_any_write_of_an_issuance_that_waits_for_approval_no_key_is_lost() {
    at_each_write("waits", &["--controllers=*,-certificaterequests-approver"], 5).await;
}

async fn at_each_write(prefix: &str, args: &[&str], at_least: usize) {
    let shop = Shop::open(&[]).await;
    shop.certlet.stop().await;
    let proxy = FaultProxy::before_api_server(&shop.bed).await;
    let kubeconfig = shop.bed.kubeconfig_for(&proxy.url());
    for moment in [Moment::BeforeForward, Moment::BeforeReply] {
        let mut nth = 1;
        while shop
            .issue_with_a_kill(&proxy, (&kubeconfig, args), (prefix, nth), moment)
            .await
        {
            nth += 1;
            assert!(nth < MOST_WRITES, "it never ends");
        }
        println!("{prefix}, {moment:?}: killed at each of {} writes", nth - 1);
        assert!(nth > at_least, "an issuance has {at_least} writes");
    }
}

impl Shop {
    /// Issues one certificate with a kill at the n-th write; says whether that write came.
    async fn issue_with_a_kill(
        &self,
        proxy: &FaultProxy,
        (kubeconfig, args): (&Path, &[&str]),
        (prefix, nth): (&str, usize),
        moment: Moment,
    ) -> bool {
        let approving = !args.is_empty();
        let when = if moment == Moment::BeforeForward {
            "before"
        } else {
            "after"
        };
        let name = format!("{prefix}-{when}-{nth}");
        let first = Certlet::launch(&self.bed)
            .kubeconfig(kubeconfig)
            .args(args)
            .ready()
            .await;
        let mark = self.bed.audit_mark().await;
        let killer = first.killer();
        proxy.on_write(nth, moment, move || async move { killer.kill() });
        self.certificate(&name, json!({})).await;
        eventually("it is killed, or done", IN_TIME, async || {
            if first.killer().ended().is_some() {
                return Some(());
            }
            if approving {
                self.approve(&name).await;
            }
            self.is_done(&name).await.then_some(())
        })
        .await;
        if !proxy.has_killed(&first).await {
            first.stop().await;
            return false;
        }
        drop(first);
        let second = Certlet::launch(&self.bed)
            .kubeconfig(kubeconfig)
            .args(args)
            .ready()
            .await;
        eventually(&format!("{name} is done"), IN_TIME, async || {
            if approving {
                self.approve(&name).await;
            }
            self.is_done(&name).await.then_some(())
        })
        .await;
        let secret = self.secret(&name).await;
        let of_key = openssl(&["pkey", "-pubout"], &text(&secret, "tls.key")).await;
        let of_certificate = openssl(&["x509", "-noout", "-pubkey"], &text(&secret, "tls.crt")).await;
        assert_eq!(of_key, of_certificate, "{name}: the key of the certificate");
        let host = format!("{name}.example.com");
        let verified = openssl_verify(&text(&secret, "ca.crt"), &[text(&secret, "tls.crt")], &host).await;
        assert_eq!(verified, Ok(()), "{name}");
        let requests = self.requests_of(&name).await;
        assert_eq!(requests.len(), 1, "{name}: one request is left");
        let made = self.written_about(&name, mark).await;
        let made = made
            .iter()
            .filter(|write| **write == "create certificaterequests")
            .count();
        assert!((1..=2).contains(&made), "{name}: {made} requests for one kill");
        assert!(!data(&secret, "tls.key").is_empty());
        second.stop().await;
        true
    }

    /// Ready, and only the target Secret is left.
    async fn is_done(&self, name: &str) -> bool {
        let Ok(certificate) = self.certificates.get(name).await else {
            return false;
        };
        let ready = condition(&certificate, "Ready")["status"] == "True";
        if !ready || !condition(&certificate, "Issuing").is_null() {
            return false;
        }
        let begins = format!("{name}-");
        let secrets = self.secrets.list(&ListParams::default()).await.unwrap();
        let left = |secret: &k8s_openapi::api::core::v1::Secret| {
            secret
                .metadata
                .name
                .as_deref()
                .is_some_and(|full| full.starts_with(&begins))
        };
        !secrets.items.iter().any(left)
    }

    /// What an approver that is not certlet does.
    async fn approve(&self, name: &str) {
        use kube::api::{Patch, PatchParams};
        for request in self.requests_of(name).await {
            if condition(&request, "Approved").is_null() {
                let approved = json!({"type": "Approved", "status": "True", "reason": "Test", "message": "by the test",
                    "lastTransitionTime": "2026-11-21T00:00:00Z"});
                let conditions: Vec<_> = request.data["status"]["conditions"]
                    .as_array()
                    .cloned()
                    .unwrap_or_default();
                let conditions: Vec<_> = conditions.into_iter().chain([approved]).collect();
                let patch = Patch::Merge(json!({"status": {"conditions": conditions}}));
                let name = request.metadata.name.unwrap();
                // it may have been changed, or be gone, meanwhile: then the next look approves it
                drop(self.requests.patch_status(&name, &PatchParams::default(), &patch).await);
            }
        }
    }
}
