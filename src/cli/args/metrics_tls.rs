//! Flags for TLS of the metrics server (FLG-27), checked as cert-manager checks its configuration.

use std::{net::IpAddr, time::Duration};

use clap::Args;

use super::{
    go::{List, duration},
    switches::ArgsError,
};
use crate::{
    pki::{
        name::SubjectAltNames,
        serving::{MinVersion, Suite},
    },
    plan::seen::ObjectKey,
    runtime::serving::{Dynamic, FilePair, Source, TlsOptions},
};

/// Lifetime of a certificate if it is given as 0, which is cert-manager's default.
const LEAF_DURATION: Duration = Duration::from_secs(168 * 3600);
/// Names that a certificate may have.
const MOST_NAMES: usize = 100;

/// See the module.
#[derive(Args, Clone, Debug)]
#[expect(clippy::struct_field_names, reason = "the flags are called so")]
pub(super) struct MetricsTlsArgs {
    /// File with the certificate chain of the metrics server, in PEM. The file is read again when it changes
    #[arg(long, value_name = "FILE", help_heading = "Metrics, health and logs")]
    metrics_tls_cert_file: Option<String>,
    /// File with its private key, in PEM
    #[arg(long, value_name = "FILE", help_heading = "Metrics, health and logs")]
    metrics_tls_private_key_file: Option<String>,
    /// Namespace of the Secret with the CA for the metrics server. Every replica signs a certificate for itself with it, and creates
    /// it if it does not exist
    #[arg(long, value_name = "NAMESPACE", help_heading = "Metrics, health and logs")]
    metrics_dynamic_serving_ca_secret_namespace: Option<String>,
    /// Name of that Secret. Clients need its `ca.crt`
    #[arg(long, value_name = "NAME", help_heading = "Metrics, health and logs")]
    metrics_dynamic_serving_ca_secret_name: Option<String>,
    /// DNS names and IP addresses of the metrics server
    #[arg(long, value_name = "NAMES", help_heading = "Metrics, health and logs")]
    metrics_dynamic_serving_dns_names: Vec<List>,
    /// Lifetime of the certificates that are signed with it. They are renewed after two thirds of it
    #[arg(long, default_value = "168h", value_parser = duration, value_name = "DURATION", help_heading = "Metrics, health and logs")]
    metrics_dynamic_serving_leaf_duration: Duration,
    /// Cipher suites of the metrics server, with the names of IANA. Without a suite of TLS 1.3, the list restricts only TLS 1.2.
    /// Default: all that certlet has
    #[arg(long, value_name = "SUITES", help_heading = "Metrics, health and logs")]
    metrics_tls_cipher_suites: Vec<List>,
    /// Lowest version of TLS of the metrics server: `VersionTLS12` or `VersionTLS13`. Default: `VersionTLS12`
    #[arg(long, value_name = "VERSION", help_heading = "Metrics, health and logs")]
    metrics_tls_min_version: Option<String>,
}

impl MetricsTlsArgs {
    /// TLS of the metrics server; `None` for plain HTTP.
    ///
    /// # Errors
    /// [`ArgsError::MetricsTls`] if a value, or a combination of values, is invalid.
    pub(super) fn options(&self) -> Result<Option<TlsOptions>, ArgsError> {
        let suites = self.suites()?;
        let min_version = self.min_version()?;
        let source = self.source()?;
        Ok(source.map(|source| TlsOptions {
            source,
            suites,
            min_version,
        }))
    }

    /// Flags that have no effect without a certificate, each with the reason.
    pub(super) fn idle(&self) -> Vec<String> {
        let is_on = given(self.metrics_tls_cert_file.as_ref()).is_some()
            || given(self.metrics_dynamic_serving_ca_secret_name.as_ref()).is_some();
        if is_on {
            return Vec::new();
        }
        let suites = !List::all(&self.metrics_tls_cipher_suites).is_empty();
        let version = given(self.metrics_tls_min_version.as_ref()).is_some();
        let duration = self.metrics_dynamic_serving_leaf_duration != LEAF_DURATION;
        let flags = [
            (suites, "--metrics-tls-cipher-suites"),
            (version, "--metrics-tls-min-version"),
            (duration, "--metrics-dynamic-serving-leaf-duration"),
        ];
        let idle = flags.into_iter().filter(|(is_given, _)| *is_given);
        idle.map(|(_, flag)| {
            format!("{flag}: metrics are served over plain HTTP, because no flag names a certificate or a CA")
        })
        .collect()
    }

