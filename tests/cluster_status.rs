//! `certlet status` and the status page: what they say is compared with what kubectl reads, the page is read by Python's parser and fetched
//! by curl.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking"
)]

mod support;

use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use support::command::{Finished, run_with_input, try_run};
use support::scene::{Scene, certificate};
use support::{Certlet, IN_TIME, eventually};
use tokio::io::{AsyncBufReadExt, BufReader};

const PROGRAM: &str = env!("CARGO_BIN_EXE_certlet");
/// An address of the bed that is no loopback address.
const PUBLIC: &str = "10.99.0.1:9404";
const SELF_SIGNED: &str = "
apiVersion: cert-manager.io/v1
kind: Issuer
metadata: {name: self}
spec: {selfSigned: {}}
";

async fn certlet(scene: &Scene, args: &[&str]) -> Finished {
    let kubeconfig = scene.bed.kubeconfig();
    let args = [&["status", "--kubeconfig", kubeconfig.to_str().unwrap()], args].concat();
    try_run(PROGRAM, &args, None).await
}

/// What `certlet status -o json` says with these arguments, and its exit status.
async fn status(scene: &Scene, args: &[&str]) -> (Value, i32) {
    let place = ["-n", &scene.namespace, "-o", "json"];
    let done = certlet(scene, &[args, &place].concat()).await;
    let value = serde_json::from_str(&done.stdout).unwrap_or_else(|error| panic!("{error}: {done:?}"));
    (value, done.status.code().unwrap())
}

async fn kubectl(scene: &Scene, args: &[&str]) -> Value {
    let place = ["-n", &scene.namespace, "-o", "json"];
    serde_json::from_str(&scene.bed.kubectl(&[args, &place].concat()).await).unwrap()
}

/// Faults of a page, in the words of Python's parser, and texts that it lacks.
async fn faults(page: &str, texts: &[&str]) -> String {
    let given = json!({"page": page, "texts": texts}).to_string();
    let answer = run_with_input("python3", &["-c", include_str!("oracle/page.py")], &given).await;
    serde_json::from_str::<Vec<String>>(&answer).unwrap().join("\n")
}

fn words(list: &Value, fields: &[&str]) -> Vec<String> {
    let row = |entry: &Value| {
        let texts = fields.iter().map(|field| entry[field].as_str().unwrap_or("-"));
        texts.collect::<Vec<_>>().join(" ")
    };
    list.as_array().unwrap().iter().map(row).collect()
}

