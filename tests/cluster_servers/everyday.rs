//! What every ACME server has to be good for.

use kube::api::{DeleteParams, PostParams};
use serde_json::{Value, json};

use crate::{
    stage::{
        KEY, Rfc2136, challenge_says, name_in, no_challenges, record_of, recursive, removed, tsig_secret, written,
    },
    support::{
        Certlet, IN_TIME,
        acme_servers::AcmeServer,
        command::split_pem,
        dns::{BIND, KNOT, dig_txt, publish_txt, secret},
        eventually, openssl, openssl_verify,
        scene::{
            CERTIFICATES, ISSUERS, ORDERS, REQUESTS, SECRETS, Scene, certificate, decoded, field, ingress, solver,
        },
        served_chain, until,
    },
};

/// An issuer `ca` of this server, with these solvers and further fields.
pub(crate) fn issuer(server: &AcmeServer, solvers: &str, more: Value) -> String {
    use base64::{Engine as _, prelude::BASE64_STANDARD};
    let mut acme = json!({
        "server": server.directory, "email": "ops@certlet-tests.net", "privateKeySecretRef": {"name": "ca-account"},
    });
    if let Some(ca) = &server.tls_ca {
        acme["caBundle"] = json!(BASE64_STANDARD.encode(ca));
    }
    if let Value::Object(more) = more {
        acme.as_object_mut().unwrap().extend(more);
    }
    let acme = acme.to_string();
    let fields = acme.trim_end_matches('}');
    format!(
        "{{apiVersion: cert-manager.io/v1, kind: Issuer, metadata: {{name: ca}}, \
         spec: {{acme: {fields}, solvers: [{solvers}]}}}}}}\n"
    )
}

/// A namespace with such an issuer, a key for BIND, and a certlet.
pub(crate) async fn scene_at(server: &AcmeServer, solvers: &str) -> (Scene, Certlet) {
    let scene = Scene::new().await;
    scene.apply(&tsig_secret("tsig", &secret(KEY))).await;
    scene.apply(&issuer(server, solvers, Value::Null)).await;
    let certlet = Certlet::start(&scene.bed, &[&recursive()]).await;
    (scene, certlet)
}

/// The chain in a Secret.
pub(crate) async fn chain(scene: &Scene, secret: &str) -> Vec<String> {
    let stored = scene.objects(SECRETS).await.get(secret).await.unwrap();
    split_pem(&decoded(&stored, "/data/tls.crt"))
}

/// What openssl says of the chain in a Secret, with the server's own root.
pub(crate) async fn verify(scene: &Scene, server: &AcmeServer, secret: &str, host: &str) {
    let chain = chain(scene, secret).await;
    assert!(chain.len() > 1, "the intermediate is missing");
    assert_eq!(openssl_verify(&server.root, &chain, host).await, Ok(()));
}

/// An annotated Ingress gets its certificate over HTTP-01, and the ingress controller serves it.
pub(crate) async fn serves_an_ingress(server: &AcmeServer) {
    let (scene, _certlet) = scene_at(server, &solver("traefik")).await;
    let host = scene.host("web");
    let blocks: [(&str, &[&str]); 1] = [("web-tls", &[&host])];
    let annotation = "cert-manager.io/issuer: ca";
    scene.apply(&ingress("web", "traefik", annotation, &blocks)).await;
    scene.ready("web-tls").await;
    verify(&scene, server, "web-tls", &host).await;
    eventually("Traefik serves the certificate", IN_TIME, async || {
        let chain = served_chain(&host, "10.99.0.1:443").await;
        openssl_verify(&server.root, &chain, &host).await.ok()
    })
    .await;
    no_challenges(&scene).await;
    scene.tidy().await;
}

/// A name and its wildcard are proved over DNS-01 at BIND, for one certificate.
pub(crate) async fn proves_a_name_and_its_wildcard(server: &AcmeServer) {
    let (scene, _certlet) = scene_at(server, &Rfc2136::default().solver()).await;
    let host = name_in(&scene, "apex", "dns01.example");
    let wild = format!("*.{host}");
    scene.apply(&certificate("both", &[&host, &wild], "")).await;
    scene.ready("both").await;
    verify(&scene, server, "both-tls", &host).await;
    verify(&scene, server, "both-tls", &format!("any.{host}")).await;
    let leaf = chain(&scene, "both-tls").await.remove(0);
    let sans = openssl(&["x509", "-noout", "-ext", "subjectAltName"], &leaf).await;
    for name in [&host, &wild] {
        assert!(sans.contains(&format!("DNS:{name}")), "{sans}");
    }
    no_challenges(&scene).await;
    removed(&record_of(&host)).await;
}

