//! Keys, judged by openssl.

use proptest::prelude::*;

use super::*;
use crate::pki::oracle::Desk;

fn spec(algorithm: KeyAlgorithm, size: u32) -> KeySpec {
    KeySpec::new(algorithm, Some(size))
}

fn quick_specs() -> [KeySpec; 5] {
    use KeyAlgorithm::{Ecdsa, Ed25519, Rsa};
    [
        spec(Rsa, 2048),
        spec(Ecdsa, 256),
        spec(Ecdsa, 384),
        spec(Ecdsa, 521),
        spec(Ed25519, 0),
    ]
}

#[test]
fn keys_of_every_kind_and_encoding_are_what_openssl_expects() {
    let desk = Desk::new();
    for spec in quick_specs() {
        let key = PrivateKey::generate(spec).unwrap();
        for encoding in [KeyEncoding::Pkcs1, KeyEncoding::Pkcs8] {
            desk.put("key.pem", key.to_pem(encoding).unwrap().expose());
            desk.openssl("pkey -in key.pem -check -noout").accepted();
            let public = desk.openssl("pkey -in key.pem -pubout -outform DER").accepted();
            assert_eq!(public, key.spki_der(), "{spec} {encoding}");
        }
    }
}

#[test]
fn pkcs1_keys_have_the_labels_that_servers_know() {
    let label = |spec, encoding| {
        let pem = PrivateKey::generate(spec).unwrap().to_pem(encoding).unwrap();
        String::from_utf8_lossy(pem.expose()).lines().next().unwrap().to_owned()
    };
    let [rsa, ecdsa, .., ed25519] = quick_specs();
    assert_eq!(label(rsa, KeyEncoding::Pkcs1), "-----BEGIN RSA PRIVATE KEY-----");
    assert_eq!(label(ecdsa, KeyEncoding::Pkcs1), "-----BEGIN EC PRIVATE KEY-----");
    for (spec, encoding) in [
        (rsa, KeyEncoding::Pkcs8),
        (ecdsa, KeyEncoding::Pkcs8),
        (ed25519, KeyEncoding::Pkcs1),
    ] {
        assert_eq!(label(spec, encoding), "-----BEGIN PRIVATE KEY-----");
    }
}

#[test]
fn keys_made_by_openssl_are_read_with_their_encoding() {
    use KeyAlgorithm::{Ecdsa, Ed25519, Rsa};
    let desk = Desk::new();
    for (command, expected, encoding) in [
        ("genrsa -traditional 2048", spec(Rsa, 2048), KeyEncoding::Pkcs1),
        ("genrsa 2560", spec(Rsa, 2560), KeyEncoding::Pkcs8),
        (
            "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:3072",
            spec(Rsa, 3072),
            KeyEncoding::Pkcs8,
        ),
        ("ecparam -name prime256v1 -genkey", spec(Ecdsa, 256), KeyEncoding::Pkcs1),
        (
            "ecparam -name secp384r1 -genkey -noout",
            spec(Ecdsa, 384),
            KeyEncoding::Pkcs1,
        ),
        (
            "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-521",
            spec(Ecdsa, 521),
            KeyEncoding::Pkcs8,
        ),
        ("genpkey -algorithm ED25519", spec(Ed25519, 0), KeyEncoding::Pkcs8),
    ] {
        let pem = desk.openssl(command).accepted();
        let (key, found) = PrivateKey::from_pem(&pem).unwrap();
        assert_eq!((key.spec(), found), (expected, encoding), "{command}");
        desk.put("key.pem", &pem);
        assert_eq!(
            key.spki_der(),
            desk.openssl("pkey -in key.pem -pubout -outform DER").accepted()
        );
    }
}

