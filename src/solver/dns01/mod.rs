//! The parts of DNS-01 that need only the network: where the record goes, who writes it, and whether the CA would find it.
//!
//! | module | what it is |
//! |---|---|
//! | [`target`] | the name and zone of the record, CNAMEs followed |
//! | [`check`] | the question to the name servers of the zone |
//! | [`change`] | what a provider is asked for |
//! | [`zones`] | one queue for each credential and zone, so that what several Orders want is one change |
//! | `json_api` | APIs with a URL and fixed headers that take and answer JSON |
//! | [`acmedns`] | acme-dns servers |
//! | [`akamai`] | Akamai Edge DNS |
//! | [`azuredns`] | Azure DNS, public and private |
//! | [`clouddns`] | Google Cloud DNS |
//! | [`cloudflare`] | Cloudflare |
//! | [`digitalocean`] | `DigitalOcean` |
//! | [`httpreq`] | servers that speak lego's HTTP request protocol |
//! | [`pdns`] | the HTTP API of `PowerDNS` |
//! | [`rfc2136`] | dynamic updates |
//! | [`route53`] | Amazon Route 53 |

pub mod acmedns;
pub mod akamai;
pub mod azuredns;
pub mod change;
pub mod check;
pub mod clouddns;
pub mod cloudflare;
pub mod digitalocean;
pub mod httpreq;
mod json_api;
mod merge;
pub mod pdns;
pub mod rfc2136;
pub mod route53;
pub mod target;
pub mod zones;
