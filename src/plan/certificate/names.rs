//! Names of the objects of a Certificate. They are derived, so that creating an object twice is harmless.

use std::fmt::Write as _;

use crate::{
    pki::key::sha256,
    plan::{kinds::CertificateKind, object_name::prefix, renewal::hash, seen::Object, settings::Settings},
};

/// The longest name of a Certificate that fits into the names of its requests (LIF-03).
const LONGEST: usize = 233;
/// Length of the prefix of a longer name, before its hash.
const PREFIX: usize = 168;
/// Alphabet of generated names in Kubernetes: no vowels and no ambiguous characters.
const ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";

/// The scheme for names of requests (GAT-07).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Naming {
    /// `<certificate>-<revision>`.
    Counted,
    /// `<certificate>-<five letters>`, different for each attempt. In cert-manager the API server draws them. Here they are
    /// derived from Certificate, revision and attempt, so that a request that was created just before a kill is found again.
    Lettered {
        /// The number of failed attempts.
        failures: i64,
    },
}

impl Naming {
    pub(super) fn of(certificate: &Object<CertificateKind>, settings: &Settings) -> Self {
        if settings.gates.stable_request_name {
            Self::Counted
        } else {
            Self::Lettered {
                failures: certificate.status.failed_issuance_attempts.unwrap_or(0),
            }
        }
    }
}

/// The name of the request of a revision, and the alternative if another owner has that name.
pub fn request_names(certificate: &str, uid: &str, revision: i64, naming: Naming) -> [String; 2] {
    let name = match naming {
        Naming::Counted => format!("{}-{revision}", shortened(certificate)),
        Naming::Lettered { failures } => {
            let (revision, failures) = (revision.to_be_bytes(), failures.to_be_bytes());
            let drawn = hash(&[b"request", uid.as_bytes(), &revision, &failures]);
            format!("{}-{}", prefix(certificate, 52), letters(drawn))
        }
    };
    let other = format!("{}-{revision}-{}", prefix(certificate, 220), first_hex(uid));
    [name, other]
}

/// The name of the next-key Secret of a revision, and the alternative if another owner has that name.
///
/// It also identifies our requests, because cert-manager draws this name at random.
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

fn suffix(uid: &str, revision: i64, attempt: u8) -> String {
    letters(hash(&[uid.as_bytes(), &revision.to_be_bytes(), &[attempt]]))
}

/// Five letters and digits, like those that the API server generates for `generateName`.
fn letters(mut rest: u64) -> String {
    let count = u64::try_from(ALPHABET.len()).unwrap_or(1);
    let mut text = String::new();
    for _ in 0..5 {
        let at = usize::try_from(rest % count).unwrap_or_default();
        text.extend(ALPHABET.get(at).map(|letter| char::from(*letter)));
        rest /= count;
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
