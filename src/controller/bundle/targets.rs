//! Writing of the targets of a Bundle: each by itself, so that one that fails does not keep the others from being written.

use std::{collections::BTreeMap, fmt::Write as _};

use futures::{StreamExt as _, future::BoxFuture, stream};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};

use super::Trouble;
use crate::{
    api::bundle::BUNDLE_LABEL,
    cluster::{self, bundle::TargetApply},
    controller::{ControllerError, Ports},
    plan::{
        bundle::{BundlePlan, Failure, Files, TargetKind, TargetStep, Wanted},
        seen::{Meta, ObjectKey},
    },
};

/// Writes of one Bundle at the same time.
const CONCURRENT: usize = 8;

/// The files beside PEM, by key.
pub(super) type Formats = BTreeMap<String, Vec<u8>>;

/// Why a target is not written.
enum Refusal {
    /// A sentence.
    Foreign(String),
    /// A call failed.
    Error(cluster::Error),
}

impl From<cluster::Error> for Refusal {
    fn from(error: cluster::Error) -> Self {
        Self::Error(error)
    }
}

/// The failure of a step, and the error if it was a call.
type Failed = (Failure, Option<ControllerError>);

/// Carries out the steps. Of the targets that fail, the first is named.
pub(super) async fn carry_out(
    ports: &Ports,
    bundle: &Meta,
    plan: &BundlePlan,
    formats: &Formats,
) -> Result<(), Trouble> {
    let mut failed: Vec<Failed> = Vec::new();
    let mut steps: Vec<BoxFuture<'_, Result<(), Failed>>> = Vec::with_capacity(plan.steps.len());
    for step in &plan.steps {
        steps.push(Box::pin(one(ports, bundle, plan, formats, step)));
    }
    let mut done = stream::iter(steps).buffered(CONCURRENT);
    while let Some(result) = done.next().await {
        failed.extend(result.err());
    }
    let more = failed.len().saturating_sub(1);
    let Some((mut failure, error)) = failed.into_iter().next() else {
        return Ok(());
    };
    if more > 0 {
        let _infallible = write!(failure.message, "; {more} more targets failed");
    }
    Err(match error {
        Some(error) => Trouble::Error(failure, error),
        None => Trouble::Failed(failure),
    })
}

async fn one(
    ports: &Ports,
    bundle: &Meta,
    plan: &BundlePlan,
    formats: &Formats,
    step: &TargetStep,
) -> Result<(), Failed> {
    let (kind, key, refusal) = match step {
        TargetStep::Clean(found) => {
            let Err(error) = ports.writer.clean_target(found, bundle).await else {
                return Ok(());
            };
            (found.kind, &found.meta.key, Refusal::Error(error))
        }
        TargetStep::Write(wanted) => {
            let Err(refusal) = write(ports, bundle, plan, formats, wanted).await else {
                return Ok(());
            };
            (wanted.kind, &wanted.key, refusal)
        }
    };
    let (why, error) = match refusal {
        Refusal::Foreign(why) => (why, None),
        Refusal::Error(error) => {
            if is_going(ports, &error, key).await {
                return Ok(());
            }
            (error.to_string(), Some(error.into()))
        }
    };
    let message = format!("Failed to sync bundle {kind} to namespace {:?}: {why}", &*key.namespace);
    Err((Failure::new(format!("Sync{kind}TargetFailed"), message), error))
}

/// Whether a write failed because the Namespace is being deleted, which the watch has not reported yet.
async fn is_going(ports: &Ports, error: &cluster::Error, key: &ObjectKey) -> bool {
    if !error.is_forbidden() && !error.is_not_found() {
        return false;
    }
    match ports.reader.cluster_object::<Namespace>(&key.namespace).await {
        Ok(found) => found.is_none_or(|found| found.metadata.deletion_timestamp.is_some()),
        Err(_) => false,
    }
}

async fn write(
    ports: &Ports,
    bundle: &Meta,
    plan: &BundlePlan,
    formats: &Formats,
    wanted: &Wanted,
) -> Result<(), Refusal> {
    let Wanted { kind, key, found } = wanted;
    let content = &plan.content;
    let target = |found| TargetApply {
        kind: *kind,
        key,
        bundle,
        labels: content
            .labels(*kind)
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect(),
        annotations: TargetApply::annotations_with(content.annotations(*kind), content.hash(*kind).to_owned()),
        files: content.files(*kind, formats),
        found,
    };
    if let Some(found) = found {
        if *kind == TargetKind::Secret && !found.is_of(bundle) {
            return Err(foreign_secret(key, bundle));
        }
        return Ok(ports.writer.apply_target(&target(Some(&found.meta))).await?);
    }
    let applied = ports.writer.apply_target(&target(None)).await;
    match applied {
        // something without the label of the Bundle is there
        Err(error) if error.is_conflict() || error.is_already_exists() => match kind {
            TargetKind::Secret => Err(foreign_secret(key, bundle)),
            TargetKind::ConfigMap => {
                let Some(there) = ports.reader.object::<ConfigMap>(key).await? else {
                    return Err(error.into());
                };
                let files = content.files(*kind, formats);
                if let Some(part) = contested(&there, &files) {
                    return Err(Refusal::Foreign(format!(
                        "ConfigMap {key} exists, and its key {part:?} has something else; remove the key, or the ConfigMap, or rename \
                         the Bundle"
                    )));
                }
                let meta = meta_of(key, &there);
                Ok(ports.writer.apply_target(&target(Some(&meta))).await?)
            }
        },
        applied => Ok(applied?),
    }
}

/// A key that the ConfigMap has, with other content than the Bundle would write.
fn contested(there: &ConfigMap, files: &Files) -> Option<String> {
    let Files { text, bytes } = files;
    let has = |key: &String| {
        let in_text = there.data.as_ref().is_some_and(|data| data.contains_key(key));
        in_text || there.binary_data.as_ref().is_some_and(|data| data.contains_key(key))
    };
    let same = |key: &String, text: &String| there.data.as_ref().and_then(|data| data.get(key)) == Some(text);
    let text = text.iter().find(|(key, text)| has(key) && !same(key, text));
    text.map(|(key, _)| key)
        .or_else(|| bytes.keys().find(|key| has(key)))
        .cloned()
}

fn meta_of(key: &ObjectKey, there: &ConfigMap) -> Meta {
    Meta {
        key: key.clone(),
        uid: there.metadata.uid.clone().unwrap_or_default().into(),
        resource_version: there.metadata.resource_version.clone().unwrap_or_default().into(),
        ..Meta::default()
    }
}

fn foreign_secret(key: &ObjectKey, bundle: &Meta) -> Refusal {
    Refusal::Foreign(format!(
        "Secret {key} exists, and no Bundle wrote it; delete it, or give it the label {BUNDLE_LABEL}={name} and the annotation \
         {hash}, or rename the Bundle",
        name = bundle.name(),
        hash = crate::api::bundle::HASH_ANNOTATION,
    ))
}
