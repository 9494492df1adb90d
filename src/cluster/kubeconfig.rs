//! The cluster to talk to, found as kubectl finds it: a file that was named, the files of `KUBECONFIG`, `~/.kube/config`, and
//! otherwise the service account of a pod.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use kube::{
    Config,
    config::{KubeConfigOptions, Kubeconfig},
};

use crate::{pki::chain, process::environment::KubeconfigPlaces, text::excerpt};

/// At most this many names are listed in an error.
const MOST_NAMES: usize = 8;

/// What was chosen, each in place of the default of the kubeconfig.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Choice {
    /// Path of the kubeconfig.
    pub(crate) kubeconfig: Option<String>,
    /// Name of the context.
    pub(crate) context: Option<String>,
    /// Name of the cluster.
    pub(crate) cluster: Option<String>,
    /// Name of the user.
    pub(crate) user: Option<String>,
    /// User to impersonate.
    pub(crate) impersonate: Option<String>,
    /// Groups to impersonate.
    pub(crate) impersonate_groups: Vec<String>,
}

/// Why there is no configuration. Each is one sentence with what was tried, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ConfigError {
    /// There is neither a kubeconfig nor a service account.
    #[error(
        "there is no cluster to talk to: {tried}, and this is no pod. Name a kubeconfig with --kubeconfig FILE, or with the variable KUBECONFIG"
    )]
    Nowhere {
        /// Where a kubeconfig was looked for.
        tried: String,
    },
    /// The kubeconfig cannot be used.
    #[error("{place} cannot be used: {why}")]
    Unusable {
        /// The files.
        place: String,
        /// The reason.
        why: String,
    },
    /// No context is current.
    #[error("{place} has no current context: name one with --context{}", among(known))]
    NoContext {
        /// The files.
        place: String,
        /// The names of the contexts.
        known: Vec<String>,
    },
    /// A name that is not in the kubeconfig.
    #[error("{what} {name:?} does not exist in {place}{}", among(known))]
    Unknown {
        /// `context`, `cluster` or `user`.
        what: &'static str,
        /// The name.
        name: String,
        /// The files.
        place: String,
        /// The names that exist.
        known: Vec<String>,
    },
    /// Groups without a user.
    #[error("--as-group needs --as: a group cannot be impersonated without a user")]
    GroupsOnly,
    /// The service account of the pod cannot be used.
    #[error("the service account of this pod cannot be used: {0}")]
    Pod(String),
}

fn among(known: &[String]) -> String {
    if known.is_empty() {
        return ", which has none".to_owned();
    }
    let more = if known.len() > MOST_NAMES { ", …" } else { "" };
    let names: Vec<&str> = known.iter().take(MOST_NAMES).map(String::as_str).collect();
    format!(" ({}{more})", names.join(", "))
}

/// The configuration of the chosen cluster.
///
/// # Errors
/// [`ConfigError`].
pub(crate) async fn load(choice: &Choice, places: &KubeconfigPlaces) -> Result<Config, ConfigError> {
    if choice.impersonate.is_none() && !choice.impersonate_groups.is_empty() {
        return Err(ConfigError::GroupsOnly);
    }
    let mut config = match read(choice.kubeconfig.as_deref(), places)? {
        Some((file, place)) => of_file(file, place, choice).await?,
        None => in_cluster(choice, places)?,
    };
    if let Some(user) = &choice.impersonate {
        let auth = &mut config.auth_info;
        auth.impersonate = Some(user.clone());
        auth.impersonate_uid = None;
        auth.impersonate_user_extra = None;
        auth.impersonate_groups = (!choice.impersonate_groups.is_empty()).then(|| choice.impersonate_groups.clone());
    }
    Ok(config)
}

/// The CA by which the configuration trusts the API server, in PEM (ANO-12); `None` if it names none.
pub(crate) fn api_server_ca(config: &Config) -> Option<Arc<[u8]>> {
    let ca = config.root_cert.as_ref().filter(|ca| !ca.is_empty())?;
    Some(chain::to_pem(ca).into())
}

/// The names in the kubeconfig that may be chosen, for completions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Names {
    /// Of contexts.
    pub(crate) contexts: Vec<String>,
    /// Of clusters.
    pub(crate) clusters: Vec<String>,
    /// Of users.
    pub(crate) users: Vec<String>,
}

/// The names in the kubeconfig. Empty if there is none.
pub(crate) fn names(kubeconfig: Option<&str>, places: &KubeconfigPlaces) -> Names {
    let Ok(Some((file, _))) = read(kubeconfig, places) else {
        return Names::default();
    };
    Names {
        contexts: file.contexts.into_iter().map(|named| named.name).collect(),
        clusters: file.clusters.into_iter().map(|named| named.name).collect(),
        users: file.auth_infos.into_iter().map(|named| named.name).collect(),
    }
}