#[test]
#[ignore = "making an RSA key of 8192 bits takes a minute"]
fn rsa_keys_of_8192_bits_are_made_and_read() {
    let desk = Desk::new();
    let key = PrivateKey::generate(spec(KeyAlgorithm::Rsa, 8192)).unwrap();
    desk.put("key.pem", key.to_pem(KeyEncoding::Pkcs1).unwrap().expose());
    desk.openssl("pkey -in key.pem -check -noout").accepted();
    assert_eq!(PrivateKey::from_pem(&desk.get("key.pem")).unwrap().0.hash(), key.hash());
}

#[test]
fn unusable_keys_are_explained() {
    let desk = Desk::new();
    let made = |command: &str| desk.openssl(command).accepted();
    let cases = [
        (b"".to_vec(), "holds no PEM block"),
        (
            b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_vec(),
            "only: CERTIFICATE",
        ),
        (
            b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n".to_vec(),
            "is not PKCS#8",
        ),
        (
            b"-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n".to_vec(),
            "RSA: 2048 to 8192 bits",
        ),
        (made("genrsa 1024"), "RSA: 2048 to 8192 bits"),
        (made("genpkey -algorithm X25519"), "the algorithm 1.3.101.110"),
        (
            made("ecparam -name secp256k1 -genkey -noout"),
            "a curve other than P-256",
        ),
        (
            made("genrsa -aes256 -traditional -passout pass:secret 2048"),
            "encrypted with a passphrase",
        ),
        (
            [
                b"-----BEGIN PRIVATE KEY-----\nA\n-----END PRIVATE KEY-----\n".to_vec(),
                made("genpkey -algorithm ED25519"),
            ]
            .concat(),
            "line 1 cannot be read",
        ),
        (
            made("genpkey -algorithm ED25519 -aes256 -pass pass:secret"),
            "encrypted with a passphrase",
        ),
    ];
    for (pem, expected) in cases {
        let error = PrivateKey::from_pem(&pem).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    for (algorithm, size) in [
        (KeyAlgorithm::Rsa, 1024),
        (KeyAlgorithm::Rsa, 2049),
        (KeyAlgorithm::Ecdsa, 999),
    ] {
        let error = PrivateKey::generate(spec(algorithm, size)).unwrap_err().to_string();
        assert!(error.contains(&size.to_string()), "{error}");
    }
}

#[test]
fn debug_output_shows_no_key_material() {
    let key = PrivateKey::generate(spec(KeyAlgorithm::Ecdsa, 256)).unwrap();
    assert_eq!(
        format!("{key:?}"),
        format!("PrivateKey(ECDSA 256, public key {})", key.hash())
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_key_that_is_written_and_read_is_the_same_key(kind in 1_usize..5, pkcs8 in any::<bool>()) {
        let key = PrivateKey::generate(quick_specs()[kind]).unwrap();
        let encoding = if pkcs8 { KeyEncoding::Pkcs8 } else { KeyEncoding::Pkcs1 };
        let written = key.to_pem(encoding).unwrap();
        let (read, found) = PrivateKey::from_pem(written.expose()).unwrap();
        prop_assert_eq!(read.spki_der(), key.spki_der());
        prop_assert_eq!(read.pkcs8_der().unwrap(), key.pkcs8_der().unwrap());
        prop_assert_eq!(read.spec(), key.spec());
        let is_ed25519 = key.spec().algorithm == KeyAlgorithm::Ed25519;
        prop_assert_eq!(found, if is_ed25519 { KeyEncoding::Pkcs8 } else { encoding });
    }

    #[test]
    fn damaged_keys_never_panic(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let key = PrivateKey::generate(spec(KeyAlgorithm::Ecdsa, 256)).unwrap();
        let mut der = key.pkcs8_der().unwrap().expose().clone();
        let at = at.index(der.len());
        der[at] = byte;
        drop(PrivateKey::from_pem(&pem::encode("PRIVATE KEY", &der)));
        drop(PrivateKey::from_pem(&pem::encode("EC PRIVATE KEY", &der)));
        drop(PrivateKey::from_pem(&pem::encode("RSA PRIVATE KEY", &der)));
        drop(PublicKey::from_spki_der(&der));
    }
}
