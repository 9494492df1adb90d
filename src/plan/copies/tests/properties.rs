//! Whatever is there: applying a plan leaves nothing to do.

use proptest::prelude::*;

use super::*;

/// What the API server has after a plan.
fn applied(seen: &CopyObservation, plan: &CopyPlan) -> CopyObservation {
    let mut after = seen.clone();
    let gone = |copy: &SecretFacts| plan.removals.iter().any(|removal| removal.copy == copy.seen.meta);
    after.others.retain(|copy| !gone(copy));
    for write in &plan.writes {
        let certificate = seen.certificate.as_ref().unwrap();
        let own = &certificate.secret.as_ref().unwrap().digests;
        let new = copy(&write.key.namespace, &write.key.name, &certificate.meta, own);
        let target = after
            .targets
            .iter_mut()
            .find(|target| *target.namespace == *write.key.namespace);
        target.unwrap().secret = Some(new);
    }
    after
}

fn any_secret(namespace: &'static str) -> impl Strategy<Value = Option<SecretFacts>> {
    prop_oneof![
        Just(None),
        (0_u8..3, any::<bool>(), prop_oneof![Just("web-tls"), Just("old-tls")]).prop_map(
            move |(version, ours, name)| {
                let mut there = copy(namespace, name, &web("blog,api"), &digests(&PAIR, version));
                if !ours {
                    there.applied = ManagedKeys::default();
                }
                Some(there)
            }
        ),
    ]
}

fn any_consent() -> impl Strategy<Value = Consent> {
    prop_oneof![
        2 => Just(Consent::Given),
        1 => Just(Consent::Withheld),
        1 => Just(Consent::Unknown("why".to_owned())),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Applying a plan and planning again changes nothing; only our own Secrets are written over or removed, and only with consent is
    /// anything written.
    #[test]
    fn a_plan_that_was_applied_leaves_nothing_to_do(
        (blog, api) in (any_consent(), any_consent()),
        (in_blog, in_api) in (any_secret("blog"), any_secret("api")),
        elsewhere in any_secret("elsewhere"),
        exists in any::<bool>(),
        own_secret in proptest::option::of(0_u8..3),
    ) {
        let meta = web("blog,api");
        let mut seen = observed(blog.clone(), None);
        {
            let certificate = seen.certificate.as_mut().unwrap();
            certificate.request = SyncRequest::of(&meta);
            certificate.meta = meta;
            certificate.secret = own_secret.map(own);
        }
        seen.targets = vec![target("blog", blog, None), target("api", api, None)];
        for there in [in_blog, in_api, elsewhere].into_iter().flatten() {
            let key = there.seen.meta.key.clone();
            let at = seen.targets.iter_mut().find(|target| *target.namespace == *key.namespace);
            match at.filter(|target| target.consent == Consent::Given && &*key.name == "web-tls") {
                Some(target) => target.secret = Some(there),
                None => seen.others.push(there),
            }
        }
        if !exists {
            seen.certificate = None;
            seen.others.extend(seen.targets.drain(..).filter_map(|target| target.secret));
        }
        let first = planned(&seen);
        for write in &first.writes {
            let target = seen.targets.iter().find(|target| *target.namespace == *write.key.namespace).unwrap();
            prop_assert_eq!(&target.consent, &Consent::Given);
            prop_assert!(target.secret.as_ref().is_none_or(|there| is_ours(there, &seen.key)));
        }
        for removal in &first.removals {
            let there = seen.others.iter().find(|there| there.seen.meta == removal.copy).unwrap();
            prop_assert!(is_ours(there, &seen.key));
        }
        let second = planned(&applied(&seen, &first));
        prop_assert!(second.writes.is_empty() && second.removals.is_empty(), "{:?}", second);
        prop_assert_eq!(second.problems, first.problems);
    }
}
