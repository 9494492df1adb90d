//! HTTP-01 through temporary HTTPRoutes: what is served, what is reported where it is not, and what is left.

use tokio::time::Instant;

use kube::api::DynamicObject;
use serde_json::Value;

use crate::FLAGS;
use crate::support::gateway::{
    EnvoyGateway, HaproxyGateway, ROUTES, TraefikGateway, http_gateway, listener_set, listening,
};
use crate::support::scene::{CERTIFICATES, CHALLENGES, ISSUERS, SERVICES, Scene, certificate, field, issuer};
use crate::support::{Certlet, IN_TIME, eventually};

/// Where the bed's other ingress controller serves: a name that leads there is not served by a Gateway.
pub(crate) const ELSEWHERE: &str = "10.99.0.2";

/// A namespace of a bed that has the Gateway API. `None` if the bed has no definitions of it.
pub(crate) async fn open(test: &str) -> Option<(Scene, Certlet)> {
    let scene = Scene::new().await;
    if !scene.bed.install_gateway_api(test).await {
        return None;
    }
    let certlet = certlet(&scene, &[]).await;
    Some((scene, certlet))
}

async fn certlet(scene: &Scene, more: &[&str]) -> Certlet {
    Certlet::start(&scene.bed, &[&FLAGS, more].concat()).await
}

/// A solver through HTTPRoutes with these parents.
fn solver(parents: &str) -> String {
    format!("{{http01: {{gatewayHTTPRoute: {{labels: {{team: red}}, parentRefs: [{parents}]}}}}}}")
}

impl Scene {
    pub(crate) async fn gateway_issuer(&self, parents: &str) {
        let pebble = self.bed.pebble();
        let manifest = issuer("Issuer", pebble.directory(), &pebble, &solver(parents), "");
        self.apply(&manifest).await;
    }

    /// A host that leads to this address.
    pub(crate) async fn host_at(&self, name: &str, address: &str) -> String {
        let host = self.host(name);
        self.bed.names().set_a(&host, &[address]).await;
        host
    }

    pub(crate) async fn routes(&self) -> Vec<DynamicObject> {
        self.list(ROUTES).await
    }

    pub(crate) async fn no_route_is_left(&self) {
        eventually("no HTTPRoute is left", IN_TIME, async || {
            self.routes().await.is_empty().then_some(())
        })
        .await;
        self.tidy().await;
    }

