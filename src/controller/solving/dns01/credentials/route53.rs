//! Credentials of Route 53 (DNS-05).

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::{
    authentication::v1::{TokenRequest, TokenRequestSpec},
    core::v1::ServiceAccount,
};
use kube::{Api, api::PostParams};

use super::Place;
use crate::{
    api::{dns01::Route53, reference::ServiceAccountRef},
    cloud::{
        aws::{Aws, Keys, Source, Sources},
        fault::{Fault, FaultKind},
    },
    pki::hidden::Hidden,
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
        (None, None, None) if place.ambient => Ok(Source::Ambient),
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
    let client = place.ports.reader.client().clone();
    let token = requested(client, namespace, reference).await?;
    let until = (place.cloud.now)().saturating_add(TOKEN_USED).unwrap_or(Timestamp::MAX);
    place.cloud.memo.set(&account, &memo, token.clone(), until);
    Ok(token)
}

async fn requested(
    client: kube::Client,
    namespace: &str,
    reference: &ServiceAccountRef,
) -> Result<Hidden<String>, Fault> {
    let ServiceAccountRef { name, audiences } = reference;
    let audiences = if audiences.is_empty() {
        vec![AUDIENCE.to_owned()]
    } else {
        audiences.clone()
    };
    let request = TokenRequest {
        spec: TokenRequestSpec {
            audiences,
            expiration_seconds: Some(TOKEN_SECONDS),
            ..TokenRequestSpec::default()
        },
        ..TokenRequest::default()
    };
    let api: Api<ServiceAccount> = Api::namespaced(client, namespace);
    let answer = api.create_token_request(name, &PostParams::default(), &request).await;
    let answer = answer.map_err(|error| {
        let (kind, sentence) = match &error {
            kube::Error::Api(status) if status.code == 403 => (
                FaultKind::Credential,
                format!(
                    "certlet may not create a token of the ServiceAccount {namespace}/{name}: give it the verb create on \
                     serviceaccounts/token with the resource name {name} by a Role in {namespace}"
                ),
            ),
            kube::Error::Api(status) if status.code == 404 => (
                FaultKind::Credential,
                format!("the ServiceAccount {namespace}/{name} does not exist: create it, or correct serviceAccountRef"),
            ),
            _ => (
                FaultKind::Unreachable,
                format!("the API server gives no token of the ServiceAccount {namespace}/{name}"),
            ),
        };
        Fault::new(kind, sentence)
    })?;
    answer.status.map(|status| Hidden::new(status.token)).ok_or_else(|| {
        let sentence = format!("the API server answers without a token of the ServiceAccount {namespace}/{name}");
        Fault::new(FaultKind::Other, sentence)
    })
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use serde_json::{Value, json};

    use super::*;

    /// What the API server answers with this status, and what it was asked: path and body.
    async fn asked(status: u16, answer: Value) -> (Result<Hidden<String>, Fault>, Vec<(String, Value)>) {
        let sent: Arc<Mutex<Vec<(String, Value)>>> = Arc::default();
        let noted = Arc::clone(&sent);
        let service = tower::service_fn(move |request: http::Request<kube::client::Body>| {
            let (noted, answer) = (Arc::clone(&noted), answer.to_string());
            async move {
                let (parts, body) = request.into_parts();
                let body = serde_json::from_slice(&body.collect_bytes().await.unwrap()).unwrap();
                noted.lock().unwrap().push((parts.uri.path().to_owned(), body));
                let response = http::Response::builder().status(status);
                Ok::<_, std::io::Error>(response.body(kube::client::Body::from(answer.into_bytes())).unwrap())
            }
        });
        let reference = ServiceAccountRef {
            name: "dns".to_owned(),
            audiences: Vec::new(),
        };
        let token = requested(kube::Client::new(service, "default"), "shop", &reference).await;
        let sent = sent.lock().unwrap().clone();
        (token, sent)
    }

    #[tokio::test]
    async fn a_token_is_requested_with_the_audience_of_sts() {
        let answer = json!({"metadata": {}, "spec": {"audiences": []}, "status": {"token": "jwt", "expirationTimestamp": "2026-01-01T00:00:00Z"}});
        let (token, sent) = asked(201, answer).await;
        assert_eq!(token.unwrap().expose(), "jwt");
        let (path, body) = &sent[0];
        assert_eq!(path, "/api/v1/namespaces/shop/serviceaccounts/dns/token");
        assert_eq!(
            body["spec"],
            json!({"audiences": ["sts.amazonaws.com"], "expirationSeconds": 600})
        );
    }

    #[tokio::test]
    async fn what_is_missing_for_a_token_is_named() {
        for (code, words) in [
            (
                403,
                "the verb create on serviceaccounts/token with the resource name dns by a Role in shop",
            ),
            (404, "the ServiceAccount shop/dns does not exist"),
            (500, "gives no token"),
        ] {
            let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": "text", "reason": "R", "code": code});
            let fault = asked(code, status).await.0.unwrap_err();
            assert!(fault.sentence.contains(words), "{fault:?}");
        }
    }
}
