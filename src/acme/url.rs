//! URLs of ACME servers: which are valid, and which have the same origin. Pure functions.

use reqwest::Url;

use super::Error;
use crate::text::excerpt;

/// The URL of the current API, if `server` is one of Let's Encrypt's ACME v1 endpoints, or a v2 endpoint with a
/// superfluous slash (ACC-09).
pub fn replacement_of(server: &str) -> Option<&'static str> {
    const PRODUCTION: &str = "https://acme-v02.api.letsencrypt.org/directory";
    const STAGING: &str = "https://acme-staging-v02.api.letsencrypt.org/directory";
    match server.strip_suffix('/').unwrap_or(server) {
        "https://acme-v01.api.letsencrypt.org/directory" => Some(PRODUCTION),
        "https://acme-staging.api.letsencrypt.org/directory" => Some(STAGING),
        current @ (PRODUCTION | STAGING) if current != server => {
            Some(if current == STAGING { STAGING } else { PRODUCTION })
        }
        _ => None,
    }
}

/// Parses the URL of a directory.
///
/// # Errors
/// [`Error::InvalidUrl`] unless it is an `https` or `http` URL with a host and without user information.
pub fn server_url(text: &str) -> Result<Url, Error> {
    let invalid = |reason: &str| Error::InvalidUrl {
        url: excerpt(text),
        reason: reason.to_owned(),
    };
    let url = Url::parse(text).map_err(|error| invalid(&error.to_string()))?;
    if !matches!(url.scheme(), "https" | "http") {
        return Err(invalid("it must begin with https://"));
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err(invalid("it has no host"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(invalid("it must not contain a user name or password"));
    }
    Ok(url)
}

/// The origin of a URL: scheme, host and port in lower case, without the scheme's default port. `None` if it cannot be
/// a server's.
///
/// A URL in an object is only used if it has the origin of its issuer's directory or account.
pub fn origin(url: &str) -> Option<String> {
    let url = server_url(url).ok()?;
    Some(url.origin().ascii_serialization())
}

/// Whether both are URLs of the same origin. An account, order or authorization with another origin than its directory
/// was not created by that server.
pub fn same_origin(one: &str, other: &str) -> bool {
    let one = origin(one);
    one.is_some() && one == origin(other)
}

/// Whether both are URLs of the same host, whatever the port. A directory may name URLs of other servers: only its own host is sure to be the
/// CA's.
pub fn same_host(one: &str, other: &str) -> bool {
    let host = |url: &str| server_url(url).ok()?.host_str().map(str::to_owned);
    let one = host(one);
    one.is_some() && one == host(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_v1_endpoints_have_a_replacement_and_no_other_server_has() {
        for (old, new) in [
            (
                "https://acme-v01.api.letsencrypt.org/directory",
                "https://acme-v02.api.letsencrypt.org/directory",
            ),
            (
                "https://acme-staging.api.letsencrypt.org/directory/",
                "https://acme-staging-v02.api.letsencrypt.org/directory",
            ),
            (
                "https://acme-v02.api.letsencrypt.org/directory/",
                "https://acme-v02.api.letsencrypt.org/directory",
            ),
        ] {
            assert_eq!(replacement_of(old), Some(new));
            assert_eq!(replacement_of(new), None);
        }
    }

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        let expected = Some("https://ca.example".to_owned());
        for url in [
            "https://ca.example/dir",
            "HTTPS://CA.example:443/x?y",
            "https://ca.example",
        ] {
            assert_eq!(origin(url), expected, "{url}");
        }
        assert_eq!(origin("http://[fd00::1]:80/a"), Some("http://[fd00::1]".to_owned()));
        let server = "https://ca.example/dir";
        assert!(same_origin(server, "https://CA.example:443/other?x"));
        for other in [
            "http://ca.example/dir",
            "https://ca.example:444/",
            "https://ca.example.evil/",
            "https://ca.example@evil/",
            "https://ca.example@evil.example/",
            "ftp://ca.example/",
            "ca.example",
            "https://",
            "x",
            "",
        ] {
            assert!(!same_origin(server, other), "{other}");
        }
    }

    #[test]
    fn a_host_is_the_same_at_another_port_and_no_other_name_is() {
        let server = "https://ca.example/dir";
        assert!(same_host(server, "https://CA.example:8443/acct/1"));
        for other in [
            "https://ca.example.evil/",
            "https://ca.example@evil/",
            "https://x.ca.example/",
            "ca.example",
            "",
        ] {
            assert!(!same_host(server, other), "{other}");
        }
        assert!(!same_host("", ""));
    }

    #[test]
    fn what_cannot_be_a_server_is_refused_with_a_reason() {
        for bad in ["", "ftp://ca/", "https://user:secret@ca/", "ca.example/dir", "https://"] {
            assert!(server_url(bad).is_err(), "{bad}");
        }
        assert!(server_url("https://[::1]:14000/dir").is_ok());
    }
}
