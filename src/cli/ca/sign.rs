//! `certlet ca sign`: signs a certificate signing request.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::authority::{AuthorityArgs, issue};
use super::deliver::{DeliverArgs, FileArgs, Product};
use super::profile::ProfileArgs;
use super::subject::NameArgs;
use super::{Error, Surroundings, files};
use crate::pki::csr::CsrInfo;
use crate::pki::key::KeyAlgorithm;

/// Sign a certificate signing request
#[derive(Clone, Debug, clap::Args)]
pub(super) struct SignArgs {
    /// Certificate signing request, PEM or DER; - reads standard input
    #[arg(value_name = "CSR")]
    csr: PathBuf,
    /// Names for the certificate, instead of those in the request
    #[command(flatten)]
    names: NameArgs,
    #[command(flatten)]
    profile: ProfileArgs,
    #[command(flatten)]
    authority: AuthorityArgs,
    #[command(flatten)]
    file: FileArgs,
}

pub(super) fn run(args: &SignArgs, surroundings: &mut Surroundings<'_>) -> Result<ExitCode, Error> {
    let in_file = |error: crate::pki::Error| Error::File(format!("{}: {error}", args.csr.display()));
    let mut request = CsrInfo::of_file(&files::read(&args.csr)?).map_err(in_file)?;
    if !args.names.is_empty() {
        request.sans = args.names.sans()?;
    }
    let spec = request.key_spec();
    if spec.algorithm == KeyAlgorithm::Rsa && spec.size < 2048 {
        return Err(Error::Usage(format!(
            "the key of the request is too weak ({spec}): use an RSA key with at least 2048 bits, or an ECDSA key"
        )));
    }
    let profile = args.profile.resolve()?;
    for remark in &profile.remarks {
        surroundings.remark(&format!("warning: {remark}"))?;
    }
    if let Some(asked) = request
        .usages
        .as_ref()
        .filter(|asked| **asked != profile.extras().usages)
    {
        let usages: Vec<String> = asked.usages().iter().map(ToString::to_string).collect();
        surroundings.remark(&format!(
            "the usages {} of the request are ignored; those of the profile are used",
            usages.join(", ")
        ))?;
    }
    profile.fit(&mut request.sans);
    profile.allows(&request)?;
    if !profile.extras().is_ca {
        request.name_constraints = None;
    }
    let default = match args.csr.file_stem() {
        Some(stem) if stem != "-" => args.csr.with_file_name(stem),
        _ => Path::new("certificate").to_owned(),
    };
    let deliver = DeliverArgs::from(args.file.clone());
    let places = deliver.places(&default, false)?;
    let issuer = args.authority.open(surroundings)?;
    let validity = profile.validity(surroundings.now)?;
    let certificate = issue(&issuer, &request, validity, profile.extras(), surroundings)?;
    deliver.deliver(&places, &Product { certificate, key: None }, None, surroundings)
}
