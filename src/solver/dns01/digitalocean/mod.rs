//! `DigitalOcean`: row DNS-07.

#[cfg(test)]
mod tests;

use std::{collections::BTreeSet, fmt, sync::Arc};

use http::{HeaderMap, Method, StatusCode, header};
use reqwest::Url;
use serde::{Deserialize, Serialize};

use super::{
    change::{Change, Receipt, Txt},
    json_api::{JsonApi, secret_header},
    merge,
    zones::TxtRecords,
};
use crate::{
    cloud::{Cloud, Fault, FaultKind, Reply, fingerprint},
    pki::hidden::Hidden,
};

/// The API.
pub(crate) const URL: &str = "https://api.digitalocean.com/";
/// The lifetime of records in caches, in seconds: that of cert-manager. `DigitalOcean` has at least 30.
const TTL: u32 = 60;
/// How many records are asked for at once: the most that a page has.
const PER_PAGE: &str = "200";
/// The most pages of records with one name that are read.
const MOST_PAGES: usize = 10;

/// The domains that a token may change.
#[derive(Clone)]
pub(crate) struct Account(Arc<Inner>);

struct Inner {
    api: JsonApi,
    /// Where the token is, for sentences.
    secret: String,
    credential: String,
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account").finish_non_exhaustive()
    }
}

/// A page of records.
#[derive(Debug, Default, Deserialize)]
struct Page {
    #[serde(default)]
    domain_records: Vec<Found>,
    #[serde(default)]
    links: Links,
}

#[derive(Debug, Deserialize)]
struct Found {
    id: u64,
    #[serde(default)]
    data: String,
}

#[derive(Debug, Default, Deserialize)]
struct Links {
    #[serde(default)]
    pages: Pages,
}

#[derive(Debug, Default, Deserialize)]
struct Pages {
    #[serde(default)]
    next: Option<String>,
}

#[derive(Debug, Serialize)]
struct New<'a> {
    r#type: &'static str,
    name: &'a str,
    data: &'a str,
    ttl: u32,
}

/// What a call does with records. For sentences: the scope that a token needs for it.
#[derive(Clone, Copy)]
enum Verb {
    Read,
    Create,
    Delete,
}

impl Verb {
    const fn does(self) -> &'static str {
        match self {
            Self::Read => "read records",
            Self::Create => "create a record",
            Self::Delete => "delete a record",
        }
    }

    const fn scope(self) -> &'static str {
        match self {
            Self::Read => "domain:read",
            Self::Create => "domain:create",
            Self::Delete => "domain:delete",
        }
    }
}

