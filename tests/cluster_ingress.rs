//! Annotated Ingresses on a real API server: their Certificates come, follow edits, and go (SHM rows).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking"
)]

mod support;

use kube::Api;
use kube::api::{DynamicObject, Patch, PatchParams};
use serde_json::{Value, json};
use support::{Bed, Certlet, IN_TIME, events, eventually, gone, until};

async fn prepared() -> (Bed, String, Api<DynamicObject>) {
    let bed = Bed::attach().await;
    bed.install_crds().await;
    Certlet::shared(&bed).await;
    let namespace = bed.new_namespace().await;
    let certificates = bed.objects("cert-manager.io/v1", "Certificate", Some(&namespace)).await;
    (bed, namespace, certificates)
}

/// Ingress `web`, for an issuer that does not exist: what is tested here needs no certificate to be issued.
async fn apply_ingress(bed: &Bed, namespace: &str, annotations: Value, tls: Value) {
    let ingress = json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
        "metadata": {
            "name": "web", "labels": {"app": "shop", "applyset.kubernetes.io/part-of": "set"}, "annotations": annotations,
        },
        "spec": {"defaultBackend": {"service": {"name": "web", "port": {"number": 80}}}, "tls": tls},
    });
    bed.apply(namespace, &ingress.to_string()).await;
}

fn issuer() -> Value {
    json!({"cert-manager.io/cluster-issuer": "nobody"})
}

/// Messages of the events about the Ingress with this reason.
async fn told(bed: &Bed, namespace: &str, reason: &str) -> Vec<String> {
    let fields = format!("involvedObject.kind=Ingress,involvedObject.name=web,reason={reason}");
    events::messages(bed, namespace, &fields).await
}

async fn told_once(bed: &Bed, namespace: &str, reason: &str) -> String {
    let what = format!("one event {reason}");
    let told = eventually(&what, IN_TIME, async || {
        Some(told(bed, namespace, reason).await).filter(|told| !told.is_empty())
    });
    let mut told = told.await;
    assert_eq!(told.len(), 1, "{told:?}");
    told.remove(0)
}

