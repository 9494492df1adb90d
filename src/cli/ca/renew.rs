//! `certlet ca renew`: issues a certificate again.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::authority::{AuthorityArgs, issue, key_beside};
use super::deliver::{DeliverArgs, Product};
use super::profile::{BACKDATE, days_long, endless, validity};
use super::{Error, Surroundings, files};
use crate::pki::certificate::{CertificateInfo, CertificateUrls, urls};
use crate::pki::chain::to_pem;
use crate::pki::csr::CsrInfo;
use crate::pki::hidden::Hidden;
use crate::pki::key::{KeyEncoding, PrivateKey};
use crate::pki::sign::{Extras, random_serial, self_sign};

/// Issue a certificate again
#[derive(Clone, Debug, clap::Args)]
pub(super) struct RenewArgs {
    /// The certificate
    #[arg(value_name = "FILE")]
    certificate: PathBuf,
    /// Key of the certificate [default: the certificate's file with -key before its extension, or .key for .crt]
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Generate a new key of the same type. Not possible for a CA, because its certificates would lose their issuer
    #[arg(long)]
    new_key: bool,
    /// Validity in days [default: that of the old certificate]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=36_500))]
    days: Option<u32>,
    #[command(flatten)]
    authority: AuthorityArgs,
    #[command(flatten)]
    deliver: DeliverArgs,
}

pub(super) fn run(args: &RenewArgs, surroundings: &mut Surroundings<'_>) -> Result<ExitCode, Error> {
    let in_file = |error: crate::pki::Error| Error::File(format!("{}: {error}", args.certificate.display()));
    let bundle = files::chain(&args.certificate)?;
    let der = bundle.first().map(Vec::as_slice).unwrap_or_default();
    let info = CertificateInfo::parse(der).map_err(in_file)?;
    let mut request = CsrInfo::from_certificate(der).map_err(in_file)?;
    if args.new_key && info.is_ca {
        return Err(Error::Usage(
            "a CA with a new key is another CA, and all its certificates would lose their issuer. Create a new CA with \"certlet ca init\"".into(),
        ));
    }
    let key_path = args.key.clone().unwrap_or_else(|| key_beside(&args.certificate));
    let places = args.deliver.places_of(&args.certificate, &key_path, args.new_key)?;
    let (key, encoding) = key(args, &key_path, &info)?;
    if key.hash() != info.key_hash && !args.new_key {
        return Err(Error::File(format!(
            "{} is not the key of {}",
            key_path.display(),
            args.certificate.display()
        )));
    }
    request.public_key = key.public_key();
    let validity = match args.days {
        None if info.is_endless() => endless(surroundings.now, BACKDATE)?,
        None => validity(
            surroundings.now,
            BACKDATE,
            info.not_after.duration_since(info.not_before),
        )?,
        Some(days) => validity(surroundings.now, BACKDATE, days_long(days))?,
    };
    let extras = extras(der, &info, args.new_key);
    let certificate = if info.self_signed {
        to_pem(&[self_sign(&request, &key, validity, random_serial()?, &extras)?])
    } else {
        issue(
            &args.authority.open(surroundings)?,
            &request,
            validity,
            &extras,
            surroundings,
        )?
    };
    let key = key.to_pem(encoding)?;
    let (made, known): (Option<Hidden<Vec<u8>>>, _) = if args.new_key {
        (Some(key), None)
    } else {
        (None, Some(key))
    };
    args.deliver.deliver(
        &places,
        &Product { certificate, key: made },
        known.as_ref(),
        surroundings,
    )
}

fn key(args: &RenewArgs, path: &Path, info: &CertificateInfo) -> Result<(PrivateKey, KeyEncoding), Error> {
    let spec = info.key_spec.filter(|_| args.new_key);
    match spec {
        Some(spec) => Ok((PrivateKey::generate(spec)?, KeyEncoding::Pkcs1)),
        None => PrivateKey::from_pem(&files::read(path)?)
            .map_err(|error| Error::File(format!("{}: {error}", path.display()))),
    }
}

/// The extensions of the old certificate, except names, key and dates.
fn extras(der: &[u8], info: &CertificateInfo, new_key: bool) -> Extras {
    let CertificateUrls {
        crl_distribution_points,
        ocsp_servers,
        issuing_certificate_urls,
    } = urls(der);
    Extras {
        usages: info.usages.clone().unwrap_or_default(),
        is_ca: info.is_ca,
        max_path_len: info.path_len,
        subject_key_id: info.subject_key_id.clone().filter(|_| !new_key),
        crl_distribution_points,
        ocsp_servers,
        issuing_certificate_urls,
    }
}
