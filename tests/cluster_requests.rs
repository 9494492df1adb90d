//! CertificateRequests that people and other programs make, on a real API server: approved, signed, refused, explained.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking"
)]

mod support;

use base64::{Engine, engine::general_purpose::STANDARD};
use kube::Api;
use kube::api::{DynamicObject, Patch, PatchParams};
use serde_json::{Value, json};
use support::{Bed, Certlet, IN_TIME, condition_is, condition_reason_is, openssl, openssl_verify, until};

async fn prepared() -> (Bed, String, Api<DynamicObject>) {
    let bed = Bed::attach().await;
    bed.install_crds().await;
    Certlet::shared(&bed).await;
    let namespace = bed.new_namespace().await;
    let requests = bed
        .objects("cert-manager.io/v1", "CertificateRequest", Some(&namespace))
        .await;
    (bed, namespace, requests)
}

/// A key and a CSR for `web.example.com`, made by openssl.
async fn key_and_csr(usages: Option<&str>) -> (String, String) {
    let key = openssl(&["ecparam", "-name", "prime256v1", "-genkey", "-noout"], "").await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("key.pem");
    std::fs::write(&file, &key).unwrap();
    let mut args = vec![
        "req",
        "-new",
        "-key",
        file.to_str().unwrap(),
        "-subj",
        "/O=Shop/CN=web.example.com",
    ];
    args.extend(["-addext", "subjectAltName=DNS:web.example.com,DNS:www.example.com"]);
    if let Some(usages) = usages {
        args.extend(["-addext", usages]);
    }
    let csr = openssl(&args, "").await;
    (key, csr)
}

/// A CA made by openssl, in Secret `root`.
async fn apply_ca(bed: &Bed, namespace: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let (key, certificate) = (path("ca.key"), path("ca.crt"));
    let args = [
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "365",
        "-subj",
        "/CN=Shop Root",
        "-addext",
        "keyUsage=critical,keyCertSign,cRLSign",
        "-keyout",
        &key,
        "-out",
        &certificate,
    ];
    openssl(&args, "").await;
    bed.kubectl(&[
        "create",
        "secret",
        "tls",
        "-n",
        namespace,
        "root",
        &format!("--cert={certificate}"),
        &format!("--key={key}"),
    ])
    .await;
    std::fs::read_to_string(certificate).unwrap()
}

async fn apply_issuer(bed: &Bed, namespace: &str, name: &str, spec: Value) {
    let issuer =
        json!({"apiVersion": "cert-manager.io/v1", "kind": "Issuer", "metadata": {"name": name}, "spec": spec});
    bed.apply(namespace, &issuer.to_string()).await;
}

/// Makes request `web`.
async fn apply_request(bed: &Bed, namespace: &str, csr: &str, extra: Value, annotations: Value) {
    let mut spec = json!({"request": STANDARD.encode(csr), "issuerRef": {"name": "issuer"}});
    for (key, value) in extra.as_object().unwrap() {
        spec[key] = value.clone();
    }
    let request = json!({
        "apiVersion": "cert-manager.io/v1", "kind": "CertificateRequest",
        "metadata": {"name": "web", "annotations": annotations}, "spec": spec,
    });
    bed.apply(namespace, &request.to_string()).await;
}

