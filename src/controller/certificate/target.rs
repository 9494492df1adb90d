//! Writes of the target Secret (LIF-04, POL-13).

use std::sync::Arc;

use aws_lc_rs::rand;
use zeroize::Zeroize as _;

use super::{
    apply::{Outcome, read_key},
    keystores::passwords,
    observe::LiveReads,
    state::Certificates,
};
use crate::{
    api::{IssuerRef, names::data_key},
    cluster::{leftovers::Leftovers, owner::controlling, secret::SecretApply},
    controller::{ControllerError, rotations::Rotation},
    pki::{Error, hidden::Hidden, key::PrivateKey, keystore::Seed},
    plan::{
        certificate::{
            Candidate, CertificateObservation, FallbackPolicy, Made, Violation, fallback_for,
            secret::{Attribution, Circumstances, Material, RenderedSecret, TLS_TYPE, render},
        },
        issuer::IssuerId,
        kinds::CertificateKind,
        seen::{Meta, Object, Pairs, RequestSeen, SecretSeen},
    },
    work::SHORT,
};

/// The content of the Secret, owned, so that it can be rendered on another thread.
pub(super) struct Bundle {
    pub(super) chain_pem: Vec<u8>,
    pub(super) ca_pem: Option<Vec<u8>>,
    pub(super) key: Arc<PrivateKey>,
    /// The current `tls.key`, if it stays unchanged.
    pub(super) key_pem: Option<Hidden<Vec<u8>>>,
    pub(super) attribution: Attribution,
    pub(super) purpose: Purpose,
}

/// The origin of the content, which decides about its validation.
pub(super) enum Purpose {
    /// The certificate of this request.
    Issued(Arc<RequestSeen>),
    /// A temporary certificate.
    Temporary,
    /// The existing certificate.
    Repair,
}

/// Stores the certificate of a Ready request with its key.
pub(super) async fn store(
    controller: &Arc<Certificates>,
    seen: &CertificateObservation,
    request: &str,
    key_secret: &str,
    reads: &mut LiveReads,
) -> Result<Outcome, ControllerError> {
    let namespace = &seen.certificate.meta.key;
    let request_key = namespace.sibling(request);
    let gone = || ControllerError::Stale(format!("CertificateRequest {request_key} no longer has a certificate"));
    let request = async {
        let found = controller.ports.reader.request(&request_key).await?;
        found.ok_or_else(gone)
    };
    let key_secret = namespace.sibling(key_secret);
    let (request, key) = tokio::try_join!(request, read_key(controller, &key_secret))?;
    let certificate = &seen.certificate;
    let bundle = Bundle {
        chain_pem: request.certificate.ok_or_else(gone)?,
        ca_pem: request.ca,
        key: Arc::new(key),
        key_pem: None,
        attribution: attribution(certificate, &request.seen.issuer_ref, &request.seen.meta.annotations),
        purpose: Purpose::Issued(Arc::new(request.seen)),
    };
    let Some(mut prepared) = make(controller, certificate, bundle, reads).await? else {
        return Ok(Outcome::Replan);
    };
    if let Some(fault) = prepared.fault.take() {
        reads.made = Made::Unfit(request_key.name, fault);
        return Ok(Outcome::Replan);
    }
    write(controller, certificate, prepared, reads).await?;
    reads.made = Made::Stored(request_key.name);
    Ok(Outcome::Done)
}

/// Applies the Secret again with the key and certificate that it holds.
pub(super) async fn repair(
    controller: &Arc<Certificates>,
    seen: &CertificateObservation,
    reads: &mut LiveReads,
) -> Result<Outcome, ControllerError> {
    let certificate = &seen.certificate;
    let key = certificate.meta.key.sibling(certificate.spec.secret_name.as_str());
    let changed = || ControllerError::Stale(format!("Secret {key} has changed"));
    let secret = controller.ports.reader.secret(&key).await?.ok_or_else(changed)?;
    if seen
        .secret
        .as_ref()
        .is_none_or(|known| known.digest != secret.seen.digest)
    {
        return Err(changed());
    }
    let part = |name: &str| secret.data(name).filter(|value| !value.is_empty());
    let (key_pem, chain_pem) = part(data_key::TLS_KEY)
        .zip(part(data_key::TLS_CRT))
        .ok_or_else(changed)?;
    let (private_key, _) = PrivateKey::from_pem(key_pem).map_err(|_| changed())?;
    let ca_pem = part(data_key::CA_CRT);
    let pair = &secret.seen.pair;
    let bundled = rotation_of(controller, certificate).map(|rotation| {
        rotation.kept_bundle(
            pair.certificate.valid().map(|leaf| &**leaf),
            &pair.trusted,
            ca_pem.unwrap_or_default(),
            controller.ports.settings.size_limits.bundle,
        )
    });
    let bundle = Bundle {
        chain_pem: chain_pem.to_vec(),
        ca_pem: bundled.or_else(|| ca_pem.map(<[u8]>::to_vec)),
        key: Arc::new(private_key),
        key_pem: Some(Hidden::new(key_pem.to_vec())),
        attribution: Attribution::found(&secret.seen.meta.annotations),
        purpose: Purpose::Repair,
    };
    write_over(controller, certificate, bundle, Some(&secret.seen), reads).await
}

/// Renders and validates the new content of the target Secret.
pub(super) async fn make(
    controller: &Arc<Certificates>,
    certificate: &Object<CertificateKind>,
    mut bundle: Bundle,
    reads: &mut LiveReads,
) -> Result<Option<Prepared>, ControllerError> {
    if let Some((rotation, issued)) = rotation_of(controller, certificate).zip(bundle.ca_pem.as_mut()) {
        *issued = rotation.new_bundle(issued, controller.ports.settings.size_limits.bundle);
    }
    prepare(controller, certificate, bundle, reads).await
}

