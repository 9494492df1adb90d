//! acme-dns servers: row DNS-08. The name to prove has a CNAME to a name that the server keeps for it, with its two newest values.

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};

use http::{HeaderMap, HeaderName, Method, StatusCode};
use jiff::SignedDuration;
use reqwest::Url;
use serde::{Deserialize, Serialize};
use tokio::sync::OwnedMutexGuard;

use super::{
    change::{Change, Receipt, Txt},
    json_api::{JsonApi, secret_header, server_url},
    merge,
    target::challenge_name,
    zones::TxtRecords,
};
use crate::{
    cloud::{Api, Cloud, Fault, FaultKind, Reply, fingerprint},
    pki::hidden::Hidden,
};

/// How many values of a name the server keeps.
const KEPT: usize = 2;
/// How long a value is protected from newer ones if it is not withdrawn: challenges do not take longer.
const PROTECTED: SignedDuration = SignedDuration::from_mins(10);
/// The header with the user of an account.
const USER: HeaderName = HeaderName::from_static("x-api-user");
/// The header with its password.
const KEY: HeaderName = HeaderName::from_static("x-api-key");
/// How many domains of the Secret a sentence names.
const NAMED: usize = 10;

/// A server, and accounts at it.
#[derive(Clone)]
pub(crate) struct Server(Arc<Inner>);

struct Inner {
    cloud: Cloud,
    api: Api,
    base: Url,
    /// By domain.
    accounts: BTreeMap<String, Account>,
    /// Where the accounts are, for sentences.
    secret: String,
    credential: String,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("base", &self.0.base.as_str())
            .finish_non_exhaustive()
    }
}

/// An account, as the server wrote it when it was registered.
#[derive(Deserialize)]
struct Registered {
    username: String,
    password: String,
    subdomain: String,
    #[serde(default)]
    fulldomain: String,
}

struct Account {
    user: String,
    password: Hidden<String>,
    subdomain: String,
    /// The name that the CNAME leads to; empty if the Secret does not have it.
    fulldomain: String,
}

impl From<Registered> for Account {
    fn from(registered: Registered) -> Self {
        let Registered {
            username,
            password,
            subdomain,
            fulldomain,
        } = registered;
        Self {
            user: username,
            password: Hidden::new(password),
            subdomain,
            fulldomain: fulldomain.trim_end_matches('.').to_ascii_lowercase(),
        }
    }
}

/// The body of an update.
#[derive(Debug, Serialize)]
struct Update<'a> {
    subdomain: &'a str,
    txt: &'a str,
}

impl Server {
    /// The server at `host`, with the accounts of `json`, which is in `secret`, for sentences.
    ///
    /// # Errors
    /// If the URL cannot be used, or the accounts are not what acme-dns writes.
    pub(crate) fn new(cloud: &Cloud, host: &str, json: &[u8], secret: String) -> Result<Self, Fault> {
        let base = server_url("acmeDNS.host", host)?;
        let accounts: BTreeMap<String, Registered> = serde_json::from_slice(json).map_err(|_| {
            let sentence = format!(
                "{secret} is not the JSON of accounts at acme-dns, with username, password, fulldomain and subdomain for each domain: \
                 {{\"example.com\": {{…}}}}"
            );
            Fault::new(FaultKind::Credential, sentence)
        })?;
        let accounts = accounts
            .into_iter()
            .map(|(domain, account)| (domain.trim_end_matches('.').to_ascii_lowercase(), account.into()));
        Ok(Self(Arc::new(Inner {
            api: cloud.api("acme-dns"),
            cloud: cloud.clone(),
            credential: format!("acmedns {base} {}", fingerprint(json)),
            base,
            accounts: accounts.collect(),
            secret,
        })))
    }

    /// The account of a name to prove. As in cert-manager, it is that of the same name, not of a parent.
    fn account(&self, identifier: &str) -> Result<&Account, Fault> {
        let Inner { accounts, secret, .. } = &*self.0;
        accounts.get(&identifier.to_ascii_lowercase()).ok_or_else(|| {
            let mut has: Vec<&str> = accounts.keys().take(NAMED).map(String::as_str).collect();
            if accounts.len() > NAMED {
                has.push("…");
            }
            let has = if has.is_empty() {
                "none".to_owned()
            } else {
                has.join(", ")
            };
            let sentence = format!("{secret} has no account for {identifier}: register one and add it; it has {has}");
            Fault::new(FaultKind::Other, sentence)
        })
    }

    /// Why a value at the server would not be found by a CA that asks for `identifier` and is led to `name`.
    fn astray(&self, identifier: &str, name: &str) -> Result<Option<Fault>, Fault> {
        let Account { fulldomain, .. } = self.account(identifier)?;
        if fulldomain.is_empty() || name.eq_ignore_ascii_case(fulldomain) {
            return Ok(None);
        }
        let asked = challenge_name(identifier);
        let sentence = if name == asked {
            format!("there is no CNAME from {asked} to {fulldomain}, which acme-dns keeps for {identifier}: create it")
        } else {
            format!(
                "the CNAME of {asked} leads to {name}, and the account for {identifier} in {} is that of {fulldomain}: correct one of them",
                self.0.secret
            )
        };
        Ok(Some(Fault::new(FaultKind::Other, sentence)))
    }

