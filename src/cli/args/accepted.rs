//! Flags of cert-manager that have no effect in certlet: those of its controller and its cainjector, and those of its controller only.

use clap::Args;

use super::go::{boolean, integer};

/// Flags of cert-manager without a function in certlet (NB-31). They are accepted and logged at startup.
#[derive(Args, Clone, Debug, Default)]
pub(in crate::cli) struct AcceptedArgs {
    /// No effect; there is no profiler
    #[arg(long, hide = true, value_parser = boolean, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    enable_profiling: Option<bool>,
    /// No effect; there is no profiler
    #[arg(long, hide = true)]
    profiler_address: Option<String>,
    /// No effect; logs are not buffered
    #[arg(long, hide = true)]
    log_flush_frequency: Option<String>,
    /// No effect; see --v
    #[arg(long, hide = true)]
    vmodule: Option<String>,
    #[command(flatten)]
    klog: KlogArgs,
}

/// Flags that only cert-manager's controller has, without a function in certlet.
#[derive(Args, Clone, Debug, Default)]
pub(super) struct ControllerIdleArgs {
    /// No effect; certlet has no client-side rate limit
    #[arg(long, hide = true, allow_negative_numbers = true)]
    kube_api_qps: Option<f64>,
    /// No effect; certlet has no client-side rate limit
    #[arg(long, hide = true, value_parser = integer, allow_negative_numbers = true)]
    kube_api_burst: Option<i64>,
    /// No effect; leadership ends at the renew deadline
    #[arg(long, hide = true)]
    internal_healthz_leader_election_timeout: Option<String>,
}

/// Deprecated klog flags that cert-manager still accepts (FLG-32). cert-manager hides them, too; they have no effect here.
#[derive(Args, Clone, Debug, Default)]
pub(super) struct KlogArgs {
    /// No effect; logs go to standard error
    #[arg(long, hide = true, value_parser = boolean, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    logtostderr: Option<bool>,
    /// No effect; logs go to standard error
    #[arg(long, hide = true, value_parser = boolean, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    alsologtostderr: Option<bool>,
    /// No effect; logs go to standard error
    #[arg(long, hide = true)]
    stderrthreshold: Option<String>,
    /// No effect; log lines contain no source location
    #[arg(long = "add_dir_header", hide = true, value_parser = boolean, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    add_dir_header: Option<bool>,
    /// No effect; there are no stack traces
    #[arg(long = "log_backtrace_at", hide = true)]
    log_backtrace_at: Option<String>,
    /// No effect; there are no log files
    #[arg(long = "log_dir", hide = true)]
    log_dir: Option<String>,
    /// No effect; there are no log files
    #[arg(long = "log_file", hide = true)]
    log_file: Option<String>,
    /// No effect; there are no log files
    #[arg(long = "log_file_max_size", hide = true, value_parser = integer)]
    log_file_max_size: Option<i64>,
    /// No effect; there are no log files
    #[arg(long = "one_output", hide = true, value_parser = boolean, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    one_output: Option<bool>,
    /// No effect; log lines have no such header
    #[arg(long = "skip_headers", hide = true, value_parser = boolean, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    skip_headers: Option<bool>,
    /// No effect; there are no log files
    #[arg(long = "skip_log_headers", hide = true, value_parser = boolean, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    skip_log_headers: Option<bool>,
}

impl KlogArgs {
    /// The klog flags that were given, each with the reason why it has no effect.
    fn idle(&self) -> Vec<&'static str> {
        asked([
            (self.logtostderr.is_some(), "--logtostderr: logs go to standard error"),
            (
                self.alsologtostderr.is_some(),
                "--alsologtostderr: logs go to standard error",
            ),
            (
                self.stderrthreshold.is_some(),
                "--stderrthreshold: logs of all levels go to standard error",
            ),
            (
                self.add_dir_header.is_some(),
                "--add_dir_header: log lines contain no source location",
            ),
            (
                self.log_backtrace_at.is_some(),
                "--log_backtrace_at: there are no stack traces",
            ),
            (self.log_dir.is_some(), "--log_dir: logs go to standard error only"),
            (self.log_file.is_some(), "--log_file: logs go to standard error only"),
            (
                self.log_file_max_size.is_some(),
                "--log_file_max_size: logs go to standard error only",
            ),
            (
                self.one_output.is_some(),
                "--one_output: logs go to standard error only",
            ),
            (
                self.skip_headers.is_some(),
                "--skip_headers: --logging-format sets the format of log lines",
            ),
            (
                self.skip_log_headers.is_some(),
                "--skip_log_headers: logs go to standard error only",
            ),
        ])
    }
}

impl AcceptedArgs {
    /// Features that the flags request and that are not supported yet. They are logged at startup.
    pub(super) fn missing(&self) -> Vec<&'static str> {
        asked([(self.enable_profiling == Some(true), "the profiler (--enable-profiling)")])
    }

    /// Flags that were given and have no effect, each with the reason.
    pub(super) fn idle(&self) -> Vec<&'static str> {
        let mut idle = self.klog.idle();
        idle.extend(asked([
            (
                self.profiler_address.is_some(),
                "--profiler-address: there is no profiler",
            ),
            (
                self.log_flush_frequency.is_some(),
                "--log-flush-frequency: logs are not buffered",
            ),
            (
                self.vmodule.is_some(),
                "--vmodule: log levels cannot be set per file; see --v and the variable RUST_LOG",
            ),
        ]));
        idle
    }
}

impl ControllerIdleArgs {
    /// Those that were given, each with the reason.
    pub(super) fn idle(&self) -> Vec<&'static str> {
        asked([
            (
                self.kube_api_qps.is_some(),
                "--kube-api-qps: certlet has no client-side rate limit",
            ),
            (
                self.kube_api_burst.is_some(),
                "--kube-api-burst: certlet has no client-side rate limit",
            ),
            (
                self.internal_healthz_leader_election_timeout.is_some(),
                "--internal-healthz-leader-election-timeout: a replica that loses the Lease becomes a standby and does not exit",
            ),
        ])
    }
}

fn asked<const N: usize>(flags: [(bool, &'static str); N]) -> Vec<&'static str> {
    let given = flags.into_iter().filter(|(given, _)| *given);
    given.map(|(_, what)| what).collect()
}
