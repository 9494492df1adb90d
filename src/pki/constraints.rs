//! Name constraints of a CA (RFC 5280 section 4.2.1.10, CRT-26).

use std::net::IpAddr;

use super::{Error, der};

/// The names for which a CA may, and may not, issue.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct NameConstraints {
    /// Whether a verifier that does not know the extension must reject the certificate.
    pub critical: bool,
    /// Only names under these.
    pub permitted: NameTrees,
    /// No names under these.
    pub excluded: NameTrees,
}

/// Parts of the name space.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct NameTrees {
    /// Domains.
    pub dns_domains: Vec<String>,
    /// Networks such as `10.0.0.0/8`.
    pub ip_ranges: Vec<String>,
    /// Mail addresses, or domains of them.
    pub email_addresses: Vec<String>,
    /// Domains of URIs.
    pub uri_domains: Vec<String>,
}

impl NameConstraints {
    /// Whether nothing is permitted or excluded. An empty extension is not allowed (RFC 5280 section 4.2.1.10), and
    /// Go rejects certificates with it.
    pub fn is_empty(&self) -> bool {
        let none = NameTrees::default();
        self.permitted == none && self.excluded == none
    }

    /// The value of the extension, as DER.
    ///
    /// # Errors
    /// [`Error::Name`] for an invalid network, and for characters outside of ASCII.
    pub fn to_der(&self) -> Result<Vec<u8>, Error> {
        let mut parts = Vec::new();
        for (number, trees) in [(0, &self.permitted), (1, &self.excluded)] {
            let trees = trees.to_der()?;
            if !trees.is_empty() {
                parts.push(der::context(number, &trees));
            }
        }
        Ok(der::sequence(&parts))
    }
}

impl NameTrees {
    fn to_der(&self) -> Result<Vec<Vec<u8>>, Error> {
        let Self {
            dns_domains,
            ip_ranges,
            email_addresses,
            uri_domains,
        } = self;
        let mut trees = Vec::new();
        let texts = |number: u32, names: &[String]| {
            names
                .iter()
                .map(move |name| Ok(der::sequence(&[der::context_primitive(number, ascii(name)?)])))
                .collect::<Vec<_>>()
        };
        trees.extend(texts(2, dns_domains));
        for range in ip_ranges {
            trees.push(Ok(der::sequence(&[der::context_primitive(7, &network(range)?)])));
        }
        trees.extend(texts(1, email_addresses));
        trees.extend(texts(6, uri_domains));
        trees.into_iter().collect()
    }
}

fn ascii(name: &str) -> Result<&[u8], Error> {
    if name.is_ascii() {
        Ok(name.as_bytes())
    } else {
        Err(Error::Name(format!(
            "the name constraint {name:?} has characters outside of ASCII"
        )))
    }
}

/// Address and mask of a network in CIDR form, host bits cleared.
fn network(text: &str) -> Result<Vec<u8>, Error> {
    let wrong = || {
        Error::Name(format!(
            "the name constraint {text:?} is no network; write it as 10.0.0.0/8"
        ))
    };
    let (address, length) = text.split_once('/').ok_or_else(wrong)?;
    let address = match address.parse::<IpAddr>().map_err(|_| wrong())? {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    if !length.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong());
    }
    let length: usize = length.parse().map_err(|_| wrong())?;
    if length > address.len() * 8 {
        return Err(wrong());
    }
    let mask: Vec<u8> = (0..address.len())
        .map(|at| mask_byte(length.saturating_sub(at * 8)))
        .collect();
    Ok(address
        .iter()
        .zip(&mask)
        .map(|(byte, mask)| byte & mask)
        .chain(mask.iter().copied())
        .collect())
}

fn mask_byte(bits: usize) -> u8 {
    match u32::try_from(bits) {
        Ok(bits @ 0..8) => !(0xff_u8 >> bits),
        _ => 0xff,
    }
}
