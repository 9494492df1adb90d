//! APIs with a URL and fixed headers that take and answer JSON.

use http::{HeaderMap, HeaderValue, Method, header};
use reqwest::Url;
use serde::Serialize;

use crate::cloud::{Api, Call, Fault, FaultKind, Reply, below};

/// How much of a setting is quoted, in characters.
const QUOTED: usize = 100;

/// An API.
#[derive(Clone)]
pub(super) struct JsonApi {
    api: Api,
    base: Url,
    headers: HeaderMap,
}

impl JsonApi {
    /// The API at `base`, called with these headers.
    pub(super) const fn new(api: Api, base: Url, headers: HeaderMap) -> Self {
        Self { api, base, headers }
    }

    /// Its URL with further segments of the path, see [`below`].
    pub(super) fn url(&self, path: &[&str]) -> Result<Url, Fault> {
        below(&self.base, path.iter().copied())
    }

    /// Makes a call. A reply of any status below 500 other than 429 is for the caller.
    pub(super) async fn call<T: Serialize>(&self, method: Method, url: &Url, body: Option<&T>) -> Result<Reply, Fault> {
        let json = HeaderValue::from_static("application/json");
        let mut headers = self.headers.clone();
        headers.insert(header::ACCEPT, json.clone());
        let body = match body {
            Some(body) => {
                headers.insert(header::CONTENT_TYPE, json);
                let body = serde_json::to_vec(body)
                    .map_err(|_| Fault::new(FaultKind::Other, "the body of a request is no JSON"))?;
                Some(body.into())
            }
            None => None,
        };
        let call = Call {
            purpose: "dns",
            method,
            url,
            headers,
            body,
        };
        self.api.send(call).await
    }

    /// Makes a call without a body.
    pub(super) async fn ask(&self, method: Method, url: &Url) -> Result<Reply, Fault> {
        self.call::<()>(method, url, None).await
    }
}

/// The URL of a server that a user has chosen. `field` names the setting in sentences. Which addresses are called is decided by the
/// address policy of the client.
pub(super) fn server_url(field: &str, text: &str) -> Result<Url, Fault> {
    let text = text.trim();
    let wrong = |what: String| Fault::new(FaultKind::Other, format!("{field} {what}"));
    let url = text.parse::<Url>().ok();
    let url = url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    let url = url.ok_or_else(|| {
        // a password may be in it
        let quoted: String = text
            .chars()
            .take_while(|one| !"@?".contains(*one))
            .take(QUOTED)
            .collect();
        let quoted = if text.contains('@') { "" } else { quoted.as_str() };
        wrong(format!("{quoted:?} is no URL that begins with https:// or http://"))
    })?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong(
            "has a user or a password in it: put them into a Secret".to_owned(),
        ));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("has a query or a fragment: give the URL without them".to_owned()));
    }
    Ok(url)
}

/// A header with a secret. `secret` is where it is, for sentences.
pub(super) fn secret_header(value: &str, secret: &str) -> Result<HeaderValue, Fault> {
    let mut header = HeaderValue::from_str(value).map_err(|_| {
        let sentence = format!("{secret} has characters that no HTTP header can have, such as a line break");
        Fault::new(FaultKind::Credential, sentence)
    })?;
    header.set_sensitive(true);
    Ok(header)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_named_by_a_url_without_secrets_in_it() {
        for good in [
            "https://dns.example.com",
            "http://10.0.0.1:8081/",
            " https://dns.example.com/prefix\n",
        ] {
            assert!(server_url("config.url", good).is_ok(), "{good}");
        }
        for (wrong, words) in [
            ("", "is no URL"),
            ("dns.example.com", "is no URL"),
            ("ftp://dns.example.com", "is no URL"),
            ("https://user:secret@dns.example.com", "put them into a Secret"),
            ("ftp://user:secret@dns.example.com", "is no URL"),
            ("https://dns.example.com/?key=1", "has a query"),
            ("https://dns.example.com/#top", "has a query or a fragment"),
        ] {
            let fault = server_url("config.url", wrong).unwrap_err();
            assert!(
                fault.sentence.starts_with("config.url") && fault.sentence.contains(words),
                "{fault:?}"
            );
            assert!(!fault.sentence.contains("user:secret"), "{fault:?}");
        }
    }
}
