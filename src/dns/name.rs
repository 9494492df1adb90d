//! Names of the DNS: how they are read, and how they are shown.

use hickory_proto::rr::Name;

use crate::text::{line, short_line};

/// How much of a text that is no name is quoted. A name has at most 255 bytes.
const QUOTED: usize = 80;

/// A text that is no DNS name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a DNS name: {reason}")]
pub struct InvalidName {
    text: String,
    reason: String,
}

/// Reads a name, with or without the final dot. The name is fully qualified: nothing is appended to it.
///
/// # Errors
/// If the text is empty, not ASCII, or longer than a name may be (63 bytes for each label, 255 in all).
pub fn parse_name(text: &str) -> Result<Name, InvalidName> {
    let invalid = |reason: &str| InvalidName {
        text: short_line(text, QUOTED),
        reason: line(reason).into_owned(),
    };
    if text.is_empty() {
        return Err(invalid("it is empty"));
    }
    if !text.is_ascii() {
        return Err(invalid("it has characters that are not ASCII"));
    }
    let mut name = Name::from_ascii(text).map_err(|error| invalid(&error.to_string()))?;
    name.set_fqdn(true);
    Ok(name)
}

/// A name as text: in lower case, without the final dot. The root is a dot.
pub fn shown(name: &Name) -> String {
    let text = name.to_ascii().to_ascii_lowercase();
    match text.strip_suffix('.') {
        Some("") | None if text.is_empty() || text == "." => ".".to_owned(),
        Some(bare) => line(bare).into_owned(),
        None => line(&text).into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_read_with_and_without_the_final_dot_and_shown_without() {
        for text in ["_acme-challenge.Example.com", "_acme-challenge.example.com."] {
            let name = parse_name(text).unwrap();
            assert!(name.is_fqdn());
            assert_eq!(shown(&name), "_acme-challenge.example.com");
        }
        assert_eq!(shown(&parse_name(".").unwrap()), ".");
        assert_eq!(shown(&parse_name("*.example.com").unwrap()), "*.example.com");
    }

    #[test]
    fn labels_of_63_bytes_and_names_of_255_are_read_and_longer_ones_are_not() {
        let label = "a".repeat(63);
        let longest = format!("{label}.{label}.{label}.{}", "b".repeat(61));
        assert_eq!(shown(&parse_name(&longest).unwrap()), longest);
        for wrong in [
            String::new(),
            "a..b".to_owned(),
            "a b".to_owned(),
            "münchen.example".to_owned(),
            "a\\".to_owned(),
            format!("{label}a.example"),
            format!("{longest}b"),
            format!("a.{longest}"),
        ] {
            match parse_name(&wrong) {
                Err(error) => assert!(error.to_string().contains("is not a DNS name"), "{error}"),
                // the library takes an escape without an end as nothing
                Ok(name) => assert_eq!(wrong, "a\\", "{name}"),
            }
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_name_or_an_error(text in any::<String>()) {
            match parse_name(&text) {
                Ok(name) => prop_assert!(shown(&name).is_ascii()),
                Err(error) => prop_assert!(!error.to_string().is_empty()),
            }
        }

        #[test]
        fn a_name_of_any_labels_is_shown_and_read_again(labels in prop::collection::vec("[a-z0-9_][a-z0-9_-]{0,62}", 1..4)) {
            let name = parse_name(&labels.join(".")).unwrap();
            prop_assert_eq!(parse_name(&shown(&name)).unwrap(), name);
        }
    }
}
