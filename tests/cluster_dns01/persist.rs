//! dns-persist-01 at Pebble: certlet shows a record, the test writes exactly that into BIND, once, and certificates follow.

use serde_json::Value;

use crate::{
    check::steps,
    stage::{challenge_says, name_in, no_challenges, recursive, scene_with, wish},
    support::{
        Certlet, IN_TIME,
        command::Finished,
        dns::{BIND, dig_txt, nsupdate, publish_txt},
        eventually,
        scene::{CERTIFICATES, CHALLENGES, ORDERS, Scene, certificate, field},
    },
};

/// The solver with this config.
fn solver(config: &str) -> String {
    format!("{{dns01: {{webhook: {{groupName: certlet.io, solverName: dns-persist, config: {config}}}}}}}")
}

/// Where the record of a name is.
fn place(name: &str) -> String {
    format!("_validation-persist.{name}")
}

/// The value that a reason asks for.
fn wanted(reason: &str, name: &str) -> String {
    let before = format!("create the TXT record {} \"", place(name));
    let (_, rest) = reason
        .split_once(&before)
        .unwrap_or_else(|| panic!("{before} in {reason}"));
    rest.split_once('"').unwrap().0.to_owned()
}

/// Waits until a Challenge asks for a record of this name, for this reason; the value.
async fn asked(scene: &Scene, name: &str, why: &str) -> String {
    let challenge = challenge_says(scene, why).await;
    let reason = field(&challenge, "/status/reason");
    println!("{reason}");
    let value = wanted(&reason, name);
    assert_eq!(field(&challenge, "/spec/key"), value);
    assert_eq!(field(&challenge, "/spec/type"), "DNS-01");
    assert_eq!(field(&challenge, "/spec/token"), "");
    value
}

/// Writes these values into BIND, and no others.
async fn write(name: &str, values: &[&str]) {
    let place = place(name);
    let delete = format!("update delete {place}. TXT");
    let adds = values
        .iter()
        .map(|value| format!("update add {place}. 1 TXT \"{value}\""));
    let lines: Vec<String> = std::iter::once(delete).chain(adds).collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    nsupdate(BIND, "dns01.example", &lines).await;
}

/// The record that `certlet dns-persist` shows.
async fn shown(scene: &Scene, name: &str, more: &[&str]) -> Value {
    let args = [&["dns-persist", "ca", name, "-o", "json"], more].concat();
    let finished = scene.certlet(&args).await;
    assert_eq!(finished.status.code(), Some(0));
    serde_json::from_str(&finished.stdout).unwrap()
}

