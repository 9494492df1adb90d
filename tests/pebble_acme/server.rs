//! A Pebble of the test's own with its DNS and its HTTP-01 responder (challtestsrv), on free ports of the loopback.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::command::{NEW_P256, openssl};

/// How the server differs from `pebble/config.json`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    /// Requires external account binding with one of the keys in `pebble/config.json`.
    pub(crate) external_account_required: bool,
    /// How many of a hundred nonces are refused.
    pub(crate) nonce_reject_percent: u8,
    /// How many further roots there are.
    pub(crate) alternate_roots: u8,
    /// The server's own certificate is a self-signed CA certificate.
    pub(crate) certificate_is_a_ca: bool,
}

/// A running server; it ends when the value is dropped.
pub(crate) struct Server {
    folder: TempDir,
    directory: u16,
    management: u16,
    challenges: u16,
    dns: u16,
    options: Options,
    pebble: Child,
    responder: Child,
    http: reqwest::Client,
}

impl Server {
    pub(crate) async fn start(options: Options) -> Self {
        let folder = tempfile::tempdir().unwrap();
        make_certificates(folder.path(), options.certificate_is_a_ca).await;
        let [directory, management, http, tls, dns, challenges] = free_ports();
        write_config(folder.path(), &options, [directory, management, http, tls]);
        let responder = Command::new(program("pebble-challtestsrv"))
            .args([
                "-defaultIPv4",
                "127.0.0.1",
                "-defaultIPv6",
                "",
                "-https01",
                "",
                "-tlsalpn01",
                "",
                "-doh",
                "",
            ])
            .args([
                "-http01",
                &format!("127.0.0.1:{http}"),
                "-dnsserver",
                &format!("127.0.0.1:{dns}"),
            ])
            .args(["-management", &format!("127.0.0.1:{challenges}")])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let root = reqwest::Certificate::from_pem(&std::fs::read(folder.path().join("ca.crt")).unwrap()).unwrap();
        let http = reqwest::Client::builder()
            .no_proxy()
            .user_agent("test")
            .tls_certs_only([root])
            .tls_danger_accept_invalid_certs(true);
        let pebble = spawn(folder.path(), &options, dns);
        let server = Self {
            folder,
            directory,
            management,
            challenges,
            dns,
            options,
            pebble,
            responder,
            http: http.build().unwrap(),
        };
        server.answers().await;
        server
    }

    /// Ends the server and starts it again: it has forgotten everything.
    pub(crate) async fn restart(&mut self) {
        self.pebble.kill().unwrap();
        self.pebble.wait().unwrap();
        self.pebble = spawn(self.folder.path(), &self.options, self.dns);
        self.answers().await;
    }

    pub(crate) fn directory(&self) -> String {
        format!("https://127.0.0.1:{}/dir", self.directory)
    }

    /// The CA of the server's own certificate.
    pub(crate) fn ca_file(&self) -> PathBuf {
        self.folder.path().join("ca.crt")
    }

    pub(crate) fn ca_bundle(&self) -> Vec<u8> {
        std::fs::read(self.ca_file()).unwrap()
    }

    /// A folder that lives as long as the server.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The root (0: the default, then the alternates) below which certificates are issued, as PEM.
    pub(crate) async fn root(&self, number: u8) -> String {
        let url = format!("https://127.0.0.1:{}/roots/{number}", self.management);
        self.http
            .get(url)
            .send()
            .await
            .unwrap()
            .error_for_status()
            .unwrap()
            .text()
            .await
            .unwrap()
    }

    /// Answers a challenge's token with a key authorization.
    pub(crate) async fn respond(&self, token: &str, content: &str) {
        self.tell_responder("add-http01", &json!({"token": token, "content": content}))
            .await;
    }

    /// Moves a certificate's renewal window (RFC 9773).
    pub(crate) async fn set_renewal_window(&self, certificate: &str, start: &str, end: &str) {
        let window = json!({"suggestedWindow": {"start": start, "end": end}}).to_string();
        let body = json!({"certificate": certificate, "ariResponse": window}).to_string();
        let url = format!("https://127.0.0.1:{}/set-renewal-info/", self.management);
        let answer = self.http.post(url).body(body).send().await.unwrap();
        assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
    }

