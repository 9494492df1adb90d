//! What else has such a server behind it: CA bundles in Secrets, custom fields, ClusterIssuers, Kubernetes' own requests, and the metrics.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use kube::api::{DynamicObject, PostParams};
use serde_json::{Value, json};

use crate::{
    ALIAS, APPLICATION_AND_ALIAS, FOLDER, Place, URL,
    support::{Bed, IN_TIME, command::split_pem, condition_is, openssl_csr, openssl_verify, scene::field, until},
};

const FIELDS: &str = "venafi.cert-manager.io/custom-fields";
const PICKUP_ID: &str = "/metadata/annotations/venafi.experimental.cert-manager.io~1pickup-id";

/// The custom fields of the last request.
async fn custom_fields(place: &Place) -> Value {
    let sent = place.sent(true).await;
    let mut requests = sent
        .iter()
        .filter(|request| request["path"] == "/vedsdk/certificates/request");
    requests.next_back().unwrap()["body"]["CustomFields"].clone()
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_ca_bundle_that_comes_later_is_used_and_custom_fields_are_sent() {
    // this certlet trusts nobody
    let opened = Place::open_as("CA bundles of Venafi", |certlet| {
        certlet.variable("SSL_CERT_FILE", "/dev/null")
    });
    let Some(place) = opened.await else {
        return;
    };
    let mut spec = place.self_hosted("user");
    spec["tpp"].as_object_mut().unwrap().remove("caBundle");
    place.issuer("nobody", spec.clone()).await;
    place.is_refused("nobody", "is not trusted").await;
    spec["tpp"]["caBundleSecretRef"] = json!({"name": "ca"});
    let annotations = json!({FIELDS: r#"[{"name": "Owner", "value": "issuer"}, {"name": "Place", "value": "Bonn", "type": "Plain"}]"#});
    place.issuer_with("tpp", &spec, &annotations).await;
    place.is_refused("tpp", "secret").await;
    place.secret("ca", &json!({"ca.crt": place.tls.certificate})).await;
    place.is_ready("tpp").await;

    let host = place.scene.host("fields");
    let own = json!({FIELDS: r#"[{"name": "Owner", "value": "certificate"}]"#});
    place.certificate_with("fields", "tpp", &host, &own).await;
    place.scene.ready("fields").await;
    place.verify("fields", &host).await;
    let sent = json!([{"Name": "Owner", "Values": ["certificate"]}, {"Name": "Place", "Values": ["Bonn"]}]);
    assert_eq!(custom_fields(&place).await, sent);

    for (name, fields, words) in [
        (
            "list",
            r#"[{"name": "a", "value": "b", "type": "List"}]"#,
            "invalid custom fields type: \"List\"",
        ),
        (
            "text",
            "no JSON",
            "Failed to parse text-1 \"venafi.cert-manager.io/custom-fields\" annotation",
        ),
    ] {
        let host = place.scene.host(name);
        place
            .certificate_with(name, "tpp", &host, &json!({FIELDS: fields}))
            .await;
        place.request_says(name, words).await;
        place.request_is(name, "Failed").await;
    }
    let (_, page) = place.certlet.page("/metrics").await.unwrap();
    for series in [
        "certmanager_http_venafi_client_request_duration_seconds_count{api_call=\"ping\"}",
        "certmanager_http_venafi_client_request_duration_seconds_count{api_call=\"read_zone_configuration\"}",
        "certmanager_http_venafi_client_request_duration_seconds_count{api_call=\"request_certificate\"} 1",
        "certmanager_http_venafi_client_request_duration_seconds_count{api_call=\"retrieve_certificate\"} 1",
        "certmanager_venafi_oauth_token_requests_total{status=\"success\"}",
        "certmanager_venafi_oauth_token_request_duration_seconds_bucket{le=\"30\"}",
    ] {
        assert!(page.contains(series), "{series}");
    }
}

/// A Kubernetes CSR, approved by an administrator; the certificate when it is there.
async fn signed(bed: &Bed, name: &str, signer: &str, host: &str, annotations: Value) -> DynamicObject {
    let requests = bed
        .objects("certificates.k8s.io/v1", "CertificateSigningRequest", None)
        .await;
    let csr = openssl_csr(
        &format!("/CN={host}"),
        &["-addext", &format!("subjectAltName=DNS:{host}")],
    )
    .await;
    let object = json!({"apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest",
        "metadata": {"name": name, "annotations": annotations},
        "spec": {"request": BASE64_STANDARD.encode(csr), "signerName": signer, "usages": ["digital signature", "server auth"],
            "expirationSeconds": 86400}});
    let object: DynamicObject = serde_json::from_value(object).unwrap();
    requests.create(&PostParams::default(), &object).await.unwrap();
    bed.kubectl(&["certificate", "approve", name]).await;
    let has_certificate = |request: Option<&DynamicObject>| {
        request.is_some_and(|request| request.data["status"]["certificate"].is_string())
    };
    until(&requests, name, IN_TIME, has_certificate).await.unwrap()
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_cluster_issuer_signs_and_requests_of_kubernetes_keep_their_pickup_id() {
    const GATE: &str = "--feature-gates=ExperimentalCertificateSigningRequestControllers=true";
    let Some(place) = Place::open_as("ClusterIssuers of Venafi", |certlet| certlet.args(&[GATE])).await else {
        return;
    };
    let name = place.scene.namespace.clone();
    let secret =
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": {"api-key": "api-key"}});
    place.scene.bed.apply("cert-manager", &secret.to_string()).await;
    let spec = json!({"venafi": {"zone": APPLICATION_AND_ALIAS, "cloud": {"url": URL, "apiTokenSecretRef": {"name": name, "key": "api-key"}}}});
    let issuer =
        json!({"apiVersion": "cert-manager.io/v1", "kind": "ClusterIssuer", "metadata": {"name": name}, "spec": spec});
    place.scene.apply(&issuer.to_string()).await;
    let issuers = place
        .scene
        .bed
        .objects("cert-manager.io/v1", "ClusterIssuer", None)
        .await;
    until(&issuers, &name, IN_TIME, condition_is("Ready", "True"))
        .await
        .unwrap();
    place
        .issuer_with(
            "tpp",
            &place.self_hosted("user"),
            &json!({FIELDS: r#"[{"name": "Owner", "value": "issuer"}]"#}),
        )
        .await;
    place.is_ready("tpp").await;

    let own = json!({"venafi.experimental.cert-manager.io/custom-fields": r#"[{"name": "Kind", "value": "CSR"}]"#});
    for (request, signer) in [
        (format!("{name}-all"), format!("clusterissuers.cert-manager.io/{name}")),
        (format!("{name}-one"), format!("issuers.cert-manager.io/{name}.tpp")),
    ] {
        let host = place.scene.host("csr");
        let request = signed(&place.scene.bed, &request, &signer, &host, own.clone()).await;
        let certificate = request.data["status"]["certificate"].as_str().unwrap();
        let chain = String::from_utf8(BASE64_STANDARD.decode(certificate).unwrap()).unwrap();
        openssl_verify(&place.root, &split_pem(&chain), &host).await.unwrap();
        assert!(
            !field(&request, PICKUP_ID).is_empty(),
            "{:?}",
            request.metadata.annotations
        );
    }
    assert_eq!(
        custom_fields(&place).await,
        json!([{"Name": "Kind", "Values": ["CSR"]}])
    );

    let wrong = json!({"zone": ALIAS, "cloud": {"url": URL, "apiTokenSecretRef": {"name": "key"}}});
    place.issuer("wrong", wrong).await;
    place
        .is_refused("wrong", "spec.venafi.zone must be an application")
        .await;
    let wrong = json!({"zone": FOLDER, "ngts": {"url": URL, "tsgID": "12", "credentialsRef": {"name": "account"}}});
    place.issuer("group", wrong).await;
    place
        .is_refused("group", "spec.venafi.ngts.tsgID must have 10 digits")
        .await;
}
