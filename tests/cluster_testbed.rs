//! The test bed itself: before anything is believed that it says.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking"
)]

mod support;

use std::time::Duration;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::{DeleteParams, ListParams, ObjectMeta, PostParams};
use support::{
    Bed, Certlet, Fault, FaultProxy, Head, IN_TIME, Moment, Names, Pebble, PebbleOptions, Times, curl_status,
    eventually, gone, openssl_verify, served_chain, until,
};

/// A page behind an Ingress whose Service has no selector: what an HTTP-01 solver sets up.
fn page_manifests(class: &str, host: &str, port: u16) -> String {
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
endpoints: [{{addresses: [10.99.0.9]}}]
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {{name: page}}
spec:
  ingressClassName: {class}
  rules:
  - host: {host}
    http:
      paths:
      - path: /.well-known/acme-challenge/token
        pathType: Exact
        backend: {{service: {{name: page, port: {{number: 8089}}}}}}
"
    )
}

/// Answers every request with the same text on 10.99.0.9, and says on which port.
async fn page_server(text: &'static str) -> u16 {
    let listener = tokio::net::TcpListener::bind("10.99.0.9:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let app = axum::Router::new().fallback(move || async move { text });
    tokio::spawn(async move { axum::serve(listener, app).await });
    port
}

async fn serves_the_page(class: &str, address: &str) {
    let bed = Bed::attach().await;
    let namespace = bed.new_namespace().await;
    let host = format!("{namespace}.{class}.example");
    let text = "the page behind the ingress";
    let port = page_server(text).await;
    bed.apply(&namespace, &page_manifests(class, &host, port)).await;
    let url = format!("http://{host}/.well-known/acme-challenge/token");
    eventually("the page through the ingress", IN_TIME, async || {
        let (status, body) = curl_status(&url, address).await;
        (status == 200 && body == text).then_some(())
    })
    .await;
    let (status, _) = curl_status(&format!("http://{host}/elsewhere"), address).await;
    assert_eq!(status, 404, "only the path of the Ingress is served");
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn traefik_serves_an_ingress_whose_service_has_no_selector() {
    serves_the_page("traefik", "10.99.0.1:80").await;
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn traefik_serves_the_class_of_ingress_nginx_too() {
    serves_the_page("nginx", "10.99.0.1:80").await;
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn haproxy_serves_an_ingress_whose_service_has_no_selector() {
    serves_the_page("haproxy", "10.99.0.2:80").await;
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn the_api_server_counts_and_audits_every_write() {
    let bed = Bed::attach().await;
    let namespace = bed.new_namespace().await;
    let maps: Api<ConfigMap> = Api::namespaced(bed.client(), &namespace);
    // kube-controller-manager writes a map of its own into every new namespace.
    until(
        &maps,
        "kube-root-ca.crt",
        IN_TIME,
        kube::runtime::conditions::is_created(),
    )
    .await;
    let before = bed.requests().await;
    let mark = bed.audit_mark();
    for name in ["a", "b", "c"] {
        let map = ConfigMap {
            metadata: ObjectMeta {
                name: Some(name.to_owned()),
                ..Default::default()
            },
            ..Default::default()
        };
        maps.create(&PostParams::default(), &map).await.unwrap();
    }
    maps.delete("a", &DeleteParams::default()).await.unwrap();
    maps.get("b").await.unwrap();
    let more = bed.requests().await.since(&before).of(&["configmaps"]);
    assert_eq!(
        more.writes()
            .filter(|series| series.verb == "POST" && series.code == 201)
            .total(),
        3,
        "{more}"
    );
    assert_eq!(
        more.writes().filter(|series| series.verb == "DELETE").total(),
        1,
        "{more}"
    );
    assert_eq!(more.writes().total(), 4, "{more}");
    assert!(more.total() > 4, "reads are counted, too: {more}");
    let audited = bed.writes_since(mark);
    let ours: Vec<_> = audited
        .iter()
        .filter(|write| write.namespace == namespace)
        .map(|write| write.name.as_str())
        .collect();
    assert_eq!(ours, ["a", "b", "c", "a"], "{audited:?}");
    until(&maps, "a", IN_TIME, gone()).await;
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn pebble_answers_with_its_directory_and_its_roots() {
    let bed = Bed::attach().await;
    let pebble = bed.pebble();
    let ca = pebble.ca_file().to_str().unwrap();
    let directory = support::run("curl", &["-sf", "--cacert", ca, pebble.directory()]).await;
    assert!(
        directory.contains("newOrder") && directory.contains("renewalInfo"),
        "{directory}"
    );
    let [root, alternate] = [pebble.trust(0).await, pebble.trust(1).await];
    assert!(root.contains("BEGIN CERTIFICATE") && root != alternate);
    let intermediates = pebble.intermediates(0).await;
    assert_eq!(openssl_verify_ca(&root, &intermediates[0]).await, Ok(()));
}

async fn openssl_verify_ca(root: &str, intermediate: &str) -> Result<(), String> {
    // An intermediate has no server name; only its signature is looked at.
    let dir = tempfile::tempdir().unwrap();
    let [root_file, file] = ["root.pem", "intermediate.pem"].map(|name| dir.path().join(name));
    std::fs::write(&root_file, root).unwrap();
    std::fs::write(&file, intermediate).unwrap();
    let args = ["verify", "-CAfile", root_file.to_str().unwrap(), file.to_str().unwrap()];
    let finished = support::command::try_run("openssl", &args, None).await;
    if finished.status.success() {
        Ok(())
    } else {
        Err(finished.stderr)
    }
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_test_has_a_pebble_of_its_own_that_forgets_everything_when_restarted() {
    let bed = Bed::attach().await;
    let options = PebbleOptions {
        strict: true,
        external_account_required: true,
        ..Default::default()
    };
    let mut pebble = Pebble::start(&bed, options).await;
    assert_ne!(pebble.directory(), bed.pebble().directory());
    let directory = support::run(
        "curl",
        &[
            "-sf",
            "--cacert",
            pebble.ca_file().to_str().unwrap(),
            pebble.directory(),
        ],
    )
    .await;
    assert!(directory.contains("\"externalAccountRequired\": true"), "{directory}");
    let before = pebble.trust(0).await;
    pebble.restart().await;
    assert_ne!(before, pebble.trust(0).await);
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn the_api_proxy_passes_watches_and_springs_its_traps_on_both_sides_of_the_server() {
    let bed = Bed::attach().await;
    let namespace = bed.new_namespace().await;
    let proxy = FaultProxy::before_api_server(&bed).await;
    let client = support::bed::client_of(&bed.kubeconfig_for(&proxy.url())).await;
    let through: Api<ConfigMap> = Api::namespaced(client, &namespace);
    let direct: Api<ConfigMap> = Api::namespaced(bed.client(), &namespace);
    let map = |name: &str| ConfigMap {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            ..Default::default()
        },
        ..Default::default()
    };

    // A watch through the proxy sees what is written beside it.
    let watching = through.clone();
    let watch =
        tokio::spawn(async move { until(&watching, "seen", IN_TIME, kube::runtime::conditions::is_created()).await });
    eventually("the watch goes through the proxy", IN_TIME, async || {
        proxy
            .requests()
            .iter()
            .any(|head| head.path.contains("watch=true"))
            .then_some(())
    })
    .await;
    direct.create(&PostParams::default(), &map("seen")).await.unwrap();
    assert!(watch.await.unwrap().is_some());

    // Second write from now, before the server sees it; third, after it has done its work.
    let (sender, mut sprung) = tokio::sync::mpsc::unbounded_channel();
    for (nth, moment) in [(2, Moment::BeforeForward), (3, Moment::BeforeReply)] {
        let sender = sender.clone();
        proxy.on_write(nth, moment, move || async move { sender.send(moment).unwrap() });
    }
    through.create(&PostParams::default(), &map("first")).await.unwrap();
    assert!(through.create(&PostParams::default(), &map("second")).await.is_err());
    assert!(through.create(&PostParams::default(), &map("third")).await.is_err());
    assert_eq!(
        (sprung.recv().await, sprung.recv().await),
        (Some(Moment::BeforeForward), Some(Moment::BeforeReply))
    );
    assert!(
        direct.get_opt("second").await.unwrap().is_none(),
        "the server never saw it"
    );
    assert!(
        direct.get_opt("third").await.unwrap().is_some(),
        "only the answer was lost"
    );
    assert_eq!(
        proxy.writes().iter().map(|write| write.status).collect::<Vec<_>>(),
        [Some(201), None, Some(201)]
    );

    // Away and back.
    proxy.go_away();
    let fresh = support::bed::client_of(&bed.kubeconfig_for(&proxy.url())).await;
    let fresh: Api<ConfigMap> = Api::namespaced(fresh, &namespace);
    assert!(fresh.get("first").await.is_err());
    proxy.come_back();
    fresh.get("first").await.unwrap();
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn the_acme_proxy_breaks_what_it_is_told_to_break() {
    let bed = Bed::attach().await;
    let pebble = bed.pebble();
    let proxy = FaultProxy::before_pebble(&bed, &pebble).await;
    let ask = async |more: &[&str]| {
        let url = proxy.directory();
        let mut args = vec![
            "-s",
            "--max-time",
            "3",
            "--cacert",
            pebble.ca_file().to_str().unwrap(),
            "-D",
            "-",
        ];
        args.extend_from_slice(more);
        args.push(&url);
        support::command::try_run("curl", &args, None).await
    };
    for protocol in ["--http1.1", "--http2"] {
        let healthy = ask(&[protocol]).await;
        assert!(
            healthy.stdout.contains(&format!("{}/order-plz", proxy.url())),
            "{healthy:?}"
        );

        proxy.inject(Fault::rate_limited("7"), Times::Count(1), |head: &Head| {
            head.path == "/dir"
        });
        let limited = ask(&[protocol]).await.stdout.to_lowercase();
        assert!(limited.contains(" 429") && limited.contains("retry-after: 7") && limited.contains("ratelimited"));
        assert!(ask(&[protocol]).await.status.success(), "once means once");

        proxy.inject(
            Fault::unavailable("Sat, 21 Nov 2026 10:00:00 GMT"),
            Times::Count(1),
            |_| true,
        );
        let busy = ask(&[protocol]).await.stdout.to_lowercase();
        assert!(
            busy.contains(" 503") && busy.contains("retry-after: sat, 21 nov 2026 10:00:00 gmt"),
            "{busy}"
        );

        proxy.inject(Fault::html(500), Times::Count(1), |_| true);
        assert!(ask(&[protocol]).await.stdout.contains("<!DOCTYPE html>"));

        proxy.inject(Fault::SlowBody(100, Duration::from_millis(1)), Times::Count(1), |_| {
            true
        });
        let slow = ask(&[protocol]).await;
        assert!(
            slow.status.success() && slow.stdout.contains("order-plz"),
            "slow, but whole: {slow:?}"
        );

        proxy.inject(Fault::ContentType("text/html"), Times::Count(1), |_| true);
        assert!(
            ask(&[protocol])
                .await
                .stdout
                .to_lowercase()
                .contains("content-type: text/html")
        );

        for fault in [Fault::Cut, Fault::CutReply, Fault::CutBody, Fault::Hang] {
            proxy.inject(fault.clone(), Times::Count(1), |_| true);
            let broken = ask(&[protocol]).await;
            assert!(!broken.status.success(), "{protocol} {fault:?}: {broken:?}");
        }
        proxy.inject(Fault::Oversized(3_000_000), Times::Always, |_| true);
        assert!(ask(&[protocol]).await.stdout.len() > 3_000_000);
        proxy.heal();
    }
    assert!(ask(&[]).await.status.success());
}

/// Asks for an A record the way RFC 1035 says and returns the response code and the address (zeroes: none).
async fn ask_dns(server: &str, host: &str) -> (u8, [u8; 4]) {
    let mut question = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in host.split('.') {
        question.push(u8::try_from(label.len()).unwrap());
        question.extend(label.as_bytes());
    }
    question.extend([0, 0, 1, 0, 1]);
    let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.send_to(&question, server).await.unwrap();
    let mut answer = [0; 512];
    let length = tokio::time::timeout(IN_TIME, socket.recv(&mut answer))
        .await
        .unwrap()
        .unwrap();
    // Type A, class IN, four bytes of lifetime, two of length, and then the address.
    let record = answer[question.len()..length]
        .windows(14)
        .find(|window| window.starts_with(&[0, 1, 0, 1]));
    (
        answer[3] & 0x0f,
        record.map_or([0; 4], |record| [record[10], record[11], record[12], record[13]]),
    )
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn names_lead_where_a_test_wants_them() {
    let bed = Bed::attach().await;
    let names: Names = bed.names();
    let host = format!("{}.names.example", bed.new_namespace().await);
    assert_eq!(ask_dns(Names::SERVER, &host).await, (0, [10, 99, 0, 1]));
    names.set_a(&host, &["10.99.0.2"]).await;
    assert_eq!(ask_dns(Names::SERVER, &host).await, (0, [10, 99, 0, 2]));
    names.set_servfail(&host).await;
    assert_eq!(
        ask_dns(Names::SERVER, &host).await.0,
        2,
        "SERVFAIL (RFC 1035 section 4.1.1)"
    );
    names.clear_servfail(&host).await;
    names.clear_a(&host).await;
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn an_ingress_controller_presents_a_certificate_even_before_there_is_one() {
    let chain = served_chain("nobody.example", "10.99.0.1:443").await;
    assert_eq!(chain.len(), 1, "Traefik's own default certificate");
    assert!(openssl_verify(&chain[0], &chain, "nobody.example").await.is_err());
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_pod_runs_on_a_node_of_the_bed() {
    let bed = Bed::attach().await;
    if let Err(reason) = bed.start_node(&[]).await {
        bed.skip("a_pod_runs_on_a_node_of_the_bed", &reason);
        return;
    }
    let namespace = bed.new_namespace().await;
    let pod = "
apiVersion: v1
kind: Pod
metadata: {name: idle}
spec:
  automountServiceAccountToken: false
  containers: [{name: idle, image: 'testbed/pause:1', imagePullPolicy: Never}]
";
    // The service account of a new namespace comes a moment after it.
    eventually("the pod is admitted", IN_TIME, async || {
        bed.try_apply(&namespace, pod).await.status.success().then_some(())
    })
    .await;
    bed.kubectl(&[
        "wait",
        "-n",
        &namespace,
        "--for=condition=Ready",
        "--timeout=60s",
        "pod/idle",
    ])
    .await;
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn certlets_run_side_by_side_end_when_asked_and_die_when_killed() {
    let bed = Bed::attach().await;
    bed.install_crds().await;
    let first = Certlet::start(&bed, &[]).await;
    let second = Certlet::launch(&bed).leader_election().args(&["--v=4"]).ready().await;
    assert_ne!(first.metrics_address(), second.metrics_address());
    let (status, metrics) = first.page("/metrics").await.unwrap();
    assert_eq!(status, 200);
    assert!(metrics.contains("# EOF") || metrics.contains("# HELP"), "{metrics}");
    assert!(first.memory_kib()[1] > 1024);
    let status = first.stop().await;
    assert!(
        status.success(),
        "SIGTERM is not a failure: {status}; log:\n{}",
        first.log()
    );
    second.kill();
    assert!(second.page("/livez").await.is_err());
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_service_account_has_its_own_rights_and_no_others() {
    let bed = Bed::attach().await;
    let namespace = bed.new_namespace().await;
    let kubeconfig = bed.kubeconfig_of_service_account(&namespace, "nobody").await;
    let maps: Api<ConfigMap> = Api::namespaced(support::bed::client_of(&kubeconfig).await, &namespace);
    let refused = maps.list(&ListParams::default()).await.unwrap_err();
    assert!(
        matches!(&refused, kube::Error::Api(status) if status.is_forbidden()),
        "{refused}"
    );
    let subject = format!("--serviceaccount={namespace}:nobody");
    bed.kubectl(&[
        "create",
        "rolebinding",
        "-n",
        &namespace,
        "view",
        "--clusterrole=view",
        &subject,
    ])
    .await;
    eventually("the right to read", IN_TIME, async || {
        maps.list(&ListParams::default()).await.ok()
    })
    .await;
}
