//! `certlet ca init`: creates a CA.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::authority::{AuthorityArgs, issue};
use super::deliver::{DeliverArgs, Product};
use super::profile::{BACKDATE, days_long, validity};
use super::subject::{KeyArgs, SubjectArgs};
use super::{Error, Surroundings, cfssl};
use crate::pki::chain::to_pem;
use crate::pki::csr::{CsrInfo, CsrTemplate};
use crate::pki::key::PrivateKey;
use crate::pki::sign::{Extras, random_serial, self_sign};
use crate::pki::usage::Usage;

/// Create a root CA, or an intermediate CA with --parent
#[derive(Clone, Debug, clap::Args)]
pub(super) struct InitArgs {
    /// Description of the CA: cfssl's ca-csr.json, or the same in YAML. Flags take precedence
    #[arg(value_name = "FILE")]
    csr: Option<PathBuf>,
    #[command(flatten)]
    subject: SubjectArgs,
    #[command(flatten)]
    key: KeyArgs,
    /// Validity in days [default: that of FILE, or 1825]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=36_500))]
    days: Option<u32>,
    /// Maximum number of CAs between this CA and a certificate; 0 for none
    #[arg(long, value_name = "N")]
    path_length: Option<u32>,
    /// Certificate of the parent CA: create an intermediate instead of a root
    #[arg(long, value_name = "FILE")]
    parent: Option<PathBuf>,
    /// Key of the parent CA [default: the certificate's file with -key before its extension]
    #[arg(long, value_name = "FILE", requires = "parent")]
    parent_key: Option<PathBuf>,
    #[command(flatten)]
    deliver: DeliverArgs,
}

pub(super) fn run(args: &InitArgs, surroundings: &mut Surroundings<'_>) -> Result<ExitCode, Error> {
    let file: Option<cfssl::Csr> = args.csr.as_deref().map(cfssl::read).transpose()?;
    for remark in file.iter().flat_map(cfssl::Csr::remarks) {
        surroundings.remark(&format!("warning: {remark}"))?;
    }
    let subject = args.subject.resolve(file.as_ref(), None)?;
    if subject.is_empty() {
        return Err(Error::Usage(
            "a CA needs a name: use --name 'Example CA', or CN in the file".into(),
        ));
    }
    let places = args.deliver.places(Path::new("ca"), true)?;
    let expiry = file.as_ref().map(cfssl::Csr::ca_expiry).transpose()?.flatten();
    let lifetime = args.days.map(days_long).or(expiry).unwrap_or(cfssl::CA_EXPIRY);
    let backdate = file.as_ref().map(cfssl::Csr::ca_backdate).transpose()?.flatten();
    let validity = validity(surroundings.now, backdate.unwrap_or(BACKDATE), lifetime)?;
    let key = PrivateKey::generate(args.key.spec(file.as_ref())?)?;
    let template = CsrTemplate {
        subject,
        ..CsrTemplate::default()
    };
    let request = CsrInfo::from_template(&template, key.public_key())?;
    let extras = Extras {
        usages: [Usage::CertSign, Usage::CrlSign].into_iter().collect(),
        is_ca: true,
        max_path_len: args
            .path_length
            .or_else(|| file.as_ref().and_then(cfssl::Csr::ca_path_len)),
        ..Extras::default()
    };
    let certificate = match &args.parent {
        None => to_pem(&[self_sign(&request, &key, validity, random_serial()?, &extras)?]),
        Some(parent) => {
            let parent = AuthorityArgs {
                ca: parent.clone(),
                ca_key: args.parent_key.clone(),
            };
            issue(&parent.open(surroundings)?, &request, validity, &extras, surroundings)?
        }
    };
    let product = Product {
        certificate,
        key: Some(key.to_pem(args.key.encoding())?),
    };
    args.deliver.deliver(&places, &product, None, surroundings)
}
