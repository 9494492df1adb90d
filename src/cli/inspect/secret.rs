//! `certlet inspect secret`: shows a Secret, and checks its key pair, whether it is revoked, and the rules of its Certificate.

use std::process::ExitCode;

use clap_complete::engine::ArgValueCandidates;
use serde::Serialize;

use super::report::Report;
use super::revocation::{self, Revocation};
use super::show;
use super::verdict::{self, CertificateVerdict};
use crate::cli::ca::{Error, Surroundings};
use crate::cli::format::{Format, print, rows};
use crate::cli::secret::StoredSecret;
use crate::cli::target::{Target, run_to_end};
use crate::cli::{NEGATIVE, complete};
use crate::net::Network;
use crate::pki::chain::{SizeLimits, parse_certificates};
use crate::pki::summary::{PairSummary, Part};
use crate::text::line;

/// Show a Secret, whether its key pair is good and not revoked, and whether its Certificate asks for another one
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Exit status:
  0  nothing was found
  3  something was found: the lines that begin with !
  1  an error
  2  invalid arguments

Examples:
  certlet inspect secret web-tls -n shop
  certlet inspect secret web-tls --revocation=false -o json")]
pub(super) struct SecretArgs {
    /// Name of the Secret
    #[arg(add = ArgValueCandidates::new(complete::secrets))]
    name: String,
    /// Ask the OCSP responders and fetch the revocation lists that the certificate names
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value_t = true, default_missing_value = "true", action = clap::ArgAction::Set)]
    revocation: bool,
    /// Networks in which responders and lists are contacted although their addresses are of this machine, link-local or of a cloud's metadata
    #[arg(long, value_name = "CIDRS", value_delimiter = ',')]
    allow_outgoing_networks: Vec<Network>,
    /// Output format
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
    #[serde(skip_serializing_if = "Vec::is_empty")]
    certificates: Vec<CertificateVerdict>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    revocation: Vec<Revocation>,
    findings: Vec<String>,
    contents: Vec<Report>,
}

pub(super) fn run(args: &SecretArgs, surroundings: &mut Surroundings<'_>) -> Result<ExitCode, Error> {
    let secret = surroundings
        .cluster
        .read_secret(&args.target, &args.name)
        .map_err(Error::Cluster)?;
    let now = surroundings.now;
    let (chain, authorities) = (certificates(&secret, "tls.crt"), certificates(&secret, "ca.crt"));
    let mut report = SecretReport::new(secret, now);
    match surroundings.cluster.certificates_of(&args.target, &args.name) {
        Ok(observed) => report.judge(verdict::of_all(now, &observed)),
        // without this permission, the rest is shown nevertheless
        Err(why) => surroundings.remark(&format!("the Certificate of the Secret was not read: {why}"))?,
    }
    if args.revocation {
        let answers =
            run_to_end(async { Ok(revocation::check(now, &chain, &authorities, &args.allow_outgoing_networks).await) });
        report.add_revocation(answers.map_err(Error::Usage)?);
    }
    let is_good = report.findings.is_empty();
    print(surroundings.out, args.output, &report, SecretReport::table)?;
    Ok(if is_good {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(NEGATIVE)
    })
}

/// The certificates under a key, in DER. Those that cannot be read are findings elsewhere.
fn certificates(secret: &StoredSecret, key: &str) -> Vec<Vec<u8>> {
    let text = secret.data.get(key).map(|value| value.expose().as_slice());
    let text = text.unwrap_or_default();
    parse_certificates(text, text.len()).unwrap_or_default()
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
            certificates: Vec::new(),
            revocation: Vec::new(),
            findings,
            contents,
        }
    }

    /// Adds what the rules of the Certificates ask for. A new certificate is a finding.
    fn judge(&mut self, certificates: Vec<CertificateVerdict>) {
        let due = certificates
            .iter()
            .filter(|one| one.is_due())
            .map(CertificateVerdict::text);
        self.findings.extend(due);
        self.certificates = certificates;
    }

    /// Adds the answers of responders and lists.
    fn add_revocation(&mut self, answers: Vec<Revocation>) {
        let revoked = answers.iter().filter(|one| one.is_revoked());
        let findings = revoked.map(|one| format!("the certificate is revoked, says {}: {}", one.method, one.message));
        self.findings.extend(findings);
        self.revocation = answers;
    }

    fn table(&self) -> String {
        let mut lines = vec![
            ("SECRET", self.secret.clone()),
            ("Type", self.kind.clone()),
            ("Data", self.keys.join(", ")),
            ("Certificate", self.certificate_name.clone()),
            ("Issuer", self.issuer.clone()),
        ];
        let kept = self.certificates.iter().filter(|one| !one.is_due());
        lines.extend(kept.map(|one| ("Verdict", one.text())));
        lines.extend(self.revocation.iter().map(|one| (one.method, one.text())));
        let head = rows(&lines);
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
