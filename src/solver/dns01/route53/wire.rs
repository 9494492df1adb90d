//! The XML of Route 53.

use std::fmt::Write as _;

use quick_xml::escape::escape;
use serde::{Deserialize, de::DeserializeOwned};

use super::super::change::{Change, Txt};
use crate::cloud::{Fault, Reply};

/// Time to live of records, in seconds.
const TTL: u32 = 10;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ZoneList {
    hosted_zones: HostedZones,
    #[serde(default)]
    is_truncated: bool,
    #[serde(rename = "NextDNSName")]
    next_name: Option<String>,
}

#[derive(Deserialize)]
struct HostedZones {
    #[serde(rename = "HostedZone", default)]
    zones: Vec<Zone>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Zone {
    pub(super) id: String,
    pub(super) name: String,
    config: Option<Config>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Config {
    private_zone: Option<String>,
}

impl ZoneList {
    pub(super) fn into_zones(self) -> Vec<Zone> {
        self.hosted_zones.zones
    }

    /// The name of the first zone of the next page.
    pub(super) fn next(&self) -> Option<String> {
        self.next_name.clone().filter(|_| self.is_truncated)
    }
}

impl Zone {
    pub(super) fn is_private(&self) -> bool {
        let config = self.config.as_ref().and_then(|config| config.private_zone.as_deref());
        config.is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Changed {
    pub(super) change_info: ChangeInfo,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ChangeInfo {
    pub(super) id: String,
    pub(super) status: String,
}

/// The body of a reply.
pub(super) fn parse<T: DeserializeOwned>(reply: &Reply) -> Result<T, Fault> {
    let text = std::str::from_utf8(&reply.body).unwrap_or_default();
    quick_xml::de::from_str(text).map_err(|_| reply.not("the XML that its API describes"))
}

/// A value as records and their identifiers have it.
fn quoted(value: &str) -> String {
    format!("\"{value}\"")
}

/// Whether the message of an invalid batch says that this record is absent: `Tried to delete resource record set [name='…', type='TXT',
/// set identifier='"…"'] but it was not found`, once for each record.
pub(super) fn is_absent(message: &str, txt: &Txt) -> bool {
    let mut records = message.split("Tried to delete").skip(1);
    records.any(|record| record.contains(&quoted(&txt.value)) && record.contains("not found"))
}

/// The body of a change.
pub(super) fn batch(change: &Change) -> String {
    let mut body = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><ChangeResourceRecordSetsRequest \
         xmlns=\"https://route53.amazonaws.com/doc/2013-04-01/\"><ChangeBatch><Comment>Managed by certlet</Comment><Changes>"
        .to_owned();
    for txt in &change.remove {
        one(&mut body, "DELETE", txt);
    }
    for txt in &change.add {
        one(&mut body, "UPSERT", txt);
    }
    body.push_str("</Changes></ChangeBatch></ChangeResourceRecordSetsRequest>");
    body
}

fn one(body: &mut String, action: &str, txt: &Txt) {
    let value = quoted(&txt.value);
    let (name, value) = (escape(txt.name.as_str()), escape(value.as_str()));
    let _ignored = write!(
        body,
        "<Change><Action>{action}</Action><ResourceRecordSet><Name>{name}.</Name><Type>TXT</Type>\
         <SetIdentifier>{value}</SetIdentifier><MultiValueAnswer>true</MultiValueAnswer><TTL>{TTL}</TTL>\
         <ResourceRecords><ResourceRecord><Value>{value}</Value></ResourceRecord></ResourceRecords>\
         </ResourceRecordSet></Change>"
    );
}
