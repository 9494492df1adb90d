//! The directory (RFC 8555 section 7.1.1): where a server's resources are and what it demands.

use std::collections::BTreeMap;
use std::time::Duration;

use http::Method;
use reqwest::Url;
use serde::Deserialize;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::transport::{Action, Answer, Transport};
use super::{Error, Next};

/// How long a directory is used before it is fetched again.
pub const MAX_AGE: Duration = Duration::from_secs(3600);
/// How long an old one still serves while the server does not answer.
const MAX_STALE_AGE: Duration = Duration::from_secs(24 * 3600);

/// A server's directory. Unknown entries are ignored; some CAs add random ones.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Directory {
    /// Where nonces come from.
    pub new_nonce: String,
    /// Where accounts are registered and looked up.
    pub new_account: String,
    /// Where orders are placed.
    pub new_order: String,
    /// Where renewal information is; absent when the server has none (RFC 9773).
    pub renewal_info: Option<String>,
    /// What the server says about itself.
    #[serde(default)]
    pub meta: Meta,
}

/// `meta` of a directory (RFC 8555 section 9.7.6).
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "camelCase", default)]
pub struct Meta {
    /// URL of the terms that registration agrees to.
    pub terms_of_service: Option<String>,
    /// The CA's site.
    pub website: Option<String>,
    /// True when registration needs an external account binding.
    pub external_account_required: bool,
    /// Certificate profiles by name, with a description each.
    pub profiles: BTreeMap<String, String>,
}

/// The URL of the current API when `server` is one of Let's Encrypt's ACME v1 endpoints, or a v2 endpoint with a
/// slash too many (ACC-09).
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

/// Reads the URL of a directory.
///
/// # Errors
/// [`Error::InvalidUrl`] unless it is an `https` or `http` URL with a host and without user information.
pub fn server_url(text: &str) -> Result<Url, Error> {
    let invalid = |reason: &str| Error::InvalidUrl {
        url: text.to_owned(),
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

/// True when both are URLs of the same scheme, host and port. An account, order or authorization that is not on
/// its directory's origin was not made by that server.
pub fn same_origin(one: &str, other: &str) -> bool {
    match (server_url(one), server_url(other)) {
        (Ok(one), Ok(other)) => one.origin() == other.origin(),
        _ => false,
    }
}

/// One server's directory, fetched when it is needed and kept for [`MAX_AGE`].
#[derive(Debug, Default)]
pub struct DirectoryCache(Mutex<Option<(Instant, Directory)>>);

impl DirectoryCache {
    /// The directory at `server`. Concurrent callers cause one request.
    ///
    /// # Errors
    /// [`Error::NotAcme`] when something else answers there, and what [`Transport::send`] gives. A server that does
    /// not answer does not invalidate a directory that was read within the last day.
    pub async fn get(&self, transport: &Transport, server: &Url) -> Result<Directory, Error> {
        let mut kept = self.0.lock().await;
        if let Some((read, directory)) = &*kept
            && read.elapsed() < MAX_AGE
        {
            return Ok(directory.clone());
        }
        match fetch(transport, server).await {
            Ok(directory) => {
                *kept = Some((Instant::now(), directory.clone()));
                Ok(directory)
            }
            Err(error) => match &*kept {
                Some((read, directory)) if read.elapsed() < MAX_STALE_AGE => Ok(directory.clone()),
                _ => Err(error),
            },
        }
    }
}

async fn fetch(transport: &Transport, server: &Url) -> Result<Directory, Error> {
    let answer = transport.send(Action::Directory, Method::GET, server, None).await?;
    let status = answer.status;
    let not_acme = |reason: String| Error::NotAcme {
        url: server.to_string(),
        reason,
    };
    if status.is_redirection() {
        return Err(not_acme(format!(
            "it answered with status {}, a redirect, and redirects are not followed",
            status.as_u16()
        )));
    }
    let answer = match answer.into_success() {
        Ok(answer) => answer,
        Err(Error::Status {
            status: status @ 400..=499,
            retry_after: None,
            ..
        }) if status != 429 => {
            return Err(not_acme(format!("it answered with status {status}")));
        }
        Err(error) => return Err(error),
    };
    read(&answer).map_err(not_acme)
}

fn read(answer: &Answer) -> Result<Directory, String> {
    let document: serde_json::Value =
        serde_json::from_slice(&answer.body).map_err(|_| "it answered with something that is not JSON".to_owned())?;
    if document.get("new-reg").is_some() {
        return Err("it is an ACME v1 endpoint, and v1 is no longer spoken".to_owned());
    }
    serde_json::from_value(document).map_err(|error| format!("its JSON is not a directory ({error})"))
}

/// How an unreachable directory is explained in an issuer's condition: a server that is down may come back, one that
/// is not ACME needs an edit.
pub fn needs_edit(error: &Error, now: jiff::Timestamp) -> bool {
    matches!(error, Error::NotAcme { .. }) || error.next(now) == Next::UserMustAct
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
    fn the_example_of_the_rfc_is_read_and_unknown_entries_are_ignored() {
        let text = r#"{"newNonce": "https://example.com/acme/new-nonce", "newAccount": "https://example.com/acme/new-account",
            "newOrder": "https://example.com/acme/new-order", "newAuthz": "https://example.com/acme/new-authz",
            "revokeCert": "https://example.com/acme/revoke-cert", "keyChange": "https://example.com/acme/key-change",
            "4h_kTbTLr4I": "https://community.letsencrypt.org/t/adding-random-entries-to-the-directory/33417",
            "meta": {"termsOfService": "https://example.com/acme/terms/2017-5-30", "website": "https://www.example.com/",
                     "caaIdentities": ["example.com"], "externalAccountRequired": true}}"#;
        let directory: Directory = serde_json::from_str(text).unwrap();
        assert_eq!(directory.new_order, "https://example.com/acme/new-order");
        assert!(directory.meta.external_account_required && directory.meta.profiles.is_empty());
        assert_eq!(directory.renewal_info, None);
    }

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        let server = "https://ca.example/dir";
        assert!(same_origin(server, "https://CA.example:443/other?x"));
        for other in [
            "http://ca.example/dir",
            "https://ca.example:444/",
            "https://ca.example.evil/",
            "https://ca.example@evil/",
            "x",
            "",
        ] {
            assert!(!same_origin(server, other), "{other}");
        }
    }

    #[test]
    fn what_cannot_be_a_server_is_refused_with_a_reason() {
        for bad in ["", "ftp://ca/", "https://user:secret@ca/", "ca.example/dir", "https://"] {
            assert!(server_url(bad).is_err(), "{bad}");
        }
        assert!(server_url("https://[::1]:14000/dir").is_ok());
    }
}