    fn source(&self) -> Result<Option<Source>, ArgsError> {
        let certificate = ("--metrics-tls-cert-file", given(self.metrics_tls_cert_file.as_ref()));
        let key = (
            "--metrics-tls-private-key-file",
            given(self.metrics_tls_private_key_file.as_ref()),
        );
        let namespace = (
            "--metrics-dynamic-serving-ca-secret-namespace",
            given(self.metrics_dynamic_serving_ca_secret_namespace.as_ref()),
        );
        let name = (
            "--metrics-dynamic-serving-ca-secret-name",
            given(self.metrics_dynamic_serving_ca_secret_name.as_ref()),
        );
        let names = List::all(&self.metrics_dynamic_serving_dns_names);
        let names_flag = (NAMES, names.first().map(String::as_str));
        let first = |flags: &[Flag<'_>]| flags.iter().find(|(_, value)| value.is_some()).map(|(flag, _)| *flag);
        let (files, dynamic) = ([certificate, key], [namespace, name, names_flag]);
        match (first(&files), first(&dynamic)) {
            (None, None) => Ok(None),
            (Some(flag), Some(other)) => Err(ArgsError::MetricsTls {
                flag,
                why: format!(
                    "the certificate comes from files, or is signed with a CA ({other}), not both; remove one of them"
                ),
            }),
            (Some(flag), None) => Ok(Some(Source::Files(FilePair {
                certificate: required(flag, certificate)?.into(),
                key: required(flag, key)?.into(),
            }))),
            (None, Some(flag)) => {
                let (namespace, name) = (required(flag, namespace)?, required(flag, name)?);
                required(flag, names_flag)?;
                let leaf_duration = self.metrics_dynamic_serving_leaf_duration;
                Ok(Some(Source::Dynamic(Dynamic {
                    secret: ObjectKey::new(namespace, name),
                    names: alternative_names(&names)?,
                    leaf_duration: if leaf_duration.is_zero() {
                        LEAF_DURATION
                    } else {
                        leaf_duration
                    },
                })))
            }
        }
    }

    fn suites(&self) -> Result<Vec<Suite>, ArgsError> {
        let names = List::all(&self.metrics_tls_cipher_suites);
        let suite = |name: &String| {
            Suite::by_name(name.trim()).ok_or_else(|| {
                let known: Vec<String> = Suite::all().into_iter().map(Suite::name).collect();
                ArgsError::MetricsTls {
                    flag: "--metrics-tls-cipher-suites",
                    why: format!("certlet has no suite {name:?}; it has {}", known.join(", ")),
                }
            })
        };
        names.iter().map(suite).collect()
    }

    fn min_version(&self) -> Result<MinVersion, ArgsError> {
        let refused = |why: String| {
            Err(ArgsError::MetricsTls {
                flag: "--metrics-tls-min-version",
                why,
            })
        };
        match given(self.metrics_tls_min_version.as_ref()) {
            None | Some("VersionTLS12") => Ok(MinVersion::Tls12),
            Some("VersionTLS13") => Ok(MinVersion::Tls13),
            Some(old @ ("VersionTLS10" | "VersionTLS11")) => refused(format!(
                "certlet does not have the versions below TLS 1.2, which {old} would allow (RFC 8996); use VersionTLS12 or VersionTLS13"
            )),
            Some(unknown) => refused(format!("unknown version {unknown:?}; use VersionTLS12 or VersionTLS13")),
        }
    }
}

const NAMES: &str = "--metrics-dynamic-serving-dns-names";

/// A flag and its value.
type Flag<'a> = (&'static str, Option<&'a str>);

/// The value of a flag that `because` of another is needed.
fn required<'a>(because: &'static str, (flag, value): Flag<'a>) -> Result<&'a str, ArgsError> {
    value.ok_or_else(|| ArgsError::MetricsTls {
        flag: because,
        why: format!("{flag} is required, too"),
    })
}

/// The names of a certificate.
fn alternative_names(names: &[String]) -> Result<SubjectAltNames, ArgsError> {
    let refused = |why: String| Err(ArgsError::MetricsTls { flag: NAMES, why });
    if names.len() > MOST_NAMES {
        return refused(format!("a certificate has at most {MOST_NAMES} names here"));
    }
    let mut sans = SubjectAltNames::default();
    for name in names.iter().map(|name| name.trim()) {
        match name.parse::<IpAddr>() {
            Ok(address) => sans.ips.push(address),
            Err(_) if is_dns_name(name) => sans.dns.push(name.to_owned()),
            Err(_) => return refused(format!("{name:?} is not a DNS name or an IP address")),
        }
    }
    Ok(sans)
}

/// Whether a certificate may have this DNS name.
fn is_dns_name(name: &str) -> bool {
    let rest = name.strip_prefix("*.").unwrap_or(name);
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    name.len() <= 253 && rest.split('.').all(is_label)
}

/// The value of a text flag. An empty text counts as not set.
fn given(text: Option<&String>) -> Option<&str> {
    text.map(String::as_str).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        args: MetricsTlsArgs,
    }

