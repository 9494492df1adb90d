//! Annotations that set fields of the Certificates (ANN-05..16).

use std::{fmt, net::IpAddr, str::FromStr};

use super::{csv, template};
use crate::{
    api::{
        GoDuration, UnknownValue,
        certificate::{CertificateSpec, Subject},
        key::{KeyAlgorithm, PrivateKey},
        names::annotation as name,
        usage::KeyUsage,
    },
    plan::seen::Pairs,
};

/// An annotation with an invalid value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BadAnnotation {
    key: &'static str,
    why: String,
}

impl fmt::Display for BadAnnotation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "annotation {:?}: {}", self.key, self.why)
    }
}

type Reader = fn(&mut CertificateSpec, &str) -> Result<(), String>;

/// The order matters: the size of a key is validated with its algorithm.
const READERS: &[(&str, Reader)] = &[
    (name::COMMON_NAME, common_name),
    (name::ALT_NAMES, alt_names),
    (name::IP_SANS, ip_sans),
    (name::EMAIL_SANS, email_sans),
    (name::SUBJECT_ORGANIZATIONS, |spec, value| {
        subject(spec, value, |s| &mut s.organizations)
    }),
    (name::SUBJECT_ORGANIZATIONAL_UNITS, |spec, value| {
        subject(spec, value, |s| &mut s.organizational_units)
    }),
    (name::SUBJECT_COUNTRIES, |spec, value| {
        subject(spec, value, |s| &mut s.countries)
    }),
    (name::SUBJECT_PROVINCES, |spec, value| {
        subject(spec, value, |s| &mut s.provinces)
    }),
    (name::SUBJECT_LOCALITIES, |spec, value| {
        subject(spec, value, |s| &mut s.localities)
    }),
    (name::SUBJECT_POSTAL_CODES, |spec, value| {
        subject(spec, value, |s| &mut s.postal_codes)
    }),
    (name::SUBJECT_STREET_ADDRESSES, |spec, value| {
        subject(spec, value, |s| &mut s.street_addresses)
    }),
    (name::SUBJECT_SERIAL_NUMBER, subject_serial_number),
    (name::DURATION, duration),
    (name::RENEW_BEFORE, renew_before),
    (name::RENEW_BEFORE_PERCENTAGE, renew_before_percentage),
    (name::USAGES, usages),
    (name::REVISION_HISTORY_LIMIT, revision_history_limit),
    (name::PRIVATE_KEY_ALGORITHM, |spec, value| {
        known(value).map(|found| private_key(spec).algorithm = Some(found))
    }),
    (name::PRIVATE_KEY_ENCODING, |spec, value| {
        known(value).map(|found| private_key(spec).encoding = Some(found))
    }),
    (name::PRIVATE_KEY_SIZE, private_key_size),
    (name::PRIVATE_KEY_ROTATION_POLICY, |spec, value| {
        known(value).map(|found| private_key(spec).rotation_policy = Some(found))
    }),
    (name::SECRET_TEMPLATE, secret_template),
];

/// Writes the annotations into `spec`. The first invalid one is the error (SHM-11).
///
/// An empty annotation counts as absent: charts render `alt-names: ""` if no value is set.
pub(super) fn translate(spec: &mut CertificateSpec, annotations: &Pairs) -> Result<(), BadAnnotation> {
    for (key, read) in READERS {
        if let Some(value) = annotations.get(key).filter(|value| !value.is_empty()) {
            read(spec, value).map_err(|why| BadAnnotation { key, why })?;
        }
    }
    Ok(())
}

/// Parses one text as each of the annotations, for the fuzzer.
#[cfg(test)]
pub(crate) fn fuzz(text: &str) {
    for (_, read) in READERS {
        drop(read(&mut CertificateSpec::default(), text));
    }
}

fn common_name(spec: &mut CertificateSpec, value: &str) -> Result<(), String> {
    if value.len() > 64 {
        return Err(format!(
            "{value:?} has {} bytes, and a common name has at most 64",
            value.len()
        ));
    }
    spec.common_name = Some(value.to_owned());
    Ok(())
}

/// Members of a comma-separated list, trimmed. Empty members, as in a list that was joined from optional values, are skipped.
fn members(value: &str) -> impl Iterator<Item = &str> {
    value.split(',').map(str::trim).filter(|member| !member.is_empty())
}

/// Trimmed. cert-manager does not trim and requests a name with a leading space (ANN-06).
#[expect(clippy::unnecessary_wraps, reason = "one of the readers")]
fn alt_names(spec: &mut CertificateSpec, value: &str) -> Result<(), String> {
    spec.dns_names.extend(members(value).map(str::to_owned));
    Ok(())
}

