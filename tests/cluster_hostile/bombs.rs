//! While an object that costs is being looked at, the process answers and keeps its Lease (S6 to S9).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::jiff::Timestamp;
use kube::Api;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::support::{Bed, Certlet, IN_TIME, Pair, condition_is, condition_reason_is, openssl, openssl_csr, until};

/// No longer may the process be silent, or its Lease be left alone.
const MOST_SILENCE: Duration = Duration::from_secs(2);
/// How long each bomb is touched.
const UNDER_FIRE: Duration = Duration::from_secs(10);
const CHAIN: &str = include_str!("../data/hostile/chain.pem");
const CHAIN_KEY: &str = include_str!("../data/hostile/chain.key");

/// Asks for `/livez` and reads the Lease as fast as it is answered, until it is told to stop. Returns the longest gaps.
struct Vigil {
    ends: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<[Duration; 2]>,
}

impl Vigil {
    fn begin(bed: &Bed, certlet: &Certlet) -> Self {
        let ends = Arc::new(AtomicBool::new(false));
        let leases = Api::<Lease>::namespaced(bed.client(), "kube-system");
        let address = certlet.health_address();
        let task = tokio::spawn(watch(leases, format!("http://{address}/livez"), Arc::clone(&ends)));
        Self { ends, task }
    }

    async fn end(self, what: &str) {
        self.ends.store(true, Ordering::Release);
        let [silence, unrenewed] = self.task.await.unwrap();
        println!("{what}: /livez silent for {silence:?} at most, the Lease not renewed for {unrenewed:?} at most");
        assert!(silence <= MOST_SILENCE, "{what}: /livez did not answer for {silence:?}");
        assert!(
            unrenewed <= MOST_SILENCE,
            "{what}: the Lease was not renewed for {unrenewed:?}"
        );
    }
}

async fn watch(leases: Api<Lease>, livez: String, ends: Arc<AtomicBool>) -> [Duration; 2] {
    let http = crate::support::names::plain_http();
    let (mut silence, mut unrenewed) = (Duration::ZERO, Duration::ZERO);
    let mut answered = Instant::now();
    let mut renewed: Option<Timestamp> = None;
    while !ends.load(Ordering::Acquire) {
        let answer = http.get(&livez).timeout(Duration::from_secs(10)).send().await;
        if answer.is_ok_and(|answer| answer.status().is_success()) {
            silence = silence.max(answered.elapsed());
            answered = Instant::now();
        }
        let lease = leases.get("cert-manager-controller").await.unwrap();
        let now = lease.spec.unwrap().renew_time.unwrap().0;
        if let Some(before) = renewed.filter(|before| *before != now) {
            unrenewed = unrenewed.max(now.duration_since(before).unsigned_abs());
        }
        renewed = Some(now);
        sleep(Duration::from_millis(20)).await;
    }
    let since = renewed.map_or(Duration::MAX, |time| {
        certlet::process::clock::now().duration_since(time).unsigned_abs()
    });
    [silence.max(answered.elapsed()), unrenewed.max(since)]
}

async fn leader(bed: &Bed) -> Certlet {
    bed.install_crds().await;
    bed.forget_leaders().await;
    let args = [
        "--leader-election-namespace=kube-system",
        "--leader-election-retry-period=500ms",
        "--leader-election-renew-deadline=10s",
        "--leader-election-lease-duration=15s",
    ];
    let certlet = Certlet::launch(bed).leader_election().args(&args).ready().await;
    certlet.wait_for_log("leading").await;
    certlet
}

/// Touches objects in turn, as fast as the API server takes it, for a while.
async fn touch(bed: &Bed, namespace: &str, objects: &[&str]) {
    let until = Instant::now() + UNDER_FIRE;
    let mut number = 0_u32;
    while Instant::now() < until {
        for object in objects {
            let touched = format!("touched={number}");
            bed.kubectl(&["annotate", "-n", namespace, "--overwrite", object, &touched])
                .await;
            number += 1;
        }
    }
}

fn object(kind: &str, name: &str, spec: &Value) -> String {
    json!({ "apiVersion": "cert-manager.io/v1", "kind": kind, "metadata": { "name": name }, "spec": spec }).to_string()
}

/// S6.
#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_chain_of_a_hundred_certificates_of_one_name_is_judged_beside_everything_else() {
    let bed = Bed::attach().await;
    let certlet = leader(&bed).await;
    let namespace = bed.new_namespace().await;
    let pair = Pair {
        key: CHAIN_KEY.to_owned(),
        certificate: CHAIN.to_owned(),
    };
    let vigil = Vigil::begin(&bed, &certlet);
    pair.store(&bed, &namespace, "ca").await;
    bed.apply(
        &namespace,
        &object("Issuer", "ca", &json!({ "ca": { "secretName": "ca" } })),
    )
    .await;
    let csr = STANDARD.encode(openssl_csr("/CN=a.example", &[]).await);
    for number in 0..30 {
        let request = json!({ "apiVersion": "cert-manager.io/v1", "kind": "CertificateRequest",
            "metadata": { "name": format!("r{number}"), "annotations": { "cert-manager.io/private-key-secret-name": "ca" } },
            "spec": { "request": csr, "issuerRef": { "name": "ca" } } });
        bed.apply(&namespace, &request.to_string()).await;
    }
    touch(&bed, &namespace, &["secret/ca"]).await;
    vigil.end("a chain of a hundred").await;
    let issuers = bed.objects("cert-manager.io/v1", "Issuer", Some(&namespace)).await;
    let issuer = until(
        &issuers,
        "ca",
        IN_TIME,
        condition_reason_is("Ready", "ErrInvalidKeyPair"),
    )
    .await
    .unwrap();
    assert!(
        issuer.data.to_string().contains("more than 200 signature checks"),
        "{}",
        issuer.data
    );
}

