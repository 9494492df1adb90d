//! `certlet.io/hostnames-from-routes`: the certificate follows the accepted routes.

use serde_json::{Value, json};

use crate::support::gateway::ROUTES;
use crate::support::scene::{CERTIFICATES, Scene};
use crate::support::{IN_TIME, eventually, openssl_verify, until};
use crate::{gateway, https, issuer, prepared};

/// A route below Gateway `web` of the namespace.
async fn route(scene: &Scene, name: &str, hostnames: &[&str]) {
    let route = json!({
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": {"name": name},
        "spec": {"parentRefs": [{"name": "web"}], "hostnames": hostnames},
    });
    scene.apply(&route.to_string()).await;
}

/// Writes what a controller of Gateways would write.
async fn judged(scene: &Scene, name: &str, accepted: bool) {
    let routes = scene.objects(ROUTES).await;
    let generation = routes.get(name).await.unwrap().metadata.generation;
    let status = json!({"status": {"parents": [{
        "parentRef": {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "web"},
        "controllerName": "example.com/by-hand",
        "conditions": [{
            "type": "Accepted", "status": if accepted { "True" } else { "False" }, "observedGeneration": generation,
            "reason": if accepted { "Accepted" } else { "NotAllowedByListeners" }, "message": "",
            "lastTransitionTime": "2026-11-30T00:00:00Z",
        }],
    }]}});
    let status = status.to_string();
    let patch = [
        "patch",
        "httproute",
        name,
        "-n",
        &scene.namespace,
        "--subresource=status",
        "--type=merge",
        "-p",
        &status,
    ];
    scene.bed.kubectl(&patch).await;
}

async fn names(scene: &Scene, wanted: &[&str]) {
    let certificates = scene.objects(CERTIFICATES).await;
    eventually(&format!("the names {wanted:?}"), IN_TIME, async || {
        let found = certificates.get_opt("web-tls").await.unwrap()?;
        (found.data["spec"]["dnsNames"] == json!(wanted)).then_some(())
    })
    .await;
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn names_come_with_accepted_routes_and_stay_until_the_renewal() {
    let Some((scene, _certlet)) = prepared("names_come_with_accepted_routes", &[]).await else {
        return;
    };
    let mut annotations = issuer();
    annotations["certlet.io/hostnames-from-routes"] = json!("true");
    annotations["cert-manager.io/duration"] = json!("1h");
    gateway(
        &scene,
        &annotations,
        &json!([https("https", "*.example.com", "web-tls")]),
    )
    .await;
    route(&scene, "a", &["a.example.com", "*.b.example.com", "a.example.org"]).await;
    route(&scene, "refused", &["refused.example.com"]).await;
    judged(&scene, "refused", false).await;
    let text = scene.event(("Gateway", "web"), "WaitingForRoutes", "").await;
    assert!(
        text.contains("no accepted HTTPRoute has a hostname within \"*.example.com\""),
        "{text}"
    );

    judged(&scene, "a", true).await;
    names(&scene, &["a.example.com"]).await;
    scene.ready("web-tls").await;
    let secrets = scene.objects(crate::support::scene::SECRETS).await;
    let secret = secrets.get("web-tls").await.unwrap();
    let pem = |path: &str| crate::support::scene::decoded(&secret, path);
    let verdict = openssl_verify(&pem("/data/ca.crt"), &[pem("/data/tls.crt")], "a.example.com").await;
    assert_eq!(verdict, Ok(()));

    route(&scene, "c", &["c.example.com"]).await;
    judged(&scene, "c", true).await;
    names(&scene, &["a.example.com", "c.example.com"]).await;
    scene.ready("web-tls").await;
    revision(&scene, &json!(2)).await;

    // a route goes, another one comes: the name of the first stays until the renewal
    scene
        .bed
        .kubectl(&["delete", "httproute", "a", "-n", &scene.namespace])
        .await;
    route(&scene, "d", &["d.example.com"]).await;
    judged(&scene, "d", true).await;
    names(&scene, &["a.example.com", "c.example.com", "d.example.com"]).await;
    revision(&scene, &json!(3)).await;

    // an edit of the annotation counts at once
    annotations["certlet.io/hostnames-from-routes"] = json!("false");
    gateway(
        &scene,
        &annotations,
        &json!([https("https", "*.example.com", "web-tls")]),
    )
    .await;
    names(&scene, &["*.example.com"]).await;
}

/// Waits until this many certificates have been issued, and the last one is the wanted one.
async fn revision(scene: &Scene, revision: &Value) {
    let certificates = scene.objects(CERTIFICATES).await;
    let revision = revision.clone();
    let issued = move |it: Option<&kube::api::DynamicObject>| {
        it.is_some_and(|it| {
            let status = &it.data["status"];
            status["revision"] == revision && crate::support::shop::condition(it, "Ready")["status"] == "True"
        })
    };
    until(&certificates, "web-tls", IN_TIME, issued).await;
}
