//! Statuses of Orders, and their reasons (ORD-03..05).

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{
    ca::{AuthorizationAtCa, OrderAtCa, OrderState},
    facts::Gate,
    fault::Verdict,
    memory::Trouble,
};
use crate::api::{
    ByteString,
    condition::whole_second,
    order::{Authorization, OfferedChallenge, OrderStatus, State},
};

/// The prefix of the reason without a usable solver (ORD-06, AOR-13).
pub const NO_SOLVER: &str = "Failed to determine a valid solver configuration for the set of domains on the Order: ";
/// The most names that a reason lists.
const MOST_NAMES: usize = 3;

/// The status for an existing ACME order, with `reason`.
pub fn open(
    written: &OrderStatus,
    order: &OrderAtCa,
    authorizations: &BTreeMap<String, AuthorizationAtCa>,
    reason: Option<String>,
) -> OrderStatus {
    // a written list stays, with its order: it is write-once (VAL-36), and CAs change the order
    let known = |url: &str| authorizations.get(url).map(|one| mirrored(url, one));
    let kept = written.authorizations.iter().map(|before| match known(&before.url) {
        Some(now) if before.challenges.is_empty() => now,
        Some(_) | None => before.clone(),
    });
    let fresh = order.authorizations.iter().map(|url| {
        known(url).unwrap_or_else(|| Authorization {
            url: url.clone(),
            ..Authorization::default()
        })
    });
    OrderStatus {
        authorizations: if written.authorizations.is_empty() {
            fresh.collect()
        } else {
            kept.collect()
        },
        certificate: None,
        failure_time: None,
        finalize_url: written.finalize_url.clone().or_else(|| Some(order.finalize.clone())),
        reason,
        // the state between pending and valid is not written: it would have no reader
        state: written.state.or_else(|| Some(order.mirrored_state())),
        url: Some(order.url.clone()),
    }
}

fn mirrored(url: &str, authorization: &AuthorizationAtCa) -> Authorization {
    let challenges = authorization.challenges.iter().map(|challenge| OfferedChallenge {
        token: challenge.token.clone(),
        type_: challenge.type_.clone(),
        url: challenge.url.clone(),
    });
    Authorization {
        challenges: challenges.collect(),
        identifier: Some(authorization.identifier.clone()),
        initial_state: Some(authorization.mirrored_state()),
        url: url.to_owned(),
        wildcard: Some(authorization.wildcard),
    }
}

/// The status for an issued certificate. A reason stays: it is a note about how a name was proved.
pub fn valid(open: OrderStatus, chain: &[u8]) -> OrderStatus {
    OrderStatus {
        certificate: Some(ByteString(chain.to_vec())),
        state: Some(State::Valid),
        ..open
    }
}

/// The final status in `state`, with `reason`.
pub fn failed(written: &OrderStatus, state: State, reason: &str, now: Timestamp) -> OrderStatus {
    OrderStatus {
        state: Some(state),
        reason: Some(reason.to_owned()),
        failure_time: Some(whole_second(now)),
        ..written.clone()
    }
}

/// The reason during retries of a failed request. `None` after the first failure.
pub fn trouble(trouble: &Trouble, failures: u32) -> Option<String> {
    match trouble.verdict {
        Verdict::Wait(until) => Some(format!(
            "{}; it is tried again at {}, as the CA asks",
            trouble.sentence,
            whole_second(until).0
        )),
        Verdict::Retry | Verdict::Reread if failures < 2 => None,
        Verdict::Retry | Verdict::Reread | Verdict::Gone | Verdict::Final(_) => {
            Some(format!("{}; it is tried again", trouble.sentence))
        }
    }
}

/// The reason while a rate limit of the account delays new orders.
pub fn gated(gate: &Gate) -> String {
    format!(
        "Waiting until {} before the CA is asked for another order: {}",
        whole_second(gate.until).0,
        gate.sentence
    )
}

/// The time in a reason of [`gated`] or [`trouble`] that the CA asked to wait for.
pub fn waits_until(reason: &str) -> Option<Timestamp> {
    let gated = reason
        .strip_prefix("Waiting until ")
        .and_then(|rest| rest.split_once(' '));
    let asked = reason
        .strip_suffix(", as the CA asks")
        .and_then(|rest| rest.rsplit_once("; it is tried again at "));
    let time = gated.map(|(time, _)| time).or_else(|| asked.map(|(_, time)| time))?;
    time.parse().ok()
}

/// The reason for an order that belongs to another server.
pub fn foreign(url: &str, server: &str) -> String {
    format!("The ACME order {url} belongs to another server than the issuer's, {server}; it cannot be continued there")
}

/// The reason if the CA asks for a proof of a name that was not ordered.
pub fn not_ordered(identifier: &str) -> String {
    format!("The CA asks for a proof of {identifier:?}, which was not ordered; no proof is presented for it")
}

/// The reason if the CA asks for more proofs than the names explain.
pub fn too_many_proofs(proofs: usize, names: usize) -> String {
    format!("The CA asks for {proofs} proofs where {names} names were ordered; none is presented")
}

/// The reason of an invalid order: the CA's error for each name, or for the order.
pub fn invalid(order: &OrderAtCa, authorizations: &BTreeMap<String, AuthorizationAtCa>) -> String {
    let lost = order
        .authorizations
        .iter()
        .filter_map(|url| authorizations.get(url))
        .filter(|one| one.is_lost());
    let causes: Vec<String> = lost
        .map(|one| match one.error() {
            Some(error) => format!("{}: {error}", one.identifier),
            None => format!("{}: its authorization is {}", one.identifier, one.mirrored_state()),
        })
        .collect();
    let mut sentence = match (causes.get(..MOST_NAMES).unwrap_or(&causes), &order.error) {
        ([], Some(error)) => format!("The CA declared the order invalid: {error}"),
        ([], None) => "The CA declared the order invalid without saying why".to_owned(),
        (some, _) if order.state == OrderState::Invalid => {
            format!("The CA declared the order invalid: {}", some.join("; "))
        }
        (some, _) => format!("The CA's validation failed: {}", some.join("; ")),
    };
    if causes.len() > MOST_NAMES {
        sentence = format!("{sentence}; and {} more names", causes.len() - MOST_NAMES);
    }
    sentence
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authorizations_stay_where_they_are_written_however_the_ca_lists_them() {
        let listed = |urls: [&str; 3]| OrderAtCa {
            url: "https://ca/order/1".to_owned(),
            state: OrderState::Pending,
            authorizations: urls.map(str::to_owned).to_vec(),
            finalize: "https://ca/finalize/1".to_owned(),
            certificate: None,
            error: None,
            answered: Timestamp::UNIX_EPOCH,
            retry_at: None,
        };
        let first = open(
            &OrderStatus::default(),
            &listed(["b", "a", "c"]),
            &BTreeMap::new(),
            None,
        );
        let again = open(&first, &listed(["c", "b", "a"]), &BTreeMap::new(), None);
        assert_eq!(again, first);
        let urls: Vec<&str> = again.authorizations.iter().map(|one| one.url.as_str()).collect();
        assert_eq!(urls, ["b", "a", "c"]);
    }
}
