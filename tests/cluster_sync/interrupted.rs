//! What happens while certlet does not run, or is killed.

use kube::api::DynamicObject;
use serde_json::json;

use crate::stage::{Stage, version};
use crate::support::shop::condition;
use crate::support::{Certlet, FaultProxy, IN_TIME, Moment, eventually};

/// More writes than copies and conditions need: the loop ends at the first trap that does not spring.
const MOST_WRITES: usize = 12;

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn copies_go_with_their_certificate_and_with_a_consent_also_while_certlet_does_not_run() {
    let stage = Stage::open().await;
    let (a, b) = (stage.other().await, stage.other().await);
    for namespace in [&a, &b] {
        stage.accepts(namespace, &format!("{}/*", stage.shop.namespace)).await;
    }
    for name in ["first", "second", "third"] {
        stage.certificate(name, &[&a, &b]).await;
        for namespace in [&a, &b] {
            stage.is_copied(name, namespace).await;
        }
    }
    // at once
    stage.kubectl(&["delete", "certificate", "first"]).await;
    for namespace in [&a, &b] {
        stage.is_gone(namespace, "first").await;
    }
    // and at the next start
    let kept = stage.secret(&b, "third").await.unwrap();
    assert!(stage.shop.certlet.stop().await.success());
    stage.kubectl(&["delete", "certificate", "second"]).await;
    stage.accepts(&a, "nobody/nothing").await;
    let certlet = Certlet::start(&stage.shop.bed, &[]).await;
    for (namespace, name) in [(&a, "second"), (&b, "second"), (&a, "third")] {
        stage.is_gone(namespace, name).await;
    }
    stage.everything_is_done().await;
    let now = stage.secret(&b, "third").await.unwrap();
    assert_eq!(version(&now), version(&kept), "a restart writes no copy again");
    drop(certlet);
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn an_installation_for_one_namespace_copies_nothing_says_why_and_leaves_what_is_there() {
    let stage = Stage::open().await;
    let a = stage.other().await;
    stage.accepts(&a, &stage.place("web")).await;
    stage.certificate("web", &[&a]).await;
    let copy = stage.is_copied("web", &a).await;
    assert!(stage.shop.certlet.stop().await.success());
    for (flag, reason) in [
        (format!("--namespace={}", stage.shop.namespace), "OneNamespace"),
        ("--enable-secret-sync=false".to_owned(), "Disabled"),
    ] {
        let certlet = Certlet::start(&stage.shop.bed, &[&flag]).await;
        let (status, message) = stage.reports("web", reason).await;
        assert_eq!(status, "False");
        assert!(message.contains(flag.split('=').next().unwrap()), "{message}");
        let now = stage.secret(&a, "web").await.unwrap();
        assert_eq!(version(&now), version(&copy));
        certlet.stop().await;
    }
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn killed_at_any_write_every_copy_is_there_in_the_end_and_gone_in_the_end() {
    let stage = Stage::open().await;
    let (a, b) = (stage.other().await, stage.other().await);
    stage.certificate("web", &[]).await;
    for namespace in [&a, &b] {
        stage.accepts(namespace, &stage.place("web")).await;
    }
    assert!(stage.shop.certlet.stop().await.success());
    let proxy = FaultProxy::before_api_server(&stage.shop.bed).await;
    let kubeconfig = stage.shop.bed.kubeconfig_for(&proxy.url());
    let both = [a.as_str(), b.as_str()];
    for (named, undone) in [(&both[..], &[][..]), (&[], &both)] {
        for moment in [Moment::BeforeForward, Moment::BeforeReply] {
            let mut nth = 1;
            loop {
                let first = Certlet::launch(&stage.shop.bed).kubeconfig(&kubeconfig).ready().await;
                stage.names("web", undone).await;
                stage.is_as_named(undone, both).await;
                let killer = first.killer();
                proxy.on_write(nth, moment, move || async move { killer.kill() });
                stage.names("web", named).await;
                eventually("it is killed, or done", IN_TIME, async || {
                    let is_done = stage.is_done(named, both).await;
                    (first.killer().ended().is_some() || is_done).then_some(())
                })
                .await;
                if !proxy.has_killed(&first).await {
                    first.stop().await;
                    break;
                }
                drop(first);
                let second = Certlet::start(&stage.shop.bed, &[]).await;
                stage.is_as_named(named, both).await;
                assert!(second.stop().await.success());
                nth += 1;
                assert!(nth < MOST_WRITES, "it never ends");
            }
            println!(
                "{} copies, {moment:?}: killed at each of {} writes",
                named.len(),
                nth - 1
            );
            assert!(nth > 3, "two Secrets and a status are written");
        }
    }
}

impl Stage {
    /// Waits until exactly the named namespaces have a copy, and the Certificate reports it.
    async fn is_as_named(&self, named: &[&str], all: [&str; 2]) {
        eventually("copies are where they are named", IN_TIME, async || {
            self.is_done(named, all).await.then_some(())
        })
        .await;
    }

    async fn is_done(&self, named: &[&str], all: [&str; 2]) -> bool {
        for namespace in all {
            if self.secret(namespace, "web").await.is_some() != named.contains(&namespace) {
                return false;
            }
        }
        let found: DynamicObject = self.shop.certificates.get("web").await.unwrap();
        let synced = condition(&found, "SecretSynced");
        if named.is_empty() {
            synced.is_null()
        } else {
            synced["status"] == json!("True")
        }
    }
}
