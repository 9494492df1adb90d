//! Caddy with the ACME server of smallstep's step-ca. It validates while the client waits for the answer to its challenge.

use serde_json::Value;

use super::{ADDRESS, AcmeServer, Process, is_there};
use crate::support::bed::Bed;
use crate::support::dns::RESOLVER;
use crate::support::names::plain_http;
use crate::support::wait::{IN_TIME, eventually};

/// Its port for ACME, and the one where it tells its CA.
const PORT: u16 = 8443;
const ADMIN_PORT: u16 = 2019;

/// A Caddy whose CA is its own: a root and an intermediate, both P-256. It does not issue for `refused.test` and names below it.
pub(crate) struct Caddy {
    /// What issuers have to know of it.
    pub(crate) acme: AcmeServer,
    _process: Process,
}

impl Caddy {
    /// Starts it; `None` if the bed has none, which is said of `test`.
    pub(crate) async fn start(bed: &Bed, test: &str) -> Option<Self> {
        Self::start_with_resolver(bed, test, RESOLVER).await
    }

    /// The same, with another DNS server (`address:port`).
    pub(crate) async fn start_with_resolver(bed: &Bed, test: &str, resolver: &str) -> Option<Self> {
        if !is_there(bed, "caddy", test) {
            return None;
        }
        // For HTTP-01 it finds names as the system does, so it gets an /etc/resolv.conf of its own.
        let (address, _) = RESOLVER.rsplit_once(':').unwrap();
        let files = [
            ("Caddyfile", config(resolver)),
            ("resolv.conf", format!("nameserver {address}\n")),
        ];
        let run = "mount --bind resolv.conf /etc/resolv.conf && exec caddy run --config Caddyfile --adapter caddyfile";
        let process = Process::start(bed, "caddy", &["unshare", "--mount", "sh", "-c", run], &files);
        let directory = format!("https://{ADDRESS}:{PORT}/acme/local/directory");
        let root = root().await;
        let acme = AcmeServer {
            directory,
            tls_ca: Some(root.clone()),
            root,
        };
        answers(&acme).await;
        Some(Self {
            acme,
            _process: process,
        })
    }
}

fn config(resolver: &str) -> String {
    format!(
        "{{
	admin {ADDRESS}:{ADMIN_PORT}
	auto_https disable_redirects
	skip_install_trust
	persist_config off
	storage file_system data
}}
https://{ADDRESS}:{PORT} {{
	bind {ADDRESS}
	tls internal
	acme_server {{
		challenges http-01 dns-01
		resolvers tcp/{resolver}
		allow_wildcard_names
		deny {{
			domains refused.test *.refused.test
		}}
	}}
}}
"
    )
}

/// The root of its CA, which it tells when it is ready.
async fn root() -> String {
    let (http, url) = (plain_http(), format!("http://{ADDRESS}:{ADMIN_PORT}/pki/ca/local"));
    eventually("Caddy tells its root", IN_TIME, async || {
        let answer = http.get(&url).send().await.ok()?;
        let told: Value = serde_json::from_str(&answer.text().await.ok()?).ok()?;
        Some(told["root_certificate"].as_str()?.to_owned())
    })
    .await
}

/// It makes its TLS certificate after its start.
async fn answers(acme: &AcmeServer) {
    let root = reqwest::Certificate::from_pem(acme.root.as_bytes()).unwrap();
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([root]);
    let http = client.build().unwrap();
    eventually("Caddy answers", IN_TIME, async || {
        let answer = http.get(&acme.directory).send().await.ok()?;
        answer.status().is_success().then_some(())
    })
    .await;
}
