//! Amazon Route 53 (DNS-05). Records are written as cert-manager writes them, so that either removes what the other has written.

mod wire;

use std::{fmt, sync::Arc};

use http::Method;
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use super::{
    change::{Change, Receipt, Txt},
    zones::TxtRecords,
};
use crate::{
    cloud::{
        Fault, FaultKind, Reply,
        aws::{Action, Aws},
    },
    pki::hidden::Hidden,
};

/// How long the identifier of a zone is remembered.
const REMEMBERED: SignedDuration = SignedDuration::from_hours(1);
/// The most pages of zones that are read for one name.
const MOST_PAGES: usize = 10;

/// Zones of an AWS account.
#[derive(Clone)]
pub struct Zones(Arc<Inner>);

struct Inner {
    aws: Aws,
    zone_id: Option<String>,
    credential: String,
}

/// What is asked of Route 53.
struct Ask<'a> {
    /// The action.
    name: &'static str,
    /// What the right must cover.
    resource: &'a str,
    method: Method,
    /// After the version of the API.
    path: &'a str,
}

/// A public zone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Zone {
    name: String,
    id: String,
}

impl fmt::Debug for Zones {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Zones")
            .field("zone_id", &self.0.zone_id)
            .finish_non_exhaustive()
    }
}

impl Zones {
    /// The zones of an account, or one of them.
    pub fn new(aws: Aws, zone_id: Option<&str>) -> Self {
        let zone_id = zone_id.map(bare_id).filter(|id| !id.is_empty()).map(str::to_owned);
        let credential = format!("route53 {zone_id:?} {}", aws.credential());
        Self(Arc::new(Inner {
            aws,
            zone_id,
            credential,
        }))
    }

    async fn call(
        &self,
        Ask {
            name,
            resource,
            method,
            path,
        }: Ask<'_>,
        query: &[(&str, &str)],
        body: String,
    ) -> Result<Reply, Fault> {
        let mut url = self.0.aws.endpoint("route53")?.0;
        url.set_path(&format!("/2013-04-01/{path}"));
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let action = Action {
            service: "route53",
            name,
            resource,
            method,
            url,
            body,
        };
        self.0.aws.call(action).await
    }

    /// The public zone with the longest name that `name` is in.
    async fn find(&self, name: &str) -> Result<Zone, Fault> {
        let labels: Vec<&str> = name.split('.').collect();
        // zones are listed in the order of their reversed names: those below the last two labels are one list
        let base = labels
            .get(labels.len().saturating_sub(2)..)
            .unwrap_or_default()
            .join(".");
        let memo = &self.0.aws.cloud().memo;
        let known = format!("zones in {base}");
        // what many names need is listed once
        let _turn = memo.turn(&self.0.credential, &known).await;
        let remembered = memo.get(&self.0.credential, &known);
        let remembered = remembered.and_then(|text| serde_json::from_str::<Vec<Zone>>(text.expose()).ok());
        if let Some(zone) = remembered.and_then(|zones| longest(zones, name)) {
            return Ok(zone);
        }
        let zones = self.list(&base).await?;
        let until = (self.0.aws.cloud().now)()
            .saturating_add(REMEMBERED)
            .unwrap_or(jiff::Timestamp::MAX);
        let text = serde_json::to_string(&zones).unwrap_or_default();
        memo.set(&self.0.credential, &known, Hidden::new(text), until);
        longest(zones, name).ok_or_else(|| {
            let sentence = format!(
                "the AWS account has no public Route 53 zone that {name} is in (listed: the zones in {base}): create it, or name a zone in \
                 route53.hostedZoneID"
            );
            Fault::new(FaultKind::NoZone, sentence)
        })
    }

    /// The public zones below a name.
    async fn list(&self, base: &str) -> Result<Vec<Zone>, Fault> {
        let mut next = Some((base.to_owned(), String::new()));
        let mut zones = Vec::new();
        for _page in 0..MOST_PAGES {
            let Some((from, id)) = next.take() else { break };
            let mut query = vec![("dnsname", from.as_str()), ("maxitems", "100")];
            if !id.is_empty() {
                query.push(("hostedzoneid", &id));
            }
            let ask = Ask {
                name: "ListHostedZonesByName",
                resource: "*",
                method: Method::GET,
                path: "hostedzonesbyname",
            };
            let reply = self.call(ask, &query, String::new()).await?;
            let list: wire::ZoneList = wire::parse(&reply)?;
            let public = list.zones().iter().filter(|zone| !zone.is_private());
            zones.extend(public.map(|zone| Zone {
                name: zone.name.trim_end_matches('.').to_owned(),
                id: bare_id(&zone.id).to_owned(),
            }));
            next = list
                .next()
                .filter(|(next, _)| reversed(next).starts_with(&reversed(base)));
        }
        Ok(zones)
    }

