//! Creation and deletion of the Order of a request, whose name may be taken.

use jiff::SignedDuration;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;

use super::Signing;
use crate::{
    api::order::State,
    cluster::{self, writer::NewObject},
    controller::ControllerError,
    plan::{
        kinds::OrderKind,
        order::desired::{self, DesiredOrder},
        seen::{Meta, Next, Object, RequestSeen},
    },
};

/// Time for the watch to deliver an Order that exists already.
const WATCH_LAG: SignedDuration = SignedDuration::from_secs(1);

/// Why there is no Order.
pub(crate) enum NotPlaced {
    /// The API server rejected the object with this name.
    Refused(String, cluster::Error),
    /// Another error.
    Failed(ControllerError),
}

impl From<cluster::Error> for NotPlaced {
    fn from(error: cluster::Error) -> Self {
        Self::Failed(error.into())
    }
}

impl Signing {
    /// Creates the Order of `request` with `owner` as its owner. A name that another owner has taken is left alone (ORD-12); `taken`
    /// receives a sentence about it.
    pub(crate) async fn place(
        &self,
        request: &RequestSeen,
        owner: OwnerReference,
        order: DesiredOrder,
        taken: impl Fn(String),
    ) -> Result<Next, NotPlaced> {
        let other = desired::other_name(&order.name, &request.meta);
        let kind = owner.kind.clone();
        let mut new = new_order(request, owner, order);
        // twice each: once more after a left-over of an earlier request was deleted
        for _ in 0..2 * 2 {
            let Err(error) = self.ports.writer.create::<OrderKind>(&new).await else {
                return Ok(Next::OnChange);
            };
            if !error.is_already_exists() {
                return Err(NotPlaced::Refused(new.key.to_string(), error));
            }
            match self.ports.reader.get::<OrderKind>(&new.key).await? {
                None => {}
                Some(found) if found.meta.owned_by(&request.meta.uid) => {
                    let soon = self.ports.now().saturating_add(WATCH_LAG);
                    return Ok(Next::At(soon.unwrap_or_else(|_| self.ports.now())));
                }
                Some(found) if is_leftover(&found.meta, &kind, request) => {
                    self.ports.writer.delete::<OrderKind>(&found.meta).await?;
                }
                Some(found) => {
                    taken(format!(
                        "the name {} is taken by an Order that this request does not own, using {other}",
                        found.meta.key
                    ));
                    new.key = new.key.sibling(other.as_str());
                }
            }
        }
        let message = format!("the name {} for the Order is repeatedly taken", new.key);
        Err(NotPlaced::Failed(ControllerError::Failed(message)))
    }

    /// Deletes one of the Orders of `request`, so that another can be created, and remembers it if the Order was wrong.
    pub(crate) async fn discard(
        &self,
        request: &Meta,
        orders: &[Object<OrderKind>],
        order: &Meta,
    ) -> Result<(), ControllerError> {
        let came_out_wrong =
            |found: &Object<OrderKind>| found.meta.uid == order.uid && found.status.state.is_some_and(State::is_final);
        if orders.iter().any(came_out_wrong) {
            self.reordered.insert(&request.uid);
        }
        self.ports.writer.delete::<OrderKind>(order).await?;
        Ok(())
    }
}

/// Whether the Order belongs to an earlier request of the same name.
fn is_leftover(order: &Meta, kind: &str, request: &RequestSeen) -> bool {
    order
        .controller()
        .is_some_and(|owner| &*owner.kind == kind && &*owner.name == request.meta.name())
}

fn new_order(request: &RequestSeen, owner: OwnerReference, order: DesiredOrder) -> NewObject<OrderKind> {
    let DesiredOrder {
        name,
        labels,
        annotations,
        spec,
    } = order;
    NewObject {
        key: request.meta.key.sibling(name),
        labels,
        annotations,
        owners: vec![owner],
        finalizers: Vec::new(),
        spec,
    }
}
