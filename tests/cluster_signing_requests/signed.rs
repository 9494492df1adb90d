//! Requests for a CA issuer.

use super::*;

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn an_approved_request_is_signed_by_the_issuer_that_it_names() {
    let scene = prepared().await;
    let _certlet = Certlet::start(&scene.bed, &[GATE]).await;
    let name = scene.namespace.clone();
    scene.apply(&name, json!({"expirationSeconds": 3600}), None).await;
    assert_eq!(
        scene.told(&name, "WaitingApproval").await,
        "Waiting for the Approved condition before issuing"
    );
    scene.approve(&name).await;
    let signed = until(&scene.requests, &name, IN_TIME, |request: Option<&DynamicObject>| {
        request.is_some_and(|request| request.data["status"]["certificate"].is_string())
    })
    .await
    .unwrap();
    let leaf = String::from_utf8(
        STANDARD
            .decode(signed.data["status"]["certificate"].as_str().unwrap())
            .unwrap(),
    )
    .unwrap();
    assert_eq!(
        openssl_verify(&scene.root, std::slice::from_ref(&leaf), "web.example.com").await,
        Ok(())
    );
    openssl(&["x509", "-noout", "-checkend", "3000"], &leaf).await;

    // Too short a life, and a requester without the right to refer to the issuer.
    let short = format!("{name}-short");
    let annotated = json!({"expirationSeconds": 600});
    scene.apply(&short, annotated, None).await;
    scene
        .bed
        .kubectl(&[
            "annotate",
            "csr",
            &short,
            "experimental.cert-manager.io/request-duration=5m",
        ])
        .await;
    scene.approve(&short).await;
    let message = scene.failed(&short, "InvalidDuration").await;
    assert_eq!(
        message,
        "CertificateSigningRequest minimum allowed duration is 10m0s, requested 5m0s"
    );

    let user = format!("{name}-user");
    let role = format!("--user={user}");
    let resource = "--resource=certificatesigningrequests.certificates.k8s.io";
    scene
        .bed
        .kubectl(&["create", "clusterrole", &user, "--verb=create,get,patch", resource])
        .await;
    scene
        .bed
        .kubectl(&[
            "create",
            "clusterrolebinding",
            &user,
            &format!("--clusterrole={user}"),
            &role,
        ])
        .await;
    let denied = format!("{name}-denied");
    scene.apply(&denied, json!({}), Some(&user)).await;
    scene.approve(&denied).await;
    let message = scene.failed(&denied, "DeniedReference").await;
    assert_eq!(
        message,
        format!("Requester may not reference Namespaced Issuer {}/ca", scene.namespace)
    );
}

/// Two requests in one text: `kubectl describe csr` shows the harmless one (`tests/data/hostile`), and none is signed. Nor is a weak key.
#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn an_approved_request_that_nobody_should_sign_fails() {
    let scene = prepared().await;
    let _certlet = Certlet::start(&scene.bed, &[GATE]).await;
    let weak = [
        "req",
        "-new",
        "-newkey",
        "rsa:1024",
        "-nodes",
        "-keyout",
        "/dev/null",
        "-subj",
        "/CN=weak",
    ];
    let weak = openssl(&weak, "").await;
    let cases = [
        ("two", include_str!("../data/hostile/two.pem"), "more than once"),
        ("cr", include_str!("../data/hostile/cr.pem"), "more than once"),
        ("weak", weak.as_str(), "1024 bits"),
    ];
    for (what, text, words) in cases {
        let name = format!("{}-{what}", scene.namespace);
        scene
            .apply(&name, json!({"request": STANDARD.encode(text)}), None)
            .await;
        if what == "two" {
            let shown = scene.bed.kubectl(&["describe", "csr", &name]).await;
            assert!(
                shown.contains("good.team-a.example") && !shown.contains("victim"),
                "{shown}"
            );
        }
        scene.approve(&name).await;
        let message = scene.failed(&name, "SigningError").await;
        assert!(message.contains(words), "{message}");
        let request = scene.requests.get(&name).await.unwrap();
        assert!(request.data["status"].get("certificate").is_none());
    }
}
