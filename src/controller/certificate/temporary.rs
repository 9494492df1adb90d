//! A certificate for the time until the real one comes (SEC-06): programs that refuse to start without one can start.

use std::sync::Arc;

use aws_lc_rs::rand;
use jiff::{SignedDuration, Timestamp};

use super::{
    apply::{Outcome, read_key},
    keys,
    observe::Sight,
    target::{self, Bundle},
};
use crate::{
    api::GoDuration,
    controller::{Context, ControllerError},
    pki::{
        Error,
        certificate::CertificateInfo,
        csr::{CsrInfo, CsrTemplate},
        key::{KeyAlgorithm, KeySpec, PrivateKey},
        name::Subject,
        pem,
        sign::{self, Extras, Issuer, Validity},
        usage::UsageSet,
    },
    plan::certificate::{Seen, TEMPORARY_CA, TEMPORARY_SERIAL, request},
};

/// How long a certificate is valid whose spec does not say.
const DEFAULT_DURATION: GoDuration = GoDuration::from_hours(2160);

/// Signs with a CA that is thrown away at once, and stores only the leaf.
pub(super) async fn store(
    context: &Arc<Context>,
    seen: &Seen,
    key_secret: &str,
    sight: &mut Sight,
) -> Result<Outcome, ControllerError> {
    let certificate = &seen.certificate;
    let key = Arc::new(read_key(context, &certificate.meta.key.sibling(key_secret)).await?);
    let mut template = request::template(&certificate.spec, &context.settings)
        .map_err(|error| ControllerError::Failed(error.to_string()))?;
    let mut subject = Subject::from_name(&template.subject);
    TEMPORARY_SERIAL.clone_into(&mut subject.serial_number);
    template.subject = subject.to_name();
    let duration = SignedDuration::from(certificate.spec.duration.unwrap_or(DEFAULT_DURATION));
    let now = context.now();
    let validity = Validity {
        not_before: now,
        not_after: now.checked_add(duration).unwrap_or(Timestamp::MAX),
    };
    let leaf_key = Arc::clone(&key);
    let leaf = keys::blocking(move || sign(&template, &leaf_key, validity)).await?;
    let bundle = Bundle {
        chain_pem: pem::encode("CERTIFICATE", &leaf),
        ca_pem: None,
        key,
        key_pem: None,
        attribution: None,
    };
    target::write(context, certificate, bundle, sight).await
}

fn sign(template: &CsrTemplate, key: &PrivateKey, validity: Validity) -> Result<Vec<u8>, Error> {
    let ca_key = PrivateKey::generate(KeySpec::new(KeyAlgorithm::Ecdsa, Some(521)))?;
    let ca_template = CsrTemplate {
        subject: Subject::of_common_name(TEMPORARY_CA).to_name(),
        usages: UsageSet::new(&[], true),
        is_ca: true,
        ..CsrTemplate::default()
    };
    let ca_request = CsrInfo::from_template(&ca_template, ca_key.public_key())?;
    let ca_extras = Extras {
        usages: ca_template.usages,
        is_ca: true,
        ..Extras::default()
    };
    let ca = sign::self_sign(&ca_request, &ca_key, validity, serial()?, &ca_extras)?;
    let issuer = Issuer {
        info: CertificateInfo::parse(&ca)?,
        chain: vec![ca],
        key: ca_key,
    };
    let request = CsrInfo::from_template(template, key.public_key())?;
    let extras = Extras {
        usages: template.usages.clone(),
        is_ca: template.is_ca,
        ..Extras::default()
    };
    sign::sign(&request, &issuer, validity, serial()?, &extras)
}

fn serial() -> Result<[u8; 16], Error> {
    let mut serial = [0; 16];
    rand::fill(&mut serial).map_err(|_| Error::Signing("the system has no random numbers".into()))?;
    Ok(serial)
}
