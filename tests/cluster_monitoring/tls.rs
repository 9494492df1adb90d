//! A Prometheus that scrapes certlet over TLS, with the CA from the Secret as a `ServiceMonitor` has it.

use serde_json::json;

use crate::prometheus::Prometheus;
use crate::support::scene::{SECRETS, Scene, decoded};
use crate::support::{Certlet, until};

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_prometheus_scrapes_certlet_over_tls_with_the_ca_in_the_secret() {
    let scene = Scene::new().await;
    let namespace = &scene.namespace;
    let certlet = Certlet::launch(&scene.bed).args(&[
        &format!("--metrics-dynamic-serving-ca-secret-namespace={namespace}"),
        "--metrics-dynamic-serving-ca-secret-name=metrics-ca",
        "--metrics-dynamic-serving-dns-names=certlet-metrics",
        "--metrics-tls-min-version=VersionTLS13",
    ]);
    let certlet = certlet.ready().await;
    let secrets = scene.objects(SECRETS).await;
    let secret = until(&secrets, "metrics-ca", crate::support::IN_TIME, |secret: Option<&_>| {
        secret.is_some()
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.crt");
    std::fs::write(&ca, decoded(&secret.unwrap(), "/data/ca.crt")).unwrap();
    let tls = json!({"scheme": "https", "tls_config": {"ca_file": ca, "server_name": "certlet-metrics"}});
    let prometheus = Prometheus::start_with(certlet.metrics_address(), &tls);
    prometheus.returns("up == 1").await;
    prometheus
        .returns("certlet_metrics_certificate_expiration_timestamp_seconds > time() + 6 * 86400")
        .await;
    assert!(
        prometheus
            .query("certlet_metrics_failed_handshakes_total > 0")
            .await
            .is_empty()
    );
}
