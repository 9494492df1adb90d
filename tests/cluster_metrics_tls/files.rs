//! A certificate from files.

use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::{
    authority, curl, local,
    support::{Bed, Certlet, IN_TIME, Pair, command::try_run, eventually},
    value,
};

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
