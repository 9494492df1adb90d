//! Parsers for the files of cfssl: `ca-config.json`, `ca-csr.json`, `server-csr.json`, and YAML of the same structure.
//!
//! As in Go, keys are case-insensitive, and `null` counts as not set. An unknown key is a warning, or an error where it may be
//! a restriction.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::SignedDuration;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Error, files};
use crate::api::GoDuration;
use crate::pki::key::{KeyAlgorithm, KeySpec};
use crate::pki::name::Subject;

/// cfssl's default expiry of a CA: five years.
pub(super) const CA_EXPIRY: SignedDuration = SignedDuration::from_hours(43_800);

/// Keys that are unknown here.
type Rest = BTreeMap<String, Value>;

/// `ca-config.json`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Config {
    pub(super) signing: Signing,
    #[serde(flatten)]
    rest: Rest,
}

/// The profiles.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Signing {
    pub(super) default: Option<Profile>,
    pub(super) profiles: BTreeMap<String, Profile>,
    #[serde(flatten)]
    rest: Rest,
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
    /// A regular expression that each name has to match somewhere.
    pub(super) name_whitelist: Option<String>,
    #[serde(flatten)]
    pub(super) rest: Rest,
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
    #[serde(rename = "cn")]
    common_name: String,
    hosts: Vec<String>,
    key: Option<Key>,
    names: Vec<Names>,
    #[serde(rename = "serialnumber")]
    serial_number: String,
    ca: Option<Ca>,
    #[serde(flatten)]
    rest: Rest,
}

