//! The directory (RFC 8555 section 7.1.1): where a server's resources are and what it demands.

use std::collections::BTreeMap;
use std::time::Duration;

use http::Method;
use reqwest::Url;
use serde::Deserialize;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::Action;
use super::Error;
use super::transport::{Answer, Transport, json_fault};

/// How long a directory is used before it is fetched again.
pub const MAX_AGE: Duration = Duration::from_secs(3600);
/// How long an old one still serves while the server does not answer.
const MAX_STALE_AGE: Duration = Duration::from_secs(24 * 3600);
/// How long a failed request stands for those that asked meanwhile; shorter than any pause before a retry.
const FAILURE_AGE: Duration = Duration::from_secs(3);

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

/// One server's directory, fetched when it is needed and kept for [`MAX_AGE`].
#[derive(Debug, Default)]
pub struct DirectoryCache(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    directory: Option<(Instant, Directory)>,
    failure: Option<(Instant, Error)>,
}

impl DirectoryCache {
    /// The directory at `server`. Concurrent callers cause one request, also when it fails: otherwise a server that
    /// accepts connections and never answers would hold up each of them for one time limit after the other.
    ///
    /// # Errors
    /// [`Error::NotAcme`] when something else answers there, and what [`Transport::send`] gives. A server that does
    /// not answer does not invalidate a directory that was read within the last day.
    pub async fn get(&self, transport: &Transport, server: &Url) -> Result<Directory, Error> {
        let mut kept = self.0.lock().await;
        if let Some((read, directory)) = &kept.directory
            && read.elapsed() < MAX_AGE
        {
            return Ok(directory.clone());
        }
        let error = match &kept.failure {
            Some((failed, error)) if failed.elapsed() < FAILURE_AGE => error.clone(),
            _ => match fetch(transport, server).await {
                Ok(directory) => {
                    kept.directory = Some((Instant::now(), directory.clone()));
                    return Ok(directory);
                }
                Err(error) => {
                    kept.failure = Some((Instant::now(), error.clone()));
                    error
                }
            },
        };
        match &kept.directory {
            Some((read, directory)) if read.elapsed() < MAX_STALE_AGE => Ok(directory.clone()),
            _ => Err(error),
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
    serde_json::from_value(document).map_err(|error| format!("its JSON is not a directory: {}", json_fault(&error)))
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
