//! Metrics over TLS (FLG-27): a certificate from files, and one that certlet signs with a CA in a Secret. Judges are curl and openssl.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking"
)]

mod support;

use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use support::command::try_run;
use support::scene::{SECRETS, Scene, decoded};
use support::{Bed, Certlet, IN_TIME, Pair, eventually, openssl, openssl_verify, served_chain, until};
use tempfile::TempDir;

/// A CA of the test.
fn authority(name: &str) -> Pair {
    Pair::dated(name, -1, 30, true)
}

/// Certificate and key for 127.0.0.1, of this CA.
fn local(authority: &Pair) -> Pair {
    authority.server(&["127.0.0.1"])
}

/// A volume with a Secret, as the kubelet keeps it: files are links through `..data`, which is replaced.
struct Volume {
    folder: TempDir,
    versions: u32,
}

impl Volume {
    fn new(pair: &Pair) -> Self {
        let mut volume = Self {
            folder: TempDir::new().unwrap(),
            versions: 0,
        };
        volume.put(pair);
        for file in ["tls.crt", "tls.key"] {
            symlink(Path::new("..data").join(file), volume.path(file)).unwrap();
        }
        volume
    }

    fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    fn put(&mut self, Pair { certificate, key }: &Pair) {
        self.versions += 1;
        let version = format!("..version{}", self.versions);
        std::fs::create_dir(self.path(&version)).unwrap();
        std::fs::write(self.path(&version).join("tls.crt"), certificate).unwrap();
        std::fs::write(self.path(&version).join("tls.key"), key).unwrap();
        symlink(&version, self.path("..data_tmp")).unwrap();
        std::fs::rename(self.path("..data_tmp"), self.path("..data")).unwrap();
    }

    fn flags(&self) -> [String; 2] {
        [("cert", "tls.crt"), ("private-key", "tls.key")]
            .map(|(flag, file)| format!("--metrics-tls-{flag}-file={}", self.path(file).display()))
    }
}

/// What curl gets that trusts this CA, for a name that leads to the address.
async fn curl(address: SocketAddr, ca: &str, name: &str) -> Result<String, String> {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("ca.pem");
    std::fs::write(&file, ca).unwrap();
    let connect = format!("{name}::{address}");
    let url = format!("https://{name}:{}/metrics", address.port());
    let args = [
        "-sS",
        "--fail",
        "--max-time",
        "10",
        "--connect-to",
        &connect,
        "--cacert",
        file.to_str().unwrap(),
        &url,
    ];
    let finished = try_run("curl", &args, None).await;
    if finished.status.success() {
        Ok(finished.stdout)
    } else {
        Err(finished.stderr)
    }
}

