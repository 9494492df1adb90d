//! CSR-01..05: by the noun that a test is about.

mod approval;
mod fields;
mod orders;
mod refusals;
mod signer_name;

use k8s_openapi::{
    ByteString,
    api::certificates::v1::{
        CertificateSigningRequestCondition, CertificateSigningRequestSpec, CertificateSigningRequestStatus,
    },
};

use super::*;
use crate::{
    api::issuer::{CaIssuer, IssuerSpec},
    plan::{
        issuer::IssuerId,
        request::fixture::{self, csr_for, meta, noon},
    },
};

fn issuer(spec: IssuerSpec) -> FoundIssuer {
    fixture::issuer("ca", spec)
}

fn ca() -> FoundIssuer {
    issuer(IssuerSpec {
        ca: Some(CaIssuer::default()),
        ..IssuerSpec::default()
    })
}

/// An approved request to Issuer `ca` of namespace `shop`.
fn request() -> SigningRequestSeen {
    let mut meta = meta("web", "csr-uid");
    meta.key = ObjectKey::cluster("web");
    let approved = CertificateSigningRequestCondition {
        type_: "Approved".into(),
        status: "True".into(),
        ..Default::default()
    };
    SigningRequestSeen {
        meta,
        spec: CertificateSigningRequestSpec {
            request: ByteString(csr_for(&["a.example.com"], |_| ())),
            signer_name: "issuers.cert-manager.io/shop.ca".into(),
            usages: Some(vec!["digital signature".into(), "key encipherment".into()]),
            ..Default::default()
        },
        status: CertificateSigningRequestStatus {
            conditions: Some(vec![approved]),
            certificate: None,
        },
        unreadable: None,
    }
}

fn step(request: &SigningRequestSeen, issuer: Option<&FoundIssuer>, may_refer: Option<bool>) -> SigningRequestStep {
    with_orders(request, issuer, may_refer, &[])
}

fn with_orders(
    request: &SigningRequestSeen,
    issuer: Option<&FoundIssuer>,
    may_refer: Option<bool>,
    orders: &[Object<OrderKind>],
) -> SigningRequestStep {
    let issuer = match issuer {
        Some(issuer) => Lookup::Found(Box::new(issuer.clone())),
        None => Lookup::Missing(IssuerId(ObjectKey::new("shop", "ca"))),
    };
    plan(
        noon(),
        &SigningRequestObservation {
            request,
            issuer: &issuer,
            orders,
            reordered: false,
            may_refer,
            settings: &Settings::default(),
        },
    )
}

fn reported(step: &SigningRequestStep) -> &str {
    let SigningRequestStep::Report(notice) = step else {
        panic!("expected a notice, got {step:?}")
    };
    &notice.reason
}

fn failed(step: SigningRequestStep) -> (&'static str, String) {
    let SigningRequestStep::Fail { reason, message } = step else {
        panic!("expected a failure, got {step:?}")
    };
    (reason, message)
}

fn annotated(mut request: SigningRequestSeen, key: &str, value: &str) -> SigningRequestSeen {
    request.meta.annotations = [(key, value)].into_iter().collect();
    request
}

fn acme() -> FoundIssuer {
    issuer(IssuerSpec {
        acme: Some(AcmeIssuer::default()),
        ..IssuerSpec::default()
    })
}