/// Applies the rendered content over the current Secret.
pub(super) async fn write(
    controller: &Arc<Certificates>,
    certificate: &Object<CertificateKind>,
    prepared: Prepared,
    reads: &LiveReads,
) -> Result<(), ControllerError> {
    let key = certificate.meta.key.sibling(certificate.spec.secret_name.as_str());
    let existing = reads.target(controller, &key).await?;
    send(controller, certificate, prepared.rendered, existing.as_deref()).await
}

/// The CAs of the issuer, if it requested rotation.
fn rotation_of(controller: &Certificates, certificate: &Object<CertificateKind>) -> Option<Arc<Rotation>> {
    let issuer = IssuerId::of(&certificate.spec.issuer_ref, certificate.meta.namespace())?;
    controller.rotations.of(&issuer)
}

async fn write_over(
    controller: &Arc<Certificates>,
    certificate: &Object<CertificateKind>,
    bundle: Bundle,
    existing: Option<&SecretSeen>,
    reads: &mut LiveReads,
) -> Result<Outcome, ControllerError> {
    let Some(Prepared { rendered, fault }) = prepare(controller, certificate, bundle, reads).await? else {
        return Ok(Outcome::Replan);
    };
    if let Some(Violation { message, .. }) = fault {
        return Err(ControllerError::Failed(message));
    }
    send(controller, certificate, rendered, existing).await?;
    Ok(Outcome::Done)
}

/// A rendered Secret.
pub(super) struct Prepared {
    rendered: RenderedSecret,
    /// Why the Secret would be unusable.
    pub(super) fault: Option<Violation>,
}

/// Renders and validates the target Secret. `None` if the password of a keystore is not available.
async fn prepare(
    controller: &Arc<Certificates>,
    certificate: &Object<CertificateKind>,
    bundle: Bundle,
    reads: &mut LiveReads,
) -> Result<Option<Prepared>, ControllerError> {
    let passwords = match passwords(controller, certificate).await? {
        Ok(passwords) => passwords,
        Err(why) => {
            reads.lacks_password(why);
            return Ok(None);
        }
    };
    let circumstances = Circumstances {
        now: controller.ports.now(),
        seeds: [[seed()?, seed()?], [seed()?, seed()?]],
    };
    let (spec, name) = (certificate.spec.clone(), Arc::clone(&certificate.meta.key.name));
    let fallback = FallbackPolicy::of(certificate).ok().flatten();
    let limits = controller.ports.settings.size_limits;
    // a password of a keystore is hashed thousands of times
    let slow = spec.keystores.is_some() || bundle.key.spec().is_slow();
    let prepared = SHORT.run_if(slow, move || {
        let Bundle {
            chain_pem,
            ca_pem,
            key,
            key_pem,
            attribution,
            purpose,
        } = bundle;
        let material = Material {
            chain_pem: &chain_pem,
            ca_pem: ca_pem.as_deref(),
            key: &key,
            key_pem: key_pem.as_ref().map(|pem| pem.expose().as_slice()),
        };
        let rendered = render(&spec, &attribution, &material, &passwords, &circumstances)?;
        let candidate = Candidate {
            name: &name,
            spec: &spec,
            fallback: fallback.as_ref(),
            rendered: &rendered,
            limits: &limits,
        };
        let fault = match purpose {
            Purpose::Issued(request) => candidate.fault(&request),
            Purpose::Temporary => candidate.temporary_fault(),
            Purpose::Repair => candidate.size_fault(),
        };
        Ok::<_, Error>(Prepared { rendered, fault })
    });
    Ok(Some(prepared.await??))
}

/// Applies the target Secret.
async fn send(
    controller: &Arc<Certificates>,
    certificate: &Object<CertificateKind>,
    rendered: RenderedSecret,
    existing: Option<&SecretSeen>,
) -> Result<(), ControllerError> {
    let RenderedSecret {
        labels,
        annotations,
        data,
    } = rendered;
    let owned = controller.ports.settings.enable_certificate_owner_ref;
    let meta: Option<&Meta> = existing.map(|secret| &secret.meta);
    let secret = SecretApply {
        key: certificate.meta.key.sibling(certificate.spec.secret_name.as_str()),
        type_: existing.map_or_else(|| TLS_TYPE.to_owned(), |secret| secret.type_.to_string()),
        labels,
        annotations,
        owners: owned
            .then(|| controlling::<CertificateKind>(&certificate.meta))
            .into_iter()
            .collect(),
        data,
        resource_version: meta.map(|meta| meta.resource_version.to_string()),
        uid: meta.map(|meta| meta.uid.to_string()),
    };
    let applied = controller.ports.writer.apply_secret(&secret).await?;
    if let Some(before) = existing {
        let left = Leftovers::of(&before.managed, &secret, &applied);
        controller
            .ports
            .writer
            .take_out(&controller.ports.reader, &secret.key, &left)
            .await?;
    }
    Ok(())
}

/// The subject and the issuer for the annotations; `request` has those of the request.
pub(super) fn attribution(certificate: &Object<CertificateKind>, issuer: &IssuerRef, request: &Pairs) -> Attribution {
    Attribution {
        certificate: Some(certificate.meta.name().to_owned()),
        issuer: Some(issuer.clone()),
        fallback_for: fallback_for(&certificate.spec, issuer, request),
    }
}

fn seed() -> Result<Seed, ControllerError> {
    let mut bytes = [0; 32];
    rand::fill(&mut bytes).map_err(|_| ControllerError::Failed("the system has no random numbers".to_owned()))?;
    let seed = Seed(bytes);
    bytes.zeroize();
    Ok(seed)
}
