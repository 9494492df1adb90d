//! Solver objects on a real API server, behind real ingress controllers, answered by the real responder, seen by the real
//! probe.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking"
)]

mod support;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use certlet::api::http01::{Http01Ingress, Routing};
use certlet::solver::classes::{PathType, class_of};
use certlet::solver::host::Host;
use certlet::solver::objects::{
    CHALLENGE_CRD, ChallengePath, Exposure, Group, PodChallenge, PodSettings, ServiceKind, challenge_owner, crd_owner,
    endpoint_slices, pod_ingress, pod_service, shared_service, solver_pod, temporary_ingress, with_paths,
    without_paths,
};
use certlet::solver::probe::{Finding, Probe, Settings, Target, parse_nameservers};
use certlet::solver::responder::{Answer, Responder};
use certlet::solver::token::{KeyAuthorization, Token};
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::networking::v1::Ingress;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::{DeleteParams, ObjectMeta, Patch, PatchParams, PostParams};
use kube::core::NamespaceResourceScope;
use kube::{Api, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use support::{Bed, IN_TIME, Names, Pair, eventually};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Where the responder of these tests listens: an address of the bed that nothing else uses.
const RESPONDER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 99, 0, 9));

fn challenge(host: &str) -> (ChallengePath, KeyAuthorization) {
    let token = Token::parse("evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA").unwrap();
    let path = ChallengePath {
        host: Host::parse(host).unwrap(),
        token: token.clone(),
    };
    (
        path,
        KeyAuthorization::new(token, "NjcnowbcPkyoGV5Itn0KMYlT1mTkLwHCuTRzRyPdYRE"),
    )
}

async fn apply<K>(bed: &Bed, namespace: &str, object: &K, params: &PatchParams) -> K
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + std::fmt::Debug
        + DeserializeOwned
        + Serialize,
{
    let api: Api<K> = Api::namespaced(bed.client(), namespace);
    let name = object.meta().name.clone().unwrap();
    api.patch(&name, params, &Patch::Apply(object)).await.unwrap()
}

/// An object that can own others, as a Challenge does: the garbage collector removes what refers to a UID that nobody has.
async fn owner(bed: &Bed, namespace: &str) -> OwnerReference {
    let maps: Api<ConfigMap> = Api::namespaced(bed.client(), namespace);
    let map = ConfigMap {
        metadata: ObjectMeta {
            name: Some("order-1-1".to_owned()),
            ..ObjectMeta::default()
        },
        ..ConfigMap::default()
    };
    let map = maps.create(&PostParams::default(), &map).await.unwrap();
    OwnerReference {
        api_version: "v1".to_owned(),
        kind: "ConfigMap".to_owned(),
        ..challenge_owner("order-1-1", &map.metadata.uid.unwrap())
    }
}

/// The user's own Ingress of that host, with tls and the controller's usual redirect to https.
fn own_ingress(class: &str, host: &str) -> String {
    format!(
        "
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {{name: own}}
spec:
  ingressClassName: {class}
  tls: [{{hosts: [{host}], secretName: own-tls}}]
  rules:
  - host: {host}
    http: {{paths: [{{path: /, pathType: Prefix, backend: {{service: {{name: own, port: {{number: 80}}}}}}}}]}}
---
apiVersion: v1
kind: Service
metadata: {{name: own}}
spec: {{ports: [{{port: 80, protocol: TCP}}]}}
"
    )
}

async fn own_certificate(bed: &Bed, namespace: &str, host: &str) {
    let own = Pair::self_signed(&format!("/CN={host}"), &["-newkey", "rsa:2048", "-nodes"]).await;
    own.store(bed, namespace, "own-tls").await;
}