async fn there(
    api: &Api<DynamicObject>,
    name: &str,
    holds: impl Fn(&Value) -> bool + Send + Sync + Copy + 'static,
) -> DynamicObject {
    until(api, name, IN_TIME, move |object: Option<&DynamicObject>| {
        object.is_some_and(|object| holds(&object.data))
    })
    .await
    .unwrap()
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_certificate_comes_with_its_block_follows_it_and_goes_with_it() {
    let (bed, namespace, certificates) = prepared().await;
    apply_ingress(
        &bed,
        &namespace,
        issuer(),
        json!([{"hosts": ["a.example.com", "10.0.0.1"], "secretName": "web-tls"}]),
    )
    .await;

    let made = there(&certificates, "web-tls", |_| true).await;
    let spec = json!({
        "dnsNames": ["a.example.com"], "ipAddresses": ["10.0.0.1"], "secretName": "web-tls",
        "issuerRef": {"group": "cert-manager.io", "kind": "ClusterIssuer", "name": "nobody"},
        "usages": ["digital signature", "key encipherment"],
    });
    assert_eq!(made.data["spec"], spec);
    assert_eq!(
        made.metadata.labels.unwrap().into_iter().collect::<Vec<_>>(),
        [("app".to_owned(), "shop".to_owned())]
    );
    let owners = made.metadata.owner_references.unwrap();
    assert_eq!((owners[0].kind.as_str(), owners[0].controller), ("Ingress", Some(true)));
    assert_eq!(
        told_once(&bed, &namespace, "CreateCertificate").await,
        "Successfully created Certificate \"web-tls\""
    );

    apply_ingress(
        &bed,
        &namespace,
        issuer(),
        json!([{"hosts": ["b.example.com"], "secretName": "web-tls"}]),
    )
    .await;
    let edited = there(&certificates, "web-tls", |data| {
        data["spec"]["dnsNames"] == json!(["b.example.com"])
    })
    .await;
    assert_eq!(
        edited.data["spec"].get("ipAddresses"),
        None,
        "the whole spec is replaced (SHM-06)"
    );
    assert_eq!(
        told_once(&bed, &namespace, "UpdateCertificate").await,
        "Successfully updated Certificate \"web-tls\""
    );

    // An edit by hand of what SHM-05 compares is put right.
    let by_hand = json!({"spec": {"dnsNames": ["mine.example.com"]}});
    certificates
        .patch("web-tls", &PatchParams::default(), &Patch::Merge(&by_hand))
        .await
        .unwrap();
    there(&certificates, "web-tls", |data| {
        data["spec"]["dnsNames"] == json!(["b.example.com"])
    })
    .await;

    apply_ingress(
        &bed,
        &namespace,
        issuer(),
        json!([{"hosts": ["b.example.com"], "secretName": "new-tls"}]),
    )
    .await;
    there(&certificates, "new-tls", |_| true).await;
    until(&certificates, "web-tls", IN_TIME, gone()).await;
    let deleted = told_once(&bed, &namespace, "DeleteCertificate").await;
    assert_eq!(deleted, "Successfully deleted unrequired Certificate \"web-tls\"");

    // The garbage collector does the rest (SHM-02).
    bed.kubectl(&["delete", "ingress", "-n", &namespace, "web"]).await;
    until(&certificates, "new-tls", IN_TIME, gone()).await;
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_certificate_of_someone_else_is_left_alone() {
    let (bed, namespace, certificates) = prepared().await;
    let theirs = json!({
        "apiVersion": "cert-manager.io/v1", "kind": "Certificate", "metadata": {"name": "theirs"},
        "spec": {"secretName": "theirs", "dnsNames": ["theirs.example.com"], "issuerRef": {"name": "nobody"}},
    });
    bed.apply(&namespace, &theirs.to_string()).await;
    let tls = json!([
        {"hosts": ["a.example.com"], "secretName": "theirs"}, {"hosts": ["b.example.com"], "secretName": "ours"}
    ]);
    apply_ingress(&bed, &namespace, issuer(), tls).await;
    // The second block comes after the first.
    there(&certificates, "ours", |_| true).await;
    let untouched = certificates.get("theirs").await.unwrap();
    assert_eq!(untouched.metadata.generation, Some(1));
    assert_eq!(told(&bed, &namespace, "UpdateCertificate").await, Vec::<String>::new());
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn wrong_ingresses_are_told_once_written_never_and_cured_by_an_edit() {
    let block = json!([{"hosts": ["a.example.com"], "secretName": "web-tls"}]);
    let bad_duration = json!({"cert-manager.io/cluster-issuer": "nobody", "cert-manager.io/duration": "90d"});
    let two_issuers = json!({"cert-manager.io/cluster-issuer": "nobody", "cert-manager.io/issuer": "nobody"});
    let twice =
        json!([{"hosts": ["a.example.com"], "secretName": "t"}, {"hosts": ["b.example.com"], "secretName": "t"}]);
    let late = json!({
        "cert-manager.io/cluster-issuer": "nobody", "cert-manager.io/duration": "50h", "cert-manager.io/renew-before": "60h",
    });
    let cases = [
        (
            issuer(),
            json!([{"hosts": ["a.example.com"]}]),
            "Skipped a TLS block: spec.tls[0].secretName: Required value",
        ),
        (
            issuer(),
            json!([{"secretName": "web-tls"}]),
            "Skipped a TLS block: spec.tls[0].hosts: Required value",
        ),
        (
            issuer(),
            twice,
            "this secret name must only appear in a single TLS entry but is also used in spec.tls[1].secretName",
        ),
        (
            bad_duration,
            block.clone(),
            "invalid ingress annotation \"cert-manager.io/duration\"",
        ),
        (late, block.clone(), "must be greater than renewBefore"),
        (
            two_issuers,
            block.clone(),
            "Could not determine issuer for ingress due to bad annotations",
        ),
    ];
    for (annotations, tls, words) in cases {
        let (bed, namespace, certificates) = prepared().await;
        let mark = bed.audit_mark().await;
        apply_ingress(&bed, &namespace, annotations, tls).await;
        assert!(told_once(&bed, &namespace, "BadConfig").await.contains(words));
        // Something else about the Ingress changes: it is looked at again, and not complained about again.
        bed.kubectl(&["annotate", "ingress", "-n", &namespace, "web", "touched=yes"])
            .await;
        bed.kubectl(&["delete", "ingress", "-n", &namespace, "web"]).await;
        apply_ingress(
            &bed,
            &namespace,
            issuer(),
            json!([{"hosts": ["a.example.com"], "secretName": "web-tls"}]),
        )
        .await;
        there(&certificates, "web-tls", |_| true).await;
        assert_eq!(told(&bed, &namespace, "BadConfig").await.len(), 1, "{words}");
        let writes = bed.writes_since(mark).await;
        let ours = writes
            .iter()
            .filter(|write| write.namespace == namespace && write.resource == "certificates" && write.code < 300);
        assert_eq!(
            ours.map(|write| write.verb.as_str()).collect::<Vec<_>>(),
            ["create"],
            "{words}"
        );
    }
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn taking_the_annotation_away_leaves_the_certificate() {
    let (bed, namespace, certificates) = prepared().await;
    let tls = json!([{"hosts": ["a.example.com"], "secretName": "web-tls"}]);
    apply_ingress(&bed, &namespace, issuer(), tls).await;
    let made = there(&certificates, "web-tls", |_| true).await;
    apply_ingress(&bed, &namespace, json!({}), json!([])).await;
    // What is done about another Ingress afterwards comes after what would be done about this one.
    let other = json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "other", "annotations": issuer()},
        "spec": {
            "defaultBackend": {"service": {"name": "web", "port": {"number": 80}}},
            "tls": [{"hosts": ["b.example.com"], "secretName": "other-tls"}],
        },
    });
    bed.apply(&namespace, &other.to_string()).await;
    there(&certificates, "other-tls", |_| true).await;
    let kept = certificates.get("web-tls").await.unwrap();
    assert_eq!(
        (kept.metadata.uid, kept.metadata.generation),
        (made.metadata.uid, Some(1))
    );
}
