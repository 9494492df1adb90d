//! Servers that write records by lego's HTTP request protocol: `POST /present` and `POST /cleanup` with the name and the value of a record.

#[cfg(test)]
mod tests;

use std::{fmt, sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderMap, Method, StatusCode, header};
use serde::Serialize;

use super::{
    change::{Change, Receipt, Txt},
    json_api::{JsonApi, secret_header, server_url},
    zones::TxtRecords,
};
use crate::{
    cloud::{Cloud, Fault, FaultKind, Reply, fingerprint},
    pki::hidden::Hidden,
};

/// Its name, for sentences.
const NAME: &str = "the httpreq server";
/// How long one record may take: longer than the time limit of a request, whose sentence says more.
const LIMIT: Duration = Duration::from_secs(40);

/// A server.
#[derive(Clone)]
pub(crate) struct Server(Arc<Inner>);

struct Inner {
    api: JsonApi,
    /// Where the password is, for sentences; `None` if the server needs none.
    secret: Option<String>,
    credential: String,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").finish_non_exhaustive()
    }
}

/// A user and a password (RFC 7617).
#[derive(Debug)]
pub(crate) struct Login {
    /// The user.
    pub user: String,
    /// The password.
    pub password: Hidden<String>,
    /// Where the password is, for sentences.
    pub secret: String,
}

/// The body of a request.
#[derive(Debug, Serialize)]
struct Message<'a> {
    /// With a final dot.
    fqdn: String,
    value: &'a str,
}

/// What is asked.
#[derive(Clone, Copy)]
enum Action {
    Present,
    CleanUp,
}

impl Action {
    const fn path(self) -> &'static str {
        match self {
            Self::Present => "present",
            Self::CleanUp => "cleanup",
        }
    }
}

impl Server {
    /// The server at `endpoint`.
    ///
    /// # Errors
    /// If the URL, the user or the password cannot be used.
    pub(crate) fn new(cloud: &Cloud, endpoint: &str, login: Option<&Login>) -> Result<Self, Fault> {
        let base = server_url("config.endpoint", endpoint)?;
        let mut headers = HeaderMap::new();
        let mut identity = String::new();
        if let Some(Login { user, password, secret }) = login {
            if user.contains(':') {
                let sentence = "config.username has a colon, which a user of HTTP authentication cannot have";
                return Err(Fault::new(FaultKind::Credential, sentence));
            }
            let pair = Hidden::new(format!("{user}:{}", password.expose()));
            let basic = Hidden::new(format!("Basic {}", STANDARD.encode(pair.expose())));
            headers.insert(header::AUTHORIZATION, secret_header(basic.expose(), secret)?);
            identity = fingerprint(pair.expose().as_bytes());
        }
        Ok(Self(Arc::new(Inner {
            credential: format!("httpreq {base} {identity}"),
            api: JsonApi::new(cloud.api(NAME), base, headers),
            secret: login.map(|login| login.secret.clone()),
        })))
    }

    async fn call(&self, action: Action, txt: &Txt) -> Result<(), Fault> {
        let url = self.0.api.url(&[action.path()])?;
        let message = Message {
            fqdn: format!("{}.", txt.name),
            value: &txt.value,
        };
        let reply = self.0.api.call(Method::POST, &url, Some(&message)).await?;
        if reply.status.is_success() {
            return Ok(());
        }
        Err(self.fault(&reply, action, &txt.name))
    }

    fn fault(&self, reply: &Reply, action: Action, name: &str) -> Fault {
        let Reply { server, status, .. } = reply;
        let path = action.path();
        let (kind, sentence) = match *status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                let login = match &self.0.secret {
                    Some(secret) => format!(
                        "it does not accept the user with the password in {secret}, or the user may not change {name}"
                    ),
                    None => {
                        "it wants a user and a password: set config.username and config.passwordSecretRef".to_owned()
                    }
                };
                (FaultKind::Right, format!("{server} answered {status}: {login}"))
            }
            StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => (
                FaultKind::Other,
                format!(
                    "{server} answered {status} to POST …/{path}: is config.endpoint the URL of such a server, without /{path}?"
                ),
            ),
            _ if status.is_redirection() => (
                FaultKind::Other,
                format!(
                    "{server} answered {status} to POST …/{path}, and redirects are not followed: set config.endpoint to where it leads"
                ),
            ),
            _ => (
                FaultKind::Other,
                format!("{server} answered {status} to POST …/{path} for {name}: its log says why"),
            ),
        };
        Fault::new(kind, sentence)
    }
}

impl TxtRecords for Server {
    fn credential(&self) -> &str {
        &self.0.credential
    }

    async fn change(&self, _: &str, change: &Change) -> Result<Option<Receipt>, Fault> {
        for txt in &change.remove {
            self.call(Action::CleanUp, txt).await?;
        }
        for txt in &change.add {
            self.call(Action::Present, txt).await?;
        }
        Ok(None)
    }

    /// The protocol has one record in a request.
    fn most_records(&self) -> usize {
        1
    }

    fn limit(&self) -> Duration {
        LIMIT
    }
}
