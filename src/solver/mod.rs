//! How a challenge becomes visible to the CA.
//!
//! | module | what it is |
//! |---|---|
//! | [`objects`] | the objects that lead the CA's request to a responder |
//! | [`acmesolver`] | the program inside a solver pod |
//! | [`select`] | which of an issuer's solvers proves a name |
//! | [`classes`] | what ingress controllers want to see in a temporary Ingress |
//! | [`dns01`] | DNS-01: where a record goes, who writes it, and whether the CA would find it |
//! | [`host`] | a DNS name or an IP address, in the one form in which it is compared |
//! | [`token`] | challenge tokens and key authorizations (RFC 8555 section 8.1) |
//! | [`responder`] | the HTTP server in every replica that answers challenges in flight |
//! | [`probe`] | the fetch that is made before the CA is told, and what it found |

pub mod acmesolver;
pub mod classes;
pub mod dns01;
pub mod host;
pub mod objects;
pub mod probe;
pub mod responder;
pub mod select;
pub mod token;
