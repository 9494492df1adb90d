//! Objects for the cluster in memory.

use std::{collections::BTreeMap, sync::Arc};

use jiff::{SignedDuration, Timestamp};

use super::NAMESPACE;
use crate::{
    api::{IssuerRef, names::data_key},
    pki::{
        certificate::CertificateInfo,
        chain::SizeLimits,
        csr::{CsrInfo, CsrTemplate},
        key::{KeyAlgorithm, KeySpec, PrivateKey},
        name::Subject,
        sign::{self, Extras, Issuer, Validity},
        summary::PairSummary,
        usage::UsageSet,
    },
    plan::{
        certificate::secret::RenderedSecret,
        seen::{ManagedKeys, Meta, ObjectKey, Owner, Pairs, SecretSeen},
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
    let RenderedSecret {
        labels,
        annotations,
        data,
    } = rendered;
    let part = |key: &str| data.get(key).map(|value| value.expose().as_slice());
    let keys = |map: &BTreeMap<String, String>| map.keys().map(|key| key.as_str().into()).collect::<Box<[Box<str>]>>();
    let managed = ManagedKeys {
        annotations: keys(annotations),
        labels: keys(labels),
        data: data.keys().map(|key| key.as_str().into()).collect(),
        owners: owners.iter().map(|owner| owner.uid.clone()).collect(),
        error: None,
    };
    let mut meta = meta(name, uid, now, owners);
    meta.labels = labels.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    meta.annotations = annotations.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    SecretSeen {
        meta,
        type_: "kubernetes.io/tls".into(),
        data_keys: managed.data.clone(),
        pair: Box::new(PairSummary::new(
            part(data_key::TLS_KEY),
            part(data_key::TLS_CRT),
            part(data_key::CA_CRT),
            &SizeLimits::default(),
        )),
        wrong_formats: Box::default(),
        managed: Arc::new(managed),
        digest: [0; 32],
    }
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
