//! GWS-07, GWS-08, ANN-20: ListenerSets.

use super::gateway_scene::{GatewayScene, a_gateway, listener};
use crate::plan::shim::{ShimEffect, ShimPlan};

const FALLBACK: &str = "acme.cert-manager.io/http01-parentreffallback";

fn annotations(scene: &GatewayScene) -> Vec<(String, String)> {
    let wanted = scene.created();
    let all = wanted.annotations.iter();
    all.map(|(key, value)| (key.replace("acme.cert-manager.io/http01-", ""), value.to_owned()))
        .collect()
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

fn issuer(scene: &GatewayScene) -> (String, String, String) {
    let issuer = scene.created().spec.issuer_ref;
    (
        issuer.kind_or_default().to_owned(),
        issuer.group_or_default().to_owned(),
        issuer.name,
    )
}

#[test]
fn gws_07_the_certificate_names_the_listener_set_for_http_01() {
    let scene = a_gateway()
        .with_listener_set()
        .annotated("cert-manager.io/issuer", "ca")
        .listener(listener("a.example.com", "t"));
    assert_eq!(
        annotations(&scene),
        pairs(&[("parentrefkind", "ListenerSet"), ("parentrefname", "more")])
    );
}

#[test]
fn ann_20_the_fallback_names_the_gateway_with_its_namespace() {
    let scene = a_gateway()
        .with_listener_set()
        .annotated("cert-manager.io/issuer", "ca")
        .listener(listener("a.example.com", "t"));
    for value in ["true", "T", "1"] {
        assert_eq!(
            annotations(&scene.clone().annotated(FALLBACK, value)),
            pairs(&[
                ("parentrefkind", "Gateway"),
                ("parentrefname", "web"),
                ("parentrefnamespace", "infra")
            ]),
            "{value}"
        );
    }
    for value in ["false", "yes", ""] {
        assert_eq!(
            annotations(&scene.clone().annotated(FALLBACK, value)).len(),
            2,
            "{value}"
        );
    }
}

#[test]
fn ann_20_an_edit_of_the_fallback_reaches_the_certificate_both_ways() {
    let scene = a_gateway()
        .with_listener_set()
        .annotated("cert-manager.io/issuer", "ca")
        .listener(listener("a.example.com", "t"))
        .applied();
    let on = scene.annotated(FALLBACK, "true").applied();
    let of = |scene: &GatewayScene, key: &str| {
        let key = format!("acme.cert-manager.io/http01-{key}");
        scene.certificates[0].meta.annotations.get(&key).map(str::to_owned)
    };
    assert_eq!(of(&on, "parentrefname").as_deref(), Some("web"));
    assert_eq!(of(&on, "parentrefnamespace").as_deref(), Some("infra"));
    assert_eq!(on.plan(), ShimPlan::default());
    let off = on.annotated(FALLBACK, "false").applied();
    assert_eq!(of(&off, "parentrefname").as_deref(), Some("more"));
    assert_eq!(of(&off, "parentrefnamespace"), None);
    assert_eq!(off.plan(), ShimPlan::default());
}

#[test]
fn gws_08_the_issuer_of_the_gateway_counts_where_the_listener_set_names_none() {
    let scene = a_gateway()
        .annotated("cert-manager.io/cluster-issuer", "house")
        .with_listener_set()
        .listener(listener("a.example.com", "t"));
    let group = "cert-manager.io".to_owned();
    assert_eq!(issuer(&scene), ("ClusterIssuer".into(), group.clone(), "house".into()));
    let own = scene.annotated("cert-manager.io/issuer", "own");
    assert_eq!(issuer(&own), ("Issuer".into(), group, "own".into()));
}

#[test]
fn gws_08_kind_and_group_of_the_gateway_always_count() {
    let scene = a_gateway()
        .annotated("cert-manager.io/issuer", "house")
        .annotated("cert-manager.io/issuer-kind", "Pca")
        .annotated("cert-manager.io/issuer-group", "pca.example.com")
        .with_listener_set()
        .listener(listener("a.example.com", "t"))
        .annotated("cert-manager.io/issuer", "own")
        .annotated("cert-manager.io/issuer-kind", "Mine");
    assert_eq!(issuer(&scene), ("Pca".into(), "pca.example.com".into(), "own".into()));
}

#[test]
fn gws_08_other_annotations_of_the_gateway_are_not_inherited() {
    let scene = a_gateway()
        .annotated("cert-manager.io/cluster-issuer", "house")
        .annotated("cert-manager.io/common-name", "gateway.example.com")
        .annotated("cert-manager.io/ignore-tls-listeners", "https")
        .annotated("certlet.io/hostnames-from-routes", "true")
        .with_listener_set()
        .listener(listener("*.example.com", "t"));
    let spec = scene.created().spec;
    assert_eq!(
        (spec.common_name, spec.dns_names),
        (None, vec!["*.example.com".to_owned()])
    );
}

#[test]
fn gws_08_an_edit_of_the_gateway_is_an_update() {
    let mut scene = a_gateway()
        .annotated("cert-manager.io/cluster-issuer", "house")
        .with_listener_set()
        .listener(listener("a.example.com", "t"))
        .applied();
    scene.gateway.meta.annotations = [("cert-manager.io/cluster-issuer", "other")].into_iter().collect();
    assert!(matches!(scene.plan().effects[..], [ShimEffect::Update { .. }]));
    // without an issuer, nothing that exists changes (SHM-08)
    scene.gateway.meta.annotations = crate::plan::seen::Pairs::default();
    assert_eq!(scene.no_listeners().plan(), ShimPlan::default());
}
