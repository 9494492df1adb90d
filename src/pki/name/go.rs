//! Distinguished names as text, as Go's crypto/x509 writes them. trust-manager names the entries of its keystores so.

use std::fmt::Write as _;

use super::{Attribute, Name, string_tag};
use crate::pki::{der, oid};

/// The attributes that Go has fields for, in the order in which it puts them together, with their keys.
const FIELDS: [(&str, &str); 9] = [
    (oid::COUNTRY, "C"),
    (oid::PROVINCE, "ST"),
    (oid::LOCALITY, "L"),
    (oid::STREET_ADDRESS, "STREET"),
    (oid::POSTAL_CODE, "POSTALCODE"),
    (oid::ORGANIZATION, "O"),
    (oid::ORGANIZATIONAL_UNIT, "OU"),
    (oid::COMMON_NAME, "CN"),
    (oid::SERIAL_NUMBER, "SERIALNUMBER"),
];

impl Name {
    /// The name as Go prints it: the attributes that it has fields for in a fixed order, whatever the certificate's, several of one kind
    /// joined by `+`, and before them the others with their value in DER.
    pub fn to_go_string(&self) -> String {
        let attributes = self.attributes();
        let mut parts: Vec<String> = attributes
            .iter()
            .filter(|attribute| FIELDS.iter().all(|(oid, _)| *oid != attribute.oid))
            .map(other)
            .collect();
        for (oid, key) in FIELDS {
            let values = attributes.iter().filter(|attribute| attribute.oid == oid);
            let values: Vec<&str> = values.map(|attribute| attribute.value.as_str()).collect();
            let values = match values.as_slice() {
                // Go keeps the last of these
                [.., last] if is_single(oid) => std::slice::from_ref(last).to_vec(),
                all => all.to_vec(),
            };
            let is_absent = values.is_empty() || (is_single(oid) && values.iter().all(|value| value.is_empty()));
            if !is_absent {
                let shown: Vec<String> = values.iter().map(|value| format!("{key}={}", escaped(value))).collect();
                parts.push(shown.join("+"));
            }
        }
        parts.reverse();
        parts.join(",")
    }
}

fn is_single(oid: &str) -> bool {
    oid == oid::COMMON_NAME || oid == oid::SERIAL_NUMBER
}

/// An attribute without a field: its value is encoded again, whatever string type it had.
fn other(attribute: &Attribute) -> String {
    let Attribute { oid, value } = attribute;
    let encoded = der::tlv(string_tag(value), value.as_bytes());
    let mut shown = format!("{oid}=#");
    for byte in encoded {
        let _infallible = write!(shown, "{byte:02x}");
    }
    shown
}

fn escaped(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    for (at, character) in value.char_indices() {
        let special = match character {
            ',' | '+' | '"' | '\\' | '<' | '>' | ';' => true,
            ' ' => at == 0 || at + 1 == value.len(),
            '#' => at == 0,
            _ => false,
        };
        if special {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(parts: &[(&str, &str)]) -> Name {
        let parts: Vec<_> = parts
            .iter()
            .map(|(oid, value)| ((*oid).to_owned(), (*value).to_owned()))
            .collect();
        Name::default().with_attributes(&parts).unwrap()
    }

    // expectations from a Go program that prints `x509.Certificate.Subject`
    #[test]
    fn the_order_is_go_s_and_not_the_certificate_s() {
        let name = name(&[
            (oid::COMMON_NAME, "the root"),
            (oid::ORGANIZATION, "Example, Inc."),
            (oid::COUNTRY, "DE"),
            (oid::ORGANIZATIONAL_UNIT, "one"),
            (oid::ORGANIZATIONAL_UNIT, "two"),
        ]);
        assert_eq!(name.to_go_string(), r"CN=the root,OU=one+OU=two,O=Example\, Inc.,C=DE");
    }

    #[test]
    fn what_go_has_no_field_for_is_at_the_end_in_der() {
        let name = name(&[
            (oid::DOMAIN_COMPONENT, "example"),
            (oid::COMMON_NAME, " #x "),
            ("1.2.840.113549.1.9.1", "a@example.com"),
        ]);
        assert_eq!(
            name.to_go_string(),
            "CN=\\ #x\\ ,1.2.840.113549.1.9.1=#0c0d61406578616d706c652e636f6d,0.9.2342.19200300.100.1.25=#13076578616d706c65"
        );
    }
}
