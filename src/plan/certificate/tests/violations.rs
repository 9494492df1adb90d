//! Violations of a Secret: the messages that tools read, and their order.

use jiff::SignedDuration;

use super::{
    super::TEMPORARY_CA,
    model::{Model, issuer},
};
use crate::{
    api::{
        ConditionStatus,
        condition::{self, READY},
        names::annotation,
    },
    pki::{
        key::{KeyAlgorithm, KeyHash, KeySpec, PrivateKey},
        name::Subject,
        summary::Part,
    },
    plan::seen::Pairs,
};

type Deed = fn(&mut Model);

fn issued() -> Model {
    let mut model = Model::new();
    model.issue();
    model.pass(SignedDuration::from_mins(1));
    model
}

/// The Secret with these annotations instead of its own.
fn annotate(model: &mut Model, changes: &[(&str, Option<&str>)]) {
    model.edit_secret(|secret| {
        let mut annotations: Vec<(String, String)> = secret
            .meta
            .annotations
            .iter()
            .filter(|(key, _)| !changes.iter().any(|(changed, _)| changed == key))
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
        let new = changes
            .iter()
            .filter_map(|(key, value)| Some(((*key).to_owned(), (*value)?.to_owned())));
        annotations.extend(new);
        secret.meta.annotations = annotations.into_iter().collect::<Pairs>();
    });
}

fn without_issuer(model: &mut Model) {
    let gone = [
        annotation::ISSUER_NAME,
        annotation::ISSUER_KIND,
        annotation::ISSUER_GROUP,
    ]
    .map(|key| (key, None));
    annotate(model, &gone);
}

fn other_request_key(model: &mut Model) {
    let key = PrivateKey::generate(KeySpec::new(KeyAlgorithm::Ecdsa, None)).unwrap();
    let request = model.requests.get_mut("web-1").unwrap();
    request.csr.as_mut().unwrap().public_key = key.public_key();
}

/// Reason and message of Ready, and whether it is issued again.
fn reported(model: &Model) -> (String, String, bool) {
    let plan = model.plan();
    let ready = condition::get(&plan.status.conditions, READY).unwrap();
    (
        ready.reason().to_owned(),
        ready.message().to_owned(),
        !plan.effects.is_empty(),
    )
}

/// Reason, message, and how it comes about.
const FAULTS: [(&str, &str, Deed); 16] = [
    (
        "DoesNotExist",
        "Issuing certificate as Secret does not exist",
        |model| model.secret = None,
    ),
    (
        "MissingData",
        "Issuing certificate as Secret does not contain any data",
        |model| {
            model.edit_secret(|secret| {
                secret.data_keys = Box::default();
                (secret.pair.key, secret.pair.certificate) = (Part::Missing, Part::Missing);
            });
        },
    ),
    (
        "MissingData",
        "Issuing certificate as Secret does not contain a private key",
        |model| {
            model.edit_secret(|secret| (secret.pair.key, secret.pair.certificate) = (Part::Missing, Part::Missing));
        },
    ),
    (
        "MissingData",
        "Issuing certificate as Secret does not contain a certificate",
        |model| {
            model.edit_secret(|secret| secret.pair.certificate = Part::Missing);
        },
    ),
    (
        "InvalidKeyPair",
        "Issuing certificate as Secret contains invalid private key data: no PEM",
        |model| model.edit_secret(|secret| secret.pair.key = Part::Invalid("no PEM".into())),
    ),
    (
        "InvalidCertificate",
        "Issuing certificate as Secret contains an invalid certificate: no PEM",
        |model| model.edit_secret(|secret| secret.pair.certificate = Part::Invalid("no PEM".into())),
    ),
    (
        "InvalidKeyPair",
        "Issuing certificate as Secret contains a private key that does not match the certificate",
        |model| {
            model.edit_secret(|secret| {
                let Part::Valid(key) = &mut secret.pair.key else {
                    panic!("a key")
                };
                key.hash = KeyHash([7; 32]);
            });
        },
    ),
    (
        "TemporaryCertificate",
        "Issuing certificate as Secret contains only a temporary certificate",
        |model| {
            model.edit_secret(|secret| {
                let Part::Valid(certificate) = &mut secret.pair.certificate else {
                    panic!("a certificate")
                };
                certificate.issuer = Subject::of_common_name(TEMPORARY_CA).to_name();
            });
        },
    ),
    (
        "IncorrectIssuer",
        "Issuing certificate as Secret was previously issued by \"ClusterIssuer.cert-manager.io/other\"",
        |model| {
            let other = [
                (annotation::ISSUER_NAME, Some("other")),
                (annotation::ISSUER_KIND, Some("ClusterIssuer")),
            ];
            annotate(model, &other);
        },
    ),
    (
        "IncorrectIssuer",
        "Issuing certificate as Secret was previously issued by \"Issuer.example.com/ca\"",
        |model| annotate(model, &[(annotation::ISSUER_GROUP, Some("example.com"))]),
    ),
    (
        "IncorrectCertificate",
        "Secret was issued for \"other\". If this message is not transient, you might have two conflicting Certificates pointing \
             to the same secret.",
        |model| annotate(model, &[(annotation::CERTIFICATE_NAME, Some("other"))]),
    ),
    (
        "SecretMismatch",
        "Existing private key is not up to date for spec: [spec.privateKey.size]",
        |model| model.edit(|spec| spec.private_key.as_mut().unwrap().size = Some(384)),
    ),
    (
        "SecretMismatch",
        "Secret contains a private key that does not match the current CertificateRequest",
        other_request_key,
    ),
    (
        "InvalidCertificateRequest",
        "Failed to decode current CertificateRequest: no PEM",
        |model| model.requests.get_mut("web-1").unwrap().csr = Err("no PEM".into()),
    ),
    (
        "RequestChanged",
        "Fields on existing CertificateRequest resource not up to date: [spec.dnsNames spec.commonName]",
        |model| {
            model.edit(|spec| {
                spec.dns_names = vec!["other.example.com".into()];
                spec.common_name = Some("other.example.com".into());
            });
        },
    ),
    (
        "SecretMismatch",
        "Issuing certificate as Existing issued Secret is not up to date for spec: [spec.dnsNames]",
        |model| {
            model.requests.clear();
            model.edit(|spec| spec.dns_names.push("other.example.com".into()));
        },
    ),
];

