//! The controllers of Gateways: what they serve, and what they write into the status of a route.

use serde_json::{Value, json};

use crate::ingresses::page_server;
use crate::support::gateway::{
    EnvoyGateway, HaproxyGateway, LISTENER_SETS, ROUTES, TraefikGateway, condition, http_gateway, listener_set,
    listening,
};
use crate::support::{Bed, IN_TIME, curl_status, eventually};

const TEXT: &str = "the page behind the gateway";
const PAGE: &str = "{name: page, port: 8089}";

/// A Service without selector, as an HTTP-01 solver sets it up. Traefik's provider for Gateways leaves out endpoints that do not say that they
/// are ready.
fn service(port: u16) -> String {
    format!(
        "
apiVersion: v1
kind: Service
metadata: {{name: page}}
spec: {{ports: [{{port: 8089, protocol: TCP}}]}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: page-1, labels: {{kubernetes.io/service-name: page}}}}
addressType: IPv4
ports: [{{port: {port}, protocol: TCP}}]
endpoints: [{{addresses: [10.99.0.9], conditions: {{ready: true}}}}]
---"
    )
}

/// A route for one host and one path.
fn route(name: &str, parent: &str, host: &str, backend: &str) -> String {
    format!(
        "
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: {name}}}
spec:
  parentRefs: [{parent}]
  hostnames: [{host}]
  rules:
  - matches: [{{path: {{type: Exact, value: /.well-known/acme-challenge/token}}}}]
    backendRefs: [{backend}]
"
    )
}

async fn serves_the_page(host: &str, address: &str) {
    let url = format!("http://{host}/.well-known/acme-challenge/token");
    let address = format!("{address}:80");
    eventually("the page through the gateway", IN_TIME, async || {
        let (status, body) = curl_status(&url, &address).await;
        (status == 200 && body == TEXT).then_some(())
    })
    .await;
    let (status, _) = curl_status(&format!("http://{host}/elsewhere"), &address).await;
    assert_eq!(status, 404, "only the path of the route is served");
}

