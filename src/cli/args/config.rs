//! `--config`: cert-manager's `ControllerConfiguration` (FLG-01). Its fields become the flags of the same meaning, which are
//! then read as if they had been given first; flags that are given win.

use serde_json::Value;

/// What `apiVersion` and `kind` have to be.
const API_VERSION: &str = "controller.config.cert-manager.io/v1alpha1";
const KIND: &str = "ControllerConfiguration";
/// The largest file that is read, in bytes.
const LARGEST: u64 = 1 << 20;

/// Fields and their flags.
pub(super) const FIELDS: &[(&str, &str)] = &[
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

/// Flags whose values are nanoseconds where the file has a number.
const DURATIONS: &[&str] = &[
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

/// A map: what the file says and what flags say come together.
const MERGED: &str = "feature-gates";

/// A configuration file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It is not there, too large, or not readable.
    #[error("--config: cannot read {file}: {why}")]
    Read {
        /// The file.
        file: String,
        /// Why.
        why: String,
    },
    /// It is not YAML.
    #[error("--config: {file} is not YAML: {why}")]
    Yaml {
        /// The file.
        file: String,
        /// Why.
        why: String,
    },
    /// It is something else.
    #[error("--config: {file} has to begin with `apiVersion: {API_VERSION}` and `kind: {KIND}`, but has {found}")]
    Kind {
        /// The file.
        file: String,
        /// What it has.
        found: String,
    },
    /// A field that cert-manager does not have.
    #[error("--config: {file} has a field {field:?} that does not exist{hint}")]
    Unknown {
        /// The file.
        file: String,
        /// Its path.
        field: String,
        /// What may have been meant.
        hint: String,
    },
    /// A field with something that cannot be its value.
    #[error("--config: {file}: {field} has a value of the wrong kind: {value}")]
    Value {
        /// The file.
        file: String,
        /// Its path.
        field: String,
        /// What it has.
        value: String,
    },
}

/// The flags of `certlet run`, with those that the file named by `--config` stands for put before them.
///
/// # Errors
/// When there is such a file and it cannot be used.
pub fn with_file(flags: &[String]) -> Result<Vec<String>, ConfigError> {
    let Some(file) = file_of(flags) else {
        return Ok(flags.to_vec());
    };
    let text = read(&file)?;
    with_text(flags, &file, &text)
}

/// The same with the text of the file, which is somewhere else.
///
/// # Errors
/// When it cannot be used.
pub fn with_text(flags: &[String], file: &str, text: &str) -> Result<Vec<String>, ConfigError> {
    let from_file = flags_of(file, text)?;
    let given = |name: &str| flags.iter().any(|flag| name_of(flag) == Some(name));
    let kept = from_file
        .into_iter()
        .filter(|(name, _)| name == MERGED || !given(name))
        .map(|(name, value)| format!("--{name}={value}"));
    Ok(kept.chain(flags.iter().cloned()).collect())
}

/// The file that the last `--config` names.
pub fn file_of(flags: &[String]) -> Option<String> {
    let mut file = None;
    let mut flags = flags.iter();
    while let Some(flag) = flags.next() {
        if flag == "--config" {
            file = flags.next().cloned();
        } else if let Some(value) = flag.strip_prefix("--config=") {
            file = Some(value.to_owned());
        }
    }
    file.filter(|file| !file.is_empty())
}

/// `--name=value`, `--name` and `-v4` are flags of that name.
fn name_of(flag: &str) -> Option<&str> {
    match flag.strip_prefix("--") {
        Some(long) => long.split('=').next(),
        None => flag
            .strip_prefix('-')
            .filter(|short| short.starts_with('v'))
            .map(|_| "v"),
    }
}

fn read(file: &str) -> Result<String, ConfigError> {
    let failed = |why: String| ConfigError::Read {
        file: file.to_owned(),
        why,
    };
    let size = std::fs::metadata(file)
        .map_err(|error| failed(error.to_string()))?
        .len();
    if size > LARGEST {
        return Err(failed(format!("it has {size} bytes, more than {LARGEST}")));
    }
    std::fs::read_to_string(file).map_err(|error| failed(error.to_string()))
}

/// What the text of a file stands for: names of flags and values, in the order of the file.
fn flags_of(file: &str, text: &str) -> Result<Vec<(String, String)>, ConfigError> {
    let value: Value = serde_saphyr::from_str(text).map_err(|error| ConfigError::Yaml {
        file: file.to_owned(),
        why: error.to_string(),
    })?;
    let field = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or("none");
    let found = (field("apiVersion"), field("kind"));
    if found != (API_VERSION, KIND) {
        return Err(ConfigError::Kind {
            file: file.to_owned(),
            found: format!("{} and {}", found.0, found.1),
        });
    }
    let mut flags = Vec::new();
    walk(file, "", &value, &mut flags)?;
    Ok(flags)
}

fn walk(file: &str, path: &str, value: &Value, flags: &mut Vec<(String, String)>) -> Result<(), ConfigError> {
    let flag = FIELDS.iter().find(|(field, _)| *field == path).map(|(_, flag)| *flag);
    // how a line looks beyond its format is certlet's own affair
    if value.is_null() || path == "logging.options" {
        return Ok(());
    }
    if let Some(flag) = flag {
        let text = text_of(flag, value).ok_or_else(|| ConfigError::Value {
            file: file.to_owned(),
            field: path.to_owned(),
            value: value.to_string(),
        })?;
        flags.push((flag.to_owned(), text));
        return Ok(());
    }
    let is_group = path.is_empty() || FIELDS.iter().any(|(field, _)| field.starts_with(&format!("{path}.")));
    if !is_group {
        return Err(ConfigError::Unknown {
            file: file.to_owned(),
            field: path.to_owned(),
            hint: hint(path),
        });
    }
    let Some(fields) = value.as_object() else {
        return Err(ConfigError::Value {
            file: file.to_owned(),
            field: path.to_owned(),
            value: value.to_string(),
        });
    };
    for (name, value) in fields {
        if path.is_empty() && matches!(name.as_str(), "apiVersion" | "kind") {
            continue;
        }
        let below = if path.is_empty() {
            name.clone()
        } else {
            format!("{path}.{name}")
        };
        walk(file, &below, value, flags)?;
    }
    Ok(())
}

/// The same name in other letters, or in another place.
fn hint(path: &str) -> String {
    let last = |path: &str| path.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
    let meant = FIELDS.iter().find(|(field, _)| last(field) == last(path));
    meant.map_or_else(String::new, |(field, _)| format!("; {field} does"))
}

fn text_of(flag: &str, value: &Value) -> Option<String> {
    match value {
        Value::Number(number) if DURATIONS.contains(&flag) => Some(format!("{number}ns")),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        Value::String(text) => Some(text.clone()),
        Value::Array(items) => {
            let level = |item: &Value| {
                Some(format!(
                    "{}={}",
                    item.get("filePattern")?.as_str()?,
                    item.get("verbosity")?
                ))
            };
            let text = |item: &Value| item.as_str().map(str::to_owned).or_else(|| level(item));
            let items: Option<Vec<String>> = items.iter().map(text).collect();
            Some(items?.join(","))
        }
        Value::Object(map) => {
            let pairs = map
                .iter()
                .map(|(key, value)| Some(format!("{key}={}", text_of("", value)?)));
            Some(pairs.collect::<Option<Vec<_>>>()?.join(","))
        }
        Value::Null => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(fields: &str) -> Result<Vec<(String, String)>, String> {
        let text = format!("apiVersion: {API_VERSION}\nkind: {KIND}\n{fields}");
        flags_of("file.yaml", &text).map_err(|error| error.to_string())
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
    fn a_field_that_does_not_exist_is_named_with_what_may_have_been_meant() {
        assert_eq!(
            parsed("clusterResourceNameSpace: x").unwrap_err(),
            "--config: file.yaml has a field \"clusterResourceNameSpace\" that does not exist; clusterResourceNamespace does"
        );
        assert_eq!(
            parsed("acmeHTTP01Config:\n  solverimage: x").unwrap_err(),
            "--config: file.yaml has a field \"acmeHTTP01Config.solverimage\" that does not exist; acmeHTTP01Config.solverImage does"
        );
        assert_eq!(
            parsed("colour: red").unwrap_err(),
            "--config: file.yaml has a field \"colour\" that does not exist"
        );
    }

    #[test]
    fn a_value_of_the_wrong_kind_and_a_file_of_another_kind_are_refused() {
        assert_eq!(
            parsed("leaderElectionConfig: 5").unwrap_err(),
            "--config: file.yaml: leaderElectionConfig has a value of the wrong kind: 5"
        );
        assert!(
            parsed("controllers: [1, 2]")
                .unwrap_err()
                .contains("controllers has a value of the wrong kind")
        );
        let other = flags_of("file.yaml", "kind: WebhookConfiguration")
            .unwrap_err()
            .to_string();
        assert!(other.contains("but has none and WebhookConfiguration"), "{other}");
        let broken = flags_of("file.yaml", "a: [").unwrap_err().to_string();
        assert!(broken.starts_with("--config: file.yaml is not YAML: "), "{broken}");
    }

    #[test]
    fn flags_win_over_the_file_and_feature_gates_come_together() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("config.yaml");
        let text = format!(
            "apiVersion: {API_VERSION}\nkind: {KIND}\nnamespace: file\nnumberOfConcurrentWorkers: 7\nfeatureGates: {{OtherNames: false}}\nlogging: {{verbosity: 5}}"
        );
        std::fs::write(&file, text).unwrap();
        let flags = [
            "--namespace=flag",
            "-v2",
            "--feature-gates=NameConstraints=false",
            "--config",
        ];
        let mut flags: Vec<String> = flags.iter().map(ToString::to_string).collect();
        flags.push(file.to_str().unwrap().to_owned());
        let all = with_file(&flags).unwrap();
        let mut first = all[..all.len() - flags.len()].to_vec();
        first.sort();
        assert_eq!(first, ["--concurrent-workers=7", "--feature-gates=OtherNames=false"]);
        assert_eq!(all[all.len() - flags.len()..], flags);
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let missing = with_file(&["--config=/no/such/file".to_owned()])
            .unwrap_err()
            .to_string();
        assert!(
            missing.starts_with("--config: cannot read /no/such/file: "),
            "{missing}"
        );
    }
}