fn ip_sans(spec: &mut CertificateSpec, value: &str) -> Result<(), String> {
    for address in members(value) {
        address
            .parse::<IpAddr>()
            .map_err(|_| format!("{address:?} is not an IP address"))?;
        spec.ip_addresses.push(address.to_owned());
    }
    Ok(())
}

fn email_sans(spec: &mut CertificateSpec, value: &str) -> Result<(), String> {
    for address in members(value) {
        let sides = address
            .rsplit_once('@')
            .filter(|(local, domain)| !local.is_empty() && !domain.is_empty());
        // "Name <a@example.com>" is an address with a display name; a certificate contains only the address
        if sides.is_none() || address.contains(|c: char| c.is_whitespace() || "<>()".contains(c)) {
            return Err(format!(
                "{address:?} is not an e-mail address alone, as in ops@example.com"
            ));
        }
        spec.email_addresses.push(address.to_owned());
    }
    Ok(())
}

fn subject(spec: &mut CertificateSpec, value: &str, field: fn(&mut Subject) -> &mut Vec<String>) -> Result<(), String> {
    let values =
        csv::split(value).map_err(|why| format!("{value:?} is not a list of comma-separated values: {why}"))?;
    *field(spec.subject.get_or_insert_default()) = values;
    Ok(())
}

#[expect(clippy::unnecessary_wraps, reason = "one of the readers")]
fn subject_serial_number(spec: &mut CertificateSpec, value: &str) -> Result<(), String> {
    spec.subject.get_or_insert_default().serial_number = Some(value.to_owned());
    Ok(())
}

fn duration(spec: &mut CertificateSpec, value: &str) -> Result<(), String> {
    spec.duration = Some(at_least(value, GoDuration::from_hours(1))?);
    Ok(())
}

fn renew_before(spec: &mut CertificateSpec, value: &str) -> Result<(), String> {
    spec.renew_before = Some(at_least(value, GoDuration::from_minutes(5))?);
    Ok(())
}

fn at_least(value: &str, least: GoDuration) -> Result<GoDuration, String> {
    let duration = GoDuration::from_str(value).map_err(|error| error.to_string())?;
    if duration < least {
        return Err(format!("{value:?} is less than {least}"));
    }
    Ok(duration)
}

/// Any number, as in cert-manager (ANN-12): an invalid percentage has no effect on the renewal time.
fn renew_before_percentage(spec: &mut CertificateSpec, value: &str) -> Result<(), String> {
    spec.renew_before_percentage = Some(whole_number(value)?);
    Ok(())
}

fn usages(spec: &mut CertificateSpec, value: &str) -> Result<(), String> {
    let read = |usage: &str| {
        KeyUsage::from_str(usage.trim_matches(' ')).map_err(|_| format!("invalid key usage name {usage:?}"))
    };
    spec.usages = value.split(',').map(read).collect::<Result<_, _>>()?;
    Ok(())
}

fn revision_history_limit(spec: &mut CertificateSpec, value: &str) -> Result<(), String> {
    let limit: i32 = whole_number(value)?;
    if limit < 1 {
        return Err(format!("revision history limit must be a positive number {value:?}"));
    }
    spec.revision_history_limit = Some(limit);
    Ok(())
}

fn private_key_size(spec: &mut CertificateSpec, value: &str) -> Result<(), String> {
    let size: i64 = whole_number(value)?;
    let key = private_key(spec);
    let algorithm = key.algorithm.unwrap_or_default();
    let fits = match algorithm {
        KeyAlgorithm::Rsa => (2048..=8192).contains(&size),
        KeyAlgorithm::Ecdsa => matches!(size, 256 | 384 | 521),
        KeyAlgorithm::Ed25519 => true,
    };
    if !fits {
        return Err(format!("invalid private key size for {algorithm} algorithm {value:?}"));
    }
    key.size = Some(size);
    Ok(())
}

fn secret_template(spec: &mut CertificateSpec, value: &str) -> Result<(), String> {
    let template = template::read(value).map_err(|why| format!("error parsing secret template JSON: {why}"))?;
    if let Some(key) = template
        .annotations
        .keys()
        .find(|key| key.starts_with("cert-manager.io/"))
    {
        return Err(format!(
            "secretTemplate must not have cert-manager.io/ annotations: {key:?}"
        ));
    }
    if !template.annotations.is_empty() || !template.labels.is_empty() {
        spec.secret_template = Some(template);
    }
    Ok(())
}

fn private_key(spec: &mut CertificateSpec) -> &mut PrivateKey {
    spec.private_key.get_or_insert_default()
}

fn known<T: FromStr<Err = UnknownValue>>(value: &str) -> Result<T, String> {
    value.parse().map_err(|error: UnknownValue| error.to_string())
}

fn whole_number<T: FromStr>(value: &str) -> Result<T, String> {
    value.parse().map_err(|_| format!("{value:?} is not a whole number"))
}
