//! Trust of TLS clients: the public roots, and a verifier that accepts every server.

use std::fmt;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

/// The crypto provider of the process.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// Mozilla's root certificates, which are in the binary.
pub fn public_roots() -> RootCertStore {
    RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    }
}

/// A client configuration that verifies servers with `verifier`.
///
/// # Errors
/// If the provider has no cipher suite for the safe protocol versions.
pub fn client_config(
    verifier: Arc<dyn ServerCertVerifier>,
    provider: Arc<CryptoProvider>,
) -> Result<ClientConfig, rustls::Error> {
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth())
}

/// Accepts every server that can sign with the key of its certificate.
pub struct AnyServer(Arc<CryptoProvider>);

impl AnyServer {
    /// A verifier with the signature algorithms of this provider.
    pub fn new(provider: Arc<CryptoProvider>) -> Self {
        Self(provider)
    }
}

impl fmt::Debug for AnyServer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("AnyServer")
    }
}

impl ServerCertVerifier for AnyServer {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// The fault of a certificate or a connection, as a sentence. The library's own errors are names of its variants.
pub fn error(error: &rustls::Error) -> String {
    if let rustls::Error::InvalidCertificate(wrong) = error {
        return in_words(wrong);
    }
    plain(&error.to_string())
}

/// As [`error`], for the error of a read or write.
pub fn io_error(failed: &std::io::Error) -> String {
    let inner = failed.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    inner.map_or_else(|| failed.to_string(), error)
}

/// As [`error`], for the cause of another error.
pub fn cause(cause: &(dyn std::error::Error + 'static)) -> String {
    if let Some(wrong) = cause.downcast_ref::<rustls::Error>() {
        return error(wrong);
    }
    let Some(failed) = cause.downcast_ref::<std::io::Error>() else {
        return cause.to_string();
    };
    // connectors wrap one error in another
    let inner = failed
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<std::io::Error>());
    inner.map_or_else(|| io_error(failed), |inner| self::cause(inner))
}

/// The fault of a certificate, as a sentence.
pub fn certificate_error(error: &webpki::Error) -> String {
    in_words(error)
}

fn in_words(error: &dyn fmt::Debug) -> String {
    let text = format!("{error:?}");
    let end = text.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(text.len());
    let name = text.get(..end).unwrap_or_default();
    let name = name.strip_suffix("Context").unwrap_or(name);
    let known = WORDS.iter().find(|(names, _)| names.contains(&name));
    known.map_or_else(|| plain(name), |(_, words)| (*words).to_owned())
}

/// A text in which names such as `UnknownStatusRequest` become words, and their content is left out.
fn plain(text: &str) -> String {
    let text = text.split(['{', '(']).next().unwrap_or_default().trim_end();
    let word = |word: &str| {
        let humps = word.bytes().filter(u8::is_ascii_uppercase).count();
        if humps < 2 || !word.bytes().any(|byte| byte.is_ascii_lowercase()) {
            return word.to_owned();
        }
        let mut out = String::new();
        for character in word.chars() {
            if character.is_ascii_uppercase() && !out.is_empty() {
                out.push(' ');
            }
            out.push(character.to_ascii_lowercase());
        }
        out
    };
    text.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

/// The fault of a chain whose CA is not trusted.
pub const UNKNOWN_ISSUER: &str = "it does not lead to a CA that is trusted";

/// Error names of rustls and webpki, and their sentences.
const WORDS: [(&[&str], &str); 15] = [
    (&["CertExpired", "Expired"], "a certificate of the chain has expired"),
    (
        &["CertNotValidYet", "NotValidYet"],
        "a certificate of the chain is not valid yet",
    ),
    (&["CertNotValidForName", "NotValidForName"], "it is not for this name"),
    (&["UnknownIssuer"], UNKNOWN_ISSUER),
    (
        &["Other", "CaUsedAsEndEntity"],
        "the certificate cannot be used by a server: it may be that of a CA",
    ),
    (&["CaUsedAsEndEntity"], "it is the certificate of a CA"),
    (
        &["EndEntityUsedAsCa"],
        "a certificate of the chain signed another and is no CA",
    ),
    (
        &["NameConstraintViolation"],
        "a CA of the chain must not issue for these names: its name constraints forbid it",
    ),
    (
        &["PathLenConstraintViolated"],
        "a CA of the chain must not have as many CAs below it",
    ),
    (
        &["RequiredEkuNotFound", "InvalidPurpose"],
        "it, or a CA of the chain, is not meant for TLS servers: the extended key usage does not name them",
    ),
    (
        &["InvalidSignatureForPublicKey", "BadSignature"],
        "a signature in the chain is wrong",
    ),
    (
        &[
            "UnsupportedSignatureAlgorithm",
            "UnsupportedSignatureAlgorithmForPublicKey",
            "SignatureAlgorithmMismatch",
        ],
        "a certificate of the chain is signed with an algorithm that is not accepted",
    ),
    (
        &["UnsupportedCriticalExtension", "UnhandledCriticalExtension"],
        "a certificate of the chain has a critical extension that is not known",
    ),
    (
        &["UnsupportedCertVersion"],
        "a certificate of the chain is not of version 3",
    ),
    (
        &[
            "BadDer",
            "BadDerTime",
            "BadEncoding",
            "TrailingData",
            "MalformedExtensions",
            "ExtensionValueInvalid",
        ],
        "a certificate of the chain is damaged",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_the_library_are_told_in_words() {
        let wrong = rustls::CertificateError::UnknownIssuer;
        assert_eq!(
            error(&rustls::Error::InvalidCertificate(wrong)),
            "it does not lead to a CA that is trusted"
        );
        assert_eq!(
            error(&rustls::Error::AlertReceived(
                rustls::AlertDescription::HandshakeFailure
            )),
            "received fatal alert: handshake failure"
        );
        assert_eq!(
            certificate_error(&webpki::Error::MaximumPathDepthExceeded),
            "maximum path depth exceeded"
        );
        let inner = rustls::Error::AlertReceived(rustls::AlertDescription::UnknownCA);
        let failed = std::io::Error::new(std::io::ErrorKind::InvalidData, inner);
        assert!(!io_error(&failed).contains("UnknownCA"), "{}", io_error(&failed));
    }
}
