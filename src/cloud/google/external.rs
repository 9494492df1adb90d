//! An identity of another provider, whose token is exchanged (RFC 8693): workload identity federation.

use std::path::PathBuf;

use http::{HeaderMap, Method, StatusCode};
use jiff::{SignedDuration, Timestamp};
use reqwest::Url;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{SCOPE, post_form, wrong};
use crate::{
    cloud::{
        Api, Call, Fault,
        oauth::{self, Token},
    },
    pki::hidden::Hidden,
};

const GRANT: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
/// The scope of a token that only serves to get one of a service account.
const IMPERSONATION_SCOPE: &str = "https://www.googleapis.com/auth/iam";
/// The lifetime of the service account's token.
const LIFETIME: SignedDuration = SignedDuration::from_hours(1);

/// An identity of another provider.
#[derive(Debug)]
pub(super) struct ExternalAccount {
    /// The provider at Google.
    pub(super) audience: String,
    /// The type of the token in the file.
    pub(super) subject_token_type: String,
    /// Where it is exchanged.
    pub(super) token_url: Url,
    /// Where the result is exchanged for a token of a service account.
    pub(super) impersonation_url: Option<Url>,
    /// The file with the token.
    pub(super) file: PathBuf,
    /// Its format.
    pub(super) format: SubjectFormat,
}

/// The format of the file with the token.
#[derive(Debug)]
pub(super) enum SubjectFormat {
    /// The token.
    Text,
    /// JSON with the token in this field.
    Json(String),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Impersonated {
    access_token: String,
    expire_time: Timestamp,
}

impl ExternalAccount {
    /// Exchanges the token of the file.
    pub(super) async fn token(&self, api: &Api, now: Timestamp) -> Result<Token, Fault> {
        let subject = self.subject().await?;
        let scope = match self.impersonation_url {
            Some(_) => IMPERSONATION_SCOPE,
            None => SCOPE,
        };
        let fields = [
            ("grant_type", GRANT),
            ("audience", &self.audience),
            ("scope", scope),
            ("requested_token_type", ACCESS_TOKEN),
            ("subject_token", subject.expose()),
            ("subject_token_type", &self.subject_token_type),
        ];
        let reply = post_form(api, &self.token_url, &fields).await?;
        if reply.status != StatusCode::OK {
            return Err(wrong(format!(
                "{} does not exchange the token of {}: {} ({}); check the audience and the attribute conditions of the workload identity \
                 pool",
                reply.server,
                self.file.display(),
                oauth::known_code(&oauth::refused(&reply).error),
                reply.status
            )));
        }
        let token = oauth::granted(&reply)?;
        match &self.impersonation_url {
            Some(url) => impersonate(api, url, &token, now).await,
            None => Ok(token),
        }
    }

    /// The token of the file: it is read each time, since the platform renews it.
    async fn subject(&self) -> Result<Hidden<String>, Fault> {
        let file = self.file.display();
        let text = tokio::fs::read_to_string(&self.file)
            .await
            .map(Hidden::new)
            .map_err(|error| {
                wrong(format!(
                    "the token of the external account cannot be read from {file}: {}",
                    error.kind()
                ))
            })?;
        match &self.format {
            SubjectFormat::Text => Ok(Hidden::new(text.expose().trim().to_owned())),
            SubjectFormat::Json(field) => {
                let json: Value = serde_json::from_str(text.expose()).unwrap_or_default();
                let token = json.get(field).and_then(Value::as_str);
                token
                    .map(|token| Hidden::new(token.to_owned()))
                    .ok_or_else(|| wrong(format!("the file {file} is not JSON with the field {field:?}")))
            }
        }
    }
}

async fn impersonate(api: &Api, url: &Url, token: &Token, now: Timestamp) -> Result<Token, Fault> {
    let headers: HeaderMap = oauth::content_type(oauth::bearer(&token.value)?, "application/json");
    let call = Call {
        purpose: "token",
        method: Method::POST,
        url,
        headers,
        body: Some(
            json!({"scope": [SCOPE], "lifetime": format!("{}s", LIFETIME.as_secs())})
                .to_string()
                .into(),
        ),
    };
    let reply = api.send(call).await?;
    if reply.status != StatusCode::OK {
        return Err(wrong(format!(
            "{} gives no token of the service account ({}): grant roles/iam.workloadIdentityUser on it to the external account",
            reply.server, reply.status
        )));
    }
    let Impersonated {
        access_token,
        expire_time,
    } = reply.json()?;
    Ok(Token {
        value: Hidden::new(access_token),
        lifetime: expire_time.duration_since(now).clamp(SignedDuration::ZERO, LIFETIME),
    })
}
