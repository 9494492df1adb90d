//! Both consents, and what follows from them.

use super::*;

#[test]
fn ano_18_a_certificate_names_namespaces_and_a_typing_error_costs_no_other_its_copy() {
    let of = |list: &str| SyncRequest::of(&web(list));
    let names = |request: &SyncRequest| request.namespaces.iter().map(ToString::to_string).collect::<Vec<_>>();
    let request = of(" blog,api , blog,");
    assert_eq!(
        (names(&request), request.ignored.len()),
        (vec!["api".into(), "blog".into()], 0)
    );
    assert!(of("").is_empty() && SyncRequest::of(&meta("web", "uid")).is_empty());
    let request = of("blog, Shop, *, a/b, a.b, shop, ../x");
    assert_eq!(names(&request), ["blog"]);
    assert_eq!(request.ignored.len(), 3, "a long annotation is not a long condition");
    assert!(request.ignored[0].contains(r#""Shop" is not the name of a namespace"#));
    assert!(of("shop").ignored[0].contains("shop is the namespace of the Certificate itself"));
    let many: Vec<String> = (0..150).map(|number| format!("n{number}")).collect();
    let request = of(&many.join(","));
    assert_eq!((request.namespaces.len(), request.ignored.len()), (MOST_NAMESPACES, 1));
}

#[test]
fn ano_19_a_namespace_accepts_a_certificate_or_all_of_a_namespace_and_nothing_wider() {
    let rows = [
        ("shop/web", true),
        (" api/x , shop/web", true),
        ("shop/*", true),
        ("shop/web2", false),
        ("shop", false),
        ("*", false),
        ("*/*", false),
        ("*/web", false),
        ("shop/w*", false),
        ("shop/web/x", false),
        ("", false),
    ];
    let certificate = ObjectKey::new("shop", "web");
    for (list, expected) in rows {
        let annotations = pairs([(annotation::ACCEPT_SECRETS_FROM, list)]);
        assert_eq!(accepts(&annotations, &certificate), expected, "{list:?}");
    }
    assert!(!accepts(&Pairs::default(), &certificate));

    // the Secret that speaks for a namespace; what a secretTemplate has written is nobody's word
    let mut speaker = secret("blog", ACCEPTING_SECRET).seen;
    speaker.meta.annotations = pairs([(annotation::ACCEPT_SECRETS_FROM, "shop/web")]);
    assert!(speaker_accepts(&speaker, &certificate));
    let templated = ManagedKeys {
        annotations: [annotation::ACCEPT_SECRETS_FROM.into()].into(),
        ..ManagedKeys::default()
    };
    let undecodable = ManagedKeys {
        error: Some("managedFields cannot be decoded".into()),
        ..ManagedKeys::default()
    };
    for managed in [templated, undecodable] {
        let mut speaker = speaker.clone();
        speaker.managed = Arc::new(managed);
        assert!(!speaker_accepts(&speaker, &certificate));
    }
    speaker.meta.deleting = Some(noon());
    assert!(!speaker_accepts(&speaker, &certificate));
}

#[test]
fn nothing_is_written_without_both_consents_and_a_copy_goes_with_either() {
    let write = |seen: &CopyObservation| summary(&planned(seen));
    let nothing: (Vec<String>, Vec<String>, Vec<&str>) = Default::default();
    assert_eq!(write(&observed(Consent::Given, None)).0, ["blog/web-tls"]);
    assert_eq!(write(&observed(Consent::Given, Some(good(1)))), nothing);
    assert_eq!(
        write(&observed(Consent::Withheld, None)),
        (vec![], vec![], vec!["NotAccepted"])
    );
    // the other namespace withdraws
    let mut withdrawn = observed(Consent::Withheld, None);
    withdrawn.others = vec![good(1)];
    assert_eq!(
        write(&withdrawn),
        (vec![], vec!["blog/web-tls".into()], vec!["NotAccepted"])
    );
    // the Certificate withdraws
    let mut unnamed = observed(Consent::Given, None);
    unnamed.targets.clear();
    unnamed.certificate.as_mut().unwrap().request = SyncRequest::default();
    unnamed.others = vec![good(1)];
    assert_eq!(write(&unnamed), (vec![], vec!["blog/web-tls".into()], vec![]));
    // a spec that cannot be read is no withdrawal
    unnamed.certificate.as_mut().unwrap().request = SyncRequest::of(&web("blog"));
    assert_eq!(write(&unnamed), nothing);
    // the Certificate is gone
    unnamed.certificate = None;
    assert_eq!(write(&unnamed), (vec![], vec!["blog/web-tls".into()], vec![]));
    // a consent that cannot be read withdraws nothing, and is read again
    let mut unknown = observed(Consent::Unknown("namespaces is forbidden".into()), None);
    unknown.others = vec![good(1)];
    let plan = planned(&unknown);
    assert_eq!(summary(&plan), (vec![], vec![], vec!["ConsentUnknown"]));
    assert!(plan.next.is_some());
}

#[test]
fn a_copy_follows_its_secret_and_stays_while_there_is_none() {
    let plan = planned(&observed(Consent::Given, Some(good(0))));
    assert_eq!(summary(&plan).0, ["blog/web-tls"]);
    assert_eq!(
        plan.writes[0].over.as_ref().map(|meta| &*meta.resource_version),
        Some("7")
    );
    // a keystore that the Certificate does not have any more
    let more = digests(&["tls.crt", "tls.key", "keystore.jks"], 1);
    let there = copy("blog", "web-tls", &web("blog"), &more);
    assert_eq!(planned(&observed(Consent::Given, Some(there))).writes.len(), 1);
    // a label that was removed, and what another client has added
    let mut unlabelled = good(1);
    unlabelled.seen.meta.labels = Pairs::default();
    assert_eq!(planned(&observed(Consent::Given, Some(unlabelled))).writes.len(), 1);
    let mut extended = good(1);
    extended.digests.insert("keystore.p12".into(), [9; 32]);
    assert!(planned(&observed(Consent::Given, Some(extended))).writes.is_empty());

    let unready: [fn(&mut CopiedCertificate); 4] = [
        |certificate| certificate.secret = None,
        |certificate| certificate.secret.as_mut().unwrap().seen.meta.annotations = Pairs::default(),
        |certificate| {
            let other = pairs([(annotation::CERTIFICATE_NAME, "other")]);
            certificate.secret.as_mut().unwrap().seen.meta.annotations = other;
        },
        |certificate| certificate.secret.as_mut().unwrap().seen.pair = secret("x", "y").seen.pair,
    ];
    for edit in unready {
        let mut seen = observed(Consent::Given, Some(good(0)));
        edit(seen.certificate.as_mut().unwrap());
        // one under an earlier name stays, too, until there is a new one
        seen.others = vec![copy("blog", "old-tls", &web("blog"), &digests(&PAIR, 1))];
        assert_eq!(summary(&planned(&seen)), (vec![], vec![], vec!["SecretNotReady"]));
    }
    let mut renamed = observed(Consent::Given, None);
    renamed.others = vec![copy("blog", "old-tls", &web("blog"), &digests(&PAIR, 1))];
    let (writes, removals, _) = summary(&planned(&renamed));
    assert_eq!(
        (writes, removals),
        (vec!["blog/web-tls".to_owned()], vec!["blog/old-tls".to_owned()])
    );
}
