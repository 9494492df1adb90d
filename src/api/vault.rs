//! Issuers backed by HashiCorp Vault or OpenBao (ISS-04..10).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::reference::ServiceAccountRef;
use super::{ByteString, SecretKeySelector};

/// Signs with the PKI engine of Vault.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VaultIssuer {
    /// How to log in.
    pub auth: VaultAuth,
    /// CA certificates in PEM that the server's certificate is checked against. Not together with caBundleSecretRef.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "super::schema::bytes")]
    pub ca_bundle: Option<ByteString>,
    /// Secret with these CA certificates; its key is ca.crt if not set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_bundle_secret_ref: Option<SecretKeySelector>,
    /// Client certificate for servers that ask for one; its key is tls.crt if not set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_cert_secret_ref: Option<SecretKeySelector>,
    /// Private key of the client certificate; its key is tls.key if not set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_key_secret_ref: Option<SecretKeySelector>,
    /// Namespace inside Vault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Path of the sign endpoint, for example pki_int/sign/web.
    pub path: String,
    /// URL of the server, for example https://vault.example.com:8200.
    pub server: String,
    /// Name that the server's certificate has to be for, if it is not the one in the URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_name: Option<String>,
}

/// How to log in to Vault; one of the fields is set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VaultAuth {
    /// With an AppRole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app_role: Option<VaultAppRole>,
    /// With an AWS identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aws: Option<VaultAwsAuth>,
    /// With a client certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_certificate: Option<VaultClientCertificateAuth>,
    /// With a token of a Kubernetes ServiceAccount.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kubernetes: Option<VaultKubernetesAuth>,
    /// With a token in a Secret; its key is token if not set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_secret_ref: Option<SecretKeySelector>,
}

/// Login with an AppRole.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VaultAppRole {
    /// Where the method is mounted, for example approle.
    pub path: String,
    /// Identifier of the role.
    pub role_id: String,
    /// The secret identifier that belongs to it.
    pub secret_ref: SecretKeySelector,
}

/// Login with an AWS identity.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VaultAwsAuth {
    /// AWS role to assume; required with serviceAccountRef.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iam_role_arn: Option<String>,
    /// Where the method is mounted; /v1/auth/aws if not set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mount_path: Option<String>,
    /// AWS region whose token service is used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Vault role to log in as.
    pub role: String,
    /// ServiceAccount whose token is exchanged for the AWS identity; if not set, the identity of the place this runs in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account_ref: Option<ServiceAccountRef>,
    /// Value of the header X-Vault-AWS-IAM-Server-ID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vault_header_value: Option<String>,
}

/// Login with a client certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VaultClientCertificateAuth {
    /// Where the method is mounted; /v1/auth/cert if not set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mount_path: Option<String>,
    /// Role to log in as; Vault chooses by the certificate if not set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Secret with the certificate in tls.crt and tls.key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_name: Option<String>,
}

/// Login with a token of a Kubernetes ServiceAccount.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VaultKubernetesAuth {
    /// Where the method is mounted; /v1/auth/kubernetes if not set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mount_path: Option<String>,
    /// Vault role to log in as.
    pub role: String,
    /// Secret with a token; its key is token if not set. Not together with serviceAccountRef.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretKeySelector>,
    /// ServiceAccount whose short-lived token is used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account_ref: Option<ServiceAccountRef>,
}
