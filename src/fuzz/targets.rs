//! What is given inputs. Each also states what must hold for what it accepts.

use http::{HeaderMap, HeaderName, HeaderValue};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use url::Url;

use crate::acme::{AccountKey, Problem, chain::Chain};
use crate::api::GoDuration;
use crate::net::headers::{RetryAfter, links};
use crate::pki::certificate::{CertificateInfo, public_key, urls};
use crate::pki::csr::{CsrInfo, only_request};
use crate::pki::key::PrivateKey;
use crate::pki::keystore::{Format, Profile};
use crate::pki::name::{Name, SubjectAltNames};
use crate::pki::{chain, pem};
use crate::plan::renewal::cron::{Cron, Recurrence};
use crate::text;

/// Reads an input; what it thinks of it does not matter.
pub(super) type Target = fn(&[u8]);

/// The name of the folder in `fuzz/corpus`, and what reads it.
pub(super) const TARGETS: [(&str, Target); 17] = [
    ("pem", pem_bundle),
    ("chain", ordered),
    ("csr", signing_request),
    ("certificate", certificate),
    ("key", private_key),
    ("pkcs12", pkcs12),
    ("jks", jks),
    ("acme_json", acme_json),
    ("acme_headers", acme_headers),
    ("acme_chain", acme_chain),
    ("distinguished_name", distinguished_name),
    ("annotations", annotations),
    ("go_duration", go_duration),
    ("cron", cron),
    ("cfssl", crate::cli::ca::fuzz_cfssl),
    ("dns_answer", crate::dns::fuzz_answer),
    ("text", texts),
];

fn pem_bundle(input: &[u8]) {
    let Ok(scan) = pem::scan(input) else { return };
    for block in &scan.blocks {
        let again = pem::parse(&pem::encode("X", block.der.expose())).unwrap();
        assert_eq!(again[0].der, block.der);
    }
    unused((
        chain::parse_certificates(input, 330_000),
        chain::parse_chain(input, 95_000),
        pem::key_der(input),
    ));
}

fn ordered(input: &[u8]) {
    let Ok(certificates) = chain::parse_certificates(input, 95_000) else {
        return;
    };
    if let Ok(ordered) = chain::order(certificates) {
        assert_eq!(chain::order(ordered.clone()).as_ref(), Ok(&ordered));
        unused(chain::split(ordered));
    }
}

fn signing_request(input: &[u8]) {
    unused((
        only_request(input).map(|der| CsrInfo::from_der_unverified(&der)),
        CsrInfo::parse(input),
    ));
    let Ok(info) = CsrInfo::of_file(input) else { return };
    shown(&info.subject, &info.sans);
}

fn certificate(input: &[u8]) {
    unused((urls(input), public_key(input), CsrInfo::from_certificate(input)));
    let Ok(info) = CertificateInfo::parse(input) else {
        return;
    };
    unused((info.ari_id(), info.serial_hex(), info.subject_parts()));
    shown(&info.subject, &info.sans);
}

/// What was read can be shown, and written unless it must not be.
fn shown(subject: &Name, sans: &SubjectAltNames) {
    assert!(!text::line(&subject.to_string()).contains(text::is_hidden));
    if let Ok(der) = sans.to_der()
        && !sans.is_empty()
    {
        assert_eq!(
            SubjectAltNames::from_der(&der).as_ref().map(|read| read.dns.len()),
            Ok(sans.dns.len())
        );
    }
}

fn private_key(input: &[u8]) {
    unused((PrivateKey::from_pem(input), AccountKey::from_pem(input)));
}

fn pkcs12(input: &[u8]) {
    for profile in [
        Profile::LegacyRc2,
        Profile::LegacyDes,
        Profile::Modern2023,
        Profile::Modern2026,
    ] {
        unused(Format::Pkcs12(profile).check_truststore(input, CA.as_bytes(), "password"));
    }
}

fn jks(input: &[u8]) {
    let format = Format::Jks {
        alias: "certificate".into(),
    };
    unused(format.check_truststore(input, CA.as_bytes(), "password"));
}

/// What it says does not matter.
fn unused<T>(_: T) {}

/// Any certificate: the reader opens the file first.
const CA: &str = include_str!("../../fuzz/corpus/pem/root.pem");

fn acme_json(input: &[u8]) {
    if let Some(problem) = Problem::from_answer("application/problem+json", input) {
        assert!(!problem.to_string().contains(char::is_control), "{problem}");
        unused(problem.next(Timestamp::UNIX_EPOCH));
    }
}

/// Lines of `Name: value`, as they came.
fn acme_headers(input: &[u8]) {
    let mut headers = HeaderMap::new();
    for line in input.split(|byte| *byte == b'\n').take(100) {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            continue;
        };
        let (Ok(name), Ok(value)) = (
            HeaderName::from_bytes(&line[..colon]),
            HeaderValue::from_bytes(line[colon + 1..].trim_ascii()),
        ) else {
            continue;
        };
        headers.append(name, value);
    }
    let base = Url::parse("https://acme.example/directory").unwrap();
    for relation in ["alternate", "up", "index"] {
        unused(links(&headers, relation, &base));
    }
    if let Some(retry) = RetryAfter::from_headers(&headers) {
        let now = Timestamp::UNIX_EPOCH;
        unused((retry.until(now), retry.delay(now)));
    }
}

fn acme_chain(input: &[u8]) {
    if let Ok(chain) = Chain::from_pem(input) {
        assert_eq!(Chain::from_pem(chain.pem.as_bytes()).as_ref(), Ok(&chain));
    }
}

fn distinguished_name(input: &[u8]) {
    let Ok(input) = std::str::from_utf8(input) else { return };
    if let Ok(name) = Name::from_literal(input) {
        assert_eq!(Name::from_der(name.der()).as_ref(), Ok(&name));
        unused(name.to_string());
    }
}

fn annotations(input: &[u8]) {
    if let Ok(input) = std::str::from_utf8(input) {
        crate::plan::shim::fuzz_annotations(input);
    }
}

fn go_duration(input: &[u8]) {
    let Ok(input) = std::str::from_utf8(input) else { return };
    if let Ok(duration) = input.parse::<GoDuration>() {
        assert_eq!(duration.to_string().parse::<GoDuration>().ok(), Some(duration));
    }
}

fn cron(input: &[u8]) {
    let Ok(input) = std::str::from_utf8(input) else { return };
    unused(Recurrence::parse(input));
    if let Ok(cron) = Cron::parse(input) {
        for second in [0, 1_800_000_000, Timestamp::MAX.as_second(), Timestamp::MIN.as_second()] {
            let at = Timestamp::from_second(second).unwrap();
            assert!(cron.at_or_after(at, &TimeZone::UTC).is_none_or(|found| found >= at));
            assert!(cron.at_or_before(at, &TimeZone::UTC).is_none_or(|found| found <= at));
        }
    }
}

fn texts(input: &[u8]) {
    let input = String::from_utf8_lossy(input);
    assert!(!text::line(&input).contains(text::is_hidden));
    let json = serde_json::to_string(&input).unwrap();
    assert_eq!(serde_json::from_str::<String>(&text::json(&json)).unwrap(), input);
}