/// A responder on an address of the bed, with an answer.
async fn responder(path: &ChallengePath, key_authorization: &KeyAuthorization) -> (Arc<Responder>, SocketAddr) {
    let listener = TcpListener::bind((RESPONDER, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let responder = Arc::new(Responder::new());
    tokio::spawn(Arc::clone(&responder).serve(listener, CancellationToken::new()));
    let answer = Answer {
        host: path.host.clone(),
        key_authorization: key_authorization.clone(),
    };
    responder.insert("order", answer).unwrap();
    (responder, address)
}

async fn becomes_visible_and_goes(class_name: &str, controller: &str, address: &str) {
    let bed = Bed::attach().await;
    {
        // two that create the same at once refuse each other
        static ONE_AT_A_TIME: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
        let _turn = ONE_AT_A_TIME.lock().await;
        bed.install_crds().await;
    }
    let namespace = bed.new_namespace().await;
    let host = format!("{namespace}.{class_name}.example");
    bed.names().set_a(&host, &[address]).await;
    own_certificate(&bed, &namespace, &host).await;
    bed.apply(&namespace, &own_ingress(class_name, &host)).await;

    let (path, key_authorization) = challenge(&host);
    let (responder, listens) = responder(&path, &key_authorization).await;
    let nameservers = parse_nameservers(&[Names::SERVER.to_owned()]).unwrap();
    let probe = Probe::new(&Settings {
        nameservers,
        ..Settings::default()
    })
    .unwrap();
    let target = Target {
        host: path.host.clone(),
        key_authorization,
    };
    let before = probe.attempt(&target).await;
    assert!(!before.is_visible(), "{before}");

    let crd = bed
        .kubectl(&["get", "crd", CHALLENGE_CRD, "-o", "jsonpath={.metadata.uid}"])
        .await;
    let (crd, labels) = (crd_owner(&crd), BTreeMap::new());
    let (kind, server_side) = (ServiceKind::ClusterIp, PatchParams::apply("certlet"));
    let service = shared_service(&namespace, kind, &[RESPONDER], Some(&crd), &labels);
    apply(&bed, &namespace, &service, &server_side).await;
    for slice in endpoint_slices(&namespace, kind, (&[RESPONDER], listens.port()), Some(&crd), &labels) {
        apply(&bed, &namespace, &slice, &server_side).await;
    }
    let group = Group {
        config: Http01Ingress {
            class: Some(class_name.to_owned()),
            ..Http01Ingress::default()
        },
        paths: vec![path.clone()],
        owners: vec![owner(&bed, &namespace).await],
    };
    let class = class_of(Some(controller), Some(class_name));
    let ingress = temporary_ingress(&Exposure {
        namespace: &namespace,
        order_uid: "f3a7c1d2-0000-4000-8000-000000000001",
        group: &group,
        class,
        path_type: class.path_types(true)[0],
        service: &kind.service_name(),
        extra_labels: &labels,
    });
    let made = apply(&bed, &namespace, &ingress, &server_side).await;
    eventually("the challenge through the ingress", IN_TIME, async || {
        probe.attempt(&target).await.is_visible().then_some(())
    })
    .await;
    assert!(responder.served().probes > 0 && responder.served().validations == 0);
    // What is shown is shown once: applying it again changes nothing.
    let again = apply(&bed, &namespace, &ingress, &server_side).await;
    assert_eq!(again.metadata.resource_version, made.metadata.resource_version);

    let ingresses: Api<Ingress> = Api::namespaced(bed.client(), &namespace);
    let name = made.metadata.name.unwrap();
    ingresses.delete(&name, &DeleteParams::default()).await.unwrap();
    let after = eventually("the challenge to be gone", IN_TIME, async || {
        let finding = probe.attempt(&target).await;
        (!finding.is_visible()).then_some(finding)
    })
    .await;
    assert!(!after.is_unreachable(), "{after}");
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_challenge_becomes_visible_through_traefik_beside_an_ingress_with_tls() {
    becomes_visible_and_goes("traefik", "traefik.io/ingress-controller", "10.99.0.1").await;
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_challenge_becomes_visible_through_the_class_nginx_that_redirects_to_https() {
    becomes_visible_and_goes("nginx", "k8s.io/ingress-nginx", "10.99.0.1").await;
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_challenge_becomes_visible_through_haproxy_that_redirects_to_https() {
    becomes_visible_and_goes("haproxy", "haproxy-ingress.github.io/controller", "10.99.0.2").await;
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn an_edit_in_place_is_accepted_and_undone_to_the_letter() {
    let bed = Bed::attach().await;
    let namespace = bed.new_namespace().await;
    bed.apply(&namespace, &own_ingress("traefik", "edited.example")).await;
    let ingresses: Api<Ingress> = Api::namespaced(bed.client(), &namespace);
    let before = ingresses.get("own").await.unwrap();
    let paths = [
        challenge("edited.example").0,
        challenge("more.example").0,
        challenge("192.0.2.7").0,
    ];
    let edited = with_paths(&before, &paths, "cm-acme-http-solver-certlet", PathType::Exact).unwrap();
    let edited = ingresses.replace("own", &PostParams::default(), &edited).await.unwrap();
    assert_eq!(
        with_paths(&edited, &paths, "cm-acme-http-solver-certlet", PathType::Exact),
        None
    );
    let back = without_paths(&edited, |found| paths.iter().any(|path| found.is(path))).unwrap();
    let back = ingresses.replace("own", &PostParams::default(), &back).await.unwrap();
    assert_eq!(back.spec, before.spec);
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn pod_mode_objects_pass_the_restricted_pod_security_standard() {
    let bed = Bed::attach().await;
    let namespace = bed.new_namespace().await;
    let level = "pod-security.kubernetes.io/enforce=restricted";
    bed.kubectl(&["label", "namespace", &namespace, level]).await;
    eventually("the namespace's service account", IN_TIME, async || {
        let found = bed
            .try_kubectl(&["get", "serviceaccount", "-n", &namespace, "default"])
            .await;
        found.status.success().then_some(())
    })
    .await;
    let (path, key_authorization) = challenge("pod.example");
    let owner = owner(&bed, &namespace).await;
    let template = json!({"podTemplate": {"spec": {
        "tolerations": [{"key": "edge", "operator": "Exists"}], "resources": {"limits": {"cpu": 1}},
    }}});
    let config: Http01Ingress = serde_json::from_value(template).unwrap();
    let routing = Routing::Ingress(config.clone());
    let challenge = PodChallenge {
        namespace: &namespace,
        order_uid: "f3a7c1d2-0000-4000-8000-000000000001",
        owner: &owner,
        path: &path,
        key_authorization: &key_authorization,
        routing: &routing,
    };
    let settings = PodSettings {
        image: "certlet:test".to_owned(),
        request_cpu: "10m".to_owned(),
        request_memory: "64Mi".to_owned(),
        limit_cpu: "100m".to_owned(),
        limit_memory: "64Mi".to_owned(),
        run_as_non_root: true,
        runtime_class_name: None,
        extra_labels: BTreeMap::new(),
    };
    let params = PatchParams::apply("certlet");
    let pod: Pod = apply(&bed, &namespace, &solver_pod(&challenge, &settings), &params).await;
    let service: Service = apply(&bed, &namespace, &pod_service(&challenge, &settings), &params).await;
    let class = class_of(None, Some("gce"));
    let ingress = pod_ingress(&challenge, &config, &settings, (class, class.path_types(true)[0]));
    let ingress: Ingress = apply(&bed, &namespace, &ingress, &params).await;
    assert_eq!(pod.metadata.name, service.metadata.name);
    assert_eq!(pod.metadata.name, ingress.metadata.name);
    assert_eq!(service.spec.unwrap().type_.as_deref(), Some("NodePort"));
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn both_kinds_of_service_and_slices_of_both_families_are_accepted() {
    let bed = Bed::attach().await;
    let namespace = bed.new_namespace().await;
    let both: [IpAddr; 2] = ["10.99.0.9".parse().unwrap(), "fd00::9".parse().unwrap()];
    let (labels, params) = (BTreeMap::new(), PatchParams::apply("certlet"));
    for kind in [ServiceKind::ClusterIp, ServiceKind::NodePort] {
        let service = shared_service(&namespace, kind, &both, None, &labels);
        apply::<Service>(&bed, &namespace, &service, &params).await;
        for slice in endpoint_slices(&namespace, kind, (&both, 8089), None, &labels) {
            apply::<EndpointSlice>(&bed, &namespace, &slice, &params).await;
        }
    }
    let slices: Api<EndpointSlice> = Api::namespaced(bed.client(), &namespace);
    assert_eq!(
        slices
            .list(&kube::api::ListParams::default())
            .await
            .unwrap()
            .items
            .len(),
        4
    );
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn the_bed_s_names_are_told_apart_as_a_user_needs_it() {
    let bed = Bed::attach().await;
    let nameservers = parse_nameservers(&[Names::SERVER.to_owned()]).unwrap();
    let probe = Probe::new(&Settings {
        nameservers,
        ..Settings::default()
    })
    .unwrap();
    let host = format!("t{}.servfail.example", std::process::id());
    bed.names().set_servfail(&host).await;
    let (path, key_authorization) = challenge(&host);
    let target = Target {
        host: path.host,
        key_authorization,
    };
    let finding = probe.attempt(&target).await;
    assert!(
        matches!(finding, Finding::Name { .. }) && finding.to_string().contains("SERVFAIL"),
        "{finding}"
    );
    bed.names().clear_servfail(&host).await;
    // an address of the bed on which nothing listens on port 80
    bed.names().set_a(&host, &["10.99.0.9"]).await;
    let finding = probe.attempt(&target).await;
    assert!(
        finding.is_unreachable() && finding.to_string().contains("refused"),
        "{finding}"
    );
}
