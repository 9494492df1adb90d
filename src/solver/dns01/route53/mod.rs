//! Amazon Route 53 (DNS-05). Records are written as cert-manager writes them, so that either removes what the other has written.

mod wire;

use std::{fmt, sync::Arc};

use http::Method;
use jiff::SignedDuration;

use super::{
    change::{Change, Receipt, Txt},
    zones::TxtRecords,
};
use crate::{
    cloud::{
        Fault, FaultKind, Reply,
        aws::{Action, Aws, is_invalid_batch},
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
        name: &'static str,
        resource: &str,
        method: Method,
        path: &str,
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

    /// The public zone with the longest name that `name` is in: its name and identifier.
    async fn find(&self, name: &str) -> Result<(String, String), Fault> {
        let labels: Vec<&str> = name.split('.').collect();
        // zones are listed in the order of their reversed names: those below the last two labels are one list
        let base = labels
            .get(labels.len().saturating_sub(2)..)
            .unwrap_or_default()
            .join(".");
        let mut next = Some((base.clone(), String::new()));
        let mut best: Option<(String, String)> = None;
        for _page in 0..MOST_PAGES {
            let Some((from, id)) = next.take() else { break };
            let mut query = vec![("dnsname", from.as_str()), ("maxitems", "100")];
            if !id.is_empty() {
                query.push(("hostedzoneid", &id));
            }
            let reply = self
                .call(
                    "ListHostedZonesByName",
                    "*",
                    Method::GET,
                    "hostedzonesbyname",
                    &query,
                    String::new(),
                )
                .await?;
            let list: wire::ZoneList = wire::parse(&reply)?;
            for zone in list.zones() {
                let found = zone.name.trim_end_matches('.');
                let longer = best.as_ref().is_none_or(|(known, _)| known.len() < found.len());
                if !zone.is_private() && contains(found, name) && longer {
                    best = Some((found.to_owned(), bare_id(&zone.id).to_owned()));
                }
            }
            next = list
                .next()
                .filter(|(next, _)| reversed(next).starts_with(&reversed(&base)));
        }
        best.ok_or_else(|| {
            let sentence = format!(
                "the AWS account has no public Route 53 zone that {name} is in (listed: the zones in {base}): create it, or name a zone in route53.hostedZoneID"
            );
            Fault::new(FaultKind::NoZone, sentence)
        })
    }

    /// The identifier of a zone.
    async fn id(&self, zone: &str) -> Result<String, Fault> {
        if let Some(id) = &self.0.zone_id {
            return Ok(id.clone());
        }
        let memo = &self.0.aws.cloud().memo;
        if let Some(id) = memo.get(&self.0.credential, zone) {
            return Ok(id.expose().clone());
        }
        self.remembered(zone).await.map(|(_, id)| id)
    }

    async fn remembered(&self, name: &str) -> Result<(String, String), Fault> {
        let (zone, id) = self.find(name).await?;
        let cloud = self.0.aws.cloud();
        let until = (cloud.now)().saturating_add(REMEMBERED).unwrap_or(jiff::Timestamp::MAX);
        cloud
            .memo
            .set(&self.0.credential, &zone, Hidden::new(id.clone()), until);
        cloud.memo.set(
            &self.0.credential,
            &format!("zone of {name}"),
            Hidden::new(zone.clone()),
            until,
        );
        Ok((zone, id))
    }

    async fn apply(&self, id: &str, change: &Change) -> Result<Option<Receipt>, Fault> {
        let resource = format!("arn:aws:route53:::hostedzone/{id}");
        let path = format!("hostedzone/{id}/rrset/");
        let reply = self
            .call(
                "ChangeResourceRecordSets",
                &resource,
                Method::POST,
                &path,
                &[],
                wire::batch(change),
            )
            .await?;
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
        let reply = self
            .call(
                "ListResourceRecordSets",
                &resource,
                Method::GET,
                &path,
                &query,
                String::new(),
            )
            .await?;
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
        let known = self
            .0
            .aws
            .cloud()
            .memo
            .get(&self.0.credential, &format!("zone of {name}"));
        match known {
            Some(zone) => Ok(Some(zone.expose().clone())),
            None => self.remembered(name).await.map(|(zone, _)| Some(zone)),
        }
    }

    async fn change(&self, zone: &str, change: &Change) -> Result<Option<Receipt>, Fault> {
        let id = self.id(zone).await?;
        let result = self.apply(&id, change).await;
        match result {
            Err(fault) if is_invalid_batch(&fault) && !change.remove.is_empty() => {
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
                    self.0.aws.cloud().memo.forget(&self.0.credential, zone);
                }
                Err(fault)
            }
            Ok(receipt) => Ok(receipt),
        }
    }

    async fn is_done(&self, receipt: &Receipt) -> Result<bool, Fault> {
        let id = &receipt.0;
        let resource = format!("arn:aws:route53:::change/{id}");
        let reply = self
            .call(
                "GetChange",
                &resource,
                Method::GET,
                &format!("change/{id}"),
                &[],
                String::new(),
            )
            .await?;
        let info: wire::Changed = wire::parse(&reply)?;
        Ok(info.change_info.status == "INSYNC")
    }
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
