//! Every flag of cert-manager's controller: it works, it is accepted and said, or it is refused (FLG rows, NB-31).

use clap::Parser;

use super::*;
use crate::plan::settings::controller;

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
        .settings()
        .unwrap_or_else(|error| panic!("{flags:?}: {error}"))
}

fn refusal(flags: &[&str]) -> String {
    parse(flags).settings().unwrap_err().to_string()
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
    ("--cluster-issuer-ambient-credentials=false", Idle),
    ("--issuer-ambient-credentials=true", Missing),
    ("--auto-certificate-annotations=example.com/tls", Works),
    ("--extra-certificate-annotations=example.com/team", Works),
    ("--default-issuer-name=letsencrypt", Works),
    ("--default-issuer-kind=ClusterIssuer", Works),
    ("--default-issuer-group=issuers.example.com", Works),
    ("--dns01-recursive-nameservers=10.0.0.1:53", Missing),
    ("--dns01-recursive-nameservers-only=true", Missing),
    ("--dns01-check-retry-period=20s", Idle),
    ("--enable-certificate-owner-ref=true", Works),
    ("--enable-gateway-api=true", Missing),
    ("--enable-gateway-api-listenerset=true", Missing),
    ("--gateway-api-extra-protocols=DTLS", Missing),
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
    ("--metrics-dynamic-serving-leaf-duration=24h", Refused),
    ("--metrics-tls-cipher-suites=TLS_AES_128_GCM_SHA256", Refused),
    ("--metrics-tls-min-version=VersionTLS13", Refused),
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

#[test]
fn every_flag_of_cert_manager_works_or_is_said_or_is_refused() {
    let plain = format!("{:?}", parse(&[]).options().map(without_identity).unwrap());
    for (flag, fate) in FLAGS {
        let args = parse(&[flag]);
        let name = flag.split('=').next().unwrap();
        let (idle, missing) = (args.idle(), args.missing());
        let logging = args.logging() != parse(&[]).logging();
        let said = |lines: &[String]| lines.iter().any(|line| line.contains(name));
        let missing: Vec<String> = missing.into_iter().map(str::to_owned).collect();
        let seen = match args.options() {
            Err(ArgsError::MetricsTls(told)) if told == name => Refused,
            Err(error) => panic!("{flag}: {error}"),
            Ok(_) if said(&missing) => Missing,
            Ok(_) if said(&idle) => Idle,
            Ok(options) if logging || format!("{:?}", without_identity(options.clone())) != plain => Works,
            Ok(_) => panic!("{flag} changes nothing, and nobody is told"),
        };
        assert_eq!(seen, *fate, "{flag}");
    }
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
    assert!(half.contains("on or off as a whole"), "{half}");
    let unknown = refusal(&["--controllers=certificate-trigger"]);
    assert!(
        unknown.contains("there is no controller \"certificate-trigger\"; known are issuers"),
        "{unknown}"
    );
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
        ["--feature-gates=DefaultPrivateKeyRotationPolicyAlways=false: it is always true here"]
    );
    assert!(refusal(&["--feature-gates=NoSuchGate=true"]).contains("there is no gate \"NoSuchGate\""));
    assert!(refusal(&["--feature-gates=OtherNames=yes"]).contains("OtherNames=yes: a gate is true or false"));
}

#[test]
fn values_that_make_no_sense_are_refused_in_words() {
    assert_eq!(
        refusal(&["--max-private-key-size=0"]),
        "--max-private-key-size: a limit of 0 bytes lets nothing through"
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
