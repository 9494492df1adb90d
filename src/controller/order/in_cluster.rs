//! Steps at the API server.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use serde_json::json;

use super::observe::Observed;
use crate::{
    api::{
        challenge::{ChallengeSpec, ChallengeStatus},
        order::{OrderStatus, State},
    },
    cluster::{self, events::Severity, writer::NewObject},
    controller::{Context, ControllerError},
    plan::{
        challenge::{finalizers_to_release, notice},
        kinds::{ChallengeKind, OrderKind},
        order::outcome::NO_SOLVER,
        seen::{Meta, Object, ObjectKey, Pairs},
    },
    text::excerpt,
};

impl Observed {
    /// The Challenge of this name.
    pub(super) fn challenge(&self, key: &ObjectKey) -> Option<&Object<ChallengeKind>> {
        self.challenges.iter().find(|challenge| challenge.meta.key == *key)
    }
}

/// Writes the Order's status, and tells what is news in it.
pub(super) async fn write_status(
    context: &Context,
    observed: &Observed,
    status: &OrderStatus,
) -> Result<(), ControllerError> {
    let order = &observed.order;
    match context.writer.write_status::<OrderKind>(order, status).await {
        Ok(None) => return Ok(()),
        Ok(Some(_)) => {}
        // what the CA says does not fit into an Order (an endless URL, thousands of challenges), and never will
        Err(error) if never_fits(&error) && !status.state.is_some_and(State::is_failure) => {
            cannot_be_stored(context, order, error.server_message().unwrap_or_default());
            return Ok(());
        }
        Err(error) => return Err(error.into()),
    }
    if status.state == Some(State::Valid) && order.status.state != Some(State::Valid) {
        observed.tell(context, Severity::Normal, "Complete", "Order completed successfully");
    }
    let news = status
        .reason
        .as_deref()
        .filter(|_| status.reason != order.status.reason);
    if let Some(reason) = news.filter(|reason| reason.contains(NO_SOLVER)) {
        observed.tell(context, Severity::Warning, "Solver", reason);
    }
    Ok(())
}

/// Whether the API server would refuse the same object again, whatever else happens.
fn never_fits(error: &cluster::Error) -> bool {
    error.is_invalid() || error.is_too_large()
}

/// The Order ends, because the API server does not store what the CA says of it.
pub(super) fn cannot_be_stored(context: &Context, order: &Object<OrderKind>, why: &str) {
    let sentence = format!("What the CA says of the order cannot be stored: {}", excerpt(why));
    tracing::warn!(order = %order.meta.key, sentence);
    let now = context.now();
    context
        .orders
        .remember(&order.meta, |memory| memory.could_not_be_written(now, sentence));
}

/// Deletes the Order, so that its request makes another one; remembers that this has happened.
pub(super) async fn start_over(context: &Context, observed: &Observed) -> Result<(), ControllerError> {
    let order = &observed.order.meta;
    tracing::info!(order = %order.key, "the CA has forgotten the ACME order, the Order is made anew");
    if let Some(request) = order.controller() {
        context.signing.reordered.insert(&request.uid);
    }
    context.writer.delete::<OrderKind>(order).await?;
    context.orders.forget(&order.key);
    Ok(())
}

/// Creates a Challenge (ORD-07, ORD-12).
pub(super) async fn create_challenge(
    context: &Context,
    observed: &Observed,
    name: String,
    spec: ChallengeSpec,
) -> Result<(), ControllerError> {
    let order = &observed.order.meta;
    let domain = spec.dns_name.clone();
    let new = NewObject::<ChallengeKind> {
        key: order.key.sibling(name.as_str()),
        labels: Pairs::default(),
        annotations: Pairs::default(),
        owners: vec![OwnerReference {
            api_version: "acme.cert-manager.io/v1".to_owned(),
            kind: "Order".to_owned(),
            name: order.name().to_owned(),
            uid: order.uid.to_string(),
            controller: Some(true),
            block_owner_deletion: Some(true),
        }],
        finalizers: Vec::new(),
        spec,
    };
    match context.writer.create::<ChallengeKind>(&new).await {
        Ok(_) => {
            let message = format!("Created Challenge resource {name:?} for domain {domain:?}");
            observed.tell(context, Severity::Normal, "Created", &message);
            Ok(())
        }
        Err(error) if error.is_already_exists() => {
            // ours from before a lost answer will be seen in a moment; a stranger's keeps its name
            let live = context.reader.get::<ChallengeKind>(&new.key).await?;
            if live.is_some_and(|live| !live.meta.owned_by(&order.uid)) {
                context.orders.remember(order, |memory| memory.taken.insert(name));
            }
            Err(error.into())
        }
        Err(error) if never_fits(&error) => {
            cannot_be_stored(context, &observed.order, error.server_message().unwrap_or_default());
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

/// Writes a Challenge's status, and tells what is news in it.
pub(super) async fn write_challenge(
    context: &Context,
    challenge: &Object<ChallengeKind>,
    status: &ChallengeStatus,
) -> Result<(), ControllerError> {
    if context
        .writer
        .write_status::<ChallengeKind>(challenge, status)
        .await?
        .is_none()
    {
        return Ok(());
    }
    if let Some(notice) = notice(&challenge.status, status) {
        let severity = if notice.warning {
            Severity::Warning
        } else {
            Severity::Normal
        };
        context
            .events
            .publish::<ChallengeKind>(&challenge.meta, severity, notice.reason, &notice.message);
    }
    Ok(())
}

/// Deletes a Challenge; a finalizer of cert-manager goes first, because what it stands for is done.
pub(super) async fn delete_challenge(context: &Context, meta: &Meta) -> Result<(), ControllerError> {
    let released = match finalizers_to_release(meta) {
        Some(rest) => Some(release(context, meta, &rest).await?),
        None => None,
    };
    if meta.deleting.is_none() {
        context
            .writer
            .delete::<ChallengeKind>(released.as_ref().unwrap_or(meta))
            .await?;
    }
    Ok(())
}

/// Leaves only the finalizers in `rest`; returns the metadata after that.
pub(super) async fn release(context: &Context, meta: &Meta, rest: &[String]) -> Result<Meta, ControllerError> {
    let patch = json!({ "metadata": { "finalizers": rest } });
    let released = context.writer.patch::<ChallengeKind>(meta, patch).await?;
    Ok(released.meta.clone())
}

/// Lets a Challenge go that somebody deletes and that waits for a finalizer of cert-manager (NB-35).
pub(super) async fn release_if_deleting(context: &Context, meta: &Meta) -> Result<(), ControllerError> {
    match finalizers_left(meta) {
        Some(rest) => release(context, meta, &rest).await.map(drop),
        None => Ok(()),
    }
}

/// The finalizers that stay on such a Challenge; `None` where nothing waits for us.
pub(super) fn finalizers_left(meta: &Meta) -> Option<Vec<String>> {
    meta.deleting.and_then(|_| finalizers_to_release(meta))
}