/// The value of a series without labels.
fn value(page: &str, series: &str) -> f64 {
    let line = page
        .lines()
        .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {series} in {page}")).parse().unwrap()
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn files_are_served_and_read_again_when_the_kubelet_replaces_them_and_a_broken_pair_changes_nothing() {
    let bed = Bed::attach().await;
    bed.install_crds().await;
    let (first, second) = (authority("first"), authority("second"));
    let mut volume = Volume::new(&local(&first));
    let [certificate, key] = volume.flags();
    let certlet = Certlet::launch(&bed).args(&[&certificate, &key]).ready().await;
    let metrics = certlet.metrics_address();
    let page = eventually("metrics over TLS", IN_TIME, async || {
        curl(metrics, &first.certificate, "127.0.0.1").await.ok()
    })
    .await;
    assert!(page.contains("certlet_leader 1\n"), "{page}");
    assert!(value(&page, "certlet_metrics_certificate_expiration_timestamp_seconds") > 1e9);
    let refused = curl(metrics, &second.certificate, "127.0.0.1").await.unwrap_err();
    assert!(refused.contains("unable to get local issuer certificate"), "{refused}");
    let plain = try_run(
        "curl",
        &["-sS", "--max-time", "5", &format!("http://{metrics}/metrics")],
        None,
    )
    .await;
    assert!(
        !plain.status.success() && !plain.stdout.contains("certlet_leader"),
        "{plain:?}"
    );

    volume.put(&local(&second));
    eventually("the second pair", IN_TIME, async || {
        curl(metrics, &second.certificate, "127.0.0.1").await.ok()
    })
    .await;

    volume.put(&Pair {
        certificate: local(&first).certificate,
        key: local(&second).key,
    });
    certlet
        .wait_for_log("tls.key: the private key is not the one of the certificate")
        .await;
    let page = curl(metrics, &second.certificate, "127.0.0.1").await.unwrap();
    assert!(value(&page, "certlet_metrics_certificate_failures_total") >= 1.0);
    assert!(value(&page, "certlet_metrics_failed_handshakes_total") >= 2.0);
    std::fs::remove_file(volume.path("tls.key")).unwrap();
    certlet.wait_for_log("tls.key: No such file or directory").await;
    assert!(curl(metrics, &second.certificate, "127.0.0.1").await.is_ok());
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_certificate_that_comes_later_is_served_from_then_on() {
    let bed = Bed::attach().await;
    bed.install_crds().await;
    let authority = authority("later");
    let folder = TempDir::new().unwrap();
    let file = |name: &str| folder.path().join(name);
    let flags = [("cert", "a.crt"), ("private-key", "a.key")]
        .map(|(flag, name)| format!("--metrics-tls-{flag}-file={}", file(name).display()));
    let certlet = Certlet::launch(&bed).args(&[&flags[0], &flags[1]]).ready().await;
    let metrics = certlet.metrics_address();
    certlet.wait_for_log("it accepts no connections until it has one").await;
    assert!(curl(metrics, &authority.certificate, "127.0.0.1").await.is_err());
    let Pair { certificate, key } = local(&authority);
    std::fs::write(file("a.crt"), certificate).unwrap();
    std::fs::write(file("a.key"), key).unwrap();
    eventually("metrics", IN_TIME, async || {
        curl(metrics, &authority.certificate, "127.0.0.1").await.ok()
    })
    .await;
}

/// What `openssl s_client` negotiates with these options: protocol and cipher; `None` if there is no session.
async fn negotiated(address: SocketAddr, options: &[&str]) -> Option<String> {
    let address = address.to_string();
    let args = [&["s_client", "-brief", "-connect", &address], options].concat();
    let finished = try_run("openssl", &args, Some("")).await;
    let said = format!("{}{}", finished.stdout, finished.stderr);
    let of = |name: &str| {
        said.lines()
            .find_map(|line| line.strip_prefix(name))
            .map(str::trim)
            .map(str::to_owned)
    };
    Some(format!("{} {}", of("Protocol version:")?, of("Ciphersuite:")?))
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn versions_and_cipher_suites_are_those_of_the_flags() {
    const OLD: [&str; 3] = ["-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"];
    const AES256: [&str; 3] = ["-tls1_2", "-cipher", "ECDHE-ECDSA-AES256-GCM-SHA384"];
    const AES128: [&str; 3] = ["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256"];
    let bed = Bed::attach().await;
    bed.install_crds().await;
    let authority = authority("suites");
    let volume = Volume::new(&local(&authority));
    let [certificate, key] = volume.flags();
    let start = async |flags: &[&str]| {
        let flags = [&[certificate.as_str(), &key], flags].concat();
        let certlet = Certlet::launch(&bed).args(&flags).ready().await;
        let metrics = certlet.metrics_address();
        eventually("metrics", IN_TIME, async || {
            curl(metrics, &authority.certificate, "127.0.0.1").await.ok()
        })
        .await;
        certlet
    };
    let all = start(&[]).await;
    let metrics = all.metrics_address();
    assert_eq!(negotiated(metrics, &OLD).await, None);
    assert_eq!(
        negotiated(metrics, &AES256).await.unwrap(),
        "TLSv1.2 ECDHE-ECDSA-AES256-GCM-SHA384"
    );
    assert_eq!(
        negotiated(metrics, &AES128).await.unwrap(),
        "TLSv1.2 ECDHE-ECDSA-AES128-GCM-SHA256"
    );
    assert!(negotiated(metrics, &["-tls1_3"]).await.unwrap().starts_with("TLSv1.3 "));
    assert_eq!(
        negotiated(metrics, &["-tls1_2", "-cipher", "AES128-SHA256"]).await,
        None
    );
    drop(all);

    let one = start(&["--metrics-tls-cipher-suites=TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"]).await;
    let metrics = one.metrics_address();
    assert_eq!(negotiated(metrics, &AES256).await, None);
    assert!(negotiated(metrics, &AES128).await.is_some());
    assert!(
        negotiated(metrics, &["-tls1_3"]).await.is_some(),
        "the list has no suite of TLS 1.3"
    );
    drop(one);

    let new = start(&[
        "--metrics-tls-min-version=VersionTLS13",
        "--metrics-tls-cipher-suites=TLS_AES_256_GCM_SHA384",
    ])
    .await;
    let metrics = new.metrics_address();
    assert_eq!(negotiated(metrics, &AES128).await, None);
    assert_eq!(
        negotiated(metrics, &["-tls1_3"]).await.unwrap(),
        "TLSv1.3 TLS_AES_256_GCM_SHA384"
    );
    let other = ["-tls1_3", "-ciphersuites", "TLS_AES_128_GCM_SHA256"];
    assert_eq!(negotiated(metrics, &other).await, None);
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn silent_connections_do_not_keep_others_from_metrics_over_tls() {
    let bed = Bed::attach().await;
    bed.install_crds().await;
    let authority = authority("silent");
    let volume = Volume::new(&local(&authority));
    let [certificate, key] = volume.flags();
    let certlet = Certlet::launch(&bed).args(&[&certificate, &key]).ready().await;
    let metrics = certlet.metrics_address();
    let page = async || curl(metrics, &authority.certificate, "127.0.0.1").await;
    eventually("metrics", IN_TIME, async || page().await.ok()).await;
    let [before, _] = certlet.memory_kib();
    let mut held = Vec::new();
    for number in 0..400 {
        let mut stream = tokio::net::TcpStream::connect(metrics).await.unwrap();
        if number % 2 == 0 {
            // the beginning of a ClientHello
            let _may_be_cut = tokio::io::AsyncWriteExt::write_all(&mut stream, b"\x16\x03\x01\x02\x00\x01").await;
        }
        held.push(stream);
        if number % 40 == 0 {
            assert!(page().await.is_ok(), "after {number}");
        }
    }
    let [after, _] = certlet.memory_kib();
    assert!(after < before + 8 * 1024, "{before} KiB became {after} KiB");
    assert!(page().await.is_ok());
}

/// Flags for a CA in this namespace.
fn dynamic(namespace: &str) -> [String; 3] {
    [
        format!("--metrics-dynamic-serving-ca-secret-namespace={namespace}"),
        "--metrics-dynamic-serving-ca-secret-name=metrics-ca".to_owned(),
        "--metrics-dynamic-serving-dns-names=metrics.example,127.0.0.1".to_owned(),
    ]
}

/// The data of the Secret with the CA, once it exists.
async fn authority_of(scene: &Scene) -> [String; 3] {
    let secrets = scene.objects(SECRETS).await;
    let secret = until(&secrets, "metrics-ca", IN_TIME, |secret: Option<&_>| secret.is_some()).await;
    let secret = secret.unwrap();
    ["ca.crt", "tls.crt", "tls.key"].map(|key| decoded(&secret, &format!("/data/{key}")))
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn two_replicas_share_a_ca_in_a_secret_and_a_deleted_one_is_replaced() {
    let scene = Scene::new().await;
    let [namespace, name, names] = dynamic(&scene.namespace);
    let flags = [namespace.as_str(), &name, &names];
    let launch = || Certlet::launch(&scene.bed).leader_election().args(&flags);
    let (one, two) = (launch().spawn(), launch().spawn());
    one.wait_ready().await;
    two.wait_ready().await;
    let [ca, certificate, key] = authority_of(&scene).await;
    assert_eq!(ca, certificate);
    let is_served = async |certlet: &Certlet, ca: &str| {
        let metrics = certlet.metrics_address();
        for name in ["metrics.example", "127.0.0.1"] {
            eventually(name, IN_TIME, async || curl(metrics, ca, name).await.ok()).await;
        }
    };
    for certlet in [&one, &two] {
        is_served(certlet, &ca).await;
        let chain = served_chain("metrics.example", &certlet.metrics_address().to_string()).await;
        assert_eq!(chain.len(), 1);
        assert_eq!(openssl_verify(&ca, &chain, "metrics.example").await, Ok(()));
        let text = openssl(&["x509", "-noout", "-text"], &chain[0]).await;
        assert!(
            text.contains("ASN1 OID: secp384r1") && text.contains("TLS Web Server Authentication"),
            "{text}"
        );
    }
    let text = openssl(&["x509", "-noout", "-text"], &ca).await;
    assert!(
        text.contains("ASN1 OID: secp384r1") && text.contains("CA:TRUE"),
        "{text}"
    );
    let year = openssl(&["x509", "-noout", "-checkend", &(364 * 86_400).to_string()], &ca).await;
    assert!(year.contains("will not expire"), "{year}");
    assert!(openssl(&["pkey", "-noout", "-text"], &key).await.contains("P-384"));

    // a restart changes nothing
    assert!(two.stop().await.success());
    let two = launch().ready().await;
    is_served(&two, &ca).await;
    assert_eq!(authority_of(&scene).await[2], key);

    scene
        .bed
        .kubectl(&["delete", "secret", "metrics-ca", "-n", &scene.namespace])
        .await;
    let new = eventually("another CA", IN_TIME, async || {
        let [new, _, _] = authority_of(&scene).await;
        (new != ca).then_some(new)
    })
    .await;
    is_served(&one, &new).await;
    is_served(&two, &new).await;
    assert_eq!(authority_of(&scene).await[0], new, "two replicas have one CA");
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_certificate_is_renewed_before_it_expires() {
    let scene = Scene::new().await;
    let [namespace, name, names] = dynamic(&scene.namespace);
    let short = "--metrics-dynamic-serving-leaf-duration=9s";
    let certlet = Certlet::launch(&scene.bed)
        .args(&[&namespace, &name, &names, short])
        .ready()
        .await;
    let metrics = certlet.metrics_address();
    let [ca, _, _] = authority_of(&scene).await;
    let mut serials = std::collections::BTreeSet::new();
    eventually("three certificates, each of them valid", IN_TIME, async || {
        let served = served_chain("metrics.example", &metrics.to_string()).await;
        let leaf = served.first()?;
        if !serials.is_empty() {
            assert_eq!(openssl_verify(&ca, &served, "metrics.example").await, Ok(()));
        }
        serials.insert(openssl(&["x509", "-noout", "-serial"], leaf).await);
        (serials.len() >= 3).then_some(())
    })
    .await;
    assert_eq!(authority_of(&scene).await[0], ca);
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_ca_of_somebody_else_is_used_and_a_secret_of_somebody_else_without_one_is_not_changed() {
    let scene = Scene::new().await;
    let [namespace, name, names] = dynamic(&scene.namespace);
    let manifest = "apiVersion: v1\nkind: Secret\nmetadata: {name: metrics-ca}\nstringData: {password: hunter2}\n";
    scene.apply(manifest).await;
    let certlet = Certlet::launch(&scene.bed)
        .args(&[&namespace, &name, &names])
        .ready()
        .await;
    certlet
        .wait_for_log("is not changed because neither certlet nor cert-manager created it")
        .await;
    let secret = scene
        .bed
        .kubectl(&["get", "secret", "metrics-ca", "-n", &scene.namespace, "-o", "json"])
        .await;
    assert!(secret.contains("password") && !secret.contains("tls.key"), "{secret}");

    let authority = authority("of somebody else");
    let pem = serde_json::json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "metrics-ca"},
        "stringData": {"tls.crt": authority.certificate, "tls.key": authority.key},
    });
    scene.apply(&pem.to_string()).await;
    let metrics = certlet.metrics_address();
    eventually("the CA is used", IN_TIME, async || {
        curl(metrics, &authority.certificate, "metrics.example").await.ok()
    })
    .await;
    let [_, certificate, _] = authority_of(&scene).await;
    assert_eq!(certificate, authority.certificate);
}

/// The Secret of a CA that certlet, or cert-manager, has created.
fn own_secret(Pair { certificate, key }: &Pair) -> String {
    let metadata = serde_json::json!({
        "name": "metrics-ca",
        "labels": {"app.kubernetes.io/managed-by": "cert-manager"},
        "annotations": {"cert-manager.io/allow-direct-injection": "true"},
    });
    let data = serde_json::json!({"ca.crt": certificate, "tls.crt": certificate, "tls.key": key});
    serde_json::json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": data}).to_string()
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_ca_near_its_end_gets_a_new_certificate_and_clients_that_trust_the_old_one_are_served() {
    const NAME: &str = "metrics.example";
    const DAYS_300: &str = "25920000";
    let scene = Scene::new().await;
    let [namespace, name, names] = dynamic(&scene.namespace);
    let old = Pair::dated("certlet-metrics-ca", -300, 30, true);
    scene.apply(&own_secret(&old)).await;
    let certlet = Certlet::launch(&scene.bed)
        .args(&[&namespace, &name, &names])
        .ready()
        .await;
    let metrics = certlet.metrics_address();
    let renewed = async |old: &Pair| {
        let [ca, certificate, key] = eventually("a new certificate of the CA", IN_TIME, async || {
            let found = authority_of(&scene).await;
            (found[1] != old.certificate).then_some(found)
        })
        .await;
        assert_eq!(ca, certificate);
        let public = async |key: &str| openssl(&["pkey", "-pubout"], key).await;
        assert_eq!(public(&key).await, public(&old.key).await, "the key stays");
        let end = openssl(&["x509", "-noout", "-checkend", DAYS_300], &ca).await;
        assert!(end.contains("will not expire"), "{end}");
        ca
    };
    let new = renewed(&old).await;
    for ca in [&old.certificate, &new] {
        eventually("metrics", IN_TIME, async || curl(metrics, ca, NAME).await.ok()).await;
        let chain = served_chain(NAME, &metrics.to_string()).await;
        assert_eq!(openssl_verify(ca, &chain, NAME).await, Ok(()));
    }

    // the same while certlet runs, with another key
    let other = Pair::dated("certlet-metrics-ca", -340, 3, true);
    scene.apply(&own_secret(&other)).await;
    let new = renewed(&other).await;
    for ca in [&other.certificate, &new] {
        eventually("metrics", IN_TIME, async || curl(metrics, ca, NAME).await.ok()).await;
    }
}
