//! Cloudflare: row DNS-04.

#[cfg(test)]
mod tests;

use std::{collections::BTreeSet, fmt, sync::Arc};

use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use jiff::SignedDuration;
use reqwest::Url;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    change::{Change, Receipt, Txt},
    json_api::secret_header,
    merge,
    target::parents,
    zones::TxtRecords,
};
use crate::{
    cloud::{
        Api, Call, Cloud, Reply, below,
        fault::{Fault, FaultKind},
        fingerprint,
    },
    pki::hidden::Hidden,
};

/// The API.
pub(crate) const URL: &str = "https://api.cloudflare.com/client/v4/";
/// Time to live of records, in seconds: the least that Cloudflare has.
const TTL: u32 = 60;
/// How long the identifier of a zone is remembered.
const REMEMBERED: SignedDuration = SignedDuration::from_hours(1);

/// The codes of Cloudflare for a record that exists already.
const EXISTS: [u32; 2] = [81057, 81058];
/// The code for a record that does not exist.
const ABSENT: u32 = 81044;
/// The codes for a token or key that is wrong: malformed headers, an unknown key or address, an invalid token.
const WRONG_CREDENTIAL: [u32; 8] = [1000, 6003, 6103, 6111, 9103, 9106, 9107, 9207];
/// The code for an unknown or expired token, and also for a token without the permission.
const NOT_ACCEPTED: u32 = 9109;
/// The codes for a zone that is not there, or not any more.
const NO_ZONE: [u32; 3] = [1001, 7000, 7003];

/// How certlet logs in.
#[derive(Clone, Debug)]
pub(crate) enum Login {
    /// With an API token.
    Token(Hidden<String>),
    /// With the API key of an account, which may do everything.
    Key {
        /// E-mail address of the account.
        email: String,
        /// The key.
        key: Hidden<String>,
    },
}

/// An account at Cloudflare.
#[derive(Clone)]
pub(crate) struct Account(Arc<Inner>);

struct Inner {
    api: Api,
    cloud: Cloud,
    base: Url,
    login: HeaderMap,
    /// Where the token or key is, for sentences.
    secret: String,
    credential: String,
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account")
            .field("base", &self.0.base.as_str())
            .finish_non_exhaustive()
    }
}

/// What every answer has.
#[derive(Debug, Deserialize)]
struct Envelope<T> {
    success: bool,
    #[serde(default)]
    errors: Vec<Problem>,
    #[serde(default = "Option::default")]
    result: Option<T>,
}

#[derive(Debug, Deserialize)]
struct Problem {
    #[serde(default)]
    code: u32,
    #[serde(default)]
    error_chain: Vec<Self>,
}

#[derive(Debug, Deserialize)]
struct Identified {
    id: String,
}

#[derive(Debug, Deserialize)]
struct Found {
    id: String,
    name: String,
    content: String,
}

#[derive(Debug, Serialize)]
struct New<'a> {
    r#type: &'static str,
    name: &'a str,
    content: String,
    ttl: u32,
}

#[derive(Debug, Default, Serialize)]
struct Batch<'a> {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    deletes: Vec<Id>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    posts: Vec<New<'a>>,
}

#[derive(Debug, Serialize)]
struct Id {
    id: String,
}

/// Why a call did not do what it was for.
enum Refused {
    /// The reply says so, with these codes.
    Codes(Reply, Vec<u32>),
    /// There is no usable reply.
    Fault(Fault),
}

impl From<Fault> for Refused {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl Account {
    /// The account of this login, whose token or key is in `secret`, for sentences.
    ///
    /// # Errors
    /// If the token or key cannot be sent: it has characters that no token has.
    pub(crate) fn new(cloud: &Cloud, base: Url, login: &Login, secret: String) -> Result<Self, Fault> {
        let mut headers = HeaderMap::new();
        let value = |text: &str| {
            secret_header(text, &secret).map_err(|_| {
                let sentence = format!("{secret} is no token of Cloudflare: it has characters that none has");
                Fault::new(FaultKind::Credential, sentence)
            })
        };
        let identity = match login {
            Login::Token(token) => {
                headers.insert(header::AUTHORIZATION, value(&format!("Bearer {}", token.expose()))?);
                fingerprint(token.expose().as_bytes())
            }
            Login::Key { email, key } => {
                headers.insert("x-auth-email", value(email)?);
                headers.insert("x-auth-key", value(key.expose())?);
                fingerprint(format!("{email} {}", key.expose()).as_bytes())
            }
        };
        Ok(Self(Arc::new(Inner {
            api: cloud.api("Cloudflare"),
            cloud: cloud.clone(),
            credential: format!("cloudflare {base} {identity}"),
            base,
            login: headers,
            secret,
        })))
    }

