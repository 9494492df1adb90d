//! What `certlet plan` and `certlet status` say about Gateways and `ListenerSet`s.

use serde_json::{Value, json};

use crate::support::Certlet;
use crate::support::certlet::PROGRAM;
use crate::support::command::{Finished, try_run};
use crate::support::scene::Scene;
use crate::{FLAGS, gateway, https, issuer, place};

async fn certlet(scene: &Scene, args: &[&str]) -> Finished {
    let kubeconfig = scene.bed.kubeconfig();
    let own = ["--kubeconfig", kubeconfig.to_str().unwrap(), "-n", &scene.namespace];
    let (command, rest) = args.split_first().unwrap();
    try_run(PROGRAM, &[&[*command], &own[..], rest].concat(), None).await
}

async fn planned(scene: &Scene, flags: &[&str]) -> Vec<String> {
    let done = certlet(scene, &[&["plan", "-o", "json", "--"], flags].concat()).await;
    let lines: Vec<Value> = serde_json::from_str(&done.stdout).unwrap_or_else(|error| panic!("{error}: {done:?}"));
    let of_gateway_api = |line: &&Value| ["Gateway", "ListenerSet"].contains(&line["kind"].as_str().unwrap());
    let text = |line: &Value, key: &str| line[key].as_str().unwrap().to_owned();
    let lines = lines.iter().filter(of_gateway_api);
    lines
        .map(|line| format!("{} {}: {}", text(line, "kind"), text(line, "name"), text(line, "would")))
        .collect()
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn plan_and_status_show_the_certificates_of_gateways_and_listener_sets() {
    let Some(scene) = place("plan_and_status_show_the_certificates").await else {
        return;
    };
    gateway(&scene, &issuer(), &json!([https("https", "a.example.com", "web-tls")])).await;
    let set = json!({
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "ListenerSet", "metadata": {"name": "more"},
        "spec": {"parentRef": {"name": "web"}, "listeners": [https("more", "b.example.com", "set-tls")]},
    });
    scene.apply(&set.to_string()).await;
    assert_eq!(
        planned(&scene, &[]).await,
        Vec::<String>::new(),
        "the flags are not set"
    );
    assert_eq!(
        planned(&scene, &FLAGS).await,
        [
            "Gateway web: create Certificate web-tls",
            "ListenerSet more: create Certificate set-tls"
        ]
    );
    let certlet_runs = Certlet::start(&scene.bed, &FLAGS).await;
    scene.ready("web-tls").await;
    scene.ready("set-tls").await;
    assert!(certlet_runs.stop().await.success());
    assert_eq!(planned(&scene, &FLAGS).await, Vec::<String>::new());
    for (kind, name, certificate) in [("gateway", "web", "web-tls"), ("listenerset", "more", "set-tls")] {
        let done = certlet(&scene, &["status", "-o", "json", kind, name]).await;
        let report: Value = serde_json::from_str(&done.stdout).unwrap_or_else(|error| panic!("{error}: {done:?}"));
        assert_eq!(report["sentence"], "1 Certificates, all well", "{report:#}");
        assert_eq!(report["certificates"][0]["name"], certificate);
        assert_eq!(done.status.code(), Some(0));
    }
    // an edit that certlet has not seen yet
    gateway(&scene, &issuer(), &json!([https("https", "c.example.com", "web-tls")])).await;
    let planned = planned(&scene, &FLAGS).await;
    assert_eq!(planned, ["Gateway web: update Certificate web-tls: spec.dnsNames"]);
}
