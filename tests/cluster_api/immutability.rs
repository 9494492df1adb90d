//! What may not change.

use kube::ResourceExt as _;
use serde_json::{Value, json};

use crate::{good, merge, object, patch, patch_status, prepared, refused, request, requests, stored};

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn what_a_request_says_stays_and_its_approval_too() {
    let (bed, namespace) = prepared().await;
    let requests = requests(&bed, &namespace).await;
    let mut annotated = request("a", &good("CertificateRequest"));
    annotated
        .annotations_mut()
        .insert("cert-manager.io/certificate-name".to_owned(), "web".to_owned());
    stored(&requests, &annotated).await;

    // VAL-33: spec and annotations.
    let spec = "spec: Forbidden: cannot change spec after creation";
    refused(
        patch(&requests, "a", &json!({ "spec": { "duration": "1h" } })).await,
        spec,
    );
    refused(
        patch(&requests, "a", &json!({ "spec": { "username": "someone" } })).await,
        spec,
    );
    refused(
        patch(&requests, "a", &json!({ "spec": null })).await,
        "cannot change spec after creation",
    );
    for change in [
        json!({ "cert-manager.io/certificate-name": "other" }),
        json!({ "cert-manager.io/certificate-name": null }),
        json!({ "acme.cert-manager.io/http01-override-ingress-name": "x" }),
    ] {
        let change = json!({ "metadata": { "annotations": change } });
        refused(
            patch(&requests, "a", &change).await,
            "cannot change cert-manager annotation after creation",
        );
    }
    let others = json!({ "metadata": { "annotations": { "example.com/a": "b" }, "labels": { "a": "b" } } });
    patch(&requests, "a", &others).await.unwrap();

    // VAL-32: conditions.
    let condition = |kind: &str, status: &str| json!({ "type": kind, "status": status, "reason": "r", "message": "m" });
    let conditions = |conditions: &[Value]| json!({ "conditions": conditions });
    let (approved, denied) = (condition("Approved", "True"), condition("Denied", "True"));
    refused(
        patch_status(&requests, "a", &conditions(&[condition("Approved", "False")])).await,
        "\"Approved\" condition may only be set to True",
    );
    refused(
        patch_status(&requests, "a", &conditions(&[condition("Denied", "Unknown")])).await,
        "\"Denied\" condition may only be set to True",
    );
    refused(
        patch_status(&requests, "a", &conditions(&[approved.clone(), denied.clone()])).await,
        "both 'Denied' and 'Approved' conditions cannot coexist",
    );
    refused(
        patch_status(&requests, "a", &conditions(&[approved.clone(), approved.clone()])).await,
        "Duplicate value",
    );
    let ready = condition("Ready", "False");
    patch_status(&requests, "a", &conditions(&[ready.clone(), approved.clone()]))
        .await
        .unwrap();

    // VAL-33: approval.
    let mut reworded = approved.clone();
    reworded["message"] = json!("changed");
    let once = "'Approved' condition may not be modified once set";
    refused(
        patch_status(&requests, "a", &conditions(&[ready, reworded])).await,
        once,
    );
    refused(patch_status(&requests, "a", &conditions(&[denied])).await, once);
    refused(patch_status(&requests, "a", &json!({ "conditions": null })).await, once);
    refused(patch_status(&requests, "a", &Value::Null).await, once);
    let finished = json!({ "conditions": [approved, condition("Ready", "True")], "certificate": "YQ==" });
    patch_status(&requests, "a", &finished).await.unwrap();
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn what_an_order_has_found_out_stays() {
    let (bed, namespace) = prepared().await;
    let acme = "acme.cert-manager.io/v1";
    let orders = bed.objects(acme, "Order", Some(&namespace)).await;
    stored(
        &orders,
        &object(
            acme,
            "Order",
            "o",
            &json!({ "request": "YQ==", "issuerRef": { "name": "a" } }),
        ),
    )
    .await;
    refused(
        patch(&orders, "o", &json!({ "spec": { "request": "Yg==" } })).await,
        "spec.request: Forbidden: field is immutable once set",
    );
    let authorization = |url: &str| json!({ "url": url });
    let first = json!({ "url": "https://ca/o/1", "finalizeURL": "https://ca/f/1", "state": "pending",
        "authorizations": [authorization("https://ca/a/1"), authorization("https://ca/a/2")] });
    patch_status(&orders, "o", &first).await.unwrap();
    // What was not known may be added.
    let challenge = json!({ "url": "https://ca/c/1", "type": "http-01", "token": "t" });
    let known = json!({ "url": "https://ca/a/1", "identifier": "a.example", "wildcard": false, "initialState": "pending",
        "challenges": [challenge] });
    let second = authorization("https://ca/a/2");
    patch_status(&orders, "o", &json!({ "authorizations": [known, second] }))
        .await
        .unwrap();
    for (change, says) in [
        (
            json!({ "url": "https://ca/o/2" }),
            "status.url: Forbidden: field is immutable once set",
        ),
        (json!({ "url": null }), "status.url: Forbidden"),
        (json!({ "finalizeURL": "x" }), "status.finalizeURL: Forbidden"),
        (
            json!({ "authorizations": [known] }),
            "status.authorizations: Forbidden: field is immutable once set",
        ),
        (
            json!({ "authorizations": null }),
            "status.authorizations: Forbidden: field is immutable once set",
        ),
        (
            json!({ "authorizations": [second, known] }),
            "url: field is immutable once set",
        ),
        (
            changed(&known, &second, "identifier", &json!("b.example")),
            "identifier: field is immutable once set",
        ),
        (
            changed(&known, &second, "wildcard", &json!(true)),
            "wildcard: field is immutable once set",
        ),
        (
            changed(&known, &second, "initialState", &Value::Null),
            "initialState: field is immutable once set",
        ),
        (
            changed(&known, &second, "challenges", &json!([])),
            "challenges: field is immutable once set",
        ),
        (Value::Null, "status: Forbidden: field is immutable once set"),
    ] {
        refused(patch_status(&orders, "o", &change).await, says);
    }
    patch_status(&orders, "o", &json!({ "state": "valid", "certificate": "YQ==" }))
        .await
        .unwrap();
    refused(
        patch_status(&orders, "o", &json!({ "certificate": "Yg==" })).await,
        "status.certificate: Forbidden",
    );
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn what_a_challenge_asks_for_stays() {
    let (bed, namespace) = prepared().await;
    let acme = "acme.cert-manager.io/v1";
    let challenges = bed.objects(acme, "Challenge", Some(&namespace)).await;
    let spec = json!({ "url": "https://ca/c/1", "authorizationURL": "https://ca/a/1", "dnsName": "a.example", "type": "HTTP-01",
        "token": "t", "key": "t.k", "solver": {}, "issuerRef": { "name": "a" } });
    stored(&challenges, &object(acme, "Challenge", "c", &spec)).await;
    refused(
        patch(&challenges, "c", &json!({ "spec": { "key": "other" } })).await,
        "spec: Forbidden: challenge spec is immutable after creation",
    );
    patch_status(
        &challenges,
        "c",
        &json!({ "state": "valid", "presented": true, "processing": false }),
    )
    .await
    .unwrap();
}

/// A status in which one field of the first authorization is another.
fn changed(first: &Value, second: &Value, field: &str, value: &Value) -> Value {
    let mut first = first.clone();
    merge(&mut first, &json!({ field: value }));
    json!({ "authorizations": [first, second] })
}
