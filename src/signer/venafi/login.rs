//! Credentials, and the tokens that are obtained with them. They are in memory only.

use std::fmt;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use jiff::{SignedDuration, Timestamp};
use reqwest::Url;
use serde::Deserialize;
use serde_json::json;
use tokio::time::Instant;
use url::form_urlencoded;

use super::server::{Call, Server};
use crate::{
    net::Response,
    pki::hidden::Hidden,
    signer::fault::{Fault, FaultKind},
};

/// What certlet asks a token for, as cert-manager does.
const SCOPE: &str = "certificate:manage";
/// The life of a token whose server does not tell it.
const UNKNOWN_LIFE: SignedDuration = SignedDuration::from_mins(5);
/// The longest life of a token that is counted with.
const LONGEST_LIFE: SignedDuration = SignedDuration::from_hours(24);

/// A credential (ISS-12..14).
#[derive(Clone)]
pub(crate) enum Login {
    /// Self-Hosted: an access token that an administrator manages.
    AccessToken(Hidden<String>),
    /// Self-Hosted: a user, who gets tokens for an application.
    Password {
        /// The name.
        username: Hidden<String>,
        /// The password.
        password: Hidden<String>,
        /// The application (API integration).
        client_id: String,
    },
    /// `SaaS`: an API key.
    ApiKey(Hidden<String>),
    /// Next-Gen Trust Security: a service account.
    ServiceAccount {
        /// Its identifier.
        id: Hidden<String>,
        /// Its secret.
        secret: Hidden<String>,
        /// The tenant service group, as a scope.
        scope: String,
        /// The URL that issues tokens.
        endpoint: Url,
    },
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AccessToken(_) => "AccessToken",
            Self::Password { .. } => "Password",
            Self::ApiKey(_) => "ApiKey",
            Self::ServiceAccount { .. } => "ServiceAccount",
        })
    }
}

impl Login {
    /// Whether calls are made with tokens that are obtained with it.
    pub(super) const fn makes_tokens(&self) -> bool {
        match self {
            Self::Password { .. } | Self::ServiceAccount { .. } => true,
            Self::AccessToken(_) | Self::ApiKey(_) => false,
        }
    }
}

/// The token that is in use.
#[derive(Debug, Default)]
pub(super) struct Tokens(tokio::sync::Mutex<Option<Token>>);

#[derive(Debug)]
struct Token {
    value: Hidden<String>,
    /// When it is replaced.
    until: Timestamp,
}

impl Tokens {
    /// Drops the token, which the server does not accept.
    pub(super) async fn forget(&self) {
        *self.0.lock().await = None;
    }
}

/// The answer to a login. Self-Hosted tells when the token ends, in seconds since 1970; RFC 6749 after how many seconds.
#[derive(Deserialize)]
struct Granted {
    access_token: String,
    #[serde(default)]
    expires: Option<i64>,
    #[serde(default)]
    expires_in: Option<i64>,
    #[serde(default)]
    token_type: Option<String>,
}

impl Granted {
    /// How long the token is valid.
    fn life(&self, now: Timestamp) -> SignedDuration {
        let until = |seconds: i64| {
            Timestamp::from_second(seconds)
                .unwrap_or(Timestamp::MAX)
                .duration_since(now)
        };
        let told = self.expires_in.map(SignedDuration::from_secs);
        let told = told.or_else(|| self.expires.map(until)).unwrap_or(UNKNOWN_LIFE);
        told.clamp(SignedDuration::ZERO, LONGEST_LIFE)
    }
}

impl Server {
    /// The headers with the credential, and whether it was obtained for this call.
    pub(super) async fn authorization(&self) -> Result<(HeaderMap, bool), Fault> {
        let of = |name: HeaderName, text: &str| Ok::<_, Fault>(HeaderMap::from_iter([(name, secret_header(text)?)]));
        match self.login() {
            Login::AccessToken(token) => Ok((of(header::AUTHORIZATION, &bearer(token))?, false)),
            Login::ApiKey(key) => Ok((of(HeaderName::from_static("tppl-api-key"), key.expose())?, false)),
            Login::Password { .. } | Login::ServiceAccount { .. } => {
                let mut held = self.tokens().0.lock().await;
                let now = self.now();
                if let Some(token) = held.as_ref().filter(|token| token.until > now) {
                    return Ok((of(header::AUTHORIZATION, &bearer(&token.value))?, false));
                }
                let token = held.insert(self.log_in().await?);
                Ok((of(header::AUTHORIZATION, &bearer(&token.value))?, true))
            }
        }
    }

    /// Whether the server accepts the credential: there is a token of it, or the server knows it.
    ///
    /// # Errors
    /// Of kind [`FaultKind::Denied`] if it does not.
    pub(super) async fn verify(&self) -> Result<(), Fault> {
        let question: &[&str] = match self.login() {
            Login::Password { .. } | Login::ServiceAccount { .. } => return self.authorization().await.map(drop),
            Login::AccessToken(_) => &["vedauth", "authorize", "verify"],
            Login::ApiKey(_) => &["v1", "useraccounts"],
        };
        let started = Instant::now();
        let verified = self.verify_by(&Call::get(question)).await;
        self.calls.logged_in(verified.is_ok(), started.elapsed());
        verified
    }

