//! `--controllers`: parts of the work on Certificates that can be switched off.

use serde_json::json;

use super::shop::{Shop, data};
use crate::support::{IN_TIME, certificate_says, eventually};

impl Shop {
    async fn request_names(&self, name: &str) -> Vec<String> {
        let requests = self.requests_of(name).await.into_iter();
        let mut names: Vec<String> = requests.filter_map(|request| request.metadata.name).collect();
        names.sort();
        names
    }
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn without_certificates_trigger_only_what_somebody_asks_for_is_issued() {
    let shop = Shop::open(&[]).await;
    let shop = shop
        .stopped_and_started(&["--controllers=*,-certificates-trigger"])
        .await;
    shop.certificate("web", json!({})).await;
    let told = shop.is_refused("web", "DoesNotExist").await;
    assert!(told.contains("Secret does not exist"), "{told}");
    shop.says(&["renew", "web"]).await;
    shop.is_ready("web").await;
    let before = data(&shop.secret("web").await, "tls.crt");
    let mark = shop.bed.audit_mark().await;
    // what would be issued again at once otherwise
    shop.patch_spec("web", json!({"dnsNames": ["other.example.com"]})).await;
    shop.is_refused("web", "RequestChanged").await;
    assert_eq!(data(&shop.secret("web").await, "tls.crt"), before);
    assert_eq!(shop.written_about("web", mark).await, ["patch certificates/status"]);
    shop.says(&["renew", "web"]).await;
    shop.is_ready("web").await;
    shop.has_revision("web", 2).await;
    assert_ne!(data(&shop.secret("web").await, "tls.crt"), before);
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn without_certificates_revision_manager_requests_are_kept_until_it_is_back() {
    let shop = Shop::open(&[]).await;
    let shop = shop
        .stopped_and_started(&["--controllers=*,-certificates-revision-manager"])
        .await;
    shop.certificate("web", json!({})).await;
    for revision in 1..=3 {
        if revision > 1 {
            shop.says(&["renew", "web"]).await;
        }
        shop.has_revision("web", revision).await;
    }
    shop.is_ready("web").await;
    shop.everything_before_is_done().await;
    assert_eq!(shop.request_names("web").await, ["web-1", "web-2", "web-3"]);
    let shop = shop.stopped_and_started(&[]).await;
    eventually("only the last request is left", IN_TIME, async || {
        (shop.request_names("web").await == ["web-3"]).then_some(())
    })
    .await;
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn ingresses_that_only_ask_for_tls_get_the_default_issuer_and_the_annotations_that_flags_name() {
    // Repeated, empty and oddly spelled, as charts and people write them.
    let flags = [
        "--logtostderr=true",
        "--leader-elect=False",
        "--feature-gates=",
        "--default-issuer-name=nobody",
        "--default-issuer-name=ca",
        "--default-issuer-kind=Issuer",
        "--auto-certificate-annotations=example.com/tls",
        "--auto-certificate-annotations=example.com/https",
        "--extra-certificate-annotations=example.com/team",
    ];
    let shop = Shop::open(&flags).await;
    let ingress = |name: &str, annotations: serde_json::Value| {
        json!({
            "apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": name, "annotations": annotations},
            "spec": {
                "defaultBackend": {"service": {"name": "web", "port": {"number": 80}}},
                "tls": [
                    {"hosts": [format!("spare-{name}.example.com")]},
                    {"hosts": [format!("{name}.example.com")], "secretName": name},
                    {"hosts": [format!("other-{name}.example.com")]},
                ],
            },
        })
    };
    // The annotation that would do without the flag does not any more.
    shop.apply(&ingress("former", json!({"kubernetes.io/tls-acme": "true"})).to_string())
        .await;
    let annotations = json!({
        "example.com/https": "1", "example.com/team": "blue", "example.com/other": "x",
        "cert-manager.io/cluster-issuer": "", "cert-manager.io/common-name": "", "cert-manager.io/ip-sans": "",
        "cert-manager.io/email-sans": "", "cert-manager.io/duration": "",
        "cert-manager.io/alt-names": "b.example.com, c.example.com,", "cert-manager.io/renew-before-percentage": "100",
    });
    shop.apply(&ingress("web", annotations).to_string()).await;
    shop.is_ready("web").await;
    let made = shop.certificates.get("web").await.unwrap();
    assert_eq!(
        made.data["spec"]["issuerRef"],
        json!({"group": "cert-manager.io", "kind": "Issuer", "name": "ca"})
    );
    assert_eq!(
        made.data["spec"]["dnsNames"],
        json!(["web.example.com", "b.example.com", "c.example.com"])
    );
    assert_eq!(
        made.metadata.annotations.unwrap().into_iter().collect::<Vec<_>>(),
        [("example.com/team".to_owned(), "blue".to_owned())]
    );
    let chain = String::from_utf8(data(&shop.secret("web").await, "tls.crt")).unwrap();
    let names = certificate_says(&chain, &["-ext", "subjectAltName"]).await;
    assert!(
        names.contains("DNS:web.example.com, DNS:b.example.com, DNS:c.example.com\n"),
        "{names}"
    );
    assert!(shop.certificates.get_opt("former").await.unwrap().is_none());
}
