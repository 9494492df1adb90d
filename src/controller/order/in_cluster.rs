//! Steps at the API server.

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
    /// The Challenge of this name.
    pub(super) fn challenge(&self, key: &ObjectKey) -> Option<&Object<ChallengeKind>> {
        self.challenges.iter().find(|challenge| challenge.meta.key == *key)
    }
}

/// Writes the Order's status, and tells what is news in it.
pub(super) async fn write_status(
    controller: &Orders,
    observed: &Observed,
    status: &OrderStatus,
) -> Result<(), ControllerError> {
    let order = &observed.order;
    match controller.ports.writer.write_status::<OrderKind>(order, status).await {
        Ok(None) => return Ok(()),
        Ok(Some(_)) => {}
        // what the CA says does not fit into an Order (an endless URL, thousands of challenges), and never will
        Err(error) if never_fits(&error) && !status.state.is_some_and(State::is_failure) => {
            cannot_be_stored(controller, order, error.server_message().unwrap_or_default());
            return Ok(());
        }
        Err(error) => return Err(error.into()),
    }
    if status.state == Some(State::Valid) && order.status.state != Some(State::Valid) {
        observed.tell(controller, &Notice::normal("Complete", "Order completed successfully"));
    }
    let news = status
        .reason
        .as_deref()
        .filter(|_| status.reason != order.status.reason);
    if let Some(reason) = news.filter(|reason| reason.contains(NO_SOLVER)) {
        observed.tell(controller, &Notice::warning("Solver", reason));
    }
    Ok(())
}

/// Whether the API server would refuse the same object again, whatever else happens.
fn never_fits(error: &cluster::Error) -> bool {
    error.is_invalid() || error.is_too_large()
}

/// The Order ends, because the API server does not store what the CA says of it.
pub(super) fn cannot_be_stored(controller: &Orders, order: &Object<OrderKind>, why: &str) {
    let sentence = format!("What the CA says of the order cannot be stored: {}", excerpt(why));
    tracing::warn!(order = %order.meta.key, sentence);
    let now = controller.ports.now();
    controller
        .state
        .remember(&order.meta, |memory| memory.could_not_be_written(now, sentence));
}

/// Deletes the Order, so that its request makes another one; remembers that this has happened.
pub(super) async fn start_over(controller: &Orders, observed: &Observed) -> Result<(), ControllerError> {
    let order = &observed.order.meta;
    tracing::info!(order = %order.key, "the CA has forgotten the ACME order, the Order is made anew");
    if let Some(request) = order.controller() {
        controller.signing.reordered.insert(&request.uid);
    }
    controller.ports.writer.delete::<OrderKind>(order).await?;
    controller.state.forget(&order.key);
    Ok(())
}

/// Creates a Challenge (ORD-07, ORD-12).
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
            observed.tell(controller, &Notice::normal("Created", message));
            Ok(())
        }
        Err(error) if error.is_already_exists() => {
            // ours from before a lost answer will be seen in a moment; a stranger's keeps its name
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

/// Writes on a Challenge what is about to be placed outside the cluster.
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

/// Writes a Challenge's status, and tells what is news in it.
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

/// Deletes a Challenge; a finalizer of cert-manager goes first, because what it stands for is done.
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

/// Leaves only the finalizers in `rest`; returns the metadata after that.
pub(super) async fn release(controller: &Orders, meta: &Meta, rest: &[String]) -> Result<Meta, ControllerError> {
    let patch = json!({ "metadata": { "finalizers": rest } });
    let released = controller.ports.writer.patch::<ChallengeKind>(meta, patch).await?;
    controller.solving.calls.forget(&meta.uid);
    Ok(released.meta.clone())
}
