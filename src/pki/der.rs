//! Encoding and parsing of DER (X.690), with the crate `der`: tags, lengths, numbers, strings and times are from that
//! crate.
//!
//! Certificates of other programs are parsed by `x509-parser`. This module parses those parts that the crate does not
//! return as they were written, and encodes what is signed here. Object identifiers are our own code, because users
//! write them too, and `const-oid` does not encode all of them (decision 045).

use std::time::Duration;

use ::der::asn1::{BitStringRef, GeneralizedTime, Null, OctetStringRef, UintRef, UtcTime};
use ::der::{DateTime, Decode as _, Encode, Header, Length, Reader as _, SliceReader};
use jiff::Timestamp;

pub(crate) use ::der::{Tag, TagNumber};

/// `[n]` with IMPLICIT tagging of a string or number.
pub(crate) const fn implicit(number: u32) -> Tag {
    Tag::ContextSpecific {
        constructed: false,
        number: TagNumber(number),
    }
}

/// `[n]` with EXPLICIT tagging, or IMPLICIT tagging of a SEQUENCE.
pub(crate) const fn explicit(number: u32) -> Tag {
    Tag::ContextSpecific {
        constructed: true,
        number: TagNumber(number),
    }
}

/// The encoding of a value. It only fails above 4 GiB, which no value here reaches.
fn encoded(value: &impl Encode) -> Vec<u8> {
    value.to_der().unwrap_or_default()
}

/// One value with its tag and length.
pub(crate) fn tlv(tag: Tag, content: &[u8]) -> Vec<u8> {
    tlv_of(tag, &[content])
}

/// One value whose content is `parts`. It is written in one allocation of the final size, so that no copy of key
/// material is left.
pub(crate) fn tlv_of<P: AsRef<[u8]>>(tag: Tag, parts: &[P]) -> Vec<u8> {
    let len: usize = parts.iter().map(|part| part.as_ref().len()).sum();
    let header = Header::new(tag, Length::try_from(len).unwrap_or(Length::MAX));
    let mut out = Vec::with_capacity(len + 10);
    out.extend(encoded(&header));
    for part in parts {
        out.extend_from_slice(part.as_ref());
    }
    out
}

/// SEQUENCE of these encodings.
pub(crate) fn sequence<P: AsRef<[u8]>>(parts: &[P]) -> Vec<u8> {
    tlv_of(Tag::Sequence, parts)
}

/// SET OF: the elements in ascending order of their encodings (X.690 section 11.6).
pub(crate) fn set_of(mut parts: Vec<Vec<u8>>) -> Vec<u8> {
    parts.sort();
    tlv_of(Tag::Set, &parts)
}

/// [`explicit`] around these parts.
pub(crate) fn context<P: AsRef<[u8]>>(number: u32, parts: &[P]) -> Vec<u8> {
    tlv_of(explicit(number), parts)
}

/// [`implicit`] with this content.
pub(crate) fn context_primitive(number: u32, content: &[u8]) -> Vec<u8> {
    tlv(implicit(number), content)
}

/// BOOLEAN.
pub(crate) fn boolean(value: bool) -> Vec<u8> {
    encoded(&value)
}

/// NULL.
pub(crate) fn null() -> Vec<u8> {
    encoded(&Null)
}

/// A non-negative INTEGER from its big-endian magnitude.
pub(crate) fn unsigned(magnitude: &[u8]) -> Vec<u8> {
    UintRef::new(magnitude).map_or_else(|_| Vec::new(), |number| encoded(&number))
}

/// INTEGER.
pub(crate) fn integer(value: u64) -> Vec<u8> {
    encoded(&value)
}

/// OCTET STRING.
pub(crate) fn octet_string(content: &[u8]) -> Vec<u8> {
    OctetStringRef::new(content).map_or_else(|_| Vec::new(), |octets| encoded(&octets))
}

/// A BIT STRING of whole octets.
pub(crate) fn bit_string(content: &[u8]) -> Vec<u8> {
    BitStringRef::from_bytes(content).map_or_else(|_| Vec::new(), |bits| encoded(&bits))
}

/// An OBJECT IDENTIFIER from its dotted form; `None` if that is invalid.
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
    Some(tlv(Tag::ObjectIdentifier, &content))
}

