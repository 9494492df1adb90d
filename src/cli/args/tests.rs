//! Every flag of cert-manager's controller: it works, it is accepted with a notice, or it is refused (FLG rows, NB-31).

use clap::Parser;

use super::*;
use crate::{plan::settings::controller, runtime::leader::Election};

#[derive(Debug, Parser)]
#[command(no_binary_name = true)]
struct Line {
    #[command(flatten)]
    run: RunArgs,
}

fn parse(flags: &[&str]) -> RunArgs {
    let parsed = Line::try_parse_from(flags);
    parsed.unwrap_or_else(|error| panic!("{flags:?}: {error}")).run
}

fn settings(flags: &[&str]) -> Settings {
    parse(flags)
        .settings(&Environment::read())
        .unwrap_or_else(|error| panic!("{flags:?}: {error}"))
}

fn refusal(flags: &[&str]) -> String {
    parse(flags).settings(&Environment::read()).unwrap_err().to_string()
}

/// What a flag does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Works,
    Idle,
    Missing,
    Refused,
}
use Fate::{Idle, Missing, Refused, Works};

/// The flags of cert-manager 1.21, each with a value that is not its default.
const FLAGS: &[(&str, Fate)] = &[
    ("--kubeconfig=/root/.kube/config", Works),
    ("--master=https://10.0.0.1:6443", Works),
    ("--kube-api-qps=50", Idle),
    ("--kube-api-burst=100", Idle),
    ("--cluster-resource-namespace=cert-manager", Works),
    ("--namespace=shop", Works),
    ("--leader-elect=false", Works),
    ("--leader-election-namespace=cert-manager", Works),
    ("--leader-election-lease-duration=90s", Works),
    ("--leader-election-renew-deadline=30s", Works),
    ("--leader-election-retry-period=10s", Works),
    ("--controllers=*,-certificaterequests-approver", Works),
    ("--acme-http01-solver-image=registry.example.com/solver:1", Works),
    ("--acme-http01-solver-resource-request-cpu=20m", Works),
    ("--acme-http01-solver-resource-request-memory=32Mi", Works),
    ("--acme-http01-solver-resource-limits-cpu=200m", Works),
    ("--acme-http01-solver-resource-limits-memory=128Mi", Works),
    ("--acme-http01-solver-run-as-non-root=false", Works),
    ("--acme-http01-solver-nameservers=10.0.0.1:53,10.0.0.2:53", Works),
    ("--acme-http01-solver-extra-labels=team=web", Works),
    ("--acme-http01-solver-runtime-class-name=gvisor", Works),
    ("--cluster-issuer-ambient-credentials=false", Works),
    ("--issuer-ambient-credentials=true", Works),
    ("--auto-certificate-annotations=example.com/tls", Works),
    ("--extra-certificate-annotations=example.com/team", Works),
    ("--default-issuer-name=letsencrypt", Works),
    ("--default-issuer-kind=ClusterIssuer", Works),
    ("--default-issuer-group=issuers.example.com", Works),
    ("--dns01-recursive-nameservers=10.0.0.1:53", Works),
    ("--dns01-recursive-nameservers-only=true", Works),
    ("--dns01-check-retry-period=20s", Works),
    ("--enable-certificate-owner-ref=true", Works),
    ("--enable-gateway-api=true", Works),
    // alone: it works with its gate and the flag of the Gateway API
    ("--enable-gateway-api-listenerset=true", Idle),
    ("--gateway-api-extra-protocols=DTLS", Works),
    ("--copied-annotation-prefixes=*", Works),
    ("--feature-gates=NameConstraints=false", Works),
    ("--concurrent-workers=7", Works),
    ("--max-concurrent-challenges=10", Works),
    ("--metrics-listen-address=127.0.0.1:9999", Works),
    ("--metrics-tls-cert-file=/tls/tls.crt", Refused),
    ("--metrics-tls-private-key-file=/tls/tls.key", Refused),
    ("--metrics-dynamic-serving-ca-secret-namespace=cert-manager", Refused),
    ("--metrics-dynamic-serving-ca-secret-name=metrics", Refused),
    ("--metrics-dynamic-serving-dns-names=metrics", Refused),
    ("--metrics-dynamic-serving-leaf-duration=24h", Idle),
    ("--metrics-tls-cipher-suites=TLS_AES_128_GCM_SHA256", Idle),
    ("--metrics-tls-min-version=VersionTLS13", Idle),
    ("--enable-profiling=true", Missing),
    ("--profiler-address=localhost:6061", Idle),
    ("--internal-healthz-listen-address=0.0.0.0:9999", Works),
    ("--internal-healthz-leader-election-timeout=30s", Idle),
    ("--max-certificate-size=40000", Works),
    ("--max-private-key-size=14000", Works),
    ("--max-certificate-chain-length=96000", Works),
    ("--max-certificate-bundle-size=340000", Works),
    ("--certificate-request-minimum-backoff-duration=2h", Works),
    ("--certificate-request-maximum-backoff-duration=64h", Works),
    ("-v=4", Works),
    ("--v=4", Works),
    ("--logging-format=json", Works),
    ("--vmodule=acme=4", Idle),
    ("--log-flush-frequency=10s", Idle),
];

