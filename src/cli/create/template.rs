//! A Certificate in a file, from which a request is made.

use std::{collections::BTreeMap, path::Path};

use serde::Deserialize;
use serde_json::Value;

use crate::{
    api::{self, CertificateSpec},
    cli::ca::read_file,
};

/// The API version that is understood.
const VERSION: &str = "cert-manager.io/v1";

/// The template of a request.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Template {
    namespace: Option<String>,
    /// Labels of the Certificate.
    pub(super) labels: BTreeMap<String, String>,
    /// Annotations of the Certificate.
    pub(super) annotations: BTreeMap<String, String>,
    /// Its spec.
    pub(super) spec: CertificateSpec,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ObjectIn {
    #[serde(default)]
    api_version: String,
    #[serde(default)]
    kind: String,
    #[serde(default)]
    metadata: MetaIn,
    #[serde(default)]
    spec: Value,
    #[serde(default)]
    items: Vec<Self>,
}

#[derive(Default, Deserialize)]
struct MetaIn {
    #[serde(default)]
    namespace: Option<String>,
    #[serde(default)]
    labels: Option<BTreeMap<String, String>>,
    #[serde(default)]
    annotations: Option<BTreeMap<String, String>>,
}

impl Template {
    /// Reads a file with one Certificate.
    ///
    /// # Errors
    /// A sentence that names the file and the field.
    pub(super) fn read(path: &Path) -> Result<Self, String> {
        let text = read_file(path).map_err(|error| error.to_string())?;
        Self::parse(&String::from_utf8_lossy(&text)).map_err(|why| format!("{}: {why}", path.display()))
    }

    fn parse(text: &str) -> Result<Self, String> {
        let documents: Vec<ObjectIn> = serde_saphyr::from_multiple(text).map_err(|error| error.to_string())?;
        let objects = documents.into_iter().flat_map(|object| {
            if object.kind == "List" {
                object.items
            } else {
                vec![object]
            }
        });
        let mut objects = objects.filter(|object| !object.kind.is_empty() || !object.spec.is_null());
        let (Some(object), None) = (objects.next(), objects.next()) else {
            return Err("it must contain one Certificate and nothing else".to_owned());
        };
        if object.kind != "Certificate" || object.api_version != VERSION {
            return Err(format!(
                "it contains {:?} of {:?}, not a Certificate of {VERSION}",
                object.kind, object.api_version
            ));
        }
        let spec = api::parse_value(&object.spec).map_err(|invalid| {
            let invalid = invalid.under("spec");
            format!("{}: {}", invalid.path, invalid.message)
        })?;
        let MetaIn {
            namespace,
            labels,
            annotations,
        } = object.metadata;
        Ok(Self {
            namespace: namespace.filter(|namespace| !namespace.is_empty()),
            labels: labels.unwrap_or_default(),
            annotations: annotations.unwrap_or_default(),
            spec,
        })
    }

    /// The namespace: that of the file, otherwise that of the command line or of the context.
    ///
    /// # Errors
    /// If file and command line differ.
    pub(super) fn namespace(&self, given: Option<&str>, default: String) -> Result<String, String> {
        match (&self.namespace, given) {
            (Some(own), Some(given)) if own != given => Err(format!(
                "the Certificate in the file has the namespace {own:?}, and --namespace is {given:?}"
            )),
            (Some(own), _) => Ok(own.clone()),
            (None, _) => Ok(default),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CERTIFICATE: &str = "
apiVersion: cert-manager.io/v1
kind: Certificate
metadata: {name: web, namespace: shop, labels: {a: b}}
spec: {secretName: web, dnsNames: [a.example], duration: 24h, issuerRef: {name: ca}}
";

    #[test]
    fn one_certificate_is_read_alone_or_in_a_list() {
        let template = Template::parse(CERTIFICATE).unwrap();
        assert_eq!(template.spec.dns_names, ["a.example"]);
        assert_eq!(template.labels.get("a").map(String::as_str), Some("b"));
        let list = format!(
            "kind: List\napiVersion: v1\nitems:\n- {}",
            CERTIFICATE.trim().replace('\n', "\n  ")
        );
        assert_eq!(Template::parse(&list).unwrap(), template);
        assert_eq!(Template::parse(&format!("---\n{CERTIFICATE}---\n")).unwrap(), template);
    }

    #[test]
    fn the_namespace_of_the_file_counts_and_must_not_differ_from_the_flag() {
        let template = Template::parse(CERTIFICATE).unwrap();
        assert_eq!(template.namespace(None, "default".into()), Ok("shop".into()));
        assert_eq!(template.namespace(Some("shop"), "shop".into()), Ok("shop".into()));
        assert!(template.namespace(Some("other"), "other".into()).is_err());
        let without = Template::parse(&CERTIFICATE.replace(", namespace: shop", "")).unwrap();
        assert_eq!(without.namespace(None, "default".into()), Ok("default".into()));
    }

    #[test]
    fn what_is_no_certificate_is_named() {
        for (text, part) in [
            (CERTIFICATE.replace("/v1", "/v1alpha2"), "\"cert-manager.io/v1alpha2\""),
            (CERTIFICATE.replace("Certificate", "Issuer"), "\"Issuer\""),
            (
                format!("{CERTIFICATE}---{CERTIFICATE}"),
                "one Certificate and nothing else",
            ),
            (CERTIFICATE.replace("24h", "forever"), "spec.duration"),
            (String::new(), "one Certificate"),
        ] {
            let why = Template::parse(&text).unwrap_err();
            assert!(why.contains(part), "{why}");
        }
    }
}