async fn of_file(file: Kubeconfig, place: String, choice: &Choice) -> Result<Config, ConfigError> {
    let contexts: Vec<String> = file.contexts.iter().map(|named| named.name.clone()).collect();
    let context = choice.context.as_ref().or(file.current_context.as_ref());
    let Some(context) = context.filter(|name| !name.is_empty()).cloned() else {
        return Err(ConfigError::NoContext { place, known: contexts });
    };
    let found = file.contexts.iter().find(|named| named.name == context);
    let of_context = found.and_then(|named| named.context.as_ref());
    let cluster = choice
        .cluster
        .clone()
        .or_else(|| of_context.map(|context| context.cluster.clone()));
    let clusters = || file.clusters.iter().map(|named| named.name.clone());
    let users = || file.auth_infos.iter().map(|named| named.name.clone());
    let unknown = |what, name: &str, known: Vec<String>| ConfigError::Unknown {
        what,
        name: name.to_owned(),
        place: place.clone(),
        known,
    };
    if found.is_none() {
        return Err(unknown("context", &context, contexts));
    }
    if let Some(name) = cluster.filter(|name| !clusters().any(|known| known == *name)) {
        return Err(unknown("cluster", &name, clusters().collect()));
    }
    if let Some(name) = choice
        .user
        .as_ref()
        .filter(|name| !users().any(|known| known == **name))
    {
        return Err(unknown("user", name, users().collect()));
    }
    let options = KubeConfigOptions {
        context: Some(context),
        cluster: choice.cluster.clone(),
        user: choice.user.clone(),
    };
    Config::from_custom_kubeconfig(file, &options)
        .await
        .map_err(|error| ConfigError::Unusable {
            place,
            why: excerpt(&error.to_string()),
        })
}

fn in_cluster(choice: &Choice, places: &KubeconfigPlaces) -> Result<Config, ConfigError> {
    for (what, chosen) in [
        ("context", &choice.context),
        ("cluster", &choice.cluster),
        ("user", &choice.user),
    ] {
        if let Some(name) = chosen {
            return Err(ConfigError::Unknown {
                what,
                name: name.clone(),
                place: format!("a kubeconfig: {}", tried(places)),
                known: Vec::new(),
            });
        }
    }
    if !places.in_a_pod {
        return Err(ConfigError::Nowhere { tried: tried(places) });
    }
    Config::incluster().map_err(|error| ConfigError::Pod(excerpt(&error.to_string())))
}

/// The kubeconfig and its place; `None` if no file exists. A file that was named must exist, one of a list may be missing.
fn read(named: Option<&str>, places: &KubeconfigPlaces) -> Result<Option<(Kubeconfig, String)>, ConfigError> {
    let files = match named.filter(|file| !file.is_empty()) {
        Some(file) => vec![PathBuf::from(file)],
        None => places.files.iter().filter(|file| file.exists()).cloned().collect(),
    };
    let mut merged: Option<Kubeconfig> = None;
    for file in &files {
        let unusable = |error: &dyn std::fmt::Display| ConfigError::Unusable {
            place: place(file),
            why: excerpt(&error.to_string()),
        };
        let read = Kubeconfig::read_from(file).map_err(|error| unusable(&why(&error)))?;
        merged = Some(match merged {
            None => read,
            Some(before) => before.merge(read).map_err(|error| unusable(&error))?,
        });
    }
    let place = files.iter().map(|file| place(file)).collect::<Vec<_>>().join(" and ");
    Ok(merged.map(|merged| (merged, place)))
}

/// The reason without the path, which the sentence names already.
fn why(error: &kube::config::KubeconfigError) -> String {
    if let kube::config::KubeconfigError::ReadConfig(source, _) = error {
        return source.to_string();
    }
    error.to_string()
}

fn place(file: &Path) -> String {
    format!("the kubeconfig {}", file.display())
}

