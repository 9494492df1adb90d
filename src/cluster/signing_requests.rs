//! Kubernetes CertificateSigningRequests, watched only where the gate is on (GAT-01): few, and gone within hours.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
};

use futures::StreamExt;
use k8s_openapi::{
    api::{
        authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec},
        certificates::v1::CertificateSigningRequest,
    },
    jiff::Timestamp,
};
use kube::{
    Api, Client,
    api::{ListParams, Patch, PatchParams, PostParams},
    runtime::{WatchStreamExt, watcher},
};
use serde_json::{Value, json};

use super::{
    error::{Call, Error},
    reader::{Reader, within},
    writer::{FIELD_MANAGER, Writer},
};
use crate::plan::{
    seen::{Kind, Meta, ObjectKey, Pairs},
    signing_request::{SignerName, SigningRequestKind, SigningRequestSeen},
};

/// Those whose signer is an issuer of ours.
#[derive(Debug, Default)]
pub struct SigningRequests(RwLock<BTreeMap<ObjectKey, Arc<SigningRequestSeen>>>);

impl SigningRequests {
    /// The one of this name.
    pub fn get(&self, key: &ObjectKey) -> Option<Arc<SigningRequestSeen>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    /// Names of those that wait for something.
    pub fn unfinished(&self) -> Vec<ObjectKey> {
        let kept = self.0.read().unwrap_or_else(PoisonError::into_inner);
        kept.iter()
            .filter(|(_, request)| !request.is_finished())
            .map(|(key, _)| key.clone())
            .collect()
    }

    fn change(&self, edit: impl FnOnce(&mut BTreeMap<ObjectKey, Arc<SigningRequestSeen>>)) {
        edit(&mut self.0.write().unwrap_or_else(PoisonError::into_inner));
    }

    /// Takes in what the server has now, for a process that only looks.
    ///
    /// # Errors
    /// When the API server refuses, or is not reached.
    pub async fn fill(&self, client: Client) -> Result<(), Error> {
        let call = Call {
            verb: "list",
            kind: SigningRequestKind::KIND.into(),
            object: "*".to_owned(),
        };
        let api: Api<CertificateSigningRequest> = Api::all(client);
        let found = within(call, api.list(&ListParams::default())).await?;
        let ours = found.items.into_iter().map(seen).filter(|seen| seen.signer().is_some());
        self.change(|kept| kept.extend(ours.map(|seen| (seen.meta.key.clone(), Arc::new(seen)))));
        Ok(())
    }

    /// Keeps what the server has, for ever, and tells `changed` the name of whatever came or changed.
    pub async fn follow(self: Arc<Self>, client: Client, changed: impl Fn(ObjectKey) + Send) {
        let api: Api<CertificateSigningRequest> = Api::all(client);
        let mut events = watcher(api, watcher::Config::default()).default_backoff().boxed();
        while let Some(event) = events.next().await {
            match event {
                Ok(watcher::Event::Init) => self.change(BTreeMap::clear),
                Ok(watcher::Event::Apply(request) | watcher::Event::InitApply(request)) => {
                    let seen = seen(request);
                    if seen.signer().is_some() {
                        let key = seen.meta.key.clone();
                        self.change(|kept| {
                            kept.insert(key.clone(), Arc::new(seen));
                        });
                        changed(key);
                    }
                }
                Ok(watcher::Event::Delete(request)) => {
                    let key = seen(request).meta.key;
                    self.change(|kept| {
                        kept.remove(&key);
                    });
                }
                Ok(watcher::Event::InitDone) => {}
                Err(error) => {
                    tracing::warn!(%error, "the watch of CertificateSigningRequests was interrupted, trying again");
                }
            }
        }
    }
}

fn seen(request: CertificateSigningRequest) -> SigningRequestSeen {
    let metadata = request.metadata;
    let pairs = |pairs: Option<BTreeMap<String, String>>| pairs.into_iter().flatten().collect::<Pairs>();
    SigningRequestSeen {
        meta: Meta {
            key: ObjectKey::cluster(metadata.name.unwrap_or_default()),
            uid: metadata.uid.unwrap_or_default().into(),
            resource_version: metadata.resource_version.unwrap_or_default().into(),
            generation: metadata.generation.unwrap_or_default(),
            created: metadata.creation_timestamp.map_or(Timestamp::UNIX_EPOCH, |time| time.0),
            deleting: metadata.deletion_timestamp.map(|time| time.0),
            owners: Box::new([]),
            labels: pairs(metadata.labels),
            annotations: pairs(metadata.annotations),
            finalizers: Box::new([]),
        },
        spec: request.spec,
        status: request.status.unwrap_or_default(),
    }
}

impl Writer {
    /// Merge patch of a CertificateSigningRequest's status, only if it is still as it was seen.
    pub async fn patch_signing_request(&self, meta: &Meta, status: Value) -> Result<(), Error> {
        let call = self.allowed(Call {
            verb: "update status of",
            kind: SigningRequestKind::KIND.into(),
            object: meta.name().to_owned(),
        })?;
        let precondition = json!({ "uid": meta.uid, "resourceVersion": meta.resource_version });
        let patch = Patch::Merge(json!({ "metadata": precondition, "status": status }));
        let parameters = PatchParams {
            field_manager: Some(FIELD_MANAGER.into()),
            ..PatchParams::default()
        };
        let api: Api<CertificateSigningRequest> = Api::all(self.client().clone());
        within(call, api.patch_status(meta.name(), &parameters, &patch))
            .await
            .map(drop)
    }
}

impl Reader {
    /// Whether whoever made `request` may refer to the namespaced issuer: by its name, or all of its namespace (CSR-03).
    pub async fn may_refer(&self, request: &SigningRequestSeen, issuer: &SignerName) -> Result<bool, Error> {
        for name in [issuer.name.as_str(), "*"] {
            let spec = &request.spec;
            let review = SubjectAccessReview {
                spec: SubjectAccessReviewSpec {
                    user: spec.username.clone(),
                    uid: spec.uid.clone(),
                    groups: spec.groups.clone(),
                    extra: spec.extra.clone(),
                    resource_attributes: Some(ResourceAttributes {
                        group: Some(crate::api::GROUP.to_owned()),
                        resource: Some("signers".to_owned()),
                        verb: Some("reference".to_owned()),
                        namespace: Some(issuer.namespace.clone()),
                        name: Some(name.to_owned()),
                        version: Some("*".to_owned()),
                        ..ResourceAttributes::default()
                    }),
                    ..SubjectAccessReviewSpec::default()
                },
                ..SubjectAccessReview::default()
            };
            let call = Call {
                verb: "create",
                kind: "SubjectAccessReview".into(),
                object: format!("for the requester of {}", request.meta.name()),
            };
            let reviews: Api<SubjectAccessReview> = Api::all(self.client().clone());
            let answer = within(call, reviews.create(&PostParams::default(), &review)).await?;
            if answer.status.is_some_and(|status| status.allowed) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
