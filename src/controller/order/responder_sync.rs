//! The answers of this replica's responder: the challenges of all Orders in flight, computed from the index.
//!
//! Called on every change of an Order, of its request and of its issuer, on the leader and on standbys. An answer is
//! `token.thumbprint` of the account of the Order's issuer. It is never read from an object.

use std::sync::Arc;

use super::{
    account::{AcmeSeen, acme_issuer},
    observe::counts,
    orders::Orders,
};
use crate::{
    acme::AccountKey,
    controller::solving::http01::answers,
    plan::{
        kinds::OrderKind,
        order::stage::OrderStage,
        seen::{Lean, Object, ObjectKey},
        settings::controller,
    },
};

/// Updates the answers after an Order was added, changed or deleted. Returns at once. If the account key has to be read
/// first, a task updates the answers later.
pub(crate) fn changed(controller: &Arc<Orders>, old: Option<&Lean<OrderKind>>, new: Option<&Lean<OrderKind>>) {
    if let Some(old) = old.filter(|old| new.is_none_or(|new| new.meta.uid != old.meta.uid)) {
        withdraw(controller, &old.meta.uid);
    }
    let ours = controller.ports.settings.controllers.enabled(controller::ORDERS);
    let Some(new) = new.filter(|_| ours) else { return };
    match in_flight(controller, new) {
        None => withdraw(controller, &new.meta.uid),
        Some((order, acme)) => match controller.state.accounts.known_key(&acme) {
            Some(key) => answer(controller, &order, &key),
            None => drop(tokio::spawn(read_and_answer(Arc::clone(controller), order, acme))),
        },
    }
}

/// Updates the answers after a change of something that the Order depends on.
pub(crate) fn resync(controller: &Arc<Orders>, key: &ObjectKey) {
    if let Some(order) = controller.ports.index.orders.get(key) {
        changed(controller, None, Some(&order));
    }
}

/// Removes the answers for this Order.
pub(super) fn withdraw(controller: &Orders, uid: &str) {
    // a removal always fits
    controller
        .ports
        .responder
        .replace_all_for(uid, Vec::new())
        .unwrap_or_default();
}

/// Sets the answers for the Order, computed with this key.
pub(super) fn answer(controller: &Orders, order: &Object<OrderKind>, key: &AccountKey) {
    if let Err(full) = controller
        .ports
        .responder
        .replace_all_for(&order.meta.uid, answers(order, key))
    {
        tracing::warn!(order = %order.meta.key, %full, "not all challenges are answered");
    }
}

async fn read_and_answer(controller: Arc<Orders>, order: Object<OrderKind>, acme: AcmeSeen) {
    let key = match controller.state.accounts.key(&controller.ports, &acme).await {
        Ok(key) => key,
        Err(error) => {
            tracing::warn!(order = %order.meta.key, %error, "its challenges cannot be answered");
            return;
        }
    };
    // the Order may have changed while the key was read
    if let Some(now) = controller.ports.index.orders.get(&order.meta.key)
        && let Some((order, _)) = in_flight(&controller, &now)
    {
        answer(&controller, &order, &key);
    }
}

/// The Order and its issuer, if certlet acts for the Order and it is not finished.
fn in_flight(controller: &Orders, order: &Lean<OrderKind>) -> Option<(Object<OrderKind>, AcmeSeen)> {
    let status = order.status();
    if order.meta.deleting.is_some()
        || status.url.is_none()
        || status.state.is_some_and(crate::api::order::State::is_final)
    {
        return None;
    }
    let order = order.parse().ok()?;
    let acme = acme_issuer(&controller.ports, &order.spec.issuer_ref, order.meta.namespace()).ok()?;
    let account = acme
        .status
        .acme
        .as_ref()
        .and_then(|acme| acme.uri.as_deref())
        .unwrap_or_default();
    let stage = OrderStage::parse(&order.status, &acme.acme.server, account);
    let open = matches!(stage, OrderStage::Open(_));
    (open && counts(controller, &order, Some(&acme)).is_ok()).then_some((order, acme))
}
