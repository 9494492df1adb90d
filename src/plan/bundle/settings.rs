//! What the administrator sets for trust bundles.

/// Settings of trust bundles, with the meaning that they have for trust-manager (BUN-01).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BundleSettings {
    /// Whether Bundles are reconciled.
    pub enabled: bool,
    /// Namespaces whose ConfigMaps and Secrets may be sources, in the order in which a name is looked up.
    pub trust_namespaces: Vec<String>,
    /// Names of Bundles that may have target Secrets; `*` for all.
    pub authorized_secrets: Vec<String>,
    /// The only Namespaces with targets; all if empty.
    pub target_namespaces: Vec<String>,
    /// Whether expired certificates are left out.
    pub filter_expired: bool,
    /// Whether certificates that are no CA are left out.
    pub filter_non_ca: bool,
    /// File with the default CAs.
    pub package: Option<String>,
}

impl BundleSettings {
    /// Whether objects of this namespace may be sources.
    pub fn trusts(&self, namespace: &str) -> bool {
        self.trust_namespaces.iter().any(|trusted| trusted == namespace)
    }

    /// Whether a Bundle of this name may have target Secrets.
    pub fn may_write_secrets(&self, bundle: &str) -> bool {
        self.authorized_secrets.iter().any(|name| name == bundle || name == "*")
    }

    /// Whether any Bundle may have target Secrets.
    pub const fn writes_secrets(&self) -> bool {
        !self.authorized_secrets.is_empty()
    }

    /// Whether a Namespace may have targets.
    pub fn reaches(&self, namespace: &str) -> bool {
        self.target_namespaces.is_empty() || self.target_namespaces.iter().any(|target| target == namespace)
    }

    /// The trust namespaces, for sentences.
    pub fn trusted_in_words(&self) -> String {
        match self.trust_namespaces.as_slice() {
            [only] => format!("namespace {only}"),
            all => format!("the namespaces {}", all.join(", ")),
        }
    }
}
