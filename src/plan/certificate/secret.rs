//! The content of the target Secret: a pure function of certificate, key, spec and settings (ANW-01 to ANW-03, CRT-13 to CRT-15,
//! CRT-25).

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{
    keystores::{self, KeystorePasswords},
    matching::key_encoding,
};
use crate::{
    api::{
        CertificateSpec, IssuerRef,
        certificate::OutputFormat,
        names::{annotation, data_key, label},
    },
    pki::{
        Error,
        certificate::CertificateInfo,
        hidden::Hidden,
        key::PrivateKey,
        keystore::{Contents, Seed},
    },
    plan::seen::Pairs,
};

/// Type of a new target Secret. An existing Secret keeps its type (NB-15).
pub const TLS_TYPE: &str = "kubernetes.io/tls";

/// The Certificate and the issuer for the annotations. A temporary certificate has only the first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attribution {
    /// Name of the Certificate.
    pub certificate: Option<String>,
    /// The issuer as the request names it, without defaults (NB-05).
    pub issuer: Option<IssuerRef>,
    /// The issuer of the spec, if `issuer` is a fallback issuer (ANO-17).
    pub fallback_for: Option<String>,
}

impl Attribution {
    /// The annotations of a Secret. The two parts are separate, because a repair must not remove the issuer if another client
    /// only removed the Certificate's name (NB-08).
    pub fn found(annotations: &Pairs) -> Self {
        let value = |key: &str| annotations.get(key).map(str::to_owned);
        let issuer = IssuerRef {
            name: value(annotation::ISSUER_NAME).unwrap_or_default(),
            kind: value(annotation::ISSUER_KIND),
            group: value(annotation::ISSUER_GROUP),
        };
        let is_named = annotations.contains(annotation::ISSUER_NAME) || issuer.kind.is_some() || issuer.group.is_some();
        Self {
            certificate: value(annotation::CERTIFICATE_NAME),
            issuer: is_named.then_some(issuer),
            fallback_for: value(annotation::FALLBACK_FOR),
        }
    }
}

/// The certificate and key to store.
#[derive(Debug)]
pub struct Material<'a> {
    /// `tls.crt`: the leaf and its chain.
    pub chain_pem: &'a [u8],
    /// `ca.crt`, if the issuer knows it (NB-23).
    pub ca_pem: Option<&'a [u8]>,
    /// The key of the leaf.
    pub key: &'a PrivateKey,
    /// The current `tls.key`; `None` encodes the key as the spec requires.
    pub key_pem: Option<&'a [u8]>,
}

/// Time and randomness for rendering.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances {
    /// The current time, for entries in JKS files.
    pub now: Timestamp,
    /// Random bytes, different for each file.
    pub seeds: [[Seed; 2]; 2],
}

/// The Secret that our field manager applies. It gives up ownership of all other keys (SEC-05).
#[derive(Debug)]
pub struct RenderedSecret {
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    pub annotations: BTreeMap<String, String>,
    /// Data.
    pub data: BTreeMap<String, Hidden<Vec<u8>>>,
}

/// Renders the Secret.
///
/// # Errors
/// If the certificate or key cannot be parsed or encoded, or a keystore cannot be made.
pub fn render(
    spec: &CertificateSpec,
    attribution: &Attribution,
    material: &Material<'_>,
    passwords: &KeystorePasswords,
    circumstances: &Circumstances,
) -> Result<RenderedSecret, Error> {
    let info = CertificateInfo::parse_pem(material.chain_pem)?;
    let template = spec.secret_template.clone().unwrap_or_default();
    let mut annotations = template.annotations;
    annotations.remove(annotation::FALLBACK_FOR);
    annotations.extend(certificate_annotations(&info));
    annotations.extend(attribution_annotations(attribution));
    let mut labels = template.labels;
    labels.insert(label::FOR_ATTENTION_OF.into(), "true".into());
    Ok(RenderedSecret {
        labels,
        annotations,
        data: data(spec, material, passwords, circumstances)?,
    })
}

