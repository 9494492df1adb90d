//! `--controllers`: parts of the work on Certificates that can be switched off.

use serde_json::json;

use super::shop::{Shop, data};
use crate::support::{IN_TIME, eventually};

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
