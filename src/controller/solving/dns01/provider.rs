//! The providers that records are written at.

use std::time::Duration;

#[cfg(test)]
use std::sync::Arc;

#[cfg(test)]
use super::memory;
use super::webhook;
use crate::{
    cloud::Fault,
    solver::dns01::{
        acmedns, akamai, azuredns,
        change::{Change, Receipt},
        clouddns, cloudflare, digitalocean, httpreq, pdns, rfc2136, route53,
        zones::TxtRecords,
    },
};

/// Where records are written. One variant for each provider.
#[derive(Clone, Debug)]
pub(crate) enum Provider {
    /// An acme-dns server.
    AcmeDns(acmedns::Server),
    /// Akamai Edge DNS.
    Akamai(akamai::Client),
    /// Azure DNS.
    AzureDns(azuredns::ResourceGroup),
    /// Google Cloud DNS.
    CloudDns(clouddns::Project),
    /// Cloudflare.
    Cloudflare(cloudflare::Account),
    /// `DigitalOcean`.
    DigitalOcean(digitalocean::Account),
    /// A server that speaks lego's HTTP request protocol.
    HttpReq(httpreq::Server),
    /// `PowerDNS`, by its HTTP API.
    Pdns(pdns::Server),
    /// A DNS server that takes dynamic updates.
    Rfc2136(rfc2136::Server),
    /// Amazon Route 53.
    Route53(route53::Zones),
    /// A webhook in the cluster.
    Webhook(webhook::Solver),
    /// In memory.
    #[cfg(test)]
    Memory(Arc<memory::Zone>),
}

/// Does the same with the provider of each variant.
macro_rules! each {
    ($self:ident, $provider:ident => $do:expr) => {
        match $self {
            Provider::AcmeDns($provider) => $do,
            Provider::Akamai($provider) => $do,
            Provider::AzureDns($provider) => $do,
            Provider::CloudDns($provider) => $do,
            Provider::Cloudflare($provider) => $do,
            Provider::DigitalOcean($provider) => $do,
            Provider::HttpReq($provider) => $do,
            Provider::Pdns($provider) => $do,
            Provider::Rfc2136($provider) => $do,
            Provider::Route53($provider) => $do,
            Provider::Webhook($provider) => $do,
            #[cfg(test)]
            Provider::Memory($provider) => $do,
        }
    };
}

impl TxtRecords for Provider {
    fn credential(&self) -> &str {
        each!(self, provider => provider.credential())
    }

    async fn zone(&self, name: &str) -> Result<Option<String>, Fault> {
        each!(self, provider => provider.zone(name).await)
    }

    async fn change(&self, zone: &str, change: &Change) -> Result<Option<Receipt>, Fault> {
        each!(self, provider => provider.change(zone, change).await)
    }

    async fn is_done(&self, receipt: &Receipt) -> Result<bool, Fault> {
        each!(self, provider => provider.is_done(receipt).await)
    }

    fn most_records(&self) -> usize {
        each!(self, provider => provider.most_records())
    }

    fn limit(&self) -> Duration {
        each!(self, provider => provider.limit())
    }

    fn serves_alike(&self) -> bool {
        each!(self, provider => provider.serves_alike())
    }

    fn keeps_records(&self) -> bool {
        each!(self, provider => provider.keeps_records())
    }
}
