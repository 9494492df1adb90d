//! A server that wants its accounts bound to others.

use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use crate::Place;
use crate::support::{IN_TIME, Pebble, PebbleOptions, eventually};

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn an_external_account_is_bound_and_a_wrong_key_is_not_tried_for_ever() {
    const MAC: &str = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W";
    let place = Place::new().await;
    let server = Pebble::start(
        &place.bed,
        PebbleOptions {
            external_account_required: true,
            ..PebbleOptions::default()
        },
    )
    .await;
    let at_server = |extra: Value| {
        let mut spec = extra;
        spec["server"] = json!(server.directory());
        spec
    };
    place.acme_issuer("eab", &at_server(json!({}))).await;
    let message = place.is_refused("eab", "ErrRegisterACMEAccount").await;
    assert!(message.contains("set spec.acme.externalAccountBinding"), "{message}");

    let binding = json!({"externalAccountBinding": {"keyID": "kid-1", "keySecretRef": {"name": "eab", "key": "mac"}}});
    place.acme_issuer("eab", &at_server(binding)).await;
    eventually("the missing Secret", IN_TIME, async || {
        place
            .is_refused("eab", "ErrRegisterACMEAccount")
            .await
            .contains("secret \"eab\" not found")
            .then_some(())
    })
    .await;
    place.secret("eab", json!({"mac": "d3Jvbmc"})).await;
    eventually("the CA's refusal", IN_TIME, async || {
        let message = place.is_refused("eab", "ErrRegisterACMEAccount").await;
        message.contains("urn:ietf:params:acme:error:").then_some(())
    })
    .await;
    let asked = || server.log().matches("POST /sign-me-up -> calling handler()").count();
    let before = asked();
    assert!(before > 0, "{}", server.log());
    let touch = json!({"metadata": {"annotations": {"touched": "1"}}});
    place
        .issuers
        .patch("eab", &PatchParams::default(), &Patch::Merge(&touch))
        .await
        .unwrap();
    place.issuer("later", &json!({"selfSigned": {}})).await;
    place.is_ready("later").await;
    assert_eq!(asked(), before, "ACC-10: only an edit makes another try");

    place.secret("eab", json!({ "mac": MAC })).await;
    place.is_ready("eab").await;
}
