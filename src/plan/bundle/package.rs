//! The package of default CAs: a file in trust-manager's format.

use std::fmt::Write as _;

use serde::Deserialize;

use crate::pki::{bundle, key::sha256};

/// A package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Package {
    /// Its certificates in PEM.
    pub bundle: String,
    /// Its name, version and the beginning of its digest, as trust-manager writes it into the status.
    pub id: String,
}

impl Package {
    /// Parses the file.
    ///
    /// # Errors
    /// A sentence about what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct File {
            name: String,
            bundle: String,
            version: String,
        }
        let File { name, bundle, version } =
            serde_json::from_str(text).map_err(|error| format!("it is no package of CAs: {error}"))?;
        if name.is_empty() || version.is_empty() {
            return Err("name and version of the package must be set".to_owned());
        }
        bundle::read(bundle.as_bytes()).map_err(|error| error.to_string())?;
        let digest = sha256(bundle.as_bytes());
        let mut id = format!("{name}-{version}-");
        for byte in digest.iter().take(8) {
            let _infallible = write!(id, "{byte:02x}");
        }
        Ok(Self { bundle, id })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_identifier_has_the_beginning_of_the_digest_of_the_bundle() {
        let package = Package::parse(r#"{"name": "debian", "bundle": "", "version": "1"}"#).unwrap();
        // sha256sum < /dev/null
        assert_eq!(package.id, "debian-1-e3b0c44298fc1c14");
    }

    #[test]
    fn a_file_that_is_no_package_is_refused() {
        for text in ["", "{}", r#"{"name": "", "bundle": "", "version": "1"}"#] {
            assert!(Package::parse(text).is_err(), "{text}");
        }
    }
}
