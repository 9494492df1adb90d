//! The Secrets and tokens that a Vault issuer names (ISS-05..09).

use std::sync::Arc;

use aws_lc_rs::digest;

use super::{
    super::secrets::{IssuerSecrets, NoSession},
    aws,
};
use crate::{
    api::{
        SecretKeySelector,
        names::data_key,
        reference::ServiceAccountRef,
        vault::{VaultAppRole, VaultAuth, VaultClientCertificateAuth, VaultIssuer, VaultKubernetesAuth},
    },
    cluster::reader::Reader,
    controller::Ports,
    net::{ClientCertificate, Trust},
    pki::hidden::Hidden,
    plan::{
        issuer::secret_of,
        seen::{Meta, ObjectKey},
    },
    process::clock,
    signer::{
        fault::{Fault, FaultKind},
        vault::{
            Session,
            server::{Address, Server},
            tokens::{Fields, Login, MakeFields, Tokens},
        },
    },
};

/// How long a token of a ServiceAccount is valid, in seconds: the shortest time that the API server grants.
const JWT_SECONDS: i64 = 600;

/// The Secrets of an issuer, and how its tokens are made.
pub(super) struct Place<'a> {
    ports: &'a Ports,
    issuer: &'a Meta,
    secrets: IssuerSecrets<'a>,
}

impl<'a> Place<'a> {
    /// Nothing is read yet.
    pub(super) fn new(ports: &'a Ports, issuer: &'a Meta) -> Self {
        Self {
            ports,
            issuer,
            secrets: IssuerSecrets::new(ports, issuer),
        }
    }

    /// The Secrets that were read.
    pub(super) fn into_secrets(self) -> Vec<ObjectKey> {
        self.secrets.into_keys()
    }

    /// The session that these settings describe, with a login from `tokens`.
    pub(super) async fn session(&mut self, spec: &VaultIssuer, tokens: &Tokens) -> Result<Session, NoSession> {
        let mut identity = digest::Context::new(&digest::SHA256);
        let mut part = |bytes: &[u8]| {
            identity.update(&bytes.len().to_be_bytes());
            identity.update(bytes);
        };
        let bundle = match (&spec.ca_bundle, &spec.ca_bundle_secret_ref) {
            (Some(bundle), _) if !bundle.0.is_empty() => Some(bundle.0.clone()),
            (_, Some(reference)) => Some(self.secrets.value(reference, data_key::CA_CRT).await?.expose().clone()),
            (_, None) => None,
        };
        let mut certificate = None;
        if let (Some(of_certificate), Some(of_key)) = (&spec.client_cert_secret_ref, &spec.client_key_secret_ref) {
            let chain = self.secrets.value(of_certificate, data_key::TLS_CRT).await?;
            let key = self.secrets.value(of_key, data_key::TLS_KEY).await?;
            part(b"client certificate");
            part(chain.expose());
            part(key.expose());
            certificate = Some(pair(&of_certificate.name, &chain, &key)?);
        }
        part(spec.server.as_bytes());
        part(spec.namespace.as_deref().unwrap_or_default().as_bytes());
        part(spec.server_name.as_deref().unwrap_or_default().as_bytes());
        part(bundle.as_deref().unwrap_or_default());
        let address = Address {
            server: spec.server.clone(),
            namespace: spec.namespace.clone(),
            server_name: spec.server_name.clone(),
            trust: Trust {
                ca_bundle: bundle,
                skip_verify: false,
            },
            certificate,
        };
        let server = Server::new(&address, &self.ports.http, clock::now)?;
        let (login, own) = self.login(spec, &mut part).await?;
        let login_server = match own {
            None => server.clone(),
            own => {
                let address = Address {
                    certificate: own,
                    ..address
                };
                Server::new(&address, &self.ports.http, clock::now)?
            }
        };
        let mut digest = [0; 32];
        digest.copy_from_slice(identity.finish().as_ref());
        let slot = tokens.slot(digest, &login_server, login);
        let limits = self.ports.settings.size_limits;
        Ok(Session::new(server, slot, &spec.path, limits))
    }