fn condition(object: &DynamicObject, type_: &str) -> Value {
    let conditions = object.data["status"]["conditions"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    conditions
        .into_iter()
        .find(|condition| condition["type"] == type_)
        .unwrap_or_default()
}

fn decoded(object: &DynamicObject, field: &str) -> String {
    String::from_utf8(STANDARD.decode(object.data["status"][field].as_str().unwrap()).unwrap()).unwrap()
}

async fn issued(api: &Api<DynamicObject>) -> DynamicObject {
    until(api, "web", IN_TIME, condition_is("Ready", "True")).await.unwrap()
}

async fn refused(api: &Api<DynamicObject>, reason: &'static str) -> String {
    let request = until(api, "web", IN_TIME, condition_reason_is("Ready", reason))
        .await
        .unwrap();
    assert_eq!(request.data["status"].get("failureTime").is_some(), reason != "Pending");
    condition(&request, "Ready")["message"].as_str().unwrap().to_owned()
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_request_to_a_ca_is_approved_and_signed_in_one_write() {
    let (bed, namespace, requests) = prepared().await;
    let root = apply_ca(&bed, &namespace).await;
    apply_issuer(&bed, &namespace, "issuer", json!({"ca": {"secretName": "root"}})).await;
    let issuers = bed.objects("cert-manager.io/v1", "Issuer", Some(&namespace)).await;
    until(&issuers, "issuer", IN_TIME, condition_is("Ready", "True")).await;
    let (_, csr) = key_and_csr(None).await;
    let mark = bed.audit_mark();
    apply_request(
        &bed,
        &namespace,
        &csr,
        json!({"usages": ["digital signature", "server auth"], "duration": "48h"}),
        json!({}),
    )
    .await;

    let request = issued(&requests).await;
    let approved = condition(&request, "Approved");
    assert_eq!(approved["reason"], "cert-manager.io");
    assert_eq!(
        approved["message"],
        "Certificate request has been approved by cert-manager.io"
    );
    let ready = condition(&request, "Ready");
    assert_eq!(
        (&ready["reason"], &ready["message"]),
        (&json!("Issued"), &json!("Certificate fetched from issuer successfully"))
    );
    assert!(ready.get("observedGeneration").is_none() && ready["lastTransitionTime"].is_string());
    let leaf = decoded(&request, "certificate");
    assert_eq!(
        openssl_verify(&root, std::slice::from_ref(&leaf), "www.example.com").await,
        Ok(())
    );
    assert_eq!(decoded(&request, "ca"), root);
    let text = openssl(&["x509", "-noout", "-text"], &leaf).await;
    assert!(
        text.contains("O = Shop, CN = web.example.com") && text.contains("TLS Web Server Authentication"),
        "{text}"
    );
    let ours: Vec<_> = bed
        .writes_since(mark)
        .into_iter()
        .filter(|write| write.namespace == namespace && write.agent.starts_with("certlet/"))
        .map(|write| (write.verb, write.resource))
        .collect();
    assert_eq!(ours, [("patch".to_owned(), "certificaterequests/status".to_owned())]);
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_request_waits_for_its_issuer_and_for_the_ca_and_says_for_which() {
    let (bed, namespace, requests) = prepared().await;
    let (_, csr) = key_and_csr(None).await;
    apply_request(&bed, &namespace, &csr, json!({}), json!({})).await;
    let message = refused(&requests, "Pending").await;
    assert_eq!(
        message,
        "Referenced \"Issuer\" not found: issuer.cert-manager.io \"issuer\" not found"
    );
    apply_issuer(&bed, &namespace, "issuer", json!({"ca": {"secretName": "root"}})).await;
    until(&requests, "web", IN_TIME, |request: Option<&DynamicObject>| {
        request.is_some_and(|request| {
            condition(request, "Ready")["message"] == "Referenced issuer does not have a Ready status condition"
        })
    })
    .await;
    let root = apply_ca(&bed, &namespace).await;
    let leaf = decoded(&issued(&requests).await, "certificate");
    assert_eq!(openssl_verify(&root, &[leaf], "web.example.com").await, Ok(()));
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_ca_that_is_replaced_signs_with_its_new_key() {
    let (bed, namespace, requests) = prepared().await;
    apply_issuer(&bed, &namespace, "issuer", json!({"ca": {"secretName": "root"}})).await;
    let (_, csr) = key_and_csr(None).await;
    for _ in 0..2 {
        let root = apply_ca(&bed, &namespace).await;
        apply_request(&bed, &namespace, &csr, json!({}), json!({})).await;
        let request = issued(&requests).await;
        assert_eq!(decoded(&request, "ca"), root);
        assert_eq!(
            openssl_verify(&root, &[decoded(&request, "certificate")], "web.example.com").await,
            Ok(())
        );
        bed.kubectl(&["delete", "certificaterequest,secret", "-n", &namespace, "--all"])
            .await;
    }
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_self_signed_request_takes_the_key_from_the_secret_that_it_names() {
    let (bed, namespace, requests) = prepared().await;
    apply_issuer(&bed, &namespace, "issuer", json!({"selfSigned": {}})).await;
    let (key, csr) = key_and_csr(None).await;
    let annotations = json!({"cert-manager.io/private-key-secret-name": "web-key"});
    apply_request(&bed, &namespace, &csr, json!({}), annotations.clone()).await;
    let message = refused(&requests, "Pending").await;
    assert_eq!(
        message,
        format!("Referenced secret {namespace}/web-key not found: secret \"web-key\" not found")
    );

    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "web-key"}, "stringData": {"tls.key": "garbage"}});
    bed.apply(&namespace, &secret.to_string()).await;
    until(&requests, "web", IN_TIME, |request: Option<&DynamicObject>| {
        request.is_some_and(|request| {
            condition(request, "Ready")["message"]
                .as_str()
                .unwrap()
                .starts_with("Failed to get key \"web-key\"")
        })
    })
    .await;
    let secret =
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "web-key"}, "stringData": {"tls.key": key}});
    bed.apply(&namespace, &secret.to_string()).await;
    let leaf = decoded(&issued(&requests).await, "certificate");
    assert_eq!(
        openssl_verify(&leaf, std::slice::from_ref(&leaf), "web.example.com").await,
        Ok(())
    );

    // Another key than that of the CSR is no use, and no annotation is none either.
    let (_, other) = key_and_csr(None).await;
    for (csr, annotations, words) in [
        (&other, annotations, "CSR not signed by referenced private key"),
        (&csr, json!({}), "missing or reference empty"),
    ] {
        bed.kubectl(&["delete", "certificaterequest", "-n", &namespace, "web"])
            .await;
        apply_request(&bed, &namespace, csr, json!({}), annotations).await;
        let message = refused(&requests, "Failed").await;
        assert!(message.contains(words), "{message}");
    }
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn requests_that_can_never_be_signed_fail_with_the_field_and_the_reason() {
    let (_, csr) = key_and_csr(Some("extendedKeyUsage=clientAuth")).await;
    let small = {
        let args = [
            "req",
            "-new",
            "-newkey",
            "rsa:1024",
            "-nodes",
            "-keyout",
            "/dev/null",
            "-subj",
            "/CN=small.example.com",
        ];
        openssl(&args, "").await
    };
    let broken = csr.replacen("MI", "MJ", 1);
    let cases = [
        (
            "garbage".to_owned(),
            json!({}),
            "spec.request: Invalid value: \"garbage\": ",
        ),
        (
            broken,
            json!({}),
            "spec.request: Invalid value: \"-----BEGIN CERTIFICATE REQUEST-----",
        ),
        (small, json!({}), "1024"),
        (
            csr,
            json!({"usages": ["server auth"]}),
            "[ 'client auth' ] do not match the expected",
        ),
    ];
    for (csr, extra, words) in cases {
        let (bed, namespace, requests) = prepared().await;
        let mark = bed.audit_mark();
        apply_request(&bed, &namespace, &csr, extra, json!({})).await;
        let message = refused(&requests, "Failed").await;
        assert!(message.contains(words), "{message}");
        let writes = bed
            .writes_since(mark)
            .into_iter()
            .filter(|write| write.namespace == namespace && write.agent.starts_with("certlet/"));
        assert_eq!(writes.count(), 1, "{words}");
    }
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_request_for_another_group_is_approved_and_signed_by_the_other_controller() {
    let (bed, namespace, requests) = prepared().await;
    let root = apply_ca(&bed, &namespace).await;
    let certificate = json!({
        "apiVersion": "cert-manager.io/v1", "kind": "Certificate", "metadata": {"name": "outside"},
        "spec": {
            "secretName": "outside-tls", "dnsNames": ["web.example.com"], "privateKey": {"algorithm": "ECDSA"},
            "issuerRef": {"group": "pca.example.com", "kind": "Pca", "name": "elsewhere"},
        },
    });
    bed.apply(&namespace, &certificate.to_string()).await;
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
async fn an_issuer_type_that_is_not_there_yet_says_so() {
    let (bed, namespace, requests) = prepared().await;
    let vault = json!({"vault": {"server": "https://vault.example", "path": "pki/sign/x", "auth": {"tokenSecretRef": {"name": "t", "key": "t"}}}});
    apply_issuer(&bed, &namespace, "issuer", vault).await;
    let (_, csr) = key_and_csr(None).await;
    apply_request(&bed, &namespace, &csr, json!({}), json!({})).await;
    let message = refused(&requests, "Pending").await;
    assert!(message.contains("not supported by certlet yet"), "{message}");
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_request_to_acme_becomes_an_order_named_as_cert_manager_names_it() {
    let (bed, namespace, requests) = prepared().await;
    let acme = json!({"acme": {
        "server": bed.pebble().directory(), "caBundle": bed.pebble().ca_bundle(), "privateKeySecretRef": {"name": "account"},
        "solvers": [{"http01": {"ingress": {}}}],
    }});
    apply_issuer(&bed, &namespace, "issuer", acme).await;
    let (_, csr) = key_and_csr(None).await;
    let annotations = json!({"acme.cert-manager.io/http01-override-ingress-class": "traefik"});
    apply_request(&bed, &namespace, &csr, json!({}), annotations).await;
    let orders = bed.objects("acme.cert-manager.io/v1", "Order", Some(&namespace)).await;
    // fnv32 of {"request":null,"issuerRef":{"name":"issuer"},"commonName":…,"dnsNames":[…]}, computed apart.
    let name = "web-2553455508";
    let order = until(&orders, name, IN_TIME, |order: Option<&DynamicObject>| order.is_some())
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
