//! Reports on certificates, signing requests and keys, for people and programs.

use std::fmt::Write as _;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::cli::format::rows;
use crate::pki::certificate::CertificateInfo;
use crate::pki::csr::CsrInfo;
use crate::pki::key::{KeyEncoding, PrivateKey};
use crate::pki::name::SubjectAltNames;
use crate::pki::usage::UsageSet;

/// A certificate, a signing request or a key.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "kind")]
pub(crate) enum Report {
    Certificate(CertificateReport),
    CertificateRequest(RequestReport),
    PrivateKey(KeyReport),
}

/// A certificate.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CertificateReport {
    pub(crate) subject: String,
    issuer: String,
    pub(crate) names: Vec<String>,
    not_before: Timestamp,
    not_after: String,
    pub(crate) valid: String,
    usages: Vec<String>,
    #[serde(rename = "isCA")]
    is_ca: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    path_length: Option<u32>,
    self_signed: bool,
    key: String,
    public_key_sha256: String,
    serial_number: String,
    subject_key_id: String,
    authority_key_id: String,
    fingerprint_sha256: String,
}

/// A signing request.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RequestReport {
    subject: String,
    names: Vec<String>,
    usages: Vec<String>,
    #[serde(rename = "isCA", skip_serializing_if = "Option::is_none")]
    is_ca: Option<bool>,
    key: String,
    public_key_sha256: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_signed_because: Option<String>,
}

/// A private key. Only properties of its public key are shown.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct KeyReport {
    key: String,
    encoding: String,
    public_key_sha256: String,
}

impl Report {
    pub(crate) fn table(&self) -> String {
        match self {
            Self::Certificate(report) => report.table(),
            Self::CertificateRequest(report) => report.table(),
            Self::PrivateKey(report) => report.table(),
        }
    }
}

impl CertificateReport {
    pub(crate) fn new(info: &CertificateInfo, now: Timestamp) -> Self {
        let id = |id: &Option<Vec<u8>>| id.as_deref().map(hex).unwrap_or_default();
        Self {
            subject: info.subject.to_string(),
            issuer: info.issuer.to_string(),
            names: names(&info.sans),
            not_before: info.not_before,
            not_after: if info.is_endless() {
                "9999-12-31T23:59:59Z".into()
            } else {
                info.not_after.to_string()
            },
            valid: valid(info, now),
            usages: info.usages.as_ref().map(usages).unwrap_or_default(),
            is_ca: info.is_ca,
            path_length: info.path_len,
            self_signed: info.self_signed,
            key: info
                .key_spec
                .map_or_else(|| "of an unknown type".into(), |spec| spec.to_string()),
            public_key_sha256: info.key_hash.to_string(),
            serial_number: info.serial_hex(),
            subject_key_id: id(&info.subject_key_id),
            authority_key_id: id(&info.authority_key_id),
            fingerprint_sha256: hex(&info.fingerprint),
        }
    }

    pub(crate) fn table(&self) -> String {
        let role = match (self.is_ca, self.path_length) {
            (true, Some(len)) => format!("yes, with at most {len} below it"),
            (true, None) => "yes".into(),
            (false, _) => "no".into(),
        };
        let issuer = if self.self_signed {
            format!("{} (itself)", self.issuer)
        } else {
            self.issuer.clone()
        };
        rows(&[
            ("CERTIFICATE", self.subject.clone()),
            ("Issued by", issuer),
            ("Names", self.names.join(", ")),
            ("Valid", self.valid.clone()),
            ("From", self.not_before.to_string()),
            ("Until", self.not_after.clone()),
            ("For", self.usages.join(", ")),
            ("CA", role),
            ("Key", format!("{}, SHA-256 {}", self.key, self.public_key_sha256)),
            ("Serial number", self.serial_number.clone()),
            ("Key identifier", self.subject_key_id.clone()),
            ("Issuer's", self.authority_key_id.clone()),
            ("SHA-256", self.fingerprint_sha256.clone()),
        ])
    }
}

impl RequestReport {
    /// The report on a request. `refused` is the reason why the signer would refuse the text that contains it.
    pub(crate) fn new(info: &CsrInfo, refused: Option<&crate::pki::Error>) -> Self {
        Self {
            subject: info.subject.to_string(),
            names: names(&info.sans),
            usages: info.usages.as_ref().map(usages).unwrap_or_default(),
            is_ca: info.is_ca(),
            key: info.key_spec().to_string(),
            public_key_sha256: info.key_hash().to_string(),
            not_signed_because: refused.map(ToString::to_string),
        }
    }

    fn table(&self) -> String {
        rows(&[
            ("SIGNING REQUEST", self.subject.clone()),
            ("Names", self.names.join(", ")),
            ("For", self.usages.join(", ")),
            (
                "CA",
                self.is_ca
                    .map(|is_ca| if is_ca { "yes" } else { "no" }.to_owned())
                    .unwrap_or_default(),
            ),
            ("Key", format!("{}, SHA-256 {}", self.key, self.public_key_sha256)),
            ("Not signed", self.not_signed_because.clone().unwrap_or_default()),
        ])
    }
}

impl KeyReport {
    pub(crate) fn new(key: &PrivateKey, encoding: KeyEncoding) -> Self {
        Self {
            key: key.spec().to_string(),
            encoding: encoding.to_string(),
            public_key_sha256: key.hash().to_string(),
        }
    }

    fn table(&self) -> String {
        rows(&[
            ("PRIVATE KEY", format!("{}, {}", self.key, self.encoding)),
            ("Public half", format!("SHA-256 {}", self.public_key_sha256)),
        ])
    }
}

/// All subject alternative names as one list.
pub(crate) fn names(sans: &SubjectAltNames) -> Vec<String> {
    let SubjectAltNames {
        dns,
        emails,
        ips,
        uris,
        others,
        foreign,
    } = sans;
    let plain = dns.iter().chain(emails).chain(uris).cloned();
    let ips = ips.iter().map(ToString::to_string);
    let others = others.iter().map(|other| format!("{}={}", other.oid, other.value));
    let foreign = foreign.iter().map(|der| format!("#{}", hex(der)));
    plain.chain(ips).chain(others).chain(foreign).collect()
}

fn usages(set: &UsageSet) -> Vec<String> {
    let known = set.usages().into_iter().map(|usage| usage.to_string());
    known
        .chain(set.unknown_purposes().into_iter().map(str::to_owned))
        .collect()
}

fn valid(info: &CertificateInfo, now: Timestamp) -> String {
    if now < info.not_before {
        format!("not yet, in {}", rough(info.not_before.duration_since(now)))
    } else if now > info.not_after {
        format!("no, expired {} ago", rough(now.duration_since(info.not_after)))
    } else if info.is_endless() {
        "for ever".into()
    } else {
        format!("for {}", rough(info.not_after.duration_since(now)))
    }
}

/// A duration in days, or in hours and minutes if it is short.
fn rough(duration: SignedDuration) -> String {
    match duration.as_hours() {
        hours @ 48.. => format!("{} days", hours / 24),
        hours => format!("{hours} hours {} minutes", duration.as_mins() % 60),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _infallible = write!(text, "{byte:02x}");
        text
    })
}
