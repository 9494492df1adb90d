//! Keystores that are opened again: our own, and those of openssl and keytool.

use proptest::prelude::*;

use super::{Material, SEED, jks, now};
use crate::pki::der;
use crate::pki::der::Tag;
use crate::pki::key::KeyAlgorithm::{Ecdsa, Rsa};
use crate::pki::key::KeyEncoding;
use crate::pki::keystore::{Format, Profile};
use crate::pki::oracle::Desk;

const PROFILES: [Profile; 4] = [
    Profile::LegacyRc2,
    Profile::LegacyDes,
    Profile::Modern2023,
    Profile::Modern2026,
];

fn formats() -> Vec<Format> {
    PROFILES.into_iter().map(Format::Pkcs12).chain([jks("Shop")]).collect()
}

#[track_caller]
fn refused(checked: Result<(), crate::pki::Error>, why: &str) {
    let error = checked.expect_err(why).to_string();
    assert!(error.contains(why), "{error}");
}

#[test]
fn what_is_written_is_right_and_every_other_password_key_or_certificate_is_not() {
    let (material, other) = (Material::new(Ecdsa, 256), Material::new(Ecdsa, 384));
    for format in formats() {
        let contents = material.contents();
        let file = format.keystore(&contents, "pässword", now(), &SEED).unwrap();
        let check = |contents: &_, password: &str| format.check_keystore(file.expose(), contents, password);
        assert_eq!(check(&contents, "pässword"), Ok(()), "{format:?}");
        refused(check(&contents, "password"), "does not open");
        refused(check(&contents, ""), "does not open");
        refused(check(&other.contents(), "pässword"), "another private key");
        let mut changed = material.contents();
        changed.chain_pem = &other.chain_pem;
        refused(check(&changed, "pässword"), "other certificates");
        let mut changed = material.contents();
        changed.ca_pem = b"";
        refused(check(&changed, "pässword"), "other certificates");

        let file = format.truststore(&material.ca_pem, "pässword", now(), &SEED).unwrap();
        let check = |ca: &[u8], password: &str| format.check_truststore(file.expose(), ca, password);
        assert_eq!(check(&material.ca_pem, "pässword"), Ok(()), "{format:?}");
        refused(check(&material.ca_pem, "password"), "does not open");
        refused(check(&other.ca_pem, "pässword"), "other certificates");
    }
}

#[test]
fn a_file_of_another_profile_alias_or_kind_is_not_right() {
    let material = Material::new(Ecdsa, 256);
    let contents = material.contents();
    for of in formats() {
        let file = of.keystore(&contents, "password", now(), &SEED).unwrap();
        for asked in formats() {
            let checked = asked.check_keystore(file.expose(), &contents, "password");
            assert_eq!(checked.is_ok(), of == asked, "{of:?} as {asked:?}: {checked:?}");
        }
    }
    let file = jks("one").keystore(&contents, "password", now(), &SEED).unwrap();
    let check = |alias: &str| jks(alias).check_keystore(file.expose(), &contents, "password");
    assert_eq!(check("ONE"), Ok(()), "Java looks names up in lower case");
    refused(check("two"), "another private key");
}

#[test]
fn files_of_openssl_are_opened_whatever_their_rounds() {
    let desk = Desk::new();
    for (algorithm, size) in [(Rsa, 2048), (Ecdsa, 256)] {
        let material = Material::new(algorithm, size);
        desk.put("key.pem", material.key.to_pem(KeyEncoding::Pkcs8).unwrap().expose());
        desk.put("chain.pem", &material.chain_pem);
        desk.put("ca.pem", &material.ca_pem);
        for (profile, flags) in [
            (
                Profile::LegacyRc2,
                "-legacy -certpbe PBE-SHA1-RC2-40 -keypbe PBE-SHA1-3DES -macalg sha1",
            ),
            (
                Profile::LegacyDes,
                "-legacy -certpbe PBE-SHA1-3DES -keypbe PBE-SHA1-3DES -macalg sha1 -iter 10000",
            ),
            (Profile::Modern2023, "-iter 3000"),
        ] {
            desk.openssl(&format!(
                "pkcs12 -export -inkey key.pem -in chain.pem -certfile ca.pem -passout pass:pässword -out made.p12 {flags}"
            ))
            .accepted();
            let (format, contents) = (Format::Pkcs12(profile), material.contents());
            let file = desk.get("made.p12");
            assert_eq!(
                format.check_keystore(&file, &contents, "pässword"),
                Ok(()),
                "{profile}, {algorithm:?}"
            );
            refused(format.check_keystore(&file, &contents, "password"), "does not open");
        }
        desk.openssl("pkcs12 -export -inkey key.pem -in chain.pem -passout pass:password -out made.p12 -iter 200000")
            .accepted();
        let slow = Format::Pkcs12(Profile::Modern2023);
        refused(
            slow.check_keystore(&desk.get("made.p12"), &material.contents(), "password"),
            "not made as",
        );
    }
}

