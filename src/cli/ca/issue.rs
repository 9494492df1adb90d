//! `certlet ca issue`: generates a key and issues a certificate.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::authority::{AuthorityArgs, issue};
use super::deliver::{DeliverArgs, Product};
use super::profile::ProfileArgs;
use super::subject::{KeyArgs, NameArgs, SubjectArgs, names};
use super::{Error, Surroundings, cfssl};
use crate::pki::chain::to_pem;
use crate::pki::csr::{CsrInfo, CsrTemplate};
use crate::pki::key::PrivateKey;
use crate::pki::name::Name;
use crate::pki::sign::{random_serial, self_sign};

/// Generate a key and issue a certificate for it
#[derive(Clone, Debug, clap::Args)]
pub(super) struct IssueArgs {
    /// Description of the certificate: cfssl's server-csr.json, or the same in YAML. Flags take precedence
    #[arg(value_name = "FILE")]
    csr: Option<PathBuf>,
    #[command(flatten)]
    names: NameArgs,
    #[command(flatten)]
    subject: SubjectArgs,
    #[command(flatten)]
    key: KeyArgs,
    #[command(flatten)]
    profile: ProfileArgs,
    #[command(flatten)]
    authority: AuthorityArgs,
    /// Create a self-signed certificate, without a CA
    #[arg(long, conflicts_with_all = ["ca", "ca_key"])]
    self_signed: bool,
    #[command(flatten)]
    deliver: DeliverArgs,
}

pub(super) fn run(args: &IssueArgs, surroundings: &mut Surroundings<'_>) -> Result<ExitCode, Error> {
    let file: Option<cfssl::Csr> = args.csr.as_deref().map(cfssl::read).transpose()?;
    for remark in file.iter().flat_map(cfssl::Csr::remarks) {
        surroundings.remark(&format!("warning: {remark}"))?;
    }
    let hosts = file.as_ref().map(cfssl::Csr::hosts).unwrap_or_default();
    let (sans, first) = if args.names.is_empty() {
        (names(&hosts)?, hosts.first().map(String::as_str))
    } else {
        (args.names.sans()?, args.names.first())
    };
    let subject = args
        .subject
        .resolve(file.as_ref(), first.filter(|host| host.len() <= 64))?;
    let template = CsrTemplate {
        subject,
        sans,
        ..CsrTemplate::default()
    };
    if template.subject.is_empty() && template.sans.is_empty() {
        return Err(Error::Usage(
            "the certificate has no names: add hosts with --host, or the name of a person or service with --name"
                .into(),
        ));
    }
    let profile = args.profile.resolve()?;
    for remark in &profile.remarks {
        surroundings.remark(&format!("warning: {remark}"))?;
    }
    let places = args
        .deliver
        .places(&prefix(args.csr.as_deref(), first, &template.subject), true)?;
    let validity = profile.validity(surroundings.now)?;
    let issuer = if args.self_signed {
        None
    } else {
        Some(args.authority.open(surroundings)?)
    };
    let key = PrivateKey::generate(args.key.spec(file.as_ref())?)?;
    let mut request = CsrInfo::from_template(&template, key.public_key())?;
    profile.fit(&mut request.sans);
    profile.allows(&request)?;
    let certificate = match &issuer {
        Some(issuer) => issue(issuer, &request, validity, profile.extras(), surroundings)?,
        None => to_pem(&[self_sign(&request, &key, validity, random_serial()?, profile.extras())?]),
    };
    let product = Product {
        certificate,
        key: Some(key.to_pem(args.key.encoding())?),
    };
    args.deliver.deliver(&places, &product, None, surroundings)
}

/// The default prefix of the files: `a.example` for `a.example-csr.json`, else the first host or the common name.
fn prefix(csr: Option<&Path>, first: Option<&str>, subject: &Name) -> PathBuf {
    let of_file = csr
        .and_then(Path::file_stem)
        .and_then(|stem| stem.to_str())
        .filter(|stem| *stem != "-");
    let name = match of_file {
        Some(stem) => stem.strip_suffix("-csr").unwrap_or(stem).to_owned(),
        None => first
            .map(str::to_owned)
            .or_else(|| subject.common_name())
            .unwrap_or_default(),
    };
    let plain = |c: char| {
        if c.is_alphanumeric() || ".-_@".contains(c) {
            c
        } else {
            '_'
        }
    };
    let name: String = name.replace('*', "wildcard").chars().map(plain).collect();
    let name = name.trim_start_matches(['.', '-']);
    PathBuf::from(if name.is_empty() { "certificate" } else { name })
}
