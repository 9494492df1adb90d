//! The temporary certificate, which is used until the real one is available (SEC-06, ANN-17).

use jiff::{SignedDuration, Timestamp};

use super::validity;
use crate::pki::Error;
use crate::pki::certificate::CertificateInfo;
use crate::pki::chain::to_pem;
use crate::pki::csr::{CsrInfo, CsrTemplate};
use crate::pki::key::{KeyAlgorithm, KeySpec, PrivateKey, PublicKey};
use crate::pki::name::Subject;
use crate::pki::sign::{Extras, Issuer, self_sign, sign};
use crate::pki::usage::UsageSet;
use crate::plan::certificate::TEMPORARY_CA;

/// Signs a certificate for a template with a CA that is discarded. Returns the leaf as PEM.
///
/// # Errors
/// [`Error`] if the template cannot be encoded.
pub(crate) fn sign_temporary(
    template: &CsrTemplate,
    key: &PublicKey,
    duration: SignedDuration,
    now: Timestamp,
    serial: [u8; 16],
) -> Result<Vec<u8>, Error> {
    let validity = validity(now, duration)?;
    let ca_key = PrivateKey::generate(KeySpec::new(KeyAlgorithm::Ecdsa, Some(521)))?;
    let ca_template = CsrTemplate {
        subject: Subject::of_common_name(TEMPORARY_CA).to_name(),
        ..CsrTemplate::default()
    };
    let ca_extras = Extras {
        usages: UsageSet::new(&[], true),
        is_ca: true,
        ..Extras::default()
    };
    let ca_request = CsrInfo::from_template(&ca_template, ca_key.public_key())?;
    let ca = self_sign(&ca_request, &ca_key, validity, serial, &ca_extras)?;
    let issuer = Issuer {
        info: CertificateInfo::parse(&ca)?,
        chain: vec![ca],
        key: ca_key,
    };
    let request = CsrInfo::from_template(template, key.clone())?;
    let extras = Extras {
        usages: template.usages.clone(),
        is_ca: template.is_ca,
        ..Extras::default()
    };
    Ok(to_pem(&[sign(&request, &issuer, validity, serial, &extras)?]))
}
