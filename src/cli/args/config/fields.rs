//! The fields of cert-manager's configuration files, and the flags that they set.

/// A kind of configuration file.
#[derive(Clone, Copy, Debug)]
pub(in crate::cli) struct Schema {
    /// The required `apiVersion`.
    pub(super) api_version: &'static str,
    /// The required `kind`.
    pub(super) kind: &'static str,
    /// Fields and their flags.
    pub(super) fields: &'static [(&'static str, &'static str)],
}

/// That of the controller.
pub(in crate::cli) const CONTROLLER: Schema = Schema {
    api_version: "controller.config.cert-manager.io/v1alpha1",
    kind: "ControllerConfiguration",
    fields: FIELDS,
};

/// That of cainjector.
pub(in crate::cli) const INJECTOR: Schema = Schema {
    api_version: "cainjector.config.cert-manager.io/v1alpha1",
    kind: "CAInjectorConfiguration",
    fields: INJECTOR_FIELDS,
};

/// Fields of `ControllerConfiguration` and their flags.
pub(in crate::cli::args) const FIELDS: &[(&str, &str)] = &[
    ("kubeConfig", "kubeconfig"),
    ("apiServerHost", "master"),
    ("kubernetesAPIQPS", "kube-api-qps"),
    ("kubernetesAPIBurst", "kube-api-burst"),
    ("namespace", "namespace"),
    ("clusterResourceNamespace", "cluster-resource-namespace"),
    ("leaderElectionConfig.enabled", "leader-elect"),
    ("leaderElectionConfig.namespace", "leader-election-namespace"),
    ("leaderElectionConfig.leaseDuration", "leader-election-lease-duration"),
    ("leaderElectionConfig.renewDeadline", "leader-election-renew-deadline"),
    ("leaderElectionConfig.retryPeriod", "leader-election-retry-period"),
    (
        "leaderElectionConfig.healthzTimeout",
        "internal-healthz-leader-election-timeout",
    ),
    ("controllers", "controllers"),
    ("issuerAmbientCredentials", "issuer-ambient-credentials"),
    ("clusterIssuerAmbientCredentials", "cluster-issuer-ambient-credentials"),
    ("enableCertificateOwnerRef", "enable-certificate-owner-ref"),
    ("enableGatewayAPI", "enable-gateway-api"),
    ("enableGatewayAPIListenerSet", "enable-gateway-api-listenerset"),
    ("gatewayAPI.enabled", "enable-gateway-api"),
    ("gatewayAPI.enableListenerSet", "enable-gateway-api-listenerset"),
    ("gatewayAPI.extraProtocols", "gateway-api-extra-protocols"),
    ("copiedAnnotationPrefixes", "copied-annotation-prefixes"),
    ("numberOfConcurrentWorkers", "concurrent-workers"),
    ("maxConcurrentChallenges", "max-concurrent-challenges"),
    ("metricsListenAddress", "metrics-listen-address"),
    ("metricsTLSConfig.cipherSuites", "metrics-tls-cipher-suites"),
    ("metricsTLSConfig.minTLSVersion", "metrics-tls-min-version"),
    ("metricsTLSConfig.filesystem.certFile", "metrics-tls-cert-file"),
    ("metricsTLSConfig.filesystem.keyFile", "metrics-tls-private-key-file"),
    (
        "metricsTLSConfig.dynamic.secretNamespace",
        "metrics-dynamic-serving-ca-secret-namespace",
    ),
    (
        "metricsTLSConfig.dynamic.secretName",
        "metrics-dynamic-serving-ca-secret-name",
    ),
    ("metricsTLSConfig.dynamic.dnsNames", "metrics-dynamic-serving-dns-names"),
    (
        "metricsTLSConfig.dynamic.leafDuration",
        "metrics-dynamic-serving-leaf-duration",
    ),
    ("healthzListenAddress", "internal-healthz-listen-address"),
    ("enablePprof", "enable-profiling"),
    ("pprofAddress", "profiler-address"),
    ("logging.format", "logging-format"),
    ("logging.flushFrequency", "log-flush-frequency"),
    ("logging.verbosity", "v"),
    ("logging.vmodule", "vmodule"),
    ("featureGates", "feature-gates"),
    ("ingressShimConfig.defaultIssuerName", "default-issuer-name"),
    ("ingressShimConfig.defaultIssuerKind", "default-issuer-kind"),
    ("ingressShimConfig.defaultIssuerGroup", "default-issuer-group"),
    (
        "ingressShimConfig.defaultAutoCertificateAnnotations",
        "auto-certificate-annotations",
    ),
    (
        "ingressShimConfig.extraCertificateAnnotations",
        "extra-certificate-annotations",
    ),
    ("acmeHTTP01Config.solverImage", "acme-http01-solver-image"),
    (
        "acmeHTTP01Config.solverResourceRequestCPU",
        "acme-http01-solver-resource-request-cpu",
    ),
    (
        "acmeHTTP01Config.solverResourceRequestMemory",
        "acme-http01-solver-resource-request-memory",
    ),
    (
        "acmeHTTP01Config.solverResourceLimitsCPU",
        "acme-http01-solver-resource-limits-cpu",
    ),
    (
        "acmeHTTP01Config.solverResourceLimitsMemory",
        "acme-http01-solver-resource-limits-memory",
    ),
    (
        "acmeHTTP01Config.solverRunAsNonRoot",
        "acme-http01-solver-run-as-non-root",
    ),
    ("acmeHTTP01Config.solverNameservers", "acme-http01-solver-nameservers"),
    ("acmeHTTP01Config.solverExtraLabels", "acme-http01-solver-extra-labels"),
    (
        "acmeHTTP01Config.solverRuntimeClassName",
        "acme-http01-solver-runtime-class-name",
    ),
    ("acmeDNS01Config.recursiveNameservers", "dns01-recursive-nameservers"),
    (
        "acmeDNS01Config.recursiveNameserversOnly",
        "dns01-recursive-nameservers-only",
    ),
    ("acmeDNS01Config.checkRetryPeriod", "dns01-check-retry-period"),
    ("pemSizeLimitsConfig.maxCertificateSize", "max-certificate-size"),
    ("pemSizeLimitsConfig.maxPrivateKeySize", "max-private-key-size"),
    ("pemSizeLimitsConfig.maxChainLength", "max-certificate-chain-length"),
    ("pemSizeLimitsConfig.maxBundleSize", "max-certificate-bundle-size"),
    (
        "certificateRequestMinimumBackoffDuration",
        "certificate-request-minimum-backoff-duration",
    ),
    (
        "certificateRequestMaximumBackoffDuration",
        "certificate-request-maximum-backoff-duration",
    ),
];