    /// The identifier of a zone, if the account has it.
    async fn zone_id(&self, zone: &str) -> Result<Option<String>, Fault> {
        let Inner { cloud, credential, .. } = &*self.0;
        let remembered = format!("zone {zone}");
        if let Some(id) = cloud.memo.get(credential, &remembered) {
            return Ok(Some(id.expose().clone()));
        }
        let found = self
            .call::<Vec<Identified>>(Method::GET, &["zones"], &[("name", zone)], None)
            .await;
        let found = found.map_err(|refused| self.fault(refused, &format!("find the zone {zone}"), "Zone:Zone:Read"))?;
        let Some(Identified { id }) = found.into_iter().next() else {
            return Ok(None);
        };
        let until = (cloud.now)().saturating_add(REMEMBERED).unwrap_or_default();
        cloud.memo.set(credential, &remembered, Hidden::new(id.clone()), until);
        Ok(Some(id))
    }

    /// The records that are to be removed, as far as they are there.
    async fn ids(&self, zone: &str, id: &str, remove: &BTreeSet<Txt>) -> Result<Vec<String>, Fault> {
        let names: BTreeSet<&str> = remove.iter().map(|txt| txt.name.as_str()).collect();
        let mut ids = Vec::new();
        for name in names {
            let query = [("type", "TXT"), ("name", name), ("per_page", "100")];
            let found = self
                .call::<Vec<Found>>(Method::GET, &["zones", id, "dns_records"], &query, None)
                .await;
            let found = found.map_err(|refused| self.zone_fault(refused, zone, "list records"))?;
            let ours = |found: &Found| {
                // with quotation marks or without, as it was written
                let content = merge::from_zone_file(&found.content);
                let same = |txt: &&Txt| txt.name.eq_ignore_ascii_case(&found.name) && txt.value == content;
                remove.iter().any(|txt| same(&txt))
            };
            ids.extend(found.into_iter().filter(ours).map(|found| found.id));
        }
        Ok(ids)
    }

    /// Adds records one by one: one that is there already is none that fails.
    async fn add(&self, zone: &str, id: &str, add: &BTreeSet<Txt>) -> Result<(), Fault> {
        for txt in add {
            let body = serde_json::to_vec(&new(txt)).unwrap_or_default();
            let path = ["zones", id, "dns_records"];
            match self.call::<Identified>(Method::POST, &path, &[], Some(body)).await {
                Err(Refused::Codes(_, codes)) if codes.iter().any(|code| EXISTS.contains(code)) => {}
                Err(refused) => return Err(self.zone_fault(refused, zone, "create a record")),
                Ok(_) => {}
            }
        }
        Ok(())
    }

