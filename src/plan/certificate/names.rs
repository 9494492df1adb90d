//! Names of the objects that a Certificate makes: derived from what they belong to, so that creating one twice is harmless.

use std::fmt::Write as _;

use crate::{pki::key::sha256, plan::renewal::hash};

/// The longest name of a Certificate that fits into its requests' names (LIF-03).
const LONGEST: usize = 233;
/// What is left of a longer one before its hash.
const PREFIX: usize = 168;
/// Letters and digits of generated names in Kubernetes: no vowels, nothing that looks like something else.
const ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";

/// The name of the request of a revision, and the one that is used instead where a stranger has that name.
pub fn request_names(certificate: &str, uid: &str, revision: i64, stable: bool) -> [String; 2] {
    let name = if stable {
        format!("{}-{revision}", shortened(certificate))
    } else {
        format!("{}-{}", prefix(certificate, 52), suffix(uid, revision, 2))
    };
    let other = format!("{}-{revision}-{}", prefix(certificate, 220), first_hex(uid));
    [name, other]
}

/// The name of the Secret with the key for a revision, and the one that is used instead where a stranger has that name.
///
/// It also tells whose work a request is: cert-manager draws this name at random.
pub fn next_key_names(certificate: &str, uid: &str, revision: i64) -> [String; 2] {
    [0, 1].map(|attempt| format!("{}-{}", prefix(certificate, 247), suffix(uid, revision, attempt)))
}

fn shortened(certificate: &str) -> String {
    if certificate.len() <= LONGEST {
        return certificate.to_owned();
    }
    let digest = sha256(certificate.as_bytes())
        .iter()
        .fold(String::new(), |mut text, byte| {
            let _infallible = write!(text, "{byte:02x}");
            text
        });
    format!("{}-{digest}", prefix(certificate, PREFIX))
}

/// At most `longest` bytes of a DNS name, ending in a letter or digit.
fn prefix(name: &str, longest: usize) -> &str {
    let cut = name.get(..longest).unwrap_or(name);
    cut.trim_end_matches(|character: char| !character.is_ascii_alphanumeric())
}

fn suffix(uid: &str, revision: i64, attempt: u8) -> String {
    let letters = u64::try_from(ALPHABET.len()).unwrap_or(1);
    let mut rest = hash(&[uid.as_bytes(), &revision.to_be_bytes(), &[attempt]]);
    let mut text = String::new();
    for _ in 0..5 {
        let at = usize::try_from(rest % letters).unwrap_or_default();
        text.extend(ALPHABET.get(at).map(|letter| char::from(*letter)));
        rest /= letters;
    }
    text
}

fn first_hex(uid: &str) -> String {
    uid.chars()
        .filter(char::is_ascii_hexdigit)
        .take(8)
        .collect::<String>()
        .to_ascii_lowercase()
}
