//! Who may read the status page.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, StatusCode, header};

use super::{PATH_RIGHT, reviews::Reviews};
use crate::cluster::reader::Reader;

/// How the page is protected.
pub(super) enum Access {
    /// It listens on a loopback address: for processes of this pod, and for `kubectl port-forward`.
    Loopback,
    /// Each request needs a token.
    Tokens(Box<Reviews>),
}

/// Why a request is not answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Denial {
    /// The Host header names another host: a web page may have directed a browser here (DNS rebinding).
    #[error("the status page is only served as localhost: open it as http://localhost")]
    Host,
    /// There is no token.
    #[error("a bearer token is required: curl -H \"Authorization: Bearer $(kubectl create token NAME)\"")]
    NoToken,
    /// The API server does not know the token.
    #[error("the API server does not accept this token")]
    Unknown,
    /// The user may not read the page. The text is the name of the user.
    #[error("{0} may not get {PATH_RIGHT}: bind the ClusterRole certlet-status-reader to it")]
    Forbidden(String),
    /// Too many tokens are being reviewed.
    #[error("too many new tokens at once, try again later")]
    Busy,
    /// The API server did not answer.
    #[error("the token could not be reviewed: {0}")]
    NotReviewed(String),
}

impl Denial {
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::NoToken | Self::Unknown => StatusCode::UNAUTHORIZED,
            Self::Host | Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::Busy => StatusCode::TOO_MANY_REQUESTS,
            Self::NotReviewed(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

impl Access {
    /// The protection of a server at `address`.
    pub(super) fn new(address: SocketAddr, reader: Reader) -> Self {
        if address.ip().to_canonical().is_loopback() {
            Self::Loopback
        } else {
            Self::Tokens(Box::new(Reviews::new(reader)))
        }
    }

    /// Checks a request.
    ///
    /// # Errors
    /// Why it is not answered.
    pub(super) async fn check(&self, headers: &HeaderMap) -> Result<(), Denial> {
        match self {
            Self::Loopback => names_this_host(headers).then_some(()).ok_or(Denial::Host),
            Self::Tokens(reviews) => reviews.check(bearer(headers).ok_or(Denial::NoToken)?).await,
        }
    }
}

/// Whether the Host header is `localhost` or a loopback address, with any port.
fn names_this_host(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(header::HOST).and_then(|host| host.to_str().ok()) else {
        return false;
    };
    let Ok(authority) = host.parse::<http::uri::Authority>() else {
        return false;
    };
    let name = authority.host().trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// The token of the request, if there is exactly one header with one (RFC 6750 section 2.1).
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (value, None) = (values.next()?.to_str().ok()?, values.next()) else {
        return None;
    };
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim();
    let is_token = |character: char| character.is_ascii_alphanumeric() || "-._~+/=".contains(character);
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() && token.chars().all(is_token)).then_some(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(values: &[(header::HeaderName, &str)]) -> HeaderMap {
        let values = values.iter();
        values
            .map(|(name, value)| (name.clone(), value.parse().unwrap()))
            .collect()
    }

    #[test]
    fn a_token_is_read_from_one_bearer_header_only() {
        let token = |value: &str| bearer(&headers(&[(header::AUTHORIZATION, value)])).map(str::to_owned);
        assert_eq!(token("Bearer a.b-c_d"), Some("a.b-c_d".to_owned()));
        assert_eq!(token("bearer  x=="), Some("x==".to_owned()));
        for wrong in [
            "Basic YTpi",
            "Bearer",
            "Bearer ",
            "Bearer a b",
            "Bearer \"a\"",
            "Bearer a,b",
        ] {
            assert_eq!(token(wrong), None, "{wrong}");
        }
        let two = headers(&[(header::AUTHORIZATION, "Bearer a"), (header::AUTHORIZATION, "Bearer b")]);
        assert_eq!(bearer(&two), None);
        assert_eq!(bearer(&HeaderMap::new()), None);
    }

    #[test]
    fn on_a_loopback_address_a_name_of_somebody_else_is_refused() {
        let named = |host: &str| names_this_host(&headers(&[(header::HOST, host)]));
        for own in ["localhost", "LOCALHOST:9404", "127.0.0.1:80", "127.9.9.9", "[::1]:9404"] {
            assert!(named(own), "{own}");
        }
        for foreign in [
            "evil.example",
            "evil.example:9404",
            "localhost.evil.example",
            "10.0.0.1",
            "[::2]",
            "",
        ] {
            assert!(!named(foreign), "{foreign}");
        }
        assert!(!names_this_host(&HeaderMap::new()));
    }
}
