//! Gateways and `ListenerSet`s get Certificates, which follow edits and go.

use kube::api::DynamicObject;
use serde_json::{Value, json};

use crate::support::scene::{CERTIFICATES, SECRETS, Scene, decoded};
use crate::support::{IN_TIME, eventually, gone, openssl_verify, until};
use crate::{gateway, https, issuer, prepared};

/// Waits until the Certificate satisfies a condition.
async fn there(
    scene: &Scene,
    name: &str,
    holds: impl Fn(&DynamicObject) -> bool + Send + Sync + Copy + 'static,
) -> DynamicObject {
    let certificates = scene.objects(CERTIFICATES).await;
    until(&certificates, name, IN_TIME, move |object: Option<&DynamicObject>| {
        object.is_some_and(holds)
    })
    .await
    .unwrap()
}

/// The certificate in the Secret is one of the Secret's CA for this host; openssl judges.
async fn is_issued(scene: &Scene, secret: &str, host: &str) {
    scene.ready(secret).await;
    let secrets = scene.objects(SECRETS).await;
    eventually("openssl accepts the certificate", IN_TIME, async || {
        let secret = secrets.get_opt(secret).await.unwrap()?;
        let leaf = decoded(&secret, "/data/tls.crt");
        openssl_verify(&decoded(&secret, "/data/ca.crt"), &[leaf], host)
            .await
            .ok()
    })
    .await;
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_gateway_gets_its_certificate_which_follows_edits_and_goes_with_it() {
    let Some((scene, _certlet)) = prepared("a_gateway_gets_its_certificate", &[]).await else {
        return;
    };
    let (bed, namespace) = (&scene.bed, scene.namespace.as_str());
    let host = scene.host("a");
    let plain = json!({"name": "http", "port": 80, "protocol": "HTTP"});
    gateway(&scene, &issuer(), &json!([plain, https("https", &host, "web-tls")])).await;
    is_issued(&scene, "web-tls", &host).await;
    let made = there(&scene, "web-tls", |_| true).await;
    let owners = made.metadata.owner_references.clone().unwrap();
    assert_eq!(
        (
            owners[0].api_version.as_str(),
            owners[0].kind.as_str(),
            owners[0].controller
        ),
        ("gateway.networking.k8s.io/v1", "Gateway", Some(true))
    );
    assert_eq!(
        made.metadata.labels.clone().unwrap().into_iter().collect::<Vec<_>>(),
        [("app".to_owned(), "shop".to_owned())]
    );
    let annotations = made.metadata.annotations.clone().unwrap();
    assert_eq!(annotations["acme.cert-manager.io/http01-parentrefkind"], "Gateway");
    assert_eq!(annotations["acme.cert-manager.io/http01-parentrefname"], "web");
    let text = scene.event(("Gateway", "web"), "CreateCertificate", "").await;
    assert_eq!(text, "Successfully created Certificate \"web-tls\"");

    // a second listener with the same Secret, and one that is ignored
    let mut annotated = issuer();
    annotated["cert-manager.io/ignore-tls-listeners"] = json!("other, third");
    let listeners = json!([
        https("https", &host, "web-tls"),
        https("second", "b.example.com", "web-tls"),
        https("third", "c.example.com", "third-tls"),
    ]);
    gateway(&scene, &annotated, &listeners).await;
    there(&scene, "web-tls", |it| {
        it.data["spec"]["dnsNames"][1] == "b.example.com"
    })
    .await;
    assert_eq!(scene.list(CERTIFICATES).await.len(), 1);
    is_issued(&scene, "web-tls", "b.example.com").await;

    // an edit by hand is put right (SHM-05)
    let by_hand = json!({"spec": {"dnsNames": ["mine.example.com"]}}).to_string();
    bed.kubectl(&[
        "patch",
        "certificate",
        "-n",
        namespace,
        "web-tls",
        "--type=merge",
        "-p",
        &by_hand,
    ])
    .await;
    there(&scene, "web-tls", |it| {
        it.data["spec"]["dnsNames"][1] == "b.example.com"
    })
    .await;

    // another Secret: another Certificate
    gateway(&scene, &issuer(), &json!([https("https", &host, "new-tls")])).await;
    is_issued(&scene, "new-tls", &host).await;
    until(&scene.objects(CERTIFICATES).await, "web-tls", IN_TIME, gone()).await;
    let text = scene.event(("Gateway", "web"), "DeleteCertificate", "").await;
    assert_eq!(text, "Successfully deleted unrequired Certificate \"web-tls\"");

    // the annotation is taken away: nothing happens (SHM-08); the Gateway goes: the garbage collector takes the Certificate
    gateway(&scene, &json!({}), &json!([plain])).await;
    bed.kubectl(&["get", "certificate", "-n", namespace, "new-tls"]).await;
    bed.kubectl(&["delete", "gateway", "-n", namespace, "web"]).await;
    until(&scene.objects(CERTIFICATES).await, "new-tls", IN_TIME * 2, gone()).await;
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_listener_set_inherits_the_issuer_of_its_gateway_and_follows_it() {
    let Some((infra, _certlet)) = prepared("a_listener_set_inherits_the_issuer", &[]).await else {
        return;
    };
    let scene = infra.another().await;
    crate::with_issuer(&scene).await;
    gateway(
        &infra,
        &issuer(),
        &json!([{"name": "http", "port": 80, "protocol": "HTTP"}]),
    )
    .await;
    let host = scene.host("a");
    let set = |annotations: Value| {
        json!({
            "apiVersion": "gateway.networking.k8s.io/v1", "kind": "ListenerSet",
            "metadata": {"name": "more", "annotations": annotations},
            "spec": {
                "parentRef": {"name": "web", "namespace": infra.namespace},
                "listeners": [https("https", &host, "set-tls")],
            },
        })
        .to_string()
    };
    scene.apply(&set(json!({}))).await;
    is_issued(&scene, "set-tls", &host).await;
    let made = there(&scene, "set-tls", |_| true).await;
    assert_eq!(made.metadata.owner_references.unwrap()[0].kind, "ListenerSet");
    let parent = |it: &DynamicObject, key: &str| {
        let annotations = it.metadata.annotations.clone().unwrap_or_default();
        annotations
            .get(&format!("acme.cert-manager.io/http01-parentref{key}"))
            .cloned()
            .unwrap_or_default()
    };
    let parents = |it: &DynamicObject| ["kind", "name", "namespace"].map(|key| parent(it, key));
    let made = there(&scene, "set-tls", |_| true).await;
    assert_eq!(parents(&made), ["ListenerSet", "more", ""]);

    // HTTP-01 through the Gateway (ANN-20), and back
    scene
        .apply(&set(json!({"acme.cert-manager.io/http01-parentreffallback": "true"})))
        .await;
    let fallback = there(&scene, "set-tls", move |it| parent(it, "kind") == "Gateway").await;
    assert_eq!(parents(&fallback), ["Gateway", "web", &infra.namespace]);
    scene.apply(&set(json!({}))).await;
    let back = there(&scene, "set-tls", move |it| parent(it, "kind") == "ListenerSet").await;
    assert_eq!(parents(&back), ["ListenerSet", "more", ""]);

    // the Gateway gets another issuer, and the ListenerSet one of its own
    let other = json!({"cert-manager.io/cluster-issuer": "other"});
    gateway(
        &infra,
        &other,
        &json!([{"name": "http", "port": 80, "protocol": "HTTP"}]),
    )
    .await;
    there(&scene, "set-tls", |it| it.data["spec"]["issuerRef"]["name"] == "other").await;
    scene.apply(&set(issuer())).await;
    there(&scene, "set-tls", |it| it.data["spec"]["issuerRef"]["kind"] == "Issuer").await;
    scene
        .bed
        .kubectl(&["delete", "listenerset", "-n", &scene.namespace, "more"])
        .await;
    until(&scene.objects(CERTIFICATES).await, "set-tls", IN_TIME * 2, gone()).await;
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn wrong_listeners_are_reported_and_the_others_are_served() {
    let Some((scene, _certlet)) = prepared("wrong_listeners_are_reported", &[]).await else {
        return;
    };
    let mut nameless = https("nameless", "", "nameless-tls");
    nameless.as_object_mut().unwrap().remove("hostname");
    let mut map = https("map", "b.example.com", "map");
    map["tls"]["certificateRefs"][0]["kind"] = json!("ConfigMap");
    let listeners = json!([nameless, map, https("https", "a.example.com", "web-tls")]);
    gateway(&scene, &issuer(), &listeners).await;
    is_issued(&scene, "web-tls", "a.example.com").await;
    for words in [
        "spec.listeners[0].hostname: Required value: the hostname cannot be empty",
        "spec.listeners[1].tls.certificateRefs[0].kind: Unsupported value: \"ConfigMap\"",
    ] {
        let text = scene.event(("Gateway", "web"), "BadConfig", words).await;
        assert!(text.starts_with("Skipped a listener block: "), "{text}");
    }
    assert_eq!(scene.list(CERTIFICATES).await.len(), 1);
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn extra_protocols_get_certificates_where_the_flag_names_them() {
    let flags = ["--gateway-api-extra-protocols=example.com/DTLS"];
    let Some((scene, _certlet)) = prepared("extra_protocols_get_certificates", &flags).await else {
        return;
    };
    let mut dtls = https("dtls", "a.example.com", "dtls-tls");
    dtls["protocol"] = json!("example.com/DTLS");
    let mut other = https("other", "b.example.com", "other-tls");
    (other["protocol"], other["port"]) = (json!("example.com/OTHER"), json!(444));
    gateway(&scene, &issuer(), &json!([dtls, other])).await;
    is_issued(&scene, "dtls-tls", "a.example.com").await;
    assert_eq!(scene.list(CERTIFICATES).await.len(), 1);
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn for_a_secret_of_another_namespace_the_event_has_the_certificate_to_apply() {
    let Some((scene, _certlet)) = prepared("for_a_secret_of_another_namespace", &[]).await else {
        return;
    };
    let elsewhere = scene.another().await;
    crate::with_issuer(&elsewhere).await;
    let mut foreign = https("https", "a.example.com", "web-tls");
    foreign["tls"]["certificateRefs"][0]["namespace"] = json!(elsewhere.namespace);
    gateway(&scene, &issuer(), &json!([foreign])).await;
    let text = scene
        .event(
            ("Gateway", "web"),
            "BadConfig",
            "cross-namespace secret references are not allowed in listeners",
        )
        .await;
    // kubectl takes what is in the Event
    let begin = text.find('{').unwrap();
    let end = text.rfind("}. The listener").unwrap();
    let manifest = &text[begin..=end];
    scene.bed.apply(&elsewhere.namespace, manifest).await;
    is_issued(&elsewhere, "web-tls", "a.example.com").await;
    assert_eq!(scene.list(CERTIFICATES).await.len(), 0);
}