/// Flags that cert-manager hides since klog has done away with them: no fields of the configuration file (FLG-32).
const KLOG_FLAGS: [&str; 11] = [
    "--logtostderr=true",
    "--alsologtostderr",
    "--stderrthreshold=INFO",
    "--add_dir_header",
    "--log_backtrace_at=main.go:10",
    "--log_dir=/tmp",
    "--log_file=/tmp/log",
    "--log_file_max_size=1800",
    "--one_output",
    "--skip_headers=F",
    "--skip_log_headers",
];

#[test]
fn every_flag_of_cert_manager_works_or_is_said_or_is_refused() {
    let plain = format!("{:?}", parse(&[]).options().map(without_identity).unwrap());
    for (flag, fate) in FLAGS {
        let args = parse(&[flag]);
        let name = flag.split('=').next().unwrap();
        let (idle, missing) = (args.idle(), args.missing());
        let logging = args.logging() != parse(&[]).logging();
        let stated = |lines: &[String]| lines.iter().any(|line| line.contains(name));
        let seen = match args.options() {
            Err(ArgsError::MetricsTls { flag, .. }) if flag == name => Refused,
            Err(error) => panic!("{flag}: {error}"),
            Ok(_) if stated(&missing) => Missing,
            Ok(_) if stated(&idle) => Idle,
            Ok(options) if logging || format!("{:?}", without_identity(options.clone())) != plain => Works,
            Ok(_) => panic!("{flag} changes nothing, without a notice"),
        };
        assert_eq!(seen, *fate, "{flag}");
    }
}

#[test]
fn flg_32_hidden_flags_of_klog_are_taken_and_said() {
    for flag in KLOG_FLAGS {
        let name = flag.split('=').next().unwrap();
        let idle = parse(&[flag]).idle();
        assert!(
            matches!(&idle[..], [line] if line.starts_with(&format!("{name}: "))),
            "{idle:?}"
        );
    }
}

#[test]
fn flg_05_every_spelling_of_a_boolean_is_one() {
    for (spelling, value) in [
        ("1", true),
        ("t", true),
        ("T", true),
        ("TRUE", true),
        ("True", true),
        ("0", false),
        ("f", false),
        ("F", false),
        ("FALSE", false),
        ("False", false),
    ] {
        let flags = [
            format!("--leader-elect={spelling}"),
            format!("--enable-certificate-owner-ref={spelling}"),
            format!("--acme-http01-solver-run-as-non-root={spelling}"),
            format!("--enable-profiling={spelling}"),
        ];
        let options = parse(&flags.each_ref().map(String::as_str)).options().unwrap();
        assert_eq!(
            (
                options.election.is_some(),
                options.settings.enable_certificate_owner_ref,
                options.settings.http01.solver_run_as_non_root,
            ),
            (value, value, value),
            "{spelling}"
        );
    }
    let error = Line::try_parse_from(["--leader-elect=yes"]).unwrap_err().to_string();
    assert!(error.contains("it must be true or false"), "{error}");
    assert!(parse(&["--leader-elect"]).options().unwrap().election.is_some());
}

#[test]
fn nb_31_the_last_of_a_flag_counts_and_lists_come_together() {
    let twice = parse(&[
        "--acme-http01-solver-image=quay.io/solver:1",
        "--v=2",
        "--controllers=*",
        "--feature-gates=OtherNames=false,NameConstraints=false",
        "--acme-http01-solver-extra-labels=team=web",
        "--acme-http01-solver-image=registry.local/solver:1",
        "--v=4",
        "--controllers=-certificaterequests-approver",
        "--feature-gates=NameConstraints=true",
        "--acme-http01-solver-extra-labels=stage=test",
    ]);
    assert_eq!(twice.logging().1, 4);
    let settings = twice.settings(&Environment::read()).unwrap();
    assert_eq!(settings.http01.solver_image.as_deref(), Some("registry.local/solver:1"));
    assert!(!settings.controllers.approver() && settings.controllers.enabled(controller::ORDERS));
    assert!(!settings.gates.other_names && settings.gates.name_constraints);
    assert_eq!(settings.http01.extra_labels.len(), 2);
}

