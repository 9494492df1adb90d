//! Who asks: filled in by the server, and never somebody else.

use serde_json::{Value, json};

use crate::support::{Bed, Certlet, IN_TIME, condition_is, eventually, until};
use crate::{good, object, prepared, request, requests, stored};

const ALICE: [&str; 6] = [
    "--as=alice",
    "--as-uid=0815",
    "--as-group=request-writers",
    "--as-group=system:authenticated",
    "--as-user-extra=example.com/team=blue",
    "--as-user-extra=example.com/team=green",
];

const WRITERS: &str = "
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: request-writers}
rules: [{apiGroups: [cert-manager.io], resources: [certificaterequests], verbs: [get, create]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: request-writers}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: request-writers}
subjects: [{kind: Group, name: request-writers, apiGroup: rbac.authorization.k8s.io}]
";

/// Creates a request as Alice without storing it, and returns it as the server would store it.
async fn created_by_alice(bed: &Bed, namespace: &str, name: &str, identity: &Value) -> Result<Value, String> {
    let mut spec = good("CertificateRequest");
    crate::merge(&mut spec, identity);
    let file = bed.path(&format!("run/{namespace}-{name}.json"));
    std::fs::write(&file, serde_json::to_string(&request(name, &spec)).unwrap()).unwrap();
    let args = [
        "create",
        "-n",
        namespace,
        "-f",
        file.to_str().unwrap(),
        "--dry-run=server",
        "-o",
        "json",
    ];
    let done = bed.try_kubectl(&[&args[..], &ALICE[..]].concat()).await;
    if done.status.success() {
        Ok(serde_json::from_str(&done.stdout).unwrap())
    } else {
        Err(done.stderr)
    }
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn the_server_writes_who_asks_into_a_request() {
    let (bed, namespace) = prepared().await;
    if !bed.can_write_requesters().await {
        let test = "the_server_writes_who_asks_into_a_request";
        return bed.skip(test, "this server has no MutatingAdmissionPolicy (Kubernetes 1.36)");
    }
    bed.apply(&namespace, WRITERS).await;
    for (name, claimed) in [
        ("nothing", json!({})),
        (
            "forged",
            json!({ "username": "bob", "uid": "1", "groups": ["system:masters"], "extra": { "a": ["b"] } }),
        ),
    ] {
        let found = created_by_alice(&bed, &namespace, name, &claimed).await.unwrap();
        assert_eq!(found["spec"]["username"], "alice");
        assert_eq!(found["spec"]["uid"], "0815");
        assert_eq!(
            found["spec"]["groups"],
            json!(["request-writers", "system:authenticated"])
        );
        assert_eq!(found["spec"]["extra"], json!({ "example.com/team": ["blue", "green"] }));
    }
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_server_that_does_not_fill_it_in_still_refuses_a_forged_one() {
    let (bed, namespace) = prepared().await;
    bed.apply(&namespace, WRITERS).await;
    if bed.can_write_requesters().await {
        bed.kubectl(&["delete", "mutatingadmissionpolicybinding", "certlet-requester-identity"])
            .await;
    }
    eventually("requests as they are written", IN_TIME, async || {
        let found = created_by_alice(&bed, &namespace, "plain", &json!({})).await.ok()?;
        found["spec"]["username"].is_null().then_some(())
    })
    .await;
    for (field, forged) in [
        ("username", json!("bob")),
        ("uid", json!("1")),
        ("groups", json!(["system:masters"])),
        ("extra", json!({ "example.com/team": ["red"] })),
    ] {
        let refusal = created_by_alice(&bed, &namespace, field, &json!({ field: forged }))
            .await
            .expect_err(field);
        let says = format!("spec.{field}: Forbidden: {field} identity must be that of the requester");
        assert!(refusal.contains(&says), "{refusal}");
    }
    let honest = json!({ "username": "alice", "uid": "0815", "groups": ["system:authenticated", "request-writers"],
        "extra": { "example.com/team": ["blue", "green"] } });
    created_by_alice(&bed, &namespace, "honest", &honest).await.unwrap();
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn certlet_names_itself_in_its_requests_and_says_at_its_start_if_the_server_cannot_or_does_not() {
    let (bed, namespace) = prepared().await;
    let can = bed.can_write_requesters().await;
    if can {
        bed.kubectl(&["delete", "mutatingadmissionpolicybinding", "certlet-requester-identity"])
            .await;
    }
    let certlet = Certlet::start(&bed, &[]).await;
    let issuers = bed.objects("cert-manager.io/v1", "Issuer", Some(&namespace)).await;
    let certificates = bed.objects("cert-manager.io/v1", "Certificate", Some(&namespace)).await;
    stored(&issuers, &object("cert-manager.io/v1", "Issuer", "ca", &good("Issuer"))).await;
    stored(
        &certificates,
        &object("cert-manager.io/v1", "Certificate", "web", &good("Certificate")),
    )
    .await;
    until(&certificates, "web", IN_TIME, condition_is("Ready", "True")).await;
    let made = requests(&bed, &namespace).await.get("web-1").await.unwrap();
    assert_eq!(
        made.data["spec"]["username"],
        "system:serviceaccount:cert-manager:cert-manager"
    );
    let cannot = "the API server cannot record the requester";
    if can {
        certlet
            .wait_for_log("the policy certlet-requester-identity is not applied")
            .await;
        assert!(!certlet.log().contains(cannot), "{}", certlet.log());
    } else {
        certlet.wait_for_log(cannot).await;
    }
}