/// Where the content of `authSafe` lies, over which the code is made (RFC 7292 section 4): all but some bytes at both ends.
fn authenticated(file: &[u8]) -> std::ops::Range<usize> {
    let only = |value: der::Value<'_>, at: usize| -> (usize, usize) {
        let child = value.children().unwrap()[at];
        let start = child.content.as_ptr() as usize - file.as_ptr() as usize;
        (start, start + child.content.len())
    };
    let pfx = der::read_all(file, Tag::Sequence).unwrap();
    let safe = pfx.children().unwrap()[1];
    let explicit = safe.children().unwrap()[1];
    let (start, end) = only(explicit, 0);
    assert!(end - start > file.len() * 3 / 4, "nearly all of it");
    start..end
}

#[test]
fn files_of_keytool_are_opened() {
    let desk = Desk::new();
    let material = Material::new(Rsa, 2048);
    desk.put("key.pem", material.key.to_pem(KeyEncoding::Pkcs8).unwrap().expose());
    desk.put("chain.pem", &material.chain_pem);
    desk.put("ca.pem", &material.ca_pem);
    desk.openssl("pkcs12 -export -inkey key.pem -in chain.pem -name Shop -passout pass:password -out made.p12")
        .accepted();
    desk.keytool("-importkeystore -srckeystore made.p12 -srcstoretype PKCS12 -srcstorepass password -srcalias Shop -destkeystore made.jks -deststoretype JKS -deststorepass password -destkeypass password").accepted();
    desk.keytool("-importcert -noprompt -alias ca -file ca.pem -keystore made.jks -storetype JKS -storepass password")
        .accepted();
    let (file, contents) = (desk.get("made.jks"), material.contents());
    let check = |password: &str| jks("Shop").check_keystore(&file, &contents, password);
    assert_eq!(check("password"), Ok(()));
    refused(check("passwort"), "does not open");
    desk.keytool("-importcert -noprompt -alias ca -file ca.pem -keystore trust.jks -storetype JKS -storepass password")
        .accepted();
    let trust = desk.get("trust.jks");
    assert_eq!(
        jks("Shop").check_truststore(&trust, &material.ca_pem, "password"),
        Ok(())
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn damaged_files_are_refused_and_never_panic(at in any::<prop::sample::Index>(), bit in 0_u8..8, cut in any::<prop::sample::Index>()) {
        let material = Material::new(Ecdsa, 256);
        for format in formats() {
            let file = format.keystore(&material.contents(), "password", now(), &SEED).unwrap();
            let mut damaged = file.expose().clone();
            let place = at.index(damaged.len());
            damaged[place] ^= 1 << bit;
            let checked = format.check_keystore(&damaged, &material.contents(), "password");
            // the code of PKCS#12 leaves out the shell around what it authenticates, where some bits mean nothing
            let authenticated = match format {
                Format::Jks { .. } => 0..damaged.len(),
                Format::Pkcs12(_) => authenticated(file.expose()),
            };
            prop_assert!(checked.is_err() || !authenticated.contains(&place), "{format:?}, byte {place}");
            let short = cut.index(damaged.len());
            prop_assert!(format.check_keystore(&file.expose()[..short], &material.contents(), "password").is_err());
        }
    }
}