async fn check(scene: &Scene, name: &str) -> Finished {
    scene.certlet(&["check", "dns01", "ca", name, "--", &recursive()]).await
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn the_record_that_is_shown_is_written_once_and_proves_the_name_from_then_on() {
    let scene = scene_with(&solver("{}")).await;
    let _certlet = Certlet::start(&scene.bed, &[&recursive()]).await;
    let host = wish(&scene, "persist", "dns01.example").await;
    let value = asked(&scene, &host, "has no TXT record").await;
    assert!(
        value.starts_with("pebble.letsencrypt.org; accounturi=https://"),
        "{value}"
    );
    // the Certificate and an Event have it as well
    assert_eq!(
        wanted(&scene.told("persist", "create the TXT record").await, &host),
        value
    );
    let event = scene
        .event(
            ("Challenge", "persist"),
            "WaitingForPropagation",
            "create the TXT record",
        )
        .await;
    assert_eq!(wanted(&event, &host), value);
    assert_eq!(dig_txt(BIND, &place(&host)).await, [""; 0]);
    let record = shown(&scene, &host, &[]).await;
    assert_eq!(record["value"].as_str(), Some(value.as_str()));
    assert_eq!(record["name"].as_str(), Some(place(&host).as_str()));
    let before = check(&scene, &host).await;
    assert_eq!(before.status.code(), Some(3));
    assert_eq!(steps(&before), [("ok", "solver"), ("ok", "record"), ("FAIL", "seen")]);

    // the line of the command, as it is
    let line = record["zoneFile"].as_str().unwrap().replace(" IN TXT ", " TXT ");
    nsupdate(BIND, "dns01.example", &[&format!("update add {line}")]).await;
    scene.ready("persist").await;
    scene.verify_secret("persist-tls", &scene.bed.pebble(), 0, &host).await;
    no_challenges(&scene).await;
    let there = [format!("{value:?}")];
    assert_eq!(dig_txt(BIND, &place(&host)).await, there, "nobody removes it");
    assert_eq!(dig_txt(BIND, &format!("_acme-challenge.{host}")).await, [""; 0]);
    assert_eq!(check(&scene, &host).await.status.code(), Some(0));

    // another certificate of the name needs nothing
    scene.apply(&certificate("again", &[&host], "")).await;
    scene.ready("again").await;

    // its wildcard needs more
    scene.apply(&certificate("wild", &[&format!("*.{host}")], "")).await;
    let wild = asked(&scene, &host, "has no policy=wildcard, which a wildcard needs").await;
    assert_eq!(wild, format!("{value}; policy=wildcard"));
    let record = shown(&scene, &format!("*.{host}"), &[]).await;
    assert_eq!(record["value"].as_str(), Some(wild.as_str()));
    assert_eq!(shown(&scene, &host, &["--wildcard"]).await, record);
    write(&host, &[&wild]).await;
    scene.ready("wild").await;
    let pebble = scene.bed.pebble();
    scene
        .verify_secret("wild-tls", &pebble, 0, &format!("any.{host}"))
        .await;

    // another account needs its own, beside that one and beside records of others
    let other = scene.another().await;
    crate::stage::prepare(&other, &solver("{policy: wildcard}")).await;
    other.apply(&certificate("other", &[&host], "")).await;
    let theirs = asked(&other, &host, "is for another account: accounturi=").await;
    assert!(theirs != wild && theirs.ends_with("; policy=wildcard"), "{theirs}");
    write(
        &host,
        &[
            "other.example; accounturi=https://other.example/1",
            &wild,
            "v=spf1 -all",
            &theirs,
        ],
    )
    .await;
    other.ready("other").await;
    no_challenges(&other).await;
    no_challenges(&scene).await;
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_record_with_an_end_counts_until_then_and_is_told_before() {
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs().cast_signed();
    let in_days = |days: i64| now + days * 24 * 3600;
    let (past, soon, later) = (in_days(-1), in_days(10), in_days(60));
    let scene = scene_with(&solver(&format!("{{persistUntil: {soon}}}"))).await;
    let _certlet = Certlet::start(&scene.bed, &[&recursive()]).await;
    let host = name_in(&scene, "until", "dns01.example");
    scene.apply(&certificate("until", &[&host], "")).await;
    let value = asked(&scene, &host, "has no TXT record").await;
    let end = format!("; persistUntil={soon}");
    assert!(value.ends_with(&end), "{value}");
    write(&host, &[&value.replace(&end, &format!("; persistUntil={past}"))]).await;
    asked(&scene, &host, "(persistUntil) only").await;
    write(&host, &["pebble.letsencrypt.org; accounturi"]).await;
    asked(&scene, &host, "is malformed: accounturi is no tag=value").await;
    write(&host, &[&value]).await;
    scene.ready("until").await;
    let until = jiff::Timestamp::from_second(soon).unwrap();
    let note = format!("The TXT record {} of dns-persist-01 counts until {until}", place(&host));
    assert_eq!(field(&scene.only(ORDERS).await, "/status/reason"), note);
    let words = format!("counts until {until} (persistUntil): write a later time");
    println!(
        "{}",
        scene.event(("Certificate", "until"), "PersistUntil", &words).await
    );
    scene.event(("Challenge", "until"), "PersistUntil", &words).await;
    let status = scene.certlet(&["status"]).await;
    assert_eq!(status.status.code(), Some(3));
    assert!(
        status.stdout.contains(&format!("the TXT record {}", place(&host))),
        "{}",
        status.stdout
    );
    let checked = check(&scene, &host).await;
    assert_eq!(steps(&checked).last(), Some(&("warn", "end")));

    // with a later end, the next certificate has nothing to tell
    write(&host, &[&value.replace(&end, &format!("; persistUntil={later}"))]).await;
    let renewed = scene.certlet(&["renew", "until", "--wait"]).await;
    assert_eq!(renewed.status.code(), Some(0));
    eventually("nothing is to be told", IN_TIME, async || {
        let status = scene.certlet(&["status"]).await;
        (status.status.code() == Some(0)).then_some(())
    })
    .await;
    assert_eq!(field(&scene.only(CERTIFICATES).await, "/status/revision"), "2");
    assert!(scene.list(CHALLENGES).await.is_empty());
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_wrong_config_is_told_and_nothing_is_asked_of_an_api_service() {
    let scene = scene_with(&solver("{polizy: wildcard}")).await;
    let certlet = Certlet::start(&scene.bed, &[&recursive()]).await;
    let host = wish(&scene, "config", "dns01.example").await;
    let told = scene
        .order_says("the config of the solver certlet.io/dns-persist has an unknown field")
        .await;
    println!("{told}");
    assert!(!certlet.log().contains("/apis/certlet.io"));
    crate::stage::prepare(&scene, &solver("{policy: wildcard}")).await;
    let value = asked(&scene, &host, "has no TXT record").await;
    publish_txt(BIND, &place(&host), &[format!("{value:?}")]).await;
    scene.ready("config").await;
}
