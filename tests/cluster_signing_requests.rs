//! Kubernetes CertificateSigningRequests behind their feature gate (CSR-01..05).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking"
)]

mod support;

use base64::{Engine, engine::general_purpose::STANDARD};
use kube::api::{DeleteParams, DynamicObject, ListParams};
use kube::{Api, ResourceExt as _};
use serde_json::{Value, json};
use support::command::split_pem;
use support::{
    Bed, Certlet, IN_TIME, Pair, condition_is, events, eventually, openssl, openssl_csr, openssl_verify, until,
};

const GATE: &str = "--feature-gates=ExperimentalCertificateSigningRequestControllers=true";

struct Scene {
    bed: Bed,
    namespace: String,
    requests: Api<DynamicObject>,
    root: String,
}

/// A CA issuer in a namespace.
async fn prepared() -> Scene {
    let bed = Bed::attach().await;
    bed.install_crds().await;
    let namespace = bed.new_namespace().await;
    let root = Pair::by_openssl_with_usage("/CN=Shop Root").await;
    root.store(&bed, &namespace, "root").await;
    let issuer = json!({
        "apiVersion": "cert-manager.io/v1", "kind": "Issuer", "metadata": {"name": "ca"}, "spec": {"ca": {"secretName": "root"}},
    });
    bed.apply(&namespace, &issuer.to_string()).await;
    let requests = bed
        .objects("certificates.k8s.io/v1", "CertificateSigningRequest", None)
        .await;
    Scene {
        bed,
        namespace,
        requests,
        root: root.certificate,
    }
}

/// A signing request for one host, in base64 of PEM.
async fn csr(host: &str) -> String {
    let names = format!("subjectAltName=DNS:{host}");
    STANDARD.encode(openssl_csr(&format!("/CN={host}"), &["-addext", &names]).await)
}

impl Scene {
    /// Makes a request named after the namespace, as an administrator or as somebody else.
    async fn apply(&self, name: &str, extra: Value, as_user: Option<&str>) {
        let dir = tempfile::tempdir().unwrap();
        let mut spec = json!({
            "request": csr("web.example.com").await, "signerName": format!("issuers.cert-manager.io/{}.ca", self.namespace),
            "usages": ["digital signature", "server auth"],
        });
        for (key, value) in extra.as_object().unwrap() {
            spec[key] = value.clone();
        }
        let request = json!({
            "apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest", "metadata": {"name": name}, "spec": spec,
        });
        let file = dir.path().join("request.json");
        std::fs::write(&file, request.to_string()).unwrap();
        let mut args = vec!["create", "-f", file.to_str().unwrap()];
        if let Some(user) = as_user {
            args.extend(["--as", user]);
        }
        self.bed.kubectl(&args).await;
    }

    /// An ACME issuer of this kind; its account is its own.
    async fn acme(&self, kind: &str, name: &str) {
        let pebble = self.bed.pebble();
        let acme = json!({
            "server": pebble.directory(), "caBundle": pebble.ca_bundle(), "privateKeySecretRef": {"name": name},
            "solvers": [{"http01": {"ingress": {"ingressClassName": "traefik"}}}],
        });
        let issuer = json!({"apiVersion": "cert-manager.io/v1", "kind": kind, "metadata": {"name": name}, "spec": {"acme": acme}});
        self.bed.apply(&self.namespace, &issuer.to_string()).await;
    }

    /// Waits for the certificate, which has to lead to the ACME server's root.
    async fn signed_by_acme(&self, name: &str, host: &str) -> DynamicObject {
        let signed = until(&self.requests, name, IN_TIME, |request: Option<&DynamicObject>| {
            request.is_some_and(|request| request.data["status"]["certificate"].is_string())
        })
        .await
        .unwrap();
        let pem = signed.data["status"]["certificate"].as_str().unwrap();
        let chain = split_pem(&String::from_utf8(STANDARD.decode(pem).unwrap()).unwrap());
        let root = self.bed.pebble().trust(0).await;
        assert_eq!(openssl_verify(&root, &chain, host).await, Ok(()));
        signed
    }

    /// The Orders of a namespace that a request owns.
    async fn orders(&self, namespace: &str, request: &DynamicObject) -> Vec<DynamicObject> {
        let orders = self
            .bed
            .objects("acme.cert-manager.io/v1", "Order", Some(namespace))
            .await;
        let orders = orders.list(&ListParams::default()).await.unwrap().items;
        let uid = request.metadata.uid.as_ref().unwrap();
        let is_owned = |order: &DynamicObject| order.owner_references().iter().any(|owner| owner.uid == *uid);
        orders.into_iter().filter(is_owned).collect()
    }

    async fn approve(&self, name: &str) {
        self.bed.kubectl(&["certificate", "approve", name]).await;
    }

    async fn told(&self, name: &str, reason: &str) -> String {
        // what has no namespace has its Events in this one
        events::told(&self.bed, "default", name, reason).await
    }

    /// The message of condition Failed with this reason.
    async fn failed(&self, name: &str, reason: &str) -> String {
        let request = until(&self.requests, name, IN_TIME, condition_is("Failed", "True"))
            .await
            .unwrap();
        let conditions = request.data["status"]["conditions"].as_array().unwrap().clone();
        assert!(
            conditions.iter().any(|condition| condition["type"] == "Approved"),
            "others' conditions stay"
        );
        let failed = conditions
            .into_iter()
            .find(|condition| condition["type"] == "Failed")
            .unwrap();
        assert_eq!(failed["reason"], reason);
        failed["message"].as_str().unwrap().to_owned()
    }
}

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
        ("two", include_str!("data/hostile/two.pem"), "more than once"),
        ("cr", include_str!("data/hostile/cr.pem"), "more than once"),
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
