//! Objects that the API server admits and that are hard to read, one or more of each kind that is watched or listed.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use crate::support::{Bed, IN_TIME, Pair, eventually, openssl_csr};

/// Times that `format: date-time` and Go admit or write, and that are none.
const NO_TIME: &str = "9999-12-31T23:59:59-23:59";
const ODD_TIME: &str = "2026-01-01T00:00:00x5Z";
const CERT_MANAGER: &str = "/apis/cert-manager.io/v1";
const ACME: &str = "/apis/acme.cert-manager.io/v1";

/// One object, with what is put into its status afterwards.
pub(crate) struct Poison {
    collection: String,
    object: Value,
    status: Option<Value>,
    /// Whether somebody writes times into `metadata.managedFields` that nobody can read. The API server keeps them from an update.
    managers: bool,
}

impl Poison {
    /// Stores it as an administrator, without a client that might know better.
    pub(crate) async fn store(&self, bed: &Bed) {
        let text = self.object.to_string();
        let name = self.object["metadata"]["name"].as_str().unwrap();
        send(bed, http::Method::POST, &self.collection, text).await;
        if self.managers {
            let path = format!("{}/{name}", self.collection);
            let mut object: Value =
                serde_json::from_str(&send(bed, http::Method::GET, &path, String::new()).await).unwrap();
            // what does not change the object is not stored
            object["metadata"]["labels"]["changed"] = json!("true");
            let entry = json!({ "manager": "x", "operation": "Update", "apiVersion": object["apiVersion"], "time": NO_TIME,
                "fieldsType": "FieldsV1", "fieldsV1": { "f:metadata": { "f:labels": { "f:app": {} } } } });
            object["metadata"]["managedFields"].as_array_mut().unwrap().push(entry);
            let stored = send(bed, http::Method::PUT, &path, object.to_string()).await;
            assert!(stored.contains("\"time\":\"10000-01-01T23:58:59Z\""), "{stored}");
        }
        if let Some(status) = &self.status {
            let path = format!("{}/{name}/status", self.collection);
            eventually("nobody else writes the status in between", IN_TIME, async || {
                let object: Value =
                    serde_json::from_str(&send(bed, http::Method::GET, &path, String::new()).await).unwrap();
                let mut status = status.clone();
                // certlet may have approved a request already, and an approval can never be taken back
                let others = object.pointer("/status/conditions").and_then(Value::as_array);
                if let (Some(conditions), Some(others)) = (status["conditions"].as_array_mut(), others) {
                    conditions.extend(others.iter().filter(|other| other["type"] == "Approved").cloned());
                }
                let version = &object["metadata"]["resourceVersion"];
                let change = json!({ "metadata": { "resourceVersion": version }, "status": status });
                match try_send(bed, http::Method::PATCH, &path, change.to_string()).await {
                    Err(kube::Error::Api(refusal)) if refusal.code == 409 => None,
                    answer => Some(admitted(answer, &path, &change.to_string())),
                }
            })
            .await;
        }
    }
}

async fn send(bed: &Bed, method: http::Method, path: &str, body: String) -> String {
    admitted(try_send(bed, method, path, body.clone()).await, path, &body)
}

/// That the server admits it is half of what is tested.
fn admitted(answer: Result<String, kube::Error>, path: &str, body: &str) -> String {
    answer.unwrap_or_else(|error| panic!("the API server does not admit {body} at {path}: {error}"))
}

async fn try_send(bed: &Bed, method: http::Method, path: &str, body: String) -> Result<String, kube::Error> {
    let content = if method == http::Method::PATCH {
        "application/merge-patch+json"
    } else {
        "application/json"
    };
    let request = http::Request::builder()
        .method(method)
        .uri(path)
        .header(http::header::CONTENT_TYPE, content)
        .body(body.into_bytes())
        .unwrap();
    bed.client().request_text(request).await
}

/// Base64 of a PEM text whose last character has bits that no byte has, and that Go reads all the same.
fn not_canonical(pem: &str) -> String {
    let mut text = pem.to_owned();
    while text.len() % 3 != 1 {
        text.push('\n');
    }
    let mut encoded = STANDARD.encode(text).into_bytes();
    let place = encoded.len() - 3;
    encoded[place] += 1;
    let encoded = String::from_utf8(encoded).unwrap();
    assert!(STANDARD.decode(&encoded).is_err());
    encoded
}

/// A CSR for `host` in base64 that is not canonical.
pub(crate) async fn odd_request(host: &str) -> String {
    let names = format!("subjectAltName=DNS:{host}");
    not_canonical(&openssl_csr(&format!("/CN={host}"), &["-addext", &names]).await)
}

