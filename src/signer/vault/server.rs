//! One Vault server with its TLS settings: calls and their answers.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use jiff::Timestamp;
use reqwest::Url;
use serde_json::Value;

use super::fault::answered;
use crate::{
    net::{ClientCertificate, ClientSettings, HttpClient, Presented, Request, Response, Trust, Unobserved, host},
    pki::hidden::Hidden,
    signer::fault::{Fault, FaultKind},
};

/// The largest answer that is read, in bytes.
const LARGEST: usize = 1 << 20;
/// How many idle connections stay open: as many as there are calls of one server at a time.
const CONNECTIONS: usize = 16;

/// How a server is reached (ISS-04, ISS-05).
#[derive(Clone, Debug)]
pub(crate) struct Address {
    /// `spec.vault.server`.
    pub server: String,
    /// `spec.vault.namespace`.
    pub namespace: Option<String>,
    /// `spec.vault.serverName`.
    pub server_name: Option<String>,
    /// The CA bundle.
    pub trust: Trust,
    /// The client certificate.
    pub certificate: Option<ClientCertificate>,
}

/// A server. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    http: HttpClient,
    base: Url,
    host: Option<HeaderValue>,
    namespace: Option<HeaderValue>,
    /// The server, for sentences.
    pub(super) text: String,
    /// Scheme, host and port, however the URL spells them.
    pub(super) origin: String,
    now: fn() -> Timestamp,
}

impl Server {
    /// A server that is reached with these settings.
    ///
    /// # Errors
    /// If a setting cannot be used.
    pub(crate) fn new(address: &Address, settings: &ClientSettings, now: fn() -> Timestamp) -> Result<Self, Fault> {
        let wrong = |what: &str| Fault::settings(format!("spec.vault.{what}"));
        let mut base = Url::parse(&address.server)
            .ok()
            .filter(|url| ["http", "https"].contains(&url.scheme()) && url.has_host())
            .ok_or_else(|| wrong("server is no URL such as https://vault.example.com:8200"))?;
        let text = format!("Vault ({})", host(&base));
        let origin = base.origin().ascii_serialization();
        let mut presented = Presented {
            certificate: address.certificate.clone(),
            server_name: None,
        };
        let mut real_host = None;
        // without TLS there is nothing that has the name
        let is_tls = base.scheme() == "https";
        if let Some(name) = address.server_name.as_deref().filter(|name| is_tls && !name.is_empty()) {
            let unusable = || wrong("serverName must be a DNS name");
            let real = base.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
            real_host = HeaderValue::from_str(&host(&base)).ok();
            base.set_host(Some(name)).map_err(|_| unusable())?;
            if crate::net::literal(&base).is_some() {
                return Err(unusable());
            }
            let name = base.host_str().unwrap_or_default().to_owned();
            presented.server_name = Some((name, real));
        }
        let settings = ClientSettings {
            idle_connections: CONNECTIONS,
            ..settings.clone()
        };
        let namespace = address.namespace.as_deref().filter(|namespace| !namespace.is_empty());
        let namespace = namespace.map(HeaderValue::from_str).transpose();
        Ok(Self {
            http: HttpClient::presenting(&address.trust, &presented, &settings, Arc::new(Unobserved))
                .map_err(|error| Fault::settings(error.to_string()))?,
            host: real_host,
            namespace: namespace.map_err(|_| wrong("namespace has characters that a header cannot have"))?,
            base,
            text,
            origin,
            now,
        })
    }

    /// The time.
    pub(super) fn now(&self) -> Timestamp {
        (self.now)()
    }

    /// The state of the server (`sys/health`), without the namespace. A standby node is in order.
    ///
    /// # Errors
    /// If it is sealed, not initialised, or does not answer.
    pub(super) async fn health(&self) -> Result<(), Fault> {
        let call = self.send(Method::GET, "v1/sys/health", None, None, false).await?;
        let unavailable = |sentence: &str| Fault {
            kind: FaultKind::Unavailable,
            sentence: format!("{sentence} ({})", self.text),
        };
        match call.status.as_u16() {
            200 | 429 | 472 | 473 => Ok(()),
            501 => Err(unavailable("Vault is not initialized")),
            503 => Err(unavailable("Vault is sealed")),
            _ => Err(answered(&self.text, "GET v1/sys/health", &call, self.now())),
        }
    }

    /// Posts JSON to a path and returns the answer, which is JSON or empty.
    ///
    /// # Errors
    /// If the answer is not a success.
    pub(super) async fn post(&self, path: &str, token: Option<&Hidden<String>>, body: &Value) -> Result<Value, Fault> {
        let response = self.send(Method::POST, path, token, Some(body), true).await?;
        let call = format!("POST {path}");
        if !response.status.is_success() {
            return Err(answered(&self.text, &call, &response, self.now()));
        }
        if response.body.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&response.body).map_err(|_| self.not_vault(&call))
    }

    /// Reads a text without a token; `None` if there is none.
    ///
    /// # Errors
    /// If there is no answer, or not now.
    pub(super) async fn text(&self, path: &str) -> Result<Option<Bytes>, Fault> {
        let response = self.send(Method::GET, path, None, None, true).await?;
        let status = response.status;
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            let call = format!("GET {path}");
            return Err(answered(&self.text, &call, &response, self.now()));
        }
        Ok((status == StatusCode::OK).then_some(response.body))
    }

    /// An answer that no Vault gives.
    pub(super) fn not_vault(&self, call: &str) -> Fault {
        let text = &self.text;
        Fault::settings(format!(
            "{text} answered {call} with something that is no answer of Vault: check spec.vault.server and spec.vault.path"
        ))
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        token: Option<&Hidden<String>>,
        body: Option<&Value>,
        in_namespace: bool,
    ) -> Result<Response, Fault> {
        let call = format!("{method} {path}");
        let mut url = self.base.clone();
        let segments = path.split('/').filter(|part| !["", ".", ".."].contains(part));
        url.path_segments_mut()
            .map_err(|()| Fault::settings("spec.vault.server is no URL that a path can follow"))?
            .pop_if_empty()
            .extend(segments);
        let mut headers = HeaderMap::new();
        headers.insert(
            HeaderName::from_static("x-vault-request"),
            HeaderValue::from_static("true"),
        );
        if let Some(host) = &self.host {
            headers.insert(header::HOST, host.clone());
        }
        if let Some(namespace) = self.namespace.as_ref().filter(|_| in_namespace) {
            headers.insert(HeaderName::from_static("x-vault-namespace"), namespace.clone());
        }
        if let Some(token) = token {
            let mut value = HeaderValue::from_str(token.expose())
                .map_err(|_| Fault::settings("the Vault token has characters that a header cannot have"))?;
            value.set_sensitive(true);
            headers.insert(HeaderName::from_static("x-vault-token"), value);
        }
        if body.is_some() {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        let request = Request {
            purpose: "vault",
            method,
            url: &url,
            headers,
            body: body.map(|body| Bytes::from(body.to_string())),
            limit: LARGEST,
        };
        let sent = self.http.send(request).await;
        sent.map_err(|failure| Fault::unanswered(&self.text, &call, &failure))
    }
}
