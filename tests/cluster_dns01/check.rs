//! `certlet check dns01` against BIND: what it tries, what it says, and that nothing stays.

use crate::{
    stage::{KEY, Rfc2136, name_in, record_of, recursive, removed, scene_with, tsig_secret},
    support::{
        certlet::PROGRAM,
        command::{Finished, try_run},
        dns::{BIND, dig_txt, secret},
        scene::Scene,
    },
};

/// `certlet check dns01 ca HOST`, with these further arguments.
pub(crate) async fn check(scene: &Scene, host: &str, more: &[&str]) -> Finished {
    let kubeconfig = scene.bed.kubeconfig();
    let kubeconfig = kubeconfig.to_str().unwrap();
    let (place, recursive) = (
        ["-n", &scene.namespace, "--kubeconfig", kubeconfig],
        ["--", &recursive()],
    );
    let args = [&["check", "dns01", "ca", host], more, &place[..], &recursive[..]].concat();
    let finished = try_run(PROGRAM, &args, None).await;
    println!("{}{}", finished.stdout, finished.stderr);
    finished
}

/// Verdict and subject of each line.
pub(crate) fn steps(finished: &Finished) -> Vec<(&str, &str)> {
    let lines = finished.stdout.lines();
    lines
        .map(|line| {
            let (verdict, rest) = line.split_once("  ").unwrap();
            (verdict.trim(), rest.trim().split("  ").next().unwrap())
        })
        .collect()
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn check_tries_every_step_of_a_wildcard_and_leaves_no_record() {
    let scene = scene_with(&Rfc2136::default().solver()).await;
    let host = name_in(&scene, "check", "dns01.example");
    let dry = check(&scene, &host, &[]).await;
    assert_eq!(dry.status.code(), Some(0));
    let before = ["solver", "record", "credential", "zone", "name servers"];
    assert_eq!(steps(&dry), before.map(|step| ("ok", step)));
    assert!(dry.stderr.contains("--write writes a TXT record"), "{}", dry.stderr);

    let done = check(&scene, &format!("*.{host}"), &["--write"]).await;
    assert_eq!(done.status.code(), Some(0));
    let all = [&before[..], &["written", "seen", "removed"]].concat();
    let expected: Vec<_> = all.into_iter().map(|step| ("ok", step)).collect();
    assert_eq!(steps(&done), expected);
    for words in [
        record_of(&host).as_str(),
        "in the zone dns01.example",
        "ns1.dns01.example (10.99.0.3)",
    ] {
        assert!(done.stdout.contains(words), "{words}");
    }
    removed(&record_of(&host)).await;
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn check_ends_with_status_3_at_a_wrong_key_and_never_shows_it() {
    let scene = scene_with(&Rfc2136::default().solver()).await;
    let wrong = secret("certlet-only");
    scene.apply(&tsig_secret("tsig", &wrong)).await;
    let host = name_in(&scene, "check", "dns01.example");
    let done = check(&scene, &host, &["--write"]).await;
    assert_eq!(done.status.code(), Some(3));
    assert_eq!(steps(&done).last(), Some(&("FAIL", "written")));
    let last = done.stdout.lines().last().unwrap();
    assert!(last.contains("(BADSIG)") && last.contains(KEY), "{last}");
    assert!(!done.stdout.contains(&wrong) && !done.stderr.contains(&wrong));
    assert_eq!(dig_txt(BIND, &record_of(&host)).await, [""; 0]);
}
