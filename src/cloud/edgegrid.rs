//! Signatures of Akamai's APIs: `EdgeGrid`, version 1 (`EG1-HMAC-SHA256`).

use std::fmt;

use aws_lc_rs::{digest, hmac};
use base64::{Engine, prelude::BASE64_STANDARD};
use http::{HeaderMap, HeaderValue, Method, header};
use jiff::{Timestamp, tz::Offset};
use reqwest::Url;

use super::{Fault, FaultKind};
use crate::{net::host, pki::hidden::Hidden};

/// How much of a body is signed, in bytes. Larger bodies are not sent.
const MOST_SIGNED: usize = 131_072;

/// The credentials of an API client.
#[derive(Clone)]
pub(crate) struct Signer {
    client_token: Hidden<String>,
    client_secret: Hidden<String>,
    access_token: Hidden<String>,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").finish_non_exhaustive()
    }
}

impl Signer {
    /// A client with these credentials. White space around them is ignored.
    ///
    /// # Errors
    /// Which of them is not text.
    pub(crate) fn new(client_token: &[u8], client_secret: &[u8], access_token: &[u8]) -> Result<Self, Fault> {
        let text = |bytes: &[u8], what: &str| {
            let text = std::str::from_utf8(bytes.trim_ascii()).ok();
            text.filter(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b';'))
                .map(|text| Hidden::new(text.to_owned()))
                .ok_or_else(|| {
                    let sentence = format!("the {what} in its Secret is not one of Akamai's: store its value alone");
                    Fault::new(FaultKind::Credential, sentence)
                })
        };
        Ok(Self {
            client_token: text(client_token, "client token")?,
            client_secret: text(client_secret, "client secret")?,
            access_token: text(access_token, "access token")?,
        })
    }

    /// Identifies the credentials without revealing them.
    pub(crate) fn fingerprint(&self) -> String {
        let parts = [&self.client_token, &self.client_secret, &self.access_token];
        let parts = parts.map(|part| super::fingerprint(part.expose().as_bytes()));
        super::fingerprint(parts.join(" ").as_bytes())
    }

    /// The headers of a request. A nonce is used once.
    ///
    /// # Errors
    /// If the body is larger than what is signed.
    pub(crate) fn sign(
        &self,
        method: &Method,
        url: &Url,
        body: Option<&str>,
        now: Timestamp,
        nonce: &str,
    ) -> Result<HeaderMap, Fault> {
        let unsigned = || Fault::new(FaultKind::Other, "the request cannot be signed for Akamai's API");
        // only bodies of POST requests are signed
        let hash = match body {
            Some(body) if body.len() > MOST_SIGNED => return Err(unsigned()),
            Some(body) if *method == Method::POST && !body.is_empty() => {
                BASE64_STANDARD.encode(digest::digest(&digest::SHA256, body.as_bytes()))
            }
            Some(_) | None => String::new(),
        };
        let time = timestamp(now);
        let header = format!(
            "EG1-HMAC-SHA256 client_token={};access_token={};timestamp={time};nonce={nonce};",
            self.client_token.expose(),
            self.access_token.expose()
        );
        let (host, path) = (host(url), url.path());
        let query = url.query().map_or_else(String::new, |query| format!("?{query}"));
        let scheme = url.scheme();
        let data = format!("{method}\t{scheme}\t{host}\t{path}{query}\t\t{hash}\t{header}");
        let key = Hidden::new(mac(self.client_secret.expose(), &time));
        let value = format!("{header}signature={}", mac(key.expose(), &data));
        let mut value = HeaderValue::try_from(value).map_err(|_| unsigned())?;
        value.set_sensitive(true);
        Ok(HeaderMap::from_iter([(header::AUTHORIZATION, value)]))
    }
}

/// The time, as the signature has it.
fn timestamp(now: Timestamp) -> String {
    Offset::UTC
        .to_datetime(now)
        .strftime("%Y%m%dT%H:%M:%S+0000")
        .to_string()
}

fn mac(key: &str, data: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes());
    BASE64_STANDARD.encode(hmac::sign(&key, data.as_bytes()))
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::Value;

    use super::*;
    use crate::cloud::scripted::noon;

    pub(crate) fn signer() -> Signer {
        Signer::new(b"akab-client-token\n", b"client-secret=", b"akab-access-token").unwrap()
    }

    #[test]
    fn signatures_are_those_of_akamais_own_client() {
        let recorded: Value = serde_json::from_str(include_str!("../../tests/data/dns01/akamai.json")).unwrap();
        let vectors = recorded["signatures"].as_array().unwrap();
        assert_eq!(vectors.len(), 5);
        for vector in vectors {
            let text = |name: &str| vector[name].as_str().unwrap();
            let (method, url) = (text("method").parse().unwrap(), text("url").parse().unwrap());
            let headers = signer()
                .sign(&method, &url, vector["body"].as_str(), noon(), text("nonce"))
                .unwrap();
            assert_eq!(headers["authorization"], text("authorization"), "{}", text("method"));
        }
    }

    #[test]
    fn credentials_are_in_no_text_and_a_damaged_one_is_named() {
        let text = format!("{:?} {}", signer(), signer().fingerprint());
        assert!(!text.contains("akab") && !text.contains("client-secret"), "{text}");
        let fault = Signer::new(b"a", b"client_secret = b", b"c").unwrap_err();
        assert!(fault.sentence.contains("the client secret"), "{fault:?}");
    }
}
