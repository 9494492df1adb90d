//! The ingress controllers, and the names that lead to them.

use crate::support::{Bed, IN_TIME, Names, curl_status, eventually, openssl_verify, served_chain};

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
pub(crate) async fn page_server(text: &'static str) -> u16 {
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
async fn an_ingress_controller_presents_a_certificate_even_before_there_is_one() {
    let chain = served_chain("nobody.example", "10.99.0.1:443").await;
    assert_eq!(chain.len(), 1, "Traefik's own default certificate");
    assert!(openssl_verify(&chain[0], &chain, "nobody.example").await.is_err());
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
