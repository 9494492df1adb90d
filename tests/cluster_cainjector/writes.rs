//! When a target is written, and when not.

use kube::api::PostParams;
use serde_json::json;

use crate::stage::{ALLOWS, FROM, FROM_SECRET, FROM_SERVER, Kind, Stage, Target};
use crate::support::command::{Finished, try_run};
use crate::support::{AuditMark, Certlet, IN_TIME, Pair, certlet::PROGRAM, events, eventually, openssl};

/// How often certlet has written a target since then.
async fn written(stage: &Stage, target: &Target, since: AuditMark) -> usize {
    let writes = stage.bed().writes_since(since).await;
    let is_it = |write: &&crate::support::AuditedWrite| {
        // a write in conflict with a status of somebody else's changes nothing
        let is_done = write.code < 300;
        is_done
            && write.name == target.name
            && write.resource == target.kind.plural()
            && write.agent.starts_with("certlet/")
    };
    writes.iter().filter(is_it).count()
}

async fn plan(stage: &Stage) -> Finished {
    let kubeconfig = stage.bed().kubeconfig();
    let args = ["plan", "-A", "--kubeconfig", kubeconfig.to_str().unwrap(), "--"];
    try_run(PROGRAM, &args, None).await
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn each_target_is_written_once_for_each_ca_and_not_at_a_restart_and_plan_says_so_before() {
    let stage = Stage::new().await;
    let serving = stage.place("serving");
    let mut targets = Vec::new();
    for kind in Kind::ALL {
        targets.push(stage.target(kind, "counted", &[(FROM, &serving)]).await);
    }
    let mark = stage.bed().audit_mark().await;
    let certlet = Certlet::start(stage.bed(), &[]).await;
    let old = stage.issue("serving", &["a.example"]).await;
    for target in &targets {
        target.has(&old).await;
        assert_eq!(written(&stage, target, mark).await, 1, "{}", target.name);
    }
    certlet.stop().await;

    let planned = plan(&stage).await;
    assert!(!planned.stdout.contains(".counted."), "{planned:?}");
    let late = stage.target(Kind::Validating, "late", &[(FROM, &serving)]).await;
    let of_server = stage.target(Kind::ApiService, "server", &[(FROM_SERVER, "true")]).await;
    let planned = plan(&stage).await;
    for (target, action) in [
        (
            &late,
            format!("inject the CA of Certificate {serving} into its 2 caBundles"),
        ),
        (
            &of_server,
            "inject the CA of the API server into its caBundle".to_owned(),
        ),
    ] {
        let line = planned.stdout.lines().find(|line| line.contains(&target.name));
        assert!(line.unwrap_or_default().contains(&action), "{planned:?}");
    }

    let certlet = Certlet::start(stage.bed(), &[]).await;
    late.has(&old).await;
    of_server.has(&stage.bed().read("pki/ca.crt")).await;
    let new = stage.issue("serving", &["a.example", "b.example"]).await;
    for target in &targets {
        target.has(&format!("{old}{new}")).await;
        assert_eq!(written(&stage, target, mark).await, 2, "{}", target.name);
    }
    drop(certlet);
}

/// cert-manager's cainjector writes with server-side apply under this name.
#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn what_cert_managers_cainjector_has_injected_is_taken_over_without_a_write_and_its_fields_with_the_next() {
    let stage = Stage::new().await;
    let certlet = Certlet::start(stage.bed(), &[]).await;
    let old = stage.issue("serving", &["a.example"]).await;
    certlet.stop().await;
    let serving = stage.place("serving");
    let mut targets = Vec::new();
    for kind in Kind::ALL {
        let target = stage.target(kind, "taken", &[(FROM, &serving)]).await;
        let bundle = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, &old);
        let fields = match kind {
            Kind::Validating | Kind::Mutating => json!({"webhooks": [
                {"name": "hook1.fake.k8s.io", "clientConfig": {"caBundle": bundle}},
                {"name": "hook2.fake.k8s.io", "clientConfig": {"caBundle": bundle}},
            ]}),
            Kind::ApiService => json!({"spec": {"caBundle": bundle}}),
            Kind::Definition => json!({"spec": {"conversion": {"webhook": {"clientConfig": {"caBundle": bundle}}}}}),
        };
        target.apply_as("cert-manager-cainjector", fields).await;
        target.has(&old).await;
        targets.push(target);
    }
    let mark = stage.bed().audit_mark().await;
    let certlet = Certlet::start(stage.bed(), &[]).await;
    // certlet is through with them when it has written one that came later
    let last = stage.target(Kind::Definition, "last", &[(FROM, &serving)]).await;
    last.has(&old).await;
    for target in &targets {
        assert_eq!(written(&stage, target, mark).await, 0, "{}", target.name);
    }
    let new = stage.issue("serving", &["a.example", "b.example"]).await;
    for target in &targets {
        target.has(&format!("{old}{new}")).await;
        let managers = target.managers().await;
        assert_eq!(managers, ["cert-manager-cainjector"], "{}", target.name);
    }
    drop(certlet);
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn the_secret_comes_first_what_is_there_stays_and_what_cannot_be_read_or_has_expired_is_refused() {
    let stage = Stage::new().await;
    let certlet = Certlet::start(stage.bed(), &[]).await;
    let own = Pair::dated("own", -1, 30, true).certificate;
    let expired = Pair::dated("expired", -30, -1, true).certificate;
    let direct = Pair::dated("direct", -1, 30, true).certificate;
    let normal = async |pem: &str| openssl(&["x509"], pem).await;
    let (own, direct) = (normal(&own).await, normal(&direct).await);
    stage.secret("direct", &[(ALLOWS, "true")], &direct).await;
    let all = [
        (FROM_SECRET, stage.place("direct")),
        (FROM, stage.place("none")),
        (FROM_SERVER, "true".to_owned()),
    ];
    let all: Vec<(&str, &str)> = all.iter().map(|(key, value)| (*key, value.as_str())).collect();
    let bundle = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, format!("{own}{expired}"));
    let service = json!({"name": "some-service", "namespace": stage.scene.namespace});
    let merged = stage
        .create(
            Kind::Validating,
            "merged",
            &all,
            &PostParams::default(),
            json!({"webhooks": [{"name": "hook.fake.k8s.io", "clientConfig": {"service": service, "caBundle": bundle},
                "sideEffects": "None", "admissionReviewVersions": ["v1"], "namespaceSelector": {"matchLabels": {"no": "namespace"}}}]}),
        )
        .await;
    merged.has(&format!("{own}{direct}")).await;

    for (name, ca, words) in [
        (
            "broken",
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            "cannot be read, and is not injected",
        ),
        ("expired", &expired, "has expired"),
        ("empty", "", "has no ca.crt yet"),
    ] {
        stage.secret(name, &[(ALLOWS, "true")], ca).await;
        let target = stage
            .target(Kind::Mutating, name, &[(FROM_SECRET, &stage.place(name))])
            .await;
        let why = eventually("an event", IN_TIME, async || {
            let told = events::messages(stage.bed(), "default", &format!("involvedObject.name={}", target.name)).await;
            told.into_iter().find(|message| message.contains(words))
        })
        .await;
        assert!(why.contains(&stage.place(name)), "{why}");
        target.has_none().await;
        stage.secret(name, &[(ALLOWS, "true")], &direct).await;
        target.has(&direct).await;
    }

    // the Secret of another Certificate
    stage.issue("serving", &["a.example"]).await;
    let thief = json!({"apiVersion": "cert-manager.io/v1", "kind": "Certificate", "metadata": {"name": "thief"}, "spec": {
        "secretName": "serving-tls", "dnsNames": ["a.example"], "issuerRef": {"name": "self"}}});
    stage.scene.apply(&thief.to_string()).await;
    let target = stage
        .target(Kind::ApiService, "thief", &[(FROM, &stage.place("thief"))])
        .await;
    let why = events::told(stage.bed(), "default", &target.name, "CAInjectionRefused").await;
    assert!(why.contains("belongs to \"serving\""), "{why}");
    drop(certlet);
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn another_client_that_removes_the_ca_is_met_with_a_growing_wait_and_an_event() {
    let stage = Stage::new().await;
    let certlet = Certlet::start(stage.bed(), &[]).await;
    let ca = stage.issue("serving", &["a.example"]).await;
    let mark = stage.bed().audit_mark().await;
    let target = stage
        .target(Kind::ApiService, "contested", &[(FROM, &stage.place("serving"))])
        .await;
    let mut removals = 0;
    let contested = eventually("the conflict is told", IN_TIME, async || {
        if !target.bundles().await[0].is_empty() {
            target.patch(&json!({"spec": {"caBundle": null}})).await;
            removals += 1;
        }
        let fields = format!("involvedObject.name={},reason=CAInjectionContested", target.name);
        events::messages(stage.bed(), "default", &fields)
            .await
            .into_iter()
            .next()
    })
    .await;
    assert!(
        contested.contains("Another client keeps removing the CA"),
        "{contested}"
    );
    assert!((2..=4).contains(&removals), "{removals}");
    assert!(written(&stage, &target, mark).await <= 4);
    // and no longer
    target.has(&ca).await;
    drop(certlet);
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_ca_that_changes_again_and_again_is_injected_less_and_less_often() {
    let stage = Stage::new().await;
    let certlet = Certlet::start(stage.bed(), &[]).await;
    let mut target = None;
    let mark = stage.bed().audit_mark().await;
    // the first one, six changes that are free, and two more
    for number in 0..9 {
        let ca = Pair::by_openssl(&format!("/CN=changing-{number}")).await.certificate;
        let ca = openssl(&["x509"], &ca).await;
        stage.secret("changing", &[(ALLOWS, "true")], &ca).await;
        if target.is_none() {
            let source = stage.place("changing");
            target = Some(
                stage
                    .target(Kind::ApiService, "changing", &[(FROM_SECRET, &source)])
                    .await,
            );
        }
        let target = target.as_ref().unwrap();
        eventually("the last CA is injected", IN_TIME, async || {
            target.bundles().await[0].ends_with(&ca).then_some(())
        })
        .await;
        let fields = format!("involvedObject.name={},reason=CAInjectionDelayed", target.name);
        let delays = events::messages(stage.bed(), "default", &fields).await;
        assert_eq!(delays.is_empty(), number < 7, "{number}: {delays:?}");
    }
    let target = target.unwrap();
    let told = events::told(stage.bed(), "default", &target.name, "CAInjectionDelayed").await;
    assert!(
        told.contains("has changed more than 6 times in short succession: its present CA is injected at"),
        "{told}"
    );
    assert_eq!(written(&stage, &target, mark).await, 9);
    let (_, page) = certlet.page("/metrics").await.unwrap();
    assert!(page.contains("\ncertlet_ca_injections_delayed_total 2\n"), "{page}");
    // changes while it waits are one write
    for number in 0..4 {
        let ca = Pair::by_openssl(&format!("/CN=quick-{number}")).await.certificate;
        stage.secret("changing", &[(ALLOWS, "true")], &ca).await;
    }
    let last = stage.ca("changing").await;
    let last = openssl(&["x509"], &last).await;
    eventually("the last CA is injected", IN_TIME, async || {
        target.bundles().await[0].ends_with(&last).then_some(())
    })
    .await;
    assert_eq!(written(&stage, &target, mark).await, 10);
    drop(certlet);
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_target_that_loses_its_annotation_or_is_deleted_is_left_alone_and_a_crd_without_webhook_too() {
    let stage = Stage::new().await;
    let certlet = Certlet::start(stage.bed(), &[]).await;
    let old = stage.issue("serving", &["a.example"]).await;
    let serving = stage.place("serving");
    let released = stage.target(Kind::Validating, "released", &[(FROM, &serving)]).await;
    released.has(&old).await;
    released
        .patch(&json!({"metadata": {"annotations": {FROM: null}}}))
        .await;
    let simple = json!({"spec": {"group": format!("simple.{}.example", stage.scene.namespace), "scope": "Namespaced",
        "names": {"plural": "things", "singular": "thing", "kind": "Thing"},
        "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object"}}}]}});
    let mark = stage.bed().audit_mark().await;
    let simple = stage
        .create(
            Kind::Definition,
            "simple",
            &[(FROM, &serving)],
            &PostParams::default(),
            simple,
        )
        .await;
    let gone = stage.target(Kind::Mutating, "gone", &[(FROM, &serving)]).await;
    gone.has(&old).await;
    gone.api
        .delete(&gone.name, &kube::api::DeleteParams::default())
        .await
        .unwrap();
    let new = stage.issue("serving", &["a.example", "b.example"]).await;
    let last = stage.target(Kind::Validating, "last", &[(FROM, &serving)]).await;
    last.has(&new).await;
    released.has(&old).await;
    assert_eq!(written(&stage, &released, mark).await, 0);
    assert_eq!(written(&stage, &simple, mark).await, 0);
    // and back again
    released
        .patch(&json!({"metadata": {"annotations": {FROM: serving}}}))
        .await;
    released.has(&format!("{old}{new}")).await;
    drop(certlet);
}
