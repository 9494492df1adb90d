//! trust-manager's Bundle (`trust.cert-manager.io/v1alpha1`): the fields that are read or written.
//!
//! The definition is trust-manager's own and is not among ours. A test compares these fields with it.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::CustomResource;
use serde::{Deserialize, Serialize};

use super::{
    Condition,
    keystore::Pkcs12Profile,
    names::{annotation, label},
};

/// API group of Bundles.
pub const GROUP: &str = "trust.cert-manager.io";
/// The version that is read and written.
pub const VERSION: &str = "v1alpha1";
/// Label of a target, with the name of its Bundle.
pub const BUNDLE_LABEL: &str = label::BUNDLE;
/// Annotation of a target with the digest of what was written into it.
pub const HASH_ANNOTATION: &str = annotation::BUNDLE_HASH;
/// Prefixes of labels and annotations that the metadata of a target may not have.
pub const RESERVED_PREFIXES: [&str; 2] = ["trust.cert-manager.io/", "trust-manager.io/"];
/// Field manager of targets, the same as trust-manager's: each goes on with what the other wrote.
pub const FIELD_MANAGER: &str = "trust-manager";
/// Lease of trust-manager.
pub const LEASE_NAME: &str = "trust-manager-leader-election";
/// The condition of a Bundle whose targets are as its sources say.
pub const SYNCED: &str = "Synced";
/// Password of a JKS file for which none is set.
pub const DEFAULT_JKS_PASSWORD: &str = "changeit";

/// The `spec` of a Bundle.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(group = "trust.cert-manager.io", version = "v1alpha1", kind = "Bundle")]
#[kube(status = "BundleStatus", schema = "disabled")]
#[kube(doc = "CA certificates of several sources, written to targets in namespaces.")]
#[serde(rename_all = "camelCase", default)]
pub struct BundleSpec {
    /// Where the certificates come from, at most 100.
    pub sources: Vec<BundleSource>,
    /// Where they are written to.
    pub target: BundleTarget,
}

/// A source: exactly one field is set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BundleSource {
    /// ConfigMaps in the trust namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config_map: Option<SourceObject>,
    /// Secrets in the trust namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<SourceObject>,
    /// Certificates in PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_line: Option<String>,
    /// Whether the default CAs are used.
    #[serde(rename = "useDefaultCAs", skip_serializing_if = "Option::is_none")]
    pub use_default_cas: Option<bool>,
}

/// Which objects, and which of their keys.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SourceObject {
    /// The name, unless `selector` is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The labels, unless `name` is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selector: Option<LabelSelector>,
    /// The key, unless all are included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Whether all keys are included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub include_all_keys: Option<bool>,
}

/// The targets: objects with the name of the Bundle.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BundleTarget {
    /// A ConfigMap in each namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config_map: Option<TargetTemplate>,
    /// A Secret in each namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<TargetTemplate>,
    /// Formats beside PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub additional_formats: Option<AdditionalFormats>,
    /// The labels of the namespaces; all namespaces if not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace_selector: Option<LabelSelector>,
}

/// A kind of target.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TargetTemplate {
    /// The key with the certificates in PEM.
    pub key: String,
    /// Labels and annotations for the targets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<TargetMetadata>,
}

/// Labels and annotations for targets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TargetMetadata {
    /// Annotations.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Labels.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

/// Formats beside PEM.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AdditionalFormats {
    /// Java's own format.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jks: Option<JksFormat>,
    /// PKCS#12.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pkcs12: Option<Pkcs12Format>,
}

/// A file in Java's own format. Its password protects nothing: what it guards is public.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct JksFormat {
    /// The key of the file.
    pub key: String,
    /// The password; the API server sets [`DEFAULT_JKS_PASSWORD`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
}

/// A file in PKCS#12. Its password protects nothing: what it guards is public.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Pkcs12Format {
    /// The key of the file.
    pub key: String,
    /// The password; the API server sets an empty one, for a file without encryption.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// The algorithms, with a password; `LegacyRC2` if not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<Pkcs12Profile>,
}

/// The `status` of a Bundle.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BundleStatus {
    /// Conditions; certlet sets [`SYNCED`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// The identifier of the package of default CAs, if they are used.
    #[serde(rename = "defaultCAVersion", skip_serializing_if = "Option::is_none")]
    pub default_ca_version: Option<String>,
}

impl TargetTemplate {
    /// Labels for the targets.
    pub fn labels(&self) -> impl Iterator<Item = (&String, &String)> {
        self.metadata.iter().flat_map(|metadata| &metadata.labels)
    }

    /// Annotations for the targets.
    pub fn annotations(&self) -> impl Iterator<Item = (&String, &String)> {
        self.metadata.iter().flat_map(|metadata| &metadata.annotations)
    }
}
