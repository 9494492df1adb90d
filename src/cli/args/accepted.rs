//! Flags that are accepted and change nothing.

use clap::Args;

/// Flags of cert-manager that change nothing here; accepted so that existing arguments start certlet (NB-31).
#[derive(Args, Clone, Debug)]
pub(super) struct AcceptedArgs {
    /// Accepted; certlet has no client-side limit
    #[arg(long, hide = true)]
    kube_api_qps: Option<f64>,
    /// Accepted; certlet has no client-side limit
    #[arg(long, hide = true)]
    kube_api_burst: Option<i64>,
    /// Accepted; use --kubeconfig
    #[arg(long, hide = true)]
    master: Option<String>,
    /// Accepted; DNS-01 is not there yet
    #[arg(long, hide = true, value_delimiter = ',')]
    dns01_recursive_nameservers: Vec<String>,
    /// Accepted; DNS-01 is not there yet
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    dns01_recursive_nameservers_only: Option<bool>,
    /// Accepted; the probe has a schedule of its own
    #[arg(long, hide = true)]
    dns01_check_retry_period: Option<String>,
    /// Accepted; there are no cloud credentials yet
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    cluster_issuer_ambient_credentials: Option<bool>,
    /// Accepted; there are no cloud credentials yet
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    issuer_ambient_credentials: Option<bool>,
    /// Accepted; the Gateway API is not there yet
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    enable_gateway_api: Option<bool>,
    /// Accepted; the Gateway API is not there yet
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    enable_gateway_api_listenerset: Option<bool>,
    /// Accepted; there is no profiler
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    enable_profiling: Option<bool>,
    /// Accepted; there is no profiler
    #[arg(long, hide = true)]
    profiler_address: Option<String>,
    /// Accepted; nothing is buffered
    #[arg(long, hide = true)]
    log_flush_frequency: Option<String>,
    /// Accepted; see --v
    #[arg(long, hide = true)]
    vmodule: Option<String>,
    /// Accepted; leadership is lost by the renew deadline
    #[arg(long, hide = true)]
    internal_healthz_leader_election_timeout: Option<String>,
}

impl AcceptedArgs {
    /// What was asked for and is not there: said at the start, so that nobody waits for it.
    pub(super) fn missing(&self) -> Vec<&'static str> {
        let asked = [
            (
                self.enable_gateway_api == Some(true),
                "the Gateway API (--enable-gateway-api)",
            ),
            (
                self.enable_gateway_api_listenerset == Some(true),
                "ListenerSets (--enable-gateway-api-listenerset)",
            ),
            (self.enable_profiling == Some(true), "the profiler (--enable-profiling)"),
            (
                !self.dns01_recursive_nameservers.is_empty(),
                "DNS-01 (--dns01-recursive-nameservers)",
            ),
        ];
        asked
            .into_iter()
            .filter(|(asked, _)| *asked)
            .map(|(_, what)| what)
            .collect()
    }
}
