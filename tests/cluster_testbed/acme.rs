//! The ACME server, others that a test starts, and the proxy before them.

use std::time::Duration;

use crate::support::command::try_run;
use crate::support::{Bed, Fault, FaultProxy, Head, Pebble, PebbleOptions, Times, run};

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn pebble_answers_with_its_directory_and_its_roots() {
    let bed = Bed::attach().await;
    let pebble = bed.pebble();
    let ca = pebble.ca_file().to_str().unwrap();
    let directory = run("curl", &["-sf", "--cacert", ca, pebble.directory()]).await;
    assert!(
        directory.contains("newOrder") && directory.contains("renewalInfo"),
        "{directory}"
    );
    let [root, alternate] = [pebble.trust(0).await, pebble.trust(1).await];
    assert!(root.contains("BEGIN CERTIFICATE") && root != alternate);
    let intermediates = pebble.intermediates(0).await;
    assert_eq!(openssl_verify_ca(&root, &intermediates[0]).await, Ok(()));
}

async fn openssl_verify_ca(root: &str, intermediate: &str) -> Result<(), String> {
    // An intermediate has no server name; only its signature is looked at.
    let dir = tempfile::tempdir().unwrap();
    let [root_file, file] = ["root.pem", "intermediate.pem"].map(|name| dir.path().join(name));
    std::fs::write(&root_file, root).unwrap();
    std::fs::write(&file, intermediate).unwrap();
    let args = ["verify", "-CAfile", root_file.to_str().unwrap(), file.to_str().unwrap()];
    let finished = try_run("openssl", &args, None).await;
    if finished.status.success() {
        Ok(())
    } else {
        Err(finished.stderr)
    }
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_test_has_a_pebble_of_its_own_that_forgets_everything_when_restarted() {
    let bed = Bed::attach().await;
    let options = PebbleOptions {
        strict: true,
        external_account_required: true,
        ..Default::default()
    };
    let mut pebble = Pebble::start(&bed, options).await;
    assert_ne!(pebble.directory(), bed.pebble().directory());
    let directory = run(
        "curl",
        &[
            "-sf",
            "--cacert",
            pebble.ca_file().to_str().unwrap(),
            pebble.directory(),
        ],
    )
    .await;
    assert!(directory.contains("\"externalAccountRequired\": true"), "{directory}");
    let before = pebble.trust(0).await;
    pebble.restart().await;
    assert_ne!(before, pebble.trust(0).await);
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn the_acme_proxy_breaks_what_it_is_told_to_break() {
    let bed = Bed::attach().await;
    let pebble = bed.pebble();
    let proxy = FaultProxy::before_pebble(&bed, &pebble).await;
    let ask = async |more: &[&str]| {
        let url = proxy.directory();
        let mut args = vec![
            "-s",
            "--max-time",
            "3",
            "--cacert",
            pebble.ca_file().to_str().unwrap(),
            "-D",
            "-",
        ];
        args.extend_from_slice(more);
        args.push(&url);
        try_run("curl", &args, None).await
    };
    for protocol in ["--http1.1", "--http2"] {
        let healthy = ask(&[protocol]).await;
        assert!(
            healthy.stdout.contains(&format!("{}/order-plz", proxy.url())),
            "{healthy:?}"
        );

        proxy.inject(Fault::rate_limited("7"), Times::Count(1), |head: &Head| {
            head.path == "/dir"
        });
        let limited = ask(&[protocol]).await.stdout.to_lowercase();
        assert!(limited.contains(" 429") && limited.contains("retry-after: 7") && limited.contains("ratelimited"));
        assert!(ask(&[protocol]).await.status.success(), "once means once");

        proxy.inject(
            Fault::unavailable("Sat, 21 Nov 2026 10:00:00 GMT"),
            Times::Count(1),
            |_| true,
        );
        let busy = ask(&[protocol]).await.stdout.to_lowercase();
        assert!(
            busy.contains(" 503") && busy.contains("retry-after: sat, 21 nov 2026 10:00:00 gmt"),
            "{busy}"
        );

        proxy.inject(Fault::html(500), Times::Count(1), |_| true);
        assert!(ask(&[protocol]).await.stdout.contains("<!DOCTYPE html>"));

        proxy.inject(Fault::SlowBody(100, Duration::from_millis(1)), Times::Count(1), |_| {
            true
        });
        let slow = ask(&[protocol]).await;
        assert!(
            slow.status.success() && slow.stdout.contains("order-plz"),
            "slow, but whole: {slow:?}"
        );

        proxy.inject(Fault::ContentType("text/html"), Times::Count(1), |_| true);
        assert!(
            ask(&[protocol])
                .await
                .stdout
                .to_lowercase()
                .contains("content-type: text/html")
        );

        for fault in [Fault::Cut, Fault::CutReply, Fault::CutBody, Fault::Hang] {
            proxy.inject(fault.clone(), Times::Count(1), |_| true);
            let broken = ask(&[protocol]).await;
            assert!(!broken.status.success(), "{protocol} {fault:?}: {broken:?}");
        }
        proxy.inject(Fault::Oversized(3_000_000), Times::Always, |_| true);
        assert!(ask(&[protocol]).await.stdout.len() > 3_000_000);
        proxy.heal();
    }
    assert!(ask(&[]).await.status.success());
}
