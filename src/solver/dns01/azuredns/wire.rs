//! What the API sends and takes. Public and private zones differ in the case of the names.

use http::{HeaderName, header};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::TTL;
use crate::api::dns01::AzureZoneType;

/// A TXT record set.
#[derive(Debug, Default, Deserialize)]
pub(super) struct RecordSet {
    #[serde(default)]
    etag: Option<String>,
    #[serde(default)]
    properties: Properties,
}

#[derive(Debug, Default, Deserialize)]
struct Properties {
    #[serde(default, alias = "TTL")]
    ttl: Option<i64>,
    #[serde(default, rename = "txtRecords", alias = "TXTRecords")]
    txt_records: Vec<TxtRecord>,
    #[serde(default)]
    metadata: Option<Map<String, Value>>,
}

#[derive(Debug, Deserialize)]
struct TxtRecord {
    #[serde(default)]
    value: Vec<String>,
}

impl RecordSet {
    /// The strings of each record.
    pub(super) fn texts(&self) -> Vec<Vec<String>> {
        self.properties
            .txt_records
            .iter()
            .map(|record| record.value.clone())
            .collect()
    }

    /// The header with which it is only changed if it is as it was read.
    pub(super) fn guard(&self) -> Option<(HeaderName, String)> {
        self.etag.clone().map(|etag| (header::IF_MATCH, etag))
    }

    /// The body that gives it these records. Lifetime and metadata stay.
    pub(super) fn with(&self, zone_type: AzureZoneType, texts: Vec<Vec<String>>) -> String {
        let Properties { ttl, metadata, .. } = &self.properties;
        let records: Vec<Value> = texts.into_iter().map(|strings| json!({"value": strings})).collect();
        let ttl = ttl.unwrap_or(TTL);
        let mut properties = match zone_type {
            AzureZoneType::Public => json!({"TTL": ttl, "TXTRecords": records}),
            AzureZoneType::Private => json!({"ttl": ttl, "txtRecords": records}),
        };
        if let (Some(metadata), Some(properties)) = (metadata, properties.as_object_mut()) {
            properties.insert("metadata".to_owned(), metadata.clone().into());
        }
        json!({"properties": properties}).to_string()
    }
}