    /// The login, and a client certificate of its own. Its identity goes to `part`.
    async fn login(
        &mut self,
        spec: &VaultIssuer,
        part: &mut (dyn FnMut(&[u8]) + Send),
    ) -> Result<(Login, Option<ClientCertificate>), NoSession> {
        let VaultAuth {
            app_role,
            aws,
            client_certificate,
            kubernetes,
            token_secret_ref,
        } = &spec.auth;
        if let Some(reference) = token_secret_ref {
            let token = self.secrets.text(reference, "token").await?;
            of_token(&token, part);
            return Ok((Login::Token(token), None));
        }
        if let Some(VaultAppRole {
            path,
            role_id,
            secret_ref,
        }) = app_role
        {
            let secret_id = self.secrets.text(secret_ref, "").await?;
            let mount = if path.is_empty() { "approle" } else { path };
            let path = format!("v1/auth/{}/login", mount.trim_matches('/'));
            let fields = vec![
                ("role_id", Hidden::new(role_id.trim().to_owned())),
                ("secret_id", secret_id),
            ];
            return Ok((post(path, fields, part), None));
        }
        if let Some(VaultClientCertificateAuth {
            mount_path,
            name,
            secret_name,
        }) = client_certificate
        {
            let mut own = None;
            if let Some(secret) = secret_name.as_deref().filter(|secret| !secret.is_empty()) {
                let reference = |key: &str| SecretKeySelector {
                    name: secret.to_owned(),
                    key: Some(key.to_owned()),
                };
                let chain = self.secrets.value(&reference(data_key::TLS_CRT), "").await?;
                let key = self.secrets.value(&reference(data_key::TLS_KEY), "").await?;
                part(b"certificate");
                part(chain.expose());
                part(key.expose());
                own = Some(pair(secret, &chain, &key)?);
            }
            let name = Hidden::new(name.clone().unwrap_or_default());
            let path = login_path(mount_path.as_deref(), "/v1/auth/cert");
            return Ok((post(path, vec![("name", name)], part), own));
        }
        match (kubernetes, aws) {
            (Some(kubernetes), _) => Ok((self.kubernetes(spec, kubernetes, part).await?, None)),
            (None, Some(settings)) => Ok((aws::login(self.ports, self.issuer, settings, part)?, None)),
            (None, None) => Err(NoSession::Unusable(
                "there is no login that certlet supports".to_owned(),
            )),
        }
    }

    async fn kubernetes(
        &mut self,
        spec: &VaultIssuer,
        settings: &VaultKubernetesAuth,
        part: &mut (dyn FnMut(&[u8]) + Send),
    ) -> Result<Login, NoSession> {
        let VaultKubernetesAuth {
            mount_path,
            role,
            secret_ref,
            service_account_ref,
        } = settings;
        let path = login_path(mount_path.as_deref(), "/v1/auth/kubernetes");
        if let Some(reference) = secret_ref.as_ref().filter(|reference| !reference.name.is_empty()) {
            let jwt = self.secrets.text(reference, "token").await?;
            return Ok(post(
                path,
                vec![("role", Hidden::new(role.clone())), ("jwt", jwt)],
                part,
            ));
        }
        let Some(account) = service_account_ref else {
            return Err(NoSession::Unusable(
                "there is no token for the Kubernetes login".to_owned(),
            ));
        };
        let (fields, identity) = self.jwt(role, account, &spec.server);
        of_account(&path, role, &identity, part);
        Ok(Login::Made { path, fields })
    }

