//! Keystores that are written, opened by openssl and Java's keytool.

use super::{Material, SEED, jks, now};
use crate::pki::chain;
use crate::pki::der;
use crate::pki::der::Tag;
use crate::pki::fixture::{key, root};
use crate::pki::key::KeyAlgorithm::{Ecdsa, Rsa};
use crate::pki::key::PrivateKey;
use crate::pki::keystore::{Format, Profile};
use crate::pki::oracle::Desk;

const RC2: &str = "pbeWithSHA1And40BitRC2-CBC, Iteration 2048";
const DES: &str = "pbeWithSHA1And3-KeyTripleDES-CBC, Iteration 2048";
const AES: &str = "PBES2, PBKDF2, AES-256-CBC, Iteration 2048, PRF hmacWithSHA256";

#[test]
fn pkcs12_files_of_three_profiles_are_opened_by_openssl_and_keytool() {
    let desk = Desk::new();
    for (algorithm, size) in [(Rsa, 2048), (Ecdsa, 256)] {
        let material = Material::new(algorithm, size);
        for (profile, of_certificates, of_key, mac) in [
            (Profile::LegacyRc2, RC2, DES, "sha1"),
            (Profile::LegacyDes, DES, DES, "sha1"),
            (Profile::Modern2023, AES, AES, "sha256"),
        ] {
            let file = Format::Pkcs12(profile)
                .keystore(&material.contents(), "pässword", now(), &SEED)
                .unwrap();
            desk.put("keystore.p12", file.expose());
            let text = desk
                .openssl("pkcs12 -legacy -in keystore.p12 -nodes -passin pass:pässword -info")
                .output();
            let protection: Vec<_> = text.lines().filter_map(protection).collect();
            assert_eq!(
                protection,
                [
                    ("MAC", mac),
                    ("PKCS7 Encrypted data", of_certificates),
                    ("Shrouded Keybag", of_key)
                ],
                "{profile:?}: {text}"
            );
            assert_eq!(text.matches("BEGIN CERTIFICATE").count(), 3);
            let (read, _) = PrivateKey::from_pem(text.as_bytes()).unwrap();
            assert_eq!(read.hash(), material.key.hash());
            let wrong = desk.openssl("pkcs12 -legacy -in keystore.p12 -nodes -passin pass:wrong");
            assert!(!wrong.ok);
            let file = Format::Pkcs12(profile)
                .keystore(&material.contents(), "password", now(), &SEED)
                .unwrap();
            desk.put("keystore.p12", file.expose());
            let listed = desk
                .keytool("-list -v -storetype PKCS12 -keystore keystore.p12 -storepass password")
                .output();
            assert!(
                listed.contains("Certificate chain length: 3") && listed.contains("CN=leaf"),
                "{listed}"
            );
        }
    }
}

/// What a line of `openssl pkcs12 -info` says of how something is protected: of what, and by which algorithm.
fn protection(line: &str) -> Option<(&str, &str)> {
    let (what, how) = line.split_once(": ")?;
    match what {
        "MAC" => Some((what, how.split(',').next()?)),
        "PKCS7 Encrypted data" | "Shrouded Keybag" => Some((what, how)),
        _ => None,
    }
}

#[test]
fn pkcs12_trust_stores_are_trusted_by_keytool() {
    let desk = Desk::new();
    let cas = chain::to_pem(&[
        &root("one", key(Ecdsa, 256)).chain[0],
        &root("two", key(Rsa, 2048)).chain[0],
    ]);
    for profile in [Profile::LegacyRc2, Profile::LegacyDes, Profile::Modern2023] {
        desk.put(
            "truststore.p12",
            Format::Pkcs12(profile)
                .truststore(&cas, "password", now(), &SEED)
                .unwrap()
                .expose(),
        );
        let listed = desk
            .keytool("-list -storetype PKCS12 -keystore truststore.p12 -storepass password")
            .output();
        assert_eq!(listed.matches("trustedCertEntry").count(), 2, "{listed}");
        desk.openssl("pkcs12 -legacy -in truststore.p12 -nokeys -passin pass:password")
            .accepted();
    }
}