#[test]
fn flg_24_an_empty_value_is_no_value() {
    let plain = format!("{:?}", settings(&[]));
    for flag in [
        "--feature-gates=",
        "--acme-http01-solver-extra-labels=",
        "--acme-http01-solver-nameservers=",
        "--extra-certificate-annotations=",
        "--acme-http01-solver-image=",
        "--dns01-recursive-nameservers=",
        "--metrics-tls-cipher-suites=",
        "--metrics-tls-cert-file=",
    ] {
        let args = parse(&[flag]);
        assert_eq!(args.missing(), Vec::<String>::new(), "{flag}");
        assert_eq!(
            format!("{:?}", args.settings(&Environment::read()).unwrap()),
            plain,
            "{flag}"
        );
    }
    assert_eq!(
        settings(&["--copied-annotation-prefixes="]).copied_annotation_prefixes,
        Vec::<String>::new()
    );
    assert_eq!(
        settings(&["--auto-certificate-annotations="]).auto_certificate_annotations,
        Vec::<String>::new()
    );
}

#[test]
fn numbers_are_read_as_go_reads_them() {
    let options = parse(&[
        "--concurrent-workers=0x10",
        "--max-concurrent-challenges=1_00",
        "--kube-api-qps=-1",
        "-v=-1",
    ]);
    assert_eq!(options.logging().1, 0);
    let options = options.options().unwrap();
    assert_eq!((options.workers, options.settings.max_concurrent_challenges), (16, 100));
}

/// Who we are in the Lease is drawn anew each time.
fn without_identity(options: Options) -> Options {
    let election = options.election.map(|election| Election {
        identity: String::new(),
        ..election
    });
    Options { election, ..options }
}

#[test]
fn every_flag_is_a_field_of_the_configuration_file_too() {
    let text: Vec<String> = FLAGS
        .iter()
        .map(|(flag, _)| flag.split('=').next().unwrap().trim_start_matches('-').to_owned())
        .collect();
    for flag in &text {
        assert!(
            config::FIELDS.iter().any(|(_, name)| name == flag),
            "no field of the configuration file stands for --{flag}"
        );
    }
    for (field, flag) in config::FIELDS {
        assert!(
            text.iter().any(|known| known == flag),
            "{field}: there is no flag --{flag}"
        );
    }
}

#[test]
fn ctl_11_controllers_are_switched_by_name_and_what_is_one_is_switched_together() {
    let only_by_hand = settings(&["--controllers=*,-certificates-trigger"]);
    assert!(!only_by_hand.controllers.enabled(controller::TRIGGER));
    assert!(only_by_hand.controllers.enabled(controller::ISSUING));
    let keeps = settings(&["--controllers=-certificates-revision-manager,-certificates-metrics"]);
    assert!(!keeps.controllers.enabled(controller::REVISION_MANAGER) && keeps.controllers.approver());
    let issuers = settings(&["--controllers=issuers,clusterissuers"]);
    assert!(issuers.controllers.enabled(controller::ISSUERS) && !issuers.controllers.enabled(controller::ISSUING));
    let half = refusal(&["--controllers=*,-certificates-readiness"]);
    assert!(
        half.contains("certificates-readiness off but certificates-issuing, certificates-key-manager, certificates-request-manager on"),
        "{half}"
    );
    let half = refusal(&["--controllers=*,-challenges"]);
    assert!(half.contains("challenges off but orders on"), "{half}");
    let half = refusal(&["--controllers=certificates-trigger"]);
    assert!(half.contains("these are one controller in certlet"), "{half}");
    let unknown = refusal(&["--controllers=certificate-trigger"]);
    assert!(
        unknown.contains("unknown controller \"certificate-trigger\"; the controllers are issuers"),
        "{unknown}"
    );
}

#[test]
fn ctl_10_signers_of_kubernetes_csrs_run_by_their_gate_or_by_their_names() {
    let ca = "certificatesigningrequests-issuer-ca";
    let acme = "certificatesigningrequests-issuer-acme";
    let gate = "--feature-gates=ExperimentalCertificateSigningRequestControllers=true";
    let rows: [(&[&str], bool, bool); 6] = [
        (&[], false, false),
        (&["--controllers=*"], false, false),
        (&[gate, "--controllers=issuers,clusterissuers"], true, true),
        (&["--controllers=*,certificatesigningrequests-issuer-ca"], true, false),
        (
            &[gate, "--controllers=*,-certificatesigningrequests-issuer-acme"],
            true,
            false,
        ),
        (
            &["--controllers=certificatesigningrequests-issuer-ca,-certificatesigningrequests-issuer-ca,issuers"],
            false,
            false,
        ),
    ];
    for (flags, signs_with_ca, orders) in rows {
        let settings = settings(flags);
        let on = settings.gates.certificate_signing_requests;
        assert_eq!(on, signs_with_ca || orders, "{flags:?}");
        assert_eq!(on && settings.controllers.enabled(ca), signs_with_ca, "{flags:?}");
        assert_eq!(on && settings.controllers.enabled(acme), orders, "{flags:?}");
    }
}

