//! `certlet cainjector`: cert-manager's cainjector, with its flags and its Lease (CAI-06).

use std::process::ExitCode;

use clap::Args;

use super::{
    args::{
        AcceptedArgs, ElectionArgs, List, LoggingArgs, Map, MetricsArgs, RunArgs, SharedArgs, boolean,
        differing::differing,
    },
    run,
};
use crate::{
    api::names,
    plan::{
        injection::TargetKind,
        settings::{Controllers, InjectionSettings},
    },
    runtime::run::Options,
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
    #[command(flatten)]
    election: ElectionArgs,
    #[command(flatten)]
    kinds: KindArgs,
    /// Feature gates of cert-manager's cainjector, as `A=true,B=false`
    #[arg(long, value_name = "GATE=BOOL")]
    feature_gates: Vec<Map>,
    #[command(flatten)]
    metrics: MetricsArgs,
    #[command(flatten)]
    logging: LoggingArgs,
    #[command(flatten)]
    accepted: AcceptedArgs,
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

/// Runs the injection of CAs until it receives a signal. `flags` are those from which `args` were parsed. Returns the exit code.
pub(super) fn run(args: CaInjectorArgs, flags: &[String]) -> ExitCode {
    let (run, alone) = match args.evaluated() {
        Ok(evaluated) => evaluated,
        Err(error) => return super::misused(&error),
    };
    run::start(run, differing::<CaInjectorArgs>(flags), |options| {
        alone.adapted(options)
    })
}

/// What only cainjector has: the sources and the targets.
struct Alone {
    injection: InjectionSettings,
}

impl CaInjectorArgs {
    /// The flags of `certlet run` with the same meaning, and those that it does not have.
    fn evaluated(self) -> Result<(RunArgs, Alone), clap::Error> {
        // no `..`: a new flag is passed on, or a setting
        let Self {
            config: _,
            kubeconfig,
            namespace,
            ignore_namespaces,
            election,
            kinds,
            feature_gates,
            metrics,
            logging,
            accepted,
        } = self;
        let run = RunArgs::of_shared(SharedArgs {
            kubeconfig,
            namespace,
            feature_gates,
            election,
            metrics,
            logging,
            accepted,
        })?;
        let excluded = kinds.excluded();
        let injection = InjectionSettings {
            enabled: true,
            alone: true,
            excluded,
            certificates: kinds.enable_certificates_data_source,
            ignored_namespaces: List::all(&ignore_namespaces),
        };
        Ok((run, Alone { injection }))
    }
}

impl KindArgs {
    /// The kinds that get no CA.
    fn excluded(&self) -> Vec<TargetKind> {
        let kinds = [
            (
                self.enable_validatingwebhookconfigurations_injectable,
                TargetKind::ValidatingWebhook,
            ),
            (
                self.enable_mutatingwebhookconfigurations_injectable,
                TargetKind::MutatingWebhook,
            ),
            (self.enable_customresourcedefinitions_injectable, TargetKind::Definition),
            (self.enable_apiservices_injectable, TargetKind::ApiService),
        ];
        let excluded = kinds.into_iter().filter(|(is_on, _)| !is_on);
        excluded.map(|(_, kind)| kind).collect()
    }
}

impl Alone {
    /// The options of a process that only injects CAs.
    fn adapted(self, options: Options) -> Options {
        let mut options = options;
        options.settings.injection = self.injection;
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

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::args::config::{INJECTOR, with_text};

    #[derive(Debug, Parser)]
    #[command(no_binary_name = true)]
    struct Line {
        #[command(flatten)]
        args: CaInjectorArgs,
    }

    fn evaluated<S: AsRef<str>>(flags: &[S]) -> (RunArgs, Alone) {
        let parsed = Line::try_parse_from(flags.iter().map(AsRef::as_ref));
        let parsed = parsed.unwrap_or_else(|error| panic!("{error}"));
        parsed.args.evaluated().unwrap()
    }

    fn options<S: AsRef<str>>(flags: &[S]) -> Options {
        let (run, alone) = evaluated(flags);
        alone.adapted(run.options().unwrap_or_else(|error| panic!("{error}")))
    }

    /// The options as text, without the identity in the Lease, which is drawn anew each time.
    fn text(options: Options) -> String {
        let mut options = options;
        if let Some(election) = &mut options.election {
            election.identity.clear();
        }
        format!("{options:?}")
    }

    /// What a flag does.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Fate {
        Works,
        Logs,
        Idle,
        Missing,
    }
    use Fate::{Idle, Logs, Missing, Works};

    /// The flags of cert-manager's cainjector, each with a value that is not its default.
    const FLAGS: [(&str, Fate); 42] = [
        ("--kubeconfig=/root/.kube/config", Works),
        ("--namespace=shop", Works),
        ("--ignore-namespaces=a,b", Works),
        ("--leader-elect=false", Works),
        ("--leader-election-namespace=cert-manager", Works),
        ("--leader-election-lease-duration=90s", Works),
        ("--leader-election-renew-deadline=30s", Works),
        ("--leader-election-retry-period=10s", Works),
        ("--enable-certificates-data-source=false", Works),
        ("--enable-validatingwebhookconfigurations-injectable=false", Works),
        ("--enable-mutatingwebhookconfigurations-injectable=false", Works),
        ("--enable-customresourcedefinitions-injectable=false", Works),
        ("--enable-apiservices-injectable=0", Works),
        ("--enable-profiling", Missing),
        ("--profiler-address=localhost:6061", Idle),
        ("--feature-gates=ServerSideApply=true", Idle),
        ("--feature-gates=CAInjectorMerging=false", Idle),
        ("--metrics-listen-address=0", Works),
        ("--metrics-tls-cert-file=/a --metrics-tls-private-key-file=/b", Works),
        (
            "--metrics-dynamic-serving-ca-secret-namespace=a --metrics-dynamic-serving-ca-secret-name=b \
             --metrics-dynamic-serving-dns-names=c --metrics-dynamic-serving-leaf-duration=24h",
            Works,
        ),
        ("--metrics-dynamic-serving-leaf-duration=24h", Idle),
        ("--metrics-tls-cipher-suites=TLS_AES_128_GCM_SHA256", Idle),
        ("--metrics-tls-min-version=VersionTLS13", Idle),
        ("--logging-format=json", Logs),
        ("-v=4", Logs),
        ("-v4", Logs),
        ("--v=4", Logs),
        ("--vmodule=a=4", Idle),
        ("--log-flush-frequency=10s", Idle),
        ("--logtostderr=true", Idle),
        ("--alsologtostderr", Idle),
        ("--stderrthreshold=INFO", Idle),
        ("--add_dir_header", Idle),
        ("--log_backtrace_at=main.go:10", Idle),
        ("--log_dir=/tmp", Idle),
        ("--log_file=/tmp/log", Idle),
        ("--log_file_max_size=1800", Idle),
        ("--one_output", Idle),
        ("--skip_headers=F", Idle),
        ("--skip_log_headers", Idle),
        ("--leader-elect --leader-election-namespace=a", Works),
        ("--enable-certificates-data-source=F", Works),
    ];

    #[test]
    fn cai_06_every_flag_of_cert_manager_s_cainjector_works_or_is_reported() {
        let none: [&str; 0] = [];
        let plain = text(options(&none));
        for (flags, fate) in FLAGS {
            let flags: Vec<&str> = flags.split_whitespace().collect();
            let (run, _) = evaluated(&flags);
            let name = flags[0].split('=').next().unwrap();
            let reported = |lines: Vec<String>| lines.iter().any(|line| line.contains(name));
            let seen = if reported(run.missing()) {
                Missing
            } else if reported(run.idle()) {
                Idle
            } else if run.logging() != evaluated(&none).0.logging() {
                Logs
            } else {
                assert_ne!(
                    text(options(&flags)),
                    plain,
                    "{flags:?} change nothing, without a notice"
                );
                Works
            };
            assert_eq!(seen, fate, "{flags:?}");
        }
    }

    #[test]
    fn lists_and_maps_that_are_repeated_come_together_also_with_those_of_the_file() {
        let flags = [
            "--feature-gates=OtherNames=false",
            "--feature-gates=ACMEUseARI=false",
            "--ignore-namespaces=a",
            "--ignore-namespaces=b",
            "--metrics-dynamic-serving-ca-secret-namespace=a",
            "--metrics-dynamic-serving-ca-secret-name=b",
            "--metrics-dynamic-serving-dns-names=c",
            "--metrics-dynamic-serving-dns-names=d",
            "--metrics-tls-cipher-suites=TLS_AES_128_GCM_SHA256",
            "--metrics-tls-cipher-suites=TLS_AES_256_GCM_SHA384",
        ];
        let file = "apiVersion: cainjector.config.cert-manager.io/v1alpha1\nkind: CAInjectorConfiguration\n\
                    featureGates: {NameConstraints: false, OtherNames: true}\nnamespace: shop\nignoreNamespaces: [z]\n";
        let flags = with_text(&INJECTOR, &flags.map(str::to_owned), "file.yaml", file).unwrap();
        let options = options(&flags);
        let gates = options.settings.gates;
        assert!(!gates.name_constraints && !gates.ari && !gates.other_names);
        assert_eq!(options.settings.injection.ignored_namespaces, ["a", "b"]);
        assert_eq!(options.settings.namespace.as_deref(), Some("shop"));
        let tls = options.metrics_tls.unwrap();
        assert_eq!(tls.suites.len(), 2);
        assert!(
            format!("{:?}", tls.source).contains(r#"["c", "d"]"#),
            "{:?}",
            tls.source
        );
    }

    #[test]
    fn the_start_is_logged_with_the_flags_that_differ_from_their_defaults() {
        let flags = [
            "--v=2",
            "--leader-elect=false",
            "--enable-apiservices-injectable=true",
            "--feature-gates=A=true",
        ];
        let flags = flags.map(str::to_owned);
        assert_eq!(
            differing::<CaInjectorArgs>(&flags),
            ["--leader-elect=false", "--feature-gates=A=true"]
        );
    }
}