/// A certificate is issued again when `cmctl renew` asks for it, with the same account.
pub(crate) async fn renews(server: &AcmeServer) {
    let (scene, _certlet) = scene_at(server, &solver("traefik")).await;
    let host = scene.certificate("again").await;
    scene.ready("again").await;
    let account = || async {
        let issuer = scene.objects(ISSUERS).await.get("ca").await.unwrap();
        field(&issuer, "/status/acme/uri")
    };
    let (first, before) = (chain(&scene, "again-tls").await, account().await);
    let certificates = scene.objects(CERTIFICATES).await;
    let mut wanted = certificates.get("again").await.unwrap();
    let asked = json!({"type": "Issuing", "status": "True", "reason": "ManuallyTriggered", "message": "as cmctl renew says",
                       "lastTransitionTime": "2026-01-01T00:00:00Z", "observedGeneration": wanted.metadata.generation});
    wanted.data["status"]["conditions"].as_array_mut().unwrap().push(asked);
    certificates
        .replace_status("again", &PostParams::default(), &wanted)
        .await
        .unwrap();
    let is_second =
        |one: Option<&kube::api::DynamicObject>| one.is_some_and(|one| field(one, "/status/revision") == "2");
    until(&certificates, "again", IN_TIME, is_second).await;
    verify(&scene, server, "again-tls", &host).await;
    assert_ne!(chain(&scene, "again-tls").await[0], first[0]);
    assert_eq!(account().await, before);
    scene.tidy().await;
}

/// A name that the server does not issue for: the Order says it in the server's words, and so does the request.
pub(crate) async fn refuses(server: &AcmeServer, words: &str) {
    let (scene, _certlet) = scene_at(server, &solver("traefik")).await;
    let mine = scene.host("mine");
    scene
        .apply(&certificate("other", &[&mine, "web.refused.test"], ""))
        .await;
    let reason = scene.order_says(words).await;
    println!("{reason}");
    assert_eq!(field(&scene.only(ORDERS).await, "/status/state"), "errored");
    scene.told("other", words).await;
    let request = field(&scene.only(REQUESTS).await, "/status/conditions");
    assert!(request.contains(words), "{request}");
    scene.tidy().await;
}

/// A server that looks for records where there are none yet: the Order and the Challenge say what it says, which begins with these words, and
/// the certificate comes when it finds them. Its DNS server is [`KNOT`].
pub(crate) async fn says_what_it_does_not_find(server: &AcmeServer, error: &str) {
    let (scene, _certlet) = scene_at(server, &Rfc2136::default().solver()).await;
    let host = name_in(&scene, "late", "dns01.example");
    scene.apply(&certificate("late", &[&host], "")).await;
    let words = format!("Waiting for DNS-01 challenge propagation: the CA's validation failed: {error}");
    let reason = scene.order_says(&words).await;
    println!("{reason}");
    challenge_says(&scene, &reason).await;
    scene.told("late", &words).await;
    let records = dig_txt(BIND, &record_of(&host)).await;
    publish_txt(KNOT, &record_of(&host), &records).await;
    scene.ready("late").await;
    verify(&scene, server, "late-tls", &host).await;
    no_challenges(&scene).await;
    removed(&record_of(&host)).await;
}

/// What is deleted while its challenges are presented leaves nothing: no Challenge, no Ingress, no record.
pub(crate) async fn leaves_nothing(server: &AcmeServer) {
    let waiting = Rfc2136 {
        more: "waitInsteadOfSelfCheck: 1h, selector: {dnsZones: [dns01.example]}, ",
        ..Rfc2136::default()
    };
    let solvers = format!("{}, {}", solver("traefik"), waiting.solver());
    let (scene, _certlet) = scene_at(server, &solvers).await;
    scene.stuck_certificate("http").await;
    let host = name_in(&scene, "dns", "dns01.example");
    scene.apply(&certificate("dns", &[&host], "")).await;
    written(&record_of(&host)).await;
    assert!(!scene.strays().await.is_empty());
    let certificates = scene.objects(CERTIFICATES).await;
    for name in ["http", "dns"] {
        certificates.delete(name, &DeleteParams::default()).await.unwrap();
    }
    no_challenges(&scene).await;
    scene.tidy().await;
    removed(&record_of(&host)).await;
}
