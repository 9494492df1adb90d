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
    let reports = reports(&read_file(&args.file)?, surroundings.now).map_err(|error| in_file(&error))?;
    if reports.is_empty() {
        return Err(in_file(&"there is no certificate, signing request or key in it"));
    }
    print(surroundings.out, args.output, &reports, |reports| {
        reports.iter().map(Report::table).collect::<Vec<_>>().join("\n")
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Everything that is known in a text, in its order.
pub(super) fn reports(content: &[u8], now: Timestamp) -> Result<Vec<Report>, crate::pki::Error> {
    // A SEQUENCE that is no text is DER.
    if content.first() == Some(&0x30) {
        return Ok(vec![match CertificateInfo::parse(content) {
            Ok(info) => Report::Certificate(CertificateReport::new(&info, now)),
            Err(_) => Report::CertificateRequest(RequestReport::new(&CsrInfo::of_file(content)?, None)),
        }]);
    }
    let mut reports = Vec::new();
    for block in pem::parse(content)? {
        let der = block.der.expose();
        reports.push(match block.label.as_str() {
            "CERTIFICATE" => Report::Certificate(CertificateReport::new(&CertificateInfo::parse(der)?, now)),
            label if label.ends_with("CERTIFICATE REQUEST") => {
                // what is signed is the only request of a text, so that nobody takes one for another
                let refused = CsrInfo::of_file(content).err();
                Report::CertificateRequest(RequestReport::new(&CsrInfo::from_der(der)?, refused.as_ref()))
            }
            label if label.ends_with("PRIVATE KEY") => {
                let text = crate::pki::hidden::Hidden::new(pem::encode(label, der));
                let (key, encoding) = PrivateKey::from_pem(text.expose())?;
                Report::PrivateKey(KeyReport::new(&key, encoding))
            }
            _ => continue,
        });
    }
    Ok(reports)
}