    async fn verify_by(&self, call: &Call<'_>) -> Result<(), Fault> {
        let response = self.call(call).await?;
        let is_known = response.status == StatusCode::OK;
        if is_known && (matches!(self.login(), Login::AccessToken(_)) || has_company(&response)) {
            return Ok(());
        }
        if is_known {
            let sentence = format!("{} has no company for the user of this API key", self.text);
            return Err(denied(Fault::settings(sentence)));
        }
        Err(denied(self.refused(call, &response)))
    }

    async fn log_in(&self) -> Result<Token, Fault> {
        let started = Instant::now();
        let granted = self.grant().await;
        self.calls.logged_in(granted.is_ok(), started.elapsed());
        granted
    }

    async fn grant(&self) -> Result<Token, Fault> {
        let (call, response) = match self.login() {
            Login::AccessToken(_) | Login::ApiKey(_) => {
                return Err(Fault::settings("there is no login with a credential of this kind"));
            }
            Login::Password {
                username,
                password,
                client_id,
            } => {
                let body = json!({
                    "client_id": client_id, "username": username.expose(), "password": password.expose(), "scope": SCOPE,
                });
                let call = Call::post(&["vedauth", "authorize", "oauth"], &body);
                (call.text(), self.send(&call, HeaderMap::new()).await?)
            }
            Login::ServiceAccount {
                id,
                secret,
                scope,
                endpoint,
            } => {
                let basic = BASE64_STANDARD.encode(format!("{}:{}", id.expose(), secret.expose()));
                let mut headers =
                    HeaderMap::from_iter([(header::AUTHORIZATION, secret_header(&format!("Basic {basic}"))?)]);
                let form = HeaderValue::from_static("application/x-www-form-urlencoded");
                headers.insert(header::CONTENT_TYPE, form);
                let (call, body) = (format!("POST {endpoint}"), form_of(scope));
                let response = self
                    .exchange(&call, Method::POST, endpoint, headers, Some(body))
                    .await?;
                (call, response)
            }
        };
        if response.status != StatusCode::OK {
            let fault = super::fault::answered(&self.text, &call, &response, self.now());
            return Err(denied(fault));
        }
        let granted = serde_json::from_slice::<Granted>(&response.body).map_err(|_| self.foreign(&call))?;
        let is_bearer = granted
            .token_type
            .as_deref()
            .is_none_or(|kind| kind.eq_ignore_ascii_case("bearer"));
        if granted.access_token.is_empty() || !is_bearer {
            return Err(self.foreign(&call));
        }
        let now = self.now();
        let used_for = granted.life(now) * 2 / 3;
        Ok(Token {
            value: Hidden::new(granted.access_token),
            until: now.saturating_add(used_for).unwrap_or(Timestamp::MAX),
        })
    }
}

/// Whatever is wrong with a login is not a matter of the requester.
fn denied(fault: Fault) -> Fault {
    let kind = match fault.kind {
        FaultKind::Request | FaultKind::Denied | FaultKind::Settings => FaultKind::Denied,
        FaultKind::Unavailable | FaultKind::Limited(_) => fault.kind,
    };
    Fault { kind, ..fault }
}

/// The form of a login of a service account.
fn form_of(scope: &str) -> Bytes {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("grant_type", "client_credentials")
        .append_pair("scope", scope);
    form.finish().into()
}

fn has_company(response: &Response) -> bool {
    let user = serde_json::from_slice::<serde_json::Value>(&response.body).unwrap_or_default();
    user.get("company").is_some_and(serde_json::Value::is_object)
}

fn bearer(token: &Hidden<String>) -> String {
    format!("Bearer {}", token.expose())
}

fn secret_header(text: &str) -> Result<HeaderValue, Fault> {
    let value = HeaderValue::from_str(text);
    let mut value = value.map_err(|_| Fault::settings("the credential has characters that no HTTP header can have"))?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_life_of_a_token_is_read_in_both_ways_and_bounded() {
        let now = Timestamp::from_second(1_000).unwrap();
        for (body, seconds) in [
            (r#"{"access_token":"t","expires_in":900}"#, 900),
            (r#"{"access_token":"t","expires":1600}"#, 600),
            (r#"{"access_token":"t","expires":9}"#, 0),
            (r#"{"access_token":"t","expires":9223372036854775807}"#, 86_400),
            (r#"{"access_token":"t","expires_in":9223372036854775807}"#, 86_400),
            (r#"{"access_token":"t"}"#, 300),
        ] {
            let granted: Granted = serde_json::from_str(body).unwrap();
            assert_eq!(granted.life(now).as_secs(), seconds, "{body}");
        }
    }

    #[test]
    fn a_credential_is_never_shown() {
        let login = Login::ApiKey(Hidden::new("secret".to_owned()));
        assert_eq!(format!("{login:?}"), "ApiKey");
        assert!(!format!("{:?}", secret_header("secret").unwrap()).contains("secret"));
        assert!(secret_header("a\nb").is_err());
    }
}
