//! `certlet inspect secret`: shows a Secret and checks that its key and certificate match.

use std::process::ExitCode;

use serde::Serialize;

use super::report::Report;
use super::show;
use crate::cli::ca::{Error, Surroundings};
use crate::cli::format::{Format, print, rows};
use crate::cli::secret::StoredSecret;
use crate::cli::target::Target;
use crate::pki::chain::SizeLimits;
use crate::pki::summary::{PairSummary, Part};
use crate::text::line;

/// Show a Secret and whether its key and certificate match
#[derive(Clone, Debug, clap::Args)]
pub(super) struct SecretArgs {
    /// Name of the Secret
    name: String,
    /// Output format: table, json or yaml
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    output: Format,
    #[command(flatten)]
    target: Target,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SecretReport {
    secret: String,
    #[serde(rename = "type")]
    kind: String,
    keys: Vec<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    certificate_name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    issuer: String,
    findings: Vec<String>,
    contents: Vec<Report>,
}

pub(super) fn run(args: &SecretArgs, surroundings: &mut Surroundings<'_>) -> Result<ExitCode, Error> {
    let secret = surroundings
        .cluster
        .read_secret(&args.target, &args.name)
        .map_err(Error::Cluster)?;
    let report = SecretReport::new(secret, surroundings.now);
    let is_good = report.findings.is_empty();
    print(surroundings.out, args.output, &report, SecretReport::table)?;
    Ok(if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl SecretReport {
    fn new(secret: StoredSecret, now: jiff::Timestamp) -> Self {
        let StoredSecret {
            place,
            kind,
            annotations,
            data,
        } = secret;
        let annotation = |key: &str| {
            annotations
                .get(&format!("cert-manager.io/{key}"))
                .cloned()
                .unwrap_or_default()
        };
        let bytes = |key: &str| data.get(key).map(|value| value.expose().as_slice());
        let summary = PairSummary::new(
            bytes("tls.key"),
            bytes("tls.crt"),
            bytes("ca.crt"),
            &SizeLimits::default(),
        );
        let mut findings = findings(&summary, now);
        let mut contents = Vec::new();
        for key in ["tls.crt", "ca.crt", "tls.key"] {
            match show::contents(bytes(key).unwrap_or_default(), now) {
                Ok(parsed) => {
                    contents.extend(parsed.reports);
                    findings.extend(parsed.passed_over.into_iter().map(|what| format!("{key}: {what}")));
                }
                // findings for the key pair are listed already
                Err(error) if key == "ca.crt" => findings.push(format!("{key} cannot be used: {error}")),
                Err(_) => {}
            }
        }
        let issuer = [annotation("issuer-kind"), annotation("issuer-name")].join("/");
        Self {
            secret: place,
            kind,
            keys: data.keys().cloned().collect(),
            certificate_name: annotation("certificate-name"),
            issuer: issuer.trim_matches('/').to_owned(),
            findings,
            contents,
        }
    }

    fn table(&self) -> String {
        let head = rows(&[
            ("SECRET", self.secret.clone()),
            ("Type", self.kind.clone()),
            ("Data", self.keys.join(", ")),
            ("Certificate", self.certificate_name.clone()),
            ("Issuer", self.issuer.clone()),
        ]);
        let findings = self.findings.iter().map(|finding| format!("! {}\n", line(finding)));
        let contents = self.contents.iter().map(|report| format!("\n{}", report.table()));
        std::iter::once(head).chain(findings).chain(contents).collect()
    }
}

/// What is wrong with the key pair, as sentences.
fn findings(summary: &PairSummary, now: jiff::Timestamp) -> Vec<String> {
    let mut findings = Vec::new();
    for (key, problem) in [
        ("tls.key", problem(&summary.key)),
        ("tls.crt", problem(&summary.certificate)),
    ] {
        findings.extend(problem.map(|problem| format!("{key} {problem}")));
    }
    if summary.matches() == Some(false) {
        findings.push("tls.key is not the key of the certificate in tls.crt".into());
    }
    if let Some(info) = summary.certificate.valid().filter(|info| info.not_after < now) {
        findings.push(format!("the certificate expired on {}", info.not_after));
    }
    findings
}

fn problem<T>(part: &Part<T>) -> Option<String> {
    match part {
        Part::Missing => Some("is missing".into()),
        Part::Invalid(why) => Some(format!("cannot be used: {why}")),
        Part::Valid(_) => None,
    }
}
