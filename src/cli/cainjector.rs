//! `certlet cainjector`: cert-manager's cainjector, with its flags and its Lease (CAI-06).

use std::process::ExitCode;

use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser};

use super::args::{List, RunArgs, boolean};
use crate::{
    api::names,
    plan::{
        injection::TargetKind,
        settings::{Controllers, InjectionSettings},
    },
    process::telemetry,
    runtime::{run::Options, start::Start},
};

/// Inject CAs into webhook configurations, APIServices and CRDs, and do nothing else
///
/// `certlet run` does the same beside its other work; this command is for installations that keep the two apart. The flags are those of
/// cert-manager's cainjector.
#[derive(Args, Clone, Debug)]
#[command(next_line_help = true, args_override_self = true)]
pub(super) struct CaInjectorArgs {
    /// File with a `CAInjectorConfiguration` of cert-manager (cainjector.config.cert-manager.io/v1alpha1). Flags take precedence
    #[arg(long, value_name = "FILE")]
    config: Option<String>,
    /// Path to the kubeconfig. Default: $KUBECONFIG, then the service account of the pod
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<String>,
    /// Read Certificates and Secrets of this namespace only
    #[arg(long, default_value = "", value_name = "NAMESPACE")]
    namespace: String,
    /// Namespaces whose Certificates and Secrets are no sources of CAs
    #[arg(long, value_name = "NAMESPACES")]
    ignore_namespaces: Vec<List>,
    /// Elect a leader. Only the leader writes
    #[arg(long, default_value_t = true, value_parser = boolean, action = clap::ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    leader_elect: bool,
    /// Namespace of the Lease
    #[arg(long, default_value = "kube-system", value_name = "NAMESPACE")]
    leader_election_namespace: String,
    /// Time after the last renewal until a standby may take over the Lease
    #[arg(long, default_value = "60s", value_name = "DURATION")]
    leader_election_lease_duration: String,
    /// Time without a successful renewal until the leader stops
    #[arg(long, default_value = "40s", value_name = "DURATION")]
    leader_election_renew_deadline: String,
    /// Interval at which the leader renews the Lease and standbys read it
    #[arg(long, default_value = "15s", value_name = "DURATION")]
    leader_election_retry_period: String,
    #[command(flatten)]
    kinds: KindArgs,
    /// Feature gates of cert-manager's cainjector, as `A=true,B=false`
    #[arg(long, default_value = "", value_name = "GATE=BOOL")]
    feature_gates: String,
    /// Listen address of the metrics server; 0 disables it
    #[arg(long, default_value = "0.0.0.0:9402", value_name = "ADDRESS")]
    metrics_listen_address: String,
    /// Format of log lines: text or json
    #[arg(long, default_value = "text", value_name = "FORMAT")]
    logging_format: String,
    /// Log level, from 0 to 5
    #[arg(
        short = 'v',
        long = "v",
        default_value = "2",
        allow_negative_numbers = true,
        value_name = "LEVEL"
    )]
    verbosity: String,
    #[command(flatten)]
    passed_on: PassedOnArgs,
}

/// What CAs are injected into, and where they come from.
#[derive(Args, Clone, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent flags with cert-manager's names"
)]
struct KindArgs {
    /// Let Certificates be sources of CAs
    #[arg(long, default_value_t = true, value_parser = boolean, action = clap::ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    enable_certificates_data_source: bool,
    /// Inject CAs into `ValidatingWebhookConfigurations`
    #[arg(long, default_value_t = true, value_parser = boolean, action = clap::ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    enable_validatingwebhookconfigurations_injectable: bool,
    /// Inject CAs into `MutatingWebhookConfigurations`
    #[arg(long, default_value_t = true, value_parser = boolean, action = clap::ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    enable_mutatingwebhookconfigurations_injectable: bool,
    /// Inject CAs into `CustomResourceDefinitions` with a conversion webhook
    #[arg(long, default_value_t = true, value_parser = boolean, action = clap::ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    enable_customresourcedefinitions_injectable: bool,
    /// Inject CAs into APIServices
    #[arg(long, default_value_t = true, value_parser = boolean, action = clap::ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    enable_apiservices_injectable: bool,
}

/// Flags that mean the same as those of `certlet run`, and are hidden there, too.
#[derive(Args, Clone, Debug)]
struct PassedOnArgs {
    /// No effect; there is no profiler
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    enable_profiling: Option<String>,
    /// No effect; there is no profiler
    #[arg(long, hide = true)]
    profiler_address: Option<String>,
    /// No effect; logs are not buffered
    #[arg(long, hide = true)]
    log_flush_frequency: Option<String>,
    /// No effect; see --v
    #[arg(long, hide = true)]
    vmodule: Option<String>,
    /// As for certlet run
    #[arg(long, hide = true)]
    metrics_tls_cert_file: Option<String>,
    /// As for certlet run
    #[arg(long, hide = true)]
    metrics_tls_private_key_file: Option<String>,
    /// As for certlet run
    #[arg(long, hide = true)]
    metrics_tls_cipher_suites: Option<String>,
    /// As for certlet run
    #[arg(long, hide = true)]
    metrics_tls_min_version: Option<String>,
    /// As for certlet run
    #[arg(long, hide = true)]
    metrics_dynamic_serving_ca_secret_namespace: Option<String>,
    /// As for certlet run
    #[arg(long, hide = true)]
    metrics_dynamic_serving_ca_secret_name: Option<String>,
    /// As for certlet run
    #[arg(long, hide = true)]
    metrics_dynamic_serving_dns_names: Option<String>,
    /// As for certlet run
    #[arg(long, hide = true)]
    metrics_dynamic_serving_leaf_duration: Option<String>,
}

