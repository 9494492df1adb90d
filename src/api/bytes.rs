//! Base64 on the wire, parsed as Go parses it.

use std::fmt;

use base64::{
    Engine, alphabet,
    engine::{
        DecodePaddingMode,
        general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD},
    },
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Go's `base64.StdEncoding`: padding is required, and the trailing bits are not checked.
const AS_GO: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireCanonical),
);

/// Bytes that are base64 on the wire. All that the schema's `format: byte` admits is accepted, as in Go's `[]byte`:
/// `QR==` and line breaks too.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ByteString(pub Vec<u8>);

/// Parses base64 as Go does.
///
/// # Errors
/// If the text is not base64. The error does not repeat the text.
pub fn decode(text: &str) -> Result<Vec<u8>, base64::DecodeError> {
    if text.contains(['\r', '\n']) {
        let bytes: Vec<u8> = text.bytes().filter(|byte| !matches!(byte, b'\r' | b'\n')).collect();
        return AS_GO.decode(bytes);
    }
    AS_GO.decode(text)
}

impl Serialize for ByteString {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for ByteString {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl de::Visitor<'_> for Visitor {
            type Value = ByteString;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes in base64")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<ByteString, E> {
                decode(text)
                    .map(ByteString)
                    .map_err(|error| E::custom(format_args!("is not base64: {error}")))
            }

            fn visit_unit<E: de::Error>(self) -> Result<ByteString, E> {
                Ok(ByteString::default())
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `encoding/json` of Go 1.26 makes of these texts in a `[]byte`; `None` is an error.
    const GO: &[(&str, Option<&[u8]>)] = &[
        ("", Some(b"")),
        ("QQ==", Some(b"A")),
        ("QR==", Some(b"A")),
        ("QUJ=", Some(b"AB")),
        ("QUJD", Some(b"ABC")),
        ("QU\r\nJD", Some(b"ABC")),
        ("Q\nQ=\n=\n", Some(b"A")),
        ("QQ", None),
        ("QQ=", None),
        ("QQ===", None),
        ("QUJDQ", None),
        ("QQ==QQ==", None),
        ("Q Q==", None),
        ("Q-_=", None),
        ("=", None),
    ];

    #[test]
    fn base64_is_read_as_go_reads_it() {
        for (text, bytes) in GO {
            assert_eq!(decode(text).ok().as_deref(), *bytes, "{text:?}");
            let json = serde_json::to_string(text).unwrap();
            let read = serde_json::from_str::<ByteString>(&json).ok();
            assert_eq!(read.as_ref().map(|read| read.0.as_slice()), *bytes, "{text:?}");
        }
        assert_eq!(
            serde_json::from_str::<ByteString>("null").unwrap(),
            ByteString::default()
        );
    }
}
