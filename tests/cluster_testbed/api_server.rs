//! The API server: what it counts and audits, the proxy before it, and rights.

use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::{DeleteParams, ListParams, ObjectMeta, PostParams};

use crate::support::bed::client_of;
use crate::support::{Bed, FaultProxy, IN_TIME, Moment, eventually, gone, until};

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
    // finding the place in the audit log takes a write of its own
    let mark = bed.audit_mark().await;
    let before = bed.requests().await;
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
    let audited = bed.writes_since(mark).await;
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
async fn the_api_proxy_passes_watches_and_springs_its_traps_on_both_sides_of_the_server() {
    let bed = Bed::attach().await;
    let namespace = bed.new_namespace().await;
    let proxy = FaultProxy::before_api_server(&bed).await;
    let client = client_of(&bed.kubeconfig_for(&proxy.url())).await;
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
    let fresh = client_of(&bed.kubeconfig_for(&proxy.url())).await;
    let fresh: Api<ConfigMap> = Api::namespaced(fresh, &namespace);
    assert!(fresh.get("first").await.is_err());
    proxy.come_back();
    fresh.get("first").await.unwrap();
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_service_account_has_its_own_rights_and_no_others() {
    let bed = Bed::attach().await;
    let namespace = bed.new_namespace().await;
    let kubeconfig = bed.kubeconfig_of_service_account(&namespace, "nobody").await;
    let maps: Api<ConfigMap> = Api::namespaced(client_of(&kubeconfig).await, &namespace);
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
