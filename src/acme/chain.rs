//! Certificate chains as a server returns them, and the selection of one (AOR-06). Pure functions.

use rustls_pki_types::CertificateDer;

use crate::pki::pem;

/// A certificate and its issuers.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Chain {
    /// The leaf first, DER.
    pub certificates: Vec<CertificateDer<'static>>,
    /// The same as PEM.
    pub pem: String,
}

impl Chain {
    /// Reads a `application/pem-certificate-chain` (RFC 8555 section 9.1).
    ///
    /// # Errors
    /// A reason, if it holds no certificate, an unreadable one, or anything but certificates. RFC 8555 section
    /// 11.4: a client must not pass on a private key or similar.
    pub fn from_pem(text: &[u8]) -> Result<Self, String> {
        let blocks = pem::parse_all(text).map_err(|error| format!("its PEM is damaged ({error})"))?;
        if blocks.iter().any(|block| block.label != "CERTIFICATE") {
            return Err("there is something beside certificates in it".to_owned());
        }
        let certificates: Vec<_> = blocks
            .iter()
            .map(|block| CertificateDer::from(block.der.expose().clone()))
            .collect();
        if certificates.is_empty() {
            return Err("there is no certificate in it".to_owned());
        }
        for certificate in &certificates {
            x509_parser::parse_x509_certificate(certificate)
                .map_err(|_| "one of its certificates cannot be read".to_owned())?;
        }
        let pem = certificates.iter().map(|der| certificate_pem(der)).collect();
        Ok(Self { certificates, pem })
    }

    /// The common name of the issuer of the chain's last certificate. The preferred chain is selected by it (AOR-06).
    pub fn root_common_name(&self) -> Option<String> {
        let (_, top) = x509_parser::parse_x509_certificate(self.certificates.last()?).ok()?;
        let name = top.issuer().iter_common_name().next()?.as_str().ok()?;
        Some(name.to_owned())
    }

    /// Whether `preferred` names this chain. An empty name prefers the first chain.
    pub fn is_preferred(&self, preferred: &str) -> bool {
        preferred.is_empty() || self.root_common_name().is_some_and(|name| name == preferred)
    }
}

fn certificate_pem(der: &[u8]) -> String {
    String::from_utf8_lossy(&pem::encode("CERTIFICATE", der)).into_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

    use super::*;

    fn named(name: &str) -> CertificateParams {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
    }

    /// A leaf and one intermediate below a root of this name.
    fn chain_below(root: &str) -> String {
        let keys = [(); 3].map(|()| KeyPair::generate().unwrap());
        let (root, middle) = (
            Issuer::new(named(root), &keys[0]),
            Issuer::new(named("middle"), &keys[1]),
        );
        let leaf = named("leaf").signed_by(&keys[2], &middle).unwrap();
        leaf.pem() + &named("middle").signed_by(&keys[1], &root).unwrap().pem()
    }

    #[test]
    fn a_chain_is_preferred_by_the_issuer_of_its_last_certificate() {
        let chain = Chain::from_pem(chain_below("Old Root").as_bytes()).unwrap();
        assert_eq!(chain.certificates.len(), 2);
        assert_eq!(chain.root_common_name().as_deref(), Some("Old Root"));
        assert!(chain.is_preferred("Old Root") && chain.is_preferred("") && !chain.is_preferred("middle"));
    }

    #[test]
    fn the_pem_of_a_chain_is_what_was_read() {
        let pem = chain_below("root").replace("\r\n", "\n");
        let chain = Chain::from_pem(format!("comment\r\n\r\n{pem}").as_bytes()).unwrap();
        assert_eq!(chain.pem, pem);
    }

    #[test]
    fn what_is_not_only_certificates_is_refused() {
        let key = KeyPair::generate().unwrap().serialize_pem();
        let with_key = chain_below("root") + &key;
        let not_a_certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        for bad in [
            "",
            "<html></html>",
            &with_key,
            not_a_certificate,
            "-----BEGIN CERTIFICATE-----\n",
        ] {
            assert!(Chain::from_pem(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(Chain::from_pem(&bytes).is_err());
        }
    }
}
