//! CAs: bootstrapped, brought along, near their end, and outlived by what they sign.

use kube::api::DeleteParams;
use serde_json::{Value, json};

use super::shop::{Shop, condition, text};
use crate::support::{IN_TIME, Pair, certificate_says, condition_is, eventually, openssl_verify, until};

const BACKEND: &str = r#"{"apiVersion":"v1","kind":"Service","metadata":{"name":"web"},"spec":{"ports":[{"port":80,"targetPort":8080}]}}"#;

fn ingress(host: &str, secret: &str) -> String {
    json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "web"}, "spec": {
        "ingressClassName": "traefik", "tls": [{"hosts": [host], "secretName": secret}],
        "rules": [{"host": host, "http": {"paths": [{"path": "/", "pathType": "Prefix",
            "backend": {"service": {"name": "web", "port": {"number": 80}}}}]}}]}})
    .to_string()
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn from_a_self_signed_issuer_to_an_ingress_that_curl_trusts_with_the_ca() {
    let shop = Shop::open(&[]).await; // SelfSigned Issuer, CA Certificate and CA Issuer are there
    let host = format!("shop.{}.example", shop.namespace);
    shop.certificate("web", json!({"secretName": "web-tls", "dnsNames": [host]}))
        .await;
    shop.apply(BACKEND).await;
    shop.apply(&ingress(&host, "web-tls")).await;
    shop.is_ready("web").await;
    let root = shop.bed.path(&format!("{}-root.pem", shop.namespace));
    std::fs::write(&root, text(&shop.secret("root").await, "tls.crt")).unwrap();
    let url = format!("https://{host}/");
    let connect = format!("{host}:443:10.99.0.1:443");
    let asked = |ca: String| {
        let (url, connect) = (url.clone(), connect.clone());
        async move {
            let args = [
                "-sS",
                "--max-time",
                "5",
                "--cacert",
                &ca,
                "--connect-to",
                &connect,
                "-o",
                "/dev/null",
                &url,
            ];
            crate::support::command::try_run("curl", &args, None).await
        }
    };
    eventually("Traefik serves it and curl trusts it", IN_TIME, async || {
        let finished = asked(root.display().to_string()).await;
        finished.status.success().then_some(())
    })
    .await;
    let other = shop.bed.path("pki/acme-ca.crt").display().to_string();
    assert_eq!(asked(other).await.status.code(), Some(60), "curl does look at the CA");
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_ca_made_with_openssl_and_kubectl_serves_an_issuer_and_a_cluster_issuer() {
    let shop = Shop::open(&[]).await;
    let ca = Pair::by_openssl("/CN=Brought Along/O=Shop").await;
    // the namespace of certlet's own, where the Secrets of ClusterIssuers are
    drop(shop.bed.try_kubectl(&["create", "namespace", "cert-manager"]).await);
    let cluster_wide = format!("brought-{}", shop.namespace);
    ca.store(&shop.bed, &shop.namespace, "ca-key-pair").await;
    ca.store(&shop.bed, "cert-manager", &cluster_wide).await;
    shop.ca_issuer("brought", "ca-key-pair", json!({})).await;
    let issuer = json!({"apiVersion": "cert-manager.io/v1", "kind": "ClusterIssuer", "metadata": {"name": cluster_wide},
        "spec": {"ca": {"secretName": cluster_wide}}});
    shop.apply(&issuer.to_string()).await;
    shop.certificate("by-issuer", json!({"issuerRef": {"name": "brought"}}))
        .await;
    let reference = json!({"name": cluster_wide, "kind": "ClusterIssuer"});
    shop.certificate("by-cluster-issuer", json!({ "issuerRef": reference }))
        .await;
    for name in ["by-issuer", "by-cluster-issuer"] {
        shop.is_ready(name).await;
        let secret = shop.secret(name).await;
        let host = format!("{name}.example.com");
        let verified = openssl_verify(&ca.certificate, &[text(&secret, "tls.crt")], &host).await;
        assert_eq!(verified, Ok(()), "{name}");
        assert_eq!(text(&secret, "ca.crt"), ca.certificate);
    }
    let all = shop.bed.objects("cert-manager.io/v1", "ClusterIssuer", None).await;
    all.delete(&cluster_wide, &DeleteParams::default()).await.unwrap();
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_ca_that_nears_its_end_is_ready_and_says_until_when_and_what_to_do() {
    let shop = Shop::open(&[]).await;
    let (late, renewed) = (Pair::dated("Late", -100, 5, true), Pair::dated("Late", 0, 100, true));
    late.store(&shop.bed, &shop.namespace, "pair").await;
    shop.ca_issuer("late", "pair", json!({})).await;
    let issuers = shop.issuers().await;
    let issuer = until(&issuers, "late", IN_TIME, condition_is("ExpiringSoon", "True"))
        .await
        .unwrap();
    let expiring = condition(&issuer, "ExpiringSoon");
    let end = certificate_says(&late.certificate, &["-enddate", "-dateopt", "iso_8601"]).await;
    let day = end
        .trim()
        .trim_start_matches("notAfter=")
        .split(' ')
        .next()
        .unwrap()
        .to_owned();
    let message = expiring["message"].as_str().unwrap();
    assert!(
        message.contains(&day) && message.contains("renew the CA and store it in that Secret"),
        "{day}: {message}"
    );
    assert_eq!(condition(&issuer, "Ready")["status"], "True");
    shop.told("late", "CAExpiresSoon").await;
    shop.certificate("web", json!({"issuerRef": {"name": "late"}, "duration": "24h"}))
        .await;
    shop.is_ready("web").await;
    let mark = shop.bed.audit_mark().await;
    shop.everything_before_is_done().await;
    assert_eq!(shop.written_about("late", mark).await, [""; 0], "said once");
    renewed.store(&shop.bed, &shop.namespace, "pair").await;
    eventually("the warning gone", IN_TIME, async || {
        let issuer = issuers.get("late").await.ok()?;
        condition(&issuer, "ExpiringSoon").is_null().then_some(())
    })
    .await;
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_leaf_that_outlives_its_ca_says_so_or_ends_with_it_where_the_issuer_is_annotated() {
    let shop = Shop::open(&[]).await;
    let ca = Pair::dated("Short", -1, 40, true);
    ca.store(&shop.bed, &shop.namespace, "short").await;
    shop.ca_issuer("stated", "short", json!({})).await;
    shop.ca_issuer("clamped", "short", json!({"certlet.io/clamp-to-ca": "true"}))
        .await;
    let end = |pem: String| async move { certificate_says(&pem, &["-enddate"]).await };
    let ca_end = end(ca.certificate.clone()).await;
    for (name, words, ends_with_ca) in [
        ("stated", "clients reject it after that", false),
        ("clamped", "it expires with its CA", true),
    ] {
        shop.certificate(name, json!({"issuerRef": {"name": name}})).await; // 90 days, its CA has 40
        shop.is_ready(name).await;
        let pem = text(&shop.secret(name).await, "tls.crt");
        assert_eq!(end(pem).await == ca_end, ends_with_ca, "{name}");
        let request = shop.requests_of(name).await.remove(0);
        let message = condition(&request, "Ready")["message"].as_str().unwrap().to_owned();
        assert!(message.contains(words), "{name}: {message}");
        let told = shop.told(&format!("{name}-1"), "OutlivesCA").await;
        assert!(told.contains(words), "{name}: {told}");
    }
    shop.certificate("brief", json!({"issuerRef": {"name": "clamped"}, "duration": "24h"}))
        .await;
    shop.is_ready("brief").await;
    let request = shop.requests_of("brief").await.remove(0);
    assert_eq!(
        condition(&request, "Ready")["message"],
        "Certificate fetched from issuer successfully"
    );
    // renewal is planned by the certificate's own end, so a clamped one is not renewed at once
    shop.everything_before_is_done().await;
    let certificate = shop.is_ready("clamped").await;
    assert_eq!(certificate.data["status"]["revision"], 1);
    let time = |field: &str| -> jiff::Timestamp {
        let status: &Value = &certificate.data["status"];
        status[field].as_str().unwrap().parse().unwrap()
    };
    assert!(time("renewalTime") < time("notAfter"));
}
