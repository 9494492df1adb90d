//! The parts of DNS-01 that need only the network: where the record goes, who writes it, and whether the CA would find it.
//!
//! | module | what it is |
//! |---|---|
//! | [`target`] | the name and zone of the record, CNAMEs followed |
//! | [`check`] | the question to the name servers of the zone |
//! | [`change`] | what a provider is asked for |
//! | [`zones`] | one queue for each credential and zone, so that what several Orders want is one change |
//! | [`cloudflare`] | Cloudflare |
//! | [`rfc2136`] | dynamic updates |
//! | [`route53`] | Amazon Route 53 |

pub mod change;
pub mod check;
pub mod cloudflare;
pub mod rfc2136;
pub mod route53;
pub mod target;
pub mod zones;
