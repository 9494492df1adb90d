//! The settings of a Vault issuer, and the verdict about it (RDY-04), in cert-manager's words.

use super::IssuerVerdict;
use crate::api::vault::{VaultAppRole, VaultAuth, VaultIssuer, VaultKubernetesAuth};

const REASON: &str = "VaultError";

/// The issuer can sign.
pub fn vault_verified() -> IssuerVerdict {
    IssuerVerdict::ready("VaultVerified", "Vault verified")
}

/// The issuer cannot sign; why, as a sentence.
pub fn vault_not_usable(why: impl Into<String>) -> IssuerVerdict {
    IssuerVerdict::not_ready(REASON, why)
}

/// What is wrong with the settings of a Vault issuer; `None` if they can be used.
pub fn vault_settings(spec: &VaultIssuer) -> Option<IssuerVerdict> {
    let VaultAuth {
        app_role,
        aws,
        client_certificate,
        kubernetes,
        token_secret_ref,
    } = &spec.auth;
    let methods = [
        app_role.is_some(),
        aws.is_some(),
        client_certificate.is_some(),
        kubernetes.is_some(),
        token_secret_ref.is_some(),
    ];
    let why = if spec.server.is_empty() || spec.path.is_empty() {
        "Vault server and path are required fields"
    } else {
        match methods.into_iter().filter(|set| *set).count() {
            0 => "Vault tokenSecretRef, appRole, clientCertificate, kubernetes, or aws is required",
            1 => of_method(&spec.auth)?,
            _ => "Multiple auth methods cannot be set on the same Vault issuer",
        }
    };
    Some(vault_not_usable(why))
}

fn of_method(auth: &VaultAuth) -> Option<&'static str> {
    if auth
        .token_secret_ref
        .as_ref()
        .is_some_and(|secret| secret.name.is_empty())
    {
        return Some("Vault Token auth requires tokenSecretRef.name");
    }
    if let Some(VaultAppRole {
        role_id, secret_ref, ..
    }) = &auth.app_role
    {
        if role_id.is_empty() || secret_ref.name.is_empty() {
            return Some("Vault AppRole auth requires both roleId and tokenSecretRef.name");
        }
        if secret_ref.key.as_deref().unwrap_or_default().is_empty() {
            return Some("Vault AppRole auth requires secretRef.key");
        }
    }
    let VaultKubernetesAuth {
        role,
        secret_ref,
        service_account_ref,
        mount_path: _,
    } = auth.kubernetes.as_ref()?;
    let by_secret = secret_ref.as_ref().is_some_and(|secret| !secret.name.is_empty());
    match (role.is_empty(), by_secret, service_account_ref.is_some()) {
        (true, _, _) => Some("Vault Kubernetes auth requires a role to be set"),
        (false, false, false) => {
            Some("Vault Kubernetes auth requires either secretRef.name or serviceAccountRef.name to be set")
        }
        (false, true, true) => {
            Some("Vault Kubernetes auth cannot be used with both secretRef.name and serviceAccountRef.name")
        }
        (false, true, false) | (false, false, true) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(auth: &serde_json::Value) -> Option<String> {
        let spec = serde_json::json!({ "server": "https://v", "path": "pki/sign/x", "auth": auth });
        vault_settings(&serde_json::from_value(spec).unwrap()).map(|verdict| verdict.message)
    }

    #[test]
    fn settings_that_cannot_be_used_are_refused_in_cert_managers_words() {
        for (auth, words) in [
            (serde_json::json!({}), "is required"),
            (
                serde_json::json!({"tokenSecretRef": {"name": "t"}, "kubernetes": {"role": "r"}}),
                "Multiple auth methods",
            ),
            (
                serde_json::json!({"tokenSecretRef": {"name": ""}}),
                "requires tokenSecretRef.name",
            ),
            (
                serde_json::json!({"appRole": {"path": "approle", "roleId": "r", "secretRef": {"name": "s"}}}),
                "requires secretRef.key",
            ),
            (serde_json::json!({"kubernetes": {"role": "r"}}), "requires either"),
        ] {
            assert!(why(&auth).unwrap().contains(words), "{words}");
        }
        assert_eq!(why(&serde_json::json!({"tokenSecretRef": {"name": "t"}})), None);
        assert_eq!(why(&serde_json::json!({"clientCertificate": {}})), None);
        assert_eq!(why(&serde_json::json!({"aws": {"role": "r"}})), None);
    }
}