/// The flags of `certlet run` in which those of cainjector are parsed.
#[derive(Parser)]
#[command(name = "certlet cainjector", no_binary_name = true)]
struct Line {
    #[command(flatten)]
    run: RunArgs,
}

/// Runs the injection of CAs until it receives a signal. Returns the exit code.
pub(super) fn run(args: &CaInjectorArgs) -> ExitCode {
    let parsed = Line::command()
        .try_get_matches_from(args.run_flags())
        .and_then(|matches| Line::from_arg_matches(&matches));
    let run = match parsed {
        Ok(Line { run }) => run,
        Err(error) => return super::misused(&error),
    };
    let (format, verbosity) = run.logging();
    telemetry::start(format, verbosity);
    let start = Start {
        flags: args.run_flags(),
        missing: run.missing(),
    };
    for idle in run.idle() {
        tracing::info!("flag without effect: {idle}");
    }
    match run.options() {
        Ok(options) => super::run::start_with(args.alone(options), start),
        Err(error) => super::fail(&error),
    }
}

impl CaInjectorArgs {
    /// The flags of `certlet run` with the same meaning.
    fn run_flags(&self) -> Vec<String> {
        // no `..`: a new flag is passed on, or evaluated in `alone`
        let Self {
            config: _,
            kubeconfig,
            namespace,
            ignore_namespaces: _,
            leader_elect,
            leader_election_namespace,
            leader_election_lease_duration,
            leader_election_renew_deadline,
            leader_election_retry_period,
            kinds: _,
            feature_gates,
            metrics_listen_address,
            logging_format,
            verbosity,
            passed_on,
        } = self;
        let kubeconfig = kubeconfig.iter().map(|file| format!("--kubeconfig={file}"));
        let own = [
            format!("--namespace={namespace}"),
            format!("--leader-elect={leader_elect}"),
            format!("--leader-election-namespace={leader_election_namespace}"),
            format!("--leader-election-lease-duration={leader_election_lease_duration}"),
            format!("--leader-election-renew-deadline={leader_election_renew_deadline}"),
            format!("--leader-election-retry-period={leader_election_retry_period}"),
            format!("--feature-gates={feature_gates}"),
            format!("--metrics-listen-address={metrics_listen_address}"),
            format!("--logging-format={logging_format}"),
            format!("--v={verbosity}"),
        ];
        kubeconfig.chain(own).chain(passed_on.flags()).collect()
    }

    /// The options of a process that only injects CAs.
    fn alone(&self, options: Options) -> Options {
        let kinds = &self.kinds;
        let excluded = [
            (
                kinds.enable_validatingwebhookconfigurations_injectable,
                TargetKind::ValidatingWebhook,
            ),
            (
                kinds.enable_mutatingwebhookconfigurations_injectable,
                TargetKind::MutatingWebhook,
            ),
            (
                kinds.enable_customresourcedefinitions_injectable,
                TargetKind::Definition,
            ),
            (kinds.enable_apiservices_injectable, TargetKind::ApiService),
        ];
        let excluded = excluded.into_iter().filter(|(is_on, _)| !is_on);
        let mut options = options;
        options.settings.injection = InjectionSettings {
            enabled: true,
            alone: true,
            excluded: excluded.map(|(_, kind)| kind).collect(),
            certificates: kinds.enable_certificates_data_source,
            ignored_namespaces: List::all(&self.ignore_namespaces),
        };
        options.settings.controllers = Controllers::none();
        if let Some(election) = &mut options.election {
            election.lease = names::INJECTION_LEASE_NAME;
            election.others.clear();
        }
        options.http01_address = None;
        options.health_address = None;
        options
    }
}

impl PassedOnArgs {
    fn flags(&self) -> Vec<String> {
        // no `..`: a new flag must be passed on
        let Self {
            enable_profiling,
            profiler_address,
            log_flush_frequency,
            vmodule,
            metrics_tls_cert_file,
            metrics_tls_private_key_file,
            metrics_tls_cipher_suites,
            metrics_tls_min_version,
            metrics_dynamic_serving_ca_secret_namespace,
            metrics_dynamic_serving_ca_secret_name,
            metrics_dynamic_serving_dns_names,
            metrics_dynamic_serving_leaf_duration,
        } = self;
        let all = [
            ("enable-profiling", enable_profiling),
            ("profiler-address", profiler_address),
            ("log-flush-frequency", log_flush_frequency),
            ("vmodule", vmodule),
            ("metrics-tls-cert-file", metrics_tls_cert_file),
            ("metrics-tls-private-key-file", metrics_tls_private_key_file),
            ("metrics-tls-cipher-suites", metrics_tls_cipher_suites),
            ("metrics-tls-min-version", metrics_tls_min_version),
            (
                "metrics-dynamic-serving-ca-secret-namespace",
                metrics_dynamic_serving_ca_secret_namespace,
            ),
            (
                "metrics-dynamic-serving-ca-secret-name",
                metrics_dynamic_serving_ca_secret_name,
            ),
            ("metrics-dynamic-serving-dns-names", metrics_dynamic_serving_dns_names),
            (
                "metrics-dynamic-serving-leaf-duration",
                metrics_dynamic_serving_leaf_duration,
            ),
        ];
        let given = all
            .into_iter()
            .filter_map(|(name, value)| Some((name, value.as_ref()?)));
        given.map(|(name, value)| format!("--{name}={value}")).collect()
    }
}
