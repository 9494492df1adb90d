//! One server with its TLS settings and its credential: calls and their answers.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use jiff::Timestamp;
use reqwest::Url;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{
    Calls, Product,
    fault::answered,
    login::{Login, Tokens},
};
use crate::{
    net::{ClientSettings, HttpClient, Request, Response, Trust, Unobserved, host},
    signer::fault::Fault,
};

/// The largest answer that is read, in bytes. A list of issuing templates is the largest of all.
const LARGEST: usize = 4 << 20;
/// How many idle connections stay open: as many as there are calls of one server at a time.
const CONNECTIONS: usize = 16;

/// A call.
pub(super) struct Call<'a> {
    /// The method.
    pub(super) method: Method,
    /// The segments of the path. An empty one at the end makes a slash at its end.
    pub(super) path: &'a [&'a str],
    /// The query, without the question mark.
    pub(super) query: Option<&'static str>,
    /// The JSON of the body.
    pub(super) body: Option<&'a Value>,
}

impl<'a> Call<'a> {
    /// A call without a body.
    pub(super) const fn get(path: &'a [&'a str]) -> Self {
        Self {
            method: Method::GET,
            path,
            query: None,
            body: None,
        }
    }

    /// A call with a body.
    pub(super) const fn post(path: &'a [&'a str], body: &'a Value) -> Self {
        Self {
            method: Method::POST,
            path,
            query: None,
            body: Some(body),
        }
    }

    /// The call, for sentences.
    pub(super) fn text(&self) -> String {
        format!("{} {}", self.method, self.path.join("/"))
    }
}

/// A server.
#[derive(Debug)]
pub(crate) struct Server {
    product: Product,
    http: HttpClient,
    base: Url,
    /// The server, for sentences.
    pub(super) text: String,
    /// Scheme, host and port, however the URL spells them.
    pub(super) origin: String,
    login: Login,
    tokens: Tokens,
    pub(super) calls: Arc<dyn Calls>,
    now: fn() -> Timestamp,
}

impl Server {
    /// The server of an issuer; `url` is empty for the usual one of the product.
    ///
    /// # Errors
    /// If a setting cannot be used.
    pub(crate) fn new(
        (product, url): (Product, &str),
        trust: &Trust,
        login: Login,
        settings: &ClientSettings,
        (calls, now): (Arc<dyn Calls>, fn() -> Timestamp),
    ) -> Result<Self, Fault> {
        let base = base(product, url)?;
        let settings = ClientSettings {
            idle_connections: CONNECTIONS,
            ..settings.clone()
        };
        let http = HttpClient::new(trust, &settings, Arc::new(Unobserved));
        Ok(Self {
            product,
            http: http.map_err(|error| Fault::settings(error.to_string()))?,
            text: format!("{} ({})", product.name(), host(&base)),
            origin: base.origin().ascii_serialization(),
            base,
            login,
            tokens: Tokens::default(),
            calls,
            now,
        })
    }

    /// The time.
    pub(super) fn now(&self) -> Timestamp {
        (self.now)()
    }

    /// The product.
    pub(super) const fn product(&self) -> Product {
        self.product
    }

    /// The credential.
    pub(super) const fn login(&self) -> &Login {
        &self.login
    }

    /// The tokens that were obtained with it.
    pub(super) const fn tokens(&self) -> &Tokens {
        &self.tokens
    }

    /// Makes a call with the credential. A token of our own that the server does not accept is replaced once.
    ///
    /// # Errors
    /// If there is no answer, or no token. An answer of any status is not an error.
    pub(super) async fn call(&self, call: &Call<'_>) -> Result<Response, Fault> {
        let (headers, is_new) = self.authorization().await?;
        let answer = self.send(call, headers).await?;
        if answer.status != StatusCode::UNAUTHORIZED || is_new || !self.login.makes_tokens() {
            return Ok(answer);
        }
        self.tokens.forget().await;
        let (headers, _) = self.authorization().await?;
        self.send(call, headers).await
    }

    /// Makes a call without a credential.
    ///
    /// # Errors
    /// If there is no answer.
    pub(super) async fn send(&self, call: &Call<'_>, mut headers: HeaderMap) -> Result<Response, Fault> {
        let Call {
            method,
            path,
            query,
            body,
        } = call;
        let mut url = self.base.clone();
        url.path_segments_mut()
            .map_err(|()| Fault::settings("the URL of the server cannot have a path"))?
            .pop_if_empty()
            .extend(*path);
        url.set_query(*query);
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        let json = HeaderValue::from_static("application/json");
        if body.is_some() {
            headers.insert(header::CONTENT_TYPE, json.clone());
            headers.insert(header::ACCEPT, json);
        } else {
            headers.insert(header::ACCEPT, HeaderValue::from_static("*/*"));
        }
        let body = body.map(|body| Bytes::from(body.to_string()));
        self.exchange(&call.text(), method.clone(), &url, headers, body).await
    }