#[test]
fn a_gate_without_effect_is_said() {
    let args = parse(&["--feature-gates=ServerSideApply=true,ListenerSets=false,NameConstraints=true"]);
    assert_eq!(
        args.idle(),
        [
            "--feature-gates=ServerSideApply=true: Secrets always use server-side apply, and all other objects use patches"
        ]
    );
}

#[test]
fn ctl_04_and_05_the_gateway_api_needs_its_flags_and_its_gates() {
    let api = "--enable-gateway-api";
    let sets = "--enable-gateway-api-listenerset";
    let gate = "--feature-gates=ListenerSets=true";
    let rows: &[(&[&str], bool, bool, &[&str])] = &[
        (&[], false, false, &[]),
        (&[api], true, false, &[]),
        (&[gate], false, false, &[]),
        (&[api, gate], true, false, &[]),
        (&[api, sets], true, false, &["set --feature-gates=ListenerSets=true"]),
        (&[api, sets, gate], true, true, &[]),
        (&[sets, gate], false, false, &["--enable-gateway-api is not set"]),
        (
            &[api, "--feature-gates=ExperimentalGatewayAPISupport=false"],
            false,
            false,
            &["the gate ExperimentalGatewayAPISupport is off"],
        ),
        (&[api, "--feature-gates=AllBeta=false"], false, false, &["is off"]),
        (&[api, sets, "--feature-gates=AllAlpha=true"], true, true, &[]),
    ];
    for (flags, enabled, listener_sets, idle) in rows {
        let gateway = settings(flags).gateway;
        assert_eq!(
            (gateway.enabled, gateway.listener_sets),
            (*enabled, *listener_sets),
            "{flags:?}"
        );
        let found = parse(flags).idle();
        assert_eq!(found.len(), idle.len(), "{flags:?}: {found:?}");
        assert!(
            found.iter().zip(*idle).all(|(line, part)| line.contains(part)),
            "{found:?}"
        );
    }
}

#[test]
fn gat_19_all_alpha_and_all_beta_stand_for_the_gates_that_nobody_names() {
    let gates = settings(&["--feature-gates=AllAlpha=true,UseCertificateRequestBasicConstraints=false"]).gates;
    assert!(gates.certificate_signing_requests && !gates.basic_constraints_in_request && gates.name_constraints);
    let gates = settings(&["--feature-gates=AllBeta=false,OtherNames=true"]).gates;
    assert!(gates.other_names && !gates.name_constraints && !gates.literal_subject);
    assert!(!settings(&["--feature-gates=AllBeta=false"]).http01.path_type_exact);
    let args = parse(&["--feature-gates=DefaultPrivateKeyRotationPolicyAlways=false"]);
    assert_eq!(
        args.idle(),
        ["--feature-gates=DefaultPrivateKeyRotationPolicyAlways=false: it is always true in certlet"]
    );
    assert!(refusal(&["--feature-gates=NoSuchGate=true"]).contains("unknown gate \"NoSuchGate\""));
    assert!(
        refusal(&["--feature-gates=OtherNames=yes"])
            .contains("OtherNames=yes: the value of a gate must be true or false")
    );
}

#[test]
fn values_that_make_no_sense_are_refused_in_words() {
    assert_eq!(
        refusal(&["--max-private-key-size=0"]),
        "--max-private-key-size: the limit must be greater than 0"
    );
    assert!(refusal(&["--certificate-request-minimum-backoff-duration=64h"]).contains("is longer than"));
    let election = parse(&["--leader-election-renew-deadline=2m"]).options();
    assert!(matches!(election, Err(ArgsError::Election)));
    for (flag, word) in [
        ("--metrics-listen-address=nine", "is not address:port"),
        ("--leader-election-lease-duration=soon", "soon"),
        ("--acme-http01-solver-extra-labels=team", "is not key=value"),
    ] {
        let error = Line::try_parse_from([flag]).unwrap_err().to_string();
        assert!(error.contains(word), "{flag}: {error}");
    }
}

#[test]
fn addresses_may_be_written_as_go_takes_them() {
    let options = parse(&[
        "--metrics-listen-address=:9402",
        "--internal-healthz-listen-address=localhost:1",
    ]);
    let options = options.options().unwrap();
    assert_eq!(options.metrics_address.unwrap().to_string(), "0.0.0.0:9402");
    assert_eq!(options.health_address.unwrap().to_string(), "127.0.0.1:1");
    assert_eq!(
        parse(&["--metrics-listen-address=0"])
            .options()
            .unwrap()
            .metrics_address,
        None
    );
}
