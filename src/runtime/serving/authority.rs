//! The CA of the metrics server and what it signs: bytes, without the cluster.

use jiff::{SignedDuration, Timestamp};
use rustls::sign::CertifiedKey;

use super::Dynamic;
use crate::{
    api::names::{MANAGED_BY, annotation, data_key, label},
    cluster::{secret::LiveSecret, serving::AuthorityPair},
    pki::{
        Error,
        certificate::CertificateInfo,
        chain::{SizeLimits, parse_certificates, to_pem},
        csr::{CsrInfo, CsrTemplate},
        key::{KeyAlgorithm, KeyEncoding, KeySpec, PrivateKey},
        name::{Name, Subject},
        serving::certified_key,
        sign::{Extras, random_serial, self_sign, sign},
        usage::Usage,
    },
    plan::serving::{AuthorityFacts, AuthoritySeen, authority_validity, leaf_validity},
    signer::ca::{CertificateAuthority, SecretData},
};

/// Common name of a new CA.
const COMMON_NAME: &str = "certlet-metrics-ca";
/// Keys of the CA and of certificates are P-384, as in cert-manager.
const CURVE: u32 = 384;

/// What the decision needs to know of the Secret, and the CA in it.
pub(super) fn observe(
    secret: &LiveSecret,
    now: Timestamp,
    limits: &SizeLimits,
) -> (AuthoritySeen, Option<CertificateAuthority>) {
    let meta = &secret.seen.meta;
    let data = SecretData {
        namespace: meta.namespace(),
        name: meta.name(),
        tls_key: secret.data(data_key::TLS_KEY),
        tls_crt: secret.data(data_key::TLS_CRT),
        ca_crt: secret.data(data_key::CA_CRT),
    };
    let read = CertificateAuthority::read(&data, now, limits);
    let facts = read.as_ref().map_err(ToString::to_string).map(|authority| {
        let info = authority.info();
        AuthorityFacts {
            not_before: info.not_before,
            not_after: info.not_after,
            is_self_signed: info.self_signed,
        }
    });
    // accounts of ACME servers have the label, too, and what a Certificate issued has its name
    let is_ours = meta.labels.get(label::MANAGED_BY) == Some(MANAGED_BY)
        && meta.annotations.contains(annotation::ALLOW_DIRECT_INJECTION)
        && !meta.annotations.contains(annotation::CERTIFICATE_NAME);
    let seen = AuthoritySeen {
        is_ours,
        is_empty: secret.seen.data_keys.is_empty(),
        authority: facts,
    };
    (seen, read.ok())
}

/// A new CA.
///
/// # Errors
/// If the crypto library fails.
pub(super) fn create(now: Timestamp) -> Result<AuthorityPair, Error> {
    let subject = Subject::of_common_name(COMMON_NAME).to_name();
    root(&PrivateKey::generate(curve())?, subject, None, now)
}

/// The CA with the same key, name and key identifier, and a new certificate. Clients that trust the old one verify by the identifier
/// (RFC 5280 section 4.2.1.1), which the program that made it may compute in another way.
///
/// # Errors
/// If the crypto library fails.
pub(super) fn renew(authority: &CertificateAuthority, now: Timestamp) -> Result<AuthorityPair, Error> {
    let issuer = authority.issuer();
    root(
        &issuer.key,
        issuer.info.subject.clone(),
        issuer.info.subject_key_id.clone(),
        now,
    )
}

fn root(
    key: &PrivateKey,
    subject: Name,
    subject_key_id: Option<Vec<u8>>,
    now: Timestamp,
) -> Result<AuthorityPair, Error> {
    let template = CsrTemplate {
        subject,
        is_ca: true,
        ..CsrTemplate::default()
    };
    let request = CsrInfo::from_template(&template, key.public_key())?;
    let extras = Extras {
        usages: [Usage::DigitalSignature, Usage::CertSign].into_iter().collect(),
        is_ca: true,
        subject_key_id,
        ..Extras::default()
    };
    let certificate = self_sign(&request, key, authority_validity(now), random_serial()?, &extras)?;
    Ok(AuthorityPair {
        certificate: to_pem(&[certificate]),
        key: key.to_pem(KeyEncoding::Pkcs8)?,
    })
}

