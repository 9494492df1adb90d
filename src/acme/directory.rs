//! The directory of an ACME server (RFC 8555 section 7.1.1): URLs of its resources, and its requirements.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use http::{Method, header};
use reqwest::Url;
use serde::Deserialize;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::Action;
use super::Error;
use super::json::{Field, Names, lenient_objects};
use super::limits::{MAX_IDENTIFIER, MAX_ISSUER_NAMES, MAX_NAMES, MAX_URL};
use super::transport::{Answer, NOT_JSON, Request, Transport};
use super::url::server_url;
use crate::text::excerpt;

/// How long a directory is used before it is fetched again.
pub const MAX_AGE: Duration = Duration::from_secs(3600);
/// How long an old directory is used while the server does not answer.
const MAX_STALE_AGE: Duration = Duration::from_secs(24 * 3600);
/// The longest profile name that is accepted.
const MAX_PROFILE: usize = 253;
/// How many redirects of a directory are followed.
const MAX_REDIRECTS: usize = 5;
/// How long a failure is the result for concurrent requests. It is shorter than any delay before a retry.
const FAILURE_AGE: Duration = Duration::from_secs(3);

/// A server's directory. Unknown entries are ignored, because some CAs add random ones.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Directory {
    /// URL for new nonces.
    pub new_nonce: String,
    /// URL for registrations and look-ups of accounts.
    pub new_account: String,
    /// URL for new orders.
    pub new_order: String,
    /// URL of renewal information (RFC 9773); `None` if the server has none.
    pub renewal_info: Option<String>,
    /// The server's metadata.
    pub meta: Meta,
}

