//! The model's CA: orders, authorizations, and what is answered about them.

use super::{
    super::{
        ca::{AuthorizationAtCa, AuthorizationState, ChallengeAtCa, OrderAtCa, OrderState},
        fault::{Doing, Fault},
    },
    model::World,
    model_weather::Weather,
};
use crate::acme::Next;

pub(super) struct CaOrder {
    pub(super) names: Vec<String>,
    pub(super) finalized: Option<u32>,
    pub(super) forgotten: bool,
}

pub(super) struct CaAuthorization {
    pub(super) name: String,
    pub(super) accepted: Option<u32>,
    /// Validations that failed and left the challenge pending.
    pub(super) failed: u32,
    pub(super) proved: bool,
    pub(super) unanswered: bool,
}

impl World {
    /// The CA validates every accepted challenge that it has not decided; no responder is running.
    pub(super) fn validate_unanswered(&mut self) {
        let polls = self.weather.validation_looks;
        let undecided = |one: &&mut CaAuthorization| !one.proved && one.accepted.is_some_and(|seen| seen < polls);
        for one in self.authorizations.values_mut().filter(undecided) {
            one.unanswered = true;
        }
    }

    pub(super) fn make_order(&mut self, names: Vec<String>) -> OrderAtCa {
        let number = self.orders.len();
        for name in names.iter().cloned() {
            let proved = self.weather.proved.contains(&name);
            let url = format!("https://ca.example/authz/{number}/{name}");
            self.authorizations.insert(
                url,
                CaAuthorization {
                    name,
                    accepted: None,
                    failed: 0,
                    proved,
                    unanswered: false,
                },
            );
        }
        self.orders.push(CaOrder {
            names,
            finalized: None,
            forgotten: false,
        });
        self.read_order(&format!("https://ca.example/order/{number}"))
    }

    pub(super) fn known(&mut self, url: &str) -> Result<OrderAtCa, Fault> {
        let number = number_of(url);
        let written = self.order.status.url.as_deref() == Some(url);
        if self.orders[number].forgotten || (self.weather.forgets == Some(number) && written) {
            return Err(unknown());
        }
        Ok(self.read_order(url))
    }

    pub(super) fn read_order(&mut self, url: &str) -> OrderAtCa {
        let number = number_of(url);
        let mut urls: Vec<String> = self.orders[number]
            .names
            .iter()
            .map(|name| format!("https://ca.example/authz/{number}/{name}"))
            .collect();
        // no CA promises an order of its lists
        self.reads += 1;
        if self.reads.is_multiple_of(2) {
            urls.reverse();
        }
        let states: Vec<_> = urls.iter().map(|url| self.state_of(url)).collect();
        let polls = self.weather.issuing_looks;
        let finalized = self.orders[number].finalized.as_mut();
        let lost = states.contains(&AuthorizationState::Invalid);
        let state = if lost && !self.weather.never_says_invalid {
            OrderState::Invalid
        } else if lost || states.contains(&AuthorizationState::Pending) {
            OrderState::Pending
        } else if let Some(seen) = finalized {
            *seen += 1;
            if *seen > polls {
                OrderState::Valid
            } else {
                OrderState::Processing
            }
        } else {
            OrderState::Ready
        };
        OrderAtCa {
            url: url.to_owned(),
            state,
            authorizations: urls,
            finalize: format!("{url}/finalize"),
            certificate: (state == OrderState::Valid).then(|| format!("{url}/certificate")),
            error: None,
            answered: self.now,
            retry_at: None,
        }
    }

    pub(super) fn state_of(&self, url: &str) -> AuthorizationState {
        let one = &self.authorizations[url];
        let looked_at = one.accepted.is_some_and(|polls| polls >= self.weather.validation_looks);
        let decided = looked_at && one.failed >= self.weather.validations_failing;
        match (one.proved, decided) {
            (false, _) if one.unanswered => AuthorizationState::Invalid,
            (false, true) if self.weather.refused.contains(&one.name) => AuthorizationState::Invalid,
            (true, _) | (false, true) => AuthorizationState::Valid,
            (false, false) => AuthorizationState::Pending,
        }
    }

    pub(super) fn read_authorization(&mut self, url: &str) -> Result<AuthorizationAtCa, Fault> {
        let Weather {
            validation_looks,
            validations_failing,
            ..
        } = self.weather;
        let one = self.authorizations.get_mut(url).ok_or_else(unknown)?;
        if let Some(polls) = &mut one.accepted {
            *polls += 1;
        }
        if !one.unanswered
            && one.failed < validations_failing
            && one.accepted.is_some_and(|polls| polls >= validation_looks)
        {
            one.failed += 1;
            one.accepted = None;
        }
        let failed = one.failed > 0;
        let name = one.name.clone();
        let accepted = one.accepted.is_some();
        let state = self.state_of(url);
        let lost = state == AuthorizationState::Invalid;
        Ok(AuthorizationAtCa {
            state,
            left_pending: false,
            identifier: name.clone(),
            wildcard: false,
            challenges: vec![ChallengeAtCa {
                type_: "http-01".into(),
                url: format!("https://ca.example/challenge/{name}"),
                token: format!("token-{name}"),
                processing: accepted && state == AuthorizationState::Pending,
                unanswered: lost,
                persist: None,
                error: (lost || failed).then(|| format!("the CA could not connect to {name}")),
            }],
            answered: self.now,
            retry_at: None,
        })
    }
}

pub(super) fn unknown() -> Fault {
    Fault {
        doing: Doing::ReadOrder,
        sentence: "the CA does not know it".into(),
        next: Next::NewOrder,
        excess: false,
        unknown: true,
        explained: true,
        outage: None,
    }
}

pub(super) fn number_of(url: &str) -> usize {
    url.rsplit('/')
        .next()
        .and_then(|number| number.parse().ok())
        .expect("an order's URL")
}
