//! SHM-01..09 and SHM-12: what becomes of the Certificates while the Ingress lives.

use serde_json::json;

use super::{Scene, ShimEffect, ShimPlan, an_ingress};
use crate::api::{GoDuration, key::PrivateKey, usage::KeyUsage};

fn asking() -> Scene {
    an_ingress()
        .labelled("app", "shop")
        .annotated("cert-manager.io/cluster-issuer", "le")
        .tls("web-tls", &["a.example.com", "www.a.example.com"])
}

#[test]
fn shm_01_kind_and_group_alone_ask_for_nothing() {
    let scene = an_ingress()
        .annotated("cert-manager.io/issuer-kind", "Issuer")
        .annotated("cert-manager.io/issuer-group", "cert-manager.io")
        .tls("web-tls", &["a.example.com"]);
    assert_eq!(scene.plan(), ShimPlan::default());
}

#[test]
fn shm_02_and_03_each_block_gets_a_certificate_named_after_its_secret() {
    let plan = asking().tls("b-tls", &["b.example.com"]).plan();
    let created: Vec<_> = plan
        .effects
        .iter()
        .map(|effect| match effect {
            ShimEffect::Create(wanted) => (
                wanted.name.as_str(),
                wanted.spec.secret_name.as_str(),
                wanted.spec.dns_names.len(),
            ),
            other @ (ShimEffect::Update { .. } | ShimEffect::Delete(_)) => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(created, [("web-tls", "web-tls", 2), ("b-tls", "b-tls", 1)]);
}

#[test]
fn shm_03_addresses_are_told_from_names_each_once_with_the_default_usages_written() {
    let spec = an_ingress()
        .annotated("cert-manager.io/issuer", "le")
        .tls(
            "t",
            &["a.example.com", "10.0.0.1", "fd00::1", "a.example.com", "fd00:0::1"],
        )
        .created()
        .spec;
    assert_eq!(spec.dns_names, ["a.example.com"]);
    assert_eq!(spec.ip_addresses, ["10.0.0.1", "fd00::1"]);
    assert_eq!(spec.usages, [KeyUsage::DigitalSignature, KeyUsage::KeyEncipherment]);
}

#[test]
fn shm_04_a_certificate_of_someone_else_stays_as_it_is() {
    for owners in [false, true] {
        let scene = asking().applied().edited(|existing, spec| {
            spec.dns_names = vec!["theirs.example.com".into()];
            let mut owner = existing.meta.owners[0].clone();
            owner.uid = "another".into();
            existing.meta.owners = if owners { Box::new([owner]) } else { Box::new([]) };
        });
        assert_eq!(scene.plan(), ShimPlan::default());
        assert_eq!(scene.no_tls().plan(), ShimPlan::default());
    }
}

#[test]
fn shm_05_these_fields_are_put_right() {
    let edits: [fn(&mut super::Existing, &mut crate::api::certificate::CertificateSpec); 9] = [
        |it, _| it.meta.labels = crate::plan::seen::Pairs::default(),
        |_, spec| spec.common_name = Some("x".into()),
        |_, spec| spec.dns_names.reverse(),
        |_, spec| spec.issuer_ref.name = "other".into(),
        |_, spec| spec.issuer_ref.kind = Some("Issuer".into()),
        |_, spec| spec.revision_history_limit = Some(3),
        |_, spec| {
            spec.private_key = Some(PrivateKey {
                size: Some(4096),
                ..PrivateKey::default()
            });
        },
        |_, spec| spec.duration = Some(GoDuration::from_hours(5)),
        |_, spec| spec.renew_before = Some(GoDuration::from_hours(5)),
    ];
    for (row, edit) in edits.into_iter().enumerate() {
        let scene = asking().applied().edited(edit);
        assert!(
            matches!(scene.plan().effects[..], [ShimEffect::Update { .. }]),
            "row {row}"
        );
        assert_eq!(scene.applied().plan(), ShimPlan::default(), "row {row}");
    }
}

#[test]
fn shm_05_and_nb_39_these_fields_may_be_edited_by_hand() {
    let edits: [fn(&mut super::Existing, &mut crate::api::certificate::CertificateSpec); 8] = [
        |_, spec| spec.issuer_ref.group = None,
        |_, spec| spec.ip_addresses = vec!["10.0.0.9".into()],
        |_, spec| spec.email_addresses = vec!["a@example.com".into()],
        |_, spec| spec.subject = Some(crate::api::certificate::Subject::default()),
        |_, spec| spec.usages = vec![KeyUsage::ServerAuth],
        |_, spec| spec.renew_before_percentage = Some(50),
        |it, _| it.meta.annotations = [("mine", "yes")].into_iter().collect(),
        // A list written by a version that did not look for repetitions.
        |_, spec| spec.dns_names.push("a.example.com".into()),
    ];
    for (row, edit) in edits.into_iter().enumerate() {
        assert_eq!(asking().applied().edited(edit).plan(), ShimPlan::default(), "row {row}");
    }
}

#[test]
fn shm_06_an_update_replaces_spec_and_labels_and_adds_annotations() {
    let mut scene = asking().annotated("team", "blue").applied().edited(|existing, spec| {
        existing.meta.annotations = [("mine", "yes")].into_iter().collect();
        existing.meta.labels = [("app", "shop"), ("mine", "yes")].into_iter().collect();
        spec.usages = vec![KeyUsage::ServerAuth];
        spec.uris = vec!["spiffe://mine".into()];
    });
    scene.settings.extra_certificate_annotations = vec!["team".into()];
    let scene = scene.annotated("cert-manager.io/duration", "48h");
    let [ShimEffect::Update { patch, .. }] = &scene.plan().effects[..] else {
        panic!("expected an update")
    };
    let wanted = json!({
        "metadata": {"labels": {"mine": null}, "annotations": {"team": "blue"}},
        "spec": {"duration": "48h0m0s", "uris": null, "usages": ["digital signature", "key encipherment"]},
    });
    assert_eq!(*patch, wanted);
}

#[test]
fn shm_06_an_update_removes_fields_of_the_spec_that_this_version_does_not_know() {
    let mut scene = asking().applied().annotated("cert-manager.io/duration", "48h");
    scene.certificates[0].raw["future"] = json!(1);
    let [ShimEffect::Update { patch, .. }] = &scene.plan().effects[..] else {
        panic!("expected an update")
    };
    assert_eq!(patch["spec"], json!({"duration": "48h0m0s", "future": null}));
}

#[test]
fn a_certificate_of_ours_that_cannot_be_read_is_put_right() {
    let mut scene = asking().applied();
    scene.certificates[0].raw["duration"] = json!("90d");
    scene.certificates[0].spec = None;
    assert!(matches!(scene.plan().effects[..], [ShimEffect::Update { .. }]));
    assert_eq!(scene.applied().plan(), ShimPlan::default());
}

#[test]
fn shm_07_a_certificate_whose_block_is_gone_is_deleted() {
    let scene = asking().tls("b-tls", &["b.example.com"]).applied();
    let gone = scene.no_tls().tls("b-tls", &["b.example.com"]);
    let [ShimEffect::Delete(certificate)] = &gone.plan().effects[..] else {
        panic!("expected a deletion")
    };
    assert_eq!(certificate.name(), "web-tls");
    assert_eq!(gone.applied().plan(), ShimPlan::default());
}

#[test]
fn shm_07_a_renamed_secret_moves_the_certificate() {
    let plan = asking().applied().no_tls().tls("new-tls", &["a.example.com"]).plan();
    assert!(
        matches!(&plan.effects[..], [ShimEffect::Create(new), ShimEffect::Delete(old)] if new.name == "new-tls" && old.name() == "web-tls")
    );
}

#[test]
fn shm_08_taking_the_annotation_away_deletes_nothing() {
    let scene = asking().applied().without("cert-manager.io/cluster-issuer").no_tls();
    assert_eq!(scene.plan(), ShimPlan::default());
}

#[test]
fn shm_12_an_ingress_that_is_being_deleted_gets_no_certificates() {
    let mut scene = asking();
    scene.ingress.meta.finalizers = Box::new(["foregroundDeletion".into()]);
    assert_eq!(scene.plan(), ShimPlan::default());
    let mut scene = asking();
    scene.ingress.meta.deleting = Some(jiff::Timestamp::UNIX_EPOCH);
    assert_eq!(scene.plan(), ShimPlan::default());
}

#[test]
fn a_certificate_that_is_being_deleted_is_left_to_go() {
    let mut scene = asking().applied();
    scene.certificates[0].meta.deleting = Some(jiff::Timestamp::UNIX_EPOCH);
    assert_eq!(scene.no_tls().plan(), ShimPlan::default());
}

#[test]
fn doing_what_the_plan_says_leaves_nothing_to_do() {
    let scene = asking()
        .tls("b-tls", &["b.example.com", "10.1.1.1"])
        .annotated("cert-manager.io/private-key-algorithm", "Ed25519")
        .annotated("cert-manager.io/private-key-size", "77")
        .annotated("cert-manager.io/subject-organizations", "a,b")
        .annotated("acme.cert-manager.io/http01-edit-in-place", "true")
        .applied();
    assert_eq!(scene.certificates.len(), 2);
    assert_eq!(scene.plan(), ShimPlan::default());
}