/// Where a kubeconfig was searched, as a part of a sentence.
fn tried(places: &KubeconfigPlaces) -> String {
    let files: Vec<String> = places.files.iter().map(|file| file.display().to_string()).collect();
    let missing = match files.as_slice() {
        [] => "there is no home directory".to_owned(),
        [file] => format!("{file} does not exist"),
        files => format!("none of {} exists", files.join(", ")),
    };
    if places.from_variable {
        format!("KUBECONFIG is set, but {missing}")
    } else {
        format!("KUBECONFIG is not set, {missing}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &str = "
current-context: one
clusters: [{name: here, cluster: {server: 'http://127.0.0.1:1'}}, {name: there, cluster: {server: 'http://127.0.0.2:1'}}]
users: [{name: ada, user: {}}, {name: bob, user: {}}]
contexts:
- {name: one, context: {cluster: here, user: ada}}
- {name: two, context: {cluster: there, user: bob, namespace: shop}}
";

    struct Folder(tempfile::TempDir);

    impl Folder {
        fn with(files: &[(&str, &str)]) -> Self {
            let folder = tempfile::tempdir().unwrap();
            for (name, content) in files {
                std::fs::write(folder.path().join(name), content).unwrap();
            }
            Self(folder)
        }

        fn places(&self, names: &[&str]) -> KubeconfigPlaces {
            KubeconfigPlaces {
                from_variable: true,
                files: names.iter().map(|name| self.0.path().join(name)).collect(),
                in_a_pod: false,
            }
        }
    }

    fn context(name: &str) -> Choice {
        Choice {
            context: Some(name.to_owned()),
            ..Choice::default()
        }
    }

    #[tokio::test]
    async fn a_context_has_its_cluster_and_namespace_and_each_can_be_replaced() {
        let folder = Folder::with(&[("a", TWO)]);
        let places = folder.places(&["a"]);
        let config = load(&Choice::default(), &places).await.unwrap();
        assert_eq!(
            (
                config.cluster_url.to_string().as_str(),
                config.default_namespace.as_str()
            ),
            ("http://127.0.0.1:1/", "default")
        );
        let config = load(&context("two"), &places).await.unwrap();
        assert_eq!(
            (
                config.cluster_url.to_string().as_str(),
                config.default_namespace.as_str()
            ),
            ("http://127.0.0.2:1/", "shop")
        );
        let mixed = Choice {
            cluster: Some("here".to_owned()),
            ..context("two")
        };
        let config = load(&mixed, &places).await.unwrap();
        assert_eq!(
            (
                config.cluster_url.to_string().as_str(),
                config.default_namespace.as_str()
            ),
            ("http://127.0.0.1:1/", "shop")
        );
    }

    #[tokio::test]
    async fn missing_files_of_a_list_are_skipped_and_the_first_file_wins() {
        let folder = Folder::with(&[("b", "current-context: two\n"), ("a", TWO)]);
        let config = load(&Choice::default(), &folder.places(&["gone", "b", "a"]))
            .await
            .unwrap();
        assert_eq!(config.default_namespace, "shop");
        let named = Choice {
            kubeconfig: Some(folder.0.path().join("gone").display().to_string()),
            ..Choice::default()
        };
        let why = load(&named, &folder.places(&["a"])).await.unwrap_err().to_string();
        assert!(why.contains("gone cannot be used: No such file or directory"), "{why}");
    }

    #[tokio::test]
    async fn a_name_that_does_not_exist_is_an_error_with_the_names_that_do() {
        let folder = Folder::with(&[("a", TWO)]);
        let why = load(&context("three"), &folder.places(&["a"]))
            .await
            .unwrap_err()
            .to_string();
        assert!(
            why.starts_with("context \"three\" does not exist in the kubeconfig "),
            "{why}"
        );
        assert!(why.ends_with("(one, two)"), "{why}");
        for (what, choice) in [
            (
                "cluster",
                Choice {
                    cluster: Some("x".to_owned()),
                    ..Choice::default()
                },
            ),
            (
                "user",
                Choice {
                    user: Some("x".to_owned()),
                    ..Choice::default()
                },
            ),
        ] {
            let why = load(&choice, &folder.places(&["a"])).await.unwrap_err().to_string();
            assert!(why.starts_with(&format!("{what} \"x\" does not exist")), "{why}");
        }
        let none = Folder::with(&[("a", "contexts: []\n")]);
        let why = load(&Choice::default(), &none.places(&["a"]))
            .await
            .unwrap_err()
            .to_string();
        assert!(why.contains("has no current context: name one with --context"), "{why}");
    }

    #[tokio::test]
    async fn without_a_kubeconfig_one_sentence_names_what_was_tried() {
        let folder = Folder::with(&[]);
        let why = load(&Choice::default(), &folder.places(&["a", "b"]))
            .await
            .unwrap_err()
            .to_string();
        assert!(
            why.starts_with("there is no cluster to talk to: KUBECONFIG is set, but none of "),
            "{why}"
        );
        assert!(why.contains("--kubeconfig FILE"), "{why}");
    }

    #[tokio::test]
    async fn a_user_is_impersonated_instead_of_the_one_in_the_kubeconfig() {
        let folder = Folder::with(&[("a", TWO)]);
        let choice = Choice {
            impersonate: Some("eve".to_owned()),
            impersonate_groups: vec!["x".to_owned(), "y".to_owned()],
            ..Choice::default()
        };
        let auth = load(&choice, &folder.places(&["a"])).await.unwrap().auth_info;
        assert_eq!(auth.impersonate.as_deref(), Some("eve"));
        assert_eq!(auth.impersonate_groups, Some(vec!["x".to_owned(), "y".to_owned()]));
        let groups = Choice {
            impersonate: None,
            ..choice
        };
        assert_eq!(
            load(&groups, &folder.places(&["a"])).await.unwrap_err(),
            ConfigError::GroupsOnly
        );
    }
}
