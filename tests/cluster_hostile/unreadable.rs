//! No object that the API server admits fails a list or a watch (S3).

use std::path::Path;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use crate::paged::PagedServer;
use crate::poison::{self, odd_request};
use crate::support::command::try_run;
use crate::support::{Bed, Certlet, IN_TIME, Pair, condition_is, eventually, openssl, openssl_csr, until};

const GATE: &str = "--feature-gates=ExperimentalCertificateSigningRequestControllers=true";

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn with_streaming_lists_an_object_that_cannot_be_read_keeps_nobody_from_being_served() {
    let bed = Bed::attach().await;
    let kubeconfig = bed.path("certlet.kubeconfig");
    others_are_served(&bed, &kubeconfig).await;
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn with_paged_lists_an_object_that_cannot_be_read_keeps_nobody_from_being_served() {
    let bed = Bed::attach().await;
    let (_server, kubeconfig) = PagedServer::start(&bed).await;
    let certlet = others_are_served(&bed, &kubeconfig).await;
    let paged = "the API server has no streaming lists";
    assert!(certlet.log().contains(paged), "{}", certlet.log());
}

/// Poison before the start, which is listed, and again while certlet runs, which is watched.
async fn others_are_served(bed: &Bed, kubeconfig: &Path) -> Certlet {
    bed.install_crds().await;
    let tenant = bed.new_namespace().await;
    store_poison(bed, &tenant, "listed").await;
    let certlet = Certlet::launch(bed).kubeconfig(kubeconfig).args(&[GATE]).ready().await;
    is_served(bed, "after the list").await;
    store_poison(bed, &tenant, "watched").await;
    is_served(bed, "after the watch").await;
    are_told(bed, &tenant).await;
    plans(&tenant, kubeconfig).await;
    let log = certlet.log();
    assert!(!log.contains("was interrupted"), "{log}");
    certlet
}

async fn store_poison(bed: &Bed, tenant: &str, suffix: &str) {
    // names without a namespace are the test's own
    for poison in poison::all(tenant, &format!("{suffix}-{tenant}")).await {
        poison.store(bed).await;
    }
}

/// A Certificate of a CA whose Secret comes last and without a label, one of an Ingress, and a Kubernetes CSR.
async fn is_served(bed: &Bed, what: &str) {
    let namespace = bed.new_namespace().await;
    let issuer = |name: &str, spec: Value| {
        json!({ "apiVersion": "cert-manager.io/v1", "kind": "Issuer", "metadata": { "name": name }, "spec": spec })
            .to_string()
    };
    bed.apply(&namespace, &issuer("ca", json!({ "ca": { "secretName": "root" } })))
        .await;
    let issuers = bed.objects("cert-manager.io/v1", "Issuer", Some(&namespace)).await;
    until(&issuers, "ca", IN_TIME, condition_is("Ready", "False")).await;
    let certificate = json!({ "apiVersion": "cert-manager.io/v1", "kind": "Certificate", "metadata": { "name": "web" },
        "spec": { "secretName": "web", "dnsNames": ["web.example.com"], "issuerRef": { "name": "ca" } } });
    bed.apply(&namespace, &certificate.to_string()).await;
    let ingress = json!({ "apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
        "metadata": { "name": "shop", "annotations": { "cert-manager.io/issuer": "ca" } },
        "spec": { "defaultBackend": { "service": { "name": "x", "port": { "number": 80 } } },
            "tls": [{ "hosts": ["shop.example.com"], "secretName": "shop" }] } });
    bed.apply(&namespace, &ingress.to_string()).await;
    let signing = json!({ "apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest", "metadata": { "name": namespace },
        "spec": { "request": STANDARD.encode(openssl_csr("/CN=a.example", &[]).await), "usages": ["digital signature", "client auth"],
            "signerName": format!("issuers.cert-manager.io/{namespace}.ca") } });
    bed.apply(&namespace, &signing.to_string()).await;
    bed.kubectl(&["certificate", "approve", &namespace]).await;
    // base64 that Go reads is no reason to refuse a request
    let odd = json!({ "apiVersion": "cert-manager.io/v1", "kind": "CertificateRequest", "metadata": { "name": "odd" },
        "spec": { "request": odd_request("odd.example.com").await, "issuerRef": { "name": "ca" } } });
    bed.apply(&namespace, &odd.to_string()).await;

    Pair::by_openssl_with_usage("/CN=Shop Root")
        .await
        .store(bed, &namespace, "root")
        .await;
    let certificates = bed.objects("cert-manager.io/v1", "Certificate", Some(&namespace)).await;
    for name in ["web", "shop"] {
        until(&certificates, name, IN_TIME, condition_is("Ready", "True")).await;
    }
    let requests = bed
        .objects("cert-manager.io/v1", "CertificateRequest", Some(&namespace))
        .await;
    let signed = until(&requests, "odd", IN_TIME, condition_is("Ready", "True"))
        .await
        .unwrap();
    let pem = STANDARD
        .decode(signed.data["status"]["certificate"].as_str().unwrap())
        .unwrap();
    let subject = openssl(&["x509", "-noout", "-subject"], std::str::from_utf8(&pem).unwrap()).await;
    assert!(subject.contains("odd.example.com"), "{what}: {subject}");
    eventually("a certificate for the Kubernetes CSR", IN_TIME, async || {
        let found = bed
            .kubectl(&["get", "csr", &namespace, "-o", "jsonpath={.status.certificate}"])
            .await;
        (!found.is_empty()).then_some(())
    })
    .await;
}

/// Those that cannot be read say so where they have a place for it. kubectl reads them: it has no types.
async fn are_told(bed: &Bed, tenant: &str) {
    let cases = [
        ("certificate", "duration", "InvalidSpec", "90d"),
        ("certificaterequest", "both", "Failed", "1e3s"),
    ];
    for (kind, name, reason, words) in cases {
        for suffix in ["listed", "watched"] {
            let name = format!("{name}-{suffix}-{tenant}");
            eventually(&format!("{kind} {name} says {words}"), IN_TIME, async || {
                let text = bed.kubectl(&["get", kind, &name, "-n", tenant, "-o", "json"]).await;
                let object: Value = serde_json::from_str(&text).unwrap();
                let conditions = object["status"]["conditions"].as_array()?;
                let ready = conditions.iter().find(|condition| condition["type"] == "Ready")?;
                let message = ready["message"].as_str().unwrap_or_default();
                (ready["reason"] == reason && message.contains(words)).then_some(())
            })
            .await;
        }
    }
}

/// `certlet plan` lists in pages.
async fn plans(tenant: &str, kubeconfig: &Path) {
    let args = [
        "plan",
        "--kubeconfig",
        kubeconfig.to_str().unwrap(),
        "-o",
        "json",
        "-n",
        tenant,
    ];
    let planned = try_run(env!("CARGO_BIN_EXE_certlet"), &args, None).await;
    let lines = serde_json::from_str::<Vec<Value>>(&planned.stdout);
    let lines = lines.unwrap_or_else(|error| panic!("{error}: {}{}", planned.stdout, planned.stderr));
    assert!(!lines.is_empty(), "{}", planned.stderr);
}
