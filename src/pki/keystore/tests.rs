//! Keystores, opened by openssl and Java's keytool.

use super::*;
use crate::pki::fixture::{intermediate, key, leaf, root};
use crate::pki::key::KeyAlgorithm::{self, Ecdsa, Rsa};
use crate::pki::oracle::Desk;
use crate::pki::{chain, der};

const SEED: Seed = Seed([7; 32]);

struct Material {
    key: PrivateKey,
    chain_pem: Vec<u8>,
    ca_pem: Vec<u8>,
}

impl Material {
    fn new(algorithm: KeyAlgorithm, size: u32) -> Self {
        let root = root("the root", key(Ecdsa, 256));
        let middle = intermediate("middle", &root, key(Ecdsa, 256));
        let leaf_key = key(algorithm, size);
        let leaf = leaf(&middle, &["a.example"], &leaf_key);
        let chain_pem = chain::to_pem(&[&leaf, &middle.chain[0]]);
        Self {
            key: leaf_key,
            chain_pem,
            ca_pem: chain::to_pem(&root.chain),
        }
    }

    fn contents(&self) -> Contents<'_> {
        Contents {
            key: &self.key,
            chain_pem: &self.chain_pem,
            ca_pem: &self.ca_pem,
        }
    }
}

#[test]
fn pkcs12_files_of_three_profiles_are_opened_by_openssl_and_keytool() {
    let desk = Desk::new();
    for (algorithm, size) in [(Rsa, 2048), (Ecdsa, 256)] {
        let material = Material::new(algorithm, size);
        for (profile, cipher) in [
            (Profile::LegacyRc2, "pbeWithSHA1And40BitRC2-CBC"),
            (Profile::LegacyDes, "pbeWithSHA1And3-KeyTripleDES-CBC"),
            (
                Profile::Modern2023,
                "PBES2, PBKDF2, AES-256-CBC, Iteration 2048, PRF hmacWithSHA256",
            ),
        ] {
            let file = pkcs12_keystore(&material.contents(), "pässword", profile, &SEED).unwrap();
            desk.put("keystore.p12", file.expose());
            let text = desk
                .openssl("pkcs12 -legacy -in keystore.p12 -nodes -passin pass:pässword -info")
                .said();
            assert!(
                text.contains(cipher) && text.contains("MAC verified OK") || text.contains("MAC: sha"),
                "{text}"
            );
            assert_eq!(text.matches("BEGIN CERTIFICATE").count(), 3);
            let (read, _) = PrivateKey::from_pem(text.as_bytes()).unwrap();
            assert_eq!(read.hash(), material.key.hash());
            let wrong = desk.openssl("pkcs12 -legacy -in keystore.p12 -nodes -passin pass:wrong");
            assert!(!wrong.ok);
            let file = pkcs12_keystore(&material.contents(), "password", profile, &SEED).unwrap();
            desk.put("keystore.p12", file.expose());
            let listed = desk
                .keytool("-list -v -storetype PKCS12 -keystore keystore.p12 -storepass password")
                .said();
            assert!(
                listed.contains("Certificate chain length: 3") && listed.contains("CN=leaf"),
                "{listed}"
            );
        }
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
            pkcs12_truststore(&cas, "password", profile, &SEED).unwrap().expose(),
        );
        let listed = desk
            .keytool("-list -storetype PKCS12 -keystore truststore.p12 -storepass password")
            .said();
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
    let file = pkcs12_keystore(&material.contents(), "password", Profile::Modern2026, &SEED).unwrap();
    desk.put("keystore.p12", file.expose());
    let text = desk
        .openssl("pkcs12 -in keystore.p12 -nodes -nomacver -passin pass:password")
        .said();
    assert_eq!(
        PrivateKey::from_pem(text.as_bytes()).unwrap().0.hash(),
        material.key.hash()
    );

    let fields = der::read_all(file.expose(), der::SEQUENCE).unwrap().children().unwrap();
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
    let parsed = desk.openssl("asn1parse -inform DER -in keystore.p12").said();
    assert!(
        parsed.contains("1.2.840.113549.1.5.14") || parsed.contains("PBMAC1"),
        "{parsed}"
    );
}

#[test]
fn jks_files_are_opened_by_keytool_and_give_the_same_key() {
    let desk = Desk::new();
    let now = "2026-11-21T10:00:00Z".parse().unwrap();
    for (algorithm, size) in [(Rsa, 2048), (Ecdsa, 384)] {
        let material = Material::new(algorithm, size);
        let file = jks_keystore(&material.contents(), "password", "Certificate", now, &SEED).unwrap();
        desk.put("keystore.jks", file.expose());
        let listed = desk
            .keytool("-list -storetype JKS -keystore keystore.jks -storepass password")
            .said();
        assert!(
            listed.contains("certificate, Nov 21, 2026, PrivateKeyEntry")
                && listed.contains("ca, Nov 21, 2026, trustedCertEntry"),
            "{listed}"
        );
        drop(std::fs::remove_file(desk.path().join("out.p12")));
        desk.keytool("-importkeystore -srckeystore keystore.jks -srcstoretype JKS -srcstorepass password -destkeystore out.p12 -deststoretype PKCS12 -deststorepass password").accepted();
        let text = desk
            .openssl("pkcs12 -in out.p12 -nodes -nocerts -passin pass:password")
            .said();
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
        jks_truststore(&cas, "password", now).unwrap().expose(),
    );
    let listed = desk
        .keytool("-list -storetype JKS -keystore truststore.jks -storepass password")
        .said();
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
    let error = pkcs12_keystore(&material.contents(), "🔑", Profile::LegacyRc2, &SEED).unwrap_err();
    assert!(error.to_string().contains("U+FFFF"), "{error}");
    let now = jiff::Timestamp::UNIX_EPOCH;
    let error = jks_keystore(&material.contents(), "password", "🔑", now, &SEED).unwrap_err();
    assert!(error.to_string().contains("alias"), "{error}");
    let error = jks_truststore(b"no", "password", now).unwrap_err();
    assert!(error.to_string().contains("holds no certificate"), "{error}");
}
