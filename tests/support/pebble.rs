//! Pebble, the ACME test server: the bed's own, and others that a test starts with other settings.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::bed::{Bed, project};
use super::command::split_pem;
use super::wait::eventually;

/// An ACME server.
pub(crate) struct Pebble {
    directory: String,
    management: String,
    ca: PathBuf,
    http: reqwest::Client,
    log: PathBuf,
    own: Option<OwnPebble>,
}

/// How a test's own Pebble is set. The default is as the bed's own where `PEBBLE_STRICT` and `PEBBLE_WFE_NONCEREJECT` say how that one
/// is; else it is lenient, and refuses no nonce.
#[derive(Clone, Debug)]
pub(crate) struct PebbleOptions {
    /// `-strict`.
    pub(crate) strict: bool,
    /// Requires external account binding with one of the keys in `pebble/config.json`.
    pub(crate) external_account_required: bool,
    /// How many of a hundred nonces are refused.
    pub(crate) nonce_reject_percent: u8,
    /// How many of a hundred valid authorizations are used again.
    pub(crate) authorization_reuse_percent: u8,
    /// How many further roots there are.
    pub(crate) alternate_roots: u8,
    /// How many intermediates a chain has; 0 means 1.
    pub(crate) chain_length: u8,
    /// Seconds that polling clients are told to wait; 0 means 1.
    pub(crate) retry_after_seconds: u32,
}

struct OwnPebble {
    child: Child,
    config: PathBuf,
    options: PebbleOptions,
    bed: PathBuf,
    log: PathBuf,
}

impl Default for PebbleOptions {
    fn default() -> Self {
        let set = |name: &str| std::env::var(name).unwrap_or_default();
        Self {
            strict: !set("PEBBLE_STRICT").is_empty(),
            external_account_required: false,
            nonce_reject_percent: set("PEBBLE_WFE_NONCEREJECT").parse().unwrap_or(0),
            authorization_reuse_percent: 0,
            alternate_roots: 0,
            chain_length: 0,
            retry_after_seconds: 0,
        }
    }
}

impl Pebble {
    pub(super) fn of_bed(bed: &Bed) -> Self {
        Self::at(bed, 14000, 15000)
    }

    fn at(bed: &Bed, directory: u16, management: u16) -> Self {
        let ca = bed.path("pki/acme-ca.crt");
        let root = reqwest::Certificate::from_pem(&std::fs::read(&ca).unwrap()).unwrap();
        Self {
            directory: format!("https://127.0.0.1:{directory}/dir"),
            management: format!("https://127.0.0.1:{management}"),
            ca,
            http: reqwest::Client::builder()
                // Pebble -strict refuses clients without a name.
                .user_agent("certlet-tests")
                .no_proxy()
                .tls_certs_only([root])
                .build()
                .unwrap(),
            log: bed.path("logs/pebble.log"),
            own: None,
        }
    }

    /// Starts a Pebble of the test's own, on free ports; it ends when the value is dropped.
    pub(crate) async fn start(bed: &Bed, options: PebbleOptions) -> Self {
        let [directory, management] = free_ports();
        let mut config: Value =
            serde_json::from_str(&std::fs::read_to_string(project().join("pebble/config.json")).unwrap()).unwrap();
        let settings = &mut config["pebble"];
        settings["listenAddress"] = json!(format!("0.0.0.0:{directory}"));
        settings["managementListenAddress"] = json!(format!("0.0.0.0:{management}"));
        settings["externalAccountBindingRequired"] = json!(options.external_account_required);
        let retry_after = options.retry_after_seconds.max(1);
        settings["retryAfter"] = json!({"authz": retry_after, "order": retry_after});
        let path = bed.path(&format!("run/pebble-{directory}.json"));
        std::fs::write(&path, config.to_string()).unwrap();
        let log = bed.path(&format!("logs/pebble-{directory}.log"));
        let child = spawn(&path, &options, &bed.path("."), &log);
        let mut pebble = Self::at(bed, directory, management);
        pebble.log.clone_from(&log);
        pebble.own = Some(OwnPebble {
            child,
            config: path,
            options,
            bed: bed.path("."),
            log,
        });
        pebble.answers().await;
        pebble
    }

    /// Ends this Pebble and starts it again: it has forgotten everything, its roots and accounts too.
    ///
    /// # Panics
    /// For the bed's own, which other tests use.
    pub(crate) async fn restart(&mut self) {
        let own = self
            .own
            .as_mut()
            .expect("the bed's own Pebble is not restarted: Pebble::start makes another");
        own.stop();
        own.child = spawn(&own.config, &own.options, &own.bed, &own.log);
        self.answers().await;
    }

