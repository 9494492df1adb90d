//! Fixtures of requests and issuers for tests.

use jiff::Timestamp;

use crate::{
    api::{Condition, ConditionStatus, IssuerRef, IssuerSpec, IssuerStatus, condition},
    pki::{
        csr::{self, CsrInfo, CsrTemplate},
        key::{KeyAlgorithm, KeySpec, PrivateKey},
        name::{Subject, SubjectAltNames},
        usage::{Usage, UsageSet},
    },
    plan::{
        issuer::FoundIssuer,
        seen::{Meta, ObjectKey, Owner, Pairs, RequestSeen},
    },
};

/// The time of the fixtures.
pub(crate) fn noon() -> Timestamp {
    "2026-11-21T12:00:00Z".parse().unwrap()
}

/// Metadata of an object in namespace `shop`, created at [`noon`].
pub(crate) fn meta(name: &str, uid: &str) -> Meta {
    Meta {
        key: ObjectKey::new("shop", name),
        uid: uid.into(),
        resource_version: "7".into(),
        generation: 1,
        created: noon(),
        deleting: None,
        owners: Box::new([]),
        labels: Pairs::default(),
        annotations: Pairs::default(),
        finalizers: Box::new([]),
    }
}

/// A Ready Issuer in namespace `shop`.
pub(crate) fn issuer(name: &str, spec: IssuerSpec) -> FoundIssuer {
    FoundIssuer {
        meta: meta(name, "issuer-uid"),
        spec,
        status: IssuerStatus::default(),
    }
    .ready(true)
}

impl FoundIssuer {
    /// With the condition Ready set to True or False.
    pub(crate) fn ready(mut self, ready: bool) -> Self {
        let status = if ready {
            ConditionStatus::True
        } else {
            ConditionStatus::False
        };
        let condition = Condition::new(condition::READY, status, "Checked", "because");
        condition::set(&mut self.status.conditions, condition, noon());
        self
    }
}

/// The owner reference of a dependent of a CertificateRequest.
pub(crate) fn owned_by(request: &RequestSeen) -> Box<[Owner]> {
    Box::new([Owner {
        api_version: "cert-manager.io/v1".into(),
        kind: "CertificateRequest".into(),
        name: request.meta.name().into(),
        uid: request.meta.uid.clone(),
        controller: true,
    }])
}

/// A CSR for DNS names, with the default usages.
pub(crate) fn csr_for(dns: &[&str], edit: impl FnOnce(&mut CsrTemplate)) -> Vec<u8> {
    let key = PrivateKey::generate(KeySpec::new(KeyAlgorithm::Ecdsa, None)).unwrap();
    let mut template = CsrTemplate {
        sans: SubjectAltNames {
            dns: dns.iter().map(|name| (*name).to_owned()).collect(),
            ..SubjectAltNames::default()
        },
        usages: UsageSet::new(&[], false),
        encode_usages: true,
        ..CsrTemplate::default()
    };
    edit(&mut template);
    csr::build(&template, &key).unwrap()
}

/// A subject with only a common name.
pub(crate) fn common_name(name: &str) -> crate::pki::name::Name {
    Subject::of_common_name(name).to_name()
}

/// A fresh request `web-1` for `a.example.com` from Issuer `le`.
pub(crate) fn request() -> RequestSeen {
    RequestSeen {
        meta: meta("web-1", "0a1b2c3d-request"),
        issuer_ref: IssuerRef {
            group: None,
            kind: None,
            name: "le".into(),
        },
        duration: None,
        is_ca: false,
        usages: Box::new([]),
        of_kubernetes: false,
        username: None,
        csr: Err("no CSR yet".into()),
        csr_pem: None,
        certificate: None,
        has_ca: false,
        conditions: Box::new([]),
        failure_time: None,
    }
    .asking(&csr_for(&["a.example.com"], |_| ()))
}

impl RequestSeen {
    /// With this CSR, parsed as the watch parses it.
    pub(crate) fn asking(mut self, pem: &[u8]) -> Self {
        self.csr = CsrInfo::parse(pem)
            .map(Box::new)
            .map_err(|error| super::unreadable(pem, &error));
        self.csr_pem = Some(pem.into());
        self
    }

    /// With one more condition.
    pub(crate) fn with_condition(mut self, type_: &str, status: ConditionStatus, reason: &str) -> Self {
        let mut conditions = self.conditions.to_vec();
        condition::set(
            &mut conditions,
            Condition::new(type_, status, reason, "because"),
            noon(),
        );
        self.conditions = conditions.into();
        self
    }

    /// Approved.
    pub(crate) fn approved(self) -> Self {
        self.with_condition(condition::APPROVED, ConditionStatus::True, "somebody")
    }

    /// With these usages.
    pub(crate) fn for_usages(mut self, usages: &[Usage]) -> Self {
        self.usages = usages.iter().map(|usage| usage.to_string().into()).collect();
        self
    }

    /// With another issuer.
    pub(crate) fn issued_by(mut self, group: &str, kind: &str, name: &str) -> Self {
        self.issuer_ref = IssuerRef {
            group: Some(group.into()),
            kind: Some(kind.into()),
            name: name.into(),
        };
        self
    }
}
