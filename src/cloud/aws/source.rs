//! Where access keys come from, and the roles that are assumed with them.

use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use jiff::{SignedDuration, Timestamp};
use reqwest::Url;
use serde::{Deserialize, Serialize};

use super::{AWS, Action, Aws, Keys, Usage, sign};
use crate::{
    cloud::{Call, Fault, FaultKind, fingerprint},
    pki::hidden::Hidden,
};

/// Under which name keys are remembered.
pub(super) const KEYS: &str = "aws keys";
/// How long before its expiry a session is renewed.
const EARLY: SignedDuration = SignedDuration::from_mins(5);
/// The name of sessions, unless the environment has another. Policies of trust may require that of cert-manager.
const SESSION: &str = "cert-manager";
/// The metadata service of EC2.
const IMDS: &str = "http://169.254.169.254/latest/";
/// The agent of ECS.
const ECS: &str = "http://169.254.170.2";

/// A source of access keys, and a role that is assumed with them.
#[derive(Clone, Debug)]
pub(crate) struct Sources {
    /// The first keys.
    pub source: Source,
    /// The role.
    pub role: Option<String>,
    /// What it is for.
    pub usage: &'static Usage,
}

/// A source of access keys.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    /// These.
    Static(Keys),
    /// What the place that this process runs in has.
    Ambient,
    /// A token of a ServiceAccount, exchanged for the role.
    WebIdentity {
        /// Namespace and name.
        account: String,
        /// The token.
        token: Hidden<String>,
    },
}

impl Sources {
    /// The role, if there is one.
    pub(super) fn role(&self) -> Option<&str> {
        self.role.as_deref().filter(|role| !role.is_empty())
    }

    pub(super) const fn is_ambient(&self) -> bool {
        matches!(self.source, Source::Ambient)
    }

    pub(super) fn credential(&self) -> String {
        let source = match &self.source {
            Source::Static(keys) => {
                format!("{} {}", keys.id, fingerprint(keys.secret.expose().as_bytes()))
            }
            Source::Ambient => "ambient".to_owned(),
            Source::WebIdentity { account, token: _ } => format!("serviceaccount {account}"),
        };
        format!("{source} {:?}", self.role)
    }
}

/// Keys as the container agent and the metadata service write them, and as they are remembered.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Session {
    access_key_id: String,
    secret_access_key: String,
    #[serde(alias = "SessionToken")]
    token: Option<String>,
    expiration: Option<Timestamp>,
}

/// A reply of STS: either action, which differ in their outer elements only.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Assumed {
    #[serde(alias = "AssumeRoleWithWebIdentityResult")]
    assume_role_result: AssumedResult,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AssumedResult {
    credentials: Session,
}

impl Session {
    fn of(keys: &Keys) -> Self {
        Self {
            access_key_id: keys.id.clone(),
            secret_access_key: keys.secret.expose().clone(),
            token: keys.token.as_ref().map(|token| token.expose().clone()),
            expiration: None,
        }
    }

    fn keys(self) -> Keys {
        Keys {
            id: self.access_key_id,
            secret: Hidden::new(self.secret_access_key),
            token: self.token.map(Hidden::new),
        }
    }
}

impl Aws {
    /// The keys that calls are signed with, and whether they are remembered ones. Those of a session are remembered until shortly before
    /// they expire.
    pub(super) async fn keys(&self) -> Result<(Keys, bool), Fault> {
        if let (Source::Static(keys), None) = (&self.sources.source, self.sources.role()) {
            return Ok((keys.clone(), false));
        }
        let credential = self.credential();
        let _turn = self.cloud.memo.turn(&credential, KEYS).await;
        if let Some(known) = self.cloud.memo.get(&credential, KEYS)
            && let Ok(session) = serde_json::from_str::<Session>(known.expose())
        {
            return Ok((session.keys(), true));
        }
        let session = self.session().await?;
        if let Some(expiration) = session.expiration
            && let Ok(until) = expiration.checked_sub(EARLY)
            && let Ok(text) = serde_json::to_string(&session)
        {
            self.cloud.memo.set(&credential, KEYS, Hidden::new(text), until);
        }
        Ok((session.keys(), false))
    }

    async fn session(&self) -> Result<Session, Fault> {
        match (&self.sources.source, self.sources.role()) {
            (Source::WebIdentity { token, .. }, Some(role)) => self.web_identity(role, token.expose(), SESSION).await,
            (Source::WebIdentity { .. }, None) => {
                let Usage { account, role, .. } = self.sources.usage;
                let sentence = format!("{account} needs {role}: the role that the ServiceAccount assumes");
                Err(Fault::new(FaultKind::Credential, sentence))
            }
            (Source::Static(keys), Some(role)) => self.assume(role, keys).await,
            (Source::Static(keys), None) => Ok(Session::of(keys)),
            (Source::Ambient, None) => self.ambient().await,
            (Source::Ambient, Some(role)) => {
                let keys = self.ambient().await?.keys();
                self.assume(role, &keys).await
            }
        }
    }

