//! Requests that somebody else answers: another controller, or an ACME server.

use base64::{Engine, engine::general_purpose::STANDARD};
use kube::api::{DynamicObject, Patch, PatchParams};
use serde_json::json;

use crate::support::{Bed, IN_TIME, condition_is, eventually, openssl, openssl_verify, until};
use crate::{apply_ca, apply_issuer, apply_request, condition, key_and_csr, prepared};

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_request_for_another_group_is_approved_and_signed_by_the_other_controller() {
    let (bed, namespace, requests) = prepared().await;
    let root = apply_ca(&bed, &namespace).await;
    apply_external(&bed, &namespace).await;
    let request = until(&requests, "outside-1", IN_TIME, condition_is("Approved", "True"))
        .await
        .unwrap();
    assert!(request.data["status"].get("certificate").is_none());

    // The other controller: signs with openssl, and writes what external issuers write.
    let leaf = signed_by_openssl(&bed, &namespace, &request).await;
    let mut conditions = request.data["status"]["conditions"].clone();
    let ready = json!({"type": "Ready", "status": "True", "reason": "Issued", "message": "signed elsewhere"});
    conditions.as_array_mut().unwrap().push(ready);
    let status = json!({"status": {"certificate": STANDARD.encode(&leaf), "ca": STANDARD.encode(&root), "conditions": conditions}});
    requests
        .patch_status("outside-1", &PatchParams::default(), &Patch::Merge(&status))
        .await
        .unwrap();

    let certificates = bed.objects("cert-manager.io/v1", "Certificate", Some(&namespace)).await;
    until(&certificates, "outside", IN_TIME, condition_is("Ready", "True")).await;
    let stored = bed
        .kubectl(&[
            "get",
            "secret",
            "-n",
            &namespace,
            "outside-tls",
            "-o",
            "jsonpath={.data.tls\\.crt}",
        ])
        .await;
    let stored = String::from_utf8(STANDARD.decode(stored).unwrap()).unwrap();
    assert_eq!(openssl_verify(&root, &[stored], "web.example.com").await, Ok(()));
    let kept = requests.get("outside-1").await.unwrap();
    assert_eq!(condition(&kept, "Ready")["message"], "signed elsewhere");
}

/// The name that cert-manager gives to the Order for request `web`: fnv32, computed apart, of
/// `{"request":null,"issuerRef":{"name":"issuer"},"commonName":"web.example.com","dnsNames":[…]}`.
const ORDER: &str = "web-2553455508";

async fn apply_acme(bed: &Bed, namespace: &str) {
    let acme = json!({"acme": {
        "server": bed.pebble().directory(), "caBundle": bed.pebble().ca_bundle(), "privateKeySecretRef": {"name": "account"},
        "solvers": [{"http01": {"ingress": {}}}],
    }});
    apply_issuer(bed, namespace, "issuer", acme).await;
}

/// Certificate `outside`, for an issuer of another API group.
async fn apply_external(bed: &Bed, namespace: &str) {
    let certificate = json!({
        "apiVersion": "cert-manager.io/v1", "kind": "Certificate", "metadata": {"name": "outside"},
        "spec": {
            "secretName": "outside-tls", "dnsNames": ["web.example.com"], "privateKey": {"algorithm": "ECDSA"},
            "issuerRef": {"group": "pca.example.com", "kind": "Pca", "name": "elsewhere"},
        },
    });
    bed.apply(namespace, &certificate.to_string()).await;
}

