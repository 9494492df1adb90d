//! What every replica answers: the challenges of all Orders in flight, computed from what it watches.
//!
//! Called on every change of an Order, of its request and of its issuer, whether this replica leads or not. What is
//! answered is `token.thumbprint` of the account of the Order's issuer; no object's word is taken for it.

use std::sync::Arc;

use super::{
    account::{AcmeSeen, acme_issuer},
    observe::counts,
};
use crate::{
    acme::{AccountKey, url::origin},
    controller::Context,
    plan::{
        kinds::OrderKind,
        order::{identifiers::may_be_asked_for, stage::OrderStage},
        seen::{Lean, Object, ObjectKey},
        settings::controller,
    },
    solver::{
        host::Host,
        responder::Answer,
        token::{KeyAuthorization, Token},
    },
};

/// An Order came, changed or went: answers for it, or does not any more. Returns at once; where the account key has to
/// be read first, the answers come a moment later.
pub fn changed(context: &Arc<Context>, old: Option<&Lean<OrderKind>>, new: Option<&Lean<OrderKind>>) {
    if let Some(old) = old.filter(|old| new.is_none_or(|new| new.meta.uid != old.meta.uid)) {
        withdraw(context, &old.meta.uid);
    }
    let ours = context.settings.controllers.enabled(controller::ORDERS);
    let Some(new) = new.filter(|_| ours) else { return };
    match in_flight(context, new) {
        None => withdraw(context, &new.meta.uid),
        Some((order, acme)) => match context.orders.accounts.known_key(&acme) {
            Some(key) => answer(context, &order, &key),
            None => drop(tokio::spawn(read_and_answer(Arc::clone(context), order, acme))),
        },
    }
}

/// Something that the Order depends on changed.
pub fn look_again(context: &Arc<Context>, key: &ObjectKey) {
    if let Some(order) = context.index.orders.get(key) {
        changed(context, None, Some(&order));
    }
}

/// Nothing is answered for this Order any more.
pub(super) fn withdraw(context: &Context, uid: &str) {
    // taking back always fits
    context.responder.replace_all_for(uid, Vec::new()).unwrap_or_default();
}

/// Answers for the Order with this key.
pub(super) fn answer(context: &Context, order: &Object<OrderKind>, key: &AccountKey) {
    if let Err(full) = context.responder.replace_all_for(&order.meta.uid, answers(order, key)) {
        tracing::warn!(order = %order.meta.key, %full, "not everything is answered");
    }
}

async fn read_and_answer(context: Arc<Context>, order: Object<OrderKind>, acme: AcmeSeen) {
    let key = match context.orders.accounts.key(&context, &acme).await {
        Ok(key) => key,
        Err(error) => {
            tracing::warn!(order = %order.meta.key, %error, "its challenges cannot be answered");
            return;
        }
    };
    // the Order may have gone on while the key was read
    if let Some(now) = context.index.orders.get(&order.meta.key)
        && let Some((order, _)) = in_flight(&context, &now)
    {
        answer(&context, &order, &key);
    }
}

/// The Order and its issuer, if it is one that certlet acts for and that is not finished.
fn in_flight(context: &Context, order: &Lean<OrderKind>) -> Option<(Object<OrderKind>, AcmeSeen)> {
    let status = order.status();
    if order.meta.deleting.is_some()
        || status.url.is_none()
        || status.state.is_some_and(crate::api::order::State::is_final)
    {
        return None;
    }
    let order = order.parse().ok()?;
    let acme = acme_issuer(context, &order.spec.issuer_ref, order.meta.namespace()).ok()?;
    let account = acme
        .status
        .acme
        .as_ref()
        .and_then(|acme| acme.uri.as_deref())
        .unwrap_or_default();
    let stage = OrderStage::parse(&order.status, &acme.acme.server, account);
    let open = matches!(stage, OrderStage::Open(_));
    (open && counts(context, &order, Some(&acme)).is_ok()).then_some((order, acme))
}

/// The answer for every HTTP-01 challenge that the Order's status lists, for names that are ordered.
fn answers(order: &Object<OrderKind>, key: &AccountKey) -> Vec<Answer> {
    let of_order = order.status.url.as_deref().and_then(origin);
    let own = order
        .status
        .authorizations
        .iter()
        .filter(|one| origin(&one.url) == of_order);
    own.filter_map(|one| {
        let identifier = one
            .identifier
            .as_deref()
            .filter(|identifier| may_be_asked_for(&order.spec, identifier))?;
        let challenge = one.challenges.iter().find(|challenge| challenge.type_ == "http-01")?;
        Some(Answer {
            host: Host::parse(identifier)?,
            key_authorization: KeyAuthorization::new(Token::parse(&challenge.token).ok()?, key.thumbprint()),
        })
    })
    .collect()
}