    /// In the order of AWS's own tools: the environment, a token file, the agent of the container, the metadata service.
    async fn ambient(&self) -> Result<Session, Fault> {
        let get = |name: &str| self.cloud.environment.get(name);
        if let (Some(id), Some(secret)) = (get("AWS_ACCESS_KEY_ID"), get("AWS_SECRET_ACCESS_KEY")) {
            return Ok(Session {
                access_key_id: id.trim().to_owned(),
                secret_access_key: secret.trim().to_owned(),
                token: get("AWS_SESSION_TOKEN").map(str::to_owned),
                expiration: None,
            });
        }
        if let (Some(role), Some(file)) = (get("AWS_ROLE_ARN"), get("AWS_WEB_IDENTITY_TOKEN_FILE")) {
            let token = read(file).await?;
            let session = get("AWS_ROLE_SESSION_NAME").unwrap_or(SESSION);
            return self.web_identity(role, token.expose(), session).await;
        }
        let full = get("AWS_CONTAINER_CREDENTIALS_FULL_URI").map(str::to_owned);
        let relative = get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI").map(|path| format!("{ECS}{path}"));
        if let Some(uri) = relative.or(full) {
            let mut headers = HeaderMap::new();
            let token = match get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE") {
                Some(file) => Some(read(file).await?),
                None => get("AWS_CONTAINER_AUTHORIZATION_TOKEN").map(|token| Hidden::new(token.to_owned())),
            };
            if let Some(value) = token.as_ref().and_then(|token| sign::sensitive(token.expose())) {
                headers.insert(header::AUTHORIZATION, value);
            }
            return self.place(Method::GET, &uri, headers).await?.json();
        }
        if get("AWS_EC2_METADATA_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            return Err(self.none());
        }
        self.imds().await
    }

    /// The keys of the role of the node (version 2 of the metadata service).
    async fn imds(&self) -> Result<Session, Fault> {
        let mut headers = HeaderMap::new();
        let ttl = HeaderName::from_static("x-aws-ec2-metadata-token-ttl-seconds");
        headers.insert(ttl, HeaderValue::from_static("300"));
        let token = self.place(Method::PUT, &format!("{IMDS}api/token"), headers).await?;
        let token = std::str::from_utf8(&token.body).ok().and_then(sign::sensitive);
        let token = token.ok_or_else(|| self.none())?;
        let headers: HeaderMap = [(HeaderName::from_static("x-aws-ec2-metadata-token"), token)]
            .into_iter()
            .collect();
        let path = format!("{IMDS}meta-data/iam/security-credentials/");
        let role = self.place(Method::GET, &path, headers.clone()).await?;
        let role = std::str::from_utf8(&role.body)
            .ok()
            .and_then(|text| text.lines().next());
        let role = role.map(sign::encoded).ok_or_else(|| self.none())?;
        self.place(Method::GET, &format!("{path}{role}"), headers).await?.json()
    }

    async fn place(&self, method: Method, uri: &str, headers: HeaderMap) -> Result<crate::cloud::Reply, Fault> {
        let url = Url::parse(uri).map_err(|_| self.none())?;
        let call = Call {
            purpose: self.sources.usage.purpose,
            method,
            url: &url,
            headers,
            body: None,
        };
        let reply = self.cloud.platform(AWS).send(call).await?;
        if reply.status.is_success() {
            Ok(reply)
        } else {
            Err(self.none())
        }
    }

    fn none(&self) -> Fault {
        let sentence = format!(
            "there are no AWS credentials: name {} in the issuer, or give the pod a role (IRSA, EKS Pod Identity, instance profile)",
            self.sources.usage.instead
        );
        Fault::new(FaultKind::Credential, sentence)
    }

    async fn assume(&self, role: &str, keys: &Keys) -> Result<Session, Fault> {
        let body = form(&[
            ("Action", "AssumeRole"),
            ("Version", "2011-06-15"),
            ("RoleArn", role),
            ("RoleSessionName", SESSION),
        ]);
        let (url, region) = self.endpoint("sts")?;
        let action = sts("AssumeRole", role, url, body);
        let reply = self.signed(&action, keys, region).await?;
        session(&reply)
    }

    async fn web_identity(&self, role: &str, token: &str, name: &str) -> Result<Session, Fault> {
        let body = form(&[
            ("Action", "AssumeRoleWithWebIdentity"),
            ("Version", "2011-06-15"),
            ("RoleArn", role),
            ("RoleSessionName", name),
            ("WebIdentityToken", token),
        ]);
        let action = sts("AssumeRoleWithWebIdentity", role, self.endpoint("sts")?.0, body);
        let reply = self.send(&action, HeaderMap::new()).await?;
        session(&reply)
    }
}

const fn sts<'a>(name: &'static str, role: &'a str, url: Url, body: String) -> Action<'a> {
    Action {
        service: "sts",
        name,
        resource: role,
        method: Method::POST,
        url,
        body,
    }
}

fn session(reply: &crate::cloud::Reply) -> Result<Session, Fault> {
    let text = std::str::from_utf8(&reply.body).unwrap_or_default();
    let assumed: Result<Assumed, _> = quick_xml::de::from_str(text);
    assumed
        .map(|assumed| assumed.assume_role_result.credentials)
        .map_err(|_| reply.not("the XML that its API describes"))
}

fn form(pairs: &[(&str, &str)]) -> String {
    let pairs: Vec<String> = pairs
        .iter()
        .map(|(key, value)| format!("{key}={}", sign::encoded(value)))
        .collect();
    pairs.join("&")
}

async fn read(file: &str) -> Result<Hidden<String>, Fault> {
    let text = tokio::fs::read_to_string(file).await.map_err(|error| {
        let sentence = format!("the token of AWS's identity in {file} cannot be read: {}", error.kind());
        Fault::new(FaultKind::Credential, sentence)
    })?;
    Ok(Hidden::new(text.trim().to_owned()))
}
