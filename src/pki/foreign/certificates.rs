//! Certificates.

use std::time::Duration;

use ::der::{DateTime, Sequence, Tag};
use jiff::Timestamp;
use x509_cert::Certificate;
use x509_cert::certificate::Version;
use x509_cert::ext::pkix::crl::dp::DistributionPoint;
use x509_cert::ext::pkix::name::{DistributionPointName, GeneralName};
use x509_cert::ext::pkix::{
    AccessDescription, AuthorityInfoAccessSyntax, AuthorityKeyIdentifier, BasicConstraints, CrlDistributionPoints,
    ExtendedKeyUsage, KeyUsage, SubjectKeyIdentifier,
};
use x509_cert::serial_number::SerialNumber;
use x509_cert::time::{Time, Validity as ForeignValidity};

use super::extensions::{constraints, foreign_sans, sans, urls};
use super::*;
use crate::pki::certificate::CertificateInfo;
use crate::pki::csr::{CsrInfo, CsrTemplate};
use crate::pki::der::read_all;
use crate::pki::key::sha256;
use crate::pki::sign::{Extras, Issuer, Validity, self_sign, sign};

/// `TBSCertificate`, whose fields are private there.
#[derive(Sequence)]
struct Tbs {
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT")]
    version: Version,
    serial_number: SerialNumber,
    signature: AlgorithmIdentifierOwned,
    issuer: ForeignName,
    validity: ForeignValidity,
    subject: ForeignName,
    subject_public_key_info: SubjectPublicKeyInfoOwned,
    #[asn1(context_specific = "3", tag_mode = "EXPLICIT")]
    extensions: Vec<Extension>,
}

/// A time from 1970 to 9998.
fn time() -> impl Strategy<Value = (Timestamp, Time)> {
    (0_u32..2_900_000, 0_u32..86_400).prop_map(|(day, second)| {
        let at = u64::from(day) * 86_400 + u64::from(second);
        let foreign = DateTime::from_unix_duration(Duration::from_secs(at)).unwrap();
        (
            Timestamp::from_second(at.try_into().unwrap()).unwrap(),
            Time::from(foreign),
        )
    })
}

fn uri(url: &str) -> GeneralName {
    GeneralName::UniformResourceIdentifier(ia5(url))
}

fn identifier(key: &SubjectPublicKeyInfoOwned) -> OctetString {
    let digest = sha256(key.subject_public_key.raw_bytes());
    OctetString::new(&digest[..20]).unwrap()
}

fn access(method: ObjectIdentifier, url: &str) -> AccessDescription {
    AccessDescription {
        access_method: method,
        access_location: uri(url),
    }
}

fn point(url: &str) -> DistributionPoint {
    DistributionPoint {
        distribution_point: Some(DistributionPointName::FullName(vec![uri(url)])),
        reasons: None,
        crl_issuer: None,
    }
}

