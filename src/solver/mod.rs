//! The parts of solvers that need no Kubernetes client: objects, probe, responder, selection.
//!
//! | module | what it is |
//! |---|---|
//! | [`objects`] | the objects that route the CA's request to a responder |
//! | [`acmesolver`] | the program inside a solver pod |
//! | [`select`] | the selection of one of an issuer's solvers for a name |
//! | [`classes`] | requirements of ingress controllers for a temporary Ingress |
//! | [`dns01`] | DNS-01: where a record is written, its provider, and its check |
//! | [`host`] | a DNS name or an IP address, in canonical form |
//! | [`token`] | challenge tokens and key authorizations (RFC 8555 section 8.1) |
//! | [`responder`] | the HTTP server of every replica, which answers challenges in flight |
//! | [`probe`] | the self-check before a challenge is accepted, and its findings |

pub(crate) mod acmesolver;
pub mod classes;
pub(crate) mod dns01;
pub mod host;
pub mod objects;
pub mod probe;
pub mod responder;
pub(crate) mod select;
pub mod token;
