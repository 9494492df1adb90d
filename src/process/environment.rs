//! The environment variables of this process. They are read here, once, and nowhere else.

use std::{
    env::{split_paths, var, var_os},
    net::IpAddr,
    path::{Path, PathBuf},
};

/// The variables that configure proxies.
const PROXY_VARIABLES: [&str; 6] = [
    "HTTP_PROXY",
    "http_proxy",
    "HTTPS_PROXY",
    "https_proxy",
    "ALL_PROXY",
    "all_proxy",
];

/// The values of the environment variables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Environment {
    /// `POD_NAME`, set by the Deployment.
    pub pod_name: Option<String>,
    /// `POD_NAMESPACE`.
    pub pod_namespace: Option<String>,
    /// `POD_IP`.
    pub pod_address: Option<IpAddr>,
    /// Whether this process runs in a pod, where loopback belongs to the pod.
    pub in_a_pod: bool,
    /// `SSL_CERT_FILE`.
    pub root_file: Option<PathBuf>,
    /// `SSL_CERT_DIR`.
    pub root_directories: Vec<PathBuf>,
    /// The values of the proxy variables.
    pub proxies: Vec<String>,
    /// `HOSTNAME`, or the host name of the machine.
    pub host_name: String,
}

impl Environment {
    /// Reads the variables.
    pub fn read() -> Self {
        let given = |name| var(name).ok().filter(|value| !value.is_empty());
        let directories = var_os("SSL_CERT_DIR");
        let host = var("HOSTNAME")
            .ok()
            .or_else(|| std::fs::read_to_string("/etc/hostname").ok());
        Self {
            pod_name: given("POD_NAME"),
            pod_namespace: given("POD_NAMESPACE"),
            pod_address: given("POD_IP").and_then(|address| address.parse().ok()),
            in_a_pod: var_os("KUBERNETES_SERVICE_HOST").is_some(),
            root_file: var_os("SSL_CERT_FILE")
                .filter(|path| !path.is_empty())
                .map(PathBuf::from),
            root_directories: directories
                .iter()
                .flat_map(split_paths)
                .filter(|path| path != Path::new(""))
                .collect(),
            proxies: PROXY_VARIABLES.iter().filter_map(|name| var(name).ok()).collect(),
            host_name: host.map_or_else(|| "certlet".to_owned(), |host| host.trim().to_owned()),
        }
    }

    /// The holder identity for the Lease: the host name and a random part that changes with each start.
    pub fn identity(&self) -> String {
        format!("{}_{:016x}", self.host_name, fastrand::u64(..))
    }
}