/// Signs certificates below this one.
fn authority(subject: &Subject, at: usize) -> Issuer {
    let key = || {
        PrivateKey::from_pem(KEYS[at].0.to_pem(crate::pki::key::KeyEncoding::Pkcs8).unwrap().expose())
            .unwrap()
            .0
    };
    let template = CsrTemplate {
        subject: subject.to_name(),
        ..CsrTemplate::default()
    };
    let request = CsrInfo::from_template(&template, key().public_key()).unwrap();
    let certificate = self_sign(&request, &key(), fixture::validity(), [1; 16], &fixture::ca_extras()).unwrap();
    Issuer {
        info: CertificateInfo::parse(&certificate).unwrap(),
        chain: vec![certificate],
        key: key(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn certificates_are_written_as_x509_cert_writes_them(
        subjects in [subject(), subject()], sans in sans(), usages in usages(), max_path_len in any::<Option<u8>>(), is_ca in any::<bool>(),
        constraints in proptest::option::of(constraints()), keys in [0..KEYS.len(), 0..KEYS.len()], times in [time(), time()],
        urls in [urls(), urls(), urls()], serial in any::<[u8; 16]>(), signs_itself in any::<bool>(),
    ) {
        let [subject, above] = subjects;
        let [subject_key, issuer_key] = if signs_itself { [keys[0]; 2] } else { keys };
        let (constraints, foreign_constraints) = constraints.unzip();
        let template = CsrTemplate {
            subject: subject.to_name(), sans: sans.clone(), name_constraints: constraints.clone(), ..CsrTemplate::default()
        };
        let (key, _, public_key) = key(subject_key);
        let request = CsrInfo::from_template(&template, key.public_key()).unwrap();
        let [crl_distribution_points, ocsp_servers, issuing_certificate_urls] = urls;
        let extras = Extras {
            usages: usages.ours.clone(), is_ca, max_path_len: max_path_len.map(u32::from), subject_key_id: None,
            crl_distribution_points, ocsp_servers, issuing_certificate_urls,
        };
        let validity = Validity { not_before: times[0].0, not_after: times[1].0 };
        let ours = if signs_itself {
            self_sign(&request, key, validity, serial, &extras).unwrap()
        } else {
            sign(&request, &authority(&above, issuer_key), validity, serial, &extras).unwrap()
        };

        let (_, algorithm, issuer_public_key) = super::key(issuer_key);
        let foreign_subject = foreign_subject(&subject);
        let mut extensions = Vec::new();
        if !usages.bits.is_empty() {
            extensions.push(extension("2.5.29.15", true, &KeyUsage(usages.bits)));
        }
        if !usages.purposes.is_empty() {
            extensions.push(extension("2.5.29.37", false, &ExtendedKeyUsage(usages.purposes)));
        }
        let basic = BasicConstraints { ca: is_ca, path_len_constraint: max_path_len.filter(|_| is_ca) };
        extensions.push(extension("2.5.29.19", true, &basic));
        extensions.push(extension("2.5.29.14", false, &SubjectKeyIdentifier(identifier(&public_key))));
        if !signs_itself {
            let id = AuthorityKeyIdentifier { key_identifier: Some(identifier(&issuer_public_key)), ..AuthorityKeyIdentifier::default() };
            extensions.push(extension("2.5.29.35", false, &id));
        }
        let ocsp = extras.ocsp_servers.iter().map(|url| access(::der::oid::db::rfc5280::ID_AD_OCSP, url));
        let issuers = extras.issuing_certificate_urls.iter().map(|url| access(::der::oid::db::rfc5280::ID_AD_CA_ISSUERS, url));
        let access: Vec<_> = ocsp.chain(issuers).collect();
        if !access.is_empty() {
            extensions.push(extension("1.3.6.1.5.5.7.1.1", false, &AuthorityInfoAccessSyntax(access)));
        }
        if !sans.is_empty() {
            extensions.push(extension("2.5.29.17", foreign_subject.is_empty(), &foreign_sans(&sans)));
        }
        if let (Some(ours), Some(foreign)) = (&constraints, &foreign_constraints) && !ours.is_empty() {
            extensions.push(extension("2.5.29.30", ours.critical, foreign));
        }
        let points: Vec<_> = extras.crl_distribution_points.iter().map(|url| point(url)).collect();
        if !points.is_empty() {
            extensions.push(extension("2.5.29.31", false, &CrlDistributionPoints(points)));
        }
        let number = if serial == [0; 16] { &[1][..] } else { &serial };
        let tbs = Tbs {
            version: Version::V3,
            serial_number: SerialNumber::new(number).unwrap(),
            signature: algorithm,
            issuer: if signs_itself { foreign_subject.clone() } else { super::foreign_subject(&above) },
            validity: ForeignValidity::new(times[0].1, times[1].1),
            subject: foreign_subject,
            subject_public_key_info: public_key,
            extensions,
        };
        let parts = read_all(&ours, Tag::Sequence).unwrap().children().unwrap();
        prop_assert_eq!(parts[0].raw, tbs.to_der().unwrap());
        // and the frame with algorithm and signature
        prop_assert_eq!(Certificate::from_der(&ours).unwrap().to_der().unwrap(), ours);
    }
}
