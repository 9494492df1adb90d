//! DER, written and read (X.690). Small enough to be read in one go; certificates from elsewhere are parsed by `x509-parser`,
//! this module takes apart only what that crate does not show as it was written.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

pub(crate) const BOOLEAN: u8 = 0x01;
pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const BIT_STRING: u8 = 0x03;
pub(crate) const OCTET_STRING: u8 = 0x04;
pub(crate) const OID: u8 = 0x06;
pub(crate) const UTF8_STRING: u8 = 0x0c;
pub(crate) const SEQUENCE: u8 = 0x30;
pub(crate) const SET: u8 = 0x31;
pub(crate) const PRINTABLE_STRING: u8 = 0x13;
pub(crate) const T61_STRING: u8 = 0x14;
pub(crate) const IA5_STRING: u8 = 0x16;
pub(crate) const BMP_STRING: u8 = 0x1e;

/// One value with its tag and length.
pub(crate) fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    tlv_of(tag, &[content])
}

/// One value whose content is these parts. Written in one allocation of the final size, so that no copy of key material stays behind.
pub(crate) fn tlv_of<P: AsRef<[u8]>>(tag: u8, parts: &[P]) -> Vec<u8> {
    let len: usize = parts.iter().map(|part| part.as_ref().len()).sum();
    let mut out = Vec::with_capacity(len + 10);
    out.push(tag);
    if len < 0x80 {
        out.push(u8::try_from(len).unwrap_or_default());
    } else {
        let bytes = len.to_be_bytes();
        let significant: Vec<u8> = bytes.iter().copied().skip_while(|b| *b == 0).collect();
        out.push(0x80 | u8::try_from(significant.len()).unwrap_or_default());
        out.extend_from_slice(&significant);
    }
    for part in parts {
        out.extend_from_slice(part.as_ref());
    }
    out
}

/// How many bytes a value has, tag and length included, whose content has this many.
pub(crate) fn encoded_len(content: usize) -> usize {
    let mut bytes = 2 + content;
    let mut long = if content < 0x80 { 0 } else { content };
    while long > 0 {
        bytes += 1;
        long >>= 8;
    }
    bytes
}

pub(crate) fn sequence<P: AsRef<[u8]>>(parts: &[P]) -> Vec<u8> {
    tlv_of(SEQUENCE, parts)
}

/// SET OF: the elements in ascending order of their encodings (X.690 section 11.6).
pub(crate) fn set_of(mut parts: Vec<Vec<u8>>) -> Vec<u8> {
    parts.sort();
    tlv_of(SET, &parts)
}

/// `[n]`, constructed: EXPLICIT tagging, or IMPLICIT tagging of a SEQUENCE's content.
pub(crate) fn context<P: AsRef<[u8]>>(number: u8, parts: &[P]) -> Vec<u8> {
    tlv_of(0xa0 | number, parts)
}

/// `[n]`, primitive: IMPLICIT tagging of a string or number.
pub(crate) fn context_primitive(number: u8, content: &[u8]) -> Vec<u8> {
    tlv(0x80 | number, content)
}

pub(crate) fn boolean(value: bool) -> Vec<u8> {
    tlv(BOOLEAN, &[if value { 0xff } else { 0 }])
}

pub(crate) fn null() -> Vec<u8> {
    vec![0x05, 0x00]
}

/// A non-negative INTEGER from its big-endian magnitude.
pub(crate) fn unsigned(magnitude: &[u8]) -> Vec<u8> {
    let mut content: Vec<u8> = magnitude.iter().copied().skip_while(|b| *b == 0).collect();
    if content.first().is_none_or(|b| b & 0x80 != 0) {
        content.insert(0, 0);
    }
    tlv(INTEGER, &content)
}

pub(crate) fn integer(value: u64) -> Vec<u8> {
    unsigned(&value.to_be_bytes())
}

pub(crate) fn octet_string(content: &[u8]) -> Vec<u8> {
    tlv(OCTET_STRING, content)
}

