//! A certificate that certlet signs with a CA in a Secret.

use crate::{
    authority, curl,
    support::{
        Certlet, IN_TIME, Pair, eventually, openssl, openssl_verify,
        scene::{SECRETS, Scene, decoded},
        served_chain, until,
    },
};

/// Flags for a CA in this namespace.
fn dynamic(namespace: &str) -> [String; 3] {
    [
        format!("--metrics-dynamic-serving-ca-secret-namespace={namespace}"),
        "--metrics-dynamic-serving-ca-secret-name=metrics-ca".to_owned(),
        "--metrics-dynamic-serving-dns-names=metrics.example,127.0.0.1".to_owned(),
    ]
}

/// The data of the Secret with the CA, once it exists.
async fn authority_of(scene: &Scene) -> [String; 3] {
    let secrets = scene.objects(SECRETS).await;
    let secret = until(&secrets, "metrics-ca", IN_TIME, |secret: Option<&_>| secret.is_some()).await;
    let secret = secret.unwrap();
    ["ca.crt", "tls.crt", "tls.key"].map(|key| decoded(&secret, &format!("/data/{key}")))
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn two_replicas_share_a_ca_in_a_secret_and_a_deleted_one_is_replaced() {
    let scene = Scene::new().await;
    let [namespace, name, names] = dynamic(&scene.namespace);
    let flags = [namespace.as_str(), &name, &names];
    let launch = || Certlet::launch(&scene.bed).leader_election().args(&flags);
    let (one, two) = (launch().spawn(), launch().spawn());
    one.wait_ready().await;
    two.wait_ready().await;
    let [ca, certificate, key] = authority_of(&scene).await;
    assert_eq!(ca, certificate);
    let is_served = async |certlet: &Certlet, ca: &str| {
        let metrics = certlet.metrics_address();
        for name in ["metrics.example", "127.0.0.1"] {
            eventually(name, IN_TIME, async || curl(metrics, ca, name).await.ok()).await;
        }
    };
    for certlet in [&one, &two] {
        is_served(certlet, &ca).await;
        let chain = served_chain("metrics.example", &certlet.metrics_address().to_string()).await;
        assert_eq!(chain.len(), 1);
        assert_eq!(openssl_verify(&ca, &chain, "metrics.example").await, Ok(()));
        let text = openssl(&["x509", "-noout", "-text"], &chain[0]).await;
        assert!(
            text.contains("ASN1 OID: secp384r1") && text.contains("TLS Web Server Authentication"),
            "{text}"
        );
    }
    let text = openssl(&["x509", "-noout", "-text"], &ca).await;
    assert!(
        text.contains("ASN1 OID: secp384r1") && text.contains("CA:TRUE"),
        "{text}"
    );
    let year = openssl(&["x509", "-noout", "-checkend", &(364 * 86_400).to_string()], &ca).await;
    assert!(year.contains("will not expire"), "{year}");
    assert!(openssl(&["pkey", "-noout", "-text"], &key).await.contains("P-384"));

    // a restart changes nothing
    assert!(two.stop().await.success());
    let two = launch().ready().await;
    is_served(&two, &ca).await;
    assert_eq!(authority_of(&scene).await[2], key);

    scene
        .bed
        .kubectl(&["delete", "secret", "metrics-ca", "-n", &scene.namespace])
        .await;
    let new = eventually("another CA", IN_TIME, async || {
        let [new, _, _] = authority_of(&scene).await;
        (new != ca).then_some(new)
    })
    .await;
    is_served(&one, &new).await;
    is_served(&two, &new).await;
    assert_eq!(authority_of(&scene).await[0], new, "two replicas have one CA");
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_certificate_is_renewed_before_it_expires() {
    let scene = Scene::new().await;
    let [namespace, name, names] = dynamic(&scene.namespace);
    let short = "--metrics-dynamic-serving-leaf-duration=9s";
    let certlet = Certlet::launch(&scene.bed)
        .args(&[&namespace, &name, &names, short])
        .ready()
        .await;
    let metrics = certlet.metrics_address();
    let [ca, _, _] = authority_of(&scene).await;
    let mut serials = std::collections::BTreeSet::new();
    eventually("three certificates, each of them valid", IN_TIME, async || {
        let served = served_chain("metrics.example", &metrics.to_string()).await;
        let leaf = served.first()?;
        if !serials.is_empty() {
            assert_eq!(openssl_verify(&ca, &served, "metrics.example").await, Ok(()));
        }
        serials.insert(openssl(&["x509", "-noout", "-serial"], leaf).await);
        (serials.len() >= 3).then_some(())
    })
    .await;
    assert_eq!(authority_of(&scene).await[0], ca);
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_ca_of_somebody_else_is_used_and_a_secret_of_somebody_else_without_one_is_not_changed() {
    let scene = Scene::new().await;
    let [namespace, name, names] = dynamic(&scene.namespace);
    let manifest = "apiVersion: v1\nkind: Secret\nmetadata: {name: metrics-ca}\nstringData: {password: hunter2}\n";
    scene.apply(manifest).await;
    let certlet = Certlet::launch(&scene.bed)
        .args(&[&namespace, &name, &names])
        .ready()
        .await;
    certlet
        .wait_for_log("is not changed because neither certlet nor cert-manager created it")
        .await;
    let secret = scene
        .bed
        .kubectl(&["get", "secret", "metrics-ca", "-n", &scene.namespace, "-o", "json"])
        .await;
    assert!(secret.contains("password") && !secret.contains("tls.key"), "{secret}");

    let authority = authority("of somebody else");
    let pem = serde_json::json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "metrics-ca"},
        "stringData": {"tls.crt": authority.certificate, "tls.key": authority.key},
    });
    scene.apply(&pem.to_string()).await;
    let metrics = certlet.metrics_address();
    eventually("the CA is used", IN_TIME, async || {
        curl(metrics, &authority.certificate, "metrics.example").await.ok()
    })
    .await;
    let [_, certificate, _] = authority_of(&scene).await;
    assert_eq!(certificate, authority.certificate);
}

