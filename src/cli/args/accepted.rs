//! Flags of cert-manager that are known and change nothing here, and those that cannot be taken.

use clap::Args;

use super::go::{List, boolean, integer};

/// Flags of cert-manager without a use here (NB-31): accepted and said at the start, or refused where nobody may believe
/// that they work.
#[derive(Args, Clone, Debug, Default)]
pub(super) struct AcceptedArgs {
    /// Accepted; certlet has no client-side limit
    #[arg(long, hide = true, allow_negative_numbers = true)]
    kube_api_qps: Option<f64>,
    /// Accepted; certlet has no client-side limit
    #[arg(long, hide = true, value_parser = integer, allow_negative_numbers = true)]
    kube_api_burst: Option<i64>,
    /// Accepted; DNS-01 is not there yet
    #[arg(long, hide = true)]
    dns01_recursive_nameservers: Vec<List>,
    /// Accepted; DNS-01 is not there yet
    #[arg(long, hide = true, value_parser = boolean, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    dns01_recursive_nameservers_only: Option<bool>,
    /// Accepted; the probe has a schedule of its own
    #[arg(long, hide = true)]
    dns01_check_retry_period: Option<String>,
    /// Accepted; there are no cloud credentials yet
    #[arg(long, hide = true, value_parser = boolean, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    cluster_issuer_ambient_credentials: Option<bool>,
    /// Accepted; there are no cloud credentials yet
    #[arg(long, hide = true, value_parser = boolean, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    issuer_ambient_credentials: Option<bool>,
    /// Accepted; the Gateway API is not there yet
    #[arg(long, hide = true, value_parser = boolean, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    enable_gateway_api: Option<bool>,
    /// Accepted; the Gateway API is not there yet
    #[arg(long, hide = true, value_parser = boolean, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    enable_gateway_api_listenerset: Option<bool>,
    /// Accepted; the Gateway API is not there yet
    #[arg(long, hide = true)]
    gateway_api_extra_protocols: Vec<List>,
    /// Accepted; there is no profiler
    #[arg(long, hide = true, value_parser = boolean, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
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
    #[arg(long, hide = true)]
    metrics_tls_cipher_suites: Vec<List>,
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
    #[arg(long, hide = true)]
    metrics_dynamic_serving_dns_names: Vec<List>,
    /// Refused; metrics are served over plain HTTP
    #[arg(long, hide = true)]
    metrics_dynamic_serving_leaf_duration: Option<String>,
    #[command(flatten)]
    klog: KlogArgs,
}

/// What klog once took, and cert-manager still takes (FLG-32): hidden there too, and without a use here.
#[derive(Args, Clone, Debug, Default)]
pub(super) struct KlogArgs {
    /// Accepted; lines go to standard error
    #[arg(long, hide = true, value_parser = boolean, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    logtostderr: Option<bool>,
    /// Accepted; lines go to standard error
    #[arg(long, hide = true, value_parser = boolean, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    alsologtostderr: Option<bool>,
    /// Accepted; lines go to standard error
    #[arg(long, hide = true)]
    stderrthreshold: Option<String>,
    /// Accepted; lines have no place in the source
    #[arg(long = "add_dir_header", hide = true, value_parser = boolean, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    add_dir_header: Option<bool>,
    /// Accepted; there are no stack traces
    #[arg(long = "log_backtrace_at", hide = true)]
    log_backtrace_at: Option<String>,
    /// Accepted; there are no log files
    #[arg(long = "log_dir", hide = true)]
    log_dir: Option<String>,
    /// Accepted; there are no log files
    #[arg(long = "log_file", hide = true)]
    log_file: Option<String>,
    /// Accepted; there are no log files
    #[arg(long = "log_file_max_size", hide = true, value_parser = integer)]
    log_file_max_size: Option<i64>,
    /// Accepted; there are no log files
    #[arg(long = "one_output", hide = true, value_parser = boolean, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    one_output: Option<bool>,
    /// Accepted; lines have no such header
    #[arg(long = "skip_headers", hide = true, value_parser = boolean, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    skip_headers: Option<bool>,
    /// Accepted; there are no log files
    #[arg(long = "skip_log_headers", hide = true, value_parser = boolean, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    skip_log_headers: Option<bool>,
}

impl KlogArgs {
    /// Flags that were given; each changes nothing.
    fn idle(&self) -> Vec<&'static str> {
        asked([
            (self.logtostderr.is_some(), "--logtostderr: lines go to standard error"),
            (
                self.alsologtostderr.is_some(),
                "--alsologtostderr: lines go to standard error",
            ),
            (
                self.stderrthreshold.is_some(),
                "--stderrthreshold: lines of all levels go to standard error",
            ),
            (
                self.add_dir_header.is_some(),
                "--add_dir_header: lines name no place in the source",
            ),
            (
                self.log_backtrace_at.is_some(),
                "--log_backtrace_at: there are no stack traces",
            ),
            (self.log_dir.is_some(), "--log_dir: lines go to standard error only"),
            (self.log_file.is_some(), "--log_file: lines go to standard error only"),
            (
                self.log_file_max_size.is_some(),
                "--log_file_max_size: lines go to standard error only",
            ),
            (
                self.one_output.is_some(),
                "--one_output: lines go to standard error only",
            ),
            (
                self.skip_headers.is_some(),
                "--skip_headers: the form of a line is set by --logging-format",
            ),
            (
                self.skip_log_headers.is_some(),
                "--skip_log_headers: lines go to standard error only",
            ),
        ])
    }
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
                any(&self.gateway_api_extra_protocols),
                "the Gateway API (--gateway-api-extra-protocols)",
            ),
            (self.enable_profiling == Some(true), "the profiler (--enable-profiling)"),
            (
                any(&self.dns01_recursive_nameservers),
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
        let mut idle = self.klog.idle();
        idle.extend(asked([
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
        ]));
        idle
    }

    /// A flag that nobody may believe to work.
    pub(super) fn refused(&self) -> Option<&'static str> {
        let tls = asked([
            (given(self.metrics_tls_cert_file.as_ref()), "--metrics-tls-cert-file"),
            (
                given(self.metrics_tls_private_key_file.as_ref()),
                "--metrics-tls-private-key-file",
            ),
            (any(&self.metrics_tls_cipher_suites), "--metrics-tls-cipher-suites"),
            (
                given(self.metrics_tls_min_version.as_ref()),
                "--metrics-tls-min-version",
            ),
            (
                given(self.metrics_dynamic_serving_ca_secret_namespace.as_ref()),
                "--metrics-dynamic-serving-ca-secret-namespace",
            ),
            (
                given(self.metrics_dynamic_serving_ca_secret_name.as_ref()),
                "--metrics-dynamic-serving-ca-secret-name",
            ),
            (
                any(&self.metrics_dynamic_serving_dns_names),
                "--metrics-dynamic-serving-dns-names",
            ),
            (
                given(self.metrics_dynamic_serving_leaf_duration.as_ref()),
                "--metrics-dynamic-serving-leaf-duration",
            ),
        ]);
        tls.first().copied()
    }
}

/// Whether a list has a member: an empty one is not set.
fn any(lists: &[List]) -> bool {
    !List::all(lists).is_empty()
}

/// Whether a text was given: an empty one is not set.
fn given(text: Option<&String>) -> bool {
    text.is_some_and(|text| !text.is_empty())
}

fn asked<const N: usize>(flags: [(bool, &'static str); N]) -> Vec<&'static str> {
    let given = flags.into_iter().filter(|(given, _)| *given);
    given.map(|(_, what)| what).collect()
}
