//! The built-in solver `pdns`, with a `PowerDNS` of a test's own.

use std::process::Stdio;

use serde_json::{Value, json};
use tokio::process::{Child, Command};

use crate::{
    check::{check, steps},
    stage::{challenge_says, name_in, no_challenges, prepare, record_of, recursive, scene_with, tsig_secret},
    support::{
        Certlet, IN_TIME,
        command::try_run,
        dns::dig_txt,
        eventually, run,
        scene::{Scene, certificate},
    },
};

/// Where it answers; the bed's resolver asks it about [`ZONE`].
const SERVER: &str = "10.99.0.8:53";
/// Its API.
const URL: &str = "http://10.99.0.8:8081";
/// Its zone.
const ZONE: &str = "pdns.example";
/// The key of its API.
const KEY: &str = "key-of-the-powerdns-api";
/// How the Debian package creates a database.
const SCHEMA: &str = "/usr/share/pdns-backend-sqlite3/schema/schema.sqlite3.sql";

/// A `PowerDNS` with one zone: one at a time.
struct PowerDns {
    _child: Child,
    _folder: tempfile::TempDir,
}

impl PowerDns {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().display().to_string();
        let create = "import sqlite3, sys; sqlite3.connect(sys.argv[1]).executescript(open(sys.argv[2]).read())";
        run("python3", &["-c", create, &format!("{path}/zones.db"), SCHEMA]).await;
        let (address, port) = SERVER.rsplit_once(':').unwrap();
        let config = format!(
            "launch=gsqlite3\ngsqlite3-database={path}/zones.db\nlocal-address={address}\nlocal-port={port}\nsocket-dir={path}\n\
             webserver=yes\nwebserver-address={address}\nwebserver-port=8081\nwebserver-allow-from=10.99.0.0/24\napi=yes\napi-key={KEY}\n\
             daemon=no\nguardian=no\nsecurity-poll-suffix=\n"
        );
        std::fs::write(folder.path().join("pdns.conf"), config).unwrap();
        let child = Command::new("/usr/sbin/pdns_server")
            .arg(format!("--config-dir={path}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let powerdns = Self {
            _child: child,
            _folder: folder,
        };
        let record = |name: &str, kind: &str, content: &str| {
            let records = json!([{"content": content, "disabled": false}]);
            json!({"name": name, "type": kind, "ttl": 60, "records": records})
        };
        let (top, ns) = (format!("{ZONE}."), format!("ns1.{ZONE}."));
        let soa = format!("{ns} hostmaster.{top} 1 60 60 3600 5");
        let sets = [
            record(&top, "SOA", &soa),
            record(&top, "NS", &ns),
            record(&ns, "A", address),
        ];
        let zone = json!({"name": top, "kind": "Master", "nameservers": [], "rrsets": sets});
        eventually("PowerDNS takes a zone", IN_TIME, async || {
            powerdns.call("POST", "", &zone).await.then_some(())
        })
        .await;
        eventually("PowerDNS serves its zone", IN_TIME, async || {
            let asked = ["+short", "+time=1", "+tries=1", &format!("@{address}"), ZONE, "SOA"];
            let finished = try_run("dig", &asked, None).await;
            finished.stdout.contains(&ns).then_some(())
        })
        .await;
        powerdns
    }

    /// Calls the API below the list of zones; whether it was accepted.
    async fn call(&self, method: &str, below: &str, body: &Value) -> bool {
        let (key, body) = (format!("X-API-Key: {KEY}"), body.to_string());
        let url = format!("{URL}/api/v1/servers/localhost/zones{below}");
        let args = ["-sf", "-X", method, "-H", &key, "-d", &body, &url];
        try_run("curl", &args, None).await.status.success()
    }

    /// Writes a TXT record set as another client does.
    async fn write(&self, name: &str, value: &str) {
        let records = json!([{"content": format!("{value:?}"), "disabled": false}]);
        let set =
            json!({"name": format!("{name}."), "type": "TXT", "ttl": 300, "changetype": "REPLACE", "records": records});
        assert!(
            self.call("PATCH", &format!("/{ZONE}."), &json!({"rrsets": [set]}))
                .await
        );
    }
}

/// A solver of an issuer: one of certlet's own.
fn built_in(solver: &str, config: &Value) -> String {
    let webhook = json!({"groupName": "certlet.io", "solverName": solver, "config": config});
    json!({"dns01": {"webhook": webhook}}).to_string()
}

fn solver() -> String {
    let reference = json!({"name": "pdns", "key": "secret"});
    built_in("pdns", &json!({"url": URL, "apiKeySecretRef": reference}))
}

