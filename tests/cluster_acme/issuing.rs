//! What must work as written.

use std::time::Duration;

use kube::api::ListParams;

use super::scene::{
    CERTIFICATES, CHALLENGES, INGRESSES, ORDERS, REQUESTS, SECRETS, Scene, certificate, decoded, field, ingress,
    issuer, named, solver,
};
use crate::support::{Certlet, IN_TIME, Pebble, PebbleOptions, eventually, openssl};

/// What users write; only the server's URL and how it is trusted differ.
const EXAMPLE: &str = include_str!("../data/letsencrypt-prod.yaml");

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn the_example_gives_a_certificate_through_the_class_nginx_with_and_without_its_redirect() {
    let scene = Scene::new().await;
    let pebble = scene.bed.pebble();
    let _certlet = Certlet::start(&scene.bed, &[]).await;
    let redirect = "cert-manager.io/issuer: letsencrypt-prod";
    let plain = format!("{redirect}\n    nginx.ingress.kubernetes.io/ssl-redirect: 'false'");
    for annotations in [redirect, &plain] {
        let scene = scene.another().await;
        let host = scene.host("mod8");
        let trust = format!("{}\n    caBundle: {}", pebble.directory(), pebble.ca_bundle());
        let manifests = EXAMPLE
            .replace("https://acme-v02.api.letsencrypt.org/directory", &trust)
            .replace("mod8-ssl.51.cafe", &host)
            .replace("xxx@example.com", "xxx@certlet-tests.net")
            .replace(redirect, annotations);
        scene.apply(&manifests).await;
        scene.ready("mod8-tls").await;
        scene.served(&pebble, &host, "10.99.0.1:443").await;
        let request = scene.only(REQUESTS).await;
        assert_eq!(request.metadata.name.as_deref(), Some("mod8-tls-1"));
        let shown = scene
            .bed
            .kubectl(&["get", "certificaterequest", "-n", &scene.namespace, "--no-headers"])
            .await;
        let columns: Vec<&str> = shown.split_whitespace().collect();
        assert_eq!(
            &columns[..4],
            &["mod8-tls-1", "True", "True", "letsencrypt-prod"],
            "{shown}"
        );
        scene.tidy().await;
    }
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn one_certificate_takes_no_more_writes_than_promised_and_leaves_the_objects_that_tools_expect() {
    let (scene, _certlet) = Scene::open("traefik").await;
    let pebble = scene.bed.pebble();
    scene.issuer_is_ready().await;
    let host = scene.host("web");
    let mark = scene.bed.audit_mark().await;
    scene.apply(&certificate("web", &[&host], "")).await;
    scene.ready("web").await;
    scene.tidy().await;

    let writes: Vec<_> = scene
        .bed
        .writes_since(mark)
        .await
        .into_iter()
        // the issuer's own status may reach the audit log after the mark
        .filter(|write| write.namespace == scene.namespace && !write.resource.starts_with("issuers"))
        .collect();
    let ours: Vec<_> = writes
        .iter()
        .filter(|write| !write.agent.starts_with("kubectl"))
        .collect();
    let shared = ["services", "endpointslices", "ipaddresses", "endpoints"];
    let (shared, own): (Vec<_>, Vec<_>) = ours
        .into_iter()
        .partition(|write| shared.contains(&write.resource.as_str()));
    println!(
        "one certificate: {} writes of its own, {} shared",
        own.len(),
        shared.len()
    );
    for write in own.iter().chain(&shared) {
        println!("  {} {} {} {}", write.verb, write.resource, write.name, write.code);
    }
    assert!(own.len() <= 16, "{own:#?}");
    assert!(shared.len() <= 5, "{shared:#?}");

    let order = scene.only(ORDERS).await;
    assert!(
        order
            .metadata
            .name
            .as_deref()
            .is_some_and(|name| name.starts_with("web-1-"))
    );
    assert_eq!(field(&order, "/metadata/ownerReferences/0/kind"), "CertificateRequest");
    assert_eq!(field(&order, "/metadata/ownerReferences/0/controller"), "true");
    assert_eq!(
        (
            field(&order, "/status/state"),
            field(&order, "/status/authorizations/0/identifier")
        ),
        ("valid".into(), host.clone())
    );
    assert_eq!(field(&order, "/status/authorizations/0/initialState"), "pending");
    assert_eq!(
        decoded(&order, "/status/certificate"),
        decoded(
            &scene.objects(SECRETS).await.get("web-tls").await.unwrap(),
            "/data/tls.crt"
        )
    );
    assert!(scene.list(CHALLENGES).await.is_empty());
    scene.verify_secret("web-tls", &pebble, 0, &host).await;
    let secret = scene.objects(SECRETS).await.get("web-tls").await.unwrap();
    assert_eq!(field(&secret, "/data/ca.crt"), "", "ACME certificates have no ca.crt");
    let events = scene
        .bed
        .kubectl(&[
            "get",
            "events",
            "-n",
            &scene.namespace,
            "-o",
            "custom-columns=R:.reason",
            "--no-headers",
        ])
        .await;
    for reason in ["Created", "Started", "Presented", "DomainVerified", "Complete"] {
        assert!(
            events.lines().any(|line| line == reason),
            "no event {reason} among:\n{events}"
        );
    }
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_cluster_issuer_serves_an_ingress_with_several_hosts_and_several_tls_blocks() {
    let scene = Scene::new().await;
    let pebble = scene.bed.pebble();
    let _certlet = Certlet::start(&scene.bed, &[]).await;
    let name = format!("ca-{}", scene.namespace);
    let manifest = issuer("ClusterIssuer", pebble.directory(), &pebble, &solver("traefik"), "");
    scene.bed.try_kubectl(&["create", "namespace", "cert-manager"]).await;
    scene.apply(&named(&manifest, &name)).await;
    let (a, b, c) = (scene.host("a"), scene.host("b"), scene.host("c"));
    let blocks: [(&str, &[&str]); 2] = [("ab-tls", &[&a, &b]), ("c-tls", &[&c])];
    scene
        .apply(&ingress(
            "shop",
            "traefik",
            &format!("cert-manager.io/cluster-issuer: {name}"),
            &blocks,
        ))
        .await;
    scene.ready("ab-tls").await;
    scene.ready("c-tls").await;
    for host in [&a, &b, &c] {
        scene.served(&pebble, host, "10.99.0.1:443").await;
    }
    scene.tidy().await;
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn haproxy_ingress_shows_a_challenge_beside_an_ingress_that_redirects_to_https() {
    let (scene, _certlet) = Scene::open("haproxy").await;
    let pebble = scene.bed.pebble();
    let host = scene.host("ha");
    scene.bed.names().set_a(&host, &["10.99.0.2"]).await;
    let blocks: [(&str, &[&str]); 1] = [("ha-tls", &[&host])];
    scene
        .apply(&ingress("ha", "haproxy", "cert-manager.io/issuer: ca", &blocks))
        .await;
    scene.ready("ha-tls").await;
    scene.served(&pebble, &host, "10.99.0.2:443").await;
    scene.tidy().await;
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn an_ingress_is_edited_in_place_and_is_the_same_afterwards() {
    let (scene, _certlet) = Scene::open("traefik").await;
    let host = scene.host("edit");
    let blocks: [(&str, &[&str]); 1] = [("edit-tls", &[&host])];
    let annotations = "cert-manager.io/issuer: ca, acme.cert-manager.io/http01-edit-in-place: 'true'";
    scene.apply(&ingress("shop", "traefik", annotations, &blocks)).await;
    scene.ready("edit-tls").await;
    let api = scene.objects(INGRESSES).await;
    eventually("the challenge's path is taken out again", IN_TIME, async || {
        let shop = api.get("shop").await.unwrap();
        (!serde_json::to_string(&shop.data).unwrap().contains("acme-challenge")).then_some(())
    })
    .await;
    let shop = api.get("shop").await.unwrap();
    assert_eq!(field(&shop, "/spec/rules/0/http/paths/0/path"), "/");
    assert!(
        scene
            .list(INGRESSES)
            .await
            .iter()
            .all(|one| one.metadata.name.as_deref() == Some("shop")),
        "no Ingress of its own"
    );
    scene.tidy().await;
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn many_names_an_address_a_profile_and_another_chain_come_in_one_certificate() {
    let scene = Scene::new().await;
    let pebble = Pebble::start(
        &scene.bed,
        PebbleOptions {
            alternate_roots: 2,
            strict: true,
            nonce_reject_percent: 20,
            ..PebbleOptions::default()
        },
    )
    .await;
    let _certlet = Certlet::start(&scene.bed, &[]).await;
    let preferred = openssl(
        &["x509", "-noout", "-subject", "-nameopt", "multiline"],
        &pebble.trust(2).await,
    )
    .await;
    let preferred = preferred
        .lines()
        .find_map(|line| line.split_once("commonName"))
        .unwrap()
        .1
        .trim_start_matches([' ', '='])
        .to_owned();
    let more = format!("preferredChain: {preferred:?}\nprofile: shortlived");
    scene
        .apply(&issuer(
            "Issuer",
            pebble.directory(),
            &pebble,
            &solver("traefik"),
            &more,
        ))
        .await;
    let hosts: Vec<String> = (0..25).map(|number| scene.host(&format!("n{number}"))).collect();
    let hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
    scene
        .apply(&certificate(
            "many",
            &hosts,
            "ipAddresses: [10.99.0.1]\nduration: 144h\nrenewBefore: 24h",
        ))
        .await;
    scene.ready("many").await;
    scene.verify_secret("many-tls", &pebble, 2, hosts[24]).await;
    let secret = scene.objects(SECRETS).await.get("many-tls").await.unwrap();
    let text = openssl(&["x509", "-noout", "-text"], &decoded(&secret, "/data/tls.crt")).await;
    assert!(text.contains("IP Address:10.99.0.1"), "{text}");
    let certificate = scene.objects(CERTIFICATES).await.get("many").await.unwrap();
    let [from, to] =
        ["/status/notBefore", "/status/notAfter"].map(|at| field(&certificate, at).parse::<jiff::Timestamp>().unwrap());
    assert!(
        to.duration_since(from) < jiff::SignedDuration::from_hours(6 * 24 + 1),
        "the profile's six days, not ninety"
    );
    scene.tidy().await;
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn an_authorization_that_is_valid_already_is_used_again_without_a_challenge() {
    let scene = Scene::new().await;
    let pebble = Pebble::start(
        &scene.bed,
        PebbleOptions {
            authorization_reuse_percent: 100,
            ..PebbleOptions::default()
        },
    )
    .await;
    let _certlet = Certlet::start(&scene.bed, &[]).await;
    scene.issuer(pebble.directory(), "traefik").await;
    let host = scene.host("again");
    scene.apply(&certificate("first", &[&host], "")).await;
    scene.ready("first").await;
    scene.tidy().await;
    let mark = scene.bed.audit_mark().await;
    scene.apply(&certificate("second", &[&host], "")).await;
    scene.ready("second").await;
    let challenges = scene
        .bed
        .writes_since(mark)
        .await
        .into_iter()
        .filter(|write| write.namespace == scene.namespace && write.resource.starts_with("challenges"));
    assert_eq!(challenges.count(), 0);
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_lifetime_that_is_asked_for_is_sent_where_the_issuer_says_so() {
    let scene = Scene::new().await;
    let pebble = scene.bed.pebble();
    let _certlet = Certlet::start(&scene.bed, &[]).await;
    scene
        .apply(&issuer(
            "Issuer",
            pebble.directory(),
            &pebble,
            &solver("traefik"),
            "enableDurationFeature: true",
        ))
        .await;
    let host = scene.host("short");
    scene
        .apply(&certificate("short", &[&host], "duration: 48h\nrenewBefore: 12h"))
        .await;
    scene.ready("short").await;
    let certificate = scene.objects(CERTIFICATES).await.get("short").await.unwrap();
    let ends: jiff::Timestamp = field(&certificate, "/status/notAfter").parse().unwrap();
    let created: jiff::Timestamp = field(&certificate, "/metadata/creationTimestamp").parse().unwrap();
    let lifetime = ends.duration_since(created);
    assert!((lifetime.as_hours() - 48).abs() <= 1, "{lifetime}");
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn an_order_in_flight_is_continued_after_a_restart_even_if_cert_manager_made_it() {
    let (scene, certlet) = Scene::open("traefik").await;
    let host = scene.stuck_certificate("stuck").await;
    let challenges = scene.objects(CHALLENGES).await;
    let challenge = eventually("a Challenge that cannot be reached", IN_TIME, async || {
        let found = challenges.list(&ListParams::default()).await.unwrap().items;
        found
            .into_iter()
            .find(|one| field(one, "/status/reason").starts_with("Waiting for HTTP-01 challenge propagation: "))
    })
    .await;
    let told = scene.told("stuck", "10.99.0.77").await;
    println!("the Certificate says: {told}");
    certlet.stop().await;

    // as cert-manager leaves it: with its finalizer
    let name = challenge.metadata.name.unwrap();
    let finalizer = r#"{"metadata":{"finalizers":["acme.cert-manager.io/finalizer"]}}"#;
    scene
        .bed
        .kubectl(&[
            "patch",
            "challenge",
            "-n",
            &scene.namespace,
            &name,
            "--type=merge",
            "-p",
            finalizer,
        ])
        .await;
    let order = scene.only(ORDERS).await;
    let url = field(&order, "/status/url");
    scene.bed.names().clear_a(&host).await;
    let _certlet = Certlet::start(&scene.bed, &[]).await;
    scene.ready("stuck").await;
    let order = scene.only(ORDERS).await;
    assert_eq!(field(&order, "/status/url"), url, "the same ACME order");
    eventually(
        "the Challenge goes, finalizer and all",
        Duration::from_secs(20),
        async || scene.list(CHALLENGES).await.is_empty().then_some(()),
    )
    .await;
    scene.tidy().await;
}
