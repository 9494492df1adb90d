//! `certlet ca show` and `certlet inspect cert`: show the content of a file.

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

/// Show the certificates, signing requests and keys in a file
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct ShowArgs {
    /// File with certificates, signing requests or keys, PEM or DER; - reads standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Output format
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
        return Err(in_file(&"it contains no certificate, signing request or key"));
    }
    print(surroundings.out, args.output, &reports, |reports| {
        reports.iter().map(Report::table).collect::<Vec<_>>().join("\n")
    })?;
    Ok(if passed_over.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(crate::cli::NEGATIVE)
    })
}

/// The content of a text.
#[derive(Default)]
pub(super) struct Contents {
    /// The items that can be shown, in order.
    pub(super) reports: Vec<Report>,
    /// Why the other blocks cannot be shown, as sentences.
    pub(super) passed_over: Vec<String>,
}

/// Parses a text.
pub(super) fn contents(content: &[u8], now: Timestamp) -> Result<Contents, crate::pki::Error> {
    // a DER SEQUENCE that is not valid text
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
                // a signer accepts only a text with a single request; a second one is reported, so that it is not mistaken for
                // the first
                let refused = CsrInfo::of_file(content).err();
                Report::CertificateRequest(RequestReport::new(&CsrInfo::from_der(der)?, refused.as_ref()))
            }
            label if label.ends_with("PRIVATE KEY") && !block.is_encrypted => {
                let text = crate::pki::hidden::Hidden::new(pem::encode(label, der));
                let (key, encoding) = PrivateKey::from_pem(text.expose())?;
                Report::PrivateKey(KeyReport::new(&key, encoding))
            }
            // openssl writes these parameters before a key; they identify nothing
            "EC PARAMETERS" | "DH PARAMETERS" => continue,
            label => {
                let kind = if block.is_encrypted { "an encrypted" } else { "a" };
                passed_over.push(format!(
                    "the PEM block in line {} is {kind} {label:?}, which is not supported",
                    block.line
                ));
                continue;
            }
        });
    }
    Ok(Contents { reports, passed_over })
}
