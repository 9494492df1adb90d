//! The key of a service account: it signs a request for a token (RFC 7523).

use std::fmt;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64_URL};
use http::StatusCode;
use jiff::Timestamp;
use reqwest::Url;
use serde_json::json;

use super::{SCOPE, post_form, wrong};
use crate::{
    cloud::{
        Api, Fault, FaultKind, Reply,
        oauth::{self, Token},
    },
    pki::{
        hidden::Hidden,
        key::{KeyAlgorithm, PrivateKey},
        signature::SignatureAlgorithm,
    },
};

/// How long the signed request is valid, in seconds: the most that Google accepts.
const LIFETIME: i64 = 3600;
const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// The key of a service account.
pub(super) struct ServiceAccountKey {
    /// The name of the account, for sentences.
    pub(super) email: String,
    /// The name of the account.
    pub(super) issuer: String,
    /// The identifier of the key.
    pub(super) key_id: String,
    /// The key, PEM.
    pub(super) private_key: Hidden<String>,
    /// Where tokens are issued.
    pub(super) token_url: Url,
    /// Where the key is, for sentences.
    pub(super) place: String,
}

impl fmt::Debug for ServiceAccountKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceAccountKey")
            .field("email", &self.email)
            .finish_non_exhaustive()
    }
}

impl ServiceAccountKey {
    /// Asks for a token.
    pub(super) async fn token(&self, api: &Api, now: Timestamp) -> Result<Token, Fault> {
        let assertion = self.assertion(now)?;
        let fields = [("grant_type", GRANT), ("assertion", assertion.expose())];
        let reply = post_form(api, &self.token_url, &fields).await?;
        match reply.status {
            StatusCode::OK => oauth::granted(&reply),
            StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                Err(self.refused(&reply, now))
            }
            _ => Err(reply.unexpected("issue a token")),
        }
    }

    /// The signed request: a JWT.
    fn assertion(&self, now: Timestamp) -> Result<Hidden<String>, Fault> {
        let place = &self.place;
        let damaged = |_| wrong(format!("the private_key in {place} is not an RSA key in PEM form"));
        let (key, _) = PrivateKey::from_pem(self.private_key.expose().as_bytes()).map_err(damaged)?;
        if key.spec().algorithm != KeyAlgorithm::Rsa {
            return Err(wrong(format!("the private_key in {place} is not an RSA key")));
        }
        let mut header = json!({"alg": "RS256", "typ": "JWT"});
        if let (false, Some(header)) = (self.key_id.is_empty(), header.as_object_mut()) {
            header.insert("kid".to_owned(), self.key_id.clone().into());
        }
        let issued = now.as_second();
        let claims = json!({
            "iss": self.issuer,
            "scope": SCOPE,
            "aud": self.token_url.as_str(),
            "iat": issued,
            "exp": issued.saturating_add(LIFETIME),
        });
        let message = format!(
            "{}.{}",
            BASE64_URL.encode(header.to_string()),
            BASE64_URL.encode(claims.to_string())
        );
        let signature = key
            .sign(SignatureAlgorithm::Sha256WithRsa, message.as_bytes())
            .map_err(|_| {
                Fault::new(
                    FaultKind::Other,
                    "the crypto library failed to sign a request for a token",
                )
            })?;
        Ok(Hidden::new(format!("{message}.{}", BASE64_URL.encode(signature))))
    }

    fn refused(&self, reply: &Reply, now: Timestamp) -> Fault {
        let refused = oauth::refused(reply);
        let has = |words: &str| refused.error_description.contains(words);
        let (server, email, place) = (&reply.server, &self.email, &self.place);
        if has("reasonable timeframe") || has("short-lived token") {
            let difference = oauth::clock_difference(reply, now);
            let sentence = format!("{server} does not accept the time of the request for a token: {difference}");
            return Fault::new(FaultKind::Clock, sentence);
        }
        if has("Invalid JWT Signature") {
            return wrong(format!(
                "{server} does not know the key of the service account {email}: it was deleted or disabled; create another one and store \
                 it as {place}"
            ));
        }
        if has("account not found") {
            return wrong(format!(
                "{server} does not know the service account {email}: it was deleted; store the key of another one as {place}"
            ));
        }
        if has("disabled") {
            return wrong(format!(
                "{server} gives no token: the service account {email} is disabled"
            ));
        }
        wrong(format!(
            "{server} gives no token for the service account {email}: {}; check {place}",
            oauth::known_code(&refused.error)
        ))
    }
}
