//! cfssl's files, read as they are: `ca-config.json`, `ca-csr.json`, `server-csr.json`. YAML of the same shape is read as well.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::SignedDuration;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::{Error, files};
use crate::api::GoDuration;
use crate::pki::key::{KeyAlgorithm, KeySpec};
use crate::pki::name::Subject;

/// What cfssl gives a CA that names no expiry: five years.
pub(super) const CA_EXPIRY: SignedDuration = SignedDuration::from_hours(43_800);

/// `ca-config.json`.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Config {
    #[serde(default)]
    pub(super) signing: Signing,
}

/// Which profiles there are.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Signing {
    pub(super) default: Option<Profile>,
    #[serde(default)]
    pub(super) profiles: BTreeMap<String, Profile>,
}

/// One profile.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Profile {
    pub(super) usages: Vec<String>,
    pub(super) expiry: Option<String>,
    pub(super) backdate: Option<String>,
    pub(super) ca_constraint: CaConstraint,
    pub(super) crl_url: Option<String>,
    pub(super) ocsp_url: Option<String>,
    pub(super) issuer_urls: Vec<String>,
    /// Settings that mean nothing here; the person is told.
    #[serde(flatten)]
    pub(super) rest: BTreeMap<String, serde_json::Value>,
}

/// Whether certificates of a profile are CAs.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct CaConstraint {
    pub(super) is_ca: bool,
    max_path_len: u32,
    max_path_len_zero: bool,
}

/// `ca-csr.json`, `server-csr.json`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Csr {
    #[serde(rename = "CN", alias = "cn")]
    common_name: String,
    pub(super) hosts: Vec<String>,
    key: Option<Key>,
    names: Vec<Names>,
    #[serde(rename = "serialnumber", alias = "SerialNumber")]
    serial_number: String,
    ca: Option<Ca>,
}

#[derive(Debug, Deserialize)]
struct Key {
    algo: String,
    #[serde(default)]
    size: u32,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Names {
    #[serde(rename = "C")]
    country: String,
    #[serde(rename = "ST")]
    province: String,
    #[serde(rename = "L")]
    locality: String,
    #[serde(rename = "O")]
    organization: String,
    #[serde(rename = "OU")]
    organizational_unit: String,
    #[serde(rename = "SerialNumber")]
    serial_number: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Ca {
    expiry: Option<String>,
    pathlen: u32,
    pathlenzero: bool,
}

/// Reads one of the files.
pub(super) fn read<T: DeserializeOwned>(path: &Path) -> Result<T, Error> {
    let wrong = |why: &dyn std::fmt::Display| Error::File(format!("{} is not understood: {why}", path.display()));
    let content = files::read(path)?;
    let text = std::str::from_utf8(&content).map_err(|_| wrong(&"it is no text"))?;
    // JSON's own parser knows better what is wrong with JSON.
    if text.trim_start().starts_with('{') {
        return serde_json::from_str(text).map_err(|error| wrong(&error));
    }
    serde_saphyr::from_str(text).map_err(|error| wrong(&error))
}

/// A duration as cfssl writes it: `8760h`.
pub(super) fn duration(text: &str) -> Result<SignedDuration, Error> {
    let duration: GoDuration = text.parse().map_err(|error| Error::Usage(format!("{error}")))?;
    Ok(SignedDuration::from_nanos(duration.as_nanoseconds()))
}

impl CaConstraint {
    /// How many CAs may follow; cfssl writes "none" as 0 with a flag beside it.
    pub(super) fn path_len(self) -> Option<u32> {
        path_len(self.max_path_len, self.max_path_len_zero)
    }
}

impl Csr {
    pub(super) fn subject(&self) -> Subject {
        let collect = |pick: fn(&Names) -> &String| -> Vec<String> {
            self.names
                .iter()
                .map(pick)
                .filter(|value| !value.is_empty())
                .cloned()
                .collect()
        };
        let mut serial_numbers = collect(|names| &names.serial_number);
        serial_numbers.extend((!self.serial_number.is_empty()).then(|| self.serial_number.clone()));
        Subject {
            common_name: self.common_name.clone(),
            organizations: collect(|names| &names.organization),
            organizational_units: collect(|names| &names.organizational_unit),
            countries: collect(|names| &names.country),
            localities: collect(|names| &names.locality),
            provinces: collect(|names| &names.province),
            serial_number: serial_numbers.pop().unwrap_or_default(),
            ..Subject::default()
        }
    }

    /// ECDSA P-256 when nothing is said, as cfssl.
    pub(super) fn key_spec(&self) -> Result<KeySpec, Error> {
        let Some(Key { algo, size }) = &self.key else {
            return Ok(KeySpec::new(KeyAlgorithm::Ecdsa, None));
        };
        let algorithm = match algo.to_ascii_lowercase().as_str() {
            "rsa" => KeyAlgorithm::Rsa,
            "ecdsa" => KeyAlgorithm::Ecdsa,
            "ed25519" => KeyAlgorithm::Ed25519,
            other => {
                return Err(Error::Usage(format!(
                    "the key algorithm {other:?} is not known: use rsa, ecdsa or ed25519"
                )));
            }
        };
        Ok(KeySpec::new(algorithm, Some(*size)))
    }

    pub(super) fn ca_expiry(&self) -> Result<Option<SignedDuration>, Error> {
        self.ca
            .as_ref()
            .and_then(|ca| ca.expiry.as_deref())
            .map(duration)
            .transpose()
    }

    pub(super) fn ca_path_len(&self) -> Option<u32> {
        self.ca.as_ref().and_then(|ca| path_len(ca.pathlen, ca.pathlenzero))
    }
}

fn path_len(len: u32, zero: bool) -> Option<u32> {
    (len > 0 || zero).then_some(len)
}