/// OpenSSL 3.0 and Java 17 do not know PBMAC1: openssl opens the file without looking at the code, and computes the code from its parts.
#[test]
fn the_newest_profile_has_the_code_of_rfc_9579() {
    let desk = Desk::new();
    let material = Material::new(Ecdsa, 256);
    let file = Format::Pkcs12(Profile::Modern2026)
        .keystore(&material.contents(), "password", now(), &SEED)
        .unwrap();
    desk.put("keystore.p12", file.expose());
    let text = desk
        .openssl("pkcs12 -in keystore.p12 -nodes -nomacver -passin pass:password")
        .output();
    assert_eq!(
        PrivateKey::from_pem(text.as_bytes()).unwrap().0.hash(),
        material.key.hash()
    );

    let fields = der::read_all(file.expose(), Tag::Sequence).unwrap().children().unwrap();
    let safe = fields[1].children().unwrap()[1].children().unwrap()[0].content;
    let mac = fields[2].children().unwrap()[0].children().unwrap();
    let parameters = mac[0].children().unwrap()[1].children().unwrap();
    let derivation = parameters[0].children().unwrap()[1].children().unwrap();
    let hex = |bytes: &[u8]| {
        bytes
            .iter()
            .fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
    };
    assert_eq!(
        (derivation[1].content, derivation[2].content),
        ([8, 0].as_slice(), [32].as_slice())
    );
    let salt = hex(derivation[0].content);
    let key = desk
        .openssl(&format!("kdf -keylen 32 -kdfopt digest:SHA256 -kdfopt pass:password -kdfopt hexsalt:{salt} -kdfopt iter:2048 -binary PBKDF2"))
        .accepted();
    let code = desk
        .openssl_with(
            &format!("dgst -sha256 -mac HMAC -macopt hexkey:{} -binary", hex(&key)),
            safe,
        )
        .accepted();
    assert_eq!(mac[1].content, code);
    let parsed = desk.openssl("asn1parse -inform DER -in keystore.p12").output();
    assert!(
        parsed.contains("1.2.840.113549.1.5.14") || parsed.contains("PBMAC1"),
        "{parsed}"
    );
}

/// Of two entries with one alias Java keeps the last: the key must not be the one that is lost.
#[test]
fn a_key_with_the_alias_of_a_ca_is_not_lost() {
    let desk = Desk::new();
    let material = Material::new(Ecdsa, 256);
    for (alias, other) in [("CA", "ca-1"), ("ca-1", "ca")] {
        let file = jks(alias)
            .keystore(&material.contents(), "password", now(), &SEED)
            .unwrap();
        assert_eq!(
            jks(alias).check_keystore(file.expose(), &material.contents(), "password"),
            Ok(())
        );
        desk.put("keystore.jks", file.expose());
        let stated = desk
            .keytool("-list -storetype JKS -keystore keystore.jks -storepass password")
            .output();
        let alias = alias.to_lowercase();
        assert!(stated.contains("contains 2 entries"), "{stated}");
        let kind = |alias: &str| {
            stated
                .lines()
                .find(|line| line.starts_with(&format!("{alias},")))
                .unwrap()
                .to_owned()
        };
        assert!(kind(&alias).contains("PrivateKeyEntry"), "{stated}");
        assert!(kind(other).contains("trustedCertEntry"), "{stated}");
    }
}

#[test]
fn jks_files_are_opened_by_keytool_and_give_the_same_key() {
    let desk = Desk::new();
    for (algorithm, size) in [(Rsa, 2048), (Ecdsa, 384)] {
        let material = Material::new(algorithm, size);
        let file = jks("Certificate")
            .keystore(&material.contents(), "password", now(), &SEED)
            .unwrap();
        desk.put("keystore.jks", file.expose());
        let listed = desk
            .keytool("-list -storetype JKS -keystore keystore.jks -storepass password")
            .output();
        assert!(
            listed.contains("certificate, Nov 21, 2026, PrivateKeyEntry")
                && listed.contains("ca, Nov 21, 2026, trustedCertEntry"),
            "{listed}"
        );
        drop(std::fs::remove_file(desk.path().join("out.p12")));
        desk.keytool("-importkeystore -srckeystore keystore.jks -srcstoretype JKS -srcstorepass password -destkeystore out.p12 -deststoretype PKCS12 -deststorepass password").accepted();
        let text = desk
            .openssl("pkcs12 -in out.p12 -nodes -nocerts -passin pass:password")
            .output();
        assert_eq!(
            PrivateKey::from_pem(text.as_bytes()).unwrap().0.hash(),
            material.key.hash()
        );
    }
    let cas = chain::to_pem(&[
        &root("one", key(Ecdsa, 256)).chain[0],
        &root("two", key(Ecdsa, 256)).chain[0],
    ]);
    desk.put(
        "truststore.jks",
        jks("certificate")
            .truststore(&cas, "password", now(), &SEED)
            .unwrap()
            .expose(),
    );
    let listed = desk
        .keytool("-list -storetype JKS -keystore truststore.jks -storepass password")
        .output();
    assert!(listed.contains("ca, ") && listed.contains("ca-1, "), "{listed}");
    assert!(
        !desk
            .keytool("-list -storetype JKS -keystore truststore.jks -storepass wrongword")
            .ok
    );
}

#[test]
fn passwords_and_aliases_that_cannot_be_written_are_refused() {
    let material = Material::new(Ecdsa, 256);
    let error = Format::Pkcs12(Profile::LegacyRc2)
        .keystore(&material.contents(), "🔑", now(), &SEED)
        .unwrap_err();
    assert!(error.to_string().contains("U+FFFF"), "{error}");
    let error = jks("🔑")
        .keystore(&material.contents(), "password", now(), &SEED)
        .unwrap_err();
    assert!(error.to_string().contains("alias"), "{error}");
    let error = jks("certificate")
        .truststore(b"no", "password", now(), &SEED)
        .unwrap_err();
    assert!(error.to_string().contains("holds no certificate"), "{error}");
}
