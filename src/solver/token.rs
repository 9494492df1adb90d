//! Challenge tokens and key authorizations (RFC 8555 section 8.1).

use std::fmt;

use aws_lc_rs::digest;
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use thiserror::Error;

/// The URL path under which a CA requests the answer of an HTTP-01 challenge (RFC 8555 section 8.3). The token follows.
pub const CHALLENGE_PREFIX: &str = "/.well-known/acme-challenge/";

/// The longest token: longer than any CA's (most have 43 characters), short enough for an Ingress path.
const LONGEST_TOKEN: usize = 255;

/// A challenge's token. It consists of base64url characters (RFC 8555 section 8.3), so a URL can contain it as it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Token(String);

impl Token {
    /// Parses a token from a CA.
    ///
    /// # Errors
    /// If it is empty, too long, or has a character outside of base64url. It must then not get into a URL or an
    /// Ingress.
    pub fn parse(text: &str) -> Result<Self, TokenError> {
        if text.is_empty() || text.len() > LONGEST_TOKEN {
            return Err(TokenError::Length(text.len()));
        }
        if !text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        {
            return Err(TokenError::Character);
        }
        Ok(Self(text.to_owned()))
    }

    /// The token as the CA wrote it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path under which the CA requests the answer.
    #[must_use]
    pub fn path(&self) -> String {
        format!("{CHALLENGE_PREFIX}{}", self.0)
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a token is rejected.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TokenError {
    /// Empty, or longer than 255 characters.
    #[error("the challenge's token has {0} characters; 1 to {LONGEST_TOKEN} are usable")]
    Length(usize),
    /// Not base64url.
    #[error("the challenge's token has characters outside base64url, which RFC 8555 section 8.3 forbids")]
    Character,
}

/// `token "." thumbprint`: the proof for the CA that the account requested the challenge (RFC 8555 section 8.1).
///
/// It is only computed from a token and an account's thumbprint. So text that a user wrote into an object is never
/// served.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct KeyAuthorization {
    text: String,
    token: Token,
}

impl KeyAuthorization {
    /// Joins the token and the base64url SHA-256 thumbprint of the account's key (RFC 7638).
    #[must_use]
    pub fn new(token: Token, thumbprint: &str) -> Self {
        Self {
            text: format!("{token}.{thumbprint}"),
            token,
        }
    }

    /// The content of the answer, which the probe compares too.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Its SHA-256 in base64url: the value of the TXT record (RFC 8555 section 8.4).
    #[must_use]
    pub fn digest(&self) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, self.text.as_bytes()))
    }

    /// Its token.
    #[must_use]
    pub fn token(&self) -> &Token {
        &self.token
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_authorization_is_token_dot_thumbprint() {
        let token = Token::parse("evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA").unwrap();
        assert_eq!(
            token.path(),
            "/.well-known/acme-challenge/evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA"
        );
        let answer = KeyAuthorization::new(token, "NjcnowbcPkyoGV5Itn0KMYlT1mTkLwHCuTRzRyPdYRE");
        assert_eq!(
            answer.as_str(),
            "evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA.NjcnowbcPkyoGV5Itn0KMYlT1mTkLwHCuTRzRyPdYRE"
        );
        // openssl dgst -sha256 -binary | basenc --base64url
        assert_eq!(answer.digest(), "7l0lvPURF8474_V2DnkgLmh7n_f5buY4vi9Y6r7ooV4");
    }

    #[test]
    fn a_token_that_could_leave_its_path_is_refused() {
        for text in [
            "",
            "../admin",
            "a/b",
            "a b",
            "a%2e",
            "a.b",
            "a?b",
            "ä",
            &"a".repeat(256),
        ] {
            assert!(Token::parse(text).is_err(), "{text}");
        }
    }
}
