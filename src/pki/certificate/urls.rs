//! The URLs in a certificate: revocation lists, OCSP responders, the issuer's certificate.

use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{CRLDistributionPoint, DistributionPointName, GeneralName, ParsedExtension};
use x509_parser::prelude::FromDer as _;

use crate::pki::oid;

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

/// Parses the URLs of a certificate. Unreadable ones are left out.
pub fn urls(certificate_der: &[u8]) -> CertificateUrls {
    let mut urls = CertificateUrls::default();
    let Ok((_, certificate)) = X509Certificate::from_der(certificate_der) else {
        return urls;
    };
    for extension in certificate.extensions() {
        let parsed = extension.parsed_extension();
        if let ParsedExtension::CRLDistributionPoints(points) = parsed {
            urls.crl_distribution_points.extend(points.iter().filter_map(point));
        } else if let ParsedExtension::AuthorityInfoAccess(access) = parsed {
            for description in &access.accessdescs {
                let found = match description.access_method.to_id_string().as_str() {
                    oid::ACCESS_OCSP => &mut urls.ocsp_servers,
                    oid::ACCESS_CA_ISSUERS => &mut urls.issuing_certificate_urls,
                    _ => continue,
                };
                found.extend(uri(&description.access_location));
            }
        }
    }
    urls
}

/// The first URI of a `DistributionPoint` (RFC 5280 section 4.2.1.13).
fn point(point: &CRLDistributionPoint<'_>) -> Option<String> {
    match &point.distribution_point {
        Some(DistributionPointName::FullName(names)) => names.iter().find_map(uri),
        Some(DistributionPointName::NameRelativeToCRLIssuer(_)) | None => None,
    }
}

fn uri(name: &GeneralName<'_>) -> Option<String> {
    if let GeneralName::URI(url) = name {
        Some((*url).to_owned())
    } else {
        None
    }
}
