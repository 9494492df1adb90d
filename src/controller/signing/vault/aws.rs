//! Logins with an AWS identity (ISS-10): a signed call of STS, with which Vault asks AWS who made it.

use std::sync::Arc;

use base64::{Engine as _, prelude::BASE64_STANDARD};

use super::{super::secrets::NoSession, place::login_path};
use crate::{
    api::vault::VaultAwsAuth,
    cloud::{
        self,
        aws::{Aws, Source, Sources, VAULT},
    },
    controller::{Ports, web_identity},
    pki::hidden::Hidden,
    plan::{issuer::secret_of, seen::Meta},
    signer::{
        fault::{Fault, FaultKind},
        vault::tokens::{Login, MakeFields},
    },
};

/// The login of these settings. Its identity goes to `part`.
///
/// # Errors
/// If the issuer may not use the identity of this process, or a setting cannot be used.
pub(super) fn login(
    ports: &Ports,
    issuer: &Meta,
    settings: &VaultAwsAuth,
    part: &mut (dyn FnMut(&[u8]) + Send),
) -> Result<Login, NoSession> {
    let VaultAwsAuth {
        iam_role_arn,
        mount_path,
        region,
        role,
        service_account_ref,
        vault_header_value,
    } = settings;
    let account = service_account_ref.as_ref().map(|reference| {
        let key = secret_of(issuer, &reference.name, &ports.settings.cluster_resource_namespace);
        let audiences: Vec<String> = [web_identity::AWS.to_owned()]
            .into_iter()
            .chain(reference.audiences.iter().cloned())
            .collect();
        (key, audiences)
    });
    let is_cluster = issuer.key.namespace.is_empty();
    if account.is_none() && !ports.settings.dns01.allows_ambient(is_cluster) {
        return Err(NoSession::Unusable(
            "cannot authenticate to Vault using ambient AWS credentials: set auth.aws.serviceAccountRef, or enable ambient credentials via \
             --issuer-ambient-credentials / --cluster-issuer-ambient-credentials"
                .to_owned(),
        ));
    }
    let path = login_path(mount_path.as_deref(), "/v1/auth/aws");
    // as in cert-manager, the role belongs to the ServiceAccount: the identity of this process is used as it is
    let iam_role = iam_role_arn.clone().filter(|_| account.is_some());
    let server_id = vault_header_value.clone().filter(|value| !value.is_empty());
    let identity = format!("{account:?} {iam_role:?} {region:?} {server_id:?}");
    for text in ["aws", &path, role, &identity] {
        part(text.as_bytes());
    }
    let (reader, cloud) = (ports.reader.clone(), ports.cloud.clone());
    let (region, role) = (region.clone(), role.clone());
    let make: MakeFields = Arc::new(move |fresh| {
        let (reader, cloud, account) = (reader.clone(), cloud.clone(), account.clone());
        let (region, iam_role) = (region.clone(), iam_role.clone());
        let (role, server_id) = (role.clone(), server_id.clone());
        Box::pin(async move {
            let source = match &account {
                None => Source::Ambient,
                Some((key, audiences)) => Source::WebIdentity {
                    account: format!("{key} {audiences:?}"),
                    token: web_identity::token(&reader, &cloud, key, audiences)
                        .await
                        .map_err(fault)?,
                },
            };
            let sources = Sources {
                source,
                role: iam_role,
                usage: &VAULT,
            };
            let aws = Aws::new(&cloud, region.as_deref(), sources).map_err(fault)?;
            let proof = aws.caller_identity(server_id.as_deref(), fresh).await.map_err(fault)?;
            let encoded = |text: &str| Hidden::new(BASE64_STANDARD.encode(text));
            Ok(vec![
                ("role", Hidden::new(role)),
                ("iam_http_request_method", Hidden::new("POST".to_owned())),
                ("iam_request_url", encoded(&proof.url)),
                ("iam_request_headers", encoded(proof.headers.expose())),
                ("iam_request_body", encoded(proof.body)),
            ])
        })
    });
    Ok(Login::Made { path, fields: make })
}

/// A fault of AWS is one of the way to Vault.
fn fault(fault: cloud::Fault) -> Fault {
    let kind = match fault.kind {
        cloud::FaultKind::Unreachable => FaultKind::Unavailable,
        cloud::FaultKind::Limited(until) => FaultKind::Limited(until),
        cloud::FaultKind::Credential
        | cloud::FaultKind::Right
        | cloud::FaultKind::NoZone
        | cloud::FaultKind::Clock
        | cloud::FaultKind::Conflict
        | cloud::FaultKind::Other => FaultKind::Settings,
    };
    Fault {
        kind,
        sentence: fault.sentence,
    }
}
