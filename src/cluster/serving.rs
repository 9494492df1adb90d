//! The Secret with the CA of the metrics server (FLG-27). Every replica may write it, whether it leads or not: all serve metrics, and
//! the API server lets one of them win.

use base64::{Engine, engine::general_purpose::STANDARD};
use futures::{Stream, StreamExt, stream};
use kube::{
    Api,
    api::{Patch, PatchParams, PostParams},
    core::Request,
    runtime::{WatchStreamExt, watcher},
};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::{
    error::{Call, Error},
    metadata::SecretName,
    reader::{Reader, within},
    secret::LiveSecret,
    watch::refuses_streaming,
};
use crate::{
    api::names::{FIELD_MANAGER, MANAGED_BY, annotation, data_key, label},
    pki::hidden::Hidden,
    plan::seen::{Meta, ObjectKey},
};

/// A self-signed CA and its key, as PEM.
#[derive(Clone, Debug)]
pub(crate) struct AuthorityPair {
    /// The certificate, which is `tls.crt` and `ca.crt`.
    pub certificate: Vec<u8>,
    /// The key, PKCS#8.
    pub key: Hidden<Vec<u8>>,
}

/// See the module.
#[derive(Clone)]
pub(crate) struct ServingSecret {
    reader: Reader,
    key: ObjectKey,
}

impl ServingSecret {
    /// The Secret of this name.
    pub(crate) fn new(reader: Reader, key: ObjectKey) -> Self {
        Self { reader, key }
    }

    /// Its namespace and name.
    pub(crate) fn key(&self) -> &ObjectKey {
        &self.key
    }

    /// Its content, or `None` if it does not exist.
    ///
    /// # Errors
    /// If the API server rejects the call, or cannot be reached.
    pub(crate) async fn read(&self) -> Result<Option<LiveSecret>, Error> {
        self.reader.secret(&self.key).await
    }

    /// Creates it, with the label and the annotation that cert-manager gives it.
    ///
    /// # Errors
    /// [`Error::is_already_exists`] if another replica was first.
    pub(crate) async fn create(&self, pair: &AuthorityPair) -> Result<(), Error> {
        let body = json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "name": self.key.name,
                "namespace": self.key.namespace,
                "labels": { label::MANAGED_BY: MANAGED_BY },
                "annotations": { annotation::ALLOW_DIRECT_INJECTION: "true" },
            },
            "data": data(pair),
        });
        let author = PostParams {
            field_manager: Some(FIELD_MANAGER.into()),
            ..PostParams::default()
        };
        let body = Zeroizing::new(body.to_string());
        let request = Request::new(self.url()).create(&author, body.as_bytes().to_vec());
        self.send("create", request).await
    }

    /// Replaces the CA in it, if it is still as it was seen.
    ///
    /// # Errors
    /// [`Error::is_conflict`] if it has changed.
    pub(crate) async fn replace(&self, seen: &Meta, pair: &AuthorityPair) -> Result<(), Error> {
        let patch = json!({
            "metadata": {
                "uid": seen.uid,
                "resourceVersion": seen.resource_version,
                "labels": { label::MANAGED_BY: MANAGED_BY },
                "annotations": { annotation::ALLOW_DIRECT_INJECTION: "true" },
            },
            "data": data(pair),
        });
        let author = PatchParams {
            field_manager: Some(FIELD_MANAGER.into()),
            ..PatchParams::default()
        };
        let request = Request::new(self.url()).patch(&self.key.name, &author, &Patch::Merge(patch));
        self.send("update", request).await
    }

    /// Reports that it may have been created, changed or deleted. Never ends.
    pub(crate) fn changes(&self) -> impl Stream<Item = ()> + Send + use<> {
        let api: Api<SecretName> = Api::namespaced(self.reader.client().clone(), &self.key.namespace);
        let name = format!("metadata.name={}", self.key.name);
        let selected = move |config: watcher::Config| config.fields(&name);
        let begin = move |config| watcher(api.clone(), selected(config)).default_backoff().boxed();
        let first = begin(watcher::Config::default().streaming_lists());
        stream::unfold((first, begin), |(mut events, begin)| async move {
            loop {
                match events.next().await? {
                    Ok(watcher::Event::Init | watcher::Event::InitApply(_)) => {}
                    Ok(watcher::Event::Apply(_) | watcher::Event::Delete(_) | watcher::Event::InitDone) => {
                        return Some(((), (events, begin)));
                    }
                    Err(error) if refuses_streaming(&error) => events = begin(watcher::Config::default()),
                    Err(error) => tracing::debug!(%error, "the watch of the Secret for metrics was interrupted"),
                }
            }
        })
    }

    fn url(&self) -> String {
        format!("/api/v1/namespaces/{}/secrets", self.key.namespace)
    }

    async fn send(
        &self,
        verb: &'static str,
        request: Result<http::Request<Vec<u8>>, kube::core::request::Error>,
    ) -> Result<(), Error> {
        let call = Call {
            verb,
            kind: "Secret".into(),
            object: self.key.to_string(),
        };
        let request = request.map_err(|error| Error::Answer {
            call: call.clone(),
            message: error.to_string(),
        })?;
        let answer = within(call, self.reader.client().request_text(request)).await?;
        // it has the key
        drop(Zeroizing::new(answer));
        Ok(())
    }
}

fn data(pair: &AuthorityPair) -> Value {
    let certificate = STANDARD.encode(&pair.certificate);
    json!({
        data_key::TLS_CRT: certificate,
        data_key::CA_CRT: certificate,
        data_key::TLS_KEY: STANDARD.encode(pair.key.expose()),
    })
}
