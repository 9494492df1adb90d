//! The size limits of what is read and stored (FLG-30).

use clap::Args;

use super::{go::count, switches::ArgsError};
use crate::pki::chain::SizeLimits;

/// `--max-*` (FLG-30).
#[derive(Args, Clone, Debug)]
#[expect(clippy::struct_field_names, reason = "the flags are called so")]
pub(super) struct SizeArgs {
    /// Maximum size of a certificate, in bytes of PEM
    #[arg(long, default_value = "36500", value_parser = count, value_name = "BYTES", help_heading = "Size limits")]
    max_certificate_size: usize,
    /// Maximum size of a private key, in bytes of PEM
    #[arg(long, default_value = "13000", value_parser = count, value_name = "BYTES", help_heading = "Size limits")]
    max_private_key_size: usize,
    /// Maximum size of a certificate chain, in bytes of PEM
    #[arg(long, default_value = "95000", value_parser = count, value_name = "BYTES", help_heading = "Size limits")]
    max_certificate_chain_length: usize,
    /// Maximum size of a CA bundle, in bytes of PEM
    #[arg(long, default_value = "330000", value_parser = count, value_name = "BYTES", help_heading = "Size limits")]
    max_certificate_bundle_size: usize,
}

impl SizeArgs {
    /// The limits.
    ///
    /// # Errors
    /// [`ArgsError::Size`] for a limit of 0.
    pub(super) fn limits(&self) -> Result<SizeLimits, ArgsError> {
        let Self {
            max_certificate_size: certificate,
            max_private_key_size: key,
            max_certificate_chain_length: chain,
            max_certificate_bundle_size: bundle,
        } = *self;
        let limits = [
            ("max-certificate-size", certificate),
            ("max-private-key-size", key),
            ("max-certificate-chain-length", chain),
            ("max-certificate-bundle-size", bundle),
        ];
        match limits.into_iter().find(|(_, limit)| *limit == 0) {
            Some((flag, _)) => Err(ArgsError::Size(flag)),
            None => Ok(SizeLimits {
                certificate,
                key,
                chain,
                bundle,
            }),
        }
    }
}
