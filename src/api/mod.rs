//! The wire format: serde and schema types of the custom resources, and the names of labels and annotations.
//!
//! The types have exactly cert-manager's format: Go durations, optional times, no stored defaults. Optional scalars and
//! objects are `Option`; lists and maps are empty when absent. Unknown fields are ignored here, and kept when an object
//! is written back (see `cluster`). Accessors apply defaults, which are never stored.

#![expect(
    clippy::doc_markdown,
    reason = "what is written about a field is shown by kubectl explain, which knows no marks"
)]

pub mod acme_issuer;
pub mod bundle;
pub mod bytes;
pub mod certificate;
pub mod certificate_request;
pub mod certificate_status;
pub mod challenge;
pub mod condition;
pub mod crds;
pub mod dns01;
pub mod dns_persist;
pub mod duration;
mod endless;
pub mod gateway;
pub mod http01;
pub mod issuer;
pub mod key;
pub mod keystore;
pub mod names;
pub mod order;
mod parse;
pub mod reference;
mod schema;
pub mod usage;
pub mod vault;
pub mod venafi;
mod wire_enum;

pub use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

pub use acme_issuer::{AcmeIssuer, Solver};
pub use bytes::ByteString;
pub use certificate::{Certificate, CertificateSpec};
pub use certificate_request::{CertificateRequest, CertificateRequestSpec, CertificateRequestStatus};
pub use certificate_status::CertificateStatus;
pub use challenge::{Challenge, ChallengeSpec, ChallengeStatus};
pub use condition::{Condition, ConditionStatus};
pub use duration::GoDuration;
pub use issuer::{ClusterIssuer, ClusterIssuerSpec, Issuer, IssuerSpec, IssuerStatus};
pub use keystore::{Keystore, KeystoreKind, Keystores};
pub use order::{Order, OrderSpec, OrderStatus};
pub use parse::{InvalidField, parse, parse_readable, parse_value};
pub use reference::{IssuerRef, LocalObjectReference, SecretKeySelector};
pub use wire_enum::UnknownValue;

/// API group of certificates, requests and issuers.
pub const GROUP: &str = "cert-manager.io";
/// API group of orders and challenges.
pub const ACME_GROUP: &str = "acme.cert-manager.io";
/// The only version of both groups.
pub const VERSION: &str = "v1";
