//! OpenBao, whose PKI engine has an ACME server. It speaks plain HTTP, and validates in the background.

use serde_json::{Value, json};

use super::{ADDRESS, AcmeServer, Process, is_there};
use crate::support::bed::Bed;
use crate::support::dns::RESOLVER;
use crate::support::names::plain_http;
use crate::support::wait::{IN_TIME, eventually};

const PORT: u16 = 8200;
const TOKEN: &str = "root";

/// An OpenBao with a root in the mount `root` and an intermediate in the mount `pki`, which issues for names below `example` only.
pub(crate) struct OpenBao {
    /// What issuers have to know of it.
    pub(crate) acme: AcmeServer,
    http: reqwest::Client,
    process: Process,
    log: std::path::PathBuf,
}

impl OpenBao {
    /// Starts it; `None` if the bed has none, which is said of `test`.
    pub(crate) async fn start(bed: &Bed, test: &str) -> Option<Self> {
        Self::start_with(bed, test, &[]).await
    }

    /// As [`OpenBao::start`], in a folder with these files; the first one, if there is one, is its configuration.
    pub(crate) async fn start_with(bed: &Bed, test: &str, files: &[(&str, String)]) -> Option<Self> {
        Self::start_as(bed, test, files, &[]).await
    }

    /// As [`OpenBao::start_with`], with these arguments.
    pub(crate) async fn start_as(bed: &Bed, test: &str, files: &[(&str, String)], arguments: &[&str]) -> Option<Self> {
        if !is_there(bed, "bao", test) {
            return None;
        }
        let listen = format!("-dev-listen-address={ADDRESS}:{PORT}");
        let root_token = format!("-dev-root-token-id={TOKEN}");
        let config = files.first().map(|(file, _)| format!("-config={file}"));
        let mut command = vec!["bao", "server", "-dev", "-dev-no-store-token", &root_token, &listen];
        command.extend(config.as_deref());
        command.extend(arguments);
        let process = Process::start(bed, "openbao", &command, files);
        let mut bao = Self {
            acme: AcmeServer {
                directory: url("pki/acme/directory"),
                root: String::new(),
                tls_ca: None,
            },
            http: plain_http(),
            process,
            log: bed.path("logs/openbao.log"),
        };
        eventually("OpenBao answers", IN_TIME, async || {
            let answer = bao.http.get(url("sys/health")).send().await.ok()?;
            answer.status().is_success().then_some(())
        })
        .await;
        bao.prepare().await;
        Some(bao)
    }

    /// Makes it look names up at this DNS server (`address:port`).
    pub(crate) async fn resolve_at(&self, server: &str) {
        self.write("pki/config/acme", &acme_config(server, "not-required"))
            .await;
    }

    /// Makes it want accounts to be bound to an external one; a key for that: its identifier and the key itself, in base64url.
    pub(crate) async fn require_external_account(&self) -> (String, String) {
        self.write("pki/config/acme", &acme_config(RESOLVER, "always-required"))
            .await;
        let made = self.write("pki/acme/new-eab", &json!({})).await;
        let text = |name: &str| made["data"][name].as_str().unwrap().to_owned();
        (text("id"), text("key"))
    }

    /// Ends its sealed state with the key that it printed at its start.
    pub(crate) async fn unseal(&self) {
        let log = std::fs::read_to_string(&self.log).unwrap();
        let key = log
            .lines()
            .filter_map(|line| line.trim().strip_prefix("Unseal Key: "))
            .next_back();
        self.write("sys/unseal", &json!({"key": key.unwrap()})).await;
    }

    /// A file in its folder, or nothing.
    pub(crate) fn read(&self, file: &str) -> String {
        std::fs::read_to_string(self.process.folder.path().join(file)).unwrap_or_default()
    }

    /// The requests of clients in its file `audit.log` whose path begins so.
    pub(crate) fn requests(&self, begins: &str) -> usize {
        let log = self.read("audit.log");
        let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let is_one = |line: &Value| {
            line["type"] == "request"
                // a server in development mode revokes a token of its own
                && line["request"]["remote_address"].is_string()
                && line["request"]["path"]
                    .as_str()
                    .is_some_and(|path| path.starts_with(begins))
        };
        lines.filter(is_one).count()
    }

    async fn prepare(&mut self) {
        self.mount("root").await;
        let subject = json!({"common_name": "Bed Root", "key_type": "ec", "key_bits": 256, "ttl": "8000h"});
        self.write("root/root/generate/internal", &subject).await;
        self.mount("pki").await;
        let subject = json!({"common_name": "Bed Intermediate", "key_type": "ec", "key_bits": 256});
        let request = self.write("pki/intermediate/generate/internal", &subject).await;
        let request = json!({"csr": request["data"]["csr"], "common_name": "Bed Intermediate", "ttl": "7000h"});
        let signed = self.write("root/root/sign-intermediate", &request).await;
        let signed = json!({"certificate": signed["data"]["certificate"]});
        self.write("pki/intermediate/set-signed", &signed).await;

        let role = json!({
            "allowed_domains": ["example"], "allow_subdomains": true, "allow_wildcard_certificates": true,
            "key_type": "any", "ttl": "720h", "require_cn": false,
        });
        self.write("pki/roles/names", &role).await;
        self.write("pki/config/cluster", &json!({"path": url("pki")})).await;
        self.resolve_at(RESOLVER).await;
        let root = self.http.get(url("root/ca/pem")).send().await.unwrap();
        self.acme.root = root.text().await.unwrap();
    }

    /// A PKI engine whose answers have the headers that ACME clients need.
    async fn mount(&self, path: &str) {
        let headers = ["Last-Modified", "Location", "Replay-Nonce", "Link", "Retry-After"];
        let config = json!({"max_lease_ttl": "8760h", "allowed_response_headers": headers});
        let engine = json!({"type": "pki", "config": config});
        self.write(&format!("sys/mounts/{path}"), &engine).await;
    }

    /// Writes to a path with the root token, which must succeed.
    pub(crate) async fn write(&self, path: &str, body: &Value) -> Value {
        let request = self.http.post(url(path)).header("X-Vault-Token", TOKEN);
        let answer = request.body(body.to_string()).send().await.unwrap();
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        assert!(status.is_success(), "{path} answered {status}: {text}");
        serde_json::from_str(&text).unwrap_or_default()
    }
}

fn acme_config(resolver: &str, eab_policy: &str) -> Value {
    json!({
        "enabled": true, "dns_resolver": resolver, "eab_policy": eab_policy,
        "default_directory_policy": "role:names", "allowed_roles": ["*"],
    })
}

fn url(path: &str) -> String {
    format!("http://{ADDRESS}:{PORT}/v1/{path}")
}