    /// Waits until the Challenge for this host has these words in its reason; the reason, and the seconds since its creation.
    async fn challenge_says(&self, host: &str, words: &str) -> String {
        let what = format!("{words:?} in the reason of the Challenge for {host}");
        eventually(&what, IN_TIME, async || {
            let challenges = self.list(CHALLENGES).await;
            let reasons = challenges.iter().filter(|one| field(one, "/spec/dnsName") == host);
            let mut reasons = reasons.map(|one| field(one, "/status/reason"));
            reasons.find(|reason| reason.contains(words))
        })
        .await
    }
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_certificate_comes_through_traefiks_gateway_of_another_namespace() {
    let test = "a_certificate_comes_through_traefiks_gateway_of_another_namespace";
    let Some((scene, _certlet)) = open(test).await else {
        return;
    };
    let _controller = TraefikGateway::start(&scene.bed).await;
    let infra = scene.another().await;
    infra.apply(&http_gateway("web", TraefikGateway::CLASS)).await;
    scene
        .gateway_issuer(&format!("{{name: web, namespace: {}}}", infra.namespace))
        .await;
    scene.issuer_is_ready().await;
    let host = scene.host_at("first", TraefikGateway::ADDRESS).await;
    let second = scene.host_at("second", TraefikGateway::ADDRESS).await;
    let began = Instant::now();
    scene.apply(&certificate("site", &[&host, &second], "")).await;
    let route = eventually("an HTTPRoute", IN_TIME, async || scene.routes().await.pop()).await;
    assert_eq!(route.data["spec"]["hostnames"], serde_json::json!([host, second]));
    assert_eq!(
        route.data["spec"]["parentRefs"][0]["sectionName"], "http",
        "the listener that the user did not name"
    );
    assert_eq!(route.metadata.labels.as_ref().unwrap()["team"], "red");
    assert_eq!(route.metadata.owner_references.as_ref().unwrap().len(), 2);
    scene.ready("site").await;
    println!("ready through Traefik's Gateway, cold, after {:?}", began.elapsed());
    scene.verify_secret("site-tls", &scene.bed.pebble(), 0, &host).await;
    scene.no_route_is_left().await;
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_certificate_comes_through_haproxy_which_reports_nothing() {
    let test = "a_certificate_comes_through_haproxy_which_reports_nothing";
    let Some((scene, _certlet)) = open(test).await else {
        return;
    };
    let _controller = HaproxyGateway::start(&scene.bed).await;
    scene.apply(&http_gateway("web", HaproxyGateway::CLASS)).await;
    scene.gateway_issuer("{name: web}").await;
    let host = scene.host_at("quiet", HaproxyGateway::ADDRESS).await;
    scene.apply(&certificate("site", &[&host], "")).await;
    scene.ready("site").await;
    scene.verify_secret("site-tls", &scene.bed.pebble(), 0, &host).await;
    scene.no_route_is_left().await;
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_certificate_comes_through_a_listener_set_by_the_certificates_annotations() {
    let test = "a_certificate_comes_through_a_listener_set_by_the_certificates_annotations";
    let Some((scene, _certlet)) = open(test).await else {
        return;
    };
    let Some(_controller) = EnvoyGateway::start(&scene.bed, test).await else {
        return;
    };
    let infra = scene.another().await;
    infra.apply(&listening(&http_gateway("web", EnvoyGateway::CLASS))).await;
    let wildcard = format!("*.{}.example", scene.namespace);
    scene
        .apply(&listener_set("mine", &infra.namespace, "web", &wildcard))
        .await;
    // without parentRefs: the annotations name the parent
    scene.gateway_issuer("").await;
    let host = scene.host_at("set", EnvoyGateway::ADDRESS).await;
    let annotated = certificate("site", &[&host], "").replace(
        "metadata: {name: site}",
        "metadata: {name: site, annotations: {acme.cert-manager.io/http01-parentrefkind: ListenerSet, \
         acme.cert-manager.io/http01-parentrefname: mine}}",
    );
    scene.apply(&annotated).await;
    let route = eventually("an HTTPRoute", IN_TIME, async || scene.routes().await.pop()).await;
    let parent = &route.data["spec"]["parentRefs"][0];
    assert_eq!(
        (&parent["kind"], &parent["name"]),
        (&Value::from("ListenerSet"), &Value::from("mine"))
    );
    assert_eq!(parent["sectionName"], "http");
    scene.ready("site").await;
    scene.no_route_is_left().await;
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn what_does_not_admit_a_route_is_said_within_seconds_and_cured_by_an_edit() {
    let test = "what_does_not_admit_a_route_is_said_within_seconds_and_cured_by_an_edit";
    let Some((scene, _certlet)) = open(test).await else {
        return;
    };
    let _controller = TraefikGateway::start(&scene.bed).await;
    let infra = scene.another().await;
    let shut = http_gateway("shut", TraefikGateway::CLASS).replace("from: All", "from: Same");
    let narrow =
        http_gateway("narrow", TraefikGateway::CLASS).replace("port: 80", "port: 80, hostname: narrow.example");
    let unserved = http_gateway("unserved", "nobody");
    infra.apply(&[&*shut, &*narrow, &*unserved].join("---")).await;
    let namespace = &infra.namespace;
    let of = |rest: &str| format!("{{namespace: {namespace}, {rest}}}");
    let rows = [
        ("shut", of("name: shut"), "listener \"http\" admits routes of namespace"),
        ("narrow", of("name: narrow"), "a hostname that matches"),
        ("section", of("name: shut, sectionName: web"), "has no listener \"web\""),
        ("port", of("name: shut, port: 8080"), "has no listener on port 8080"),
        ("absent", of("name: absent"), "does not exist: create it"),
        ("unserved", of("name: unserved"), "whose GatewayClass is \"nobody\""),
    ];
    let solvers: Vec<String> = rows
        .iter()
        .map(|(name, parent, _)| {
            let selector = format!("selector: {{matchLabels: {{case: {name}}}}}");
            format!("{{http01: {{gatewayHTTPRoute: {{parentRefs: [{parent}]}}}}, {selector}}}")
        })
        .collect();
    let pebble = scene.bed.pebble();
    let manifest = issuer("Issuer", pebble.directory(), &pebble, &solvers.join(", "), "");
    scene.apply(&manifest).await;
    scene.issuer_is_ready().await;
    let mut hosts = Vec::new();
    for (name, ..) in &rows {
        let host = scene.host_at(name, TraefikGateway::ADDRESS).await;
        let labelled = certificate(name, &[&host], "").replace(
            &format!("metadata: {{name: {name}}}"),
            &format!("metadata: {{name: {name}, labels: {{case: {name}}}}}"),
        );
        scene.apply(&labelled).await;
        hosts.push((host, Instant::now()));
    }
    for ((name, _, words), (host, began)) in rows.iter().zip(&hosts) {
        let reason = scene.challenge_says(host, words).await;
        println!("{name}, {:?} after it was applied: {reason}", began.elapsed());
        let event = scene.event(("Challenge", name), "WaitingForPropagation", words).await;
        assert!(reason.contains(words) && event.contains(words));
    }
    // the edits that the sentences ask for
    let edit = |gateway: &str| {
        gateway
            .replace("from: Same", "from: All")
            .replace(", hostname: narrow.example", "")
    };
    infra
        .apply(
            &[
                edit(&shut),
                edit(&narrow),
                http_gateway("absent", TraefikGateway::CLASS),
            ]
            .join("---"),
        )
        .await;
    for name in ["shut", "narrow", "absent"] {
        scene.ready(name).await;
    }
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn without_the_definitions_of_the_gateway_api_it_waits_and_goes_on_when_they_come() {
    let test = "without_the_definitions_of_the_gateway_api_it_waits_and_goes_on_when_they_come";
    let scene = Scene::new().await;
    scene.bed.remove_gateway_api().await;
    let _certlet = certlet(&scene, &[]).await;
    scene.gateway_issuer("{name: web}").await;
    let host = scene.host_at("early", TraefikGateway::ADDRESS).await;
    scene.apply(&certificate("site", &[&host], "")).await;
    println!("{}", scene.challenge_says(&host, "does not know HTTPRoutes").await);
    scene
        .event(
            ("Challenge", "site"),
            "PresentError",
            "CustomResourceDefinitions of the Gateway API",
        )
        .await;
    if !scene.bed.install_gateway_api(test).await {
        return;
    }
    let _controller = TraefikGateway::start(&scene.bed).await;
    scene.apply(&http_gateway("web", TraefikGateway::CLASS)).await;
    scene.ready("site").await;
    scene.no_route_is_left().await;
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn without_the_flag_the_issuer_and_the_challenge_name_it() {
    let scene = Scene::new().await;
    let _certlet = Certlet::start(&scene.bed, &[]).await;
    scene.gateway_issuer("{name: web}").await;
    scene.issuer_is_ready().await;
    let issuers = scene.objects(ISSUERS).await;
    eventually("the issuer names the flag", IN_TIME, async || {
        let conditions = issuers.get("ca").await.unwrap().data["status"]["conditions"].to_string();
        let is_named = conditions.contains("SolversSupported") && conditions.contains("--enable-gateway-api");
        is_named.then_some(())
    })
    .await;
    let host = scene.host_at("off", ELSEWHERE).await;
    scene.apply(&certificate("site", &[&host], "")).await;
    println!(
        "{}",
        scene
            .challenge_says(&host, "start certlet with --enable-gateway-api")
            .await
    );
    assert_eq!(scene.list(CERTIFICATES).await.len(), 1);
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn pod_mode_makes_a_route_for_each_pod_and_takes_all_of_it_away() {
    const PODS: (&str, &str) = ("v1", "Pod");
    let test = "pod_mode_makes_a_route_for_each_pod_and_takes_all_of_it_away";
    let scene = Scene::new().await;
    if !scene.bed.install_gateway_api(test).await {
        return;
    }
    let rights = crate::support::bed::project().join("deploy/solver-pods/rbac.yaml");
    scene.bed.kubectl(&["apply", "-f", rights.to_str().unwrap()]).await;
    let mode = [
        "--acme-http01-solver-mode=pod",
        "--acme-http01-solver-image=certlet:test",
    ];
    let _certlet = certlet(&scene, &mode).await;
    scene.apply(&http_gateway("web", "nobody")).await;
    let template = "{spec: {nodeSelector: {zone: edge}}}";
    let solver = format!(
        "{{http01: {{gatewayHTTPRoute: {{podTemplate: {template}, serviceType: ClusterIP, parentRefs: [{{name: web}}]}}}}}}"
    );
    let pebble = scene.bed.pebble();
    let manifest = issuer("Issuer", pebble.directory(), &pebble, &solver, "");
    scene.apply(&manifest).await;
    let (a, b) = (scene.host_at("a", ELSEWHERE).await, scene.host_at("b", ELSEWHERE).await);
    scene.apply(&certificate("site", &[&a, &b], "")).await;
    // no node runs them here: that they answer is seen where there is one
    let routes = eventually("two pods, Services and HTTPRoutes", IN_TIME, async || {
        let pods = scene.list(PODS).await;
        let services = scene.list(SERVICES).await.len();
        let routes = scene.routes().await;
        (pods.len() == 2 && services == 2 && routes.len() == 2).then_some((pods, routes))
    });
    let (pods, routes) = routes.await;
    for pod in pods {
        assert_eq!(pod.data["spec"]["nodeSelector"]["zone"], "edge");
    }
    for route in routes {
        let backend = &route.data["spec"]["rules"][0]["backendRefs"][0]["name"];
        assert_eq!(backend.as_str(), route.metadata.name.as_deref());
        assert_eq!(route.data["spec"]["hostnames"].as_array().unwrap().len(), 1);
    }
    let namespace = scene.namespace.as_str();
    scene
        .bed
        .kubectl(&["delete", "certificate", "site", "-n", namespace])
        .await;
    scene.no_route_is_left().await;
    eventually("no pod is left", IN_TIME, async || {
        scene.list(PODS).await.is_empty().then_some(())
    })
    .await;
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn twenty_certificates_at_once_come_through_one_gateway() {
    let test = "twenty_certificates_at_once_come_through_one_gateway";
    let Some((scene, _certlet)) = open(test).await else {
        return;
    };
    let _controller = TraefikGateway::start(&scene.bed).await;
    scene.apply(&http_gateway("web", TraefikGateway::CLASS)).await;
    scene.gateway_issuer("{name: web}").await;
    scene.issuer_is_ready().await;
    let mut manifests = String::new();
    for number in 0..20 {
        let name = format!("c{number}");
        let host = scene.host_at(&name, TraefikGateway::ADDRESS).await;
        manifests += &certificate(&name, &[&host], "");
    }
    let began = Instant::now();
    scene.apply(&manifests).await;
    for number in 0..20 {
        scene.ready(&format!("c{number}")).await;
    }
    println!(
        "20 certificates at once through Traefik's Gateway: {:?}",
        began.elapsed()
    );
    scene.no_route_is_left().await;
}
