//! What variables say about where `certlet run` runs. They are read here, once, and nowhere else.

use std::{
    env::{split_paths, var, var_os},
    path::{Path, PathBuf},
};

use crate::{acme::tls::ExtraRoots, net::proxy_hosts, plan::settings::Pod};

/// The variables that name proxies.
const PROXY_VARIABLES: [&str; 6] = [
    "HTTP_PROXY",
    "http_proxy",
    "HTTPS_PROXY",
    "https_proxy",
    "ALL_PROXY",
    "all_proxy",
];

/// `POD_NAME`, `POD_NAMESPACE` and `POD_IP`, which the Deployment fills in.
pub(super) fn pod() -> Pod {
    let given = |name| var(name).ok().filter(|value| !value.is_empty());
    Pod {
        name: given("POD_NAME"),
        namespace: given("POD_NAMESPACE"),
        address: given("POD_IP").and_then(|address| address.parse().ok()),
    }
}

/// `SSL_CERT_FILE` and `SSL_CERT_DIR`.
pub fn extra_roots() -> ExtraRoots {
    let directories = var_os("SSL_CERT_DIR");
    ExtraRoots {
        file: var_os("SSL_CERT_FILE")
            .filter(|path| !path.is_empty())
            .map(PathBuf::from),
        directories: directories
            .iter()
            .flat_map(split_paths)
            .filter(|path| path != Path::new(""))
            .collect(),
    }
}

/// Hosts of the proxies that the administrator chose.
pub(super) fn proxies() -> Vec<String> {
    proxy_hosts(PROXY_VARIABLES.iter().filter_map(|name| var(name).ok()))
}

/// Whether this process is in a pod, where loopback is the pod's own; elsewhere the machine belongs to whoever started certlet.
pub(super) fn in_a_pod() -> bool {
    var_os("KUBERNETES_SERVICE_HOST").is_some()
}

/// The name in the Lease: the pod's, and a random part that a restart changes.
pub(super) fn identity() -> String {
    let host = var("HOSTNAME")
        .ok()
        .or_else(|| std::fs::read_to_string("/etc/hostname").ok());
    let host = host.map_or_else(|| "certlet".to_owned(), |host| host.trim().to_owned());
    format!("{host}_{:016x}", fastrand::u64(..))
}