    /// Sends a request to any URL.
    ///
    /// # Errors
    /// If there is no answer.
    pub(super) async fn exchange(
        &self,
        call: &str,
        method: Method,
        url: &Url,
        headers: HeaderMap,
        body: Option<Bytes>,
    ) -> Result<Response, Fault> {
        let request = Request {
            purpose: "venafi",
            method,
            url,
            headers,
            body,
            limit: LARGEST,
        };
        let sent = self.http.send(request).await;
        sent.map_err(|failure| Fault::unanswered(&self.text, call, &failure))
    }

    /// The answer is not a success.
    pub(super) fn refused(&self, call: &Call<'_>, response: &Response) -> Fault {
        answered(&self.text, &call.text(), response, self.now())
    }

    /// Reads an answer that must have one of these statuses.
    ///
    /// # Errors
    /// If it has another one, or is no answer of this product.
    pub(super) fn read<T: DeserializeOwned>(
        &self,
        call: &Call<'_>,
        response: &Response,
        expected: &[StatusCode],
    ) -> Result<T, Fault> {
        if !expected.contains(&response.status) {
            return Err(self.refused(call, response));
        }
        serde_json::from_slice(&response.body).map_err(|_| self.foreign(&call.text()))
    }

    /// An answer that the product does not give.
    pub(super) fn foreign(&self, call: &str) -> Fault {
        Fault::settings(format!(
            "{} answered {call} with something that is no answer of {}: check the URL of the issuer",
            self.text,
            self.product.name()
        ))
    }
}

/// The URL below which the product answers. As in cert-manager, it is read without regard to case, and the scheme is always https.
fn base(product: Product, url: &str) -> Result<Url, Fault> {
    let text = if url.is_empty() { product.usual_url() } else { url };
    let text = text.trim().to_ascii_lowercase();
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let mut text = format!("https://{}", rest.unwrap_or(&text));
    if !text.ends_with('/') {
        text.push('/');
    }
    if product == Product::SelfHosted {
        text = text.strip_suffix("vedsdk/").unwrap_or(&text).to_owned();
    }
    let wrong = || {
        let (field, example) = product.url_field();
        Fault::settings(format!("spec.venafi.{field} is no URL such as {example}"))
    };
    let url = Url::parse(&text).map_err(|_| wrong())?;
    let is_plain = url.username().is_empty() && url.password().is_none() && url.query().is_none();
    let has_path = url.path() != "/" && product == Product::SelfHosted;
    if !url.has_host() || !is_plain || url.fragment().is_some() || has_path {
        return Err(wrong());
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_as_cert_manager_reads_them() {
        for (product, url, wanted) in [
            (
                Product::SelfHosted,
                "https://tpp.example.com/vedsdk",
                "https://tpp.example.com/",
            ),
            (
                Product::SelfHosted,
                "TPP.example.com/VEDSDK/",
                "https://tpp.example.com/",
            ),
            (
                Product::SelfHosted,
                "http://tpp.example.com:8443",
                "https://tpp.example.com:8443/",
            ),
            (Product::Cloud, "", "https://api.venafi.cloud/"),
            (Product::Cloud, "api.venafi.eu", "https://api.venafi.eu/"),
            (Product::Ngts, "", "https://api.strata.paloaltonetworks.com/ngts/"),
        ] {
            assert_eq!(base(product, url).unwrap().as_str(), wanted, "{url}");
        }
        for (product, url, words) in [
            (
                Product::SelfHosted,
                "https://tpp.example.com/other",
                "spec.venafi.tpp.url",
            ),
            (Product::SelfHosted, "https://", "spec.venafi.tpp.url"),
            (
                Product::Cloud,
                "https://user:secret@api.example",
                "spec.venafi.cloud.url",
            ),
            (Product::Ngts, "https://api.example/?a=b", "spec.venafi.ngts.url"),
        ] {
            let sentence = base(product, url).unwrap_err().sentence;
            assert!(sentence.contains(words) && !sentence.contains("secret"), "{sentence}");
        }
    }
}
