//! How a challenge becomes visible to the CA.
//!
//! | module | what it is |
//! |---|---|
//! | [`host`] | a DNS name or an IP address, in the one form in which it is compared |
//! | [`token`] | challenge tokens and key authorizations (RFC 8555 section 8.1) |
//! | [`responder`] | the HTTP server in every replica that answers challenges in flight |
//! | [`probe`] | the fetch that is made before the CA is told, and what it found |

pub mod host;
pub mod probe;
pub mod responder;
pub mod token;
