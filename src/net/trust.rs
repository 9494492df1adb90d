//! Trust settings of a client: trust roots, `caBundle`, `skipTLSVerify`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::client::{ResolvesClientCert, WebPkiServerVerifier};
use rustls::crypto::CryptoProvider;
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};

use crate::pki::key::PrivateKey;
use crate::pki::{pem, tls};
use crate::process::environment::Environment;

/// The trust settings of a client (ISS-19).
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct Trust {
    /// `caBundle`: PEM certificates that replace all other roots.
    pub ca_bundle: Option<Vec<u8>>,
    /// `skipTLSVerify`: accept any server certificate.
    pub skip_verify: bool,
}

/// Why trust settings cannot be used. The caller knows which object contains them.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum TrustError {
    /// `caBundle` and `skipTLSVerify` are both set.
    #[error("the CA bundle and the switch that turns verification off exclude each other")]
    Exclusive,
    /// `caBundle` contains no usable certificate.
    #[error("the CA bundle cannot be used: {0}")]
    Bundle(String),
    /// The server has another name, and the environment has a proxy for its host.
    #[error("serverName cannot be used through the HTTP proxy that the environment has for {0}: add {0} to NO_PROXY")]
    Proxied(String),
    /// Error of the TLS library.
    #[error("{0}")]
    Setup(String),
}

/// Additional trust roots, from `SSL_CERT_FILE` and `SSL_CERT_DIR`.
///
/// They are added to Mozilla's roots, which are compiled into the binary. `caBundle` replaces all roots.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ExtraRoots {
    /// A file of PEM certificates.
    pub file: Option<PathBuf>,
    /// Folders of such files.
    pub directories: Vec<PathBuf>,
}

impl From<&Environment> for ExtraRoots {
    fn from(environment: &Environment) -> Self {
        Self {
            file: environment.root_file.clone(),
            directories: environment.root_directories.clone(),
        }
    }
}

impl ExtraRoots {
    /// Mozilla's roots and those in the files. A file that cannot be read is logged and skipped.
    fn load(&self) -> RootCertStore {
        let mut roots = tls::public_roots();
        let one =
            |file: Option<&Path>, directory: Option<&Path>| rustls_native_certs::load_certs_from_paths(file, directory);
        let results = self.file.iter().map(|file| one(Some(file), None));
        for result in results.chain(self.directories.iter().map(|directory| one(None, Some(directory)))) {
            for error in result.errors {
                tracing::warn!(%error, "a file with trust roots from SSL_CERT_FILE or SSL_CERT_DIR cannot be used");
            }
            let (added, ignored) = roots.add_parsable_certificates(result.certs);
            tracing::debug!(added, ignored, "trust roots from SSL_CERT_FILE and SSL_CERT_DIR");
        }
        roots
    }
}

/// What a client shows to servers, and the name that it expects them to have (ISS-05).
#[derive(Clone, Debug, Default)]
pub struct Presented {
    /// The client certificate.
    pub certificate: Option<ClientCertificate>,
    /// The DNS name for SNI and for the verification, if it is not the one in the URL, and the host that has it.
    pub server_name: Option<(String, String)>,
}

/// A client certificate with its key. `Debug` shows no key.
#[derive(Clone, Debug)]
pub struct ClientCertificate(Arc<CertifiedKey>);

impl ClientCertificate {
    /// Parses a certificate with its chain, and its key, both as PEM.
    ///
    /// # Errors
    /// If one cannot be parsed, or if they do not belong together; a sentence.
    pub fn from_pem(certificate: &[u8], key: &[u8]) -> Result<Self, String> {
        let blocks =
            pem::parse_all(certificate).map_err(|error| format!("the certificate cannot be parsed: {error}"))?;
        let chain: Vec<_> = blocks
            .iter()
            .filter(|block| block.label == "CERTIFICATE")
            .map(|block| CertificateDer::from(block.der.expose().clone()))
            .collect();
        if chain.is_empty() {
            return Err("there is no certificate in it".to_owned());
        }
        let unreadable = |error: crate::pki::Error| format!("the private key cannot be parsed: {error}");
        let (key, _) = PrivateKey::from_pem(key).map_err(unreadable)?;
        let key = PrivatePkcs8KeyDer::from(key.pkcs8_der().map_err(unreadable)?.expose().clone());
        let pair = CertifiedKey::from_der(chain, PrivateKeyDer::from(key), &tls::provider());
        let pair = pair.map_err(|error| format!("certificate and private key do not fit: {}", tls::error(&error)))?;
        Ok(Self(Arc::new(pair)))
    }
}

