//! Requests that people create, and the answers to them.

use k8s_openapi::api::certificates::v1::CertificateSigningRequest;
use kube::{Api, Client, api::PostParams};

use crate::api::{
    CertificateRequest, Condition, IssuerRef,
    condition::{self, DENIED, INVALID_REQUEST, READY},
    names::signer_name,
};

/// The answer to a request, as far as there is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Signed: the chain in PEM.
    Signed(Vec<u8>),
    /// There will be no certificate. The text is a sentence.
    Refused(String),
    /// None yet. The text is what it waits for, as a sentence.
    Pending(String),
}

/// Creates a CertificateRequest.
///
/// # Errors
/// If the API server refuses it, or cannot be reached.
pub(crate) async fn create_request(
    client: &Client,
    namespace: &str,
    request: &CertificateRequest,
) -> Result<(), kube::Error> {
    let api: Api<CertificateRequest> = Api::namespaced(client.clone(), namespace);
    api.create(&PostParams::default(), request).await.map(drop)
}

/// Creates a CertificateSigningRequest.
///
/// # Errors
/// If the API server refuses it, or cannot be reached.
pub(crate) async fn create_signing_request(
    client: &Client,
    request: &CertificateSigningRequest,
) -> Result<(), kube::Error> {
    let api: Api<CertificateSigningRequest> = Api::all(client.clone());
    api.create(&PostParams::default(), request).await.map(drop)
}

/// The answer to a CertificateRequest.
///
/// # Errors
/// If it cannot be read.
pub(crate) async fn answer(client: &Client, namespace: &str, name: &str) -> Result<Answer, kube::Error> {
    let api: Api<CertificateRequest> = Api::namespaced(client.clone(), namespace);
    Ok(of_request(&api.get(name).await?))
}

/// The answer to a CertificateSigningRequest.
///
/// # Errors
/// If it cannot be read.
pub(crate) async fn signing_answer(client: &Client, name: &str) -> Result<Answer, kube::Error> {
    let api: Api<CertificateSigningRequest> = Api::all(client.clone());
    Ok(of_signing_request(&api.get(name).await?))
}

fn of_request(request: &CertificateRequest) -> Answer {
    let Some(status) = &request.status else {
        return Answer::Pending("no controller has answered yet".to_owned());
    };
    let ready = condition::get(&status.conditions, READY);
    if let Some(certificate) = status.certificate.as_ref().filter(|bytes| !bytes.0.is_empty())
        && ready.is_some_and(Condition::is_true)
    {
        return Answer::Signed(certificate.0.clone());
    }
    for kind in [DENIED, INVALID_REQUEST] {
        if let Some(refused) = condition::get(&status.conditions, kind).filter(|refused| refused.is_true()) {
            return Answer::Refused(format!("{kind}: {}", refused.message()));
        }
    }
    let message = ready.map(Condition::message).unwrap_or_default();
    if ready.is_some_and(|ready| ready.reason() == "Failed") {
        return Answer::Refused(format!("Failed: {message}"));
    }
    let approved = condition::is_true(&status.conditions, condition::APPROVED);
    Answer::Pending(match (message, approved) {
        ("", false) => "it is not approved".to_owned(),
        ("", true) => "no issuer has answered yet".to_owned(),
        (message, _) => message.to_owned(),
    })
}

fn of_signing_request(request: &CertificateSigningRequest) -> Answer {
    let Some(status) = &request.status else {
        return Answer::Pending("it is not approved".to_owned());
    };
    if let Some(certificate) = status.certificate.as_ref().filter(|bytes| !bytes.0.is_empty()) {
        return Answer::Signed(certificate.0.clone());
    }
    let conditions = status.conditions.iter().flatten();
    for condition in conditions.clone() {
        if ["Denied", "Failed"].contains(&condition.type_.as_str()) && condition.status == "True" {
            let message = condition.message.clone().unwrap_or_default();
            return Answer::Refused(format!("{}: {message}", condition.type_));
        }
    }
    Answer::Pending(
        if conditions.into_iter().any(|condition| condition.type_ == "Approved") {
            "the signer has not answered yet".to_owned()
        } else {
            "it is not approved: kubectl certificate approve".to_owned()
        },
    )
}

/// The name of a signer for an issuer. That of other groups is found with the API server, because it contains the plural.
///
/// # Errors
/// A sentence, if there is no such kind or the API server cannot be asked.
pub(crate) async fn signer(client: &Client, issuer: &IssuerRef, namespace: &str) -> Result<String, String> {
    let (kind, group) = (issuer.kind_or_default(), issuer.group_or_default());
    let name = &issuer.name;
    if issuer.is_ours() {
        return Ok(match kind {
            "ClusterIssuer" => format!("{}/{name}", signer_name::CLUSTER_ISSUERS),
            _ => format!("{}/{namespace}.{name}", signer_name::ISSUERS),
        });
    }
    let unread = |error: &kube::Error| format!("cannot read the API group {group:?}: {error}");
    let groups = client.list_api_groups().await.map_err(|error| unread(&error))?;
    let found = groups.groups.into_iter().find(|found| found.name == group);
    for version in found.into_iter().flat_map(|found| found.versions) {
        let resources = client.list_api_group_resources(&version.group_version).await;
        let resources = resources.map_err(|error| unread(&error))?.resources;
        let of_kind = |resource: &&k8s_openapi::apimachinery::pkg::apis::meta::v1::APIResource| {
            resource.kind == kind && !resource.name.contains('/')
        };
        if let Some(resource) = resources.iter().find(of_kind) {
            let plural = &resource.name;
            return Ok(if resource.namespaced {
                format!("{plural}.{group}/{namespace}.{name}")
            } else {
                format!("{plural}.{group}/{name}")
            });
        }
    }
    Err(format!(
        "spec.issuerRef names the kind {kind} of the group {group}, which this cluster does not have"
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn answered(status: &Value) -> Answer {
        let request =
            json!({"metadata": {"name": "r"}, "spec": {"request": "", "issuerRef": {"name": "ca"}}, "status": status});
        of_request(&serde_json::from_value(request).unwrap())
    }

    #[test]
    fn a_request_is_signed_refused_or_pending_with_the_reason() {
        let condition = |kind: &str, status: &str, reason: &str, message: &str| json!({"type": kind, "status": status, "reason": reason, "message": message});
        let signed = json!({"certificate": "TUlJ", "conditions": [condition("Ready", "True", "Issued", "")]});
        assert_eq!(answered(&signed), Answer::Signed(b"MII".to_vec()));
        let denied = json!({"conditions": [condition("Denied", "True", "x", "not today")]});
        assert_eq!(answered(&denied), Answer::Refused("Denied: not today".to_owned()));
        let failed = json!({"conditions": [condition("Ready", "False", "Failed", "the CA refuses")]});
        assert_eq!(answered(&failed), Answer::Refused("Failed: the CA refuses".to_owned()));
        let waits = json!({"conditions": [condition("Ready", "False", "Pending", "waits for the Order")]});
        assert_eq!(answered(&waits), Answer::Pending("waits for the Order".to_owned()));
        assert_eq!(answered(&json!({})), Answer::Pending("it is not approved".to_owned()));
    }
}
