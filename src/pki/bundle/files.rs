//! The files of a pool, byte for byte as trust-manager writes them, but for the salts of PKCS#12.

use std::fmt::Write as _;

use super::{Anchor, Pool};
use crate::pki::Error;
use crate::pki::keystore::{Format, Profile, Seed, Trusted};
use crate::pki::pem;

impl Pool {
    /// The certificates in PEM, without a line break at the end.
    pub fn pem(&self) -> String {
        let mut text = String::new();
        for Anchor { der, .. } in self.anchors() {
            text.push_str(&String::from_utf8_lossy(&pem::encode("CERTIFICATE", der)));
        }
        text.truncate(text.trim_end().len());
        text
    }

    /// The certificates in Java's own format. The date of an entry is the beginning of the certificate's validity, so that the file
    /// depends on nothing else than its content.
    ///
    /// # Errors
    /// [`Error::Keystore`] for names that are too long.
    pub fn jks(&self, password: &str) -> Result<Vec<u8>, Error> {
        Format::Jks { alias: String::new() }.trusted(&self.entries(), password, &Seed([0; 32]))
    }

    /// The certificates in PKCS#12: without a password neither encrypted nor protected against changes, as Java reads it from 18 on.
    ///
    /// # Errors
    /// [`Error::Keystore`] for a password that PKCS#12 cannot hold.
    pub fn pkcs12(&self, password: &str, profile: Profile, seed: &Seed) -> Result<Vec<u8>, Error> {
        Format::Pkcs12(profile).trusted(&self.entries(), password, seed)
    }

    fn entries(&self) -> Vec<Trusted<'_>> {
        let entry = |anchor| {
            let Anchor {
                der,
                fingerprint,
                subject,
                not_before,
                ..
            }: &Anchor = anchor;
            Trusted {
                alias: alias(fingerprint, subject),
                der,
                created: *not_before,
            }
        };
        self.anchors().map(entry).collect()
    }
}

/// The beginning of the digest, which distinguishes entries, and the subject for people. Neither format can hold every character.
fn alias(fingerprint: &[u8; 32], subject: &str) -> String {
    let mut alias = String::with_capacity(9 + subject.len());
    for byte in fingerprint.iter().take(4) {
        let _infallible = write!(alias, "{byte:02x}");
    }
    alias.push('|');
    alias.extend(subject.chars().map(|character| match character {
        '\0' | '\u{10000}'.. => char::REPLACEMENT_CHARACTER,
        character => character,
    }));
    alias
}
