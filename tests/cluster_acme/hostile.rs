//! An ACME server that a tenant runs to harm the others: it costs little, and its Orders end with a sentence.

use super::scene::{CERTIFICATES, ORDERS, Scene, certificate, field, messages, solver};
use crate::support::hostile_acme::{HostileAcme, Hostility};
use crate::support::{Certlet, IN_TIME, condition_is, eventually, until};

/// How much memory a hostile server may cost, in KiB.
const MAY_COST: u64 = 20 << 10;
/// How many names the tenant orders: the server may ask for more proofs.
const NAMES: usize = 20;

/// What the server does, and what the Order says at its end.
const HOSTILITIES: [(Hostility, &str); 7] = [
    (
        Hostility::HugeAuthorizations,
        "the request for the authorization with more than 65536 bytes",
    ),
    (
        Hostility::FullAuthorizations,
        "its authorizations are larger than makes sense",
    ),
    (Hostility::HugeOrder, "the new order with more than 75776 bytes"),
    (Hostility::LongUrls, "a URL of more than 2048 characters"),
    (Hostility::ManyChallenges, "more than 100 challenges"),
    (
        Hostility::ManyAuthorizations,
        "The CA asks for 49 proofs where 20 names were ordered",
    ),
    (
        Hostility::WrongToken,
        "a token that is not 1 to 255 characters of base64url",
    ),
];

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_hostile_ca_costs_little_ends_its_orders_in_words_and_nobody_else_notices() {
    let scene = Scene::new().await;
    let pebble = scene.bed.pebble();
    let certlet = Certlet::start(&scene.bed, &[]).await;
    let other = scene.another().await;
    other.issuer(pebble.directory(), "traefik").await;
    other.certificate("before").await;
    other.ready("before").await;
    let [before, _] = certlet.memory_kib();

    for (hostility, sentence) in HOSTILITIES {
        let server = HostileAcme::start(hostility).await;
        let tenant = scene.another().await;
        tenant.apply(&issuer(&server.directory())).await;
        let issuers = tenant.objects(super::scene::ISSUERS).await;
        until(&issuers, "ca", IN_TIME, condition_is("Ready", "True")).await;
        let hosts: Vec<String> = (0..NAMES).map(|number| format!("h{number}.hostile.example")).collect();
        let hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
        tenant.apply(&certificate("hostile", &hosts, "")).await;
        other.certificate(&format!("{hostility:?}").to_lowercase()).await;

        let orders = tenant.objects(ORDERS).await;
        let order = eventually(&format!("{hostility:?}: the Order ends"), IN_TIME, async || {
            let orders = orders.list(&kube::api::ListParams::default()).await.unwrap().items;
            orders
                .into_iter()
                .find(|order| field(order, "/status/state") == "errored")
        })
        .await;
        let reason = field(&order, "/status/reason");
        println!("{hostility:?}: {reason}");
        assert!(reason.contains(sentence), "{hostility:?}: {reason}");
        // the Certificate says so, too, and is not tried again at once
        tenant.told("hostile", sentence).await;
        other.ready(&format!("{hostility:?}").to_lowercase()).await;
        let certificates = tenant.objects(CERTIFICATES).await;
        // the words come with the Order's end; the failure is counted when the request has been told, a moment later
        let certificate = eventually(&format!("{hostility:?}: the failure is counted"), IN_TIME, async || {
            let certificate = certificates.get("hostile").await.unwrap();
            (!field(&certificate, "/status/failedIssuanceAttempts").is_empty()).then_some(certificate)
        })
        .await;
        assert_eq!(
            field(&certificate, "/status/failedIssuanceAttempts"),
            "1",
            "{:?}",
            messages(&certificate)
        );
        assert!(
            server.asked("/new-order") <= 4,
            "{} orders were placed",
            server.asked("/new-order")
        );
    }
    let [_, highest] = certlet.memory_kib();
    println!("memory: {before} KiB before, {highest} KiB at its highest");
    assert!(
        highest.saturating_sub(before) < MAY_COST,
        "{before} KiB before, {highest} KiB at its highest"
    );
}

fn issuer(directory: &str) -> String {
    format!(
        "
apiVersion: cert-manager.io/v1
kind: Issuer
metadata: {{name: ca}}
spec:
  acme:
    server: {directory}
    privateKeySecretRef: {{name: ca-account}}
    solvers: [{}]
",
        solver("traefik")
    )
}