    /// The identifier of a zone.
    async fn id(&self, zone: &str) -> Result<String, Fault> {
        match &self.0.zone_id {
            Some(id) => Ok(id.clone()),
            None => self.find(zone).await.map(|zone| zone.id),
        }
    }

    /// A zone that was listed is gone: zones are listed again.
    fn forget(&self, zone: &str) {
        let labels: Vec<&str> = zone.split('.').collect();
        let base = labels
            .get(labels.len().saturating_sub(2)..)
            .unwrap_or_default()
            .join(".");
        let memo = &self.0.aws.cloud().memo;
        memo.forget(&self.0.credential, &format!("zones in {base}"));
    }

    async fn apply(&self, id: &str, change: &Change) -> Result<Option<Receipt>, Fault> {
        let resource = format!("arn:aws:route53:::hostedzone/{id}");
        let path = format!("hostedzone/{id}/rrset/");
        let ask = Ask {
            name: "ChangeResourceRecordSets",
            resource: &resource,
            method: Method::POST,
            path: &path,
        };
        let reply = self.call(ask, &[], wire::batch(change)).await?;
        let info: wire::Changed = wire::parse(&reply)?;
        Ok(Some(Receipt(
            info.change_info.id.trim_start_matches("/change/").to_owned(),
        )))
    }

    /// Whether a record is there.
    async fn is_there(&self, id: &str, txt: &Txt) -> Result<bool, Fault> {
        let resource = format!("arn:aws:route53:::hostedzone/{id}");
        let path = format!("hostedzone/{id}/rrset");
        let quoted = wire::quoted(&txt.value);
        let query = [
            ("name", txt.name.as_str()),
            ("type", "TXT"),
            ("identifier", &quoted),
            ("maxitems", "1"),
        ];
        let ask = Ask {
            name: "ListResourceRecordSets",
            resource: &resource,
            method: Method::GET,
            path: &path,
        };
        let reply = self.call(ask, &query, String::new()).await?;
        let sets: wire::Sets = wire::parse(&reply)?;
        Ok(sets.has(&txt.name, &quoted))
    }
}

impl TxtRecords for Zones {
    fn credential(&self) -> &str {
        &self.0.credential
    }

    /// With `hostedZoneID` no further right is asked for: the zone is looked up in the DNS.
    async fn zone(&self, name: &str) -> Result<Option<String>, Fault> {
        if self.0.zone_id.is_some() {
            return Ok(None);
        }
        self.find(name).await.map(|zone| Some(zone.name))
    }

    async fn change(&self, zone: &str, change: &Change) -> Result<Option<Receipt>, Fault> {
        let id = self.id(zone).await?;
        let result = self.apply(&id, change).await;
        match result {
            Err(fault) if fault.kind == FaultKind::Conflict && !change.remove.is_empty() => {
                // a batch is refused as a whole if one of its records is gone
                let mut rest = change.clone();
                for txt in &change.remove {
                    if !self.is_there(&id, txt).await? {
                        rest.remove.remove(txt);
                    }
                }
                if rest == *change {
                    return Err(fault);
                }
                if rest == Change::default() {
                    return Ok(None);
                }
                self.apply(&id, &rest).await
            }
            Err(fault) => {
                if fault.kind == FaultKind::NoZone {
                    self.forget(zone);
                }
                Err(fault)
            }
            Ok(receipt) => Ok(receipt),
        }
    }

    async fn is_done(&self, receipt: &Receipt) -> Result<bool, Fault> {
        let id = &receipt.0;
        let resource = format!("arn:aws:route53:::change/{id}");
        let ask = Ask {
            name: "GetChange",
            resource: &resource,
            method: Method::GET,
            path: &format!("change/{id}"),
        };
        let reply = self.call(ask, &[], String::new()).await?;
        let info: wire::Changed = wire::parse(&reply)?;
        Ok(info.change_info.status == "INSYNC")
    }
}

/// The longest of the zones that a name is in.
fn longest(zones: Vec<Zone>, name: &str) -> Option<Zone> {
    let around = zones.into_iter().filter(|zone| contains(&zone.name, name));
    around.max_by_key(|zone| zone.name.len())
}

fn bare_id(id: &str) -> &str {
    id.trim().trim_start_matches("/hostedzone/")
}

fn contains(zone: &str, name: &str) -> bool {
    name == zone || name.strip_suffix(zone).is_some_and(|rest| rest.ends_with('.'))
}

fn reversed(name: &str) -> String {
    let labels: Vec<&str> = name.trim_end_matches('.').rsplit('.').collect();
    labels.join(".")
}

#[cfg(test)]
mod tests;
