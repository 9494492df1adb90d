//! The custom resource definitions and policies on a real API server: what it refuses, in which words, and what it lets
//! pass.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking"
)]

mod support;

use kube::api::{DynamicObject, Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt as _};
use serde_json::{Value, json};
use support::{Bed, IN_TIME, eventually};

/// Applies definitions and policies, and waits until the policies are in force: the server reads them with a delay.
async fn prepared() -> (Bed, String) {
    let bed = Bed::attach().await;
    bed.install_crds().await;
    let deploy = support::bed::project().join("deploy");
    for part in [
        "base/policies.yaml",
        "requester-identity/policy.yaml",
        "base/user-roles.yaml",
    ] {
        bed.kubectl(&["apply", "-f", deploy.join(part).to_str().unwrap()]).await;
    }
    let namespace = bed.new_namespace().await;
    let requests = requests(&bed, &namespace).await;
    let forged = request(
        "canary",
        &json!({ "issuerRef": { "name": "ca" }, "request": "aW52YWxpZA==", "username": "x" }),
    );
    eventually("the policies in force", IN_TIME, async || {
        let refusal = create(&requests, &forged).await.err()?;
        refusal.contains("denied the request").then_some(())
    })
    .await;
    eventually("the requester filled in", IN_TIME, async || {
        let found = create(&requests, &request("canary", &good("CertificateRequest")))
            .await
            .ok()?;
        (found.data["spec"]["username"] == "admin").then_some(())
    })
    .await;
    (bed, namespace)
}

fn cases() -> Value {
    serde_saphyr::from_str(include_str!("data/validation.yaml")).expect("the table is YAML")
}

fn good(kind: &str) -> Value {
    cases()["good"][kind].clone()
}

fn object(api_version: &str, kind: &str, name: &str, spec: &Value) -> DynamicObject {
    let object = json!({ "apiVersion": api_version, "kind": kind, "metadata": { "name": name }, "spec": spec });
    serde_json::from_value(object).unwrap()
}

fn request(name: &str, spec: &Value) -> DynamicObject {
    object("cert-manager.io/v1", "CertificateRequest", name, spec)
}

async fn requests(bed: &Bed, namespace: &str) -> Api<DynamicObject> {
    bed.objects("cert-manager.io/v1", "CertificateRequest", Some(namespace))
        .await
}

/// Creates without storing.
async fn create(api: &Api<DynamicObject>, object: &DynamicObject) -> Result<DynamicObject, String> {
    let parameters = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    api.create(&parameters, object).await.map_err(|error| error.to_string())
}

async fn stored(api: &Api<DynamicObject>, object: &DynamicObject) {
    api.create(&PostParams::default(), object).await.unwrap();
}

async fn patch(api: &Api<DynamicObject>, name: &str, change: &Value) -> Result<(), String> {
    let patched = api.patch(name, &PatchParams::default(), &Patch::Merge(change)).await;
    patched.map(drop).map_err(|error| error.to_string())
}

async fn patch_status(api: &Api<DynamicObject>, name: &str, status: &Value) -> Result<(), String> {
    let change = json!({ "status": status });
    let patched = api
        .patch_status(name, &PatchParams::default(), &Patch::Merge(&change))
        .await;
    patched.map(drop).map_err(|error| error.to_string())
}

fn refused(result: Result<(), String>, says: &str) {
    let refusal = result.expect_err(says);
    assert!(refusal.contains(says), "{refusal}\ndoes not say\n{says}");
}

