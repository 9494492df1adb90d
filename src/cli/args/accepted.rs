//! Flags of cert-manager that are known and change nothing here, and those that cannot be taken.

use clap::Args;

/// Flags of cert-manager without a use here (NB-31): accepted and said at the start, or refused where nobody may believe
/// that they work.
#[derive(Args, Clone, Debug, Default)]
pub(super) struct AcceptedArgs {
    /// Accepted; certlet has no client-side limit
    #[arg(long, hide = true)]
    kube_api_qps: Option<f64>,
    /// Accepted; certlet has no client-side limit
    #[arg(long, hide = true)]
    kube_api_burst: Option<i64>,
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
    /// Accepted; the Gateway API is not there yet
    #[arg(long, hide = true, value_delimiter = ',')]
    gateway_api_extra_protocols: Vec<String>,
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
    /// Refused; metrics are served over plain HTTP
    #[arg(long, hide = true)]
    metrics_tls_cert_file: Option<String>,
    /// Refused; metrics are served over plain HTTP
    #[arg(long, hide = true)]
    metrics_tls_private_key_file: Option<String>,
    /// Refused; metrics are served over plain HTTP
    #[arg(long, hide = true, value_delimiter = ',')]
    metrics_tls_cipher_suites: Vec<String>,
    /// Refused; metrics are served over plain HTTP
    #[arg(long, hide = true)]
    metrics_tls_min_version: Option<String>,
    /// Refused; metrics are served over plain HTTP
    #[arg(long, hide = true)]
    metrics_dynamic_serving_ca_secret_namespace: Option<String>,
    /// Refused; metrics are served over plain HTTP
    #[arg(long, hide = true)]
    metrics_dynamic_serving_ca_secret_name: Option<String>,
    /// Refused; metrics are served over plain HTTP
    #[arg(long, hide = true, value_delimiter = ',')]
    metrics_dynamic_serving_dns_names: Vec<String>,
    /// Refused; metrics are served over plain HTTP
    #[arg(long, hide = true)]
    metrics_dynamic_serving_leaf_duration: Option<String>,
}

impl AcceptedArgs {
    /// What was asked for and is not there: said at the start, so that nobody waits for it.
    pub(super) fn missing(&self) -> Vec<&'static str> {
        asked([
            (
                self.enable_gateway_api == Some(true),
                "the Gateway API (--enable-gateway-api)",
            ),
            (
                self.enable_gateway_api_listenerset == Some(true),
                "ListenerSets (--enable-gateway-api-listenerset)",
            ),
            (
                !self.gateway_api_extra_protocols.is_empty(),
                "the Gateway API (--gateway-api-extra-protocols)",
            ),
            (self.enable_profiling == Some(true), "the profiler (--enable-profiling)"),
            (
                !self.dns01_recursive_nameservers.is_empty(),
                "DNS-01 (--dns01-recursive-nameservers)",
            ),
            (
                self.dns01_recursive_nameservers_only == Some(true),
                "DNS-01 (--dns01-recursive-nameservers-only)",
            ),
            (
                self.issuer_ambient_credentials == Some(true),
                "cloud credentials of the surroundings (--issuer-ambient-credentials)",
            ),
        ])
    }

    /// Flags that were given and change nothing here, with why.
    pub(super) fn idle(&self) -> Vec<&'static str> {
        asked([
            (
                self.kube_api_qps.is_some(),
                "--kube-api-qps: certlet sends as fast as the API server answers",
            ),
            (
                self.kube_api_burst.is_some(),
                "--kube-api-burst: certlet sends as fast as the API server answers",
            ),
            (
                self.dns01_check_retry_period.is_some(),
                "--dns01-check-retry-period: the probe of HTTP-01 challenges has a schedule of its own",
            ),
            (
                self.cluster_issuer_ambient_credentials.is_some(),
                "--cluster-issuer-ambient-credentials: no issuer of certlet uses cloud credentials",
            ),
            (
                self.profiler_address.is_some(),
                "--profiler-address: there is no profiler",
            ),
            (
                self.log_flush_frequency.is_some(),
                "--log-flush-frequency: every line is written at once",
            ),
            (
                self.vmodule.is_some(),
                "--vmodule: levels are not set per file; see --v and the variable RUST_LOG",
            ),
            (
                self.internal_healthz_leader_election_timeout.is_some(),
                "--internal-healthz-leader-election-timeout: losing the Lease ends the work, not the process",
            ),
        ])
    }

    /// A flag that nobody may believe to work.
    pub(super) fn refused(&self) -> Option<&'static str> {
        let tls = asked([
            (self.metrics_tls_cert_file.is_some(), "--metrics-tls-cert-file"),
            (
                self.metrics_tls_private_key_file.is_some(),
                "--metrics-tls-private-key-file",
            ),
            (
                !self.metrics_tls_cipher_suites.is_empty(),
                "--metrics-tls-cipher-suites",
            ),
            (self.metrics_tls_min_version.is_some(), "--metrics-tls-min-version"),
            (
                self.metrics_dynamic_serving_ca_secret_namespace.is_some(),
                "--metrics-dynamic-serving-ca-secret-namespace",
            ),
            (
                self.metrics_dynamic_serving_ca_secret_name.is_some(),
                "--metrics-dynamic-serving-ca-secret-name",
            ),
            (
                !self.metrics_dynamic_serving_dns_names.is_empty(),
                "--metrics-dynamic-serving-dns-names",
            ),
            (
                self.metrics_dynamic_serving_leaf_duration.is_some(),
                "--metrics-dynamic-serving-leaf-duration",
            ),
        ]);
        tls.first().copied()
    }
}

fn asked<const N: usize>(flags: [(bool, &'static str); N]) -> Vec<&'static str> {
    let given = flags.into_iter().filter(|(given, _)| *given);
    given.map(|(_, what)| what).collect()
}
