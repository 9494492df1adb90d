//! Steps at the API server: statuses of Orders, and Challenges.

use serde_json::json;

use super::{observe::Observed, orders::Orders};
use crate::{
    api::{
        challenge::{ChallengeSpec, ChallengeStatus},
        names::{CHALLENGE_FINALIZER, annotation},
        order::{OrderStatus, State},
    },
    cluster::{self, owner::controlling, writer::NewObject},
    controller::ControllerError,
    plan::{
        challenge::{finalizers_to_release, notice},
        kinds::{ChallengeKind, OrderKind},
        notice::Notice,
        order::outcome::NO_SOLVER,
        seen::{Meta, Object, ObjectKey, Pairs},
    },
    text::excerpt,
};

impl Observed {
    /// The observed Challenge of this name.
    pub(super) fn challenge(&self, key: &ObjectKey) -> Option<&Object<ChallengeKind>> {
        self.challenges.iter().find(|challenge| challenge.meta.key == *key)
    }
}

/// Writes the Order's status, and publishes Events about its changes.
///
/// # Errors
/// The API server's error.
pub(super) async fn write_status(
    controller: &Orders,
    observed: &Observed,
    status: &OrderStatus,
) -> Result<(), ControllerError> {
    let order = &observed.order;
    match controller.ports.writer.write_status::<OrderKind>(order, status).await {
        Ok(None) => return Ok(()),
        Ok(Some(_)) => {}
        // the CA's answer does not fit into an Order (an endless URL, thousands of challenges), and a retry
        // does not change that
        Err(error) if never_fits(&error) && !status.state.is_some_and(State::is_failure) => {
            cannot_be_stored(controller, order, error.server_message().unwrap_or_default());
            return Ok(());
        }
        Err(error) => return Err(error.into()),
    }
    if status.state == Some(State::Valid) && order.status.state != Some(State::Valid) {
        observed.publish(controller, &Notice::normal("Complete", "Order completed successfully"));
    }
    let news = status
        .reason
        .as_deref()
        .filter(|_| status.reason != order.status.reason);
    if let Some(reason) = news.filter(|reason| reason.contains(NO_SOLVER)) {
        observed.publish(controller, &Notice::warning("Solver", reason));
    }
    Ok(())
}

/// Whether the API server would reject the same object again.
fn never_fits(error: &cluster::Error) -> bool {
    error.is_invalid() || error.is_too_large()
}

/// Ends the Order, because the API server does not store the CA's answer.
pub(super) fn cannot_be_stored(controller: &Orders, order: &Object<OrderKind>, why: &str) {
    let sentence = format!("The CA's answer about the order cannot be stored: {}", excerpt(why));
    tracing::warn!(order = %order.meta.key, sentence);
    let now = controller.ports.now();
    controller
        .state
        .remember(&order.meta, |memory| memory.could_not_be_written(now, sentence));
}

/// Deletes the Order, so that its request creates another one. Remembers that this happened.
///
/// # Errors
/// The API server's error.
pub(super) async fn start_over(controller: &Orders, observed: &Observed) -> Result<(), ControllerError> {
    let order = &observed.order.meta;
    tracing::info!(order = %order.key, "the CA does not know the ACME order any more, the Order is created again");
    if let Some(request) = order.controller() {
        controller.signing.reordered.insert(&request.uid);
    }
    controller.ports.writer.delete::<OrderKind>(order).await?;
    controller.state.forget(&order.key);
    Ok(())
}

/// Creates a Challenge (ORD-07, ORD-12).
///
/// # Errors
/// The API server's error.
pub(super) async fn create_challenge(
    controller: &Orders,
    observed: &Observed,
    name: String,
    spec: ChallengeSpec,
    record: Option<String>,
) -> Result<(), ControllerError> {
    let order = &observed.order.meta;
    let domain = spec.dns_name.clone();
    let new = NewObject::<ChallengeKind> {
        key: order.key.sibling(name.as_str()),
        labels: Pairs::default(),
        annotations: record
            .iter()
            .map(|record| (annotation::RECORD, record.as_str()))
            .collect(),
        owners: vec![controlling::<OrderKind>(order)],
        finalizers: record.iter().map(|_| CHALLENGE_FINALIZER.to_owned()).collect(),
        spec,
    };
    match controller.ports.writer.create::<ChallengeKind>(&new).await {
        Ok(_) => {
            let message = format!("Created Challenge resource {name:?} for domain {domain:?}");
            observed.publish(controller, &Notice::normal("Created", message));
            Ok(())
        }
        Err(error) if error.is_already_exists() => {
            // the watch will deliver ours, if only the answer was lost; another client's object keeps its name
            let live = controller.ports.reader.get::<ChallengeKind>(&new.key).await?;
            if live.is_some_and(|live| !live.meta.owned_by(&order.uid)) {
                controller.state.remember(order, |memory| memory.taken.insert(name));
            }
            Err(error.into())
        }
        Err(error) if never_fits(&error) => {
            cannot_be_stored(controller, &observed.order, error.server_message().unwrap_or_default());
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

/// Writes the guard of a Challenge: finalizer and annotation.
///
/// # Errors
/// The API server's error.
pub(super) async fn guard(
    controller: &Orders,
    meta: &Meta,
    finalizers: &[String],
    record: &str,
) -> Result<(), ControllerError> {
    let patch = json!({ "metadata": { "finalizers": finalizers, "annotations": { annotation::RECORD: record } } });
    controller.ports.writer.patch::<ChallengeKind>(meta, patch).await?;
    Ok(())
}

/// Writes a Challenge's status, and publishes an Event about its change.
///
/// # Errors
/// The API server's error.
pub(super) async fn write_challenge(
    controller: &Orders,
    challenge: &Object<ChallengeKind>,
    status: &ChallengeStatus,
) -> Result<(), ControllerError> {
    if controller
        .ports
        .writer
        .write_status::<ChallengeKind>(challenge, status)
        .await?
        .is_none()
    {
        return Ok(());
    }
    if let Some(notice) = notice(&challenge.status, status) {
        controller
            .ports
            .events
            .publish::<ChallengeKind>(&challenge.meta, &notice);
    }
    Ok(())
}

/// Deletes a Challenge. cert-manager's finalizer is removed first, because its purpose is fulfilled.
///
/// # Errors
/// The API server's error.
pub(super) async fn delete_challenge(controller: &Orders, meta: &Meta) -> Result<(), ControllerError> {
    let released = match finalizers_to_release(meta) {
        Some(rest) => Some(release(controller, meta, &rest).await?),
        None => None,
    };
    if meta.deleting.is_none() {
        controller
            .ports
            .writer
            .delete::<ChallengeKind>(released.as_ref().unwrap_or(meta))
            .await?;
    }
    Ok(())
}

/// Removes all finalizers but those in `rest`. Returns the metadata after that.
///
/// # Errors
/// The API server's error.
pub(super) async fn release(controller: &Orders, meta: &Meta, rest: &[String]) -> Result<Meta, ControllerError> {
    let patch = json!({ "metadata": { "finalizers": rest } });
    let released = controller.ports.writer.patch::<ChallengeKind>(meta, patch).await?;
    controller.solving.calls.forget(&meta.uid);
    Ok(released.meta.clone())
}