/// An OBJECT IDENTIFIER from one of the constants of [`super::oid`].
pub(crate) fn oid(dotted: &'static str) -> Vec<u8> {
    try_oid(dotted).unwrap_or_default()
}

/// `AlgorithmIdentifier` without parameters.
pub(crate) fn algorithm(dotted: &'static str) -> Vec<u8> {
    sequence(&[oid(dotted)])
}

/// `UTCTime` up to 2049, `GeneralizedTime` from 2050 on (RFC 5280 section 4.1.2.5). A time before 1970 is encoded as
/// the beginning of that year.
pub(crate) fn time(at: Timestamp) -> Vec<u8> {
    let since_1970 = Duration::from_secs(u64::try_from(at.as_second()).unwrap_or_default());
    let at = match DateTime::from_unix_duration(since_1970) {
        Ok(time) if at < END_OF_TIME => time,
        _ => DateTime::INFINITY,
    };
    UtcTime::from_date_time(at).map_or_else(|_| encoded(&GeneralizedTime::from_date_time(at)), |time| encoded(&time))
}

/// The time of a `GeneralizedTime` in DER.
pub(crate) fn generalized_time(raw: &[u8]) -> Option<Timestamp> {
    let time = GeneralizedTime::from_der(raw).ok()?;
    Timestamp::from_second(i64::try_from(time.to_unix_duration().as_secs()).ok()?).ok()
}

/// The last whole second of a [`Timestamp`]. Later times of certificates are limited to it. It is encoded as
/// 99991231235959Z, which means no expiry (RFC 5280 section 4.1.2.5).
pub const END_OF_TIME: Timestamp = Timestamp::constant(253_402_207_200, 0);

/// One parsed value.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Value<'a> {
    pub(crate) tag: Tag,
    pub(crate) content: &'a [u8],
    /// Tag, length and content.
    pub(crate) raw: &'a [u8],
}

impl Value<'_> {
    /// The values inside a constructed one; `None` if they are damaged.
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

/// Parses one value, and returns it with the rest of the input. Lengths must have the shortest form (X.690 section
/// 10.1). Never panics.
pub(crate) fn read(input: &[u8]) -> Option<(Value<'_>, &[u8])> {
    let mut reader = SliceReader::new(input).ok()?;
    let header = Header::peek(&reader).ok()?;
    let raw = reader.tlv_bytes().ok()?;
    let content = raw.len().checked_sub(usize::try_from(header.length()).ok()?)?;
    let value = Value {
        tag: header.tag(),
        content: raw.get(content..)?,
        raw,
    };
    Some((value, input.get(raw.len()..)?))
}

/// Parses one value with this tag that fills the whole input.
pub(crate) fn read_all(input: &[u8], tag: Tag) -> Option<Value<'_>> {
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
            tlv(Tag::UtcTime, b"491231235959Z")
        );
        assert_eq!(
            time("2050-01-01T00:00:00Z".parse().unwrap()),
            tlv(Tag::GeneralizedTime, b"20500101000000Z")
        );
    }

    #[test]
    fn the_end_of_time_is_written_as_no_end() {
        assert_eq!(END_OF_TIME.as_second(), Timestamp::MAX.as_second());
        assert_eq!(time(END_OF_TIME), tlv(Tag::GeneralizedTime, b"99991231235959Z"));
    }

    #[test]
    fn integers_have_no_superfluous_and_no_missing_zero() {
        assert_eq!(integer(0), [2, 1, 0]);
        assert_eq!(integer(127), [2, 1, 127]);
        assert_eq!(integer(128), [2, 2, 0, 128]);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(number in 0_u32..99, length in 0_usize..70_000, byte in any::<u8>()) {
            let content = vec![byte; length];
            let written = tlv(implicit(number), &content);
            let value = read_all(&written, implicit(number)).unwrap();
            prop_assert_eq!(value.content, content.as_slice());
            prop_assert_eq!(value.raw, written.as_slice());
        }

        #[test]
        fn object_identifiers_survive(first in 0_u64..3, second in 0_u64..40, rest in proptest::collection::vec(any::<u32>(), 0..6)) {
            let mut text = format!("{first}.{second}");
            for arc in rest { text = format!("{text}.{arc}"); }
            let der = try_oid(&text).unwrap();
            prop_assert_eq!(dotted(read_all(&der, Tag::ObjectIdentifier).unwrap().content).unwrap(), text);
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
