//! The package of default CAs of trust bundles: read once, at the start.

use std::sync::Arc;

use crate::plan::bundle::{BundleSettings, Package};

/// The largest file, in bytes: the content goes into ConfigMaps, which hold a mebibyte.
const MOST_BYTES: u64 = 4 << 20;

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("--default-package-location={path} cannot be used: {why}")]
pub(crate) struct DefaultCasError {
    path: String,
    why: String,
}

/// Reads the file; `None` if none is set, or Bundles are not reconciled.
///
/// # Errors
/// If it cannot be read, or is no package.
pub(super) fn read(settings: &BundleSettings) -> Result<Option<Arc<Package>>, DefaultCasError> {
    let Some(path) = settings.package.as_ref().filter(|_| settings.enabled) else {
        return Ok(None);
    };
    let explained = |why: String| DefaultCasError {
        path: path.clone(),
        why,
    };
    let size = std::fs::metadata(path)
        .map_err(|error| explained(error.to_string()))?
        .len();
    if size > MOST_BYTES {
        return Err(explained(format!("it has {size} bytes, more than {MOST_BYTES}")));
    }
    let text = std::fs::read_to_string(path).map_err(|error| explained(error.to_string()))?;
    let package = Package::parse(&text).map_err(explained)?;
    tracing::info!(id = package.id, path, "read the package of default CAs");
    Ok(Some(Arc::new(package)))
}