/// S7.
#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_keystore_of_many_rounds_is_opened_beside_everything_else() {
    let bed = Bed::attach().await;
    let certlet = leader(&bed).await;
    let namespace = bed.new_namespace().await;
    bed.apply(&namespace, &object("Issuer", "self", &json!({ "selfSigned": {} })))
        .await;
    let spec = json!({ "secretName": "web", "dnsNames": ["a.example"], "issuerRef": { "name": "self" },
        "keystores": { "pkcs12": { "create": true, "profile": "Modern2023", "password": "x" } } });
    bed.apply(&namespace, &object("Certificate", "web", &spec)).await;
    let certificates = bed.objects("cert-manager.io/v1", "Certificate", Some(&namespace)).await;
    until(&certificates, "web", IN_TIME, condition_is("Ready", "True")).await;

    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    for key in ["tls.key", "tls.crt"] {
        let template = format!("jsonpath={{.data.{}}}", key.replace('.', "\\."));
        let value = bed
            .kubectl(&["get", "secret", "web", "-n", &namespace, "-o", &template])
            .await;
        std::fs::write(path(key), STANDARD.decode(value).unwrap()).unwrap();
    }
    let (key, certificate, file) = (path("tls.key"), path("tls.crt"), path("bomb.p12"));
    openssl(
        &[
            "pkcs12",
            "-export",
            "-inkey",
            &key,
            "-in",
            &certificate,
            "-passout",
            "pass:x",
            "-iter",
            "66000",
            "-out",
            &file,
        ],
        "",
    )
    .await;
    let keystore = STANDARD.encode(std::fs::read(file).unwrap());
    let vigil = Vigil::begin(&bed, &certlet);
    let ends = Instant::now() + UNDER_FIRE;
    while Instant::now() < ends {
        // other contents each time, so that nothing is remembered of them
        let change = json!({ "data": { "keystore.p12": keystore, "noise": STANDARD.encode(format!("{ends:?}{:?}", Instant::now())) } });
        bed.kubectl(&["patch", "secret", "web", "-n", &namespace, "-p", &change.to_string()])
            .await;
        bed.kubectl(&[
            "annotate",
            "certificate",
            "web",
            "-n",
            &namespace,
            "--overwrite",
            "touched=1",
        ])
        .await;
    }
    vigil.end("a keystore of 198,000 rounds").await;
}

/// S8.
#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_hundred_renewal_windows_are_looked_at_beside_everything_else_and_more_are_refused() {
    let bed = Bed::attach().await;
    let certlet = leader(&bed).await;
    let namespace = bed.new_namespace().await;
    bed.apply(&namespace, &object("Issuer", "self", &json!({ "selfSigned": {} })))
        .await;
    let spec = |windows: Vec<Value>| json!({ "secretName": "web", "dnsNames": ["a.example"], "issuerRef": { "name": "self" }, "renewal": { "policy": "RenewBefore", "windows": windows } });
    let window = |number: usize| {
        let cron = ["0 0 29 2 *", "0 0 30 2 *", "* * * * *", "30 2 29 3 *"][number % 4];
        json!({ "cron": cron, "windowDuration": "1h", "timezone": if number.is_multiple_of(2) { "Europe/Berlin" } else { "America/New_York" } })
    };
    let refused = bed
        .try_apply(
            &namespace,
            &object("Certificate", "web", &spec((0..101).map(window).collect())),
        )
        .await;
    assert!(
        refused.stderr.contains("must have at most 100 items"),
        "{}",
        refused.stderr
    );

    let vigil = Vigil::begin(&bed, &certlet);
    bed.apply(
        &namespace,
        &object("Certificate", "web", &spec((0..100).map(window).collect())),
    )
    .await;
    let certificates = bed.objects("cert-manager.io/v1", "Certificate", Some(&namespace)).await;
    until(&certificates, "web", IN_TIME, condition_is("Ready", "True")).await;
    touch(&bed, &namespace, &["certificate/web"]).await;
    vigil.end("a hundred windows").await;
}

/// S9.
#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn requests_of_a_megabyte_are_read_beside_everything_else() {
    let bed = Bed::attach().await;
    let certlet = leader(&bed).await;
    let namespace = bed.new_namespace().await;
    let csr = openssl_csr("/CN=a.example", &[]).await;
    let noise = openssl(&["rand", "-base64", "600000"], "").await;
    let request = STANDARD.encode(format!("{csr}{noise}"));
    let vigil = Vigil::begin(&bed, &certlet);
    let requests = bed
        .objects("cert-manager.io/v1", "CertificateRequest", Some(&namespace))
        .await;
    for number in 0..20 {
        let request = json!({ "apiVersion": "cert-manager.io/v1", "kind": "CertificateRequest", "metadata": { "name": format!("r{number}") },
            "spec": { "request": request, "issuerRef": { "name": "none" } } });
        let request = serde_json::from_value(request).unwrap();
        requests
            .create(&kube::api::PostParams::default(), &request)
            .await
            .unwrap();
    }
    touch(&bed, &namespace, &["certificaterequest/r0", "certificaterequest/r1"]).await;
    vigil.end("requests of a megabyte").await;
}
