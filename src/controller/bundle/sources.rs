//! Reading of the sources of a Bundle, from the API server: of Secrets only the keys that the Bundle names.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{ConfigMap, Secret};

use super::Trouble;
use crate::{
    cluster::{self, scope::Namespaced},
    controller::Ports,
    pki::hidden::Hidden,
    plan::{
        bundle::{Choice, Document, Keys, ObjectSource, Parsed, Source, SourceSeen, TargetKind},
        seen::ObjectKey,
    },
};

/// Type of Secrets with a private key.
const TLS: &str = "kubernetes.io/tls";

/// What is found of each source, in their order.
pub(super) async fn read(ports: &Ports, parsed: &Parsed) -> Result<Vec<SourceSeen>, Trouble> {
    let mut seen = Vec::with_capacity(parsed.sources.len());
    for source in &parsed.sources {
        let found = match source {
            Source::ConfigMap(object) => objects(ports, object, of_config_map).await,
            Source::Secret(object) => objects(ports, object, of_secret).await,
            Source::InLine(_) | Source::DefaultCas => Ok(SourceSeen::InSpec),
        };
        seen.push(found.map_err(|error| Trouble::of_source(error.into()))?);
    }
    Ok(seen)
}

/// The objects of a source in the trust namespaces, each read by `document`.
async fn objects<K: Namespaced>(
    ports: &Ports,
    source: &ObjectSource,
    document: fn(ObjectKey, K, &Keys) -> Document,
) -> Result<SourceSeen, cluster::Error> {
    let reader = &ports.reader;
    let namespaces = &ports.settings.bundles.trust_namespaces;
    match &source.choice {
        // the first namespace that has it
        Choice::Name(name) => {
            for namespace in namespaces {
                let key = ObjectKey::new(namespace.as_str(), name.as_str());
                if let Some(found) = reader.object::<K>(&key).await? {
                    return Ok(SourceSeen::Documents(vec![document(key, found, &source.keys)]));
                }
            }
            Ok(SourceSeen::Missing)
        }
        Choice::Labels(selector) => {
            let mut documents = Vec::new();
            for namespace in namespaces {
                for found in reader.list::<K>(Some(namespace), &selector.to_string()).await? {
                    let name = found.meta().name.clone().unwrap_or_default();
                    let key = ObjectKey::new(namespace.as_str(), name);
                    documents.push(document(key, found, &source.keys));
                }
            }
            Ok(SourceSeen::Documents(documents))
        }
    }
}

/// Text takes precedence over bytes of the same key.
fn of_config_map(key: ObjectKey, found: ConfigMap, keys: &Keys) -> Document {
    let bytes = found.binary_data.into_iter().flatten();
    let bytes = bytes.map(|(key, bytes)| (key, bytes.0));
    let text = found.data.into_iter().flatten();
    let text = text.map(|(key, text)| (key, text.into_bytes()));
    document(TargetKind::ConfigMap, key, bytes.chain(text), keys)
}

fn of_secret(key: ObjectKey, found: Secret, keys: &Keys) -> Document {
    let is_tls = found.type_.as_deref() == Some(TLS);
    let data = found.data.into_iter().flatten();
    let data = data.map(|(key, bytes)| (key, bytes.0));
    Document {
        is_tls,
        ..document(TargetKind::Secret, key, data, keys)
    }
}

fn document(kind: TargetKind, key: ObjectKey, data: impl Iterator<Item = (String, Vec<u8>)>, keys: &Keys) -> Document {
    let data = data.map(|(key, bytes)| (key, Hidden::new(bytes)));
    let data: BTreeMap<String, Hidden<Vec<u8>>> = match keys {
        Keys::One(wanted) => data.filter(|(key, _)| key == wanted).collect(),
        Keys::All => data.collect(),
    };
    Document {
        kind,
        key,
        is_tls: false,
        data,
    }
}
