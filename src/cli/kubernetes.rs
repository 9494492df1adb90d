//! Access to Secrets of a cluster for commands that run once and exit.

use std::future::Future;
use std::time::Duration;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};

use super::secret::{Cluster, StoredSecret, TlsSecret};
use super::target::{Connected, Target, failed};
use crate::cluster::commands::verdict::{Observed, observe};
use crate::pki::hidden::Hidden;

/// The cluster of the kubeconfig, or the one that this process runs in.
#[derive(Clone, Copy, Debug)]
pub(super) struct KubernetesCluster;

const TLS: &str = "kubernetes.io/tls";
/// Time limit for all requests of one command.
const TIMEOUT: Duration = Duration::from_secs(30);

impl Cluster for KubernetesCluster {
    fn write_secret(&self, place: &Target, secret: &TlsSecret, replace: bool) -> Result<String, String> {
        block_on(async {
            let Connected { client, namespace, .. } = place.connect().await?;
            let api: Api<Secret> = Api::namespaced(client, &namespace);
            let TlsSecret { name, .. } = secret;
            let place = format!("{namespace}/{name}");
            let not_stored = |error: &kube::Error| failed(&format!("cannot store the Secret {place}"), error);
            match api.create(&PostParams::default(), &object(secret)).await {
                Ok(_) => Ok(place),
                Err(kube::Error::Api(status)) if status.is_already_exists() => {
                    if !replace {
                        return Err(format!(
                            "the Secret {place} exists already; --force overwrites its data"
                        ));
                    }
                    let found = api.get(name).await.map_err(|error| not_stored(&error))?;
                    let kind = found.type_.unwrap_or_default();
                    if kind != TLS {
                        return Err(format!(
                            "the Secret {place} has the type {kind:?} and is not changed: expected {TLS}"
                        ));
                    }
                    let patch = serde_json::json!({ "data": object(secret).data });
                    let stored = api.patch(name, &PatchParams::default(), &Patch::Merge(&patch)).await;
                    stored.map(|_| place.clone()).map_err(|error| not_stored(&error))
                }
                Err(error) => Err(not_stored(&error)),
            }
        })
    }

    fn read_secret(&self, place: &Target, name: &str) -> Result<StoredSecret, String> {
        block_on(async {
            let Connected { client, namespace, .. } = place.connect().await?;
            let api: Api<Secret> = Api::namespaced(client, &namespace);
            let place = format!("{namespace}/{name}");
            let found = api
                .get(name)
                .await
                .map_err(|error| failed(&format!("cannot read the Secret {place}"), &error))?;
            let data = found.data.unwrap_or_default();
            Ok(StoredSecret {
                place,
                kind: found.type_.unwrap_or_default(),
                annotations: found.metadata.annotations.unwrap_or_default(),
                data: data
                    .into_iter()
                    .map(|(key, ByteString(value))| (key, Hidden::new(value)))
                    .collect(),
            })
        })
    }

    fn certificates_of(&self, place: &Target, name: &str) -> Result<Vec<Observed>, String> {
        block_on(async {
            let Connected { client, namespace, .. } = place.connect_to_read().await?;
            observe(&client, &namespace, name)
                .await
                .map_err(|error| error.to_string())
        })
    }
}

fn object(secret: &TlsSecret) -> Secret {
    let mut object = Secret {
        type_: Some(TLS.into()),
        data: Some(
            [
                ("tls.crt".to_owned(), ByteString(secret.certificate.clone())),
                ("tls.key".to_owned(), ByteString(secret.key.expose().clone())),
            ]
            .into(),
        ),
        ..Secret::default()
    };
    object.metadata.name = Some(secret.name.clone());
    object
}

fn block_on<T>(work: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("cannot start: {error}"))?;
    runtime.block_on(async {
        match tokio::time::timeout(TIMEOUT, work).await {
            Ok(result) => result,
            Err(_) => Err(format!(
                "the cluster did not answer within {} seconds",
                TIMEOUT.as_secs()
            )),
        }
    })
}