/// All of them, with names that end in `suffix`.
#[expect(clippy::too_many_lines, reason = "a list, one entry for each kind")]
pub(crate) async fn all(namespace: &str, suffix: &str) -> Vec<Poison> {
    let name = |name: &str| format!("{name}-{suffix}");
    let condition = json!([{ "type": "Ready", "status": "False", "lastTransitionTime": ODD_TIME }]);
    let reference = json!({ "name": "none" });
    let request = odd_request("poison.example.com").await;
    let of = |base: &str, plural: &str| format!("{base}/namespaces/{namespace}/{plural}");
    let custom = |group: &str, kind: &str, collection: String, called: &str, spec: Value, status: Value| Poison {
        collection,
        object: json!({ "apiVersion": group, "kind": kind, "metadata": { "name": name(called), "labels": { "app": "x" } }, "spec": spec }),
        status: Some(status),
        managers: false,
    };
    let certificate = |called, spec, status| {
        custom(
            "cert-manager.io/v1",
            "Certificate",
            of(CERT_MANAGER, "certificates"),
            called,
            spec,
            status,
        )
    };
    let signing = |called, spec, status| {
        custom(
            "cert-manager.io/v1",
            "CertificateRequest",
            of(CERT_MANAGER, "certificaterequests"),
            called,
            spec,
            status,
        )
    };
    let bundle = not_canonical(&Pair::by_openssl("/CN=x").await.certificate);
    let acme = json!({ "acme": { "server": "https://127.0.0.1:1/dir", "privateKeySecretRef": { "name": "k" }, "caBundle": bundle, "solvers": [] } });
    let issuer_status = json!({ "conditions": condition, "acme": { "uri": "\u{1b}[8m" } });
    let mut found = vec![
        certificate(
            "duration",
            json!({ "secretName": name("d"), "dnsNames": ["a.example"], "issuerRef": reference, "duration": "90d" }),
            json!({
            "conditions": condition, "notAfter": NO_TIME, "renewalTime": ODD_TIME, "revision": i64::MAX }),
        ),
        certificate(
            "time",
            json!({ "secretName": name("t"), "dnsNames": ["a.example"], "issuerRef": reference }),
            json!({
            "conditions": condition, "lastFailureTime": ODD_TIME, "failedIssuanceAttempts": -1,
            "acme": { "ari": { "suggestedWindow": { "start": NO_TIME, "end": ODD_TIME } } } }),
        ),
        signing(
            "base64",
            json!({ "request": request, "issuerRef": reference }),
            json!({
            "conditions": condition, "certificate": "QR==", "ca": "QR==", "failureTime": ODD_TIME }),
        ),
        signing(
            "both",
            json!({ "request": request, "issuerRef": reference, "duration": "1e3s" }),
            json!({}),
        ),
        custom(
            "acme.cert-manager.io/v1",
            "Order",
            of(ACME, "orders"),
            "order",
            json!({ "request": request, "issuerRef": reference, "dnsNames": ["a.example"], "duration": "90d" }),
            json!({ "certificate": "QR==", "failureTime": ODD_TIME, "state": "pending" }),
        ),
        custom(
            "acme.cert-manager.io/v1",
            "Challenge",
            of(ACME, "challenges"),
            "challenge",
            json!({
            "authorizationURL": "", "dnsName": "", "issuerRef": reference, "key": "", "solver": {}, "token": "", "type": "HTTP-01", "url": "\u{0}" }),
            json!({ "presentedAt": ODD_TIME, "state": "pending" }),
        ),
        custom(
            "cert-manager.io/v1",
            "Issuer",
            of(CERT_MANAGER, "issuers"),
            "issuer",
            acme.clone(),
            issuer_status.clone(),
        ),
        custom(
            "cert-manager.io/v1",
            "ClusterIssuer",
            format!("{CERT_MANAGER}/clusterissuers"),
            "issuer",
            acme,
            issuer_status,
        ),
    ];
    found.extend(of_kubernetes(namespace, suffix).await);
    found
}

/// Kinds that have Go types in the API server: what those leave to a writer is `metadata.managedFields`, and the conditions of CSRs.
async fn of_kubernetes(namespace: &str, suffix: &str) -> Vec<Poison> {
    let metadata = |name: &str, label: &str| json!({ "name": format!("{name}-{suffix}"), "labels": { label: "true", "app": "x" } });
    let of = |base: &str, plural: &str| format!("{base}/namespaces/{namespace}/{plural}");
    let plain = |collection: String, object: Value| Poison {
        collection,
        object,
        status: None,
        managers: true,
    };
    let (ours, solver) = ("controller.cert-manager.io/fao", "acme.cert-manager.io/http01-solver");
    let csr = STANDARD.encode(openssl_csr("/CN=a.example", &[]).await);
    let csr = |name: &str, conditions: Option<Value>| Poison {
        collection: "/apis/certificates.k8s.io/v1/certificatesigningrequests".into(),
        object: json!({ "apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest", "metadata": metadata(name, "a"),
            "spec": { "request": csr, "usages": ["client auth"], "signerName": format!("issuers.cert-manager.io/{namespace}.none") } }),
        managers: conditions.is_none(),
        status: conditions.map(|conditions| json!({ "conditions": conditions })),
    };
    let backend = json!({ "service": { "name": "x", "port": { "number": 80 } } });
    let ingress = |name: &str, label: &str| {
        plain(
            of("/apis/networking.k8s.io/v1", "ingresses"),
            json!({ "apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
            "metadata": metadata(name, label), "spec": { "defaultBackend": backend, "tls": [{ "hosts": null }] } }),
        )
    };
    let secret = |name: &str, label: &str| {
        plain(
            of("/api/v1", "secrets"),
            json!({ "apiVersion": "v1", "kind": "Secret", "metadata": metadata(name, label),
            "type": "x", "data": { "tls.crt": null, "tls.key": "QR==" } }),
        )
    };
    vec![
        ingress("ingress", "a"),
        ingress("solver", solver),
        secret("labelled", ours),
        secret("unlabelled", "a"),
        plain(
            of("/api/v1", "services"),
            json!({ "apiVersion": "v1", "kind": "Service", "metadata": metadata("solver", solver),
            "spec": { "ports": [{ "port": 80 }] } }),
        ),
        plain(
            of("/apis/discovery.k8s.io/v1", "endpointslices"),
            json!({ "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
            "metadata": metadata("solver", solver), "addressType": "IPv4", "endpoints": null }),
        ),
        csr("managers", None),
        // the API server itself cannot take both: it does not read what it has written
        csr(
            "times",
            Some(
                json!([{ "type": "Other", "status": "True", "lastUpdateTime": NO_TIME, "lastTransitionTime": NO_TIME }]),
            ),
        ),
    ]
}
