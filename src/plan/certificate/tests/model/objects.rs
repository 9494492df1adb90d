//! Objects for the cluster in memory.

use jiff::{SignedDuration, Timestamp};

use super::NAMESPACE;
use crate::{
    api::IssuerRef,
    pki::{
        certificate::CertificateInfo,
        chain::SizeLimits,
        csr::{CsrInfo, CsrTemplate},
        key::{KeyAlgorithm, KeySpec, PrivateKey},
        name::Subject,
        sign::{self, Extras, Issuer, Validity},
        usage::UsageSet,
    },
    plan::{
        certificate::{fitness::as_read, secret::RenderedSecret},
        seen::{Meta, ObjectKey, Owner, Pairs, SecretSeen},
    },
};

/// What the API server makes of an apply by our field manager.
pub(super) fn applied(
    name: &str,
    uid: &str,
    now: Timestamp,
    owners: Vec<Owner>,
    rendered: &RenderedSecret,
) -> SecretSeen {
    as_read(rendered, meta(name, uid, now, owners), &SizeLimits::default())
}

pub(in crate::plan::certificate::tests) fn meta(name: &str, uid: &str, created: Timestamp, owners: Vec<Owner>) -> Meta {
    Meta {
        key: ObjectKey::new(NAMESPACE, name),
        uid: uid.into(),
        resource_version: "1".into(),
        generation: 1,
        created,
        deleting: None,
        owners: owners.into(),
        labels: Pairs::default(),
        annotations: Pairs::default(),
        finalizers: Box::default(),
    }
}

pub(in crate::plan::certificate::tests) fn owner(name: &str, uid: &str) -> Owner {
    Owner {
        api_version: "cert-manager.io/v1".into(),
        kind: "Certificate".into(),
        name: name.into(),
        uid: uid.into(),
        controller: true,
    }
}

pub(in crate::plan::certificate::tests) fn issuer(kind: &str, name: &str) -> IssuerRef {
    IssuerRef {
        name: name.into(),
        kind: Some(kind.into()),
        group: None,
    }
}

pub(super) fn ca(now: Timestamp) -> Issuer {
    let key = PrivateKey::generate(KeySpec::new(KeyAlgorithm::Ecdsa, None)).expect("a key");
    let template = CsrTemplate {
        subject: Subject::of_common_name("test CA").to_name(),
        usages: UsageSet::new(&[], true),
        is_ca: true,
        ..CsrTemplate::default()
    };
    let request = CsrInfo::from_template(&template, key.public_key()).expect("a request");
    let validity = Validity {
        not_before: now,
        not_after: now + SignedDuration::from_hours(24 * 3650),
    };
    let extras = Extras {
        usages: template.usages,
        is_ca: true,
        ..Extras::default()
    };
    let ca = sign::self_sign(&request, &key, validity, [1; 16], &extras).expect("signed");
    Issuer {
        info: CertificateInfo::parse(&ca).expect("our own"),
        chain: vec![ca],
        key,
    }
}