#[derive(Debug, Deserialize)]
struct Key {
    algo: String,
    #[serde(default)]
    size: u32,
    #[serde(flatten)]
    rest: Rest,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Names {
    #[serde(rename = "c")]
    country: String,
    #[serde(rename = "st")]
    province: String,
    #[serde(rename = "l")]
    locality: String,
    #[serde(rename = "o")]
    organization: String,
    #[serde(rename = "ou")]
    organizational_unit: String,
    #[serde(rename = "e")]
    email: String,
    #[serde(rename = "serialnumber")]
    serial_number: String,
    /// Further attributes, by the dotted OID of their type.
    oid: BTreeMap<String, String>,
    #[serde(flatten)]
    rest: Rest,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Ca {
    expiry: Option<String>,
    backdate: Option<String>,
    pathlen: u32,
    pathlenzero: bool,
    #[serde(flatten)]
    rest: Rest,
}

/// Reads one of the files.
pub(super) fn read<T: DeserializeOwned>(path: &Path) -> Result<T, Error> {
    parse(&files::read(path)?).map_err(|why| Error::File(format!("{} cannot be parsed: {why}", path.display())))
}

fn parse<T: DeserializeOwned>(content: &[u8]) -> Result<T, String> {
    let text = std::str::from_utf8(content).map_err(|_| "it is not UTF-8")?;
    // serde_json has better error messages for JSON than a YAML parser
    let value: Value = if text.trim_start().starts_with('{') {
        serde_json::from_str(text).map_err(|error| error.to_string())?
    } else {
        serde_saphyr::from_str(text).map_err(|error| error.to_string())?
    };
    serde_path_to_error::deserialize(as_go(value, Keys::Ours)?).map_err(|error| error.to_string())
}

/// Parses a text as each of the files, for the fuzzer.
#[cfg(test)]
pub(crate) fn fuzz(content: &[u8]) {
    if let Ok(csr) = parse::<Csr>(content) {
        let name = csr.subject().to_name().with_attributes(&csr.further_attributes());
        drop((name, csr.key_spec(), csr.remarks(), csr.ca_expiry(), csr.ca_backdate()));
        drop(super::subject::names(&csr.hosts()));
    }
    if let Ok(config) = parse::<Config>(content) {
        drop(config.remarks());
        for (name, profile) in &config.signing.profiles {
            let default = config.signing.default.as_ref();
            drop(super::profile::Profile::from_cfssl(name, profile, default));
        }
    }
}

/// How the keys of an object are treated.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Keys {
    /// Case-insensitive names of fields.
    Ours,
    /// Names that a user chose. They are not changed.
    Theirs,
}

/// Converts keys to lower case and removes null values.
fn as_go(value: Value, keys: Keys) -> Result<Value, String> {
    Ok(match value {
        Value::Object(fields) => {
            let mut made = serde_json::Map::new();
            for (key, value) in fields.into_iter().filter(|(_, value)| !value.is_null()) {
                let name = if keys == Keys::Ours {
                    key.to_ascii_lowercase()
                } else {
                    key
                };
                let inner = match (keys, name.as_str()) {
                    (Keys::Ours, "profiles" | "oid") => Keys::Theirs,
                    _ => Keys::Ours,
                };
                let value = as_go(value, inner)?;
                if made.insert(name.clone(), value).is_some() {
                    return Err(format!("{name:?} occurs twice"));
                }
            }
            Value::Object(made)
        }
        Value::Array(list) => {
            let list = list.into_iter().filter(|value| !value.is_null());
            Value::Array(list.map(|value| as_go(value, Keys::Ours)).collect::<Result<_, _>>()?)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value,
    })
}

/// A duration as cfssl writes it: `8760h`.
pub(super) fn duration(text: &str) -> Result<SignedDuration, Error> {
    let duration: GoDuration = text.parse().map_err(|error| Error::Usage(format!("{error}")))?;
    Ok(SignedDuration::from_nanos(duration.as_nanoseconds()))
}

impl Config {
    /// Warnings about keys that have no effect.
    pub(super) fn remarks(&self) -> Vec<String> {
        // profiles refer to these by name; a profile that does so is refused
        let known = |key: &&String| !["auth_keys", "remotes"].contains(&key.as_str());
        let keys = self.rest.keys().filter(known).chain(self.signing.rest.keys());
        keys.map(|key| unknown(key)).collect()
    }
}

impl Profile {
    /// Warnings about keys that have no effect.
    ///
    /// # Errors
    /// [`Error::Usage`] for an unknown key, because it may restrict what is signed.
    pub(super) fn remarks(&self, name: &str) -> Result<Vec<String>, Error> {
        match self
            .rest
            .keys()
            .find(|key| !WITHOUT_RESTRICTION.contains(&key.as_str()))
        {
            Some(key) => Err(Error::Usage(format!(
                "the profile {name:?} has {key:?}, which certlet does not support and which may be a restriction. Nothing was signed. Remove the key from the file, or sign with cfssl"
            ))),
            None => Ok(self.rest.keys().map(|key| unknown(key)).collect()),
        }
    }
}

impl CaConstraint {
    /// The path length constraint. cfssl writes 0 as a separate flag.
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

    /// Attributes of the subject that have no field in [`Subject`]: dotted OID and value.
    pub(super) fn further_attributes(&self) -> Vec<(String, String)> {
        let emails = self.names.iter().map(|names| (EMAIL_ADDRESS, &names.email));
        let others = self.names.iter().flat_map(|names| &names.oid);
        emails
            .chain(others.map(|(oid, value)| (oid.as_str(), value)))
            .filter(|(_, value)| !value.is_empty())
            .map(|(oid, value)| (oid.to_owned(), value.clone()))
            .collect()
    }

    /// The host names. Empty ones, which are common in cfssl's files, are skipped.
    pub(super) fn hosts(&self) -> Vec<String> {
        self.hosts.iter().filter(|host| !host.is_empty()).cloned().collect()
    }

    /// Warnings about keys that have no effect.
    pub(super) fn remarks(&self) -> Vec<String> {
        let of_key = self.key.iter().flat_map(|key| key.rest.keys());
        let of_names = self.names.iter().flat_map(|names| names.rest.keys());
        let of_ca = self.ca.iter().flat_map(|ca| ca.rest.keys());
        let keys = self.rest.keys().chain(of_key).chain(of_names).chain(of_ca);
        keys.map(|key| unknown(key)).collect()
    }

    pub(super) fn ca_backdate(&self) -> Result<Option<SignedDuration>, Error> {
        let backdate = self.ca.as_ref().and_then(|ca| ca.backdate.as_deref());
        backdate.map(duration).transpose()
    }

    /// The key to generate: ECDSA P-256 by default, as in cfssl.
    pub(super) fn key_spec(&self) -> Result<KeySpec, Error> {
        let Some(Key { algo, size, rest: _ }) = &self.key else {
            return Ok(KeySpec::new(KeyAlgorithm::Ecdsa, None));
        };
        let algorithm = match algo.to_ascii_lowercase().as_str() {
            "rsa" => KeyAlgorithm::Rsa,
            "ecdsa" => KeyAlgorithm::Ecdsa,
            "ed25519" => KeyAlgorithm::Ed25519,
            other => {
                return Err(Error::Usage(format!(
                    "the key algorithm {other:?} is not supported: use rsa, ecdsa or ed25519"
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

fn unknown(key: &str) -> String {
    format!("{key:?} is unknown and has no effect")
}

/// Keys of a profile that restrict nothing. Without them a certificate only contains less.
const WITHOUT_RESTRICTION: [&str; 6] = [
    "cert_store",
    "copy_extensions",
    "ct_log_servers",
    "lint_error_level",
    "ocsp_no_check",
    "policies",
];

const EMAIL_ADDRESS: &str = "1.2.840.113549.1.9.1";

fn path_len(len: u32, zero: bool) -> Option<u32> {
    (len > 0 || zero).then_some(len)
}
