//! References from one object to another.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::GROUP;

/// Kind that an issuer reference without a kind means.
pub const ISSUER_KIND: &str = "Issuer";
/// Kind of issuers that serve every namespace.
pub const CLUSTER_ISSUER_KIND: &str = "ClusterIssuer";

/// Which issuer signs. `kind` and `group` are kept as written: their defaults are never stored (CRT-02).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct IssuerRef {
    /// API group of the issuer; cert-manager.io if empty. Other groups are served by other controllers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Issuer (the default, in the same namespace), ClusterIssuer, or the kind of another controller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Name of the issuer.
    pub name: String,
}

impl IssuerRef {
    /// The kind, `Issuer` if none is written.
    pub fn kind_or_default(&self) -> &str {
        self.kind
            .as_deref()
            .filter(|kind| !kind.is_empty())
            .unwrap_or(ISSUER_KIND)
    }

    /// The group, `cert-manager.io` if none is written.
    pub fn group_or_default(&self) -> &str {
        self.group.as_deref().filter(|group| !group.is_empty()).unwrap_or(GROUP)
    }

    /// Whether the issuer is one of this API's own kinds, not another controller's.
    pub fn is_ours(&self) -> bool {
        self.group_or_default() == GROUP
    }

    /// Whether both mean the same issuer once the defaults are applied (NB-07).
    pub fn means_same(&self, other: &Self) -> bool {
        self.name == other.name
            && self.kind_or_default() == other.kind_or_default()
            && self.group_or_default() == other.group_or_default()
    }
}

/// As cert-manager writes it in messages: `ClusterIssuer.cert-manager.io/letsencrypt`.
impl fmt::Display for IssuerRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}.{}/{}",
            self.kind_or_default(),
            self.group_or_default(),
            self.name
        )
    }
}

/// One key of a Secret. For a namespaced object the Secret is in its namespace, for a ClusterIssuer in the cluster
/// resource namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SecretKeySelector {
    /// Name of the Secret.
    pub name: String,
    /// Key in its data; where it may be left out, the field that holds this reference says what is meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

impl SecretKeySelector {
    /// The key, or the field's default.
    pub fn key_or<'a>(&'a self, default: &'a str) -> &'a str {
        self.key.as_deref().filter(|key| !key.is_empty()).unwrap_or(default)
    }
}

/// An object in the same namespace (for a ClusterIssuer, in the cluster resource namespace), by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LocalObjectReference {
    /// Name of the object.
    pub name: String,
}

/// A ServiceAccount whose short-lived token is used to log in somewhere.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ServiceAccountRef {
    /// Name of the ServiceAccount.
    pub name: String,
    /// Audiences of the token, beside the default ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub audiences: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_kind_and_group_mean_the_defaults_and_are_kept_as_written() {
        let written: IssuerRef = serde_json::from_str(r#"{"name":"a","kind":""}"#).expect("valid");
        let full = IssuerRef {
            group: Some(GROUP.into()),
            kind: Some(ISSUER_KIND.into()),
            name: "a".into(),
        };
        assert!(written.means_same(&full) && written.is_ours());
        assert_eq!(written.to_string(), "Issuer.cert-manager.io/a");
        assert_eq!(
            serde_json::to_string(&written).expect("plain"),
            r#"{"kind":"","name":"a"}"#
        );
    }
}
