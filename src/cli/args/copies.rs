//! The flag of copies of Secrets in other namespaces.

use clap::Args;

use super::boolean;

/// See the module.
#[derive(Args, Clone, Debug)]
pub(in crate::cli) struct CopiesArgs {
    /// Copy Secrets of Certificates with the annotation certlet.io/sync-to into namespaces that accept them
    ///
    /// A namespace accepts them with the annotation certlet.io/accept-secrets-from. An installation for one namespace copies nothing.
    /// Copies that exist stay as they are when this is switched off.
    #[arg(long, default_value_t = true, value_parser = boolean, action = clap::ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true", help_heading = "Controllers")]
    pub(super) enable_secret_sync: bool,
}
