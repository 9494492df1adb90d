//! Credentials of Route 53 (DNS-05).

use jiff::{SignedDuration, Timestamp};

use super::Place;
use crate::{
    api::{dns01::Route53, reference::ServiceAccountRef},
    cloud::{
        aws::{Aws, Keys, Source, Sources},
        fault::{Fault, FaultKind},
    },
    pki::hidden::Hidden,
    plan::seen::ObjectKey,
    solver::dns01::route53::Zones,
};

/// The audience of tokens, unless the issuer names others.
const AUDIENCE: &str = "sts.amazonaws.com";
/// How long a token is valid, in seconds: the shortest time that the API server grants.
const TOKEN_SECONDS: i64 = 600;
/// How long a token is used.
const TOKEN_USED: SignedDuration = SignedDuration::from_mins(5);

/// The zones of these settings.
///
/// # Errors
/// What of the settings or the Secrets is missing or wrong.
pub(super) async fn route53(place: &Place<'_>, settings: &Route53) -> Result<Zones, Fault> {
    let sources = Sources {
        source: source(place, settings).await?,
        role: settings.role.clone(),
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
            Ok(Source::WebIdentity {
                account: format!("{}/{} {:?}", place.namespace, reference.name, reference.audiences),
                token: token(place, reference).await?,
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

/// A token of a ServiceAccount. It is remembered for half of its life.
async fn token(place: &Place<'_>, reference: &ServiceAccountRef) -> Result<Hidden<String>, Fault> {
    let ServiceAccountRef { name, audiences } = reference;
    let namespace = place.namespace;
    let (account, memo) = (
        format!("serviceaccount {namespace}/{name}"),
        format!("token {audiences:?}"),
    );
    let _turn = place.cloud.memo.turn(&account, &memo).await;
    if let Some(token) = place.cloud.memo.get(&account, &memo) {
        return Ok(token);
    }
    let audiences = if audiences.is_empty() {
        vec![AUDIENCE.to_owned()]
    } else {
        audiences.clone()
    };
    let key = ObjectKey::new(namespace, name.as_str());
    let token = place.ports.reader.token(&key, audiences, TOKEN_SECONDS).await;
    let token = token.map_err(|refused| match refused.token_advice(&key) {
        (true, sentence) => Fault::new(FaultKind::Credential, sentence),
        (false, sentence) => Fault::new(FaultKind::Unreachable, sentence),
    })?;
    let until = (place.cloud.now)().saturating_add(TOKEN_USED).unwrap_or(Timestamp::MAX);
    place.cloud.memo.set(&account, &memo, token.clone(), until);
    Ok(token)
}
