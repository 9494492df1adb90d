//! The URLs a certificate names: revocation lists, OCSP, its issuer's certificate.

use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;

use crate::pki::{der, oid};

/// URLs in a certificate.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct CertificateUrls {
    /// Revocation lists.
    pub crl_distribution_points: Vec<String>,
    /// OCSP responders.
    pub ocsp_servers: Vec<String>,
    /// The issuer's certificate.
    pub issuing_certificate_urls: Vec<String>,
}

/// Reads the URLs of a certificate; what cannot be read is left out.
pub fn urls(certificate_der: &[u8]) -> CertificateUrls {
    let mut urls = CertificateUrls::default();
    let Ok((_, certificate)) = X509Certificate::from_der(certificate_der) else {
        return urls;
    };
    for extension in certificate.extensions() {
        let entries = der::read_all(extension.value, der::SEQUENCE)
            .and_then(|list| list.children())
            .unwrap_or_default();
        match extension.oid.to_id_string().as_str() {
            oid::CRL_DISTRIBUTION_POINTS => urls.crl_distribution_points.extend(entries.iter().filter_map(point)),
            oid::AUTHORITY_INFO_ACCESS => {
                for (method, url) in entries.iter().filter_map(access) {
                    match method.as_str() {
                        oid::ACCESS_OCSP => urls.ocsp_servers.push(url),
                        oid::ACCESS_CA_ISSUERS => urls.issuing_certificate_urls.push(url),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    urls
}

/// The first URI of a `DistributionPoint` (RFC 5280 section 4.2.1.13).
fn point(value: &der::Value<'_>) -> Option<String> {
    let name = *value.children()?.first().filter(|field| field.tag == 0xa0)?;
    let full = *name.children()?.first().filter(|field| field.tag == 0xa0)?;
    full.children()?.iter().find_map(uri)
}

/// An `AccessDescription` (RFC 5280 section 4.2.2.1).
fn access(value: &der::Value<'_>) -> Option<(String, String)> {
    let fields = value.children()?;
    let [method, location] = fields.as_slice() else {
        return None;
    };
    Some((der::dotted(method.content)?, uri(location)?))
}

fn uri(value: &der::Value<'_>) -> Option<String> {
    (value.tag == 0x86).then(|| String::from_utf8(value.content.to_vec()).ok())?
}
