use jiff::SignedDuration;
use proptest::prelude::*;

use super::{
    super::{CertificateEffect, CertificatePlan, IssuerState, names},
    model::{Model, UID, meta, owner},
};
use crate::{
    api::{ConditionStatus, names::annotation},
    plan::{issuer::Reach, seen::Pairs},
};

fn next_key(revision: i64) -> String {
    let [name, _] = names::next_key_names("web", UID, revision);
    name
}

fn reasons(plan: &CertificatePlan) -> Vec<&str> {
    plan.events.iter().map(|event| &*event.reason).collect()
}

#[test]
fn several_next_keys_are_reduced_to_the_one_that_status_names() {
    let mut model = Model::new();
    model.settle();
    let spec = super::super::key_spec(&model.certificate.spec);
    for name in ["web-aaaaa", "web-zzzzz"] {
        model.put_next_key(
            name,
            std::sync::Arc::new(crate::pki::key::PrivateKey::generate(spec).unwrap()),
        );
    }
    model.log.clear();
    model.settle();
    assert_eq!(model.log, ["delete key", "delete key"]);
    assert_eq!(model.next_keys.keys().collect::<Vec<_>>(), [&next_key(1)]);
}

#[test]
fn ano_01_a_temporary_certificate_is_wanted_while_the_request_waits_and_only_if_asked_for() {
    let mut model = Model::new();
    model.settle();
    assert_eq!(model.plan().effects, []);
    model.certificate.meta.annotations = Pairs::from_iter([(annotation::ISSUE_TEMPORARY_CERTIFICATE, "true")]);
    assert_eq!(
        model.plan().effects,
        [CertificateEffect::StoreTemporary {
            key_secret: next_key(1).into()
        }]
    );
}

#[test]
fn a_request_of_a_former_certificate_of_our_name_is_replaced_and_a_strangers_is_not_touched() {
    for (former, expected) in [(true, "web-1"), (false, "web-1-237faef4")] {
        let mut model = Model::new();
        model.settle();
        let mut other = model.requests.remove("web-1").unwrap();
        other.meta = meta(
            "web-1",
            "another",
            model.now,
            if former {
                vec![owner("web", "former-uid")]
            } else {
                vec![]
            },
        );
        other.meta.annotations = Pairs::from_iter([(annotation::CERTIFICATE_NAME, "web")]);
        model.requests.insert("web-1".into(), other);
        let plan = model.plan();
        model.settle();
        assert!(
            model
                .requests
                .values()
                .any(|request| request.meta.name() == expected && request.meta.owned_by(UID)),
            "{expected}"
        );
        assert_eq!(
            model.requests.values().any(|request| &*request.meta.uid == "another"),
            !former
        );
        assert_eq!(reasons(&plan).contains(&"RequestNameTaken"), !former);
        model.issue();
        assert_eq!(model.ready().0, ConditionStatus::True);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Killed after any number of effects of any step, with users at work in between: it ends Ready, with one next key at most ever,
    /// and then nothing is left to do.
    #[test]
    fn killed_at_any_instant_the_next_run_goes_on(
        kills in proptest::collection::vec((0_usize..4, any::<bool>(), 0_u8..12), 0..24),
        in_process: bool,
    ) {
        let mut model = Model::new();
        model.issuer = if in_process { IssuerState::Ready(Reach::AtOnce) } else { IssuerState::Ready(Reach::Later) };
        for (effects, with_status, deed) in kills {
            let plan = model.plan();
            for effect in plan.effects.iter().take(effects) {
                model.apply(effect);
            }
            if with_status && effects >= plan.effects.len() {
                model.write_status(&plan.status);
            }
            model.pass(SignedDuration::from_secs(11));
            let pending: Vec<String> =
                model.requests.values().filter(|request| request.conditions.is_empty()).map(|request| request.meta.name().to_owned()).collect();
            match deed {
                0 | 1 => pending.iter().for_each(|name| model.sign(name)),
                2 => pending.iter().for_each(|name| model.fail(name, "no")),
                3 => model.edit(|spec| spec.dns_names.push("x.example.com".into())),
                4 => model.secret = None,
                5 => model.edit(|spec| spec.private_key.as_mut().unwrap().size = Some(384)),
                6 => model.pass(SignedDuration::from_hours(33)),
                _ => {}
            }
            prop_assert!(model.next_keys.len() <= 1);
        }
        for _ in 0..4 {
            model.settle();
            let pending: Vec<String> =
                model.requests.values().filter(|request| request.conditions.is_empty()).map(|request| request.meta.name().to_owned()).collect();
            for name in &pending {
                model.sign(name);
            }
            model.pass(SignedDuration::from_hours(33));
        }
        model.settle();
        prop_assert_eq!(model.ready().0, ConditionStatus::True);
        prop_assert!(model.next_keys.is_empty());
        let plan = model.plan();
        prop_assert!(plan.effects.is_empty() && plan.status == model.certificate.status && plan.events.is_empty());
    }
}