/// A Certificate of the Issuer `self`.
fn signed(name: &str, issuer: &str) -> String {
    certificate(name, &[&format!("{name}.example")], "").replace("name: ca}", &format!("name: {issuer}}}"))
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
#[expect(clippy::too_many_lines, reason = "one scene, looked at in each form of output")]
async fn what_is_not_well_comes_first_then_what_renews_next_and_the_exit_status_says_it() {
    let (scene, _certlet) = Scene::open("haproxy").await;
    scene
        .apply(&format!(
            "{SELF_SIGNED}{}{}",
            signed("web", "self"),
            signed("lost", "nobody")
        ))
        .await;
    let host = scene.stuck_certificate("stuck").await;
    scene.ready("web").await;
    let (all, code) = status(&scene, &[]).await;
    assert_eq!(code, 3, "{all:#}");
    assert_eq!(
        words(&all["problems"], &["urgency", "kind", "name", "reason"]),
        [
            "missing Certificate lost IssuerNotFound",
            "waiting Certificate stuck ChallengePending"
        ],
        "{all:#}"
    );
    let web = kubectl(&scene, &["get", "certificate", "web"]).await;
    assert_eq!(words(&all["renewals"], &["name"]), ["web"]);
    assert_eq!(all["renewals"][0]["renewalTime"], web["status"]["renewalTime"]);
    assert_eq!(all["renewals"][0]["notAfter"], web["status"]["notAfter"]);
    let challenge = &kubectl(&scene, &["get", "challenges"]).await["items"][0];
    assert_eq!(all["challenges"][0]["name"], challenge["metadata"]["name"]);
    assert_eq!(all["challenges"][0]["dnsName"], json!(host));
    assert_eq!(all["counts"]["certificates"], 3);
    let account = &kubectl(&scene, &["get", "issuer", "ca"]).await["status"]["acme"]["uri"];
    let issuers = all["issuers"].as_array().unwrap();
    assert!(
        issuers.iter().any(|issuer| issuer["account"] == *account),
        "{issuers:#?}"
    );

    // the same from everywhere, as a page, and as text without control characters
    let everywhere = certlet(&scene, &["-A"]).await;
    assert_eq!(everywhere.status.code(), Some(3));
    assert!(
        everywhere.stdout.contains(&format!("{}/lost", scene.namespace)),
        "{everywhere:?}"
    );
    assert!(!everywhere.stdout.contains('\u{1b}'), "{everywhere:?}");
    let page = certlet(&scene, &["-n", &scene.namespace, "--page", "-"]).await;
    assert_eq!(page.status.code(), Some(3));
    assert_eq!(
        faults(
            &page.stdout,
            &["lost", "stuck", &host, "the Issuer nobody does not exist"]
        )
        .await,
        ""
    );

    // one object and what it owns
    let (stuck, code) = status(&scene, &["certificate", "stuck"]).await;
    assert_eq!((code, stuck["well"].clone()), (3, json!(false)));
    let order = &kubectl(&scene, &["get", "orders"]).await["items"][0];
    assert_eq!(
        words(&stuck["owned"], &["kind", "name"]),
        [
            "CertificateRequest stuck-1".to_owned(),
            format!("Order {}", order["metadata"]["name"].as_str().unwrap()),
            format!("Challenge {}", challenge["metadata"]["name"].as_str().unwrap()),
        ]
    );
    let reasons = words(&stuck["events"], &["kind", "reason"]);
    assert!(reasons.contains(&"Certificate Requested".to_owned()), "{reasons:?}");
    for (kind, name) in [
        ("order", order["metadata"]["name"].as_str().unwrap()),
        ("request", "stuck-1"),
    ] {
        let (one, code) = status(&scene, &[kind, name]).await;
        assert_eq!((code, &one["urgency"]), (3, &json!("waiting")), "{one:#}");
    }
    let (issuer, code) = status(&scene, &["issuer", "self"]).await;
    assert_eq!(
        (code, words(&issuer["certificates"], &["name"])),
        (0, vec!["web".to_owned()])
    );

    scene
        .bed
        .kubectl(&["delete", "certificate", "lost", "stuck", "-n", &scene.namespace])
        .await;
    let (left, code) = status(&scene, &[]).await;
    assert_eq!(
        (code, left["well"].clone(), left["problems"].clone()),
        (0, json!(true), json!([]))
    );
    let missing = certlet(&scene, &["certificate", "lost", "-n", &scene.namespace]).await;
    assert_eq!(missing.status.code(), Some(1), "{missing:?}");
    assert!(missing.stderr.contains("does not exist"), "{missing:?}");
}

/// No controller runs here: the status is what one has left behind.
#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn the_next_attempt_is_the_end_of_the_back_off_and_a_watch_shows_each_change() {
    let scene = Scene::new().await;
    scene.apply(&format!("{SELF_SIGNED}{}", signed("web", "self"))).await;
    let failed = json!({"status": {
    "failedIssuanceAttempts": 3, "lastFailureTime": "2026-01-01T00:00:00Z",
    "conditions": [
        {"type": "Ready", "status": "False", "reason": "DoesNotExist", "message": "no Secret"},
        {"type": "Issuing", "status": "False", "reason": "Denied", "message": "the approver said no"},
    ]}});
    let patch = async |status: &Value| {
        let status = status.to_string();
        let patch = [
            "patch",
            "certificate",
            "web",
            "--subresource=status",
            "--type=merge",
            "-p",
            &status,
        ];
        scene
            .bed
            .kubectl(&[&patch[..], &["-n", &scene.namespace]].concat())
            .await;
    };
    patch(&failed).await;
    let issuer =
        json!({"status": {"conditions": [{"type": "Ready", "status": "True", "reason": "IsReady"}]}}).to_string();
    let ready = [
        "patch",
        "issuer",
        "self",
        "--subresource=status",
        "--type=merge",
        "-p",
        &issuer,
        "-n",
        &scene.namespace,
    ];
    scene.bed.kubectl(&ready).await;
    let (web, code) = status(&scene, &["cert", "web"]).await;
    assert_eq!(code, 3);
    assert_eq!(
        (&web["nextAttemptTime"], &web["failedIssuanceAttempts"], &web["reason"]),
        (&json!("2026-01-01T04:00:00Z"), &json!(3), &json!("Denied"))
    );
    assert!(
        web["sentence"].as_str().unwrap().contains("the approver said no"),
        "{web:#}"
    );

    let kubeconfig = scene.bed.kubeconfig();
    let mut watch = tokio::process::Command::new(PROGRAM)
        .args([
            "status",
            "-w",
            "-n",
            &scene.namespace,
            "--kubeconfig",
            kubeconfig.to_str().unwrap(),
        ])
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines();
    let mut shown = async |words: &str| {
        let found = async {
            while let Some(line) = lines.next_line().await.unwrap() {
                if line.contains(words) {
                    return true;
                }
            }
            false
        };
        tokio::time::timeout(IN_TIME, found).await.unwrap_or_default()
    };
    assert!(shown("the approver said no").await);
    patch(&json!({"status": {"failedIssuanceAttempts": 4}})).await;
    assert!(shown("4 issuances in a row failed").await);
}

