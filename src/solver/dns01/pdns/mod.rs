//! `PowerDNS` Authoritative Server, by its HTTP API.

#[cfg(test)]
mod tests;

use std::{fmt, sync::Arc};

use http::{HeaderMap, HeaderName, Method, StatusCode};
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use super::{
    change::{Change, Receipt},
    json_api::{JsonApi, secret_header, server_url},
    merge,
    target::parents,
    zones::TxtRecords,
};
use crate::{
    cloud::{Cloud, Fault, FaultKind, Reply, fingerprint},
    pki::hidden::Hidden,
};

/// The name of the server in the API, unless the settings have another one.
pub(crate) const SERVER: &str = "localhost";
/// The lifetime of new records in caches, in seconds.
const TTL: u32 = 60;
/// How long the identifier of a zone is remembered.
const REMEMBERED: SignedDuration = SignedDuration::from_hours(1);
/// The header with the key.
const KEY: HeaderName = HeaderName::from_static("x-api-key");
/// The kinds of a zone whose records come from another server.
const SECONDARY: [&str; 3] = ["Slave", "Secondary", "Consumer"];
/// The kind of a zone without other servers that are to be notified.
const NATIVE: &str = "Native";

/// A server.
#[derive(Clone)]
pub(crate) struct Server(Arc<Inner>);

struct Inner {
    cloud: Cloud,
    api: JsonApi,
    /// Its name in the API.
    name: String,
    /// Where the key is, for sentences.
    secret: String,
    credential: String,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("name", &self.0.name)
            .finish_non_exhaustive()
    }
}

/// A zone in the list of zones.
#[derive(Debug, Deserialize)]
struct Listed {
    id: String,
    name: String,
    #[serde(default)]
    kind: String,
}

/// The record sets of a zone.
#[derive(Debug, Deserialize)]
struct Zone {
    #[serde(default)]
    rrsets: Vec<RecordSet>,
}

#[derive(Debug, Deserialize)]
struct RecordSet {
    name: String,
    r#type: String,
    #[serde(default)]
    ttl: Option<u32>,
    #[serde(default)]
    records: Vec<Record>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Record {
    content: String,
    #[serde(default)]
    disabled: bool,
}

#[derive(Debug, Serialize)]
struct Patch {
    rrsets: Vec<ChangedSet>,
}

#[derive(Debug, Serialize)]
struct ChangedSet {
    name: String,
    r#type: &'static str,
    changetype: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl: Option<u32>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    records: Vec<Record>,
}

impl Server {
    /// The server `name` of the API at `url`. The key is in `secret`, for sentences.
    ///
    /// # Errors
    /// If the URL or the key cannot be used.
    pub(crate) fn new(
        cloud: &Cloud,
        url: &str,
        name: &str,
        key: &Hidden<String>,
        secret: String,
    ) -> Result<Self, Fault> {
        let base = server_url("config.url", url)?;
        let mut headers = HeaderMap::new();
        headers.insert(KEY, secret_header(key.expose(), &secret)?);
        let identity = fingerprint(key.expose().as_bytes());
        Ok(Self(Arc::new(Inner {
            credential: format!("pdns {base} {name} {identity}"),
            api: JsonApi::new(cloud.api("PowerDNS"), base, headers),
            cloud: cloud.clone(),
            name: name.to_owned(),
            secret,
        })))
    }

    /// The identifier of a zone and whether others are notified of its changes, if the server has it.
    async fn listed(&self, zone: &str) -> Result<Option<(String, bool)>, Fault> {
        let Inner {
            cloud, api, credential, ..
        } = &*self.0;
        let remembered = format!("zone {zone}");
        if let Some(found) = cloud.memo.get(credential, &remembered) {
            let found = found.expose().split_once(' ');
            return Ok(found.map(|(notifies, id)| (id.to_owned(), notifies == "notifies")));
        }
        let fqdn = format!("{zone}.");
        let mut url = api.url(&["api", "v1", "servers", &self.0.name, "zones"])?;
        url.query_pairs_mut().append_pair("zone", &fqdn);
        let reply = api.ask(Method::GET, &url).await?;
        let listed: Vec<Listed> = match reply.status {
            StatusCode::OK => reply.json()?,
            // a label that no zone has
            StatusCode::UNPROCESSABLE_ENTITY | StatusCode::BAD_REQUEST => return Ok(None),
            _ => return Err(self.fault(&reply, &format!("find the zone {zone}"))),
        };
        let Some(Listed { id, kind, .. }) = listed.into_iter().find(|one| one.name.eq_ignore_ascii_case(&fqdn)) else {
            return Ok(None);
        };
        if SECONDARY.iter().any(|secondary| secondary.eq_ignore_ascii_case(&kind)) {
            let sentence = format!(
                "{} has the zone {zone} as a copy of another server's: set config.url to the primary server",
                reply.server
            );
            return Err(Fault::new(FaultKind::NoZone, sentence));
        }
        let notifies = !kind.eq_ignore_ascii_case(NATIVE);
        let text = format!("{} {id}", if notifies { "notifies" } else { "native" });
        let until = (cloud.now)().saturating_add(REMEMBERED).unwrap_or_default();
        cloud.memo.set(credential, &remembered, Hidden::new(text), until);
        Ok(Some((id, notifies)))
    }

