//! Texts for Orders and their Challenges.

use super::{Action, status::status_written};
use crate::{
    api::names::CHALLENGE_FINALIZER,
    plan::{
        kinds::OrderKind,
        order::{OrderStep, Plan},
        seen::Object,
    },
};

/// The action for a Challenge that is being deleted.
pub(in crate::cli::plan) fn released() -> Action {
    (
        format!("remove the finalizer {CHALLENGE_FINALIZER}"),
        "it is being deleted, and nothing is presented for it".to_owned(),
    )
}

/// The actions for an Order. Answers of the CA are not known here, so only the next steps can be planned.
pub(in crate::cli::plan) fn order(order: &Object<OrderKind>, plan: &Plan) -> Vec<Action> {
    let because = || match (&order.status.state, &order.meta.deleting) {
        (_, Some(_)) => "the Order is being deleted".to_owned(),
        (Some(state), None) if state.is_final() => format!("the Order is {state}: its challenges are finished"),
        (Some(state), None) => format!("the Order is {state}"),
        (None, None) => "nothing has been ordered yet".to_owned(),
    };
    let steps = plan.steps.iter();
    steps.map(|step| order_step(order, step, because())).collect()
}

fn order_step(order: &Object<OrderKind>, step: &OrderStep, because: String) -> Action {
    let would = match step {
        OrderStep::CreateOrder(_) => {
            let names = order.spec.dns_names.iter().chain(&order.spec.ip_addresses);
            let names: Vec<&str> = names.map(String::as_str).collect();
            format!(
                "create an order for {} at the CA, and continue with its answer",
                names.join(", ")
            )
        }
        OrderStep::ReadOrder { url } => format!("read the order {url} from the CA, and continue with its answer"),
        OrderStep::ReadAuthorizations(urls) => format!("read {} authorizations from the CA", urls.len()),
        OrderStep::WriteStatus(status) => {
            return status_written(&order.status, &**status)
                .unwrap_or_else(|| ("write its status".to_owned(), because));
        }
        OrderStep::StartOver => "delete it, so that a new order is created".to_owned(),
        OrderStep::CreateChallenge { name, .. } => format!("create Challenge {name}"),
        OrderStep::Claim(_) | OrderStep::Present { .. } => "present its challenges".to_owned(),
        OrderStep::GuardChallenge { key, record, .. } => {
            format!("record in Challenge {} that {record} is about to be created", key.name)
        }
        OrderStep::WriteChallenge { key, .. } => format!("write the status of Challenge {}", key.name),
        OrderStep::Locate { .. } => "look up the zones of its TXT records".to_owned(),
        OrderStep::Probe { .. } => "run the self-check of its challenges".to_owned(),
        OrderStep::Accept { .. } => "accept its challenges at the CA".to_owned(),
        OrderStep::Finalize { .. } => "finalize the order".to_owned(),
        OrderStep::Download { .. } => "download the certificate".to_owned(),
        OrderStep::Withdraw(_) => "withdraw its challenges".to_owned(),
        OrderStep::DeleteChallenge { key } => format!("delete Challenge {}", key.name),
        OrderStep::ReleaseChallenge { key, .. } => format!("remove the finalizer of Challenge {}", key.name),
    };
    (would, because)
}
