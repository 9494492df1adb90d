//! Distinguished names as text (RFC 4514 section 2).

use std::fmt::{self, Write as _};

use super::{Attribute, Name};
use crate::pki::oid;

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rdns = self.read().unwrap_or_default();
        let parts: Vec<String> = rdns
            .iter()
            .rev()
            .map(|rdn| rdn.iter().map(show).collect::<Vec<_>>().join("+"))
            .collect();
        f.write_str(&parts.join(","))
    }
}

/// `#` and hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold("#".to_owned(), |text, byte| format!("{text}{byte:02x}"))
}

fn show(attribute: &Attribute) -> String {
    let Attribute { oid, value } = attribute;
    let key = KEYS
        .iter()
        .find(|(_, known)| known == oid)
        .map_or(oid.as_str(), |(key, _)| key);
    let mut escaped = String::with_capacity(value.len());
    let last = value.chars().count().saturating_sub(1);
    for (at, character) in value.chars().enumerate() {
        let special = match character {
            ',' | '+' | '"' | '\\' | '<' | '>' | ';' => true,
            ' ' => at == 0 || at == last,
            '#' => at == 0,
            _ => false,
        };
        if special {
            escaped.push('\\');
        }
        if character.is_control() {
            let mut buffer = [0; 4];
            for byte in character.encode_utf8(&mut buffer).bytes() {
                let _infallible = write!(escaped, "\\{byte:02X}");
            }
        } else {
            escaped.push(character);
        }
    }
    format!("{key}={escaped}")
}

/// Keys of RFC 4514 and of `literalSubject` (CRT-05), and other frequent ones.
pub(super) const KEYS: [(&str, &str); 12] = [
    ("C", oid::COUNTRY),
    ("O", oid::ORGANIZATION),
    ("OU", oid::ORGANIZATIONAL_UNIT),
    ("CN", oid::COMMON_NAME),
    ("SERIALNUMBER", oid::SERIAL_NUMBER),
    ("L", oid::LOCALITY),
    ("ST", oid::PROVINCE),
    ("STREET", oid::STREET_ADDRESS),
    ("DC", oid::DOMAIN_COMPONENT),
    ("UID", oid::USER_ID),
    ("POSTALCODE", oid::POSTAL_CODE),
    ("emailAddress", "1.2.840.113549.1.9.1"),
];
