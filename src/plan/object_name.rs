//! Parts of object names that are derived from other objects. They never change: they are how an object is found again after a
//! restart, and how certlet and cert-manager find each other's objects.

/// At most `longest` bytes of a name, ending in a letter or digit.
pub fn prefix(name: &str, longest: usize) -> &str {
    let cut = name.get(..longest).unwrap_or(name);
    cut.trim_end_matches(|last: char| !last.is_ascii_alphanumeric())
}

/// Maximum length of a name (RFC 1123 subdomain).
const MAX_NAME: usize = 253;

/// Whether this is a name of a Kubernetes object. It becomes a part of a URL.
pub fn is_name(text: &str) -> bool {
    let within = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.');
    let at_end = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    text.len() <= MAX_NAME && text.chars().all(within) && text.starts_with(at_end) && text.ends_with(at_end)
}

/// FNV-1 with 32 bits, as Go's `fnv.New32`: the number at the end of the names of Orders and Challenges (ORD-12).
pub fn fnv1(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash: u32, byte| {
        hash.wrapping_mul(0x0100_0193) ^ u32::from(*byte)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_ends_in_a_letter_or_digit() {
        assert_eq!(prefix("shop.example", 52), "shop.example");
        assert_eq!(prefix("shop.-example", 6), "shop");
        assert_eq!(prefix("", 6), "");
    }

    /// `fnv.New32` of Go 1.26.
    #[test]
    fn fnv_1_is_that_of_go() {
        assert_eq!(fnv1(b""), 2_166_136_261);
        assert_eq!(fnv1(b"certlet"), 0x7438_642e);
    }
}