/// Signs the CSR of a request with the CA in Secret `root`.
async fn signed_by_openssl(bed: &Bed, namespace: &str, request: &DynamicObject) -> String {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, bytes: Vec<u8>| {
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let secret = bed
        .objects("v1", "Secret", Some(namespace))
        .await
        .get("root")
        .await
        .unwrap();
    let data = |key: &str| STANDARD.decode(secret.data["data"][key].as_str().unwrap()).unwrap();
    let (key, certificate) = (file("ca.key", data("tls.key")), file("ca.crt", data("tls.crt")));
    let csr = file(
        "csr.pem",
        STANDARD
            .decode(request.data["spec"]["request"].as_str().unwrap())
            .unwrap(),
    );
    let args = [
        "x509",
        "-req",
        "-in",
        &csr,
        "-CA",
        &certificate,
        "-CAkey",
        &key,
        "-CAcreateserial",
        "-days",
        "30",
        "-copy_extensions",
        "copy",
    ];
    openssl(&args, "").await
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn nb_27_what_another_controller_calls_invalid_fails_its_certificate() {
    let (bed, namespace, requests) = prepared().await;
    apply_external(&bed, &namespace).await;
    let request = until(&requests, "outside-1", IN_TIME, condition_is("Approved", "True"))
        .await
        .unwrap();
    let mut conditions = request.data["status"]["conditions"].clone();
    let invalid =
        json!({"type": "InvalidRequest", "status": "True", "reason": "TooLong", "message": "a year is too long"});
    conditions.as_array_mut().unwrap().push(invalid);
    let status = json!({"status": {"conditions": conditions}});
    requests
        .patch_status("outside-1", &PatchParams::default(), &Patch::Merge(&status))
        .await
        .unwrap();
    let certificates = bed.objects("cert-manager.io/v1", "Certificate", Some(&namespace)).await;
    let certificate = until(&certificates, "outside", IN_TIME, condition_is("Issuing", "False"))
        .await
        .unwrap();
    let message = condition(&certificate, "Issuing")["message"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(message.contains("a year is too long"), "{message}");
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_request_to_acme_becomes_an_order_named_as_cert_manager_names_it() {
    let (bed, namespace, requests) = prepared().await;
    apply_acme(&bed, &namespace).await;
    let (_, csr) = key_and_csr(None).await;
    let annotations = json!({"acme.cert-manager.io/http01-override-ingress-class": "traefik"});
    apply_request(&bed, &namespace, &csr, json!({}), annotations).await;
    let orders = bed.objects("acme.cert-manager.io/v1", "Order", Some(&namespace)).await;
    let order = until(&orders, ORDER, IN_TIME, |order: Option<&DynamicObject>| order.is_some())
        .await
        .unwrap();
    let request = requests.get("web").await.unwrap();
    let owners = order.metadata.owner_references.unwrap();
    assert_eq!(
        (owners[0].uid.as_str(), owners[0].controller),
        (request.metadata.uid.as_deref().unwrap(), Some(true))
    );
    assert_eq!(order.data["spec"]["request"], request.data["spec"]["request"]);
    assert_eq!(
        order.data["spec"]["dnsNames"],
        json!(["web.example.com", "www.example.com"])
    );
    assert_eq!(
        order.metadata.annotations.unwrap()["acme.cert-manager.io/http01-override-ingress-class"],
        "traefik"
    );
    assert_eq!(condition(&request, "Ready")["reason"], "Pending");
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn an_order_of_someone_else_keeps_its_name_and_is_not_served() {
    let (bed, namespace, requests) = prepared().await;
    let (_, csr) = key_and_csr(None).await;
    let forged = json!({
        "apiVersion": "acme.cert-manager.io/v1", "kind": "Order", "metadata": {"name": ORDER},
        "spec": {"request": STANDARD.encode(&csr), "issuerRef": {"name": "issuer"}, "dnsNames": ["victim.example.com"]},
    });
    bed.apply(&namespace, &forged.to_string()).await;
    apply_acme(&bed, &namespace).await;
    apply_request(&bed, &namespace, &csr, json!({}), json!({})).await;
    let uid = eventually("the request", IN_TIME, async || {
        requests.get("web").await.ok()?.metadata.uid
    })
    .await;
    let orders = bed.objects("acme.cert-manager.io/v1", "Order", Some(&namespace)).await;
    let other = format!("{ORDER}-{}", uid.replace('-', "").get(..8).unwrap());
    let served = |order: Option<&DynamicObject>| order.is_some_and(|order| order.data["status"]["state"].is_string());
    until(&orders, &other, IN_TIME, served).await;
    let forged = orders.get(ORDER).await.unwrap();
    assert_eq!(forged.data["spec"]["dnsNames"], json!(["victim.example.com"]));
    assert!(forged.data["status"].get("url").is_none(), "{}", forged.data);
}