    /// Ends this Pebble until it is restarted: nobody listens where it was.
    ///
    /// # Panics
    /// For the bed's own, which other tests use.
    pub(crate) fn stop(&mut self) {
        self.own
            .as_mut()
            .expect("the bed's own Pebble is not stopped: Pebble::start makes another")
            .stop();
    }

    /// The URL of the directory.
    pub(crate) fn directory(&self) -> &str {
        &self.directory
    }

    /// `host:port` of the ACME API.
    pub(crate) fn authority(&self) -> &str {
        self.directory.trim_start_matches("https://").trim_end_matches("/dir")
    }

    /// The CA of the server's own TLS certificate, as `caBundle` of an issuer wants it: base64 of PEM.
    pub(crate) fn ca_bundle(&self) -> String {
        BASE64_STANDARD.encode(std::fs::read(&self.ca).unwrap())
    }

    /// A file with the CA of the server's own TLS certificate.
    pub(crate) fn ca_file(&self) -> &PathBuf {
        &self.ca
    }

    /// The root (0: the default, from 1 on: alternates) below which certificates are issued, as PEM.
    pub(crate) async fn trust(&self, root: u8) -> String {
        self.manage(&format!("/roots/{root}")).await
    }

    /// The intermediates below that root, each as PEM.
    pub(crate) async fn intermediates(&self, root: u8) -> Vec<String> {
        split_pem(&self.manage(&format!("/intermediates/{root}")).await)
    }

    /// Sets what the server says about when to renew a certificate (RFC 9773): RFC 3339 times.
    pub(crate) async fn set_renewal_window(&self, certificate: &str, start: &str, end: &str) {
        let answer = json!({"suggestedWindow": {"start": start, "end": end}}).to_string();
        self.set_renewal_info(certificate, &answer).await;
    }

    /// Sets the renewal information of a certificate to any text, nonsense included.
    pub(crate) async fn set_renewal_info(&self, certificate: &str, answer: &str) {
        let body = json!({"certificate": certificate, "ariResponse": answer}).to_string();
        let url = format!("{}/set-renewal-info/", self.management);
        let answer = self.http.post(&url).body(body).send().await.unwrap();
        assert!(answer.status().is_success(), "{url} answered {}", answer.status());
    }

    /// What it has logged so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    async fn manage(&self, path: &str) -> String {
        let url = format!("{}{path}", self.management);
        let answer = self.http.get(&url).send().await.unwrap();
        assert!(answer.status().is_success(), "{url} answered {}", answer.status());
        answer.text().await.unwrap()
    }

    async fn answers(&self) {
        eventually("Pebble answers", Duration::from_secs(20), async || {
            self.http
                .get(&self.directory)
                .send()
                .await
                .ok()
                .filter(|answer| answer.status().is_success())
        })
        .await;
    }
}

impl OwnPebble {
    fn stop(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Drop for OwnPebble {
    fn drop(&mut self) {
        self.stop();
    }
}

fn spawn(config: &PathBuf, options: &PebbleOptions, bed: &PathBuf, log: &PathBuf) -> Child {
    let log = std::fs::OpenOptions::new().create(true).append(true).open(log).unwrap();
    let mut command = Command::new("pebble");
    command
        .arg("-config")
        .arg(config)
        .args(["-dnsserver", super::dns::RESOLVER])
        .current_dir(bed);
    if options.strict {
        command.arg("-strict");
    }
    let variables = [
        ("PEBBLE_VA_NOSLEEP", 1),
        ("PEBBLE_WFE_NONCEREJECT", options.nonce_reject_percent),
        ("PEBBLE_AUTHZREUSE", options.authorization_reuse_percent),
        ("PEBBLE_ALTERNATE_ROOTS", options.alternate_roots),
        ("PEBBLE_CHAIN_LENGTH", options.chain_length.max(1)),
    ];
    command.envs(variables.map(|(name, value)| (name, value.to_string())));
    let errors = log.try_clone().unwrap();
    command
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(errors)
        .spawn()
        .expect("cannot start pebble: is the bed running?")
}

/// Two ports on which nobody listens now.
fn free_ports() -> [u16; 2] {
    // Both at once, so that they differ.
    let held = [(); 2].map(|()| TcpListener::bind("0.0.0.0:0").unwrap());
    held.map(|listener| listener.local_addr().unwrap().port())
}