impl Account {
    /// The account that `token` is of, which is in `secret`, for sentences.
    ///
    /// # Errors
    /// If the token cannot be sent: it has characters that no token has.
    pub(crate) fn new(cloud: &Cloud, base: Url, token: &Hidden<String>, secret: String) -> Result<Self, Fault> {
        let bearer = Hidden::new(format!("Bearer {}", token.expose()));
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, secret_header(bearer.expose(), &secret)?);
        let identity = fingerprint(token.expose().as_bytes());
        Ok(Self(Arc::new(Inner {
            credential: format!("digitalocean {base} {identity}"),
            api: JsonApi::new(cloud.api("DigitalOcean"), base, headers),
            secret,
        })))
    }

    /// Adds and removes records of one name. The API takes the same record twice, so that those that are there are read first.
    async fn change_set(&self, zone: &str, name: &str, change: &Change) -> Result<(), Fault> {
        let relative = merge::relative(name, zone).ok_or_else(|| {
            let sentence = format!("{name} is not in the zone {zone}");
            Fault::new(FaultKind::NoZone, sentence)
        })?;
        let found = self.records(zone, name).await?;
        let values = |txts: &BTreeSet<Txt>| -> BTreeSet<String> {
            let of_name = txts.iter().filter(|txt| txt.name == name);
            of_name.map(|txt| txt.value.clone()).collect()
        };
        let remove = values(&change.remove);
        for (id, _) in found.iter().filter(|(_, value)| remove.contains(value)) {
            self.delete(zone, *id).await?;
        }
        let is_there = |value: &String| found.iter().any(|(_, found)| found == value);
        for value in values(&change.add).iter().filter(|value| !is_there(value)) {
            self.create(zone, relative, value).await?;
        }
        Ok(())
    }

    /// The TXT records of a name: identifiers and values.
    async fn records(&self, zone: &str, name: &str) -> Result<Vec<(u64, String)>, Fault> {
        let mut records = Vec::new();
        let mut page = "1".to_owned();
        for _ in 0..MOST_PAGES {
            let mut url = self.0.api.url(&["v2", "domains", zone, "records"])?;
            url.query_pairs_mut().extend_pairs([
                ("type", "TXT"),
                ("name", name),
                ("per_page", PER_PAGE),
                ("page", &page),
            ]);
            let reply = self.0.api.ask(Method::GET, &url).await?;
            let Page { domain_records, links } = match reply.status {
                StatusCode::OK => reply.json()?,
                _ => return Err(self.fault(&reply, Verb::Read, zone)),
            };
            let found = domain_records.into_iter();
            records.extend(found.map(|Found { id, data }| (id, merge::from_zone_file(&data))));
            match links.pages.next.as_deref().and_then(number) {
                Some(next) if next != page => page = next,
                Some(_) | None => return Ok(records),
            }
        }
        let sentence = format!(
            "DigitalOcean has more than {MOST_PAGES} pages of TXT records with the name {name}: remove those that are not needed"
        );
        Err(Fault::new(FaultKind::Other, sentence))
    }

    async fn create(&self, zone: &str, name: &str, value: &str) -> Result<(), Fault> {
        let url = self.0.api.url(&["v2", "domains", zone, "records"])?;
        let new = New {
            r#type: "TXT",
            name,
            data: value,
            ttl: TTL,
        };
        let reply = self.0.api.call(Method::POST, &url, Some(&new)).await?;
        match reply.status {
            StatusCode::OK | StatusCode::CREATED => Ok(()),
            _ => Err(self.fault(&reply, Verb::Create, zone)),
        }
    }

    async fn delete(&self, zone: &str, id: u64) -> Result<(), Fault> {
        let url = self.0.api.url(&["v2", "domains", zone, "records", &id.to_string()])?;
        let reply = self.0.api.ask(Method::DELETE, &url).await?;
        match reply.status {
            // absent: another client was faster
            StatusCode::OK | StatusCode::NO_CONTENT | StatusCode::NOT_FOUND => Ok(()),
            _ => Err(self.fault(&reply, Verb::Delete, zone)),
        }
    }

    fn fault(&self, reply: &Reply, verb: Verb, zone: &str) -> Fault {
        let (server, secret) = (&reply.server, &self.0.secret);
        let (kind, sentence) = match reply.status {
            StatusCode::UNAUTHORIZED => (
                FaultKind::Credential,
                format!(
                    "{server} does not know the token in {secret}, or it has expired: create one, and put it there"
                ),
            ),
            StatusCode::FORBIDDEN => (
                FaultKind::Right,
                format!(
                    "the token in {secret} may not {} of the domain {zone} at {server}: give it the scope {}",
                    verb.does(),
                    verb.scope()
                ),
            ),
            StatusCode::NOT_FOUND => (
                FaultKind::NoZone,
                format!(
                    "the account of the token in {secret} has no domain {zone} at {server}: add it, or use the token of its team"
                ),
            ),
            _ => return reply.unexpected(verb.does()),
        };
        Fault::new(kind, sentence)
    }
}

/// The number of the page that a link leads to. Nothing else of the link is used: the token is sent to no other server.
fn number(link: &str) -> Option<String> {
    let url = link.parse::<Url>().ok()?;
    let mut parameters = url.query_pairs();
    parameters
        .find(|(name, _)| name == "page")
        .map(|(_, page)| page.into_owned())
}

impl TxtRecords for Account {
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
