//! What the signing request of a spec says, as openssl reads it.

use crate::{
    api::CertificateSpec,
    pki::{csr, key::PrivateKey, oracle::Desk},
    plan::{
        certificate::{key_spec, request::template},
        settings::{Gates, Settings},
    },
};

/// `openssl req -text` of the request for this spec.
fn openssl(spec: &str, gates: Gates) -> String {
    let spec: CertificateSpec = serde_json::from_str(&format!(
        r#"{{"secretName":"s","issuerRef":{{"name":"ca"}},"dnsNames":["a.example.com"],{spec}}}"#
    ))
    .unwrap();
    let settings = Settings {
        gates,
        ..Settings::default()
    };
    let key = PrivateKey::generate(key_spec(&spec)).unwrap();
    let csr = csr::build(&template(&spec, &settings).unwrap(), &key).unwrap();
    Desk::new().openssl_with("req -noout -verify -text", &csr).output()
}

const EC: &str = r#""privateKey":{"algorithm":"ECDSA"}"#;

#[test]
fn crt_16_and_gat_08_basic_constraints_are_in_the_request_only_if_the_gate_is_on() {
    for (gate, is_ca, wanted) in [
        (false, true, None),
        (false, false, None),
        (true, true, Some("CA:TRUE")),
        (true, false, Some("CA:FALSE")),
    ] {
        let gates = Gates {
            basic_constraints_in_request: gate,
            ..Settings::default().gates
        };
        let text = openssl(&format!(r#"{EC},"isCA":{is_ca}"#), gates);
        let found = text.contains("X509v3 Basic Constraints");
        assert_eq!(found, wanted.is_some(), "{gate} {is_ca}: {text}");
        assert!(
            wanted.is_none_or(|wanted| text.contains(wanted)),
            "{gate} {is_ca}: {text}"
        );
        assert_eq!(text.contains("Certificate Sign"), is_ca, "{text}");
    }
}

#[test]
fn crt_22_the_hash_follows_the_size_of_the_key() {
    for (key, wanted) in [
        (r#""algorithm":"RSA""#, "sha256WithRSAEncryption"),
        (r#""algorithm":"RSA","size":3072"#, "sha384WithRSAEncryption"),
        (r#""algorithm":"RSA","size":4096"#, "sha512WithRSAEncryption"),
        (r#""algorithm":"ECDSA""#, "ecdsa-with-SHA256"),
        (r#""algorithm":"ECDSA","size":384"#, "ecdsa-with-SHA384"),
        (r#""algorithm":"ECDSA","size":521"#, "ecdsa-with-SHA512"),
        (r#""algorithm":"Ed25519""#, "ED25519"),
    ] {
        let text = openssl(&format!(r#""privateKey":{{{key}}}"#), Settings::default().gates);
        assert!(
            text.contains(&format!("Signature Algorithm: {wanted}")),
            "{key}: {text}"
        );
    }
}

#[test]
fn crt_23_usages_are_in_the_request_unless_the_spec_says_otherwise() {
    for (stated, wanted) in [
        ("", true),
        (r#","encodeUsagesInRequest":true"#, true),
        (r#","encodeUsagesInRequest":false"#, false),
    ] {
        let text = openssl(
            &format!(r#"{EC},"usages":["digital signature","client auth"]{stated}"#),
            Settings::default().gates,
        );
        assert_eq!(
            text.contains("TLS Web Client Authentication"),
            wanted,
            "{stated}: {text}"
        );
        assert_eq!(text.contains("X509v3 Key Usage"), wanted, "{stated}: {text}");
    }
}

/// The object identifiers are openssl's own names for them, or those of RFC 5280 and the companies' arcs.
#[test]
fn crt_17_each_usage_is_what_openssl_knows_by_that_name() {
    for (usage, wanted) in [
        ("signing", "Digital Signature"),
        ("digital signature", "Digital Signature"),
        ("content commitment", "Non Repudiation"),
        ("key encipherment", "Key Encipherment"),
        ("data encipherment", "Data Encipherment"),
        ("key agreement", "Key Agreement"),
        ("cert sign", "Certificate Sign"),
        ("crl sign", "CRL Sign"),
        ("encipher only", "Encipher Only"),
        ("decipher only", "Decipher Only"),
        ("any", "Any Extended Key Usage"),
        ("server auth", "TLS Web Server Authentication"),
        ("client auth", "TLS Web Client Authentication"),
        ("code signing", "Code Signing"),
        ("email protection", "E-mail Protection"),
        ("s/mime", "E-mail Protection"),
        ("ipsec end system", "IPSec End System"),
        ("ipsec tunnel", "IPSec Tunnel"),
        ("ipsec user", "IPSec User"),
        ("timestamping", "Time Stamping"),
        ("ocsp signing", "OCSP Signing"),
        ("microsoft sgc", "Microsoft Server Gated Crypto"),
        ("netscape sgc", "Netscape Server Gated Crypto"),
    ] {
        let text = openssl(&format!(r#"{EC},"usages":["{usage}"]"#), Settings::default().gates);
        assert!(text.contains(wanted), "{usage}: {text}");
    }
}

/// cert-manager encodes what was asked for, twice if it was asked for twice, and issuers that are built with its library compare.
#[test]
fn crt_17_a_purpose_that_is_named_twice_is_in_the_request_twice() {
    let text = openssl(
        &format!(r#"{EC},"usages":["email protection","s/mime"]"#),
        Settings::default().gates,
    );
    assert_eq!(text.matches("E-mail Protection").count(), 2, "{text}");
}

#[test]
fn crt_12_and_gat_11_other_names_and_name_constraints_are_in_the_request() {
    let text = openssl(
        &format!(
            r#"{EC},"isCA":true,"otherNames":[{{"oid":"1.3.6.1.4.1.311.20.2.3","utf8Value":"u@example.com"}}],
               "nameConstraints":{{"critical":true,"permitted":{{"dnsDomains":["example.com"]}}}}"#
        ),
        Settings::default().gates,
    );
    assert!(
        text.contains("X509v3 Name Constraints: critical") && text.contains("DNS:example.com"),
        "{text}"
    );
    assert!(
        text.contains("UPN:u@example.com") || text.contains("othername:"),
        "{text}"
    );
}
