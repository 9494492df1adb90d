//! Wrong inputs: one clear sentence each, cured by its correction.

use crate::{
    stage::{
        KEY, Rfc2136, challenge_says, name_in, no_challenges, prepare, record_of, recursive, removed, scene_with,
        tsig_secret,
    },
    support::{
        Certlet,
        dns::{BIND, dig_txt, secret},
        scene::{Scene, certificate},
    },
};

/// A Certificate for a name in this zone; the name.
async fn wish(scene: &Scene, name: &str, zone: &str) -> String {
    let host = name_in(scene, name, zone);
    scene.apply(&certificate(name, &[&host], "")).await;
    host
}

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
    let missing = format!("the Secret {}/other does not exist", scene.namespace);
    told(&scene, "secret", &host, &[&missing]).await;
    scene
        .apply(&tsig_secret("other", "x").replace("secret:", "else:"))
        .await;
    told(&scene, "secret", &host, &["has no key \"secret\"; it has else"]).await;
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
