//! Times beyond [`Timestamp`], such as the year 9999 of a certificate without an expiry. They are limited to its last
//! whole second, and written as in RFC 5280 section 4.1.2.5.

use jiff::Timestamp;
use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer, de::Error as _};

use super::Time;

/// What is written for it.
const NO_END: &str = "9999-12-31T23:59:59Z";

/// Writes a time. The last one is written as no expiry.
///
/// # Errors
/// The serializer's.
#[expect(clippy::ref_option, reason = "as serde calls it")]
pub(super) fn serialize<S: Serializer>(time: &Option<Time>, serializer: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) if time.0.as_second() == Timestamp::MAX.as_second() => NO_END.serialize(serializer),
        time => time.serialize(serializer),
    }
}

/// Parses a time, limited to the last one.
///
/// # Errors
/// The deserializer's.
pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Time>, D::Error> {
    let Some(text) = Option::<String>::deserialize(deserializer)? else {
        return Ok(None);
    };
    match text.parse() {
        Ok(time) => Ok(Some(Time(time))),
        Err(_) if text.starts_with("9999-12-3") => Ok(Some(Time(
            Timestamp::from_second(Timestamp::MAX.as_second()).map_err(D::Error::custom)?,
        ))),
        Err(error) => Err(D::Error::custom(error)),
    }
}

#[cfg(test)]
mod tests {
    use crate::api::CertificateStatus;

    #[test]
    fn a_certificate_without_end_is_read_and_written_as_it_is() {
        let status = serde_json::json!({ "notBefore": "2020-01-01T00:00:00Z", "notAfter": "9999-12-31T23:59:59Z" });
        let read: CertificateStatus = serde_json::from_value(status.clone()).expect("as cert-manager writes it");
        assert_eq!(serde_json::to_value(&read).expect("plain data"), status);
        let wrong = serde_json::json!({ "notAfter": "soon" });
        assert!(serde_json::from_value::<CertificateStatus>(wrong).is_err());
    }
}