/// Fields of `CAInjectorConfiguration` and their flags.
const INJECTOR_FIELDS: &[(&str, &str)] = &[
    ("kubeConfig", "kubeconfig"),
    ("leaderElectionConfig.enabled", "leader-elect"),
    ("leaderElectionConfig.namespace", "leader-election-namespace"),
    ("leaderElectionConfig.leaseDuration", "leader-election-lease-duration"),
    ("leaderElectionConfig.renewDeadline", "leader-election-renew-deadline"),
    ("leaderElectionConfig.retryPeriod", "leader-election-retry-period"),
    ("metricsListenAddress", "metrics-listen-address"),
    ("metricsTLSConfig.cipherSuites", "metrics-tls-cipher-suites"),
    ("metricsTLSConfig.minTLSVersion", "metrics-tls-min-version"),
    ("metricsTLSConfig.filesystem.certFile", "metrics-tls-cert-file"),
    ("metricsTLSConfig.filesystem.keyFile", "metrics-tls-private-key-file"),
    (
        "metricsTLSConfig.dynamic.secretNamespace",
        "metrics-dynamic-serving-ca-secret-namespace",
    ),
    (
        "metricsTLSConfig.dynamic.secretName",
        "metrics-dynamic-serving-ca-secret-name",
    ),
    ("metricsTLSConfig.dynamic.dnsNames", "metrics-dynamic-serving-dns-names"),
    (
        "metricsTLSConfig.dynamic.leafDuration",
        "metrics-dynamic-serving-leaf-duration",
    ),
    ("enablePprof", "enable-profiling"),
    ("pprofAddress", "profiler-address"),
    ("logging.format", "logging-format"),
    ("logging.flushFrequency", "log-flush-frequency"),
    ("logging.verbosity", "v"),
    ("logging.vmodule", "vmodule"),
    ("featureGates", "feature-gates"),
    ("namespace", "namespace"),
    ("ignoreNamespaces", "ignore-namespaces"),
    ("enableDataSourceConfig.certificates", "enable-certificates-data-source"),
    (
        "enableInjectableConfig.validatingWebhookConfigurations",
        "enable-validatingwebhookconfigurations-injectable",
    ),
    (
        "enableInjectableConfig.mutatingWebhookConfigurations",
        "enable-mutatingwebhookconfigurations-injectable",
    ),
    (
        "enableInjectableConfig.customResourceDefinitions",
        "enable-customresourcedefinitions-injectable",
    ),
    ("enableInjectableConfig.apiServices", "enable-apiservices-injectable"),
];

/// Duration flags. A number in the file is in nanoseconds.
pub(super) const DURATIONS: &[&str] = &[
    "leader-election-lease-duration",
    "leader-election-renew-deadline",
    "leader-election-retry-period",
    "internal-healthz-leader-election-timeout",
    "dns01-check-retry-period",
    "certificate-request-minimum-backoff-duration",
    "certificate-request-maximum-backoff-duration",
    "log-flush-frequency",
    "metrics-dynamic-serving-leaf-duration",
];

/// A flag with a map as its value: the entries of file and command line are merged.
pub(super) const MERGED: &str = "feature-gates";