    /// Adds the values of one name, if there is room for all of them beside those that other challenges wait for.
    async fn change_set(&self, name: &str, change: &Change) -> Result<(), Fault> {
        let in_use = self.in_use(name).await;
        let mut values = in_use.values();
        values.retain(|value| !change.remove.iter().any(|txt| txt.name == name && txt.value == *value));
        in_use.set(&values);
        let added = change.add.iter().filter(|txt| txt.name == name);
        let mut together = values.clone();
        for txt in added.clone() {
            if let Some(fault) = self.astray(&txt.identifier, name)? {
                return Err(fault);
            }
            together.insert(txt.value.clone());
        }
        if together.len() > KEPT {
            let sentence = format!(
                "acme-dns keeps the {KEPT} newest values of {name}, and more challenges want it at this moment: this one waits for the end \
                 of another"
            );
            return Err(Fault::new(FaultKind::Conflict, sentence));
        }
        for txt in added {
            self.update(self.account(&txt.identifier)?, txt).await?;
            values.insert(txt.value.clone());
            in_use.set(&values);
        }
        Ok(())
    }

    /// The values of a name that challenges wait for. Other tasks wait for their turn meanwhile.
    async fn in_use(&self, name: &str) -> InUse<'_> {
        let Inner { cloud, base, .. } = &*self.0;
        let (server, name) = (format!("acmedns {base}"), format!("values of {name}"));
        InUse {
            _turn: cloud.memo.turn(&server, &name).await,
            cloud,
            server,
            name,
        }
    }

    async fn update(&self, account: &Account, txt: &Txt) -> Result<(), Fault> {
        let Inner { api, base, secret, .. } = &*self.0;
        let Account {
            user,
            password,
            subdomain,
            fulldomain: _,
        } = account;
        let mut headers = HeaderMap::new();
        headers.insert(USER, secret_header(user, secret)?);
        headers.insert(KEY, secret_header(password.expose(), secret)?);
        let api = JsonApi::new(api.clone(), base.clone(), headers);
        let update = Update {
            subdomain,
            txt: &txt.value,
        };
        let reply = api.call(Method::POST, &api.url(&["update"])?, Some(&update)).await?;
        match reply.status {
            StatusCode::OK => Ok(()),
            _ => Err(self.fault(&reply, &txt.identifier)),
        }
    }

    fn fault(&self, reply: &Reply, identifier: &str) -> Fault {
        let secret = &self.0.secret;
        let Reply { server, status, .. } = reply;
        let (kind, sentence) = match *status {
            // of one account, not of the others in the same Secret
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => (
                FaultKind::Right,
                format!(
                    "{server} does not accept the account for {identifier} in {secret}: username, password or subdomain is wrong, or allowfrom \
                     does not have certlet's address"
                ),
            ),
            StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => (
                FaultKind::Other,
                format!("{server} answered {status} to POST …/update: is acmeDNS.host the URL of an acme-dns server?"),
            ),
            _ => return reply.unexpected("update a record"),
        };
        Fault::new(kind, sentence)
    }
}

/// The values of a name that challenges wait for. It is the turn of the task that has this.
struct InUse<'a> {
    _turn: OwnedMutexGuard<()>,
    cloud: &'a Cloud,
    server: String,
    name: String,
}

impl InUse<'_> {
    fn values(&self) -> BTreeSet<String> {
        let values = self.cloud.memo.get(&self.server, &self.name);
        let values = values.map(|values| values.expose().clone()).unwrap_or_default();
        values.split_whitespace().map(str::to_owned).collect()
    }

    fn set(&self, values: &BTreeSet<String>) {
        let Self {
            _turn: _,
            cloud,
            server,
            name,
        } = self;
        if values.is_empty() {
            cloud.memo.forget(server, name);
            return;
        }
        let until = (cloud.now)().saturating_add(PROTECTED).unwrap_or_default();
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        cloud.memo.set(server, name, Hidden::new(values.join(" ")), until);
    }
}

impl TxtRecords for Server {
    fn credential(&self) -> &str {
        &self.0.credential
    }

    /// The zone of the server itself, which its names are directly below.
    async fn zone(&self, name: &str) -> Result<Option<String>, Fault> {
        if let Some(identifier) = name.strip_prefix("_acme-challenge.")
            && let Some(fault) = self.astray(identifier, name)?
        {
            return Err(fault);
        }
        let mut accounts = self.0.accounts.values();
        let account = accounts.find(|account| name.eq_ignore_ascii_case(&account.fulldomain));
        Ok(account.and_then(|account| {
            let (first, zone) = name.split_once('.')?;
            first.eq_ignore_ascii_case(&account.subdomain).then(|| zone.to_owned())
        }))
    }

    /// There is no call to remove a value: it stays until newer ones replace it.
    async fn change(&self, _: &str, change: &Change) -> Result<Option<Receipt>, Fault> {
        merge::each_set(change, |name| self.change_set(name, change)).await?;
        Ok(None)
    }

    fn most_records(&self) -> usize {
        merge::MOST_RECORDS
    }

    fn serves_alike(&self) -> bool {
        true
    }

    fn keeps_records(&self) -> bool {
        true
    }
}
