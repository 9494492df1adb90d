//! The source of a file in a container: the ConfigMap from which a volume is made.

use std::fmt;

use k8s_openapi::api::core::v1::{ConfigMap, ConfigMapVolumeSource, Container, PodSpec, Volume, VolumeMount};
use kube::{Api, Client};

use crate::cli::target::failed;

/// The volumes of a pod, and their mount points in one of its containers.
#[derive(Clone, Debug, Default)]
pub(super) struct Mounts {
    namespace: String,
    volumes: Vec<Volume>,
    places: Vec<VolumeMount>,
}

impl Mounts {
    pub(super) fn new(namespace: &str, pod: &PodSpec, container: &Container) -> Self {
        Self {
            namespace: namespace.to_owned(),
            volumes: pod.volumes.clone().unwrap_or_default(),
            places: container.volume_mounts.clone().unwrap_or_default(),
        }
    }
}

/// One key of a ConfigMap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Source {
    namespace: String,
    name: String,
    key: String,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { namespace, name, key } = self;
        write!(f, "ConfigMap {namespace}/{name}, key {key}")
    }
}

/// The source of `file`, or a sentence that says why it is not known.
pub(super) fn source(mounts: &Mounts, file: &str) -> Result<Source, String> {
    let Mounts {
        namespace,
        volumes,
        places,
    } = mounts;
    let (mount, below) = places
        .iter()
        .filter_map(|mount| Some((mount, below(&mount.mount_path, file)?)))
        .max_by_key(|(mount, _)| mount.mount_path.len())
        .ok_or("no volume of the container contains it")?;
    let volume = volumes.iter().find(|volume| volume.name == mount.name);
    let source = volume.and_then(|volume| volume.config_map.as_ref());
    let source = source.ok_or_else(|| format!("its volume {:?} is not a ConfigMap", mount.name))?;
    let path = match (mount.sub_path.as_deref().unwrap_or_default(), below) {
        (sub, "") => sub.to_owned(),
        ("", below) => below.to_owned(),
        (sub, below) => format!("{}/{below}", sub.trim_end_matches('/')),
    };
    Ok(Source {
        namespace: namespace.clone(),
        name: source.name.clone(),
        key: key(source, &path).ok_or_else(|| format!("ConfigMap {:?} provides no file {path:?}", source.name))?,
    })
}

/// The path of `file` below a directory. Empty if it is the file itself.
fn below<'a>(mounted: &str, file: &'a str) -> Option<&'a str> {
    let rest = file.strip_prefix(mounted.trim_end_matches('/'))?;
    if rest.is_empty() {
        Some(rest)
    } else {
        rest.strip_prefix('/')
    }
}

/// The key that becomes the file at `path` in the volume.
fn key(source: &ConfigMapVolumeSource, path: &str) -> Option<String> {
    match &source.items {
        None => Some(path.to_owned()),
        Some(items) => items.iter().find(|item| item.path == path).map(|item| item.key.clone()),
    }
}

impl Source {
    pub(super) async fn read(&self, client: &Client) -> Result<String, String> {
        let api: Api<ConfigMap> = Api::namespaced(client.clone(), &self.namespace);
        let found = api
            .get(&self.name)
            .await
            .map_err(|error| failed("it is in a ConfigMap", &error))?;
        let text = found.data.and_then(|mut data| data.remove(&self.key));
        text.ok_or_else(|| format!("{self} does not exist"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn mounts(mount: &serde_json::Value, volume: &serde_json::Value) -> Mounts {
        let pod = json!({"containers": [], "volumes": [volume, {"name": "empty", "emptyDir": {}}]});
        let container = json!({"name": "c", "volumeMounts": [mount, {"name": "empty", "mountPath": "/var"}]});
        let (pod, container) = (serde_json::from_value(pod), serde_json::from_value(container));
        Mounts::new("cert-manager", &pod.unwrap(), &container.unwrap())
    }

    const FILE: &str = "/var/cert-manager/config/config.yaml";

    #[test]
    fn the_file_that_the_chart_of_cert_manager_mounts_is_a_key_of_its_config_map() {
        let mounts = mounts(
            &json!({"name": "config", "mountPath": "/var/cert-manager/config"}),
            &json!({"name": "config", "configMap": {"name": "cert-manager"}}),
        );
        let found = source(&mounts, FILE).unwrap();
        assert_eq!(
            found.to_string(),
            "ConfigMap cert-manager/cert-manager, key config.yaml"
        );
        let why = source(&mounts, "/var/other/config.yaml").unwrap_err();
        assert!(why.contains("is not a ConfigMap"), "{why}");
        let why = source(&mounts, "/etc/config.yaml").unwrap_err();
        assert!(why.contains("no volume of"), "{why}");
    }

    #[test]
    fn items_and_sub_paths_are_followed_back_to_their_keys() {
        let volume = json!({"name": "config", "configMap": {"name": "settings", "items": [{"key": "a", "path": "x/config.yaml"}]}});
        for mount in [
            json!({"name": "config", "mountPath": FILE, "subPath": "x/config.yaml"}),
            json!({"name": "config", "mountPath": "/var/cert-manager/config/", "subPath": "x"}),
        ] {
            let found = source(&mounts(&mount, &volume), FILE).unwrap();
            assert_eq!((found.name.as_str(), found.key.as_str()), ("settings", "a"), "{mount}");
        }
    }
}