/// `meta` of a directory (RFC 8555 section 9.7.6).
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Meta {
    /// Names of the certificate profiles that the server offers.
    pub profiles: BTreeSet<String>,
    /// How the CA names itself (RFC 8659).
    pub caa_identities: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct WireDirectory {
    new_nonce: Field<String>,
    new_account: Field<String>,
    new_order: Field<String>,
    renewal_info: Field<String>,
    meta: Field<WireMeta>,
    #[serde(rename = "new-reg")]
    new_reg: Field<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct WireMeta {
    profiles: Field<Names>,
    caa_identities: Field<Vec<String>>,
}

lenient_objects!(WireMeta);

/// One server's directory, fetched on demand and cached for [`MAX_AGE`].
#[derive(Debug, Default)]
pub struct DirectoryCache(Mutex<CachedDirectory>);

#[derive(Debug, Default)]
struct CachedDirectory {
    directory: Option<(Instant, Arc<Directory>)>,
    failure: Option<(Instant, Error)>,
}

impl DirectoryCache {
    /// The directory at `server`. Concurrent callers cause one request, also when it fails. Otherwise a server that
    /// accepts connections and never answers would delay each caller by a full time-out in turn.
    ///
    /// # Errors
    /// [`Error::NotAcme`] if no ACME directory is there, and the errors of [`Transport::send`]. While a server does
    /// not answer, a directory that was read within the last day is still returned.
    pub async fn get(&self, transport: &Transport, server: &Url) -> Result<Arc<Directory>, Error> {
        let mut kept = self.0.lock().await;
        if let Some((read, directory)) = &kept.directory
            && read.elapsed() < MAX_AGE
        {
            return Ok(Arc::clone(directory));
        }
        let error = match &kept.failure {
            Some((failed, error)) if failed.elapsed() < FAILURE_AGE => error.clone(),
            _ => match fetch(transport, server).await {
                Ok(directory) => {
                    let directory = Arc::new(directory);
                    kept.directory = Some((Instant::now(), Arc::clone(&directory)));
                    return Ok(directory);
                }
                Err(error) => {
                    kept.failure = Some((Instant::now(), error.clone()));
                    error
                }
            },
        };
        match &kept.directory {
            Some((read, directory)) if read.elapsed() < MAX_STALE_AGE => Ok(Arc::clone(directory)),
            _ => Err(error),
        }
    }
}

async fn fetch(transport: &Transport, server: &Url) -> Result<Directory, Error> {
    let not_acme = |reason: String| Error::NotAcme {
        url: server.to_string(),
        reason,
    };
    let mut url = server.clone();
    for _ in 0..=MAX_REDIRECTS {
        let request = Request {
            action: Action::Directory,
            method: Method::GET,
            url: &url,
            body: None,
            names: 0,
        };
        let answer = match transport.send(request).await {
            Err(Error::Forbidden { refused, .. }) if url != *server => {
                let to = excerpt(url.as_str());
                return Err(not_acme(format!("it redirects to {to}, and {refused}")));
            }
            answer => answer?,
        };
        if !matches!(answer.status.as_u16(), 301 | 302 | 303 | 307 | 308) {
            return understood(answer, server, &url);
        }
        url = redirected(&answer, &url).map_err(not_acme)?;
    }
    let last = excerpt(url.as_str());
    Err(not_acme(format!(
        "it redirects more than {MAX_REDIRECTS} times, at last to {last}"
    )))
}

/// The target of a redirect. Only a GET of the directory follows one, under the same address policy.
fn redirected(answer: &Answer, from: &Url) -> Result<Url, String> {
    let status = answer.status.as_u16();
    let location = answer.headers.get(header::LOCATION).and_then(|to| to.to_str().ok());
    let location = location.ok_or_else(|| format!("it answered with status {status}, a redirect to nowhere"))?;
    let shown = excerpt(location);
    let to = from.join(location).ok().filter(|to| to.as_str().len() <= MAX_URL);
    let to = to.and_then(|to| server_url(to.as_str()).ok());
    match to {
        None => Err(format!(
            "it redirects to {shown}, which cannot be a URL of an ACME server"
        )),
        Some(to) if is_downgrade(from, &to) => Err(format!(
            "it redirects to {shown}, where nothing is encrypted; if that is meant, write that URL"
        )),
        Some(to) => Ok(to),
    }
}

/// Whether the redirect leaves TLS.
fn is_downgrade(from: &Url, to: &Url) -> bool {
    from.scheme() == "https" && to.scheme() != "https"
}

fn understood(answer: Answer, server: &Url, url: &Url) -> Result<Directory, Error> {
    let not_acme = |reason: String| Error::NotAcme {
        url: server.to_string(),
        reason,
    };
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
    let directory = read(&answer).map_err(not_acme)?;
    let unfit = directory.urls().find(|named| !is_fit(url, named)).map(excerpt);
    match unfit {
        None => Ok(directory),
        Some(unfit) => Err(not_acme(format!(
            "it names {unfit}, which cannot be a URL of this ACME server: it must be http or https, and https where the directory is"
        ))),
    }
}

fn is_fit(directory: &Url, named: &str) -> bool {
    server_url(named).is_ok_and(|named| !is_downgrade(directory, &named))
}

impl Directory {
    /// All URLs in the directory.
    fn urls(&self) -> impl Iterator<Item = &str> {
        let Self {
            new_nonce,
            new_account,
            new_order,
            renewal_info,
            meta: _,
        } = self;
        [new_nonce, new_account, new_order]
            .into_iter()
            .chain(renewal_info)
            .map(String::as_str)
    }

    /// Whether a URL has the origin of one of the directory's URLs. RFC 8555 section 7.1.1 leaves it to the server
    /// where its resources are: a load balancer may give the directory another port.
    pub(super) fn names_origin_of(&self, url: &Url) -> bool {
        self.urls()
            .any(|named| server_url(named).is_ok_and(|named| named.origin() == url.origin()))
    }

    /// The origins of the directory's URLs, for an error message.
    pub(super) fn origins(&self) -> String {
        let origins = self
            .urls()
            .filter_map(|named| Some(server_url(named).ok()?.origin().ascii_serialization()));
        let origins: BTreeSet<String> = origins.collect();
        excerpt(&origins.into_iter().collect::<Vec<_>>().join(", "))
    }
}

fn read(answer: &Answer) -> Result<Directory, String> {
    let document: WireDirectory = answer.json().map_err(|error| {
        if matches!(&error, Error::Unreadable { reason, .. } if reason == NOT_JSON) {
            "it answered with something that is not JSON".to_owned()
        } else {
            "its JSON is not a directory".to_owned()
        }
    })?;
    if document.new_reg.text().is_some() {
        return Err("it is an ACME v1 endpoint, and v1 is no longer spoken".to_owned());
    }
    let url = |name: &str, field: Field<String>| match field.text() {
        None => Err(format!("its JSON is not a directory: missing field `{name}`")),
        Some(url) if url.len() > MAX_URL => Err(format!("its {name} has more than {MAX_URL} characters")),
        Some(url) => Ok(url),
    };
    let meta = document.meta.0.unwrap_or_default();
    let profiles = meta.profiles.0.unwrap_or_default().0;
    let identities = meta.caa_identities.list().into_iter();
    let identities = identities.filter(|name| name.len() <= MAX_IDENTIFIER);
    let profiles = profiles.into_iter().filter(|name| name.len() <= MAX_PROFILE);
    Ok(Directory {
        new_nonce: url("newNonce", document.new_nonce)?,
        new_account: url("newAccount", document.new_account)?,
        new_order: url("newOrder", document.new_order)?,
        renewal_info: document.renewal_info.text().filter(|url| url.len() <= MAX_URL),
        meta: Meta {
            profiles: profiles.take(MAX_NAMES).collect(),
            caa_identities: identities.take(MAX_ISSUER_NAMES).collect(),
        },
    })
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, StatusCode};

    use super::*;

    fn answer(body: &str) -> Answer {
        Answer {
            action: Action::Directory,
            host: "ca".into(),
            status: StatusCode::OK,
            headers: HeaderMap::new(),
            body: body.to_owned().into(),
        }
    }

    #[test]
    fn what_a_directory_can_do_without_may_be_null_or_of_another_type() {
        for odd in [
            "null",
            "1",
            "[]",
            r#""""#,
            "{}",
            r#"{"profiles": null}"#,
            r#"{"profiles": []}"#,
        ] {
            let text = format!(
                r#"{{"newNonce": "n", "newAccount": "a", "newOrder": "o", "renewalInfo": {odd}, "meta": {odd}}}"#
            );
            let directory = read(&answer(&text)).unwrap();
            assert_eq!(
                (directory.renewal_info, directory.meta),
                (None, Meta::default()),
                "{odd}"
            );
        }
        let profiles = r#"{"newNonce": "n", "newAccount": "a", "newOrder": "o", "meta": {"profiles": {"short": null, "long": {}}}}"#;
        assert_eq!(read(&answer(profiles)).unwrap().meta.profiles.len(), 2);
        for odd in ["null", "1", r#""""#] {
            let text = format!(r#"{{"newNonce": "n", "newAccount": "a", "newOrder": {odd}}}"#);
            assert!(read(&answer(&text)).unwrap_err().ends_with("missing field `newOrder`"));
        }
    }

    #[test]
    fn a_directory_is_kept_small() {
        let profiles: Vec<String> = (0..1000)
            .map(|number| format!(r#""{number}": "{}""#, "x".repeat(20)))
            .collect();
        let text = format!(
            r#"{{"newNonce": "n", "newAccount": "a", "newOrder": "o", "meta": {{"profiles": {{{}}}}}}}"#,
            profiles.join(",")
        );
        assert_eq!(read(&answer(&text)).unwrap().meta.profiles.len(), MAX_NAMES);
        let long = format!(
            r#"{{"newNonce": "{}", "newAccount": "a", "newOrder": "o"}}"#,
            "n".repeat(MAX_URL + 1)
        );
        assert!(read(&answer(&long)).unwrap_err().contains("more than 2048 characters"));
    }

    #[test]
    fn the_example_of_the_rfc_is_read_and_unknown_entries_are_ignored() {
        let text = r#"{"newNonce": "https://example.com/acme/new-nonce", "newAccount": "https://example.com/acme/new-account",
            "newOrder": "https://example.com/acme/new-order", "newAuthz": "https://example.com/acme/new-authz",
            "revokeCert": "https://example.com/acme/revoke-cert", "keyChange": "https://example.com/acme/key-change",
            "4h_kTbTLr4I": "https://community.letsencrypt.org/t/adding-random-entries-to-the-directory/33417",
            "meta": {"termsOfService": "https://example.com/acme/terms/2017-5-30", "website": "https://www.example.com/",
                     "caaIdentities": ["example.com"], "externalAccountRequired": true}}"#;
        let directory = read(&answer(text)).unwrap();
        assert_eq!(directory.new_order, "https://example.com/acme/new-order");
        assert!(directory.meta.profiles.is_empty());
        assert_eq!(directory.meta.caa_identities, ["example.com"]);
        assert_eq!(directory.renewal_info, None);
    }
}
