//! Access tokens of Microsoft Azure: with the secret of an application, with the token of a Kubernetes ServiceAccount (workload
//! identity), or from the metadata service of the machine (managed identity).

mod fault;
#[cfg(test)]
pub(crate) mod tests;

use std::{fmt, path::PathBuf, sync::Arc};

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use reqwest::Url;

use self::fault::{no_metadata, not_assigned, refused};
use super::{
    Api, Call, Cloud, Fault, FaultKind,
    oauth::{self, Token},
};
use crate::pki::hidden::Hidden;

/// Its name, for sentences.
const NAME: &str = "Microsoft Entra";
/// The metadata service.
const METADATA: &str = "http://169.254.169.254/";
const METADATA_NAME: &str = "the metadata service of Azure";
/// The version of the API of the metadata service.
const METADATA_VERSION: &str = "2018-02-01";
const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// The file with the token of the ServiceAccount.
const FILE_VARIABLE: &str = "AZURE_FEDERATED_TOKEN_FILE";
const CLIENT_VARIABLE: &str = "AZURE_CLIENT_ID";
const TENANT_VARIABLE: &str = "AZURE_TENANT_ID";
const AUTHORITY_VARIABLE: &str = "AZURE_AUTHORITY_HOST";

/// The endpoints of one of Azure's clouds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Endpoints {
    /// Where tokens are issued.
    pub authority: &'static str,
    /// Azure Resource Manager, which is also what tokens are for.
    pub manager: &'static str,
}

impl Endpoints {
    /// The public cloud.
    pub(crate) const PUBLIC: Self = Self {
        authority: "https://login.microsoftonline.com",
        manager: "https://management.azure.com",
    };
    /// China.
    pub(crate) const CHINA: Self = Self {
        authority: "https://login.chinacloudapi.cn",
        manager: "https://management.chinacloudapi.cn",
    };
    /// The government of the United States.
    pub(crate) const US_GOVERNMENT: Self = Self {
        authority: "https://login.microsoftonline.us",
        manager: "https://management.usgovcloudapi.net",
    };
}

/// What settings say about a managed identity or workload identity. An empty text is as good as none.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Identity<'a> {
    /// Client identifier.
    pub client: Option<&'a str>,
    /// Resource identifier.
    pub resource: Option<&'a str>,
    /// Tenant.
    pub tenant: Option<&'a str>,
}

/// A login at Azure. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Login(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    source: Source,
    /// What tokens are for, without a slash at the end.
    audience: String,
    /// The name of the identity, for sentences.
    who: String,
    credential: String,
}

enum Source {
    /// The secret of an application.
    Secret {
        token_url: Url,
        client: String,
        secret: Hidden<String>,
    },
    /// The token of a ServiceAccount.
    Workload {
        token_url: Url,
        client: String,
        file: PathBuf,
    },
    /// The metadata service.
    Managed(Url),
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Secret { .. } => "Secret",
            Self::Workload { .. } => "Workload",
            Self::Managed(_) => "Managed",
        })
    }
}

impl Login {
    /// With the secret of an application. `place` is where that is, for sentences.
    ///
    /// # Errors
    /// If something is missing.
    pub(crate) fn with_secret(
        endpoints: Endpoints,
        tenant: &str,
        client: &str,
        secret: &[u8],
        place: &str,
    ) -> Result<Self, Fault> {
        let text = std::str::from_utf8(secret.trim_ascii())
            .map_err(|_| wrong(format!("{place} is not text: store the value of the client secret")))?;
        let fingerprint = super::fingerprint(text.as_bytes());
        let source = Source::Secret {
            token_url: token_url(endpoints.authority, tenant)?,
            client: client.to_owned(),
            secret: Hidden::new(text.to_owned()),
        };
        let who = format!("the application {client:?}, whose secret is {place}");
        let identity = format!("secret {tenant} {client} {fingerprint}");
        Ok(Self::new(source, endpoints.manager, who, &identity))
    }

    /// With what the environment provides: the token of the ServiceAccount if Azure's webhook has mounted one, or else the metadata
    /// service. `endpoints` are those that the settings name; the public cloud if they name none.
    ///
    /// # Errors
    /// If something is missing.
    pub(crate) fn ambient(cloud: &Cloud, endpoints: Option<Endpoints>, identity: Identity<'_>) -> Result<Self, Fault> {
        let named = endpoints.is_some();
        let endpoints = endpoints.unwrap_or(Endpoints::PUBLIC);
        let given = |value: Option<&str>| value.filter(|value| !value.is_empty()).map(str::to_owned);
        let (client, resource, tenant) = (given(identity.client), given(identity.resource), given(identity.tenant));
        let variable = |name: &str| cloud.environment.get(name);
        let Some(file) = variable(FILE_VARIABLE) else {
            return Self::managed(METADATA, endpoints, client.as_deref(), resource.as_deref());
        };
        let missing = |name: &str, field: &str| {
            wrong(format!(
                "{FILE_VARIABLE} is set and {name} is not: annotate certlet's ServiceAccount for workload identity, or set \
                 azureDNS.managedIdentity.{field}"
            ))
        };
        let client = client
            .or_else(|| given(variable(CLIENT_VARIABLE)))
            .ok_or_else(|| missing(CLIENT_VARIABLE, "clientID"))?;
        let tenant = tenant
            .or_else(|| given(variable(TENANT_VARIABLE)))
            .ok_or_else(|| missing(TENANT_VARIABLE, "tenantID"))?;
        // a cloud that the settings name counts more than the variable
        let authority = if named {
            endpoints.authority
        } else {
            variable(AUTHORITY_VARIABLE).unwrap_or(endpoints.authority)
        };
        let source = Source::Workload {
            token_url: token_url(authority, &tenant)?,
            client: client.clone(),
            file: file.into(),
        };
        let identity = format!("workload {authority} {tenant} {client} {file}");
        let who = format!("the workload identity {client:?}");
        Ok(Self::new(source, endpoints.manager, who, &identity))
    }

