//! acme-dns, where a program `acme-dns` is on the PATH: records behind a CNAME.

use std::process::Stdio;

use serde_json::{Value, json};
use tokio::process::{Child, Command};

use crate::{
    check::{check, steps},
    stage::{name_in, no_challenges, prepare, record_of, recursive, scene_with, tsig_secret},
    support::{
        Bed, Certlet, IN_TIME,
        command::{on_path, run, run_with_input, try_run},
        dns::dig_txt,
        eventually,
        scene::certificate,
    },
};

/// Where it answers; the bed's resolver asks it about [`ZONE`].
const SERVER: &str = "10.99.0.6:53";
/// Its API.
const URL: &str = "http://10.99.0.6:8080";
/// Its zone.
const ZONE: &str = "acmedns.example";
const PROGRAM: &str = "acme-dns";

/// An acme-dns without accounts: one at a time.
struct AcmeDns {
    _child: Child,
    _folder: tempfile::TempDir,
}

impl AcmeDns {
    /// Starts it; `None` and a line SKIPPED if there is no such program.
    async fn start(bed: &Bed, test: &str) -> Option<Self> {
        if on_path(PROGRAM).is_none() {
            bed.skip(
                test,
                "there is no program acme-dns: build github.com/joohoi/acme-dns and put it on the PATH",
            );
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().display().to_string();
        let (address, _) = SERVER.rsplit_once(':').unwrap();
        let config = format!(
            "[general]\nlisten = \"{SERVER}\"\nprotocol = \"both4\"\ndomain = \"{ZONE}\"\nnsname = \"ns1.{ZONE}\"\n\
             nsadmin = \"hostmaster.{ZONE}\"\nrecords = [\"ns1.{ZONE}. A {address}\", \"{ZONE}. NS ns1.{ZONE}.\"]\ndebug = false\n\
             [database]\nengine = \"sqlite3\"\nconnection = \"{path}/acme-dns.db\"\n\
             [api]\nip = \"{address}\"\ndisable_registration = false\nport = \"8080\"\ntls = \"none\"\ncorsorigins = [\"*\"]\n\
             use_header = false\n[logconfig]\nloglevel = \"debug\"\nlogtype = \"stdout\"\nlogformat = \"text\"\n"
        );
        let file = folder.path().join("config.cfg");
        std::fs::write(&file, config).unwrap();
        let child = Command::new(PROGRAM)
            .arg("-c")
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        eventually("acme-dns answers", IN_TIME, async || {
            let health = format!("{URL}/health");
            try_run("curl", &["-sf", &health], None)
                .await
                .status
                .success()
                .then_some(())
        })
        .await;
        Some(Self {
            _child: child,
            _folder: folder,
        })
    }

    /// Registers an account.
    async fn register(&self) -> Value {
        let url = format!("{URL}/register");
        serde_json::from_str(&run("curl", &["-sf", "-X", "POST", &url]).await).unwrap()
    }
}

/// The solver of an issuer.
fn solver() -> String {
    let reference = json!({"name": "accounts", "key": "secret"});
    json!({"dns01": {"acmeDNS": {"host": URL, "accountSecretRef": reference}}}).to_string()
}

/// Gives a name in the zone open.example, which takes updates of everybody, a CNAME.
async fn alias(name: &str, target: &str) {
    let update = format!("server 10.99.0.3\nzone open.example\nupdate add {name}. 60 CNAME {target}.\nsend\n");
    run_with_input("nsupdate", &["-v"], &update).await;
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn dns_08_acme_dns_proves_a_name_and_its_wildcard_behind_a_cname_that_is_missed_first() {
    let bed = Bed::attach().await;
    let Some(acme_dns) = AcmeDns::start(&bed, "acme-dns proves a name and its wildcard").await else {
        return;
    };
    let account = acme_dns.register().await;
    let fulldomain = account["fulldomain"].as_str().unwrap().to_owned();
    let scene = scene_with(&solver()).await;
    let _certlet = Certlet::start(&scene.bed, &[&recursive()]).await;
    let host = name_in(&scene, "one", "open.example");
    scene
        .apply(&certificate("one", &[&host, &format!("*.{host}")], ""))
        .await;
    scene.told("one", "/accounts does not exist").await;
    scene
        .apply(&tsig_secret("accounts", &json!({"other.example": account}).to_string()))
        .await;
    scene.told("one", &format!("has no account for {host}")).await;
    scene
        .apply(&tsig_secret("accounts", &json!({host.as_str(): account}).to_string()))
        .await;
    let missing = format!("there is no CNAME from {} to {fulldomain}", record_of(&host));
    println!("{}", scene.told("one", &missing).await);
    assert_eq!(dig_txt(SERVER, &fulldomain).await, [""; 0]);
    alias(&record_of(&host), &fulldomain).await;
    scene.ready("one").await;
    let pebble = scene.bed.pebble();
    scene.verify_secret("one-tls", &pebble, 0, &host).await;
    scene.verify_secret("one-tls", &pebble, 0, &format!("any.{host}")).await;
    no_challenges(&scene).await;
    // the server keeps them
    assert_eq!(dig_txt(SERVER, &fulldomain).await.len(), 2);

    let done = check(&scene, &host, &["--write"]).await;
    assert_eq!(done.status.code(), Some(0));
    assert_eq!(steps(&done).last(), Some(&("ok", "removed")));
    assert!(done.stdout.contains("keeps the record until newer ones replace it"));

    // a wrong password is the fault of one account
    let mut wrong = account.clone();
    wrong["password"] = json!("x".repeat(40));
    prepare(&scene, &solver()).await;
    scene
        .apply(&tsig_secret("accounts", &json!({host.as_str(): wrong}).to_string()))
        .await;
    let refused = check(&scene, &host, &["--write"]).await;
    assert_eq!(refused.status.code(), Some(3));
    let last = refused.stdout.lines().last().unwrap();
    assert!(
        last.contains(&format!("does not accept the account for {host}")),
        "{last}"
    );
    assert!(!refused.stdout.contains(&"x".repeat(40)));
}
