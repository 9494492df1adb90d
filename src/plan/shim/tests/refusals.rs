//! SHM-10, SHM-11: what is reported about an Ingress that cannot be served as it is.

use super::{Scene, ShimEffect, an_ingress};

fn asking() -> Scene {
    an_ingress().annotated("cert-manager.io/issuer", "le")
}

#[test]
fn shm_10_a_block_without_secret_name_is_skipped_and_the_others_are_served() {
    let plan = asking()
        .tls("", &["a.example.com"])
        .tls("b-tls", &["b.example.com"])
        .plan();
    assert!(matches!(&plan.effects[..], [ShimEffect::Create(wanted)] if wanted.name == "b-tls"));
    assert_eq!(
        plan.complaints,
        ["Skipped a TLS block: spec.tls[0].secretName: Required value: set the name of the Secret for the certificate"]
    );
}

#[test]
fn shm_10_a_block_without_hosts_is_skipped_and_its_certificate_stays() {
    let scene = asking()
        .tls("a-tls", &["a.example.com"])
        .applied()
        .no_tls()
        .tls("a-tls", &[]);
    let plan = scene.plan();
    assert_eq!(plan.effects, []);
    assert_eq!(
        plan.complaints,
        ["Skipped a TLS block: spec.tls[0].hosts: Required value: list the names of the certificate"]
    );
}

#[test]
fn shm_10_an_empty_block_names_both_fields() {
    let complaint = asking().tls("", &[]).complaint();
    assert!(
        complaint.starts_with("Skipped a TLS block: [spec.tls[0].hosts: Required value: "),
        "{complaint}"
    );
    assert!(
        complaint.contains(", spec.tls[0].secretName: Required value: ") && complaint.ends_with(']'),
        "{complaint}"
    );
}

#[test]
fn shm_10_two_blocks_without_secret_name_do_not_keep_a_third_from_its_certificate() {
    let plan = asking()
        .tls("", &["a.example.com"])
        .tls("web-tls", &["b.example.com"])
        .tls("", &["c.example.com"])
        .plan();
    assert!(matches!(&plan.effects[..], [ShimEffect::Create(wanted)] if wanted.name == "web-tls"));
    let secret_missing = "secretName: Required value: set the name of the Secret for the certificate";
    assert_eq!(
        plan.complaints,
        [0, 2].map(|at| format!("Skipped a TLS block: spec.tls[{at}].{secret_missing}"))
    );
}

#[test]
fn shm_10_a_secret_in_two_blocks_refuses_the_whole_ingress() {
    let scene = asking()
        .tls("a-tls", &["a.example.com"])
        .tls("b-tls", &["b.example.com"])
        .tls("a-tls", &["c.example.com"]);
    assert_eq!(
        scene.complaint(),
        "spec.tls[0].secretName: Invalid value: \"a-tls\": this secret name must only appear in a single TLS entry but is also used in spec.tls[2].secretName"
    );
}

#[test]
fn shm_11_a_bad_annotation_changes_nothing_that_exists() {
    let scene = asking()
        .tls("a-tls", &["a.example.com"])
        .applied()
        .annotated("cert-manager.io/duration", "90d");
    let complaint = scene.no_tls().tls("b-tls", &["b.example.com"]).complaint();
    assert!(
        complaint.starts_with("invalid ingress annotation \"cert-manager.io/duration\": "),
        "{complaint}"
    );
}
