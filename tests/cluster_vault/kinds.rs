//! What else has a Vault behind it: ClusterIssuers, Kubernetes' own requests, `certlet check`, and what cert-manager has left.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use kube::api::{DynamicObject, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use crate::{
    PATH, Place, ROLE, login,
    support::{
        IN_TIME,
        certlet::PROGRAM,
        command::{split_pem, try_run},
        openssl, openssl_csr, openssl_verify,
        scene::{CERTIFICATES, SECRETS, field},
        until,
    },
};

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_cluster_issuer_signs_and_so_do_requests_of_kubernetes() {
    const GATE: &str = "--feature-gates=ExperimentalCertificateSigningRequestControllers=true";
    let opened = Place::open_as("ClusterIssuers of Vault", &[], |certlet| certlet.args(&[GATE]));
    let Some(place) = opened.await else {
        return;
    };
    let name = place.scene.namespace.clone();
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": {"id": place.secret_id}});
    place.scene.bed.apply("cert-manager", &secret.to_string()).await;
    let mut auth = login(ROLE);
    auth["appRole"]["secretRef"]["name"] = json!(name);
    place.cluster_issuer(&auth).await;
    let host = place.scene.host("cluster");
    place.cluster_certificate("cluster", &name, &host).await;
    place.scene.ready("cluster").await;
    place.verify("cluster", &host).await;

    place.issuer("ca", json!({})).await;
    place.is_ready("ca").await;
    let requests = place
        .scene
        .bed
        .objects("certificates.k8s.io/v1", "CertificateSigningRequest", None)
        .await;
    for (request, signer) in [
        (format!("{name}-one"), format!("issuers.cert-manager.io/{name}.ca")),
        (format!("{name}-all"), format!("clusterissuers.cert-manager.io/{name}")),
    ] {
        let host = place.scene.host("csr");
        let csr = openssl_csr("/", &["-addext", &format!("subjectAltName=DNS:{host}")]).await;
        let object = json!({"apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest", "metadata": {"name": request},
            "spec": {"request": BASE64_STANDARD.encode(csr), "signerName": signer, "usages": ["digital signature", "server auth"],
                "expirationSeconds": 86400}});
        let object: DynamicObject = serde_json::from_value(object).unwrap();
        requests.create(&PostParams::default(), &object).await.unwrap();
        place.scene.bed.kubectl(&["certificate", "approve", &request]).await;
        let signed = until(&requests, &request, IN_TIME, |request: Option<&DynamicObject>| {
            request.is_some_and(|request| request.data["status"]["certificate"].is_string())
        })
        .await
        .unwrap();
        let certificate = signed.data["status"]["certificate"].as_str().unwrap();
        let chain = String::from_utf8(BASE64_STANDARD.decode(certificate).unwrap()).unwrap();
        openssl_verify(&place.bao.acme.root, &split_pem(&chain), &host)
            .await
            .unwrap();
    }
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn check_tells_an_issuer_that_signs_from_one_that_does_not() {
    let Some(place) = Place::open("check of Vault").await else {
        return;
    };
    place.issuer("good", json!({})).await;
    place.is_ready("good").await;
    place.issuer("no-right", json!({"path": "other/sign/x"})).await;
    place.is_refused("no-right", "the capability update").await;
    let kubeconfig = place.scene.bed.kubeconfig();
    let arguments = ["check", "-o", "json", "--kubeconfig", kubeconfig.to_str().unwrap()];
    let checked = try_run(PROGRAM, &arguments, None).await;
    let findings: Vec<Value> = serde_json::from_str(&checked.stdout).unwrap();
    let of_issuers: Vec<String> = findings
        .iter()
        .filter(|finding| finding["check"] == "issuers" && finding["verdict"] != "ok")
        .map(Value::to_string)
        .collect();
    let all = of_issuers.join("\n");
    assert!(
        all.contains("no-right") && all.contains("other/sign/x"),
        "{findings:#?}"
    );
    assert!(!all.contains(&format!("{}/good", place.scene.namespace)), "{all}");
}

/// Certificates that the signing call returned, split as cert-manager splits them: the chain without the root, and the topmost one.
async fn left_by_cert_manager(place: &Place, name: &str, host: &str) {
    let folder = tempfile::tempdir().unwrap();
    let key_file = folder.path().join("key").to_str().unwrap().to_owned();
    let key = openssl(
        &["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
        "",
    )
    .await;
    std::fs::write(&key_file, &key).unwrap();
    let names = format!("subjectAltName=DNS:{host}");
    let csr = openssl(&["req", "-new", "-key", &key_file, "-subj", "/", "-addext", &names], "").await;
    let body = json!({"common_name": "", "alt_names": host, "ip_sans": "", "uri_sans": "", "ttl": "240h0m0s", "csr": csr,
        "exclude_cn_from_sans": "true"});
    let signed = place.bao.write(PATH, &body).await;
    let (leaf, ca) = (&signed["data"]["certificate"], &signed["data"]["issuing_ca"]);
    let text = |value: &Value| value.as_str().unwrap().trim().to_owned();
    let certificate = format!("{}\n{}\n", text(leaf), text(ca));
    let annotations = json!({
        "cert-manager.io/alt-names": host, "cert-manager.io/certificate-name": name, "cert-manager.io/common-name": "",
        "cert-manager.io/ip-sans": "", "cert-manager.io/issuer-group": "", "cert-manager.io/issuer-kind": "Issuer",
        "cert-manager.io/issuer-name": "ca", "cert-manager.io/uri-sans": "",
    });
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls",
        "metadata": {"name": format!("{name}-tls"), "annotations": annotations, "labels": {"controller.cert-manager.io/fao": "true"}},
        "stringData": {"tls.crt": certificate, "tls.key": key, "ca.crt": format!("{}\n", text(ca))}});
    let secrets = place.scene.objects(SECRETS).await;
    let parameters = PatchParams::apply("cert-manager-certificates-issuing");
    secrets
        .patch(&format!("{name}-tls"), &parameters, &Patch::Apply(&secret))
        .await
        .unwrap();
    place.certificate_for(name, "ca", host).await;
    let status = json!({"status": {"revision": 3, "conditions": [{"type": "Ready", "status": "True", "reason": "Ready",
        "message": "Certificate is up to date and has not expired", "observedGeneration": 1, "lastTransitionTime": "2026-01-01T00:00:00Z"}]}});
    let certificates = place.scene.objects(CERTIFICATES).await;
    certificates
        .patch_status(name, &PatchParams::default(), &Patch::Merge(status))
        .await
        .unwrap();
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn what_cert_manager_had_signed_is_not_signed_again() {
    let Some(place) = Place::open("take-over of Vault").await else {
        return;
    };
    // certlet begins when the objects of cert-manager are there
    place.certlet.stop().await;
    place.issuer("ca", json!({})).await;
    let host = place.scene.host("left");
    left_by_cert_manager(&place, "left", &host).await;
    let secrets = place.scene.objects(SECRETS).await;
    let before = secrets.get("left-tls").await.unwrap();
    let certlet = crate::support::Certlet::start(&place.scene.bed, &[]).await;
    place.is_ready("ca").await;
    place.issue("own", "ca").await;
    place.scene.ready("left").await;
    let left = place.scene.objects(CERTIFICATES).await.get("left").await.unwrap();
    assert_eq!(field(&left, "/status/revision"), "3");
    let after = secrets.get("left-tls").await.unwrap();
    assert_eq!(before.data["data"], after.data["data"]);
    let requests = place.scene.list(crate::REQUESTS).await;
    assert_eq!(requests.len(), 1, "{requests:#?}");
    // the same request now: certlet splits what Vault returns in the same way
    let own = secrets.get("own-tls").await.unwrap();
    assert_eq!(own.data["data"]["ca.crt"], after.data["data"]["ca.crt"]);
    certlet.stop().await;
}
