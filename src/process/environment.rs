//! The environment variables of this process. They are read here, once, and nowhere else.

use std::{
    collections::BTreeMap,
    env::{split_paths, var, var_os},
    fmt,
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

/// The variables with which the tools of clouds find credentials and servers.
const CLOUD_VARIABLES: [&str; 20] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_EC2_METADATA_DISABLED",
    "AWS_ENDPOINT_URL",
    "AZURE_CLIENT_ID",
    "AZURE_TENANT_ID",
    "AZURE_FEDERATED_TOKEN_FILE",
    "AZURE_AUTHORITY_HOST",
    "GOOGLE_APPLICATION_CREDENTIALS",
    "GCE_METADATA_HOST",
];

/// The environment variables of the clouds' tools. `Debug` shows their names only.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct CloudEnvironment(BTreeMap<String, String>);

impl CloudEnvironment {
    /// The value of a variable, if it is set and not empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

impl FromIterator<(String, String)> for CloudEnvironment {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(variables: I) -> Self {
        Self(variables.into_iter().filter(|(_, value)| !value.is_empty()).collect())
    }
}

impl fmt::Debug for CloudEnvironment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

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
    /// The variables of the clouds' tools.
    pub cloud: CloudEnvironment,
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
            cloud: CLOUD_VARIABLES
                .iter()
                .filter_map(|name| Some(((*name).to_owned(), var(name).ok()?)))
                .collect(),
            host_name: host.map_or_else(|| "certlet".to_owned(), |host| host.trim().to_owned()),
        }
    }

    /// The holder identity for the Lease: the host name and a random part that changes with each start.
    pub fn identity(&self) -> String {
        format!("{}_{:016x}", self.host_name, fastrand::u64(..))
    }
}

/// Where kubectl finds the kubeconfig if none is named.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KubeconfigPlaces {
    /// Whether `KUBECONFIG` is set.
    pub from_variable: bool,
    /// The files of `KUBECONFIG`, or `~/.kube/config`. They may not exist.
    pub files: Vec<PathBuf>,
    /// Whether this process runs in a pod, which has a service account.
    pub in_a_pod: bool,
}

impl KubeconfigPlaces {
    /// Reads the variables.
    pub fn read() -> Self {
        let variable = var_os("KUBECONFIG").filter(|list| !list.is_empty());
        let home = || std::env::home_dir().map(|home| home.join(".kube").join("config"));
        let files = match &variable {
            Some(list) => split_paths(list).filter(|path| path != Path::new("")).collect(),
            None => home().into_iter().collect(),
        };
        Self {
            from_variable: variable.is_some(),
            files,
            in_a_pod: var_os("KUBERNETES_SERVICE_HOST").is_some_and(|host| !host.is_empty()),
        }
    }
}

/// The platform that this program was built for, for example `linux/x86_64`.
pub fn platform() -> String {
    format!("{}/{}", std::env::consts::OS, std::env::consts::ARCH)
}
