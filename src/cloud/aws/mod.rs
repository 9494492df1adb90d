//! Amazon Web Services: where credentials come from, signed calls, and what their errors mean (DNS-05).

mod error;
mod identity;
mod region;
mod sign;
mod source;
#[cfg(test)]
mod tests;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, header};
use reqwest::Url;

use self::region::Region;
pub(crate) use self::source::{Source, Sources};
use super::{Api, Call, Cloud, Fault, FaultKind, Reply};
use crate::pki::hidden::Hidden;

/// The name of the provider in sentences.
const AWS: &str = "AWS";

/// An access key. `Debug` does not show the secret parts.
#[derive(Clone, Debug)]
pub(crate) struct Keys {
    /// The identifier.
    pub id: String,
    /// The secret key.
    pub secret: Hidden<String>,
    /// The token of a session.
    pub token: Option<Hidden<String>>,
}

/// What the identity is used for. It decides which fields of an issuer sentences name.
#[derive(Debug)]
pub(crate) struct Usage {
    /// The purpose of calls: a word of a closed set, for logs.
    pub purpose: &'static str,
    /// The field with the region.
    pub region: &'static str,
    /// The field with the role.
    pub role: &'static str,
    /// The field with the ServiceAccount.
    pub account: &'static str,
    /// What to name in the issuer, if this process has no identity.
    pub instead: &'static str,
}

/// Records in Route 53.
pub(crate) const ROUTE53: Usage = Usage {
    purpose: "dns-provider",
    region: "route53.region",
    role: "route53.role",
    account: "route53.auth.kubernetes",
    instead: "an access key or a ServiceAccount",
};

/// Logins at Vault.
pub(crate) const VAULT: Usage = Usage {
    purpose: "vault",
    region: "vault.auth.aws.region",
    role: "vault.auth.aws.iamRoleArn",
    account: "vault.auth.aws.serviceAccountRef",
    instead: "a ServiceAccount",
};

/// A call of a service.
#[derive(Debug)]
pub(crate) struct Action<'a> {
    /// The service in signatures and rights: `route53`, `sts`.
    pub service: &'static str,
    /// The name of the action, for sentences.
    pub name: &'static str,
    /// What the right must cover, for sentences.
    pub resource: &'a str,
    /// The method.
    pub method: Method,
    /// The URL.
    pub url: Url,
    /// The body.
    pub body: String,
}

/// An AWS account as it is seen with one source of credentials. Cheap to clone with the cloud it is in.
#[derive(Clone, Debug)]
pub(crate) struct Aws {
    cloud: Cloud,
    region: Region,
    sources: Sources,
}

impl Aws {
    /// AWS in this region. The region of the environment is used without one, and always with the credentials of the environment, as
    /// cert-manager does; without either that of the role's partition.
    ///
    /// # Errors
    /// If the region cannot be one.
    pub(crate) fn new(cloud: &Cloud, region: Option<&str>, sources: Sources) -> Result<Self, Fault> {
        let own = region.filter(|region| !region.is_empty());
        let environment = ["AWS_REGION", "AWS_DEFAULT_REGION"]
            .into_iter()
            .find_map(|name| cloud.environment.get(name));
        let region = if sources.is_ambient() {
            environment.or(own)
        } else {
            own.or(environment)
        };
        Ok(Self {
            region: match region {
                Some(region) => Region::parse(region, sources.usage.region)?,
                None => Region::of_arn(sources.role()),
            },
            cloud: cloud.clone(),
            sources,
        })
    }

    /// Identifies region, source and role.
    pub(crate) fn credential(&self) -> String {
        format!("aws {} {}", self.region.name(), self.sources.credential())
    }

    /// The clouds' common ground.
    pub(crate) const fn cloud(&self) -> &Cloud {
        &self.cloud
    }

    /// The name of the partition in ARNs.
    pub(crate) fn partition(&self) -> &'static str {
        self.region.partition().name
    }

    /// The server of a service, and the region that signatures name.
    ///
    /// # Errors
    /// If `AWS_ENDPOINT_URL` is not usable.
    pub(crate) fn endpoint(&self, service: &str) -> Result<(Url, &str), Fault> {
        self.region.endpoint(service, self.everywhere())
    }

    /// The server that replaces all servers of AWS.
    fn everywhere(&self) -> Option<&str> {
        self.cloud.environment.get("AWS_ENDPOINT_URL")
    }

    /// The servers of AWS. The address policy does not apply to the one that the administrator has set.
    fn api(&self) -> Api {
        match self.everywhere() {
            Some(_) => self.cloud.platform(AWS),
            None => self.cloud.api(AWS),
        }
    }

    /// Makes a signed call. The reply is a success, or says that a batch cannot be applied ([`invalid_batch`]). A remembered session that
    /// is refused is replaced once.
    ///
    /// # Errors
    /// Whatever else the reply is.
    pub(crate) async fn call(&self, action: Action<'_>) -> Result<Reply, Fault> {
        let region = self.endpoint(action.service)?.1;
        let (keys, remembered) = self.keys().await?;
        let result = self.signed(&action, &keys, region).await;
        let Err(Fault {
            kind: FaultKind::Credential,
            ..
        }) = &result
        else {
            return result;
        };
        self.cloud.memo.forget(&self.credential(), source::KEYS);
        if !remembered {
            return result;
        }
        let (keys, _) = self.keys().await?;
        self.signed(&action, &keys, region).await
    }

    async fn signed(&self, action: &Action<'_>, keys: &Keys, region: &str) -> Result<Reply, Fault> {
        let signed = sign::Signed {
            method: &action.method,
            url: &action.url,
            body: action.body.as_bytes(),
            region,
            service: action.service,
            more: &[],
        };
        let headers = sign::headers(&signed, keys, (self.cloud.now)()).ok_or_else(unsignable)?;
        self.send(action, headers).await
    }

    async fn send(&self, action: &Action<'_>, mut headers: HeaderMap) -> Result<Reply, Fault> {
        let body = (!action.body.is_empty()).then(|| Bytes::from(action.body.clone()));
        if body.is_some() {
            let kind = match action.service {
                "sts" => "application/x-www-form-urlencoded; charset=utf-8",
                _ => "application/xml",
            };
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        }
        let call = Call {
            purpose: self.sources.usage.purpose,
            method: action.method.clone(),
            url: &action.url,
            headers,
            body,
        };
        let api = self.api();
        let reply = api.send(call).await?;
        if reply.status.is_success() || error::invalid_batch(&reply).is_some() {
            return Ok(reply);
        }
        let role = self.sources.usage.role;
        Err(error::fault(&api, &reply, action, role, (self.cloud.now)()))
    }
}

fn unsignable() -> Fault {
    let sentence = "the AWS access key contains characters that no access key has";
    Fault::new(FaultKind::Credential, sentence)
}

/// Why a batch of changes cannot be applied, if the reply says that. It is for comparisons, not for sentences.
pub(crate) fn invalid_batch(reply: &Reply) -> Option<String> {
    if reply.status.is_success() {
        return None;
    }
    error::invalid_batch(reply)
}
