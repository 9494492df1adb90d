//! Parsing of `literalSubject`: a distinguished name as text (RFC 4514).

use super::{Name, attribute, show};
use crate::pki::{Error, der};

/// The most relative distinguished names: more than any real subject has.
const MAX_PARTS: usize = 256;

/// As [`Name::from_literal`].
///
/// # Errors
/// As there.
pub(super) fn parse(text: &str) -> Result<Name, Error> {
    let mut scanner = Scanner { text, at: 0 };
    let mut rdns = Vec::new();
    if text.trim().is_empty() {
        return Ok(Name::from_rdns(&[]));
    }
    loop {
        let (rdn, end) = scanner.relative_name()?;
        rdns.push(der::set_of(rdn));
        if rdns.len() > MAX_PARTS {
            return Err(Error::Name(format!("the subject has more than {MAX_PARTS} parts")));
        }
        if end == End::OfText {
            break;
        }
    }
    rdns.reverse();
    Ok(Name::from_rdns(&rdns))
}

/// The end of a value.
#[derive(Clone, Copy, Eq, PartialEq)]
enum End {
    Plus,
    Comma,
    OfText,
}

struct Scanner<'a> {
    text: &'a str,
    /// A byte offset, always at a character boundary.
    at: usize,
}

impl Scanner<'_> {
    fn relative_name(&mut self) -> Result<(Vec<Vec<u8>>, End), Error> {
        let mut attributes = Vec::new();
        loop {
            let key = self.key()?;
            let (value, end) = self.value(&key)?;
            attributes.push(value);
            if end != End::Plus {
                return Ok((attributes, end));
            }
        }
    }

    /// The OID of the attribute type before the next `=`.
    fn key(&mut self) -> Result<Vec<u8>, Error> {
        let rest = self.rest();
        let Some(length) = rest.find('=') else {
            return Err(self.error(&format!("{:?} has no \"=\" (a part looks like CN=name)", rest.trim())));
        };
        let key = rest.get(..length).unwrap_or_default().trim();
        if key.is_empty() {
            return Err(self.error("there is no attribute type before \"=\""));
        }
        if let Some(separator) = key.chars().find(|c| matches!(c, ',' | '+' | ';')) {
            return Err(self.error(&format!(
                "{key:?} has a {separator:?} but no \"=\"; a {separator:?} within a value is written \\{separator}"
            )));
        }
        let known = show::KEYS
            .iter()
            .take(LITERAL_KEYS)
            .find(|(name, _)| name.eq_ignore_ascii_case(key));
        let oid = match known {
            Some((_, oid)) => der::oid(oid),
            None => der::try_oid(key).ok_or_else(|| {
                self.error(&format!(
                    "unrecognized key {key:?}; use C, O, OU, CN, SERIALNUMBER, L, ST, STREET, DC, UID or an OID such as 2.5.4.17"
                ))
            })?,
        };
        self.at += length + 1;
        Ok(oid)
    }

    fn value(&mut self, oid: &[u8]) -> Result<(Vec<u8>, End), Error> {
        let skipped = self.rest().len() - self.rest().trim_start_matches(' ').len();
        self.at += skipped;
        if self.rest().starts_with('#') {
            return self.encoded_value(oid);
        }
        let mut bytes = Vec::new();
        // Unescaped spaces at the end do not belong to the value.
        let mut kept = 0;
        let end = loop {
            let Some(character) = self.next() else {
                break End::OfText;
            };
            match character {
                ',' | ';' => break End::Comma,
                '+' => break End::Plus,
                '\\' => {
                    bytes.extend(self.escaped()?);
                    kept = bytes.len();
                }
                other => {
                    bytes.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes());
                    if other != ' ' {
                        kept = bytes.len();
                    }
                }
            }
        };
        bytes.truncate(kept);
        let value = String::from_utf8(bytes).map_err(|_| self.error("the \\XX escapes are not UTF-8"))?;
        Ok((attribute(oid, &value), end))
    }

    /// `#` and the DER of the value in hexadecimal digits (RFC 4514 section 2.4).
    fn encoded_value(&mut self, oid: &[u8]) -> Result<(Vec<u8>, End), Error> {
        let rest = self.rest();
        let length = rest.find([',', ';', '+']).unwrap_or(rest.len());
        let end = match rest.as_bytes().get(length) {
            None => End::OfText,
            Some(b'+') => End::Plus,
            Some(_) => End::Comma,
        };
        let digits = rest.get(1..length).unwrap_or_default().trim_end();
        let Some(value) = from_hex(digits).filter(|value| der::read(value).is_some_and(|(_, rest)| rest.is_empty()))
        else {
            return Err(self.error("after \"#\" the hexadecimal digits of one DER value are expected"));
        };
        self.at = (self.at + length + 1).min(self.text.len());
        Ok((der::sequence(&[oid, &value]), end))
    }

    fn escaped(&mut self) -> Result<Vec<u8>, Error> {
        let Some(first) = self.next() else {
            return Err(self.error("the text ends with a \\"));
        };
        if " \"#+,;<=>\\".contains(first) {
            return Ok(vec![u8::try_from(first).unwrap_or_default()]);
        }
        let digits: String = std::iter::once(first).chain(self.next()).collect();
        from_hex(&digits).ok_or_else(|| {
            self.error("after a \\ one of the characters \" # + , ; < = > \\ or two hexadecimal digits are expected")
        })
    }

    fn next(&mut self) -> Option<char> {
        let next = self.rest().chars().next()?;
        self.at += next.len_utf8();
        Some(next)
    }

    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn error(&self, what: &str) -> Error {
        Error::Name(format!(
            "literal subject {:?}, near character {}: {what}",
            self.text,
            self.at + 1
        ))
    }
}

/// How many of the known keys `literalSubject` accepts. The others have to be written as OIDs.
const LITERAL_KEYS: usize = 10;

fn from_hex(digits: &str) -> Option<Vec<u8>> {
    if digits.is_empty() || !digits.len().is_multiple_of(2) || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok())
        .collect()
}
