//! What is not written, and what is reported.

use super::*;
use crate::{
    api::{CertificateStatus, condition},
    plan::settings::Settings,
};

#[test]
fn ano_20_a_secret_of_another_client_is_neither_written_nor_removed_whatever_it_claims() {
    let forged = || {
        let mut forged = good(0);
        forged.applied = ManagedKeys::default();
        forged
    };
    let taken_over = || {
        let mut taken = good(0);
        taken.applied.data = Box::default();
        taken
    };
    let half = || {
        let mut half = good(0);
        half.applied.data = ["tls.crt".into()].into();
        half
    };
    let undecodable = || {
        let mut undecodable = good(0);
        undecodable.applied.error = Some("managedFields cannot be decoded".into());
        undecodable
    };
    let of_another = || {
        let mut other = web("blog");
        other.key = ObjectKey::new("shop", "other");
        copy("blog", "web-tls", &other, &digests(&PAIR, 0))
    };
    let strange: [fn() -> SecretFacts; 1] = [|| secret("blog", "web-tls")];
    let all = strange.into_iter().map(|make| make());
    for there in all.chain([forged(), taken_over(), half(), undecodable(), of_another()]) {
        let seen = observed(Consent::Given, Some(there.clone()));
        assert_eq!(
            summary(&planned(&seen)),
            (vec![], vec![], vec!["SecretExists"]),
            "{there:?}"
        );
        let mut gone = observed(Consent::Withheld, None);
        gone.certificate = None;
        gone.targets.clear();
        gone.others = vec![there.clone()];
        assert_eq!(planned(&gone), CopyPlan::default(), "{there:?}");
    }
}

#[test]
fn a_name_that_an_object_of_the_other_namespace_writes_itself_is_left_to_it() {
    let mut seen = observed(Consent::Given, None);
    seen.targets[0].user = Some("Certificate \"web\"".into());
    let plan = planned(&seen);
    assert_eq!(summary(&plan), (vec![], vec![], vec!["SecretInUse"]));
    assert!(
        plan.problems[0]
            .message
            .starts_with("Certificate \"web\" in namespace blog uses Secret blog/web-tls")
    );
}

#[test]
fn an_installation_that_copies_nothing_says_so_and_removes_nothing() {
    let settings = |namespace: Option<&str>, secret_sync| Settings {
        namespace: namespace.map(str::to_owned),
        secret_sync,
        ..Settings::default()
    };
    assert_eq!(Settings::default().copy_obstacle(), None);
    assert_eq!(settings(None, false).copy_obstacle(), Some(CopyObstacle::Off));
    assert_eq!(
        settings(Some("shop"), true).copy_obstacle(),
        Some(CopyObstacle::OneNamespace)
    );
    for (obstacle, word) in [
        (CopyObstacle::Off, "--enable-secret-sync=false"),
        (CopyObstacle::OneNamespace, "--namespace"),
    ] {
        let mut seen = observed(Consent::Withheld, None);
        seen.obstacle = Some(obstacle);
        seen.others = vec![good(1)];
        let plan = planned(&seen);
        assert!(plan.writes.is_empty() && plan.removals.is_empty());
        assert!(plan.problems[0].message.contains(word));
        seen.certificate.as_mut().unwrap().request = SyncRequest::default();
        assert_eq!(planned(&seen), CopyPlan::default());
    }
}

#[test]
fn a_copy_that_another_client_removes_again_and_again_is_written_less_and_less_often() {
    let seen = observed(Consent::Given, None);
    let mut written = BTreeMap::new();
    let (mut now, mut writes) = (noon(), 0);
    let mut last = CopyPlan::default();
    while now < noon() + SignedDuration::from_mins(5) {
        last = plan(now, &seen, &written);
        for write in &last.writes {
            written.insert(write.key.clone(), write.written.clone());
            writes += 1;
        }
        now += SignedDuration::from_millis(100);
    }
    assert!((3..=10).contains(&writes), "{writes}");
    assert_eq!(summary(&last).2, ["SecretContested"]);
    assert!(last.next.is_some());
}

#[test]
fn the_condition_says_which_namespaces_have_a_copy_and_why_others_have_none() {
    let before = CertificateStatus::default();
    let of = |plan: &CopyPlan, rejected: &[CopyProblem]| {
        let after = status(noon(), 3, &before, plan, rejected);
        let synced = condition::get(&after.conditions, SECRET_SYNCED).cloned();
        synced.map(|synced| {
            (
                synced.is_true(),
                synced.reason().to_owned(),
                synced.message().to_owned(),
            )
        })
    };
    let mut seen = observed(Consent::Given, Some(good(1)));
    let text = |status, reason: &str, message: &str| Some((status, reason.to_owned(), message.to_owned()));
    assert_eq!(
        of(&planned(&seen), &[]),
        text(true, "Copied", "The Secret is copied into blog")
    );
    seen.targets.push(target("api", Consent::Withheld, None));
    let (is_true, reason, message) = of(&planned(&seen), &[]).unwrap();
    assert!(!is_true && reason == "NotAccepted");
    assert!(
        message.starts_with("The Secret is copied into blog, but: namespace api does not accept it, or does not exist")
    );
    assert!(
        message.ends_with("certlet.io/accept-secrets-from: shop/web"),
        "{message}"
    );
    let rejected = [CopyProblem::rejected(
        "failed to apply Secret blog/web-tls: exceeded quota",
    )];
    assert!(of(&planned(&seen), &rejected).unwrap().2.starts_with("failed to apply"));
    seen.targets = (0..9)
        .map(|number| target(&format!("n{number}"), Consent::Withheld, None))
        .collect();
    assert!(of(&planned(&seen), &[]).unwrap().2.ends_with("And 6 more"));
    assert_eq!(of(&CopyPlan::default(), &[]), None);

    let failed = status(noon(), 3, &before, &planned(&seen), &[]);
    assert!(news(&before, &failed).is_some_and(|notice| notice.is_warning()));
    assert_eq!(news(&failed, &failed), None);
    let removed = status(noon(), 3, &failed, &CopyPlan::default(), &[]);
    assert_eq!((removed, news(&failed, &before)), (before, None));
}