/// A namespace with the Secret of the API's key, and an Issuer that uses it.
async fn scene_with_key() -> Scene {
    let scene = scene_with(&solver()).await;
    scene.apply(&tsig_secret("pdns", &format!("{KEY}\n"))).await;
    scene
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn powerdns_proves_a_name_and_its_wildcard_and_keeps_the_values_of_others() {
    let powerdns = PowerDns::start().await;
    let scene = scene_with_key().await;
    let _certlet = Certlet::start(&scene.bed, &[&recursive()]).await;
    let (alone, shared) = (name_in(&scene, "alone", ZONE), name_in(&scene, "shared", ZONE));
    powerdns.write(&record_of(&shared), "a foreign value").await;
    for (name, host) in [("alone", &alone), ("shared", &shared)] {
        scene.apply(&certificate(name, &[host, &format!("*.{host}")], "")).await;
    }
    let pebble = scene.bed.pebble();
    for (name, host) in [("alone", &alone), ("shared", &shared)] {
        scene.ready(name).await;
        let secret = format!("{name}-tls");
        scene.verify_secret(&secret, &pebble, 0, host).await;
        scene.verify_secret(&secret, &pebble, 0, &format!("any.{host}")).await;
    }
    no_challenges(&scene).await;
    assert_eq!(dig_txt(SERVER, &record_of(&alone)).await, [""; 0]);
    assert_eq!(dig_txt(SERVER, &record_of(&shared)).await, ["\"a foreign value\""]);
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn check_tries_every_step_at_powerdns_and_leaves_no_record() {
    let _powerdns = PowerDns::start().await;
    let scene = scene_with_key().await;
    let host = name_in(&scene, "check", ZONE);
    let done = check(&scene, &host, &["--write"]).await;
    assert_eq!(done.status.code(), Some(0));
    let all = [
        "solver",
        "record",
        "credential",
        "zone",
        "name servers",
        "written",
        "seen",
        "removed",
    ];
    assert_eq!(steps(&done), all.map(|step| ("ok", step)));
    assert!(done.stdout.contains("ns1.pdns.example (10.99.0.8)"));
    assert_eq!(dig_txt(SERVER, &record_of(&host)).await, [""; 0]);
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_wrong_config_of_a_built_in_solver_is_one_sentence() {
    let scene = scene_with(&solver()).await;
    let host = name_in(&scene, "config", "dns01.example");
    let reference = json!({"name": "tsig", "key": "secret"});
    for (name, config, step, words) in [
        (
            "nodns",
            json!({}),
            "credential",
            "certlet.io has no solver \"nodns\": solverName is dns-persist, httpreq or pdns",
        ),
        (
            "pdns",
            json!({"host": URL}),
            "credential",
            "has the unknown field \"host\"",
        ),
        ("pdns", json!({"url": URL}), "credential", "has no apiKeySecretRef"),
        ("httpreq", json!({}), "credential", "has no endpoint"),
        (
            "pdns",
            json!({"url": "pdns.example", "apiKeySecretRef": reference}),
            "credential",
            "is no URL",
        ),
        (
            "pdns",
            json!({"url": "http://169.254.169.254", "apiKeySecretRef": reference}),
            "zone",
            "is not contacted",
        ),
    ] {
        prepare(&scene, &built_in(name, &config)).await;
        let done = check(&scene, &host, &[]).await;
        assert_eq!(done.status.code(), Some(3));
        assert_eq!(steps(&done).last(), Some(&("FAIL", step)));
        let last = done.stdout.lines().last().unwrap();
        assert!(last.contains(words), "{last}");
    }
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_missing_secret_and_a_wrong_key_are_told_apart_and_their_correction_is_enough() {
    let _powerdns = PowerDns::start().await;
    let scene = scene_with(&solver()).await;
    let certlet = Certlet::start(&scene.bed, &[&recursive()]).await;
    let host = name_in(&scene, "wrong", ZONE);
    scene.apply(&certificate("wrong", &[&host], "")).await;
    let missing = format!("the Secret {}/pdns does not exist", scene.namespace);
    println!("{}", scene.told("wrong", &missing).await);
    scene.apply(&tsig_secret("pdns", "another-key")).await;
    let place = format!(
        "does not accept the key in the key \"secret\" of the Secret {}/pdns",
        scene.namespace
    );
    println!("{}", scene.told("wrong", &place).await);
    challenge_says(&scene, &place).await;
    assert_eq!(dig_txt(SERVER, &record_of(&host)).await, [""; 0]);
    scene.apply(&tsig_secret("pdns", KEY)).await;
    scene.ready("wrong").await;
    no_challenges(&scene).await;
    assert_eq!(dig_txt(SERVER, &record_of(&host)).await, [""; 0]);
    let log = certlet.log();
    assert!(!log.contains("another-key") && !log.contains(KEY));
}
