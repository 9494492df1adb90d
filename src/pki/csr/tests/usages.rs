//! CRT-17: bits and object identifiers of all usages, by openssl's own tables.

use super::*;

/// openssl's names, in the order of [`Usage::ALL`].
const NAMES: [(Usage, &str, &str); 23] = [
    (Usage::DigitalSignature, "keyUsage", "digitalSignature"),
    (Usage::Signing, "keyUsage", "digitalSignature"),
    (Usage::ContentCommitment, "keyUsage", "nonRepudiation"),
    (Usage::KeyEncipherment, "keyUsage", "keyEncipherment"),
    (Usage::KeyAgreement, "keyUsage", "keyAgreement"),
    (Usage::DataEncipherment, "keyUsage", "dataEncipherment"),
    (Usage::CertSign, "keyUsage", "keyCertSign"),
    (Usage::CrlSign, "keyUsage", "cRLSign"),
    (Usage::EncipherOnly, "keyUsage", "encipherOnly"),
    (Usage::DecipherOnly, "keyUsage", "decipherOnly"),
    (Usage::Any, "extendedKeyUsage", "anyExtendedKeyUsage"),
    (Usage::ServerAuth, "extendedKeyUsage", "serverAuth"),
    (Usage::ClientAuth, "extendedKeyUsage", "clientAuth"),
    (Usage::CodeSigning, "extendedKeyUsage", "codeSigning"),
    (Usage::EmailProtection, "extendedKeyUsage", "emailProtection"),
    (Usage::SMime, "extendedKeyUsage", "emailProtection"),
    (Usage::IpsecEndSystem, "extendedKeyUsage", "ipsecEndSystem"),
    (Usage::IpsecTunnel, "extendedKeyUsage", "ipsecTunnel"),
    (Usage::IpsecUser, "extendedKeyUsage", "ipsecUser"),
    (Usage::Timestamping, "extendedKeyUsage", "timeStamping"),
    (Usage::OcspSigning, "extendedKeyUsage", "OCSPSigning"),
    (Usage::MicrosoftSgc, "extendedKeyUsage", "msSGC"),
    (Usage::NetscapeSgc, "extendedKeyUsage", "nsSGC"),
];

#[test]
fn crt_17_every_usage_is_what_openssl_means_by_it() {
    let desk = Desk::new();
    desk.openssl("ecparam -name prime256v1 -genkey -noout -out key.pem")
        .accepted();
    assert_eq!(NAMES.map(|(usage, ..)| usage), Usage::ALL);
    for (usage, kind, name) in NAMES {
        let command = format!("req -new -key key.pem -subj /CN=a -addext {kind}={name} -out a.csr");
        desk.openssl(&command).accepted();
        let theirs = CsrInfo::parse(&desk.get("a.csr")).unwrap().usages.unwrap();
        let ours = UsageSet::from_iter([usage]);
        assert_eq!(theirs, ours, "{usage}");
        assert_eq!(
            theirs.extended_key_usage_der(),
            ours.extended_key_usage_der(),
            "{usage}"
        );
        assert!(
            theirs.unknown_purposes().is_empty() && theirs.contains(usage),
            "{usage}"
        );
    }
}

/// cert-manager writes a purpose that two usages mean twice, and external issuers that are built on its library compare with that.
#[test]
fn crt_17_usages_that_mean_the_same_purpose_are_written_twice() {
    let template = CsrTemplate {
        usages: UsageSet::new(&[Usage::EmailProtection, Usage::SMime], false),
        encode_usages: true,
        ..CsrTemplate::default()
    };
    let desk = Desk::new();
    desk.put("a.csr", &build(&template, &key(KeyAlgorithm::Ecdsa, 256)).unwrap());
    let text = desk.openssl("req -in a.csr -noout -text").output();
    assert_eq!(text.matches("E-mail Protection").count(), 2, "{text}");
    // and one that names one of them asks for nothing else
    assert_eq!(template.usages, UsageSet::new(&[Usage::SMime], false));
}
