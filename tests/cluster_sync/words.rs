//! What `certlet plan` and `certlet status` say about copies.

use crate::stage::Stage;
use crate::support::Certlet;
use crate::support::certlet::PROGRAM;
use crate::support::command::{Finished, try_run};

async fn certlet(stage: &Stage, args: &[&str]) -> Finished {
    let kubeconfig = stage.shop.bed.kubeconfig();
    let place = ["--kubeconfig", kubeconfig.to_str().unwrap()];
    try_run(PROGRAM, &[args, &place].concat(), None).await
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn plan_says_what_would_be_written_and_removed_and_status_what_is_missing() {
    let stage = Stage::open().await;
    let (a, b) = (stage.other().await, stage.other().await);
    let place = stage.place("web");
    stage.accepts(&a, &place).await;
    stage.certificate("web", &[&b]).await;
    stage.reports("web", "NotAccepted").await;
    let status = certlet(&stage, &["status", "-A"]).await;
    let line = status
        .stdout
        .lines()
        .find(|line| line.contains(&format!("namespace {b} does not accept it")));
    assert!(line.is_some(), "{status:?}");

    assert!(stage.shop.certlet.stop().await.success());
    stage.names("web", &[&a, &b]).await;
    let planned = certlet(&stage, &["plan", "-A"]).await;
    let says = |words: &str| planned.stdout.lines().any(|line| line.contains(words));
    assert!(
        says(&format!(
            "Secret {a}/web: create it as a copy of the Secret of Certificate {place}. Because:"
        )),
        "{planned:?}"
    );
    assert!(!says(&format!("Secret {b}/web")), "{planned:?}");

    let running = Certlet::start(&stage.shop.bed, &[]).await;
    stage.is_copied("web", &a).await;
    stage.reports("web", "NotAccepted").await;
    running.stop().await;
    stage.kubectl(&["delete", "certificate", "web"]).await;
    let planned = certlet(&stage, &["plan", "-A"]).await;
    let removal = format!(
        "Secret {a}/web: delete it, a copy of the Secret of Certificate {place}. Because: the Certificate is gone"
    );
    assert!(planned.stdout.contains(&removal), "{planned:?}");
}
