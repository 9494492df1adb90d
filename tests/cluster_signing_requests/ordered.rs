//! Requests for an ACME issuer.

use super::*;

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn an_approved_request_to_an_acme_issuer_is_ordered_proved_and_signed() {
    let scene = prepared().await;
    let _certlet = Certlet::start(&scene.bed, &[GATE]).await;
    scene.acme("Issuer", "acme").await;
    let (name, host) = (
        format!("{}-acme", scene.namespace),
        format!("csr.{}.example", scene.namespace),
    );
    let signer = format!("issuers.cert-manager.io/{}.acme", scene.namespace);
    let asks = json!({"signerName": signer, "request": csr(&host).await});
    scene.apply(&name, asks, None).await;
    scene.told(&name, "WaitingApproval").await;
    let waiting = scene.requests.get(&name).await.unwrap();
    assert!(
        scene.orders(&scene.namespace, &waiting).await.is_empty(),
        "nothing is ordered before"
    );
    scene.approve(&name).await;
    let created = scene.told(&name, "OrderCreated").await;
    let order = format!("Created Order resource {}/{name}-", scene.namespace);
    assert!(created.starts_with(&order), "{created}");
    let done = scene.signed_by_acme(&name, &host).await;
    scene.told(&name, "CertificateIssued").await;
    assert_eq!(scene.orders(&scene.namespace, &done).await.len(), 1);
    // what belongs to a request goes with it
    scene.requests.delete(&name, &DeleteParams::default()).await.unwrap();
    eventually("the Order is gone", IN_TIME, async || {
        scene.orders(&scene.namespace, &done).await.is_empty().then_some(())
    })
    .await;
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_cluster_issuer_orders_where_its_secrets_are_and_what_the_ca_refuses_fails_the_request() {
    let scene = prepared().await;
    scene.bed.try_kubectl(&["create", "namespace", "cert-manager"]).await;
    let _certlet = Certlet::start(&scene.bed, &[GATE]).await;
    let issuer = format!("acme-{}", scene.namespace);
    scene.acme("ClusterIssuer", &issuer).await;
    let signer = format!("clusterissuers.cert-manager.io/{issuer}");
    let (name, host) = (
        format!("{}-cluster", scene.namespace),
        format!("cluster.{}.example", scene.namespace),
    );
    let asks = json!({"signerName": signer, "request": csr(&host).await});
    scene.apply(&name, asks, None).await;
    scene.approve(&name).await;
    let done = scene.signed_by_acme(&name, &host).await;
    assert_eq!(scene.orders("cert-manager", &done).await.len(), 1);

    let blocked = format!("{name}-blocked");
    let asks = json!({"signerName": signer, "request": csr("blocked-domain.example").await});
    scene.apply(&blocked, asks, None).await;
    scene.approve(&blocked).await;
    let message = scene.failed(&blocked, "OrderFailed").await;
    assert!(message.contains("blocked-domain.example"), "{message}");
}

/// Whoever may create Orders does not get the CA's word for it by naming a request that nobody has approved.
#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn an_order_that_names_a_request_nobody_has_approved_is_left_alone() {
    let scene = prepared().await;
    let _certlet = Certlet::start(&scene.bed, &[GATE]).await;
    scene.acme("Issuer", "acme").await;
    let (name, host) = (
        format!("{}-forged", scene.namespace),
        format!("forged.{}.example", scene.namespace),
    );
    let signer = format!("issuers.cert-manager.io/{}.acme", scene.namespace);
    let asked = csr(&host).await;
    scene
        .apply(&name, json!({"signerName": signer, "request": asked}), None)
        .await;
    let uid = scene.requests.get(&name).await.unwrap().metadata.uid.unwrap();
    let owner = json!({"apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest", "name": name, "uid": uid,
        "controller": true});
    let order = json!({"apiVersion": "acme.cert-manager.io/v1", "kind": "Order",
        "metadata": {"name": "forged", "ownerReferences": [owner]},
        "spec": {"request": asked, "commonName": host, "dnsNames": [host],
            "issuerRef": {"name": "acme", "kind": "Issuer", "group": "cert-manager.io"}}});
    scene.bed.apply(&scene.namespace, &order.to_string()).await;
    // another request, made later, has gone all the way: the Order has been looked at
    let (other, host) = (format!("{name}-other"), format!("other.{}.example", scene.namespace));
    scene
        .apply(&other, json!({"signerName": signer, "request": csr(&host).await}), None)
        .await;
    scene.approve(&other).await;
    scene.signed_by_acme(&other, &host).await;
    let orders = scene
        .bed
        .objects("acme.cert-manager.io/v1", "Order", Some(&scene.namespace))
        .await;
    let status = orders.get("forged").await.unwrap().data["status"].clone();
    assert!(status.is_null() || status == json!({}), "{status}");
    // approved, it is what certlet would have made, and does the work
    scene.approve(&name).await;
    scene
        .signed_by_acme(&name, &format!("forged.{}.example", scene.namespace))
        .await;
}
