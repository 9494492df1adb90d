//! HTTP-01 as certlet does it on a real API server: what it makes, what it leaves of others, and that nothing stays.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking"
)]

mod support;

use k8s_openapi::api::core::v1::{Pod, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::networking::v1::Ingress;
use kube::api::{Api, ListParams};
use kube::core::NamespaceResourceScope;
use kube::{Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use support::{Bed, Certlet, FaultProxy, IN_TIME, condition_is, eventually, until};

const OURS: &str = "acme.cert-manager.io/http01-solver=true";

struct Scene {
    bed: Bed,
    namespace: String,
}

impl Scene {
    async fn new() -> Self {
        let bed = Bed::attach().await;
        {
            // two that create the same at once refuse each other
            static ONE_AT_A_TIME: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
            let _turn = ONE_AT_A_TIME.lock().await;
            bed.install_crds().await;
        }
        let namespace = bed.new_namespace().await;
        Self { bed, namespace }
    }

    /// A certlet that acts on this namespace alone, so that these tests run side by side.
    async fn certlet(&self, args: &[&str]) -> Certlet {
        let namespace = format!("--namespace={}", self.namespace);
        let args: Vec<&str> = std::iter::once(namespace.as_str())
            .chain(args.iter().copied())
            .collect();
        Certlet::start(&self.bed, &args).await
    }

    fn host(&self, name: &str) -> String {
        format!("{name}.{}.example", self.namespace)
    }

    async fn apply(&self, object: &Value) {
        self.bed.apply(&self.namespace, &object.to_string()).await;
    }

    /// An Issuer whose one solver has this Ingress configuration.
    async fn issuer(&self, ingress: &Value) {
        self.issuer_at(self.bed.pebble().directory(), ingress).await;
    }

    /// The same with a proxy before its CA.
    async fn issuer_at(&self, directory: &str, ingress: &Value) {
        let pebble = self.bed.pebble();
        self.apply(&json!({
            "apiVersion": "cert-manager.io/v1", "kind": "Issuer", "metadata": {"name": "ca"},
            "spec": {"acme": {
                "server": directory, "caBundle": pebble.ca_bundle(),
                "privateKeySecretRef": {"name": "account"}, "solvers": [{"http01": {"ingress": ingress}}],
            }},
        }))
        .await;
    }

    async fn certificate(&self, name: &str, hosts: &[&str]) {
        let hosts: Vec<String> = hosts.iter().map(|host| self.host(host)).collect();
        self.apply(&json!({
            "apiVersion": "cert-manager.io/v1", "kind": "Certificate", "metadata": {"name": name},
            "spec": {"secretName": name, "dnsNames": hosts, "issuerRef": {"name": "ca"}},
        }))
        .await;
    }

    async fn ready(&self, certificate: &str) {
        let certificates = self
            .bed
            .objects("cert-manager.io/v1", "Certificate", Some(&self.namespace))
            .await;
        until(&certificates, certificate, IN_TIME, condition_is("Ready", "True")).await;
    }

    fn api<K>(&self) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        Api::namespaced(self.bed.client(), &self.namespace)
    }

    async fn ours<K>(&self) -> Vec<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + std::fmt::Debug + DeserializeOwned,
    {
        self.api::<K>()
            .list(&ListParams::default().labels(OURS))
            .await
            .unwrap()
            .items
    }

    async fn nothing_stays(&self) {
        eventually("every solver object to be gone", IN_TIME, async || {
            let left = self.ours::<Ingress>().await.len()
                + self.ours::<Service>().await.len()
                + self.ours::<EndpointSlice>().await.len()
                + self.ours::<Pod>().await.len();
            (left == 0).then_some(())
        })
        .await;
    }
}

fn own_ingress(name: &str, class: &str, host: &str) -> Value {
    let backend = json!({"service": {"name": "web", "port": {"number": 80}}});
    json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": name},
        "spec": {"ingressClassName": class, "rules": [
            {"host": host, "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}},
        ]},
    })
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn orders_of_a_namespace_share_a_service_have_an_ingress_each_and_leave_nothing() {
    let scene = Scene::new().await;
    let _certlet = scene.certlet(&[]).await;
    scene.issuer(&json!({"ingressClassName": "traefik"})).await;
    let mark = scene.bed.audit_mark().await;
    scene.certificate("first", &["a", "b", "c"]).await;
    scene.certificate("second", &["d"]).await;
    scene.ready("first").await;
    scene.ready("second").await;
    scene.nothing_stays().await;
    let writes = scene.bed.writes_since(mark).await;
    let of = |resource: &str, is: fn(&str) -> bool| {
        let mut names: Vec<_> = writes
            .iter()
            .filter(|write| write.resource == resource && write.namespace == scene.namespace && is(&write.verb))
            .filter(|write| write.code < 300)
            .map(|write| write.name.clone())
            .collect();
        names.sort();
        names
    };
    let made = of("ingresses", |verb| verb == "patch");
    assert_eq!(made.len(), 2, "one write for each Order's Ingress: {writes:?}");
    assert_ne!(made[0], made[1]);
    assert_eq!(of("ingresses", |verb| verb == "delete"), made);
    let services = of("services", |verb| verb == "patch");
    assert!(!services.is_empty(), "{writes:?}");
    assert!(
        services.iter().all(|name| name == "cm-acme-http-solver-certlet"),
        "{services:?}"
    );
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn an_ingress_that_is_edited_in_place_is_afterwards_as_before() {
    let scene = Scene::new().await;
    scene.apply(&own_ingress("web", "haproxy", &scene.host("a"))).await;
    scene.bed.names().set_a(&scene.host("a"), &["10.99.0.2"]).await;
    scene.bed.names().set_a(&scene.host("b"), &["10.99.0.2"]).await;
    let before = scene.api::<Ingress>().get("web").await.unwrap();
    let _certlet = scene.certlet(&[]).await;
    scene.issuer(&json!({"name": "web"})).await;
    scene.certificate("site", &["a", "b"]).await;
    scene.ready("site").await;
    scene.nothing_stays().await;
    let after = eventually("the paths to be taken out", IN_TIME, async || {
        let ingress = scene.api::<Ingress>().get("web").await.unwrap();
        (ingress.spec == before.spec).then_some(ingress)
    })
    .await;
    assert_ne!(
        after.resource_version(),
        before.resource_version(),
        "it was edited in between"
    );
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn an_ingress_to_be_edited_that_does_not_exist_is_named_and_waited_for() {
    let scene = Scene::new().await;
    let _certlet = scene.certlet(&[]).await;
    scene.issuer(&json!({"name": "web"})).await;
    scene.certificate("site", &["a"]).await;
    eventually("a sentence about the missing Ingress", IN_TIME, async || {
        let told = scene
            .bed
            .kubectl(&["get", "challenge", "-n", &scene.namespace, "-o", "json"])
            .await;
        told.contains("/web, which does not exist").then_some(())
    })
    .await;
    scene.apply(&own_ingress("web", "traefik", &scene.host("a"))).await;
    scene.ready("site").await;
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_refused_path_type_is_followed_by_the_next() {
    let scene = Scene::new().await;
    let policy = format!("no-exact-{}", scene.namespace);
    scene
        .bed
        .apply(
            &scene.namespace,
            &json!({"apiVersion": "v1", "kind": "List", "items": [
                {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy", "metadata": {"name": policy},
                 "spec": {"matchConstraints": {"resourceRules": [{"apiGroups": ["networking.k8s.io"], "apiVersions": ["v1"],
                          "operations": ["CREATE", "UPDATE"], "resources": ["ingresses"]}]},
                          "validations": [{"expression": "object.spec.rules.all(r, r.http.paths.all(p, p.pathType != 'Exact'))",
                                           "message": "Exact is not for us"}]}},
                {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding", "metadata": {"name": policy},
                 "spec": {"policyName": policy, "validationActions": ["Deny"], "matchResources": {"namespaceSelector":
                          {"matchLabels": {"kubernetes.io/metadata.name": scene.namespace}}}}},
            ]})
            .to_string(),
        )
        .await;
    let mut tries = 0;
    eventually("the policy to be in force", IN_TIME, async || {
        tries += 1;
        let mut exact = own_ingress(&format!("exact-{tries}"), "none", "x.example");
        exact["spec"]["rules"][0]["http"]["paths"][0]["pathType"] = json!("Exact");
        let refused = scene.bed.try_apply(&scene.namespace, &exact.to_string()).await;
        (!refused.status.success()).then_some(())
    })
    .await;
    let _certlet = scene.certlet(&[]).await;
    scene.issuer(&json!({"class": "nginx"})).await;
    scene.certificate("site", &["a"]).await;
    scene.ready("site").await;
    scene.nothing_stays().await;
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn what_others_left_behind_is_swept_at_the_start_and_nothing_else() {
    let scene = Scene::new().await;
    let labels = json!({"acme.cert-manager.io/http01-solver": "true"});
    let ports = json!([{"port": 8089, "protocol": "TCP"}]);
    let path = |token: &str, service: &str| {
        json!({"path": format!("/.well-known/acme-challenge/{token}"), "pathType": "Exact",
               "backend": {"service": {"name": service, "port": {"number": 8089}}}})
    };
    let mut stray = own_ingress("cm-acme-http-solver-left", "traefik", &scene.host("a"));
    stray["metadata"]["labels"] = labels.clone();
    let mut edited = own_ingress("edited", "traefik", &scene.host("b"));
    edited["spec"]["rules"][0]["http"]["paths"]
        .as_array_mut()
        .unwrap()
        .extend([
            path("old", "cm-acme-http-solver-certlet"),
            path("mine", "my-own-responder"),
        ]);
    let service = |name: &str, labels: &Value| json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "labels": labels}, "spec": {"ports": ports}});
    for object in [
        stray,
        edited,
        service("cm-acme-http-solver-certlet", &labels),
        service("cm-acme-http-solver-mine", &json!({})),
        service("my-solver", &labels),
    ] {
        scene.apply(&object).await;
    }
    let _certlet = scene.certlet(&[]).await;
    eventually("the strays to be gone", IN_TIME, async || {
        let ingress = scene.api::<Ingress>().get("edited").await.unwrap();
        let text = serde_json::to_string(&ingress.spec).unwrap();
        let swept = scene.ours::<Ingress>().await.is_empty() && !text.contains("acme-challenge/old");
        (swept && scene.ours::<Service>().await.len() == 1).then(|| assert!(text.contains("acme-challenge/mine")))
    })
    .await;
    let mut left: Vec<_> = scene.api::<Service>().list(&ListParams::default()).await.unwrap().items;
    left.sort_by_key(ResourceExt::name_any);
    let left: Vec<_> = left.iter().map(ResourceExt::name_any).collect();
    assert_eq!(left, ["cm-acme-http-solver-mine", "my-solver"]);
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn pod_mode_makes_a_pod_per_challenge_and_takes_all_of_it_away() {
    let scene = Scene::new().await;
    let rights = support::bed::project().join("deploy/solver-pods/rbac.yaml");
    scene.bed.kubectl(&["apply", "-f", rights.to_str().unwrap()]).await;
    let _certlet = scene
        .certlet(&[
            "--acme-http01-solver-mode=pod",
            "--acme-http01-solver-image=certlet:test",
        ])
        .await;
    scene
        .issuer(&json!({"ingressClassName": "traefik", "serviceType": "ClusterIP"}))
        .await;
    scene.certificate("site", &["a", "b"]).await;
    // no node runs them here: that they answer is seen where there is one
    let pods = eventually("two solver pods", IN_TIME, async || {
        let pods = scene.ours::<Pod>().await;
        (pods.len() == 2).then_some(pods)
    })
    .await;
    for pod in pods {
        let owner = &pod.owner_references()[0];
        assert_eq!((owner.kind.as_str(), owner.controller), ("Challenge", Some(true)));
        assert!(pod.name_any().starts_with("cm-acme-http-solver-"));
    }
    eventually("two Services and two Ingresses", IN_TIME, async || {
        (scene.ours::<Service>().await.len() == 2 && scene.ours::<Ingress>().await.len() == 2).then_some(())
    })
    .await;
    scene
        .bed
        .kubectl(&["delete", "certificate", "site", "-n", &scene.namespace])
        .await;
    scene.nothing_stays().await;
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn the_ca_is_not_told_before_every_replica_answers() {
    let scene = Scene::new().await;
    let namespace = format!("--namespace={}", scene.namespace);
    let lease = format!("--leader-election-namespace={}", scene.namespace);
    let both = [
        "--acme-http01-advertise-address=10.99.0.8",
        "--acme-http01-advertise-address=10.99.0.9",
    ];
    let replica = |listen: &'static str| {
        let args = [namespace.as_str(), lease.as_str(), both[0], both[1], listen];
        // the Lease is this test's own, which the rights of certlet's service account do not cover
        let launch = Certlet::launch(&scene.bed).kubeconfig(&scene.bed.kubeconfig());
        launch.leader_election().args(&args)
    };
    let proxy = FaultProxy::before_pebble(&scene.bed, &scene.bed.pebble()).await;
    let told_the_ca = || {
        let requests = proxy.requests();
        requests.iter().filter(|head| head.path.contains("/chalZ/")).count()
    };
    let _leader = replica("--acme-http01-listen-address=10.99.0.8:8089").ready().await;
    scene
        .issuer_at(&proxy.directory(), &json!({"ingressClassName": "traefik"}))
        .await;
    scene.certificate("site", &["a"]).await;
    eventually(
        "a sentence about the replica that does not answer",
        IN_TIME,
        async || {
            let told = scene
                .bed
                .kubectl(&["get", "challenge", "-n", &scene.namespace, "-o", "json"])
                .await;
            (told.contains("10.99.0.9:8089 refused the connection")).then_some(())
        },
    )
    .await;
    assert_eq!(told_the_ca(), 0, "the CA was told while a replica does not answer");
    // the second replica leads nothing, and answers from what it watches
    let _standby = replica("--acme-http01-listen-address=10.99.0.9:8089").spawn();
    scene.ready("site").await;
    assert!(
        told_the_ca() > 0,
        "the requests that are counted are not those that tell the CA"
    );
    scene.nothing_stays().await;
}
