//! Names of the objects that a Certificate makes: derived from what they belong to, so that creating one twice is harmless.

use std::fmt::Write as _;

use crate::{
    pki::key::sha256,
    plan::{kinds::CertificateKind, object_name::prefix, renewal::hash, seen::Object, settings::Settings},
};

/// The longest name of a Certificate that fits into its requests' names (LIF-03).
const LONGEST: usize = 233;
/// What is left of a longer one before its hash.
const PREFIX: usize = 168;
/// Letters and digits of generated names in Kubernetes: no vowels, nothing that looks like something else.
const ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";

/// How requests are named (GAT-07).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Naming {
    /// `<certificate>-<revision>`.
    Counted,
    /// `<certificate>-<five letters>`, others for each attempt. cert-manager lets the API server draw them; here they follow from
    /// Certificate, revision and attempt, so that a request which was created just before a kill is found again.
    Lettered {
        /// How often the issuance has failed before.
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

/// The name of the request of a revision, and the one that is used instead where a stranger has that name.
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

fn suffix(uid: &str, revision: i64, attempt: u8) -> String {
    letters(hash(&[uid.as_bytes(), &revision.to_be_bytes(), &[attempt]]))
}

/// Five letters and digits, as the API server draws them for `generateName`.
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