/// A key pair for the server with a new key.
///
/// # Errors
/// If the CA cannot sign, or a name cannot be written.
pub(super) fn issue(
    authority: &CertificateAuthority,
    dynamic: &Dynamic,
    now: Timestamp,
) -> Result<(CertifiedKey, CertificateInfo), Error> {
    let key = PrivateKey::generate(curve())?;
    let template = CsrTemplate {
        sans: dynamic.names.clone(),
        ..CsrTemplate::default()
    };
    let request = CsrInfo::from_template(&template, key.public_key())?;
    let extras = Extras {
        usages: [Usage::DigitalSignature, Usage::ServerAuth].into_iter().collect(),
        ..Extras::default()
    };
    let lifetime = SignedDuration::try_from(dynamic.leaf_duration).unwrap_or(SignedDuration::MAX);
    let validity = leaf_validity(now, lifetime, authority.info().not_after);
    let leaf = sign(&request, authority.issuer(), validity, random_serial()?, &extras)?;
    let info = CertificateInfo::parse(&leaf)?;
    let mut chain = vec![leaf];
    let tail = authority.tail_pem();
    if !tail.is_empty() {
        chain.extend(parse_certificates(tail, tail.len())?);
    }
    Ok((certified_key(chain, &key)?, info))
}

fn curve() -> KeySpec {
    KeySpec::new(KeyAlgorithm::Ecdsa, Some(CURVE))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pki::name::SubjectAltNames;
    use crate::plan::seen::ObjectKey;

    fn read(pair: &AuthorityPair, now: Timestamp) -> CertificateAuthority {
        let data = SecretData {
            namespace: "cert-manager",
            name: "metrics-ca",
            tls_key: Some(pair.key.expose()),
            tls_crt: Some(&pair.certificate),
            ca_crt: Some(&pair.certificate),
        };
        CertificateAuthority::read(&data, now, &SizeLimits::default()).unwrap()
    }

    #[test]
    fn a_renewed_ca_is_trusted_where_the_old_one_was_and_the_other_way_round() {
        let now: Timestamp = "2026-11-30T12:00:00Z".parse().unwrap();
        let later = now + SignedDuration::from_hours(24 * 250);
        let dynamic = Dynamic {
            secret: ObjectKey::new("cert-manager", "metrics-ca"),
            names: SubjectAltNames {
                dns: vec!["metrics".into()],
                ips: vec!["10.0.0.1".parse().unwrap()],
                ..SubjectAltNames::default()
            },
            leaf_duration: std::time::Duration::from_secs(168 * 3600),
        };
        let key = PrivateKey::generate(curve()).unwrap();
        let subject = Subject::of_common_name(COMMON_NAME).to_name();
        let old = root(&key, subject, Some(vec![7; 20]), now).unwrap();
        let authority = read(&old, now);
        assert_eq!(authority.info().key_spec, Some(curve()));
        let new = renew(&authority, later).unwrap();
        assert_ne!(old.certificate, new.certificate);
        assert_eq!(read(&new, later).info().subject_key_id, Some(vec![7; 20]));
        for (signs, trusted) in [(&old, &new), (&new, &old)] {
            let (pair, leaf) = issue(&read(signs, later), &dynamic, later).unwrap();
            assert_eq!((leaf.sans, leaf.is_ca), (dynamic.names.clone(), false));
            assert_eq!(pair.cert.len(), 1, "a root is not sent");
            let root = parse_certificates(&trusted.certificate, trusted.certificate.len()).unwrap();
            let mut roots = rustls::RootCertStore::empty();
            roots
                .add(rustls_pki_types::CertificateDer::from(root[0].clone()))
                .unwrap();
            let verifier = rustls::client::WebPkiServerVerifier::builder_with_provider(
                std::sync::Arc::new(roots),
                crate::pki::tls::provider(),
            );
            let seconds = u64::try_from(later.as_second()).unwrap();
            let at = rustls_pki_types::UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds));
            let name = "metrics".try_into().unwrap();
            let verifier = verifier.build().unwrap();
            rustls::client::danger::ServerCertVerifier::verify_server_cert(
                &*verifier,
                &pair.cert[0],
                &[],
                &name,
                &[],
                at,
            )
            .unwrap();
        }
    }
}