    async fn tell_responder(&self, path: &str, body: &Value) {
        let url = format!("http://127.0.0.1:{}/{path}", self.challenges);
        self.http
            .post(url)
            .body(body.to_string())
            .send()
            .await
            .unwrap()
            .error_for_status()
            .unwrap();
    }

    async fn answers(&self) {
        let (url, roots) = (self.directory(), format!("http://127.0.0.1:{}/", self.challenges));
        let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
        while self.http.get(&url).send().await.is_err() || self.http.get(&roots).send().await.is_err() {
            assert!(
                tokio::time::Instant::now() < deadline,
                "pebble does not answer at {url}"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        for child in [&mut self.pebble, &mut self.responder] {
            drop(child.kill());
            drop(child.wait());
        }
    }
}

fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A program of the test bed; `tests/testbed/build.sh acme` builds it.
fn program(name: &str) -> PathBuf {
    let output = Command::new(project().join("tests/testbed/build.sh"))
        .arg("--print-path")
        .output()
        .unwrap();
    let path = Path::new(String::from_utf8(output.stdout).unwrap().trim()).join(name);
    assert!(
        path.exists(),
        "{} is not there; run tests/testbed/build.sh acme",
        path.display()
    );
    path
}

fn spawn(folder: &Path, options: &Options, dns: u16) -> Child {
    let log = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(folder.join("log"))
        .unwrap();
    Command::new(program("pebble"))
        .args([
            "-strict",
            "-config",
            "config.json",
            "-dnsserver",
            &format!("127.0.0.1:{dns}"),
        ])
        .current_dir(folder)
        .env("PEBBLE_VA_NOSLEEP", "1")
        .env("PEBBLE_AUTHZREUSE", "0")
        .env("PEBBLE_WFE_NONCEREJECT", options.nonce_reject_percent.to_string())
        .env("PEBBLE_ALTERNATE_ROOTS", options.alternate_roots.to_string())
        .stdin(Stdio::null())
        .stderr(log.try_clone().unwrap())
        .stdout(log)
        .spawn()
        .unwrap()
}

fn write_config(folder: &Path, options: &Options, [directory, management, http, tls]: [u16; 4]) {
    let text = std::fs::read_to_string(project().join("pebble/config.json")).unwrap();
    let mut config: Value = serde_json::from_str(&text).unwrap();
    let settings = &mut config["pebble"];
    settings["listenAddress"] = json!(format!("127.0.0.1:{directory}"));
    settings["managementListenAddress"] = json!(format!("127.0.0.1:{management}"));
    settings["certificate"] = json!("server.crt");
    settings["privateKey"] = json!("server.key");
    (settings["httpPort"], settings["tlsPort"]) = (json!(http), json!(tls));
    settings["externalAccountBindingRequired"] = json!(options.external_account_required);
    std::fs::write(folder.join("config.json"), config.to_string()).unwrap();
}

/// `ca.crt`, `server.crt` and `server.key`: a server certificate below a CA, or one that is its own CA.
async fn make_certificates(folder: &Path, certificate_is_a_ca: bool) {
    let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let make = async |name: &str, subject: &str, options: &[&str]| {
        let (key, certificate) = (path(&format!("{name}.key")), path(&format!("{name}.crt")));
        let files = ["-subj", subject, "-days", "2", "-keyout", &key, "-out", &certificate];
        openssl(&[&["req", "-x509"], &files[..], &NEW_P256, options].concat(), "").await;
    };
    let names = ["-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"];
    if certificate_is_a_ca {
        make("server", "/CN=own CA", &names).await;
        std::fs::copy(path("server.crt"), path("ca.crt")).unwrap();
        return;
    }
    make("ca", "/CN=test CA", &[]).await;
    let (ca, key) = (path("ca.crt"), path("ca.key"));
    let below = [
        "-CA",
        &ca,
        "-CAkey",
        &key,
        "-addext",
        "basicConstraints=critical,CA:FALSE",
    ];
    make("server", "/CN=server", &[&names[..], &below].concat()).await;
}

fn free_ports<const N: usize>() -> [u16; N] {
    // All at once, so that they differ.
    let held = [(); N].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    held.map(|listener| listener.local_addr().unwrap().port())
}
