//! The flags of trust bundles: those of trust-manager, and certlet's own for what RBAC does for trust-manager (BUN-01).

use clap::Args;

use super::go::{List, boolean};
use crate::plan::bundle::BundleSettings;

/// `--enable-bundles` and what belongs to it.
#[derive(Args, Clone, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent flags with trust-manager's names"
)]
pub(super) struct BundleArgs {
    /// Reconcile trust-manager's Bundles (trust.cert-manager.io). Needs the rights in deploy/bundles
    ///
    /// trust-manager, where it holds its Lease in the first trust namespace, keeps certlet from it. An installation for one namespace
    /// reconciles none.
    #[arg(long, value_parser = boolean, action = clap::ArgAction::Set, num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true", help_heading = "Trust bundles")]
    enable_bundles: bool,
    /// Namespaces whose ConfigMaps and Secrets may be sources. A source with a name is the first that has it, one with labels is in all
    #[arg(
        long,
        default_value = "cert-manager",
        value_name = "NAMESPACES",
        help_heading = "Trust bundles"
    )]
    trust_namespace: Vec<List>,
    /// File with the default CAs, in trust-manager's format
    #[arg(long, default_value = "", value_name = "FILE", help_heading = "Trust bundles")]
    default_package_location: String,
    /// Names of Bundles that may have target Secrets, `*` for all. Default: none
    #[arg(long, value_name = "NAMES", help_heading = "Trust bundles")]
    authorized_secrets: Vec<List>,
    /// As `--authorized-secrets=*`, for the arguments of trust-manager
    #[arg(long, value_parser = boolean, action = clap::ArgAction::Set, num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true", help_heading = "Trust bundles")]
    secret_targets_enabled: bool,
    /// Leave expired certificates out of bundles
    #[arg(long, value_parser = boolean, action = clap::ArgAction::Set, num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true", help_heading = "Trust bundles")]
    filter_expired_certificates: bool,
    /// Leave certificates that are no CA out of bundles
    #[arg(long, value_parser = boolean, action = clap::ArgAction::Set, num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true", help_heading = "Trust bundles")]
    filter_non_ca_certs: bool,
    /// The only namespaces with targets. Default: all
    #[arg(long, value_name = "NAMESPACES", help_heading = "Trust bundles")]
    target_namespaces: Vec<List>,
}

impl BundleArgs {
    /// The settings.
    pub(super) fn settings(&self) -> BundleSettings {
        // no `..`: a new flag is a setting
        let Self {
            enable_bundles,
            trust_namespace,
            default_package_location,
            authorized_secrets,
            secret_targets_enabled,
            filter_expired_certificates,
            filter_non_ca_certs,
            target_namespaces,
        } = self;
        let mut authorized = List::all(authorized_secrets);
        if *secret_targets_enabled && authorized.is_empty() {
            authorized.push("*".to_owned());
        }
        BundleSettings {
            enabled: *enable_bundles,
            trust_namespaces: List::all(trust_namespace),
            authorized_secrets: authorized,
            target_namespaces: List::all(target_namespaces),
            filter_expired: *filter_expired_certificates,
            filter_non_ca: *filter_non_ca_certs,
            package: Some(default_package_location.clone()).filter(|path| !path.is_empty()),
        }
    }

    /// Flags without an effect, because another is missing.
    pub(super) fn idle(&self, namespace: &str) -> Vec<&'static str> {
        if self.enable_bundles && !namespace.is_empty() {
            return vec!["--enable-bundles: an installation for one namespace reconciles no Bundles"];
        }
        let is_set = self.secret_targets_enabled || !self.authorized_secrets.is_empty();
        if is_set && !self.enable_bundles {
            vec!["--secret-targets-enabled, --authorized-secrets: --enable-bundles is not set"]
        } else {
            Vec::new()
        }
    }
}
