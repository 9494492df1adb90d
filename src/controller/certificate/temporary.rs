//! A certificate for the time until the real one comes (SEC-06): programs that refuse to start without one can start.

use std::sync::Arc;

use jiff::SignedDuration;

use super::{
    apply::{Outcome, read_key},
    keys,
    observe::Sight,
    state::Certificates,
    target::{self, Bundle, Purpose},
};
use crate::{
    api::GoDuration,
    controller::ControllerError,
    pki::sign::random_serial,
    plan::certificate::{Seen, request, secret::Attribution},
    signer::temporary::sign_temporary,
};

/// How long a certificate is valid whose spec does not say.
const DEFAULT_DURATION: GoDuration = GoDuration::from_hours(2160);

/// Signs with a CA that is thrown away at once, and stores only the leaf.
pub(super) async fn store(
    controller: &Arc<Certificates>,
    seen: &Seen,
    key_secret: &str,
    sight: &mut Sight,
) -> Result<Outcome, ControllerError> {
    let certificate = &seen.certificate;
    let key = Arc::new(read_key(controller, &certificate.meta.key.sibling(key_secret)).await?);
    let template = request::temporary_template(&certificate.spec, &controller.ports.settings)
        .map_err(|error| ControllerError::Failed(error.to_string()))?;
    let duration = SignedDuration::from(certificate.spec.duration.unwrap_or(DEFAULT_DURATION));
    let (now, public) = (controller.ports.now(), key.public_key());
    let chain_pem = keys::blocking(move || sign_temporary(&template, &public, duration, now, random_serial()?)).await?;
    let bundle = Bundle {
        chain_pem,
        ca_pem: None,
        key,
        key_pem: None,
        attribution: Attribution {
            certificate: Some(certificate.meta.name().to_owned()),
            issuer: None,
        },
        purpose: Purpose::Temporary,
    };
    let Some(mut prepared) = target::make(controller, certificate, bundle, sight).await? else {
        return Ok(Outcome::LookAgain);
    };
    if let Some(fault) = prepared.fault.take() {
        return Err(ControllerError::Failed(format!(
            "no temporary certificate can be stored: {}",
            fault.message
        )));
    }
    target::write(controller, certificate, prepared, sight).await?;
    Ok(Outcome::Done)
}