    /// With the metadata service at `base`.
    fn managed(base: &str, endpoints: Endpoints, client: Option<&str>, resource: Option<&str>) -> Result<Self, Fault> {
        let mut url = base.parse::<Url>().map_err(|_| not_a_url())?;
        url.set_path("metadata/identity/oauth2/token");
        url.query_pairs_mut()
            .append_pair("api-version", METADATA_VERSION)
            .append_pair("resource", endpoints.manager);
        let who = match (resource, client) {
            (Some(resource), _) => {
                url.query_pairs_mut().append_pair("msi_res_id", resource);
                format!("the managed identity {resource:?}")
            }
            (None, Some(client)) => {
                url.query_pairs_mut().append_pair("client_id", client);
                format!("the managed identity {client:?}")
            }
            (None, None) => "the managed identity of this machine".to_owned(),
        };
        let identity = format!("managed {url}");
        Ok(Self::new(Source::Managed(url), endpoints.manager, who, &identity))
    }

    fn new(source: Source, audience: &str, who: String, identity: &str) -> Self {
        Self(Arc::new(Inner {
            source,
            audience: audience.to_owned(),
            who,
            credential: format!("azure {audience} {identity}"),
        }))
    }

    /// Identifies it without revealing a secret.
    pub(crate) fn credential(&self) -> &str {
        &self.0.credential
    }

    /// Who it is, for sentences.
    pub(crate) fn who(&self) -> &str {
        &self.0.who
    }

    async fn ask(&self, cloud: &Cloud) -> Result<Token, Fault> {
        let scope = format!("{}/.default", self.0.audience);
        match &self.0.source {
            Source::Secret {
                token_url,
                client,
                secret,
            } => {
                let proof = [("client_secret", secret.expose().as_str())];
                self.log_in(cloud, token_url, client, &scope, &proof).await
            }
            Source::Workload {
                token_url,
                client,
                file,
            } => {
                let token = tokio::fs::read_to_string(file)
                    .await
                    .map(Hidden::new)
                    .map_err(|error| {
                        let file = file.display();
                        wrong(format!("{file} ({FILE_VARIABLE}) cannot be read: {}", error.kind()))
                    })?;
                let proof = [
                    ("client_assertion_type", ASSERTION),
                    ("client_assertion", token.expose().trim()),
                ];
                self.log_in(cloud, token_url, client, &scope, &proof).await
            }
            Source::Managed(url) => self.ask_metadata(&cloud.platform(METADATA_NAME), url).await,
        }
    }

    async fn log_in(
        &self,
        cloud: &Cloud,
        url: &Url,
        client: &str,
        scope: &str,
        proof: &[(&str, &str)],
    ) -> Result<Token, Fault> {
        let mut fields = vec![
            ("client_id", client),
            ("scope", scope),
            ("grant_type", "client_credentials"),
        ];
        fields.extend_from_slice(proof);
        let call = Call {
            purpose: "token",
            method: Method::POST,
            url,
            headers: oauth::form_headers(),
            body: Some(oauth::form(&fields)),
        };
        let reply = cloud.api(NAME).send(call).await?;
        match reply.status {
            StatusCode::OK => oauth::granted(&reply),
            StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                Err(refused(&reply, &self.0.who, (cloud.now)()))
            }
            _ => Err(reply.unexpected("issue a token")),
        }
    }

    async fn ask_metadata(&self, api: &Api, url: &Url) -> Result<Token, Fault> {
        let header = (HeaderName::from_static("metadata"), HeaderValue::from_static("true"));
        let call = Call {
            purpose: "token",
            method: Method::GET,
            url,
            headers: HeaderMap::from_iter([header]),
            body: None,
        };
        let reply = api.send(call).await.map_err(no_metadata)?;
        match reply.status {
            StatusCode::OK => oauth::granted(&reply),
            StatusCode::BAD_REQUEST => Err(not_assigned(&reply, &self.0.who)),
            // the identity of the machine is being changed
            StatusCode::NOT_FOUND | StatusCode::GONE => {
                let sentence = format!("{} has no token at the moment ({})", reply.server, reply.status);
                Err(Fault::new(FaultKind::Unreachable, sentence))
            }
            _ => Err(reply.unexpected("issue a token")),
        }
    }
}

impl oauth::Tokens for Login {
    /// A token for Azure Resource Manager.
    async fn token(&self, cloud: &Cloud) -> Result<Hidden<String>, Fault> {
        oauth::remembered(cloud, &self.0.credential, self.ask(cloud)).await
    }

    fn forget(&self, cloud: &Cloud) {
        oauth::forget(cloud, &self.0.credential);
    }
}

/// Where tokens of a tenant are issued.
fn token_url(authority: &str, tenant: &str) -> Result<Url, Fault> {
    let mut url = authority.parse::<Url>().map_err(|_| not_a_url())?;
    url.path_segments_mut()
        .map_err(|()| not_a_url())?
        .pop_if_empty()
        .extend([tenant, "oauth2", "v2.0", "token"]);
    Ok(url)
}

fn not_a_url() -> Fault {
    wrong(format!("{AUTHORITY_VARIABLE} is not a URL"))
}

fn wrong(sentence: String) -> Fault {
    Fault::new(FaultKind::Credential, sentence)
}
