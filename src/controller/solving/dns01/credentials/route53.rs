//! Credentials of Route 53 (DNS-05).

use jiff::{SignedDuration, Timestamp};

use super::{Place, Secret};
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
    let Route53 {
        access_key_id,
        access_key_id_secret_ref,
        auth,
        hosted_zone_id,
        region,
        role,
        secret_access_key_secret_ref,
    } = settings;
    let id = match access_key_id.as_deref().filter(|id| !id.is_empty()) {
        Some(id) => Some(id.to_owned()),
        None => text(place.optional(access_key_id_secret_ref.as_ref()).await?)?,
    };
    let secret = text(place.optional(secret_access_key_secret_ref.as_ref()).await?)?;
    let wrong = |sentence: &str| Err(Fault::new(FaultKind::Credential, sentence));
    let source = match (id, secret, auth) {
        (Some(id), Some(secret), _) => Source::Static(Keys {
            id: id.trim().to_owned(),
            secret: Hidden::new(secret),
            token: None,
        }),
        (Some(_), None, _) => return wrong("route53 names an access key without secretAccessKeySecretRef"),
        (None, Some(_), _) => return wrong("route53 names secretAccessKeySecretRef without an access key"),
        (None, None, Some(auth)) => {
            let reference = &auth.kubernetes.service_account_ref;
            Source::WebIdentity {
                account: format!("{}/{} {:?}", place.namespace, reference.name, reference.audiences),
                token: token(place, reference).await?,
            }
        }
        (None, None, None) if place.ambient => Source::Ambient,
        (None, None, None) => {
            return wrong(
                "route53 has no credentials, and those of the pod may not be used for this issuer: name an access key or a ServiceAccount, or set the flag for ambient credentials",
            );
        }
    };
    let sources = Sources {
        source,
        role: role.clone(),
    };
    let aws = Aws::new(place.cloud, region.as_deref(), sources);
    Ok(Zones::new(aws, hosted_zone_id.as_deref()))
}

fn text(secret: Option<Secret>) -> Result<Option<String>, Fault> {
    let Some(secret) = secret else { return Ok(None) };
    let value = std::str::from_utf8(secret.bytes()).map_err(|_| {
        let sentence = format!("{} is not text", secret.text);
        Fault::new(FaultKind::Credential, sentence)
    })?;
    Ok(Some(value.trim().to_owned()))
}

/// A token of a ServiceAccount. It is remembered for half of its life.
async fn token(place: &Place<'_>, reference: &ServiceAccountRef) -> Result<Hidden<String>, Fault> {
    let ServiceAccountRef { name, audiences } = reference;
    let namespace = place.namespace;
    let (account, memo) = (
        format!("serviceaccount {namespace}/{name}"),
        format!("token {audiences:?}"),
    );
    if let Some(token) = place.cloud.memo.get(&account, &memo) {
        return Ok(token);
    }
    let audiences = if audiences.is_empty() {
        vec![AUDIENCE.to_owned()]
    } else {
        audiences.clone()
    };
    let reader = &place.ports.reader;
    let token = reader
        .token(&ObjectKey::new(namespace, name.as_str()), audiences, TOKEN_SECONDS)
        .await;
    let token = token.map_err(|refused| {
        let account = format!("the ServiceAccount {namespace}/{name}");
        match refused.code {
            Some(403) => Fault::new(
                FaultKind::Right,
                format!(
                    "certlet may not create tokens of {account}: grant it create on serviceaccounts/token with a Role in {namespace}"
                ),
            ),
            Some(404) => Fault::new(FaultKind::Credential, format!("{account} does not exist")),
            Some(_) | None => Fault::new(
                FaultKind::Unreachable,
                format!("the API server gives no token of {account}"),
            ),
        }
    })?;
    let until = (place.cloud.now)().saturating_add(TOKEN_USED).unwrap_or(Timestamp::MAX);
    place.cloud.memo.set(&account, &memo, token.clone(), until);
    Ok(token)
}