/// What a route's first parent says: `Accepted` and `ResolvedRefs`, each with status and reason, when there is both.
async fn verdict(bed: &Bed, namespace: &str, name: &str) -> Value {
    let routes = bed.objects(ROUTES.0, ROUTES.1, Some(namespace)).await;
    eventually("a controller has judged the route", IN_TIME, async || {
        let route = routes.get(name).await.ok()?;
        let parent = &route.data["status"]["parents"][0];
        let accepted = condition(&parent["conditions"], "Accepted")?;
        let resolved = condition(&parent["conditions"], "ResolvedRefs")?;
        Some(json!([parent["controllerName"], accepted, resolved]))
    })
    .await
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn traefik_serves_a_route_and_says_why_it_serves_another_one_not() {
    let bed = Bed::attach().await;
    if !bed
        .install_gateway_api("traefik_serves_a_route_and_says_why_it_serves_another_one_not")
        .await
    {
        return;
    }
    let _controller = TraefikGateway::start(&bed).await;
    let namespace = bed.new_namespace().await;
    let elsewhere = bed.new_namespace().await;
    let port = page_server(TEXT).await;
    let host = |name: &str| format!("{name}.{namespace}.example");
    let gateways = http_gateway("web", TraefikGateway::CLASS) + "---" + &http_gateway("other", "nobody");
    let shut = gateways
        .replace("{name: other}", "{name: shut}")
        .replace("nobody", "traefik");
    bed.apply(&namespace, &(service(port) + &gateways)).await;
    bed.apply(&elsewhere, &shut.replace("from: All", "from: Same")).await;
    let (web, foreign) = ("{name: web}", format!("{{name: shut, namespace: {elsewhere}}}"));
    let routes = [
        route("good", web, &host("good"), PAGE),
        route("shut", &foreign, &host("shut"), PAGE),
        route("section", "{name: web, sectionName: https}", &host("section"), PAGE),
        route("port", "{name: web, port: 8080}", &host("port"), PAGE),
        route("backend", web, &host("backend"), "{name: none, port: 8089}"),
        route(
            "grant",
            web,
            &host("grant"),
            &format!("{{name: page, namespace: {elsewhere}, port: 8089}}"),
        ),
        route("other", "{name: other}", &host("other"), PAGE),
    ];
    bed.apply(&namespace, &routes.concat()).await;
    serves_the_page(&host("good"), TraefikGateway::ADDRESS).await;
    let (yes, resolved) = (("True", "Accepted"), ("True", "ResolvedRefs"));
    for (name, accepted, references) in [
        ("good", yes, resolved),
        ("shut", ("False", "NotAllowedByListeners"), resolved),
        ("section", ("False", "NoMatchingParent"), resolved),
        ("port", ("False", "NoMatchingParent"), resolved),
        ("backend", yes, ("False", "BackendNotFound")),
        ("grant", yes, ("False", "RefNotPermitted")),
    ] {
        let wanted = json!([TraefikGateway::CONTROLLER, accepted, references]);
        assert_eq!(verdict(&bed, &namespace, name).await, wanted, "{name}");
    }
    let routes = bed.objects(ROUTES.0, ROUTES.1, Some(&namespace)).await;
    let unserved = routes.get("other").await.unwrap();
    assert_eq!(unserved.data["status"], Value::Null, "a class that nobody serves");
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn haproxy_serves_a_route_and_writes_no_status() {
    let bed = Bed::attach().await;
    if !bed
        .install_gateway_api("haproxy_serves_a_route_and_writes_no_status")
        .await
    {
        return;
    }
    let _controller = HaproxyGateway::start(&bed).await;
    let namespace = bed.new_namespace().await;
    let port = page_server(TEXT).await;
    let host = format!("good.{namespace}.example");
    let manifests =
        service(port) + &http_gateway("web", HaproxyGateway::CLASS) + &route("good", "{name: web}", &host, PAGE);
    bed.apply(&namespace, &manifests).await;
    serves_the_page(&host, HaproxyGateway::ADDRESS).await;
    let routes = bed.objects(ROUTES.0, ROUTES.1, Some(&namespace)).await;
    assert_eq!(routes.get("good").await.unwrap().data["status"], Value::Null);
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn envoy_gateway_serves_the_routes_of_listener_sets() {
    let test = "envoy_gateway_serves_the_routes_of_listener_sets";
    let bed = Bed::attach().await;
    if !bed.install_gateway_api(test).await {
        return;
    }
    let Some(_controller) = EnvoyGateway::start(&bed, test).await else {
        return;
    };
    let (infra, namespace) = (bed.new_namespace().await, bed.new_namespace().await);
    let port = page_server(TEXT).await;
    let childless = http_gateway("childless", EnvoyGateway::CLASS);
    let childless = childless.replace("port: 80", "port: 80, hostname: childless.example");
    let gateways = listening(&http_gateway("web", EnvoyGateway::CLASS)) + "---" + &childless;
    bed.apply(&infra, &gateways).await;
    let host = |name: &str| format!("{name}.{namespace}.example");
    let sets =
        listener_set("mine", &infra, "web", &host("*")) + &listener_set("refused", &infra, "childless", &host("*"));
    let routes = [
        route(
            "good",
            "{group: gateway.networking.k8s.io, kind: ListenerSet, name: mine}",
            &host("good"),
            PAGE,
        ),
        route(
            "direct",
            &format!("{{name: web, namespace: {infra}}}"),
            &host("direct"),
            PAGE,
        ),
        route(
            "elsewhere",
            "{group: gateway.networking.k8s.io, kind: ListenerSet, name: mine}",
            "elsewhere.example",
            PAGE,
        ),
        route(
            "refused",
            "{group: gateway.networking.k8s.io, kind: ListenerSet, name: refused}",
            &host("refused"),
            PAGE,
        ),
    ];
    bed.apply(&namespace, &(service(port) + &sets + &routes.concat())).await;
    serves_the_page(&host("good"), EnvoyGateway::ADDRESS).await;
    serves_the_page(&host("direct"), EnvoyGateway::ADDRESS).await;
    let (yes, resolved) = (("True", "Accepted"), ("True", "ResolvedRefs"));
    for (name, accepted) in [
        ("good", yes),
        ("direct", yes),
        ("elsewhere", ("False", "NoMatchingListenerHostname")),
    ] {
        let wanted = json!([EnvoyGateway::CONTROLLER, accepted, resolved]);
        assert_eq!(verdict(&bed, &namespace, name).await, wanted, "{name}");
    }
    // A set that its Gateway does not allow says so itself; its routes are told nothing.
    let sets = bed.objects(LISTENER_SETS.0, LISTENER_SETS.1, Some(&namespace)).await;
    let refused = eventually("the ListenerSet is refused", IN_TIME, async || {
        let set = sets.get("refused").await.ok()?;
        let (status, reason) = condition(&set.data["status"]["conditions"], "Accepted")?;
        (status == "False").then(|| reason.to_owned())
    });
    assert_eq!(refused.await, "NotAllowed");
    let routes = bed.objects(ROUTES.0, ROUTES.1, Some(&namespace)).await;
    assert_eq!(routes.get("refused").await.unwrap().data["status"], Value::Null);
}
