//! Flags of the DNS-01 solver (FLG-15, FLG-19, FLG-20).

use std::time::Duration;

use clap::Args;

use super::go::{List, boolean, duration};
use crate::plan::settings::Dns01Settings;

/// See the module.
#[derive(Args, Clone, Debug)]
pub(super) struct Dns01Args {
    /// Recursive nameservers for DNS-01 challenges, as host:port, or as a URL for DNS over HTTPS. Default: those of the
    /// system
    #[arg(long, value_name = "HOST:PORT", help_heading = "ACME")]
    dns01_recursive_nameservers: Vec<List>,
    /// Check DNS-01 challenges with the recursive nameservers only, and not with the nameservers of the zone
    #[arg(long, default_value_t = false, value_parser = boolean, action = clap::ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true", help_heading = "ACME")]
    dns01_recursive_nameservers_only: bool,
    /// Longest time between two checks of a DNS-01 challenge
    #[arg(long, default_value = "10s", value_parser = duration, value_name = "DURATION", help_heading = "ACME")]
    dns01_check_retry_period: Duration,
    /// Let Issuers use the cloud credentials of the place that certlet runs in, for example of its node or ServiceAccount
    #[arg(long, default_value_t = false, value_parser = boolean, action = clap::ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true", help_heading = "ACME")]
    issuer_ambient_credentials: bool,
    /// Let `ClusterIssuers` use the cloud credentials of the place that certlet runs in
    #[arg(long, default_value_t = true, value_parser = boolean, action = clap::ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true", help_heading = "ACME")]
    cluster_issuer_ambient_credentials: bool,
}

impl Dns01Args {
    /// The settings that the flags mean.
    pub(super) fn settings(&self) -> Dns01Settings {
        Dns01Settings {
            recursive_nameservers: List::all(&self.dns01_recursive_nameservers),
            recursive_only: self.dns01_recursive_nameservers_only,
            check_retry_period: self.dns01_check_retry_period,
            ambient_for_issuers: self.issuer_ambient_credentials,
            ambient_for_cluster_issuers: self.cluster_issuer_ambient_credentials,
        }
    }
}
