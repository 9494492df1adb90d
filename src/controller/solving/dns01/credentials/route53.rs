//! Credentials of Route 53 (DNS-05).

use super::Place;
use crate::{
    api::dns01::Route53,
    cloud::{
        aws::{Aws, Keys, ROUTE53, Source, Sources},
        fault::{Fault, FaultKind},
    },
    controller::web_identity,
    plan::seen::ObjectKey,
    solver::dns01::route53::Zones,
};

/// The zones of these settings.
///
/// # Errors
/// What of the settings or the Secrets is missing or wrong.
pub(super) async fn route53(place: &Place<'_>, settings: &Route53) -> Result<Zones, Fault> {
    let sources = Sources {
        source: source(place, settings).await?,
        role: settings.role.clone(),
        usage: &ROUTE53,
    };
    let aws = Aws::new(place.cloud, settings.region.as_deref(), sources)?;
    Zones::new(aws, settings.hosted_zone_id.as_deref())
}

async fn source(place: &Place<'_>, settings: &Route53) -> Result<Source, Fault> {
    let Route53 {
        access_key_id,
        access_key_id_secret_ref,
        auth,
        hosted_zone_id: _,
        region: _,
        role: _,
        secret_access_key_secret_ref,
    } = settings;
    let wrong = |sentence: &str| Err(Fault::new(FaultKind::Credential, sentence));
    let plain = access_key_id.as_deref().map(str::trim).filter(|id| !id.is_empty());
    let id = match (plain, place.optional(access_key_id_secret_ref.as_ref()).await?) {
        (Some(_), Some(_)) => {
            return wrong("route53.accessKeyID and route53.accessKeyIDSecretRef are both set: keep one of them");
        }
        (Some(id), None) => Some(id.to_owned()),
        (None, Some(secret)) => Some(secret.token()?.expose().clone()),
        (None, None) => None,
    };
    let secret = match place.optional(secret_access_key_secret_ref.as_ref()).await? {
        Some(secret) => Some(secret.token()?),
        None => None,
    };
    match (id, secret, auth) {
        // as in cert-manager, the ServiceAccount is used if both are set
        (_, _, Some(auth)) => {
            let reference = &auth.kubernetes.service_account_ref;
            if settings.role.as_deref().is_none_or(str::is_empty) {
                return wrong(
                    "route53.auth.kubernetes is set and route53.role is not: name the role that the ServiceAccount assumes",
                );
            }
            let key = ObjectKey::new(place.namespace, reference.name.as_str());
            // those of the issuer replace the usual one
            let audiences = match reference.audiences.as_slice() {
                [] => vec![web_identity::AWS.to_owned()],
                own => own.to_vec(),
            };
            Ok(Source::WebIdentity {
                account: format!("{key} {audiences:?}"),
                token: web_identity::token(&place.ports.reader, place.cloud, &key, &audiences).await?,
            })
        }
        (Some(id), Some(secret), None) => Ok(Source::Static(Keys {
            id,
            secret,
            token: None,
        })),
        (Some(_), None, None) => {
            wrong("route53 names an access key and not its secret: set route53.secretAccessKeySecretRef")
        }
        (None, Some(_), None) => wrong(
            "route53.secretAccessKeySecretRef is set and no access key is: set route53.accessKeyID or route53.accessKeyIDSecretRef",
        ),
        (None, None, None) if place.allows.ambient => Ok(Source::Ambient),
        (None, None, None) => wrong(
            "route53 names no credentials, and certlet does not use its own identity for this kind of issuer: set route53.accessKeyID and \
             route53.secretAccessKeySecretRef, or route53.auth.kubernetes.serviceAccountRef and route53.role, or start certlet with \
             --issuer-ambient-credentials (for a ClusterIssuer: --cluster-issuer-ambient-credentials)",
        ),
    }
}