    fn options(flags: &[&str]) -> Result<Option<TlsOptions>, String> {
        let line = ["run"]
            .iter()
            .chain(flags)
            .map(|flag| flag.replace("--d-", "--metrics-dynamic-serving-"));
        let line = line.map(|flag| flag.replace("--t-", "--metrics-tls-"));
        Command::try_parse_from(line)
            .unwrap()
            .args
            .options()
            .map_err(|error| error.to_string())
    }

    #[test]
    fn a_certificate_comes_from_files_or_from_a_ca_or_there_is_no_tls() {
        assert_eq!(options(&[]), Ok(None));
        assert_eq!(
            options(&["--t-cert-file=", "--d-dns-names=", "--t-min-version="]),
            Ok(None)
        );
        assert_eq!(
            options(&["--t-min-version=VersionTLS13", "--d-leaf-duration=1h"]),
            Ok(None)
        );
        let files = options(&["--t-cert-file=/tls/tls.crt", "--t-private-key-file=/tls/tls.key"])
            .unwrap()
            .unwrap();
        let Source::Files(pair) = files.source else {
            unreachable!()
        };
        assert_eq!(
            (pair.certificate.to_str(), pair.key.to_str()),
            (Some("/tls/tls.crt"), Some("/tls/tls.key"))
        );
        let dynamic = options(&[
            "--d-ca-secret-namespace=cert-manager",
            "--d-ca-secret-name=metrics",
            "--d-dns-names=metrics,*.cert-manager.svc",
            "--d-dns-names=10.0.0.1",
            "--d-leaf-duration=0s",
            "--t-cipher-suites=TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305,TLS_AES_128_GCM_SHA256",
            "--t-min-version=VersionTLS13",
        ]);
        let TlsOptions {
            source,
            suites,
            min_version,
        } = dynamic.unwrap().unwrap();
        let Source::Dynamic(dynamic) = source else {
            unreachable!()
        };
        assert_eq!(dynamic.secret.to_string(), "cert-manager/metrics");
        assert_eq!(dynamic.names.dns, ["metrics", "*.cert-manager.svc"]);
        assert_eq!(dynamic.names.ips, ["10.0.0.1".parse::<IpAddr>().unwrap()]);
        assert_eq!(dynamic.leaf_duration, LEAF_DURATION);
        assert_eq!((suites.len(), min_version), (2, MinVersion::Tls13));
    }

    #[test]
    fn what_is_incomplete_contradicts_itself_or_is_unknown_is_refused_with_what_to_do() {
        for (flags, sentence) in [
            (
                &["--t-cert-file=/a"][..],
                "--metrics-tls-cert-file: --metrics-tls-private-key-file is required, too",
            ),
            (
                &["--t-private-key-file=/a"],
                "--metrics-tls-private-key-file: --metrics-tls-cert-file is required, too",
            ),
            (
                &["--d-dns-names=a"],
                "--metrics-dynamic-serving-dns-names: --metrics-dynamic-serving-ca-secret-namespace is required",
            ),
            (
                &["--d-ca-secret-name=a", "--d-ca-secret-namespace=a"],
                "--metrics-dynamic-serving-ca-secret-namespace: --metrics-dynamic-serving-dns-names is required",
            ),
            (&["--t-cert-file=/a", "--d-dns-names=a"], "not both; remove one of them"),
            (
                &["--t-min-version=VersionTLS11"],
                "below TLS 1.2, which VersionTLS11 would allow",
            ),
            (
                &["--t-min-version=1.2"],
                "unknown version \"1.2\"; use VersionTLS12 or VersionTLS13",
            ),
            (&["--t-cipher-suites=TLS_RSA_WITH_AES_128_CBC_SHA"], "it has TLS13_"),
            (
                &["--d-ca-secret-name=a", "--d-ca-secret-namespace=a", "--d-dns-names=a b"],
                "\"a b\" is not a DNS name or an IP address",
            ),
        ] {
            let refused = options(flags).unwrap_err();
            assert!(refused.contains(&sentence.replace("TLS13_", "TLS_AES_")), "{refused}");
        }
    }
}
