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

pub(crate) mod acmedns;
pub(crate) mod akamai;
pub(crate) mod azuredns;
pub(crate) mod change;
pub(crate) mod check;
pub(crate) mod clouddns;
pub(crate) mod cloudflare;
pub(crate) mod digitalocean;
pub(crate) mod httpreq;
mod json_api;
mod merge;
pub(crate) mod pdns;
pub(crate) mod rfc2136;
pub(crate) mod route53;
pub(crate) mod target;
pub(crate) mod zones;