/// The Secret of a CA that certlet, or cert-manager, has created.
fn own_secret(Pair { certificate, key }: &Pair) -> String {
    let metadata = serde_json::json!({
        "name": "metrics-ca",
        "labels": {"app.kubernetes.io/managed-by": "cert-manager"},
        "annotations": {"cert-manager.io/allow-direct-injection": "true"},
    });
    let data = serde_json::json!({"ca.crt": certificate, "tls.crt": certificate, "tls.key": key});
    serde_json::json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": data}).to_string()
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_ca_near_its_end_gets_a_new_certificate_and_clients_that_trust_the_old_one_are_served() {
    const NAME: &str = "metrics.example";
    const DAYS_300: &str = "25920000";
    let scene = Scene::new().await;
    let [namespace, name, names] = dynamic(&scene.namespace);
    let old = Pair::dated("certlet-metrics-ca", -300, 30, true);
    scene.apply(&own_secret(&old)).await;
    let certlet = Certlet::launch(&scene.bed)
        .args(&[&namespace, &name, &names])
        .ready()
        .await;
    let metrics = certlet.metrics_address();
    let renewed = async |old: &Pair| {
        let [ca, certificate, key] = eventually("a new certificate of the CA", IN_TIME, async || {
            let found = authority_of(&scene).await;
            (found[1] != old.certificate).then_some(found)
        })
        .await;
        assert_eq!(ca, certificate);
        let public = async |key: &str| openssl(&["pkey", "-pubout"], key).await;
        assert_eq!(public(&key).await, public(&old.key).await, "the key stays");
        let end = openssl(&["x509", "-noout", "-checkend", DAYS_300], &ca).await;
        assert!(end.contains("will not expire"), "{end}");
        ca
    };
    let new = renewed(&old).await;
    for ca in [&old.certificate, &new] {
        eventually("metrics", IN_TIME, async || curl(metrics, ca, NAME).await.ok()).await;
        let chain = served_chain(NAME, &metrics.to_string()).await;
        assert_eq!(openssl_verify(ca, &chain, NAME).await, Ok(()));
    }

    // the same while certlet runs, with another key
    let other = Pair::dated("certlet-metrics-ca", -340, 3, true);
    scene.apply(&own_secret(&other)).await;
    let new = renewed(&other).await;
    for ca in [&other.certificate, &new] {
        eventually("metrics", IN_TIME, async || curl(metrics, ca, NAME).await.ok()).await;
    }
}