/// A BIT STRING of whole octets.
pub(crate) fn bit_string(content: &[u8]) -> Vec<u8> {
    let mut bits = vec![0];
    bits.extend_from_slice(content);
    tlv(BIT_STRING, &bits)
}

/// An OBJECT IDENTIFIER from its dotted form; `None` when that is not one.
pub(crate) fn try_oid(dotted: &str) -> Option<Vec<u8>> {
    let mut arcs = dotted.split('.').map(parse_arc);
    let (first, second) = (arcs.next()??, arcs.next()??);
    if first > 2 || (first < 2 && second > 39) {
        return None;
    }
    let mut content = base128(first.checked_mul(40)?.checked_add(second)?);
    for arc in arcs {
        content.extend(base128(arc?));
    }
    Some(tlv(OID, &content))
}

/// An OBJECT IDENTIFIER from one of the constants of [`super::oid`].
pub(crate) fn oid(dotted: &'static str) -> Vec<u8> {
    try_oid(dotted).unwrap_or_default()
}

/// `AlgorithmIdentifier` without parameters.
pub(crate) fn algorithm(dotted: &'static str) -> Vec<u8> {
    sequence(&[oid(dotted)])
}

/// `UTCTime` up to 2049, `GeneralizedTime` from 2050 on (RFC 5280 section 4.1.2.5).
pub(crate) fn time(at: Timestamp) -> Vec<u8> {
    if at >= END_OF_TIME {
        return tlv(0x18, b"99991231235959Z");
    }
    let utc: DateTime = TimeZone::UTC.to_datetime(at);
    let rest = format!(
        "{:02}{:02}{:02}{:02}{:02}Z",
        utc.month(),
        utc.day(),
        utc.hour(),
        utc.minute(),
        utc.second()
    );
    if (1950..2050).contains(&utc.year()) {
        tlv(0x17, format!("{:02}{rest}", utc.year() % 100).as_bytes())
    } else {
        tlv(0x18, format!("{:04}{rest}", utc.year()).as_bytes())
    }
}

/// The last whole second that a [`Timestamp`] holds. Times of certificates past it are taken for it, and it is written as
/// 99991231235959Z, which says that there is no end (RFC 5280 section 4.1.2.5).
pub const END_OF_TIME: Timestamp = Timestamp::constant(253_402_207_200, 0);

/// One value that was read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Value<'a> {
    pub(crate) tag: u8,
    pub(crate) content: &'a [u8],
    /// Tag, length and content.
    pub(crate) raw: &'a [u8],
}

impl Value<'_> {
    /// The values inside a constructed one; `None` when they are damaged.
    pub(crate) fn children(&self) -> Option<Vec<Self>> {
        let mut rest = self.content;
        let mut children = Vec::new();
        while !rest.is_empty() {
            let (value, after) = read(rest)?;
            children.push(value);
            rest = after;
        }
        Some(children)
    }
}

/// Reads one value of definite length with a one-byte tag, and what follows it. Never panics.
pub(crate) fn read(input: &[u8]) -> Option<(Value<'_>, &[u8])> {
    let (&tag, after_tag) = input.split_first()?;
    if tag & 0x1f == 0x1f {
        return None;
    }
    let (&first, after_first) = after_tag.split_first()?;
    let (len, body) = if first < 0x80 {
        (usize::from(first), after_first)
    } else {
        let count = usize::from(first & 0x7f);
        if count == 0 || count > size_of::<usize>() / 2 {
            return None;
        }
        let (digits, body) = after_first.split_at_checked(count)?;
        let len = digits.iter().fold(0_usize, |len, digit| len << 8 | usize::from(*digit));
        (len, body)
    };
    let (content, rest) = body.split_at_checked(len)?;
    let raw = input.get(..input.len() - rest.len())?;
    Some((Value { tag, content, raw }, rest))
}

/// Reads one value with this tag that fills the whole input.
pub(crate) fn read_all(input: &[u8], tag: u8) -> Option<Value<'_>> {
    let (value, rest) = read(input)?;
    (value.tag == tag && rest.is_empty()).then_some(value)
}