#[test]
fn pol_01_to_10_each_fault_of_a_secret_has_its_reason_and_message_and_is_issued_again() {
    for (reason, message, deed) in FAULTS {
        let mut model = issued();
        deed(&mut model);
        assert_eq!(reported(&model), (reason.to_owned(), message.to_owned(), true));
    }
}

#[test]
fn pol_03_to_09_of_several_faults_the_first_of_the_chain_is_told() {
    let chain: [(&str, Deed); 7] = [
        ("contains invalid private key data", |model| {
            model.edit_secret(|secret| secret.pair.key = Part::Invalid(String::new()));
        }),
        ("contains an invalid certificate", |model| {
            model.edit_secret(|secret| secret.pair.certificate = Part::Invalid(String::new()));
        }),
        ("was previously issued by", |model| {
            annotate(model, &[(annotation::ISSUER_NAME, Some("other"))]);
        }),
        ("Secret was issued for", |model| {
            annotate(model, &[(annotation::CERTIFICATE_NAME, Some("other"))]);
        }),
        ("not up to date for spec: [spec.privateKey.size]", |model| {
            model.edit(|spec| spec.private_key.as_mut().unwrap().size = Some(384));
        }),
        ("does not match the current CertificateRequest", other_request_key),
        ("resource not up to date: [spec.dnsNames]", |model| {
            model.edit(|spec| spec.dns_names.push("other.example.com".into()));
        }),
    ];
    for first in 0..chain.len() {
        let mut model = issued();
        chain[first..].iter().for_each(|(_, deed)| deed(&mut model));
        let (_, message, _) = reported(&model);
        assert!(message.contains(chain[first].0), "{message}");
    }
}

#[test]
fn nb_08_a_secret_that_names_no_issuer_matches_only_an_issuer_of_our_group() {
    let mut model = issued();
    model.requests.clear();
    without_issuer(&mut model);
    assert_eq!(
        reported(&model).0,
        "Ready",
        "restored from a backup without annotations"
    );
    model.edit(|spec| spec.issuer_ref = issuer("ClusterIssuer", "ca"));
    let message = "Issuing certificate as Secret was previously issued by \"Issuer.cert-manager.io/\"";
    assert_eq!(reported(&model), ("IncorrectIssuer".into(), message.into(), true));
}

/// NB-07: what is written differently and means the same.
#[test]
fn nb_07_defaults_that_are_written_out_are_no_difference() {
    let mut model = issued();
    annotate(
        &mut model,
        &[
            (annotation::ISSUER_KIND, Some("Issuer")),
            (annotation::ISSUER_GROUP, Some("cert-manager.io")),
        ],
    );
    model.edit(|spec| spec.issuer_ref.group = Some("cert-manager.io".into()));
    let (reason, _, issues) = reported(&model);
    assert_eq!((reason.as_str(), issues), ("Ready", false));
}

/// A Certificate that has to wait for another one, or whose spec cannot be used, although its Secret is in order: however often it is
/// looked at, its condition does not become new.
#[test]
fn nb_40_the_transition_time_changes_only_when_the_status_does() {
    let rival: Deed = |model| {
        annotate(model, &[(annotation::CERTIFICATE_NAME, None)]);
        model.rivals = vec![super::super::Rival {
            name: "older".into(),
            created: model.now - SignedDuration::from_hours(9999),
        }];
    };
    let invalid: Deed = |model| {
        model.pass(SignedDuration::from_hours(24 * 80));
        model.edit(|spec| spec.revision_history_limit = Some(0));
    };
    for deed in [rival, invalid] {
        let mut model = issued();
        deed(&mut model);
        model.settle();
        assert_eq!(model.ready().0, ConditionStatus::False, "{:?}", model.ready());
        model.log.clear();
        for _ in 0..3 {
            model.pass(SignedDuration::from_mins(3));
            model.settle();
        }
        assert_eq!(model.log, [""; 0], "{:?}", model.certificate.status);
    }
}
