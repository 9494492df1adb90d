//! `certlet inspect url`: shows the certificate of a server.

use std::net::{TcpStream, ToSocketAddrs as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::crypto::CryptoProvider;
use rustls::{ClientConnection, RootCertStore};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use serde::Serialize;

use super::report::CertificateReport;
use crate::cli::ca::{Error, Surroundings, read_bundle};
use crate::cli::format::{Format, print, rows};
use crate::pki::certificate::CertificateInfo;
use crate::pki::tls;

/// Show the certificate of a server and whether clients accept it
#[derive(Clone, Debug, clap::Args)]
pub(super) struct UrlArgs {
    /// The server: an https URL, or HOST:PORT
    url: String,
    /// Name to request (SNI) and to verify, if it is not the host
    #[arg(long, value_name = "NAME")]
    server_name: Option<String>,
    /// File with CAs to trust, instead of the public ones and those of the system
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Output format
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    output: Format,
}

/// Time limit for the connection, and for each read and write.
const TIMEOUT: Duration = Duration::from_secs(10);
const MAX_ROUNDS: usize = 100;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct UrlReport {
    server: String,
    protocol: String,
    accepted: bool,
    verdict: String,
    chain: Vec<CertificateReport>,
}

pub(super) fn run(args: &UrlArgs, surroundings: &mut Surroundings<'_>) -> Result<ExitCode, Error> {
    let (host, port) = target(&args.url)?;
    let name = args.server_name.clone().unwrap_or_else(|| host.clone());
    let server_name = ServerName::try_from(name.clone())
        .map_err(|_| Error::Usage(format!("{name:?} is neither a host name nor an IP address")))?;
    let provider = tls::provider();
    let connection = handshake(&host, port, server_name.clone(), &provider)?;
    let chain = connection.peer_certificates().unwrap_or_default();
    let infos = chain
        .iter()
        .map(|der| CertificateInfo::parse(der))
        .collect::<Result<Vec<_>, _>>()?;
    let verdict = verify(
        chain,
        &server_name,
        roots(args.ca.as_ref(), surroundings)?,
        &provider,
        surroundings,
    );
    let report = UrlReport {
        server: format!("{host}:{port}"),
        protocol: connection
            .protocol_version()
            .map(|version| format!("{version:?}"))
            .unwrap_or_default(),
        accepted: verdict.is_ok(),
        verdict: match &verdict {
            Ok(()) => format!("clients that trust its CA accept it for {name}"),
            Err(why) => format!("clients reject it: {why}"),
        },
        chain: infos
            .iter()
            .map(|info| CertificateReport::new(info, surroundings.now))
            .collect(),
    };
    print(surroundings.out, args.output, &report, UrlReport::table)?;
    Ok(if report.accepted {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(crate::cli::NEGATIVE)
    })
}

impl UrlReport {
    fn table(&self) -> String {
        let head = rows(&[
            ("SERVER", self.server.clone()),
            ("Protocol", self.protocol.clone()),
            ("Verdict", self.verdict.clone()),
        ]);
        let chain = self
            .chain
            .iter()
            .map(|certificate| format!("\n{}", certificate.table()));
        std::iter::once(head).chain(chain).collect()
    }
}

fn target(url: &str) -> Result<(String, u16), Error> {
    let wrong = || Error::Usage(format!("{url:?} is not valid: use https://HOST or HOST:PORT"));
    let authority = url.strip_prefix("https://").unwrap_or(url);
    let authority = authority
        .split(['/', '?', '#'])
        .next()
        .filter(|authority| !authority.is_empty())
        .ok_or_else(wrong)?;
    let authority: http::uri::Authority = authority.parse().map_err(|_| wrong())?;
    let host = authority.host().trim_matches(['[', ']']).to_owned();
    Ok((host, authority.port_u16().unwrap_or(443)))
}

fn handshake(
    host: &str,
    port: u16,
    name: ServerName<'static>,
    provider: &Arc<CryptoProvider>,
) -> Result<ClientConnection, Error> {
    let failed = |what: &str, error: &dyn std::fmt::Display| Error::Usage(format!("{host}:{port}: {what}: {error}"));
    let addresses = (host, port)
        .to_socket_addrs()
        .map_err(|error| failed("the name cannot be resolved", &error))?;
    let mut last = None;
    let connected = addresses.into_iter().find_map(|address| {
        TcpStream::connect_timeout(&address, TIMEOUT)
            .map_err(|error| last = Some(error))
            .ok()
    });
    let Some(mut socket) = connected else {
        let why = last.map_or_else(|| "it has no address".to_owned(), |error| error.to_string());
        return Err(failed("cannot connect", &why));
    };
    let timeout = Some(TIMEOUT);
    socket
        .set_read_timeout(timeout)
        .and_then(|()| socket.set_write_timeout(timeout))?;
    // the handshake accepts every certificate, which is verified below; nothing is sent over the connection
    let config = tls::client_config(
        Arc::new(tls::AnyServer::new(Arc::clone(provider))),
        Arc::clone(provider),
    )
    .map_err(|error| failed("cannot set up TLS", &error))?;
    let mut connection =
        ClientConnection::new(Arc::new(config), name).map_err(|error| failed("cannot set up TLS", &error))?;
    for _ in 0..MAX_ROUNDS {
        if !connection.is_handshaking() {
            break;
        }
        connection
            .complete_io(&mut socket)
            .map_err(|error| failed("the server does not complete a TLS handshake", &tls::io_error(&error)))?;
    }
    Ok(connection)
}

fn verify(
    chain: &[CertificateDer<'_>],
    name: &ServerName<'_>,
    roots: RootCertStore,
    provider: &Arc<CryptoProvider>,
    surroundings: &Surroundings<'_>,
) -> Result<(), String> {
    let Some((leaf, intermediates)) = chain.split_first() else {
        return Err("the server sent no certificate".into());
    };
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
        .build()
        .map_err(|error| error.to_string())?;
    let seconds = u64::try_from(surroundings.now.as_second()).unwrap_or_default();
    let at = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
    match verifier.verify_server_cert(leaf, intermediates, name, &[], at) {
        Ok(_) => Ok(()),
        Err(error) => Err(tls::error(&error)),
    }
}

/// The trusted CAs: the public ones and those of the system, or only those of a file.
fn roots(file: Option<&PathBuf>, surroundings: &mut Surroundings<'_>) -> Result<RootCertStore, Error> {
    if let Some(file) = file {
        let mut roots = RootCertStore::empty();
        let (certificates, passed_over) = read_bundle(file)?;
        for what in passed_over {
            surroundings.remark(&format!("warning: {}: {what}", file.display()))?;
        }
        for der in certificates {
            roots.add(CertificateDer::from(der)).map_err(|error| {
                Error::File(format!(
                    "{} contains no usable CA: {}",
                    file.display(),
                    tls::error(&error)
                ))
            })?;
        }
        return Ok(roots);
    }
    let mut roots = tls::public_roots();
    let (_added, _unusable) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    Ok(roots)
}
