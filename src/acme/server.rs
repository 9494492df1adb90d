//! An ACME server with one set of trust settings: requests that need no account.

use std::fmt;
use std::sync::Arc;

use http::Method;
use reqwest::Url;

use super::ari::RenewalInfo;
use super::client::Answered;
use super::directory::{Directory, DirectoryCache};
use super::transport::{Answer, Request, Transport};
use super::url::server_url;
use super::{Action, Error};
use crate::net::host;
use crate::text::excerpt;

/// A server. Cheap to clone: connections and the directory are shared among clones.
#[derive(Clone)]
pub struct Server(Arc<Inner>);

struct Inner {
    transport: Transport,
    url: Url,
    directory: DirectoryCache,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Server({})", self.0.url)
    }
}

impl Server {
    /// The server whose directory is at `url`. Sends nothing.
    ///
    /// # Errors
    /// [`Error::InvalidUrl`] if it is not a URL of an ACME server.
    pub fn new(url: &str, transport: Transport) -> Result<Self, Error> {
        let url = server_url(url)?;
        Ok(Self(Arc::new(Inner {
            transport,
            url,
            directory: DirectoryCache::default(),
        })))
    }

    /// The directory's URL.
    pub fn url(&self) -> &str {
        self.0.url.as_str()
    }

    /// The server's directory, at most an hour old.
    ///
    /// # Errors
    /// As [`DirectoryCache::get`].
    pub async fn directory(&self) -> Result<Arc<Directory>, Error> {
        self.0.directory.get(&self.0.transport, &self.0.url).await
    }

    /// The renewal information of the certificate with this identifier (RFC 9773 section 4.1).
    ///
    /// # Errors
    /// [`Error::Unsupported`] if the server has no renewal information (ARI-04), and otherwise the error of the
    /// request.
    pub async fn renewal_info(&self, certificate_id: &str) -> Result<Answered<RenewalInfo>, Error> {
        let unsupported = || Error::Unsupported {
            host: self.host(),
            what: "renewal information",
        };
        let directory = self.directory().await?;
        let base = directory.renewal_info.as_deref().ok_or_else(unsupported)?;
        let url = self
            .own(&format!("{}/{certificate_id}", base.trim_end_matches('/')))
            .await?;
        let request = Request {
            action: Action::RenewalInfo,
            method: Method::GET,
            url: &url,
            body: None,
            names: 0,
        };
        let answer = self.send(request).await?.into_success()?;
        let info = RenewalInfo::read(&answer)?;
        Ok(Answered::new(&answer, info))
    }

    /// Parses a URL, if it has the origin of the directory or one that the directory names. No request goes
    ///
    /// # Errors
    /// [`Error::ForeignUrl`], and the errors of [`DirectoryCache::get`].
    /// anywhere else.
    pub(super) async fn own(&self, url: &str) -> Result<Url, Error> {
        let directory = self.directory().await?;
        let parsed = server_url(url).ok();
        match parsed {
            Some(url) if url.origin() == self.0.url.origin() || directory.names_origin_of(&url) => Ok(url),
            parsed => Err(Error::ForeignUrl {
                url: excerpt(url),
                server: self.url().to_owned(),
                named: directory.origins(),
                hint: parsed.map(|url| format!("{}{}", url.origin().ascii_serialization(), self.0.url.path())),
            }),
        }
    }

    /// Sends a request, and returns a successful answer.
    ///
    /// # Errors
    /// As [`Transport::send`] and [`Answer::into_success`].
    pub(super) async fn send(&self, request: Request<'_>) -> Result<Answer, Error> {
        self.0.transport.send(request).await
    }

    /// The largest certificate chain in bytes.
    pub(super) fn max_chain(&self) -> usize {
        self.0.transport.max_chain()
    }

    /// Host and port of the server, for errors.
    pub(super) fn host(&self) -> String {
        host(&self.0.url)
    }
}
