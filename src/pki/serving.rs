//! TLS of servers: protocol versions, cipher suites, and the key pair (FLG-27).

use std::fmt;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::server::{NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use rustls::{ProtocolVersion, ServerConfig, SupportedCipherSuite};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use super::key::PrivateKey;
use super::{Error, tls};

/// The lowest version of TLS that a server accepts.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum MinVersion {
    /// TLS 1.2.
    #[default]
    Tls12,
    /// TLS 1.3.
    Tls13,
}

/// A cipher suite that servers may be restricted to.
#[derive(Clone, Copy, PartialEq)]
pub struct Suite(SupportedCipherSuite);

impl Eq for Suite {}

impl Suite {
    /// All suites, in the order of preference.
    pub fn all() -> Vec<Self> {
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        provider.cipher_suites.into_iter().map(Self).collect()
    }

    /// The suite with this name of IANA's registry, or the short name that Go has for it; `None` if there is no such suite here.
    pub fn by_name(name: &str) -> Option<Self> {
        let is_meant = |suite: &Self| {
            let known = suite.name();
            known == name || known.ends_with("CHACHA20_POLY1305_SHA256") && known.strip_suffix("_SHA256") == Some(name)
        };
        Self::all().into_iter().find(is_meant)
    }

    /// Its name in IANA's registry.
    pub fn name(self) -> String {
        // rustls distinguishes the suites of TLS 1.3 by a prefix of its own
        let name = format!("{:?}", self.0.suite());
        match name.strip_prefix("TLS13_") {
            Some(rest) => format!("TLS_{rest}"),
            None => name,
        }
    }

    /// Whether it is a suite of TLS 1.3, which has its own.
    fn is_of_tls13(self) -> bool {
        self.0.version().version == ProtocolVersion::TLSv1_3
    }
}

impl fmt::Debug for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}

/// The suites of a server that is restricted to `wanted`. As in Go, a list without a suite of TLS 1.3 restricts only TLS 1.2, and an
/// empty list restricts nothing.
fn suites(wanted: &[Suite]) -> Vec<SupportedCipherSuite> {
    let names_tls13 = wanted.iter().any(|suite| suite.is_of_tls13());
    let offered = Suite::all()
        .into_iter()
        .filter(|suite| wanted.is_empty() || wanted.contains(suite) || (suite.is_of_tls13() && !names_tls13));
    offered.map(|suite| suite.0).collect()
}

/// The configuration of a server for HTTP/1.1 whose key pair comes from `pairs`. Sessions are not resumed: a client that comes once
/// a minute gains nothing, and every connection has the current certificate.
///
/// # Errors
/// If no suite fits the versions.
pub fn server_config(
    pairs: Arc<dyn ResolvesServerCert>,
    min_version: MinVersion,
    wanted: &[Suite],
) -> Result<ServerConfig, rustls::Error> {
    let provider = CryptoProvider {
        cipher_suites: suites(wanted),
        ..rustls::crypto::aws_lc_rs::default_provider()
    };
    let versions: &[_] = match min_version {
        MinVersion::Tls12 => &[&TLS13, &TLS12],
        MinVersion::Tls13 => &[&TLS13],
    };
    let mut config = ServerConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(versions)?
        .with_no_client_auth()
        .with_cert_resolver(pairs);
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}

/// A key pair for a server: its chain as DER, the server's own certificate first, and the key.
///
/// # Errors
/// [`Error::Key`] if the key is not the one of the certificate, or cannot be used for TLS.
pub fn certified_key(chain: Vec<Vec<u8>>, key: &PrivateKey) -> Result<CertifiedKey, Error> {
    let chain = chain.into_iter().map(CertificateDer::from).collect();
    let der = PrivatePkcs8KeyDer::from(key.pkcs8_der()?.expose().clone());
    let pair = CertifiedKey::from_der(chain, PrivateKeyDer::Pkcs8(der), &tls::provider());
    pair.map_err(|error| {
        if matches!(error, rustls::Error::InconsistentKeys(_)) {
            return Error::Key("the private key is not the one of the certificate".into());
        }
        Error::Key(format!("the key pair cannot be used for TLS: {}", tls::error(&error)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suites_have_the_names_of_iana_and_go() {
        let names: Vec<String> = Suite::all().into_iter().map(Suite::name).collect();
        for name in [
            "TLS_AES_128_GCM_SHA256",
            "TLS_CHACHA20_POLY1305_SHA256",
            "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
            "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
        ] {
            assert!(names.iter().any(|known| known == name), "{name}: {names:?}");
            assert_eq!(Suite::by_name(name).unwrap().name(), name);
        }
        let short = Suite::by_name("TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305").unwrap();
        assert_eq!(short.name(), "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256");
        for unknown in [
            "",
            "TLS_RSA_WITH_AES_128_CBC_SHA",
            "TLS13_AES_128_GCM_SHA256",
            "tls_aes_128_gcm_sha256",
        ] {
            assert!(Suite::by_name(unknown).is_none(), "{unknown}");
        }
    }

    #[test]
    fn a_list_without_suites_of_tls_13_restricts_only_tls_12() {
        let one = Suite::by_name("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256").unwrap();
        let names =
            |wanted: &[Suite]| -> Vec<String> { suites(wanted).into_iter().map(|suite| Suite(suite).name()).collect() };
        let all = names(&[]);
        assert_eq!(all.len(), Suite::all().len());
        let restricted = names(&[one]);
        assert_eq!(restricted.iter().filter(|name| name.contains("ECDHE")).count(), 1);
        assert_eq!(restricted.len(), 4, "{restricted:?}");
        let modern = Suite::by_name("TLS_AES_256_GCM_SHA384").unwrap();
        assert_eq!(names(&[modern]), ["TLS_AES_256_GCM_SHA384"]);
    }
}
