//! Secrets of type `kubernetes.io/tls` as `kubectl create secret tls` creates them, and the trait for the cluster that stores
//! them.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use super::format::Format;
use super::target::Target;
use crate::cli::ca::Error;
use crate::cluster::commands::verdict::Observed;
use crate::pki::hidden::Hidden;

/// Access to the Secrets of a cluster. Errors are sentences.
pub(super) trait Cluster {
    /// Creates the Secret. With `replace`, an existing Secret of the same name and type gets the new data. Returns
    /// `namespace/name`.
    ///
    /// # Errors
    /// The answer of the API server, or why it could not be reached.
    fn write_secret(&self, place: &Target, secret: &TlsSecret, replace: bool) -> Result<String, String>;

    /// Reads a Secret.
    ///
    /// # Errors
    /// The answer of the API server, or why it could not be reached.
    fn read_secret(&self, place: &Target, name: &str) -> Result<StoredSecret, String>;

    /// Observes the Certificates that name a Secret.
    ///
    /// # Errors
    /// The answer of the API server, or why it could not be reached.
    fn certificates_of(&self, place: &Target, name: &str) -> Result<Vec<Observed>, String>;
}

/// A Secret to create.
#[derive(Debug)]
pub(super) struct TlsSecret {
    /// Its name.
    pub name: String,
    /// Its namespace. `None` means the namespace of the kubeconfig's context.
    pub namespace: Option<String>,
    /// `tls.crt`.
    pub certificate: Vec<u8>,
    /// `tls.key`.
    pub key: Hidden<Vec<u8>>,
}

/// A Secret that was read. `Debug` does not print its data.
#[derive(Debug, Default)]
pub(super) struct StoredSecret {
    /// `namespace/name`.
    pub place: String,
    /// Its type.
    pub kind: String,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
    /// Its data.
    pub data: BTreeMap<String, Hidden<Vec<u8>>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Manifest<'a> {
    api_version: &'static str,
    data: BTreeMap<&'static str, String>,
    kind: &'static str,
    metadata: Metadata<'a>,
    #[serde(rename = "type")]
    secret_type: &'static str,
}

#[derive(Serialize)]
struct Metadata<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<&'a str>,
}

impl TlsSecret {
    /// A Secret with a valid name.
    ///
    /// # Errors
    /// [`Error::Usage`] if Kubernetes would reject the name.
    pub(super) fn new(
        name: &str,
        namespace: Option<&str>,
        certificate: &[u8],
        key: &Hidden<Vec<u8>>,
    ) -> Result<Self, Error> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
        let edges = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        if name.len() > 253 || !name.chars().all(plain) || !name.starts_with(edges) || !name.ends_with(edges) {
            return Err(Error::Usage(format!(
                "{name:?} cannot be the name of a Secret: use lower-case letters, digits, hyphens and dots, as in web-tls"
            )));
        }
        Ok(Self {
            name: name.to_owned(),
            namespace: namespace.map(str::to_owned),
            certificate: certificate.to_vec(),
            key: key.clone(),
        })
    }

    /// The manifest that `kubectl create secret tls --dry-run=client` prints.
    ///
    /// # Errors
    /// [`Error::Print`] if it cannot be serialised.
    pub(super) fn manifest(&self, format: Format) -> Result<Hidden<String>, Error> {
        let Self {
            name,
            namespace,
            certificate,
            key,
        } = self;
        let manifest = Manifest {
            api_version: "v1",
            data: BTreeMap::from([
                ("tls.crt", STANDARD.encode(certificate)),
                ("tls.key", STANDARD.encode(key.expose())),
            ]),
            kind: "Secret",
            metadata: Metadata {
                name,
                namespace: namespace.as_deref(),
            },
            secret_type: "kubernetes.io/tls",
        };
        let mut text = Vec::new();
        let format = if format == Format::Table { Format::Yaml } else { format };
        super::format::print(&mut text, format, &manifest, |_| String::new())?;
        Ok(Hidden::new(String::from_utf8(text).unwrap_or_default()))
    }
}
