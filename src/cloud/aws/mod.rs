//! Amazon Web Services: where credentials come from, signed calls, and what their errors mean (DNS-05).

mod error;
mod sign;
mod source;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, header};
use reqwest::Url;

pub use self::source::{Source, Sources};
use super::{Call, Cloud, Fault, FaultKind, Reply};
use crate::pki::hidden::Hidden;

/// The name of the provider in sentences.
const AWS: &str = "AWS";

/// An access key. `Debug` does not show the secret parts.
#[derive(Clone, Debug)]
pub struct Keys {
    /// The identifier.
    pub id: String,
    /// The secret key.
    pub secret: Hidden<String>,
    /// The token of a session.
    pub token: Option<Hidden<String>>,
}

/// A call of a service.
#[derive(Debug)]
pub struct Action<'a> {
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
pub struct Aws {
    cloud: Cloud,
    region: String,
    sources: Sources,
}

impl Aws {
    /// AWS in this region; without one, in that of the environment if `sources` are ambient, else in `us-east-1`.
    pub fn new(cloud: &Cloud, region: Option<&str>, sources: Sources) -> Self {
        let environment = || {
            ["AWS_REGION", "AWS_DEFAULT_REGION"]
                .into_iter()
                .find_map(|name| cloud.environment.get(name))
        };
        let region = region
            .filter(|region| !region.is_empty())
            .or_else(|| environment().filter(|_| sources.is_ambient()))
            .unwrap_or("us-east-1");
        Self {
            cloud: cloud.clone(),
            region: region.to_owned(),
            sources,
        }
    }

    /// Identifies region, source and role.
    pub fn credential(&self) -> String {
        format!("aws {} {}", self.region, self.sources.credential())
    }

    /// The clouds' common ground.
    pub const fn cloud(&self) -> &Cloud {
        &self.cloud
    }

    /// The server of a service, and the region that signatures name.
    ///
    /// # Errors
    /// If the region or `AWS_ENDPOINT_URL` is not usable.
    pub fn endpoint(&self, service: &str) -> Result<(Url, &str), Fault> {
        let region = self.region.as_str();
        // users choose it, and it becomes a part of the name of the server that gets tokens
        if !region
            .bytes()
            .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
        {
            let sentence = format!(
                "route53.region {:?} is no AWS region, such as eu-central-1",
                crate::text::excerpt(region)
            );
            return Err(Fault::new(FaultKind::Credential, sentence));
        }
        let (domain, global) = if region.starts_with("cn-") {
            ("amazonaws.com.cn", "cn-northwest-1")
        } else if region.starts_with("us-gov-") {
            ("amazonaws.com", "us-gov-west-1")
        } else {
            ("amazonaws.com", "us-east-1")
        };
        let is_global = service == "route53";
        let text = match self.cloud.environment.get("AWS_ENDPOINT_URL") {
            Some(text) => text.to_owned(),
            None if is_global && global == "us-gov-west-1" => "https://route53.us-gov.amazonaws.com/".to_owned(),
            None if is_global => format!("https://route53.{domain}/"),
            None => format!("https://{service}.{region}.{domain}/"),
        };
        let url = Url::parse(&text).ok().filter(Url::has_host);
        let url = url.ok_or_else(|| Fault::new(FaultKind::Other, format!("the AWS region {region:?} makes no URL")))?;
        Ok((url, if is_global { global } else { region }))
    }

    /// Makes a signed call.
    ///
    /// # Errors
    /// Whatever is not a success.
    pub async fn call(&self, action: Action<'_>) -> Result<Reply, Fault> {
        let keys = self.keys().await?;
        let region = self.endpoint(action.service)?.1.to_owned();
        let result = self.signed(&action, &keys, &region).await;
        if let Err(fault) = &result
            && fault.kind == FaultKind::Credential
        {
            self.cloud.memo.forget(&self.credential(), source::KEYS);
        }
        result
    }

    async fn signed(&self, action: &Action<'_>, keys: &Keys, region: &str) -> Result<Reply, Fault> {
        let signed = sign::Signed {
            method: &action.method,
            url: &action.url,
            body: action.body.as_bytes(),
            region,
            service: action.service,
        };
        let mut headers = sign::headers(&signed, keys, (self.cloud.now)()).ok_or_else(|| {
            let sentence = "the AWS access key contains characters that no access key has";
            Fault::new(FaultKind::Credential, sentence)
        })?;
        let kind = if action.service == "sts" {
            "application/x-www-form-urlencoded; charset=utf-8"
        } else {
            "application/xml"
        };
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        self.send(action, headers).await
    }

    async fn send(&self, action: &Action<'_>, headers: HeaderMap) -> Result<Reply, Fault> {
        let api = self.cloud.api(AWS);
        let body = (!action.body.is_empty()).then(|| Bytes::from(action.body.clone()));
        let call = Call {
            purpose: "dns-provider",
            method: action.method.clone(),
            url: &action.url,
            headers,
            body,
        };
        let reply = api.send(call).await?;
        if reply.status.is_success() {
            return Ok(reply);
        }
        Err(error::fault(&api, &reply, action, (self.cloud.now)()))
    }
}