    async fn remove(&self, zone: &str, id: &str, records: &[String]) -> Result<(), Fault> {
        for record in records {
            let path = ["zones", id, "dns_records", record];
            match self.call::<Identified>(Method::DELETE, &path, &[], None).await {
                Err(Refused::Codes(_, codes)) if codes.contains(&ABSENT) => {}
                Err(refused) => return Err(self.zone_fault(refused, zone, "delete a record")),
                Ok(_) => {}
            }
        }
        Ok(())
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
        body: Option<Vec<u8>>,
    ) -> Result<T, Refused> {
        let Inner { api, base, login, .. } = &*self.0;
        let mut url = below(base, path.iter().copied())?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let mut headers = login.clone();
        if body.is_some() {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        let call = Call {
            purpose: "cloudflare",
            method,
            url: &url,
            headers,
            body: body.map(Into::into),
        };
        let reply = api.send(call).await?;
        let Envelope {
            success,
            errors,
            result,
        } = reply.json::<Envelope<T>>()?;
        match result {
            Some(result) if success => Ok(result),
            Some(_) | None => {
                let chained = errors.iter().flat_map(|error| &error.error_chain);
                let codes = errors.iter().chain(chained).map(|error| error.code).collect();
                Err(Refused::Codes(reply, codes))
            }
        }
    }

    /// The fault of a call about a zone whose identifier may be out of date.
    fn zone_fault(&self, refused: Refused, zone: &str, what: &str) -> Fault {
        let Inner { cloud, credential, .. } = &*self.0;
        let gone = |codes: &[u32]| codes.iter().any(|code| NO_ZONE.contains(code));
        if matches!(&refused, Refused::Codes(_, codes) if gone(codes)) {
            cloud.memo.forget(credential, &format!("zone {zone}"));
        }
        self.fault(refused, &format!("{what} in the zone {zone}"), "Zone:DNS:Edit")
    }

    fn fault(&self, refused: Refused, what: &str, right: &str) -> Fault {
        let (reply, codes) = match refused {
            Refused::Fault(fault) => return fault,
            Refused::Codes(reply, codes) => (reply, codes),
        };
        let secret = &self.0.secret;
        let shown = match codes.as_slice() {
            [] => String::new(),
            codes => format!(
                " (code {})",
                codes.iter().map(u32::to_string).collect::<Vec<_>>().join(", ")
            ),
        };
        let any = |of: &[u32]| codes.iter().any(|code| of.contains(code));
        let Reply { server, status, .. } = &reply;
        let (kind, sentence) = if any(&WRONG_CREDENTIAL) {
            (
                FaultKind::Credential,
                format!("{server} does not know the token or key in {secret}{shown}: create one, and put it there"),
            )
        } else if codes.contains(&NOT_ACCEPTED) {
            (
                FaultKind::Right,
                format!(
                    "{server} does not accept the token in {secret} to {what}{shown}: it is wrong or has expired, or it lacks the permission {right}"
                ),
            )
        } else if [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN].contains(status) {
            (
                FaultKind::Right,
                format!("the token in {secret} may not {what} at {server}{shown}: give it the permission {right}"),
            )
        } else if any(&NO_ZONE) {
            (
                FaultKind::NoZone,
                format!("{server} cannot {what}: it has no such zone{shown}"),
            )
        } else {
            (
                FaultKind::Other,
                format!("{server} answered {status}{shown} when it was asked to {what}"),
            )
        };
        Fault::new(kind, sentence)
    }
}

impl TxtRecords for Account {
    fn credential(&self) -> &str {
        &self.0.credential
    }

    async fn zone(&self, name: &str) -> Result<Option<String>, Fault> {
        let mut asked = Vec::new();
        // a zone has at least two labels
        for zone in parents(name).filter(|zone| zone.contains('.') && !zone.starts_with('_')) {
            if self.zone_id(zone).await?.is_some() {
                return Ok(Some(zone.to_owned()));
            }
            asked.push(zone);
        }
        let sentence = format!(
            "the account at Cloudflare has no zone for {name}: it was asked for {}; check the name, and that the token in {} has the permission \
             Zone:Zone:Read for the zone",
            asked.join(", "),
            self.0.secret
        );
        Err(Fault::new(FaultKind::NoZone, sentence))
    }

    async fn change(&self, zone: &str, change: &Change) -> Result<Option<Receipt>, Fault> {
        let Some(id) = self.zone_id(zone).await? else {
            let sentence = format!("the account at Cloudflare has no zone {zone} any more");
            return Err(Fault::new(FaultKind::NoZone, sentence));
        };
        let records = self.ids(zone, &id, &change.remove).await?;
        if change.add.len() + records.len() > 1 {
            let batch = Batch {
                deletes: records.iter().map(|id| Id { id: id.clone() }).collect(),
                posts: change.add.iter().map(new).collect(),
            };
            let body = serde_json::to_vec(&batch).unwrap_or_default();
            let path = ["zones", &id, "dns_records", "batch"];
            match self
                .call::<serde_json::Value>(Method::POST, &path, &[], Some(body))
                .await
            {
                Ok(_) => return Ok(None),
                // a batch is made as a whole or not at all: one of its records is there already, or gone
                Err(Refused::Codes(_, codes)) if codes.iter().any(|code| EXISTS.contains(code) || *code == ABSENT) => {}
                Err(refused) => return Err(self.zone_fault(refused, zone, "change records")),
            }
        }
        self.remove(zone, &id, &records).await?;
        self.add(zone, &id, &change.add).await?;
        Ok(None)
    }
}

fn new(txt: &Txt) -> New<'_> {
    New {
        r#type: "TXT",
        name: &txt.name,
        content: merge::to_zone_file(&txt.value),
        ttl: TTL,
    }
}
