//! Networking: the HTTPS client with its limits and trust settings, the address policy for targets that users choose, and the
//! limits of HTTP servers.

pub mod address;
mod client;
mod failure;
pub mod headers;
mod names;
mod observer;
mod outage;
pub mod server;
mod trust;

pub use address::{AddressPolicy, Network, RefusedAddress, is_public};
pub use client::{ClientSettings, HttpClient, Request, Response, host};
pub use failure::{Failure, FailureKind};
pub use headers::RetryAfter;
pub use names::{CheckedNames, literal, proxy_hosts, refused};
pub use observer::{Observer, Unobserved};
pub use outage::OutageKind;
pub use trust::{ClientCertificate, ExtraRoots, Presented, Trust, TrustError};
