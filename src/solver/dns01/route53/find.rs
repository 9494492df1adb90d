//! The zone that a name is in. AWS lists zones in the order of their reversed names: all parents of a name come before it, and a page
//! that begins with the shortest one has the others, unless there are many zones in between.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{
    super::{merge::relative, target::parents},
    Zones, bare, wire,
};
use crate::{
    cloud::{Fault, FaultKind},
    pki::hidden::Hidden,
};

/// How long a list of zones is remembered.
const REMEMBERED: SignedDuration = SignedDuration::from_hours(1);
/// Zones of one page: the most that AWS allows.
const PAGE: &str = "100";

/// A public zone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Zone {
    /// Its name, without a final dot.
    pub(super) name: String,
    /// Its identifier.
    pub(super) id: String,
}

/// The zones from a name on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Page {
    /// The public ones.
    pub(super) zones: Vec<Zone>,
    /// The first zone that is not listed; `None` if all are.
    pub(super) next: Option<String>,
}

impl Zones {
    /// The public zone with the longest name that `name` is in.
    pub(super) async fn find(&self, name: &str) -> Result<Zone, Fault> {
        let mut best: Option<Zone> = None;
        let mut listed = Listed::Nothing;
        let parents = candidates(name);
        for parent in &parents {
            if listed.has(parent) {
                continue;
            }
            let Page { zones, next } = self.page(parent).await?;
            for zone in zones {
                let is_longer = best.as_ref().is_none_or(|best| best.name.len() < zone.name.len());
                if is_longer && relative(name, &zone.name).is_some() {
                    best = Some(zone);
                }
            }
            listed = next.map_or(Listed::Everything, Listed::Before);
        }
        best.ok_or_else(|| {
            self.forget(name);
            let sentence = format!(
                "the AWS account has no public hosted zone for {name}: asked for {}; create the zone, use credentials of the account that \
                 it is in, or set route53.hostedZoneID",
                parents.join(", ")
            );
            Fault::new(FaultKind::NoZone, sentence)
        })
    }

    /// Forgets the lists in which the zone of a name is looked up.
    pub(super) fn forget(&self, name: &str) {
        let memo = &self.0.aws.cloud().memo;
        for parent in candidates(name) {
            memo.forget(&self.0.credential, &key(parent));
        }
    }

    /// The zones from this name on, as they were listed within the last hour.
    async fn page(&self, from: &str) -> Result<Page, Fault> {
        let (cloud, credential, key) = (self.0.aws.cloud(), &self.0.credential, key(from));
        let _turn = cloud.memo.turn(credential, &key).await;
        if let Some(known) = cloud.memo.get(credential, &key)
            && let Ok(page) = serde_json::from_str(known.expose())
        {
            return Ok(page);
        }
        let mut url = self.url("hostedzonesbyname")?;
        url.query_pairs_mut()
            .append_pair("dnsname", from)
            .append_pair("maxitems", PAGE);
        let reply = self.get("ListHostedZonesByName", "*", url).await?;
        let page = wire::parse::<wire::ZoneList>(&reply)?.page();
        if let Ok(text) = serde_json::to_string(&page) {
            let until = (cloud.now)().saturating_add(REMEMBERED).unwrap_or(Timestamp::MAX);
            cloud.memo.set(credential, &key, Hidden::new(text), until);
        }
        Ok(page)
    }
}

impl wire::ZoneList {
    fn page(self) -> Page {
        let next = self.next();
        let public = self.into_zones().into_iter().filter(|zone| !zone.is_private());
        let zones = public.filter_map(|zone| {
            Some(Zone {
                name: without_dot(&zone.name),
                id: bare(&zone.id, "/hostedzone/")?,
            })
        });
        Page {
            zones: zones.collect(),
            next: next.as_deref().map(without_dot),
        }
    }
}

/// What earlier pages have.
enum Listed {
    Nothing,
    /// All zones before this one.
    Before(String),
    Everything,
}

impl Listed {
    fn has(&self, name: &str) -> bool {
        match self {
            Self::Nothing => false,
            Self::Before(next) => is_before(name, next),
            Self::Everything => true,
        }
    }
}

fn key(from: &str) -> String {
    format!("zones from {from}")
}

fn without_dot(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}

/// The names that a zone of `name` can have, the shortest first. A top-level domain is none of them, unless it is the name itself.
fn candidates(name: &str) -> Vec<&str> {
    let mut candidates: Vec<&str> = parents(name).collect();
    if candidates.len() > 1 {
        candidates.pop();
    }
    candidates.reverse();
    candidates
}

/// Whether a zone of this name is listed before the other one. Whether labels are compared, or the reversed names with their dots, is
/// not documented: both have to agree.
fn is_before(name: &str, other: &str) -> bool {
    let labels = |name: &str| name.rsplit('.').map(str::to_owned).collect::<Vec<_>>();
    let (name, other) = (labels(name), labels(other));
    let text = |labels: &[String]| labels.join(".") + ".";
    name < other && text(&name) < text(&other)
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn a_zone_contains_whole_labels_only() {
        let contains = |zone: &str, name: &str| relative(name, zone).is_some();
        assert!(contains("a.example", "b.a.example") && contains("a.example", "a.example"));
        assert!(!contains("a.example", "ba.example") && !contains("b.a.example", "a.example"));
    }

    #[test]
    fn parents_begin_with_two_labels() {
        assert_eq!(
            candidates("_acme-challenge.b.a.example"),
            ["a.example", "b.a.example", "_acme-challenge.b.a.example"]
        );
        assert_eq!(candidates("example"), ["example"]);
    }

    #[test]
    fn names_are_in_order_only_if_labels_and_texts_agree() {
        assert!(is_before("a.example", "b.a.example") && is_before("b.a.example", "b.example"));
        assert!(!is_before("a.example", "a.example") && !is_before("b.example", "c.a.example"));
        // "example.a-b." is before "example.a.c." as text, and after it by labels
        assert!(!is_before("a-b.example", "c.a.example") && !is_before("c.a.example", "a-b.example"));
    }
}
