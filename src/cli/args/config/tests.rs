use super::*;

fn parsed(fields: &str) -> Result<Vec<(String, String)>, String> {
    let Schema { api_version, kind, .. } = CONTROLLER;
    let text = format!("apiVersion: {api_version}\nkind: {kind}\n{fields}");
    flags_of(&CONTROLLER, "file.yaml", &text).map_err(|error| error.to_string())
}

fn pair(flag: &str, value: &str) -> (String, String) {
    (flag.to_owned(), value.to_owned())
}

#[test]
fn fields_become_the_flags_of_the_same_meaning() {
    let text = "clusterResourceNamespace: security\nleaderElectionConfig:\n  enabled: false\n  leaseDuration: 30s\n  retryPeriod: 5000000000\n\
                controllers: ['*', '-certificaterequests-approver']\nfeatureGates:\n  NameConstraints: false\n  OtherNames: true\n\
                acmeHTTP01Config:\n  solverNameservers: [10.0.0.1:53]\n  solverExtraLabels: {team: web}\nlogging:\n  verbosity: 4\n  vmodule: [{filePattern: acme, verbosity: 5}]\n  options: {json: {}}\n";
    let wanted = [
        pair("cluster-resource-namespace", "security"),
        pair("leader-elect", "false"),
        pair("leader-election-lease-duration", "30s"),
        pair("leader-election-retry-period", "5000000000ns"),
        pair("controllers", "*,-certificaterequests-approver"),
        pair("feature-gates", "NameConstraints=false,OtherNames=true"),
        pair("acme-http01-solver-nameservers", "10.0.0.1:53"),
        pair("acme-http01-solver-extra-labels", "team=web"),
        pair("v", "4"),
        pair("vmodule", "acme=5"),
    ];
    let mut parsed = parsed(text).unwrap();
    let mut wanted = wanted.to_vec();
    parsed.sort();
    wanted.sort();
    assert_eq!(parsed, wanted);
}

#[test]
fn flg_01_empty_values_are_not_set() {
    for text in [
        "featureGates: {}",
        "acmeHTTP01Config: {solverExtraLabels: {}, solverNameservers: [], solverImage: ''}",
        "metricsTLSConfig: {cipherSuites: [], filesystem: {certFile: ''}, dynamic: {leafDuration: 0s}}",
        "copiedAnnotationPrefixes: []",
        "controllers: []",
        "metricsListenAddress: ''",
        "certificateRequestMinimumBackoffDuration: 0s",
        "leaderElectionConfig: {renewDeadline: 0}",
        "ingressShimConfig: {}",
        "gatewayAPI:",
    ] {
        assert_eq!(parsed(text), Ok(Vec::new()), "{text}");
    }
    assert_eq!(
        parsed("logging: {verbosity: 0}\nenableCertificateOwnerRef: false")
            .unwrap()
            .len(),
        2
    );
}

#[test]
fn of_two_fields_for_one_flag_the_present_name_counts() {
    let text = "gatewayAPI: {enabled: false}\nenableGatewayAPI: true";
    assert_eq!(
        parsed(text).unwrap(),
        [pair("enable-gateway-api", "true"), pair("enable-gateway-api", "false")]
    );
}

#[test]
fn a_field_that_does_not_exist_is_named_with_what_may_have_been_meant() {
    assert_eq!(
        parsed("clusterResourceNameSpace: x").unwrap_err(),
        "--config: file.yaml has an unknown field \"clusterResourceNameSpace\"; did you mean clusterResourceNamespace?"
    );
    assert_eq!(
        parsed("acmeHTTP01Config:\n  solverimage: x").unwrap_err(),
        "--config: file.yaml has an unknown field \"acmeHTTP01Config.solverimage\"; did you mean acmeHTTP01Config.solverImage?"
    );
    assert_eq!(
        parsed("colour: red").unwrap_err(),
        "--config: file.yaml has an unknown field \"colour\""
    );
}

#[test]
fn a_value_of_the_wrong_kind_and_a_file_of_another_kind_are_refused() {
    assert_eq!(
        parsed("leaderElectionConfig: 5").unwrap_err(),
        "--config: file.yaml: leaderElectionConfig has a value of the wrong type: 5"
    );
    assert!(
        parsed("controllers: [1, 2]")
            .unwrap_err()
            .contains("controllers has a value of the wrong type")
    );
    let other = flags_of(&CONTROLLER, "file.yaml", "kind: WebhookConfiguration")
        .unwrap_err()
        .to_string();
    assert!(other.contains("but has none and WebhookConfiguration"), "{other}");
    let broken = flags_of(&CONTROLLER, "file.yaml", "a: [").unwrap_err().to_string();
    assert!(broken.starts_with("--config: file.yaml is not YAML: "), "{broken}");
}

#[test]
fn flags_win_over_the_file_and_feature_gates_come_together() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("config.yaml");
    let text = "apiVersion: controller.config.cert-manager.io/v1alpha1\nkind: ControllerConfiguration\nnamespace: file\n\
                numberOfConcurrentWorkers: 7\nfeatureGates: {OtherNames: false}\nlogging: {verbosity: 5}";
    std::fs::write(&file, text).unwrap();
    let flags = [
        "--namespace=flag",
        "-v2",
        "--feature-gates=NameConstraints=false",
        "--config",
    ];
    let mut flags: Vec<String> = flags.iter().map(ToString::to_string).collect();
    flags.push(file.to_str().unwrap().to_owned());
    let all = with_file(&CONTROLLER, &flags).unwrap();
    let mut first = all[..all.len() - flags.len()].to_vec();
    first.sort();
    assert_eq!(first, ["--concurrent-workers=7", "--feature-gates=OtherNames=false"]);
    assert_eq!(all[all.len() - flags.len()..], flags);
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let missing = with_file(&CONTROLLER, &["--config=/no/such/file".to_owned()])
        .unwrap_err()
        .to_string();
    assert!(
        missing.starts_with("--config: cannot read /no/such/file: "),
        "{missing}"
    );
}

#[test]
fn cai_06_the_file_of_cainjector_has_fields_of_its_own() {
    let text = "apiVersion: cainjector.config.cert-manager.io/v1alpha1\nkind: CAInjectorConfiguration\nnamespace: shop\n\
                ignoreNamespaces: [a, b]\nleaderElectionConfig: {enabled: false}\nenableDataSourceConfig: {certificates: false}\n\
                enableInjectableConfig: {apiServices: false, customResourceDefinitions: true}\n";
    let flags = flags_of(&INJECTOR, "file.yaml", text).unwrap();
    let mut flags: Vec<String> = flags
        .into_iter()
        .map(|(flag, value)| format!("{flag}={value}"))
        .collect();
    flags.sort();
    assert_eq!(
        flags,
        [
            "enable-apiservices-injectable=false",
            "enable-certificates-data-source=false",
            "enable-customresourcedefinitions-injectable=true",
            "ignore-namespaces=a,b",
            "leader-elect=false",
            "namespace=shop",
        ]
    );
    let of_controller = flags_of(&CONTROLLER, "file.yaml", text).unwrap_err().to_string();
    assert!(
        of_controller.contains("kind: ControllerConfiguration"),
        "{of_controller}"
    );
}