/// The dotted form of an OBJECT IDENTIFIER's content.
pub(crate) fn dotted(content: &[u8]) -> Option<String> {
    let mut arcs: Vec<u64> = Vec::new();
    let mut arc = 0_u64;
    let mut begins = true;
    for byte in content {
        // no arc begins with a zero (X.690 section 8.19.2)
        if begins && *byte == 0x80 {
            return None;
        }
        begins = byte & 0x80 == 0;
        arc = arc.checked_mul(128)? | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            arcs.push(arc);
            arc = 0;
        }
    }
    if content.last().is_none_or(|last| last & 0x80 != 0) {
        return None;
    }
    let (first, rest) = arcs.split_first()?;
    let root = (first / 40).min(2);
    let mut text = format!("{root}.{}", first - root * 40);
    for arc in rest {
        text.push('.');
        text.push_str(&arc.to_string());
    }
    Some(text)
}

fn parse_arc(text: &str) -> Option<u64> {
    let canonical = text == "0" || !text.starts_with('0');
    (canonical && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok())?
}

fn base128(mut arc: u64) -> Vec<u8> {
    let mut digits = vec![u8::try_from(arc & 0x7f).unwrap_or_default()];
    arc >>= 7;
    while arc > 0 {
        digits.push(u8::try_from(arc & 0x7f).unwrap_or_default() | 0x80);
        arc >>= 7;
    }
    digits.reverse();
    digits
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn object_identifiers_of_any_size_are_written_as_openssl_writes_them() {
        assert_eq!(try_oid("1.2.840.113549.1.1.11").unwrap(), hex("06092a864886f70d01010b"));
        assert_eq!(try_oid("2.999.3").unwrap(), hex("0603883703"));
        for wrong in [
            "",
            "1",
            "3.1",
            "1.40",
            "1.2.x",
            "1..2",
            "01.2",
            "1.2.99999999999999999999",
        ] {
            assert_eq!(try_oid(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn times_change_their_encoding_in_2050() {
        assert_eq!(
            time("2049-12-31T23:59:59Z".parse().unwrap()),
            tlv(0x17, b"491231235959Z")
        );
        assert_eq!(
            time("2050-01-01T00:00:00Z".parse().unwrap()),
            tlv(0x18, b"20500101000000Z")
        );
    }

    #[test]
    fn the_end_of_time_is_written_as_no_end() {
        assert_eq!(END_OF_TIME.as_second(), Timestamp::MAX.as_second());
        assert_eq!(time(END_OF_TIME), tlv(0x18, b"99991231235959Z"));
    }

    #[test]
    fn integers_have_no_superfluous_and_no_missing_zero() {
        assert_eq!(integer(0), [2, 1, 0]);
        assert_eq!(integer(127), [2, 1, 127]);
        assert_eq!(integer(128), [2, 2, 0, 128]);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(tag in 0_u8..30, content in proptest::collection::vec(any::<u8>(), 0..700)) {
            let written = tlv(tag, &content);
            let value = read_all(&written, tag).unwrap();
            prop_assert_eq!(written.len(), encoded_len(content.len()));
            prop_assert_eq!(value.content, content.as_slice());
            prop_assert_eq!(value.raw, written.as_slice());
        }

        #[test]
        fn object_identifiers_survive(first in 0_u64..3, second in 0_u64..40, rest in proptest::collection::vec(any::<u32>(), 0..6)) {
            let mut text = format!("{first}.{second}");
            for arc in rest { text = format!("{text}.{arc}"); }
            let der = try_oid(&text).unwrap();
            prop_assert_eq!(dotted(read_all(&der, OID).unwrap().content).unwrap(), text);
        }

        #[test]
        fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            if let Some((value, _)) = read(&bytes) {
                drop(value.children());
                drop(dotted(value.content));
            }
        }
    }

    fn hex(text: &str) -> Vec<u8> {
        text.as_bytes()
            .chunks(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect()
    }
}