async fn curl(url: &str, more: &[&str]) -> (u16, String) {
    let args = [&["-s", "-i", "--max-time", "20", "-w", "\n%{http_code}", url], more].concat();
    let printed = try_run("curl", &args, None).await.stdout;
    let (body, status) = printed.rsplit_once('\n').unwrap_or(("", &printed));
    (status.trim().parse().unwrap_or(0), body.to_owned())
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
#[expect(clippy::too_many_lines, reason = "one page, from one reader to the next")]
async fn the_page_is_for_those_with_the_right_and_on_loopback_for_localhost() {
    let scene = Scene::new().await;
    let (bed, namespace) = (&scene.bed, scene.namespace.as_str());
    let rights = support::bed::project().join("deploy/status-page");
    let apply = async |file: &str| bed.kubectl(&["apply", "-f", rights.join(file).to_str().unwrap()]).await;
    bed.forget_leaders().await;
    let leader = Certlet::launch(bed)
        .leader_election()
        .args(&[&format!("--status-listen-address={PUBLIC}")])
        .ready()
        .await;
    scene
        .apply(&format!(
            "{SELF_SIGNED}{}{}",
            signed("web", "self"),
            signed("lost", "nobody")
        ))
        .await;
    scene.ready("web").await;
    let url = format!("http://{PUBLIC}/");
    let token = async |name: &str| {
        bed.kubectl(&["create", "serviceaccount", name, "-n", namespace]).await;
        let token = bed.kubectl(&["create", "token", name, "-n", namespace]).await;
        format!("Authorization: Bearer {}", token.trim())
    };
    let [reader, stranger] = [token("reader").await, token("stranger").await];

    let (code, answer) = curl(&url, &[]).await;
    assert_eq!(code, 401, "{answer}");
    assert!(answer.to_lowercase().contains("www-authenticate: bearer"), "{answer}");
    let (code, answer) = curl(&url, &["-H", &reader]).await;
    assert_eq!(code, 503, "certlet has no right to ask yet: {answer}");
    assert!(answer.contains("deploy/status-page"), "{answer}");

    apply("rbac.yaml").await;
    apply("reader.yaml").await;
    let subject = format!("--serviceaccount={namespace}:reader");
    let role = "--clusterrole=certlet-status-reader";
    bed.kubectl(&["create", "clusterrolebinding", namespace, role, &subject])
        .await;
    let page = eventually("the page for its reader", IN_TIME, async || {
        let (code, answer) = curl(&url, &["-H", &reader]).await;
        (code == 200).then_some(answer)
    })
    .await;
    let (head, html) = page.split_once("\r\n\r\n").unwrap();
    for header in [
        "content-security-policy: default-src 'none'",
        "cache-control: no-store",
        "x-content-type-options: nosniff",
    ] {
        assert!(head.to_lowercase().contains(header), "{head}");
    }
    assert_eq!(
        faults(html, &["leader", "lost", "the Issuer nobody does not exist"]).await,
        ""
    );
    assert!(!html.contains("BEGIN") && !html.contains("<script"), "{html}");

    assert_eq!(curl(&url, &["-H", &stranger]).await.0, 403);
    assert_eq!(
        curl(&url, &["-H", "Authorization: Bearer eyJhbGciOiJub25lIn0.e30."])
            .await
            .0,
        401
    );
    assert_eq!(curl(&url, &["-H", &reader, "-X", "POST"]).await.0, 405);
    assert_eq!(curl(&format!("{url}metrics"), &["-H", &reader]).await.0, 404);
    assert_eq!(
        curl(&format!("{url}metrics"), &[]).await.0,
        401,
        "strangers learn no paths"
    );

    let standby = Certlet::launch(bed)
        .leader_election()
        .args(&["--status-listen-address=127.0.0.1:9474"])
        .ready()
        .await;
    let local = "http://127.0.0.1:9474/";
    let html = eventually("the standby names the leader", IN_TIME, async || {
        let (code, answer) = curl(local, &[]).await;
        (code == 200 && answer.contains("holds the Lease")).then_some(answer)
    })
    .await;
    let html = html.split_once("\r\n\r\n").unwrap().1;
    assert_eq!(
        faults(html, &["standby", "standing by: ", "cert-manager-controller", "lost"]).await,
        ""
    );
    assert_eq!(curl(local, &["-H", "Host: evil.example"]).await.0, 403);
    standby.stop().await;
    leader.stop().await;
    bed.kubectl(&["delete", "clusterrolebinding", namespace]).await;
}

/// A client that sends nothing does not keep others from the page.
#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn silent_clients_do_not_occupy_the_page() {
    let scene = Scene::new().await;
    let _certlet = Certlet::start(&scene.bed, &["--status-listen-address=127.0.0.1:9474"]).await;
    let mut silent = Vec::new();
    for _ in 0..40 {
        silent.push(tokio::net::TcpStream::connect("127.0.0.1:9474").await.unwrap());
    }
    let answer = tokio::time::timeout(Duration::from_secs(20), curl("http://127.0.0.1:9474/", &[])).await;
    assert_eq!(answer.unwrap().0, 200);
}
