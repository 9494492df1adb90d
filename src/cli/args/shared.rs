//! The flags that `certlet run` and `certlet cainjector` have in common.

use clap::{Args, Command, FromArgMatches as _};

use super::{
    RunArgs,
    accepted::AcceptedArgs,
    election::ElectionArgs,
    go::{Listen, Map, address, level},
    metrics_tls::MetricsTlsArgs,
};
use crate::process::telemetry::Format;

/// `--metrics-*` (FLG-27).
#[derive(Args, Clone, Debug)]
pub(in crate::cli) struct MetricsArgs {
    /// Listen address of the metrics server; 0 disables it
    #[arg(long, default_value = "0.0.0.0:9402", value_parser = address, value_name = "ADDRESS", help_heading = "Metrics, health and logs")]
    pub(super) metrics_listen_address: Listen,
    #[command(flatten)]
    pub(super) tls: MetricsTlsArgs,
}

/// `--logging-format` and `--v`.
#[derive(Args, Clone, Debug)]
pub(in crate::cli) struct LoggingArgs {
    /// Format of log lines
    #[arg(long, value_enum, default_value = "text", help_heading = "Metrics, health and logs")]
    pub(super) logging_format: Format,
    /// Log level: 0 warnings, 1 leadership and issuers, 2 issued certificates, 3 steps, 4 requests to ACME servers, 5 everything
    #[arg(
        short = 'v',
        long = "v",
        default_value = "2",
        value_parser = level,
        allow_negative_numbers = true,
        value_name = "LEVEL",
        help_heading = "Metrics, health and logs"
    )]
    pub(super) verbosity: u8,
}

/// The flags of another command that mean the same in `certlet run`.
#[derive(Clone, Debug)]
pub(in crate::cli) struct SharedArgs {
    /// `--kubeconfig`.
    pub(in crate::cli) kubeconfig: Option<String>,
    /// `--namespace`.
    pub(in crate::cli) namespace: String,
    /// `--feature-gates`.
    pub(in crate::cli) feature_gates: Vec<Map>,
    /// `--leader-elect*`.
    pub(in crate::cli) election: ElectionArgs,
    /// `--metrics-*`.
    pub(in crate::cli) metrics: MetricsArgs,
    /// `--logging-format` and `--v`.
    pub(in crate::cli) logging: LoggingArgs,
    /// Those without effect.
    pub(in crate::cli) accepted: AcceptedArgs,
}

impl RunArgs {
    /// The flags of `certlet run` with these values. The others have their defaults.
    ///
    /// # Errors
    /// Never: the defaults of `certlet run` can be parsed.
    pub(in crate::cli) fn of_shared(shared: SharedArgs) -> Result<Self, clap::Error> {
        let SharedArgs {
            kubeconfig,
            namespace,
            feature_gates,
            election,
            metrics,
            logging,
            accepted,
        } = shared;
        let command = Self::augment_args(Command::new("run").no_binary_name(true));
        let defaults = Self::from_arg_matches(&command.try_get_matches_from(std::iter::empty::<&str>())?)?;
        Ok(Self {
            kubeconfig,
            namespace,
            election,
            feature_gates,
            metrics,
            logging,
            accepted,
            ..defaults
        })
    }
}
