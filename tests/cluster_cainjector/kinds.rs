//! What cert-manager's own end-to-end tests ask of its cainjector, for each kind of targets.

use crate::stage::{ALLOWS, FROM, FROM_SECRET, FROM_SERVER, Kind, Stage};
use crate::support::{Certlet, events};

/// `CA Injector for validating webhooks | mutating webhooks | conversion webhooks | api services`: the seven cases of each.
async fn seven_cases(kind: Kind) {
    let stage = Stage::new().await;
    let certlet = Certlet::start(stage.bed(), &[]).await;
    let serving = stage.place("serving");

    // without the annotation, with one that names nothing, and with a Certificate that is not there yet
    let plain = stage.target(kind, "plain", &[]).await;
    let invalid = stage.target(kind, "invalid", &[(FROM, "serving")]).await;
    let injected = stage.target(kind, "injected", &[(FROM, &serving)]).await;
    let why = events::told(stage.bed(), "default", &invalid.name, "CAInjectionRefused").await;
    assert!(
        why.contains("must name a Certificate as <namespace>/<name>, but is \"serving\""),
        "{why}"
    );
    let why = events::told(stage.bed(), "default", &injected.name, "CANotAvailable").await;
    assert!(why.contains(&format!("Certificate {serving} does not exist")), "{why}");

    let old = stage.issue("serving", &["a.example"]).await;
    injected.has(&old).await;
    let done = events::told(stage.bed(), "default", &injected.name, "CAInjected").await;
    assert!(done.contains(&format!("the CA of Certificate {serving}")), "{done}");

    // the certificate changes: old and new stand together, in this order
    let new = stage.issue("serving", &["a.example", "b.example"]).await;
    assert_ne!(old, new);
    injected.has(&format!("{old}{new}")).await;

    // the CA of the API server
    let of_server = stage.target(kind, "server", &[(FROM_SERVER, "true")]).await;
    of_server.has(&stage.bed().read("pki/ca.crt")).await;

    // a Secret that allows it, and one that does not
    stage.secret("open", &[(ALLOWS, "true")], &new).await;
    stage.secret("closed", &[(ALLOWS, "false")], &new).await;
    let open = stage.target(kind, "open", &[(FROM_SECRET, &stage.place("open"))]).await;
    let closed = stage
        .target(kind, "closed", &[(FROM_SECRET, &stage.place("closed"))])
        .await;
    open.has(&new).await;
    let why = events::told(stage.bed(), "default", &closed.name, "CAInjectionRefused").await;
    assert!(
        why.contains("annotate the Secret with cert-manager.io/allow-direct-injection: \"true\""),
        "{why}"
    );

    for target in [&plain, &invalid, &closed] {
        target.has_none().await;
    }
    // as soon as it allows it
    stage.secret("closed", &[(ALLOWS, "true")], &new).await;
    closed.has(&new).await;
    drop(certlet);
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn ca_injector_for_validating_webhooks() {
    seven_cases(Kind::Validating).await;
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn ca_injector_for_mutating_webhooks() {
    seven_cases(Kind::Mutating).await;
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn ca_injector_for_conversion_webhooks() {
    seven_cases(Kind::Definition).await;
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn ca_injector_for_api_services() {
    seven_cases(Kind::ApiService).await;
}
