//! Akamai Edge DNS: row DNS-02.

mod fault;
#[cfg(test)]
mod tests;

use std::{fmt, sync::Arc};

use http::{HeaderMap, Method, StatusCode};
use reqwest::Url;
use serde::{Deserialize, Serialize};

use super::{
    change::{Change, Receipt},
    merge::{self, Outcome},
    zones::TxtRecords,
};
use crate::cloud::{Api, Call, Cloud, Fault, FaultKind, Reply, below, edgegrid::Signer, oauth};

/// Its name, for sentences.
const NAME: &str = "Akamai Edge DNS";
/// The lifetime of records in caches, in seconds.
const TTL: u32 = 60;
/// How much of the settings is quoted, in characters.
const QUOTED: usize = 100;

/// The zones that an API client may change.
#[derive(Clone)]
pub(crate) struct Client(Arc<Inner>);

struct Inner {
    cloud: Cloud,
    api: Api,
    base: Url,
    signer: Signer,
    credential: String,
}

/// A record set (`/config-dns/v2`).
#[derive(Debug, Serialize, Deserialize)]
struct RecordSet {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    ttl: u32,
    rdata: Vec<String>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("base", &self.0.base.as_str())
            .finish_non_exhaustive()
    }
}

/// The URL of the API of a `serviceConsumerDomain`.
///
/// # Errors
/// If it is not a host.
pub(crate) fn base(domain: &str) -> Result<Url, Fault> {
    let host = domain.trim().trim_start_matches("https://").trim_end_matches('/');
    let url = format!("https://{host}/").parse::<Url>().ok();
    url.filter(|url| {
        url.path() == "/" && url.username().is_empty() && url.query().is_none() && url.fragment().is_none()
    })
    .ok_or_else(|| {
        let sentence = format!(
            "akamai.serviceConsumerDomain {:?} is not a host: use the host of the API client's credentials",
            domain.chars().take(QUOTED).collect::<String>()
        );
        Fault::new(FaultKind::Credential, sentence)
    })
}

impl Client {
    /// The API at `base`, with these credentials.
    pub(crate) fn new(cloud: &Cloud, base: Url, signer: Signer) -> Self {
        Self(Arc::new(Inner {
            api: cloud.api(NAME),
            cloud: cloud.clone(),
            credential: format!("akamai {base} {}", signer.fingerprint()),
            base,
            signer,
        }))
    }

    async fn change_set(&self, zone: &str, name: &str, change: &Change) -> Result<(), Fault> {
        if merge::relative(name, zone).is_none() {
            let sentence = format!("{name} is not in the zone {zone}");
            return Err(Fault::new(FaultKind::NoZone, sentence));
        }
        let path = ["config-dns", "v2", "zones", zone, "names", name, "types", "TXT"];
        let url = below(&self.0.base, path)?;
        merge::twice(name, || self.attempt(&url, zone, name, change)).await
    }

    /// Reads a record set and writes what it has after the change.
    async fn attempt(&self, url: &Url, zone: &str, name: &str, change: &Change) -> Result<Outcome, Fault> {
        let reply = self.call(Method::GET, zone, url, None).await?;
        let found = match reply.status {
            StatusCode::OK => Some(reply.json::<RecordSet>()?),
            StatusCode::NOT_FOUND => None,
            _ => return Err(reply.unexpected("read a record")),
        };
        let now = found.as_ref().map(|set| set.rdata.clone()).unwrap_or_default();
        let value = |text: &String| merge::from_zone_file(text);
        let Some(rdata) = merge::merged(&now, change, name, value, merge::to_zone_file) else {
            return Ok(Outcome::Made);
        };
        let ttl = match &found {
            Some(found) if !merge::adds(change, name) => found.ttl,
            Some(_) | None => TTL,
        };
        let method = match &found {
            Some(_) if rdata.is_empty() => Method::DELETE,
            Some(_) => Method::PUT,
            None => Method::POST,
        };
        let set = RecordSet {
            name: name.to_owned(),
            kind: "TXT".to_owned(),
            ttl,
            rdata,
        };
        let body = (method != Method::DELETE).then(|| serde_json::to_string(&set).unwrap_or_default());
        let is_new = method == Method::POST;
        let reply = self.call(method, zone, url, body).await?;
        match reply.status {
            StatusCode::OK | StatusCode::CREATED | StatusCode::NO_CONTENT => {
                reply.is_json_or_empty().map(|()| Outcome::Made)
            }
            StatusCode::NOT_FOUND if is_new => Err(Self::no_zone(&reply, zone)),
            StatusCode::NOT_FOUND | StatusCode::CONFLICT | StatusCode::PRECONDITION_FAILED => Ok(Outcome::Conflict),
            _ => Err(reply.unexpected("change a record")),
        }
    }

    /// Makes a call. A reply with another status than 401 and 403 is for the caller.
    async fn call(&self, method: Method, zone: &str, url: &Url, body: Option<String>) -> Result<Reply, Fault> {
        let Inner { cloud, api, signer, .. } = &*self.0;
        let now = (cloud.now)();
        let mut headers: HeaderMap = signer.sign(&method, url, body.as_deref(), now, &nonce())?;
        if body.is_some() {
            headers = oauth::content_type(headers, "application/json");
        }
        let call = Call {
            purpose: "dns",
            method,
            url,
            headers,
            body: body.map(Into::into),
        };
        let reply = api.send(call).await?;
        match reply.status {
            StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED => Err(Self::not_accepted(&reply, now)),
            StatusCode::FORBIDDEN => Err(Self::forbidden(&reply, zone)),
            _ => Ok(reply),
        }
    }
}

/// A random UUID (RFC 9562 section 5.4).
fn nonce() -> String {
    let random = fastrand::u128(..);
    let text = format!(
        "{:032x}",
        (random & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62)
    );
    let part = |from: usize, to: usize| text.get(from..to).unwrap_or_default();
    [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")
}

impl TxtRecords for Client {
    fn credential(&self) -> &str {
        &self.0.credential
    }

    async fn change(&self, zone: &str, change: &Change) -> Result<Option<Receipt>, Fault> {
        merge::each_set(change, |name| self.change_set(zone, name, change)).await?;
        Ok(None)
    }

    fn most_records(&self) -> usize {
        merge::MOST_RECORDS
    }
}