/// RFC 7396.
fn merge(into: &mut Value, change: &Value) {
    let (Value::Object(fields), Value::Object(changes)) = (&mut *into, change) else {
        *into = change.clone();
        return;
    };
    for (key, change) in changes {
        if change.is_null() {
            fields.remove(key);
        } else {
            merge(fields.entry(key).or_insert(Value::Null), change);
        }
    }
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn every_row_of_the_table_is_judged_as_it_says() {
    let (bed, namespace) = prepared().await;
    let cases = cases();
    let mut wrong = Vec::new();
    for case in cases["cases"].as_array().unwrap() {
        let (base, kind, scope) = match case["kind"].as_str().unwrap() {
            "Acme" => ("Acme", "Issuer", Some(namespace.as_str())),
            "ClusterIssuer" => ("Issuer", "ClusterIssuer", None),
            kind => (kind, kind, Some(namespace.as_str())),
        };
        let mut spec = good(base);
        merge(&mut spec, &case["change"]);
        let api = bed.objects("cert-manager.io/v1", kind, scope).await;
        match (
            create(&api, &object("cert-manager.io/v1", kind, "judged", &spec)).await,
            case["says"].as_str(),
        ) {
            (Ok(_), None) => assert_eq!(case["accepted"], true, "{case}"),
            (Err(refusal), Some(says)) if refusal.contains(says) => {}
            (result, _) => wrong.push(format!("{case}\n  -> {result:?}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn an_object_stored_before_a_rule_can_still_be_labelled_and_reported_on() {
    let (bed, namespace) = prepared().await;
    let definitions = bed
        .objects("apiextensions.k8s.io/v1", "CustomResourceDefinition", None)
        .await;
    let certificates = bed.objects("cert-manager.io/v1", "Certificate", Some(&namespace)).await;
    // Without the rules, as cert-manager's own definitions are.
    let mut lax = certlet::api::crds::definitions().unwrap().remove(1);
    let spec = &mut lax["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
    spec.as_object_mut().unwrap().remove("x-kubernetes-validations");
    patch(&definitions, "certificates.cert-manager.io", &lax_rules(&lax))
        .await
        .unwrap();
    let bad = object(
        "cert-manager.io/v1",
        "Certificate",
        "old",
        &json!({ "secretName": "a", "issuerRef": { "name": "b" } }),
    );
    eventually("a definition without rules", IN_TIME, async || {
        certificates.create(&PostParams::default(), &bad).await.ok()
    })
    .await;
    bed.install_crds().await;
    eventually("the rules again", IN_TIME, async || {
        create(&certificates, &bad_named("new")).await.err()
    })
    .await;

    patch(&certificates, "old", &json!({ "metadata": { "labels": { "a": "b" } } }))
        .await
        .unwrap();
    let status = json!({ "conditions": [{ "type": "Ready", "status": "False", "reason": "InvalidSpec" }] });
    patch_status(&certificates, "old", &status).await.unwrap();
    patch(&certificates, "old", &json!({ "metadata": { "finalizers": [] } }))
        .await
        .unwrap();
    refused(
        patch(&certificates, "old", &json!({ "spec": { "secretName": "c" } })).await,
        "at least one of commonName",
    );
}

fn bad_named(name: &str) -> DynamicObject {
    object(
        "cert-manager.io/v1",
        "Certificate",
        name,
        &json!({ "secretName": "a", "issuerRef": { "name": "b" } }),
    )
}

/// Replaces the versions of a definition.
fn lax_rules(definition: &Value) -> Value {
    json!({ "spec": { "versions": definition["spec"]["versions"] } })
}

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
async fn what_an_order_and_a_challenge_have_found_out_stays() {
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

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn only_who_may_approve_for_the_signer_can_approve() {
    let (bed, namespace) = prepared().await;
    let requests = requests(&bed, &namespace).await;
    let signers = [
        (
            "issuer",
            json!({ "name": "ca" }),
            format!("issuers.cert-manager.io/{namespace}.ca"),
        ),
        (
            "cluster",
            json!({ "name": "ca", "kind": "ClusterIssuer" }),
            "clusterissuers.cert-manager.io/ca".to_owned(),
        ),
        (
            "external",
            json!({ "name": "ca", "kind": "StepIssuer", "group": "certmanager.step.sm" }),
            format!("stepissuers.certmanager.step.sm/{namespace}.ca"),
        ),
        (
            "external-cluster",
            json!({ "name": "ca", "kind": "AWSPCAClusterIssuer", "group": "awspca.cert-manager.io" }),
            "awspcaclusterissuers.awspca.cert-manager.io/ca".to_owned(),
        ),
        (
            "plural",
            json!({ "name": "ca", "kind": "Authority", "group": "a.example" }),
            format!("authorities.a.example/{namespace}.ca"),
        ),
    ];
    for (name, issuer, signer) in &signers {
        let mut spec = good("CertificateRequest");
        spec["issuerRef"] = issuer.clone();
        stored(&requests, &request(name, &spec)).await;
        let all = format!("{}/*", signer.split_once('/').unwrap().0);
        for (kind, signer) in [("one", signer.as_str()), ("all", all.as_str())] {
            let role = format!("{namespace}-{name}-{kind}");
            bed.apply(&namespace, &role_manifest(&role, signer)).await;
        }
        let approve = |user: String| approve(&bed, &namespace, name, user);
        let refusal = approve(format!("{namespace}-nobody")).await.expect_err("no right");
        let says = format!("does not have permissions to set approved/denied conditions for issuer {signer}");
        assert!(refusal.contains(&says), "{refusal}");
        approve(format!("{namespace}-{name}-one")).await.unwrap();
        approve(format!("{namespace}-{name}-all")).await.unwrap();
    }
    // A right for one signer is none for another.
    let refusal = approve(&bed, &namespace, "cluster", format!("{namespace}-issuer-all")).await;
    assert!(refusal.is_err());
}

/// A user of the role's name may write the status of requests, and approve for one signer.
fn role_manifest(role: &str, signer: &str) -> String {
    format!(
        "
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {{name: {role}}}
rules:
- {{apiGroups: [cert-manager.io], resources: [signers], resourceNames: ['{signer}'], verbs: [approve]}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {{name: {role}}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: {role}}}
subjects: [{{kind: User, name: {role}, apiGroup: rbac.authorization.k8s.io}}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {{name: request-status}}
rules:
- {{apiGroups: [cert-manager.io], resources: [certificaterequests, certificaterequests/status], verbs: [get]}}
- {{apiGroups: [cert-manager.io], resources: [certificaterequests/status], verbs: [update, patch]}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {{name: request-status}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: request-status}}
subjects: [{{kind: Group, name: request-status, apiGroup: rbac.authorization.k8s.io}}]
"
    )
}

/// Approves without storing, as a user who may write the status.
async fn approve(bed: &Bed, namespace: &str, request: &str, user: String) -> Result<(), String> {
    let status = json!({ "status": { "conditions": [{ "type": "Approved", "status": "True", "reason": "r", "message": "m" }] } });
    let status = status.to_string();
    let (user, patch) = (format!("--as={user}"), format!("--patch={status}"));
    let args = [
        "patch",
        "certificaterequest",
        request,
        "-n",
        namespace,
        "--subresource=status",
        "--type=merge",
    ];
    let done = bed
        .try_kubectl(
            &[
                &args[..],
                &[&patch, &user, "--as-group=request-status", "--dry-run=server"],
            ]
            .concat(),
        )
        .await;
    if done.status.success() {
        Ok(())
    } else {
        Err(done.stderr)
    }
}
