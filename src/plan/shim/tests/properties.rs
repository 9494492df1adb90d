//! Doing what the plan says leaves nothing to do, whatever the Ingress and its Certificates look like.

use proptest::prelude::*;

use super::{Scene, ShimPlan, an_ingress};

fn annotation() -> impl Strategy<Value = (&'static str, &'static str)> {
    prop::sample::select(vec![
        ("cert-manager.io/issuer", "le"),
        ("cert-manager.io/cluster-issuer", "le"),
        ("kubernetes.io/tls-acme", "true"),
        ("cert-manager.io/common-name", "a.example.com"),
        ("cert-manager.io/alt-names", "c.example.com, a.example.com"),
        ("cert-manager.io/ip-sans", "10.0.0.1"),
        ("cert-manager.io/duration", "48h"),
        ("cert-manager.io/duration", "90d"),
        ("cert-manager.io/renew-before-percentage", "50"),
        ("cert-manager.io/private-key-algorithm", "Ed25519"),
        ("cert-manager.io/private-key-size", "384"),
        ("cert-manager.io/subject-serialnumber", "1"),
        ("cert-manager.io/revision-history-limit", "2"),
        ("acme.cert-manager.io/http01-edit-in-place", "true"),
        ("acme.cert-manager.io/http01-ingress-class", "traefik"),
    ])
}

fn block() -> impl Strategy<Value = (&'static str, Vec<&'static str>)> {
    let hosts = prop::sample::subsequence(vec!["a.example.com", "b.example.com", "10.0.0.9", "fd00::9"], 0..=4);
    (prop::sample::select(vec!["a-tls", "b-tls", ""]), hosts)
}

fn scene() -> impl Strategy<Value = Scene> {
    (
        prop::collection::vec(annotation(), 0..6),
        prop::collection::vec(block(), 0..3),
    )
        .prop_map(|(annotations, blocks)| {
            let scene = annotations
                .into_iter()
                .fold(an_ingress(), |scene, (key, value)| scene.annotated(key, value));
            blocks
                .into_iter()
                .fold(scene, |scene, (secret, hosts)| scene.tls(secret, &hosts))
        })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_second_look_finds_nothing_to_do(before in scene(), after in scene()) {
        // The Certificates of an earlier state of the same Ingress are there already.
        let mut edited = after;
        edited.certificates = before.applied().certificates;
        let ShimPlan { complaints, .. } = edited.plan();
        let second = edited.applied().plan();
        prop_assert_eq!(second.effects, vec![]);
        prop_assert_eq!(second.complaints, complaints);
    }
}
