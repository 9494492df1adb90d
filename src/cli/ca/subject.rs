//! Flags for the subject, the names and the key of a certificate.

use std::net::IpAddr;

use super::{Error, cfssl};
use crate::pki::key::{KeyAlgorithm, KeyEncoding, KeySpec};
use crate::pki::name::{Name, Subject, SubjectAltNames};

/// Flags for the subject.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct SubjectArgs {
    /// Common name (CN)
    #[arg(long, value_name = "CN")]
    name: Option<String>,
    /// Organization (O); repeatable
    #[arg(long, value_name = "O")]
    organization: Vec<String>,
    /// Organizational unit (OU); repeatable
    #[arg(long, value_name = "OU")]
    organizational_unit: Vec<String>,
    /// Country (C), two letters; repeatable
    #[arg(long, value_name = "C")]
    country: Vec<String>,
    /// Locality (L); repeatable
    #[arg(long, value_name = "L")]
    locality: Vec<String>,
    /// State or province (ST)
    #[arg(long, value_name = "ST")]
    province: Vec<String>,
    /// Complete subject in the notation of RFC 4514: CN=a.example,O=Example
    #[arg(long, conflicts_with_all = ["name", "organization", "organizational_unit", "country", "locality", "province"])]
    subject: Option<String>,
}

impl SubjectArgs {
    /// The subject. Flags take precedence over the file; without either, `fallback` is the common name.
    pub(super) fn resolve(&self, file: Option<&cfssl::Csr>, fallback: Option<&str>) -> Result<Name, Error> {
        if let Some(literal) = &self.subject {
            return Ok(Name::from_literal(literal)?);
        }
        let mut subject = file.map(cfssl::Csr::subject).unwrap_or_default();
        let Self {
            name,
            organization,
            organizational_unit,
            country,
            locality,
            province,
            ..
        } = self;
        let Subject {
            common_name,
            organizations,
            organizational_units,
            countries,
            localities,
            provinces,
            ..
        } = &mut subject;
        for (flags, list) in [
            (organization, organizations),
            (organizational_unit, organizational_units),
            (country, countries),
            (locality, localities),
            (province, provinces),
        ] {
            if !flags.is_empty() {
                list.clone_from(flags);
            }
        }
        if let Some(name) = name {
            common_name.clone_from(name);
        }
        if let (true, None, Some(fallback)) = (common_name.is_empty(), file, fallback) {
            fallback.clone_into(common_name);
        }
        if common_name.chars().count() > 64 {
            return Err(Error::Usage(format!(
                "the common name {common_name:?} is longer than 64 characters: use a shorter --name, or --host, which may be longer"
            )));
        }
        let further = file.map(cfssl::Csr::further_attributes).unwrap_or_default();
        Ok(subject.to_name().with_attributes(&further)?)
    }
}

/// Flags for the names of a certificate.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct NameArgs {
    /// Host name, IP address, e-mail address or URI of the certificate; repeatable
    #[arg(long, value_name = "NAME")]
    host: Vec<String>,
    /// URI of the certificate, also one that begins with https://; repeatable
    #[arg(long, value_name = "URI")]
    uri: Vec<String>,
}

impl NameArgs {
    pub(super) fn is_empty(&self) -> bool {
        self.host.is_empty() && self.uri.is_empty()
    }

    pub(super) fn sans(&self) -> Result<SubjectAltNames, Error> {
        let page = |host: &&String| host.starts_with("https://") || host.starts_with("http://");
        if let Some(host) = self.host.iter().find(page) {
            return Err(Error::Usage(format!(
                "{host:?} is a URL; use its host name, or --uri if the certificate is for the URL itself"
            )));
        }
        let mut sans = names(&self.host)?;
        for uri in &self.uri {
            if !is_uri(uri) {
                return Err(Error::Usage(format!(
                    "{uri:?} is not a URI: it needs a scheme, as in https://a.example/b"
                )));
            }
            sans.uris.push(uri.clone());
        }
        Ok(sans)
    }

    /// The name for files and for the default common name.
    pub(super) fn first(&self) -> Option<&str> {
        let host = self.host.first().map(|host| host.strip_suffix('.').unwrap_or(host));
        host.or_else(|| self.uri.first().map(String::as_str))
    }
}

