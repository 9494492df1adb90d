//! Name servers that misbehave: each is named, with what to do; and what proves the name goes on as soon as it can.

use crate::{
    stage::{Rfc2136, challenge_says, no_challenges, prepare, record_of, recursive, removed, scene_with, wish},
    support::{
        Certlet, IN_TIME,
        dns::{BIND, Named, SECOND, SECOND_RECURSIVE, Silent, Zones, dig_serial, dig_txt, nsupdate},
        eventually,
        scene::{ORDERS, Scene, field},
    },
};

/// The zone that BIND and a second server have.
pub(crate) const PAIR: &str = "pair.faults.example";
/// What makes the second server a secondary of it. It is not notified, and does not ask on its own within an hour.
pub(crate) const SECONDARY: Zones<'static> = Zones {
    second: r#"zone "pair.faults.example" { type secondary; primaries { 10.99.0.3; }; };"#,
    recursive: "",
    lost: "",
    secret: "",
};

/// Waits until the Certificate has been issued, and its record is gone.
pub(crate) async fn done(scene: &Scene, name: &str, host: &str) {
    scene.ready(name).await;
    no_challenges(scene).await;
    removed(&record_of(host)).await;
}

/// Waits until a server has a copy of a zone; its serial number.
async fn copied(server: &str, zone: &str) -> u32 {
    eventually(&format!("{server} has {zone}"), IN_TIME, async || {
        dig_serial(server, zone).await
    })
    .await
}

