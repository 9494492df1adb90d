//! The CA that signs: its certificate and key in files.

use std::path::PathBuf;

use super::{Error, Surroundings, files};
use crate::pki::certificate::CertificateInfo;
use crate::pki::chain;
use crate::pki::csr::CsrInfo;
use crate::pki::key::PrivateKey;
use crate::pki::sign::{Extras, Issuer, Validity, random_serial, sign};
use crate::pki::usage::Usage;

/// Flags that name the CA.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct AuthorityArgs {
    /// Certificate of the CA, followed by the certificates above it, if any
    #[arg(long, value_name = "FILE", default_value = "ca.pem")]
    pub(super) ca: PathBuf,
    /// Key of the CA [default: the certificate's file with -key before its extension]
    #[arg(long, value_name = "FILE")]
    pub(super) ca_key: Option<PathBuf>,
}

impl AuthorityArgs {
    /// Reads certificate and key, and verifies that they can sign.
    pub(super) fn open(&self, surroundings: &Surroundings<'_>) -> Result<Issuer, Error> {
        let chain = files::chain(&self.ca)?;
        let key_path = self.ca_key.clone().unwrap_or_else(|| key_beside(&self.ca));
        let in_file =
            |path: &PathBuf, error: &dyn std::fmt::Display| Error::File(format!("{}: {error}", path.display()));
        let first = chain.first().map(Vec::as_slice).unwrap_or_default();
        let info = CertificateInfo::parse(first).map_err(|error| in_file(&self.ca, &error))?;
        let (key, _) = PrivateKey::from_pem(&files::read(&key_path)?).map_err(|error| in_file(&key_path, &error))?;
        let subject = info.subject.to_string();
        let problem = if !info.is_ca {
            format!("{subject:?} is not a CA: its basic constraints do not contain CA:TRUE")
        } else if info.key_hash != key.hash() {
            format!("{} is not the key of {subject:?}", key_path.display())
        } else if info
            .usages
            .as_ref()
            .is_some_and(|usages| !usages.contains(Usage::CertSign))
        {
            format!("the key usage of {subject:?} does not allow it to sign certificates")
        } else if info.not_after < surroundings.now {
            format!(
                "the CA {subject:?} expired on {}; renew it with \"certlet ca renew {}\"",
                info.not_after,
                self.ca.display()
            )
        } else {
            return Ok(Issuer { chain, info, key });
        };
        Err(in_file(&self.ca, &problem))
    }
}

/// Signs, and warns if the certificate outlives its CA. Returns the chain for a file, which excludes the root.
pub(super) fn issue(
    issuer: &Issuer,
    request: &CsrInfo,
    validity: Validity,
    extras: &Extras,
    surroundings: &mut Surroundings<'_>,
) -> Result<Vec<u8>, Error> {
    let end = issuer.info.not_after;
    if validity.not_after > end {
        surroundings.remark(&format!(
            "warning: the certificate is valid until {}, but its CA expires on {end}; clients reject it after that date",
            validity.not_after
        ))?;
    }
    if extras.is_ca && issuer.info.path_len == Some(0) {
        return Err(Error::Usage(format!(
            "the CA {:?} must not issue CA certificates: its path length is 0",
            issuer.info.subject.to_string()
        )));
    }
    let mut certificates = vec![sign(request, issuer, validity, random_serial()?, extras)?];
    certificates.extend(issuer.chain.iter().cloned());
    Ok(chain::split(certificates)?.chain_pem)
}

/// The default file of a key: `a-key.pem` for `a.pem`, `tls.key` for `tls.crt`.
pub(super) fn key_beside(certificate: &std::path::Path) -> PathBuf {
    if certificate.extension().is_some_and(|ending| ending == "crt") {
        return certificate.with_extension("key");
    }
    let mut name = certificate.file_stem().unwrap_or_default().to_owned();
    name.push("-key.pem");
    certificate.with_file_name(name)
}