/// The annotations for the content of the certificate: four always, others if they are not empty (ANW-01, ANW-02, NB-05).
pub fn certificate_annotations(info: &CertificateInfo) -> BTreeMap<String, String> {
    let subject = info.subject_parts();
    let ips: Vec<String> = info.sans.ips.iter().map(|ip| ip.to_canonical().to_string()).collect();
    let always = [
        (annotation::COMMON_NAME, subject.common_name.clone()),
        (annotation::ALT_NAMES, csv(&info.sans.dns)),
        (annotation::IP_SANS, csv(&ips)),
        (annotation::URI_SANS, csv(&info.sans.uris)),
    ];
    let sometimes = [
        (annotation::EMAIL_SANS, csv(&info.sans.emails)),
        (annotation::SUBJECT_ORGANIZATIONS, csv(&subject.organizations)),
        (
            annotation::SUBJECT_ORGANIZATIONAL_UNITS,
            csv(&subject.organizational_units),
        ),
        (annotation::SUBJECT_COUNTRIES, csv(&subject.countries)),
        (annotation::SUBJECT_PROVINCES, csv(&subject.provinces)),
        (annotation::SUBJECT_LOCALITIES, csv(&subject.localities)),
        (annotation::SUBJECT_POSTAL_CODES, csv(&subject.postal_codes)),
        (annotation::SUBJECT_STREET_ADDRESSES, csv(&subject.street_addresses)),
        (annotation::SUBJECT_SERIAL_NUMBER, subject.serial_number),
    ];
    let present = sometimes.into_iter().filter(|(_, value)| !value.is_empty());
    always
        .into_iter()
        .chain(present)
        .map(|(key, value)| (key.to_owned(), value))
        .collect()
}

/// The data keys for a spec in addition to key and certificate. Some require a known CA.
pub fn extra_data_keys(spec: &CertificateSpec, has_ca: bool) -> Vec<&'static str> {
    let formats = spec.additional_output_formats.iter().map(|format| match format.type_ {
        OutputFormat::Der => data_key::KEY_DER,
        OutputFormat::CombinedPem => data_key::TLS_COMBINED_PEM,
    });
    formats.chain(keystores::data_keys(spec, has_ca)).collect()
}

fn attribution_annotations(attribution: &Attribution) -> BTreeMap<String, String> {
    let Attribution {
        certificate,
        issuer,
        fallback_for,
    } = attribution;
    let fallback_for = fallback_for
        .iter()
        .map(|primary| (annotation::FALLBACK_FOR, primary.clone()));
    let certificate = certificate
        .iter()
        .map(|name| (annotation::CERTIFICATE_NAME, name.clone()));
    let issuer = issuer.iter().flat_map(|issuer| {
        [
            (annotation::ISSUER_NAME, issuer.name.clone()),
            (annotation::ISSUER_KIND, issuer.kind.clone().unwrap_or_default()),
            (annotation::ISSUER_GROUP, issuer.group.clone().unwrap_or_default()),
        ]
    });
    certificate
        .chain(issuer)
        .chain(fallback_for)
        .map(|(key, value)| (key.to_owned(), value))
        .collect()
}

fn data(
    spec: &CertificateSpec,
    material: &Material<'_>,
    passwords: &KeystorePasswords,
    circumstances: &Circumstances,
) -> Result<BTreeMap<String, Hidden<Vec<u8>>>, Error> {
    let Material {
        chain_pem,
        ca_pem,
        key,
        key_pem,
    } = *material;
    let key_pem = match key_pem {
        Some(pem) => Hidden::new(pem.to_vec()),
        None => key.to_pem(key_encoding(spec))?,
    };
    let ca_pem = ca_pem.filter(|ca| !ca.is_empty());
    let mut data = BTreeMap::new();
    for format in &spec.additional_output_formats {
        let (name, value) = match format.type_ {
            OutputFormat::Der => (
                data_key::KEY_DER,
                crate::pki::pem::key_der(key_pem.expose())?.expose().clone(),
            ),
            OutputFormat::CombinedPem => (
                data_key::TLS_COMBINED_PEM,
                [key_pem.expose().as_slice(), b"\n", chain_pem].concat(),
            ),
        };
        data.insert(name.to_owned(), Hidden::new(value));
    }
    let contents = Contents {
        key,
        chain_pem,
        ca_pem: ca_pem.unwrap_or_default(),
    };
    let keystores = keystores::render(spec, &contents, passwords, circumstances)?;
    data.extend(keystores.into_iter().map(|(name, file)| (name.to_owned(), file)));
    data.insert(data_key::TLS_KEY.to_owned(), key_pem);
    data.insert(data_key::TLS_CRT.to_owned(), Hidden::new(chain_pem.to_vec()));
    data.extend(ca_pem.map(|ca| (data_key::CA_CRT.to_owned(), Hidden::new(ca.to_vec()))));
    Ok(data)
}

/// A record of RFC 4180 with the quoting of Go's writer: for values with a comma, a quote or a line break, or a leading space.
fn csv(values: &[String]) -> String {
    let quote = |value: &String| {
        let needed = value.contains(['"', ',', '\r', '\n']) || value.starts_with(char::is_whitespace) || value == "\\.";
        if needed {
            format!("\"{}\"", value.replace('"', "\"\""))
        } else {
            value.clone()
        }
    };
    values.iter().map(quote).collect::<Vec<_>>().join(",")
}
