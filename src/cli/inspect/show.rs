//! `certlet ca show` and `certlet inspect cert`.

use std::path::PathBuf;
use std::process::ExitCode;

use jiff::Timestamp;

use super::report::{CertificateReport, KeyReport, Report, RequestReport};
use crate::cli::ca::{Error, Surroundings, read_file};
use crate::cli::format::{Format, print};
use crate::pki::certificate::CertificateInfo;
use crate::pki::csr::CsrInfo;
use crate::pki::key::PrivateKey;
use crate::pki::pem;

/// Shows what is in a file.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct ShowArgs {
    /// Certificates, signing requests or keys, PEM or DER; - is the standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// How to print: table, json or yaml
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    output: Format,
}

pub(crate) fn run(args: &ShowArgs, surroundings: &mut Surroundings<'_>) -> Result<ExitCode, Error> {
    let in_file = |error: &dyn std::fmt::Display| Error::File(format!("{}: {error}", args.file.display()));
    let Contents { reports, passed_over } =
        contents(&read_file(&args.file)?, surroundings.now).map_err(|error| in_file(&error))?;
    for what in &passed_over {
        surroundings.remark(&format!("warning: {}: {what}", args.file.display()))?;
    }
    if reports.is_empty() {
        return Err(in_file(&"there is no certificate, signing request or key in it"));
    }
    print(surroundings.out, args.output, &reports, |reports| {
        reports.iter().map(Report::table).collect::<Vec<_>>().join("\n")
    })?;
    Ok(if passed_over.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// What a text holds.
#[derive(Default)]
pub(super) struct Contents {
    /// Everything that is known, in its order.
    pub(super) reports: Vec<Report>,
    /// What is not, as sentences.
    pub(super) passed_over: Vec<String>,
}

/// Reads a text.
pub(super) fn contents(content: &[u8], now: Timestamp) -> Result<Contents, crate::pki::Error> {
    // A SEQUENCE that is no text is DER.
    if content.first() == Some(&0x30) {
        let report = match CertificateInfo::parse(content) {
            Ok(info) => Report::Certificate(CertificateReport::new(&info, now)),
            Err(_) => Report::CertificateRequest(RequestReport::new(&CsrInfo::of_file(content)?, None)),
        };
        return Ok(Contents {
            reports: vec![report],
            passed_over: Vec::new(),
        });
    }
    let mut reports = Vec::new();
    let scan = pem::scan(content)?;
    let mut passed_over: Vec<String> = scan.skipped.iter().map(ToString::to_string).collect();
    for block in scan.blocks {
        let der = block.der.expose();
        reports.push(match block.label.as_str() {
            "CERTIFICATE" => Report::Certificate(CertificateReport::new(&CertificateInfo::parse(der)?, now)),
            label if label.ends_with("CERTIFICATE REQUEST") => {
                // what is signed is the only request of a text, so that nobody takes one for another
                let refused = CsrInfo::of_file(content).err();
                Report::CertificateRequest(RequestReport::new(&CsrInfo::from_der(der)?, refused.as_ref()))
            }
            label if label.ends_with("PRIVATE KEY") && !block.is_encrypted => {
                let text = crate::pki::hidden::Hidden::new(pem::encode(label, der));
                let (key, encoding) = PrivateKey::from_pem(text.expose())?;
                Report::PrivateKey(KeyReport::new(&key, encoding))
            }
            // what openssl writes before a key, and what says nothing about anybody
            "EC PARAMETERS" | "DH PARAMETERS" => continue,
            label => {
                let kind = if block.is_encrypted { "an encrypted" } else { "a" };
                passed_over.push(format!(
                    "the PEM block in line {} is {kind} {label:?}, which cannot be shown",
                    block.line
                ));
                continue;
            }
        });
    }
    Ok(Contents { reports, passed_over })
}
