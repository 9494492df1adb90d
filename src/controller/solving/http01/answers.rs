//! The responder's answers for an Order.

use crate::{
    acme::{AccountKey, url::origin},
    api::challenge::ChallengeType,
    plan::{kinds::OrderKind, order::identifiers::may_be_asked_for, seen::Object},
    solver::{
        host::Host,
        responder::Answer,
        token::{KeyAuthorization, Token},
    },
};

/// One answer for every HTTP-01 challenge in the Order's status, for ordered names.
pub(crate) fn answers(order: &Object<OrderKind>, key: &AccountKey) -> Vec<Answer> {
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
        let type_ = ChallengeType::Http01.acme_name();
        let challenge = one.challenges.iter().find(|challenge| challenge.type_ == type_)?;
        Some(Answer {
            host: Host::parse(identifier)?,
            key_authorization: KeyAuthorization::new(Token::parse(&challenge.token).ok()?, key.thumbprint()),
        })
    })
    .collect()
}
