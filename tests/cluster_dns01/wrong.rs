//! Wrong inputs: one clear sentence each, cured by its correction.

use crate::{
    kills::Stage,
    stage::{
        KEY, Rfc2136, challenge_says, following, name_in, no_challenges, prepare, record_of, recursive, removed,
        scene_with, tsig_secret, wish,
    },
    support::{
        Certlet, IN_TIME, Moment,
        dns::{BIND, Named, SECOND, Zones, dig_txt, nsupdate, secret},
        eventually,
        scene::{ORDERS, Scene, certificate},
    },
};

/// A namespace whose key may write one name only: `_acme-challenge.only.dns01.example`.
async fn scene_with_little_right() -> Scene {
    let solver = Rfc2136 {
        key: "certlet-only",
        ..Rfc2136::default()
    };
    let scene = scene_with(&solver.solver()).await;
    scene.apply(&tsig_secret("tsig", &secret("certlet-only"))).await;
    scene
}

/// Waits until the Certificate and its Challenge say this, and that nothing was written.
async fn told(scene: &Scene, name: &str, host: &str, words: &[&str]) {
    let sentence = scene.told(name, words[0]).await;
    println!("{sentence}");
    for word in words {
        assert!(sentence.contains(word), "{word:?} in {sentence}");
    }
    let secret = secret(KEY);
    assert!(!sentence.contains(&secret));
    challenge_says(scene, words[0]).await;
    assert_eq!(dig_txt(BIND, &record_of(host)).await, [""; 0]);
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_secret_that_is_missing_or_has_another_key_is_named_and_its_correction_is_enough() {
    let scene = scene_with(
        &Rfc2136 {
            secret: "other",
            ..Rfc2136::default()
        }
        .solver(),
    )
    .await;
    let _certlet = Certlet::start(&scene.bed, &[&recursive()]).await;
    let host = wish(&scene, "secret", "dns01.example").await;
    // as in cert-manager, the issuer is not ready, and nothing is ordered
    let not_ready = "Issuer \"ca\" is not ready: ";
    let missing = format!("{not_ready}failed to get secret \"other\"");
    println!("{}", scene.told("secret", &missing).await);
    scene
        .apply(&tsig_secret("other", "x").replace("secret:", "else:"))
        .await;
    let without_key = format!("{not_ready}the secret \"other\" does not have key \"secret\"");
    println!("{}", scene.told("secret", &without_key).await);
    assert!(scene.list(ORDERS).await.is_empty());
    assert_eq!(dig_txt(BIND, &record_of(&host)).await, [""; 0]);
    // with a newline at its end, as people write Secrets
    scene.apply(&tsig_secret("other", &format!("{}\n", secret(KEY)))).await;
    scene.ready("secret").await;
    no_challenges(&scene).await;
    removed(&record_of(&host)).await;
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_wrong_key_is_named_with_its_secret_and_never_shown() {
    let scene = scene_with(&Rfc2136::default().solver()).await;
    let certlet = Certlet::start(&scene.bed, &[&recursive()]).await;
    let wrong = secret("certlet-only");
    scene.apply(&tsig_secret("tsig", &wrong)).await;
    let host = wish(&scene, "wrong", "dns01.example").await;
    let place = format!("the key \"secret\" of the Secret {}/tsig", scene.namespace);
    told(&scene, "wrong", &host, &["(BADSIG)", KEY, &place]).await;
    assert!(!certlet.log().contains(&wrong));
    scene.apply(&tsig_secret("tsig", &secret(KEY))).await;
    scene.ready("wrong").await;
    removed(&record_of(&host)).await;
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_key_without_the_right_a_zone_of_others_and_a_server_that_is_away_are_told_apart() {
    let scene = scene_with_little_right().await;
    let _certlet = Certlet::start(&scene.bed, &[&recursive()]).await;
    let host = wish(&scene, "right", "dns01.example").await;
    told(
        &scene,
        "right",
        &host,
        &["(REFUSED)", "certlet-only", &record_of(&host)],
    )
    .await;

    let elsewhere = scene.another().await;
    prepare(&elsewhere, &Rfc2136::default().solver()).await;
    let host = wish(&elsewhere, "zone", "no-such-zone.example").await;
    told(&elsewhere, "zone", &host, &["no zone is found for"]).await;

    let away = scene.another().await;
    prepare(
        &away,
        &Rfc2136 {
            nameserver: "10.99.0.99:53",
            ..Rfc2136::default()
        }
        .solver(),
    )
    .await;
    let host = wish(&away, "away", "dns01.example").await;
    told(
        &away,
        "away",
        &host,
        &["10.99.0.99:53", "check nameserver and protocol"],
    )
    .await;
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_record_that_may_not_be_written_holds_up_no_other_of_the_same_zone() {
    let scene = scene_with_little_right().await;
    let _certlet = Certlet::start(&scene.bed, &[&recursive()]).await;
    let refused = name_in(&scene, "refused", "dns01.example");
    scene.apply(&certificate("only", &["only.dns01.example"], "")).await;
    scene.apply(&certificate("refused", &[&refused], "")).await;
    scene.ready("only").await;
    told(&scene, "refused", &refused, &["(REFUSED)"]).await;
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn names_of_long_labels_of_other_scripts_and_of_a_zone_itself_are_proved_and_one_without_room_is_named() {
    let scene = scene_with(&following()).await;
    let _certlet = Certlet::start(&scene.bed, &[&recursive()]).await;
    let (label, longer) = ("l".repeat(63), "m".repeat(60));
    let long = format!("{label}.{longer}.{}", name_in(&scene, "long", "dns01.example"));
    // behind its alias, in another zone
    let idn = "xn--bcher-kva.dns01.example";
    let apex = "other.example";
    for (name, host) in [("long", long.as_str()), ("idn", idn), ("apex", apex)] {
        let names = [host, &format!("*.{host}")];
        scene.apply(&certificate(name, &names, "")).await;
    }
    // 253 characters, and none left for _acme-challenge
    let mut full = format!("{label}.{label}.{label}.");
    full.push_str(&"f".repeat(253 - full.len() - ".dns01.example".len()));
    full.push_str(".dns01.example");
    scene.apply(&certificate("full", &[&full], "")).await;
    for (name, record) in [
        ("long", record_of(&long)),
        ("idn", "_acme-challenge.xn--bcher-kva.other.example".to_owned()),
        ("apex", record_of(apex)),
    ] {
        scene.ready(name).await;
        removed(&record).await;
    }
    let sentence = scene.told("full", "is not a DNS name").await;
    println!("{sentence}");
    assert!(sentence.contains("_acme-challenge.lll"), "{sentence}");
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_value_that_somebody_removes_after_it_was_seen_ends_the_order_with_what_the_ca_says() {
    let Stage {
        scene,
        acme,
        pebble: _running,
    } = Stage::new().await;
    let _certlet = Certlet::start(&scene.bed, &[&recursive()]).await;
    let host = name_in(&scene, "removed", "dns01.example");
    let record = record_of(&host);
    let lines = format!("update delete {record} TXT");
    let remove = move || async move { nsupdate(BIND, "dns01.example", &[&lines]).await };
    acme.on_first(|head| head.path.contains("/chalZ/"), Moment::OnTheWay, remove);
    scene.apply(&certificate("removed", &[&host], "")).await;
    let sentence = scene.told("removed", "The CA declared the order invalid").await;
    println!("{sentence}");
    assert!(sentence.contains(&host), "{sentence}");
    removed(&record).await;
}

/// The key of the zone is another one before the record is removed: the Secret has the new one.
#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_key_that_is_rotated_in_the_middle_of_an_order_removes_what_its_predecessor_has_written() {
    const ZONE: &str = "own.faults.example";
    const CONTENT: &str = "$TTL 60\n@ SOA ns1 hostmaster 1 3600 3600 86400 5\n NS ns1\nns1 A 10.99.0.8\n";
    let zone = format!(
        "zone \"{ZONE}\" {{ type primary; file \"own.zone\"; update-policy {{ grant certlet-sha256 zonesub TXT; }}; }};"
    );
    let keys = [secret(KEY), secret("certlet-only")];
    let with_key = |key| Zones {
        second: &zone,
        secret: key,
        ..Zones::default()
    };
    let solver = Rfc2136 {
        nameserver: SECOND,
        more: "waitInsteadOfSelfCheck: 1h, ",
        ..Rfc2136::default()
    };
    let scene = scene_with(&solver.solver()).await;
    let mut server = Named::start(&scene.bed, with_key(&keys[0]), &[("own.zone", CONTENT)]).await;
    let _certlet = Certlet::start(&scene.bed, &[&recursive()]).await;
    let host = wish(&scene, "rotated", ZONE).await;
    let record = record_of(&host);
    eventually("it is written", IN_TIME, async || {
        (dig_txt(SECOND, &record).await.len() == 1).then_some(())
    })
    .await;
    challenge_says(&scene, "without self-check").await;
    server.restart(with_key(&keys[1])).await;
    assert_eq!(dig_txt(SECOND, &record).await.len(), 1);
    scene.apply(&tsig_secret("tsig", &keys[1])).await;
    scene
        .bed
        .kubectl(&["delete", "certificate", "rotated", "-n", &scene.namespace])
        .await;
    no_challenges(&scene).await;
    assert_eq!(dig_txt(SECOND, &record).await, [""; 0]);
}
