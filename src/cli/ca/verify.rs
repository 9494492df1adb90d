//! `certlet ca verify`: verifies certificates.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use jiff::Timestamp;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use serde::Serialize;
use webpki::{
    ALL_VERIFICATION_ALGS, EndEntityCert, ExtendedKeyUsageValidator, KeyPurposeIdIter, KeyUsage,
    anchor_from_trusted_cert,
};

use super::{Error, Surroundings, files};
use crate::cli::format::{Format, print};
use crate::cli::inspect::report::names;
use crate::pki::certificate::{CertificateInfo, is_signed_by, public_key};
use crate::pki::tls;
use crate::pki::usage::Usage;
use crate::text::line;

/// Verify certificates
#[derive(Clone, Debug, clap::Args)]
pub(super) struct VerifyArgs {
    /// Files with certificates, each followed by its intermediates
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Trusted CAs
    #[arg(long, value_name = "FILE", default_value = "ca.pem")]
    ca: PathBuf,
    /// Name that the certificates must be valid for; repeatable
    #[arg(long, value_name = "NAME")]
    host: Vec<String>,
    /// Verify as of another time, such as 2030-01-01T00:00:00Z
    #[arg(long, value_name = "TIME")]
    at: Option<Timestamp>,
    /// Output format
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    output: Format,
}

#[derive(Debug, Serialize)]
struct VerifyResult {
    file: String,
    subject: String,
    good: bool,
    findings: Vec<String>,
}

struct Link {
    der: Vec<u8>,
    info: CertificateInfo,
}

pub(super) fn run(args: &VerifyArgs, surroundings: &mut Surroundings<'_>) -> Result<ExitCode, Error> {
    let at = args.at.unwrap_or(surroundings.now);
    let (roots, passed_over) = files::bundle(&args.ca)?;
    let roots = links(&args.ca, roots)?;
    for what in &passed_over {
        surroundings.remark(&format!("warning: {}: {what}", args.ca.display()))?;
    }
    let mut verdicts = Vec::new();
    for file in &args.files {
        let chain = links(file, files::chain(file)?)?;
        let Some((leaf, others)) = chain.split_first() else {
            continue;
        };
        let mut findings = walk(leaf, others, &roots, at);
        findings.extend(args.host.iter().filter_map(|host| not_for(leaf, host)));
        if findings.is_empty() && !leaf.info.is_ca {
            // what the checks above do not explain, such as name constraints, is left to the library that TLS clients use
            findings.extend(webpki_verdict(leaf, others, &roots, at, !args.host.is_empty()));
        }
        if !findings.is_empty() {
            // a block that was skipped may be the cause
            findings.extend(passed_over.iter().map(|what| format!("{}: {what}", args.ca.display())));
        }
        verdicts.push(VerifyResult {
            file: file.display().to_string(),
            subject: leaf.info.subject.to_string(),
            good: findings.is_empty(),
            findings,
        });
    }
    print(surroundings.out, args.output, &verdicts, |verdicts| {
        verdicts.iter().map(VerifyResult::table).collect()
    })?;
    Ok(if verdicts.iter().all(|verdict| verdict.good) {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(crate::cli::NEGATIVE)
    })
}

impl VerifyResult {
    fn table(&self) -> String {
        let word = if self.good { "good" } else { "NOT GOOD" };
        let mut lines = vec![format!("{}  {word}  {}", self.file, self.subject)];
        lines.extend(self.findings.iter().map(|finding| format!("  ! {finding}")));
        let lines: Vec<_> = lines.iter().map(|text| line(text)).collect();
        lines.join("\n") + "\n"
    }
}

fn links(path: &std::path::Path, certificates: Vec<Vec<u8>>) -> Result<Vec<Link>, Error> {
    let in_file = |error: crate::pki::Error| Error::File(format!("{}: {error}", path.display()));
    certificates
        .into_iter()
        .map(|der| {
            Ok(Link {
                info: CertificateInfo::parse(&der).map_err(in_file)?,
                der,
            })
        })
        .collect()
}