    /// What the record set of a name has after a change; `None` if that is what it has now.
    async fn changed(&self, zone: &str, id: &str, name: &str, change: &Change) -> Result<Option<ChangedSet>, Fault> {
        let fqdn = format!("{name}.");
        let mut url = self.0.api.url(&["api", "v1", "servers", &self.0.name, "zones", id])?;
        url.query_pairs_mut()
            .extend_pairs([("rrset_name", fqdn.as_str()), ("rrset_type", "TXT")]);
        let reply = self.0.api.ask(Method::GET, &url).await?;
        let Zone { rrsets } = match reply.status {
            StatusCode::OK => reply.json()?,
            StatusCode::NOT_FOUND => return Err(self.gone(&reply, zone)),
            _ => return Err(self.fault(&reply, &format!("read the records {name}"))),
        };
        // servers that do not know the two parameters answer with all records
        let found = rrsets
            .into_iter()
            .find(|set| set.r#type == "TXT" && set.name.eq_ignore_ascii_case(&fqdn));
        let (ttl, now) = found.map_or((None, Vec::new()), |set| (set.ttl, set.records));
        let value = |record: &Record| merge::from_zone_file(&record.content);
        let record = |value: &str| Record {
            content: merge::to_zone_file(value),
            disabled: false,
        };
        let after = merge::merged(&now, change, name, value, record);
        Ok(after.map(|records| ChangedSet {
            name: fqdn,
            r#type: "TXT",
            changetype: if records.is_empty() { "DELETE" } else { "REPLACE" },
            ttl: (!records.is_empty()).then(|| ttl.unwrap_or(TTL)),
            records,
        }))
    }

    /// The zone is not there any more.
    fn gone(&self, reply: &Reply, zone: &str) -> Fault {
        let Inner { cloud, credential, .. } = &*self.0;
        cloud.memo.forget(credential, &format!("zone {zone}"));
        let sentence = format!("{} has no zone {zone} any more", reply.server);
        Fault::new(FaultKind::NoZone, sentence)
    }

    fn fault(&self, reply: &Reply, what: &str) -> Fault {
        let Inner { name, secret, .. } = &*self.0;
        let Reply { server, status, .. } = reply;
        let (kind, sentence) = match *status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => (
                FaultKind::Credential,
                format!("{server} does not accept the key in {secret}: compare it with api-key in pdns.conf"),
            ),
            StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => (
                FaultKind::Other,
                format!(
                    "{server} answered {status} when it was asked to {what}: check config.url and the server name {name:?}, and that pdns.conf has \
                     api=yes"
                ),
            ),
            StatusCode::UNPROCESSABLE_ENTITY => (
                FaultKind::Other,
                format!("{server} refused to {what}: is there a CNAME with the same name?"),
            ),
            _ => return reply.unexpected(what),
        };
        Fault::new(kind, sentence)
    }
}

impl TxtRecords for Server {
    fn credential(&self) -> &str {
        &self.0.credential
    }

    /// The longest zone that the server has.
    async fn zone(&self, name: &str) -> Result<Option<String>, Fault> {
        for zone in parents(name) {
            if self.listed(zone).await?.is_some() {
                return Ok(Some(zone.to_owned()));
            }
        }
        let asked: Vec<&str> = parents(name).collect();
        let sentence = format!(
            "PowerDNS has no zone for {name}: it was asked for {}; check the name and config.url",
            asked.join(", ")
        );
        Err(Fault::new(FaultKind::NoZone, sentence))
    }

    /// All record sets are changed by one request, which is one transaction of the server.
    async fn change(&self, zone: &str, change: &Change) -> Result<Option<Receipt>, Fault> {
        let Some((id, notifies)) = self.listed(zone).await? else {
            let sentence = format!("PowerDNS has no zone {zone} any more");
            return Err(Fault::new(FaultKind::NoZone, sentence));
        };
        let mut rrsets = Vec::new();
        for name in merge::names(change) {
            rrsets.extend(self.changed(zone, &id, name, change).await?);
        }
        if rrsets.is_empty() {
            return Ok(None);
        }
        let api = &self.0.api;
        let path = ["api", "v1", "servers", &self.0.name, "zones", &id];
        let what = format!("change TXT records of {}", merge::names(change).join(", "));
        let reply = api
            .call(Method::PATCH, &api.url(&path)?, Some(&Patch { rrsets }))
            .await?;
        match reply.status {
            StatusCode::OK | StatusCode::NO_CONTENT => {}
            StatusCode::NOT_FOUND => return Err(self.gone(&reply, zone)),
            _ => return Err(self.fault(&reply, &what)),
        }
        if notifies {
            // secondaries get the change at once; without it they get it a minute later
            let url = api.url(&[path.as_slice(), &["notify"]].concat())?;
            drop(api.ask(Method::PUT, &url).await);
        }
        Ok(None)
    }

    fn most_records(&self) -> usize {
        merge::MOST_RECORDS
    }

    fn serves_alike(&self) -> bool {
        true
    }
}
