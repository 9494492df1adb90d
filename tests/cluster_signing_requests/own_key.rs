//! Requests for a SelfSigned issuer.

use super::*;

/// CSR-05, ANO-08: with the key in the Secret that the request names.
#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn an_approved_request_to_a_self_signed_issuer_is_signed_with_its_own_key() {
    let scene = prepared().await;
    let _certlet = Certlet::start(&scene.bed, &[GATE]).await;
    let own = json!({"apiVersion": "cert-manager.io/v1", "kind": "Issuer", "metadata": {"name": "own"}, "spec": {"selfSigned": {}}});
    scene.bed.apply(&scene.namespace, &own.to_string()).await;
    let signer = format!("issuers.cert-manager.io/{}.own", scene.namespace);
    let (key, other) = (new_key().await, new_key().await);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("key.pem");
    std::fs::write(&file, &key).unwrap();
    let asked = [
        "req",
        "-new",
        "-key",
        file.to_str().unwrap(),
        "-subj",
        "/CN=web",
        "-addext",
        "subjectAltName=DNS:web.example.com",
    ];
    let request = STANDARD.encode(openssl(&asked, "").await);
    let annotation = "experimental.cert-manager.io/private-key-secret-name";
    let ask = async |what: &str, secret: Option<&str>, marks: &[&str]| {
        let name = format!("{}-{what}", scene.namespace);
        scene
            .apply(&name, json!({"request": request, "signerName": signer}), None)
            .await;
        let secret = secret.map(|secret| format!("{annotation}={secret}"));
        let marks: Vec<&str> = secret.iter().map(String::as_str).chain(marks.iter().copied()).collect();
        if !marks.is_empty() {
            scene
                .bed
                .kubectl(&[&["annotate", "csr", name.as_str()][..], &marks[..]].concat())
                .await;
        }
        scene.approve(&name).await;
        name
    };
    let name = ask("unnamed", None, &[]).await;
    let message = scene.failed(&name, "MissingAnnotation").await;
    assert_eq!(
        message,
        format!("Missing private key reference annotation: {annotation:?}")
    );

    // waits for the Secret, and is signed when it comes; as a CA with the usages that were approved
    let name = ask("own", Some("key"), &["experimental.cert-manager.io/request-is-ca=true"]).await;
    let told = scene.told(&name, "SecretNotFound").await;
    assert_eq!(told, format!("Referenced Secret {}/key not found", scene.namespace));
    apply_key(&scene, "key", &key).await;
    let issued = until(&scene.requests, &name, IN_TIME, |request: Option<&DynamicObject>| {
        request.is_some_and(|request| request.data["status"]["certificate"].is_string())
    })
    .await
    .unwrap();
    let told = scene.told(&name, "CertificateIssued").await;
    assert_eq!(told, "Certificate self-signed successfully");
    let pem = STANDARD
        .decode(issued.data["status"]["certificate"].as_str().unwrap())
        .unwrap();
    let pem = String::from_utf8(pem).unwrap();
    let text = openssl(&["x509", "-noout", "-text"], &pem).await;
    assert!(
        text.contains("CA:TRUE") && text.contains("Digital Signature") && !text.contains("Certificate Sign"),
        "{text}"
    );
    let of_key = openssl(&["pkey", "-pubout"], &key).await;
    assert_eq!(openssl(&["x509", "-noout", "-pubkey"], &pem).await, of_key);

    apply_key(&scene, "other", &other).await;
    let name = ask("other", Some("other"), &[]).await;
    let message = scene.failed(&name, "ErrorKeyMatch").await;
    assert_eq!(
        message,
        "Referenced private key in Secret does not match that in the request"
    );
}

async fn new_key() -> String {
    openssl(
        &["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
        "",
    )
    .await
}

async fn apply_key(scene: &Scene, name: &str, key: &str) {
    let secret =
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": {"tls.key": key}});
    scene.bed.apply(&scene.namespace, &secret.to_string()).await;
}
