//! What the API sends and takes: the schemas of its discovery document, as far as they are used.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// `ManagedZonesListResponse`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Zones {
    #[serde(default)]
    pub(super) managed_zones: Vec<ManagedZone>,
    #[serde(default)]
    pub(super) next_page_token: Option<String>,
}

/// `ManagedZone`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ManagedZone {
    /// Its name at Google.
    pub(super) name: String,
    /// Its name in the DNS, with a final dot.
    pub(super) dns_name: String,
    /// `public` or `private`; public if it is missing.
    #[serde(default)]
    pub(super) visibility: Option<String>,
}

impl ManagedZone {
    /// Its name in the DNS, without the final dot.
    pub(super) fn domain(&self) -> &str {
        self.dns_name.trim_end_matches('.')
    }

    /// Whether that is its name in the DNS.
    pub(super) fn is(&self, zone: &str) -> bool {
        self.domain().eq_ignore_ascii_case(zone.trim_end_matches('.'))
    }

    /// Whether a name is in it.
    pub(super) fn has(&self, name: &str) -> bool {
        crate::solver::dns01::merge::relative(name.trim_end_matches('.'), self.domain()).is_some()
    }

    /// Whether the internet sees it.
    pub(super) fn is_public(&self) -> bool {
        self.visibility.as_deref() != Some("private")
    }
}

/// `ResourceRecordSetsListResponse`.
#[derive(Debug, Deserialize)]
pub(super) struct RecordSets {
    #[serde(default)]
    pub(super) rrsets: Vec<RecordSet>,
}

/// `ResourceRecordSet`. A deletion has to be equal to what is there, so that fields that are not used here stay, too.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct RecordSet {
    pub(super) name: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
    #[serde(default)]
    pub(super) ttl: i64,
    #[serde(default)]
    pub(super) rrdatas: Vec<String>,
    #[serde(flatten)]
    others: Map<String, Value>,
}

impl RecordSet {
    /// A TXT record set.
    pub(super) fn txt(name: &str, ttl: i64, rrdatas: Vec<String>) -> Self {
        Self {
            name: format!("{name}."),
            kind: "TXT".to_owned(),
            ttl,
            rrdatas,
            others: Map::new(),
        }
    }
}

/// `Change`.
#[derive(Debug, Deserialize)]
pub(super) struct ChangeStatus {
    #[serde(default)]
    pub(super) id: String,
    #[serde(default)]
    status: String,
}

impl ChangeStatus {
    /// Whether all name servers have it.
    pub(super) fn is_done(&self) -> bool {
        self.status != "pending"
    }
}

/// The body of an error.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Refusal {
    #[serde(default)]
    error: RefusalBody,
}

#[derive(Debug, Default, Deserialize)]
struct RefusalBody {
    #[serde(default)]
    errors: Vec<Reason>,
    #[serde(default)]
    details: Vec<Reason>,
}

#[derive(Debug, Default, Deserialize)]
struct Reason {
    #[serde(default)]
    reason: String,
}

impl Refusal {
    /// Whether it has one of these reasons.
    pub(super) fn has(&self, reasons: &[&str]) -> bool {
        let RefusalBody { errors, details } = &self.error;
        let mut all = errors.iter().chain(details);
        all.any(|one| reasons.contains(&one.reason.as_str()))
    }
}