/// Verifies the path from the certificate to a trusted CA, every certificate on it included.
fn walk(leaf: &Link, others: &[Link], roots: &[Link], at: Timestamp) -> Vec<String> {
    let mut findings = Vec::new();
    let mut current = leaf;
    // number of CAs between the certificate and its next issuer, for the path length
    for below in 0..=others.len() + roots.len() {
        findings.extend(dates(current, at));
        if roots.iter().any(|root| root.der == current.der) {
            return findings;
        }
        let named = |link: &&Link| link.info.subject == current.info.issuer && link.der != current.der;
        let candidates: Vec<&Link> = roots.iter().chain(others).filter(named).collect();
        let signed = |link: &&&Link| public_key(&link.der).is_some_and(|key| is_signed_by(&current.der, &key));
        let Some(issuer) = candidates.iter().find(signed) else {
            findings.push(no_issuer(current, &candidates));
            return findings;
        };
        findings.extend(not_allowed(issuer, below));
        current = issuer;
    }
    findings.push("the certificates sign each other in a circle".into());
    findings
}

fn no_issuer(link: &Link, candidates: &[&Link]) -> String {
    let (subject, issuer) = (link.info.subject.to_string(), link.info.issuer.to_string());
    if link.info.self_signed {
        format!("{subject:?} is self-signed and is not a trusted CA")
    } else if candidates.is_empty() {
        format!("{subject:?} was issued by {issuer:?}, which is neither trusted nor among the certificates in the file")
    } else {
        format!("the CA {issuer:?} did not sign {subject:?}: it has the right name, but another key")
    }
}

fn dates(link: &Link, at: Timestamp) -> Option<String> {
    let CertificateInfo {
        subject,
        not_before,
        not_after,
        ..
    } = &link.info;
    let subject = subject.to_string();
    if at > *not_after {
        return Some(format!("{subject:?} expired on {not_after}"));
    }
    (at < *not_before).then(|| format!("{subject:?} is not valid before {not_before}"))
}

fn not_allowed(issuer: &Link, below: usize) -> Option<String> {
    let CertificateInfo {
        subject,
        is_ca,
        path_len,
        usages,
        ..
    } = &issuer.info;
    let subject = subject.to_string();
    if !is_ca {
        return Some(format!("{subject:?} is not a CA and must not sign certificates"));
    }
    if usages.as_ref().is_some_and(|usages| !usages.contains(Usage::CertSign)) {
        return Some(format!(
            "the key usage of {subject:?} does not allow it to sign certificates"
        ));
    }
    let allowed = path_len.filter(|allowed| below > *allowed as usize)?;
    Some(format!(
        "{subject:?} allows {allowed} CAs below it, but there are {below}"
    ))
}

fn not_for(leaf: &Link, host: &str) -> Option<String> {
    let Ok(name) = ServerName::try_from(host.to_owned()) else {
        return Some(format!("{host:?} is neither a host name nor an IP address"));
    };
    let der = CertificateDer::from(leaf.der.as_slice());
    let good = EndEntityCert::try_from(&der).is_ok_and(|leaf| leaf.verify_is_valid_for_subject_name(&name).is_ok());
    let names = names(&leaf.info.sans);
    if good {
        None
    } else if names.is_empty() {
        Some(format!(
            "it is not for {host}: it has no subject alternative names, and clients ignore the common name"
        ))
    } else {
        Some(format!("it is not for {host}, only for {}", names.join(", ")))
    }
}

/// Verifies as a TLS client does, with a host; without a host, for any purpose.
struct Purpose {
    is_server: bool,
}

impl ExtendedKeyUsageValidator for Purpose {
    fn validate(&self, purposes: KeyPurposeIdIter<'_, '_>) -> Result<(), webpki::Error> {
        if self.is_server {
            return KeyUsage::server_auth().validate(purposes);
        }
        Ok(())
    }
}

fn webpki_verdict(leaf: &Link, others: &[Link], roots: &[Link], at: Timestamp, is_server: bool) -> Option<String> {
    let usage = Purpose { is_server };
    let roots: Vec<CertificateDer<'_>> = roots
        .iter()
        .map(|root| CertificateDer::from(root.der.as_slice()))
        .collect();
    let anchors: Vec<_> = roots
        .iter()
        .filter_map(|root| anchor_from_trusted_cert(root).ok())
        .collect();
    let intermediates: Vec<CertificateDer<'_>> = others
        .iter()
        .map(|link| CertificateDer::from(link.der.as_slice()))
        .collect();
    let der = CertificateDer::from(leaf.der.as_slice());
    let at = UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(at.as_second()).unwrap_or_default()));
    let verified = EndEntityCert::try_from(&der).and_then(|leaf| {
        leaf.verify_for_usage(ALL_VERIFICATION_ALGS, &anchors, &intermediates, at, usage, None, None)
            .map(|_| ())
    });
    verified
        .err()
        .map(|error| format!("TLS clients reject it: {}", tls::certificate_error(&error)))
}