/// Flags for the key.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct KeyArgs {
    /// Key to generate: ecdsa-256, ecdsa-384, ecdsa-521, rsa-2048, rsa-3072, rsa-4096, rsa-8192 or ed25519
    #[arg(long, value_name = "KIND", value_parser = key_spec)]
    key: Option<KeySpec>,
    /// Encoding of the key: pkcs1 (RSA PRIVATE KEY, EC PRIVATE KEY) or pkcs8 (PRIVATE KEY)
    #[arg(long, value_name = "ENCODING", value_parser = key_encoding, default_value = "pkcs1")]
    key_encoding: Option<KeyEncoding>,
}

impl KeyArgs {
    pub(super) fn spec(&self, file: Option<&cfssl::Csr>) -> Result<KeySpec, Error> {
        match (self.key, file) {
            (Some(spec), _) => Ok(spec),
            (None, Some(file)) => file.key_spec(),
            (None, None) => Ok(KeySpec::new(KeyAlgorithm::Ecdsa, None)),
        }
    }

    pub(super) fn encoding(&self) -> KeyEncoding {
        self.key_encoding.unwrap_or(KeyEncoding::Pkcs1)
    }
}

/// Classifies hosts: IP addresses, URIs, e-mail addresses, and DNS names.
pub(super) fn names(hosts: &[String]) -> Result<SubjectAltNames, Error> {
    let mut names = SubjectAltNames::default();
    for host in hosts {
        if let Ok(ip) = host.trim_matches(['[', ']']).parse::<IpAddr>() {
            names.ips.push(ip);
        } else if is_uri(host) {
            names.uris.push(host.clone());
        } else if host.contains('@') {
            names.emails.push(host.clone());
        } else {
            // the trailing dot of a fully qualified name is not part of it (RFC 5280 section 4.2.1.6, RFC 1034 section 3.5)
            let host = host.strip_suffix('.').unwrap_or(host);
            check_dns_name(host)?;
            names.dns.push(host.to_owned());
        }
    }
    Ok(names)
}

fn is_uri(text: &str) -> bool {
    text.contains("://") || text.starts_with("urn:")
}

fn check_dns_name(host: &str) -> Result<(), Error> {
    let wrong = |why: &str| Err(Error::Usage(format!("{host:?} is not a host name: {why}")));
    let name = host.strip_prefix("*.").unwrap_or(host);
    if host.len() > 253 {
        return wrong("it is longer than 253 characters");
    }
    if !host.is_ascii() {
        return wrong("it contains non-ASCII characters; use the xn-- form");
    }
    if host.contains(':') {
        return wrong("a certificate is for a host, without a port");
    }
    if name.contains('*') {
        return wrong("a * must be the complete first label, as in *.a.example");
    }
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if !name.split('.').all(is_label) {
        return wrong("a label has 1 to 63 letters, digits and hyphens");
    }
    Ok(())
}

fn key_spec(text: &str) -> Result<KeySpec, String> {
    let (kind, size) = text
        .split_once('-')
        .map_or((text, None), |(kind, size)| (kind, size.parse().ok()));
    let spec = match kind {
        "rsa" => KeySpec::new(KeyAlgorithm::Rsa, size),
        "ecdsa" => KeySpec::new(KeyAlgorithm::Ecdsa, size),
        "ed25519" => KeySpec::new(KeyAlgorithm::Ed25519, None),
        _ => {
            return Err(
                "use rsa-2048, rsa-3072, rsa-4096, rsa-8192, ecdsa-256, ecdsa-384, ecdsa-521 or ed25519".into(),
            );
        }
    };
    let known = match spec.algorithm {
        KeyAlgorithm::Rsa => [2048, 3072, 4096, 8192].contains(&spec.size),
        KeyAlgorithm::Ecdsa => [256, 384, 521].contains(&spec.size),
        KeyAlgorithm::Ed25519 => text == "ed25519",
    };
    if !known {
        return Err("RSA keys have 2048, 3072, 4096 or 8192 bits, ECDSA keys 256, 384 or 521".into());
    }
    Ok(spec)
}

fn key_encoding(text: &str) -> Result<KeyEncoding, String> {
    match text.to_ascii_lowercase().as_str() {
        "pkcs1" => Ok(KeyEncoding::Pkcs1),
        "pkcs8" => Ok(KeyEncoding::Pkcs8),
        _ => Err("use pkcs1 or pkcs8".into()),
    }
}