    /// The role with tokens of a ServiceAccount with cert-manager's audiences (ISS-09), and the identity of both.
    fn jwt(&self, role: &str, account: &ServiceAccountRef, server: &str) -> (MakeFields, String) {
        let key = secret_of(
            self.issuer,
            &account.name,
            &self.ports.settings.cluster_resource_namespace,
        );
        let (namespace, name) = (&self.issuer.key.namespace, &self.issuer.key.name);
        let own = if namespace.is_empty() {
            format!("vault://{name}")
        } else {
            format!("vault://{namespace}/{name}")
        };
        let audiences: Vec<String> = account
            .audiences
            .iter()
            .cloned()
            .chain([own, server.to_owned()])
            .collect();
        let identity = format!("serviceaccount {key} {audiences:?}");
        let reader = self.ports.reader.clone();
        let role = role.to_owned();
        let make: MakeFields = Arc::new(move |_fresh| {
            let (reader, key, audiences) = (reader.clone(), key.clone(), audiences.clone());
            let role = Hidden::new(role.clone());
            Box::pin(async move {
                let jwt = service_account_token(&reader, &key, audiences).await?;
                Ok(vec![("role", role), ("jwt", jwt)])
            })
        });
        (make, identity)
    }
}

/// The path of the login endpoint of a mount.
pub(super) fn login_path(mount: Option<&str>, default_mount: &str) -> String {
    let mount = mount.filter(|mount| !mount.is_empty()).unwrap_or(default_mount);
    format!("{}/login", mount.trim_matches('/'))
}

/// The identity of a login with a token. Each identity begins with its kind: a Secret with a token can have any text, also that of an
/// identity in another namespace.
fn of_token(token: &Hidden<String>, part: &mut (dyn FnMut(&[u8]) + Send)) {
    part(b"token");
    part(token.expose().as_bytes());
}

/// The identity of a login with a ServiceAccount.
fn of_account(path: &str, role: &str, identity: &str, part: &mut (dyn FnMut(&[u8]) + Send)) {
    for text in ["service account", path, role, identity] {
        part(text.as_bytes());
    }
}

fn post(path: String, fields: Fields, part: &mut (dyn FnMut(&[u8]) + Send)) -> Login {
    part(b"post");
    part(path.as_bytes());
    for (name, value) in &fields {
        part(name.as_bytes());
        part(value.expose().as_bytes());
    }
    Login::Post { path, fields }
}

fn pair(secret: &str, chain: &Hidden<Vec<u8>>, key: &Hidden<Vec<u8>>) -> Result<ClientCertificate, NoSession> {
    ClientCertificate::from_pem(chain.expose(), key.expose()).map_err(|why| {
        NoSession::Unusable(format!(
            "the client certificate in secret {secret:?} cannot be used: {why}"
        ))
    })
}

async fn service_account_token(
    reader: &Reader,
    account: &ObjectKey,
    audiences: Vec<String>,
) -> Result<Hidden<String>, Fault> {
    reader.token(account, audiences, JWT_SECONDS).await.map_err(|refused| {
        let (is_curable, sentence) = refused.token_advice(account);
        let kind = if is_curable {
            FaultKind::Settings
        } else {
            FaultKind::Unavailable
        };
        Fault { kind, sentence }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    type Part<'a> = &'a mut (dyn FnMut(&[u8]) + Send);

    fn parts(identity: impl FnOnce(Part<'_>)) -> Vec<Vec<u8>> {
        let mut parts: Vec<Vec<u8>> = Vec::new();
        identity(&mut |part| parts.push(part.to_vec()));
        parts
    }

    #[test]
    fn no_text_in_a_secret_is_the_identity_of_a_service_account_of_another_namespace() {
        let of_victim = "serviceaccount shop/vault [\"vault://shop/vault\"]";
        let account = parts(|part| of_account("auth/kubernetes/login", "web", of_victim, part));
        let posted = parts(|part| drop(post("auth/kubernetes/login".to_owned(), Vec::new(), part)));
        for text in account.iter().chain([&account[1..].join(&b' ')]) {
            let token = Hidden::new(String::from_utf8(text.clone()).unwrap());
            let token = parts(|part| of_token(&token, part));
            assert_eq!(token.len(), 2);
            for other in [&account, &posted] {
                assert_ne!(token[0], other[0]);
            }
        }
        assert_ne!(account[0], posted[0]);
    }
}
