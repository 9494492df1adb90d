//! Validation of e-mail addresses like Go's `net/mail` (VAL-07).

use std::net::IpAddr;

/// Whether a text is exactly one address that `ParseAddress` returns unchanged: without quotes, comments or a display name.
pub(super) fn is_bare_address(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else {
        return false;
    };
    let literal = domain.strip_prefix('[').and_then(|domain| domain.strip_suffix(']'));
    is_dot_atom(local)
        && match literal {
            Some(address) => address.parse::<IpAddr>().is_ok(),
            None => is_dot_atom(domain),
        }
}

/// RFC 5322 section 3.2.3, with everything outside of ASCII (RFC 6532).
fn is_dot_atom(text: &str) -> bool {
    let is_atext = |c: char| !c.is_ascii() || (c.is_ascii_graphic() && !"()<>[]:;@\\,\".".contains(c));
    text.split('.')
        .all(|atom| !atom.is_empty() && atom.chars().all(is_atext))
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::is_bare_address;

    #[derive(Deserialize)]
    struct Row {
        text: String,
        accepted: bool,
    }

    /// The table is what Go 1.26 prints: `tests/data/go/mail.go`.
    #[test]
    fn addresses_are_those_that_go_takes() {
        let rows: Vec<Row> = serde_json::from_str(include_str!("../../../tests/data/mail.json")).unwrap();
        assert!(rows.len() > 800);
        for Row { text, accepted } in rows {
            assert_eq!(is_bare_address(&text), accepted, "{text:?}");
        }
    }
}
