//! The temporary certificate (SEC-06), for programs that do not start without one.

use std::sync::Arc;

use jiff::SignedDuration;

use super::{
    apply::{Outcome, read_key},
    observe::LiveReads,
    state::Certificates,
    target::{self, Bundle, Purpose},
};
use crate::{
    api::GoDuration,
    controller::ControllerError,
    pki::sign::random_serial,
    plan::certificate::{CertificateObservation, request, secret::Attribution},
    signer::temporary::sign_temporary,
    work::SHORT,
};

/// Default lifetime.
const DEFAULT_DURATION: GoDuration = GoDuration::from_hours(2160);

/// Signs with a CA that is discarded, and stores only the leaf.
pub(super) async fn store(
    controller: &Arc<Certificates>,
    seen: &CertificateObservation,
    key_secret: &str,
    reads: &mut LiveReads,
) -> Result<Outcome, ControllerError> {
    let certificate = &seen.certificate;
    let key = Arc::new(read_key(controller, &certificate.meta.key.sibling(key_secret)).await?);
    let template = request::temporary_template(&certificate.spec, &controller.ports.settings)
        .map_err(|error| ControllerError::Failed(error.to_string()))?;
    let duration = SignedDuration::from(certificate.spec.duration.unwrap_or(DEFAULT_DURATION));
    let (now, public) = (controller.ports.now(), key.public_key());
    let chain_pem = SHORT
        .run(move || sign_temporary(&template, &public, duration, now, random_serial()?))
        .await??;
    let bundle = Bundle {
        chain_pem,
        ca_pem: None,
        key,
        key_pem: None,
        attribution: Attribution {
            certificate: Some(certificate.meta.name().to_owned()),
            issuer: None,
            fallback_for: None,
        },
        purpose: Purpose::Temporary,
    };
    let Some(mut prepared) = target::make(controller, certificate, bundle, reads).await? else {
        return Ok(Outcome::Replan);
    };
    if let Some(fault) = prepared.fault.take() {
        return Err(ControllerError::Failed(format!(
            "no temporary certificate can be stored: {}",
            fault.message
        )));
    }
    target::write(controller, certificate, prepared, reads).await?;
    Ok(Outcome::Done)
}