/// A namespace with this solver, a second server that has [`PAIR`] as it was before any record, and a certlet.
pub(crate) async fn beside_a_secondary() -> (Scene, Named, Certlet) {
    let scene = scene_with(&Rfc2136::default().solver()).await;
    let second = Named::start(&scene.bed, SECONDARY, &[]).await;
    copied(SECOND, PAIR).await;
    let certlet = Certlet::start(&scene.bed, &[&recursive()]).await;
    (scene, second, certlet)
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_secondary_that_lags_is_named_with_both_serials_and_the_proof_goes_on_when_it_has_caught_up() {
    let (scene, mut second, _certlet) = beside_a_secondary().await;
    let old = copied(SECOND, PAIR).await;
    let host = wish(&scene, "lag", PAIR).await;
    let words = format!("waiting for ns2.{PAIR} (10.99.0.8) with serial {old}, which has not the TXT record");
    let sentence = scene.told("lag", &words).await;
    println!("{sentence}");
    challenge_says(&scene, &words).await;
    let new = copied(BIND, PAIR).await;
    assert_ne!(old, new);
    let rest = format!("1 of 2 name servers of {PAIR} has it, with serial {new}");
    assert!(sentence.contains(&rest), "{sentence}");
    // one server has it and one has not: the challenge was not accepted
    assert_eq!(dig_txt(BIND, &record_of(&host)).await.len(), 1);
    assert_eq!(dig_txt(SECOND, &record_of(&host)).await, [""; 0]);
    let orders = scene.list(ORDERS).await;
    assert_eq!(field(&orders[0], "/status/state"), "pending");
    second.restart(SECONDARY).await;
    done(&scene, "lag", &host).await;
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_value_that_another_program_replaces_is_named_and_written_again_beside_its_value() {
    let (scene, mut second, _certlet) = beside_a_secondary().await;
    let host = wish(&scene, "owned", PAIR).await;
    scene.told("owned", "with serial").await;
    let record = record_of(&host);
    let lines = [
        format!("update delete {record} TXT"),
        format!("update add {record} 60 TXT \"heritage=external-dns\""),
    ];
    nsupdate(BIND, PAIR, &lines.each_ref().map(String::as_str)).await;
    let sentence = scene.told("owned", "has another value").await;
    println!("{sentence}");
    assert!(
        sentence.contains("does another program, such as external-dns, own that record?"),
        "{sentence}"
    );
    eventually("our value is there again", IN_TIME, async || {
        (dig_txt(BIND, &record).await.len() == 2).then_some(())
    })
    .await;
    second.restart(SECONDARY).await;
    scene.ready("owned").await;
    no_challenges(&scene).await;
    // only what is ours goes
    let left = ["\"heritage=external-dns\"".to_owned()];
    eventually("our value is gone", IN_TIME, async || {
        (dig_txt(BIND, &record).await == left).then_some(())
    })
    .await;
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn servers_that_refuse_are_lame_or_have_lost_the_zone_are_named_and_do_not_count_once_the_others_are_more() {
    const ZONE: &str = "minority.faults.example";
    let secondary = |primary: &str| format!("zone \"{ZONE}\" {{ type secondary; primaries {{ {primary}; }}; }};");
    let (good, bad) = (secondary("10.99.0.3"), secondary("10.99.0.10"));
    let scene = scene_with(&Rfc2136::default().solver()).await;
    let faulty = Zones {
        lost: &bad,
        ..Zones::default()
    };
    let mut second = Named::start(&scene.bed, faulty, &[]).await;
    let _certlet = Certlet::start(&scene.bed, &[&recursive()]).await;
    let host = wish(&scene, "minority", ZONE).await;
    let sentence = scene.told("minority", "only 1 of 4 name servers").await;
    println!("{sentence}");
    for words in [
        format!("ns2.{ZONE} (10.99.0.8) does not serve the zone (REFUSED): remove it from the delegation"),
        format!("ns3.{ZONE} (10.99.0.6) does not serve the zone (it is not authoritative)"),
        format!("ns4.{ZONE} (10.99.0.5) cannot answer for the zone (SERVFAIL): look at its log and at its transfers"),
    ] {
        assert!(sentence.contains(&words), "{words}: {sentence}");
    }
    challenge_says(&scene, "(REFUSED)").await;
    let cured = Zones {
        second: &good,
        lost: &good,
        ..Zones::default()
    };
    second.restart(cured).await;
    // the third one stays as it is
    done(&scene, "minority", &host).await;
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_server_that_never_answers_is_named_and_does_not_count_after_ten_seconds() {
    const ZONE: &str = "majority.faults.example";
    let _silent = Silent::start().await;
    let scene = scene_with(&Rfc2136::default().solver()).await;
    let _certlet = Certlet::start(&scene.bed, &[&recursive()]).await;
    let host = wish(&scene, "majority", ZONE).await;
    let words = format!("ns3.{ZONE} (10.99.0.10) does not answer (no answer within 3 s); going on with the other 2 in");
    println!("{}", scene.told("majority", &words).await);
    done(&scene, "majority", &host).await;
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn where_no_name_server_can_be_reached_the_recursive_one_is_asked_and_a_zone_that_fails_is_named() {
    let _silent = Silent::start().await;
    let scene = scene_with(&Rfc2136::default().solver()).await;
    let _certlet = Certlet::start(&scene.bed, &[&recursive()]).await;
    let host = wish(&scene, "silent", "silent.faults.example").await;
    done(&scene, "silent", &host).await;
    wish(&scene, "unloaded", "unloaded.faults.example").await;
    println!("{}", scene.told("unloaded", "answers SERVFAIL").await);
    challenge_says(&scene, "answers SERVFAIL").await;
}

/// The zone of which certlet's recursive server has another view than the CA's.
const VIEWS: &str = "views.faults.example";

/// Its inner view, as the second server has it.
const INNER: &str = "$TTL 60
@ SOA ns1 hostmaster 1 3600 3600 86400 5
  NS ns1
ns1 A 10.99.0.8
";

/// A second server with the inner view, which its recursive view has too.
async fn inner_view(scene: &Scene) -> Named {
    let zones = Zones {
        second: r#"zone "views.faults.example" { type primary; file "inner.zone"; update-policy { grant certlet-sha256 zonesub TXT; }; };"#,
        recursive: r#"zone "views.faults.example" { in-view "second"; };"#,
        ..Zones::default()
    };
    Named::start(&scene.bed, zones, &[("inner.zone", INNER)]).await
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_record_in_the_outer_view_of_a_zone_is_not_seen_from_inside_and_name_servers_of_the_solver_are_the_cure() {
    let solver = Rfc2136::default().solver();
    let scene = scene_with(&solver).await;
    let _second = inner_view(&scene).await;
    let inside = format!("--dns01-recursive-nameservers={SECOND_RECURSIVE}");
    let _certlet = Certlet::start(&scene.bed, &[&inside]).await;
    let host = wish(&scene, "outer", VIEWS).await;
    let sentence = scene.told("outer", "another view of the zone").await;
    println!("{sentence}");
    let words = format!("{} has no TXT record yet at ns1.{VIEWS} (10.99.0.8)", record_of(&host));
    assert!(sentence.contains(&words), "{sentence}");
    assert_eq!(dig_txt(BIND, &record_of(&host)).await.len(), 1);
    let outside = format!("dns01: {{nameservers: [{:?}], ", crate::support::dns::RESOLVER);
    prepare(&scene, &solver.replace("dns01: {", &outside)).await;
    done(&scene, "outer", &host).await;
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_record_in_the_inner_view_of_a_zone_is_not_found_by_the_ca_which_is_said_and_it_is_removed() {
    let solver = Rfc2136 {
        nameserver: SECOND,
        ..Rfc2136::default()
    };
    let scene = scene_with(&solver.solver()).await;
    let _second = inner_view(&scene).await;
    let inside = format!("--dns01-recursive-nameservers={SECOND_RECURSIVE}");
    let _certlet = Certlet::start(&scene.bed, &[&inside]).await;
    let host = wish(&scene, "inner", VIEWS).await;
    let sentence = scene.told("inner", "The CA declared the order invalid").await;
    println!("{sentence}");
    assert!(sentence.contains(&host), "{sentence}");
    let words = "The CA did not find a record that all name servers of views.faults.example had";
    println!("{}", scene.event(("Challenge", "inner-"), "NotFoundByCA", words).await);
    eventually("the inner view has no record", IN_TIME, async || {
        dig_txt(SECOND, &record_of(&host)).await.is_empty().then_some(())
    })
    .await;
}