/// Presents one certificate to every server that asks for one.
#[derive(Debug)]
struct Always(Arc<CertifiedKey>);

impl ResolvesClientCert for Always {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// As [`client_config`], with a client certificate. With another server name only HTTP/1.1, whose `Host` is independent of SNI.
pub(super) fn presenting_config(
    trust: &Trust,
    presented: &Presented,
    extra: &ExtraRoots,
) -> Result<ClientConfig, TrustError> {
    let mut config = client_config(trust, extra)?;
    if let Some(ClientCertificate(pair)) = &presented.certificate {
        config.client_auth_cert_resolver = Arc::new(Always(Arc::clone(pair)));
    }
    if presented.server_name.is_some() {
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
    }
    Ok(config)
}

/// The TLS configuration for these trust settings, with HTTP/2 and HTTP/1.1.
///
/// # Errors
/// If `caBundle` contains no certificate, or both settings are set.
pub(super) fn client_config(trust: &Trust, extra: &ExtraRoots) -> Result<ClientConfig, TrustError> {
    let provider = tls::provider();
    let verifier: Arc<dyn ServerCertVerifier> = match (&trust.ca_bundle, trust.skip_verify) {
        (Some(_), true) => {
            return Err(TrustError::Exclusive);
        }
        (None, true) => Arc::new(tls::AnyServer::new(provider.clone())),
        (Some(bundle), false) => {
            let (roots, listed) = bundle_roots(bundle)?;
            Arc::new(Listed {
                inner: verifier(roots, &provider)?,
                listed,
            })
        }
        (None, false) => verifier(extra.load(), &provider)?,
    };
    let mut config = tls::client_config(verifier, provider)
        .map_err(|error| TrustError::Setup(format!("the TLS library cannot be set up: {error}")))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

fn verifier(roots: RootCertStore, provider: &Arc<CryptoProvider>) -> Result<Arc<WebPkiServerVerifier>, TrustError> {
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone())
        .build()
        .map_err(|error| TrustError::Setup(format!("the trust roots cannot be used: {error}")))
}

fn bundle_roots(bundle: &[u8]) -> Result<(RootCertStore, Vec<CertificateDer<'static>>), TrustError> {
    let blocks = pem::parse_all(bundle).map_err(|error| TrustError::Bundle(error.to_string()))?;
    let certificates = blocks.iter().filter(|block| block.label == "CERTIFICATE");
    let listed: Vec<_> = certificates
        .map(|block| CertificateDer::from(block.der.expose().clone()))
        .collect();
    if listed.is_empty() {
        return Err(TrustError::Bundle("it contains no certificate".to_owned()));
    }
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(listed.iter().cloned());
    if added == 0 {
        return Err(TrustError::Bundle("none of its certificates can be parsed".to_owned()));
    }
    Ok((roots, listed))
}

/// A verifier that accepts the roots of a bundle, and a server that presents exactly one of its certificates.
///
/// webpki rejects a server certificate that is marked as a CA, even if the bundle contains it. Go's TLS, and so cert-manager,
/// accepts it, and many private ACME servers are configured like that.
#[derive(Debug)]
struct Listed {
    inner: Arc<WebPkiServerVerifier>,
    listed: Vec<CertificateDer<'static>>,
}

impl ServerCertVerifier for Listed {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        match self
            .inner
            .verify_server_cert(end_entity, intermediates, server_name, ocsp, now)
        {
            Err(rustls::Error::InvalidCertificate(CertificateError::Other(_) | CertificateError::UnknownIssuer))
                if self.listed.contains(end_entity) =>
            {
                verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
                in_time(end_entity, now)
            }
            verdict => verdict,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

fn in_time(certificate: &CertificateDer<'_>, now: UnixTime) -> Result<ServerCertVerified, rustls::Error> {
    let (_, certificate) = x509_parser::parse_x509_certificate(certificate)
        .map_err(|_| rustls::Error::InvalidCertificate(CertificateError::BadEncoding))?;
    let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    if now < certificate.validity().not_before.timestamp() {
        return Err(CertificateError::NotValidYet.into());
    }
    if now > certificate.validity().not_after.timestamp() {
        return Err(CertificateError::Expired.into());
    }
    Ok(ServerCertVerified::assertion())
}
