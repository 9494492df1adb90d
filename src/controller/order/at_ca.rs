//! Steps at the CA. Their results are remembered, failures too, and the next plan is made from them.

use std::{collections::HashSet, sync::Arc};

use futures::{StreamExt, stream};
use jiff::Timestamp;

use super::{in_cluster, observe::Observed, orders::Orders, presenting};
use crate::{
    acme::{self, Account, Answered, order as wire, problem::Kind},
    controller::{ControllerError, FollowUp},
    pki::csr,
    plan::{
        kinds::{ChallengeKind, OrderKind},
        notice::Notice,
        order::{
            ca::{AuthorizationAtCa, AuthorizationState, ChallengeAtCa, OrderAtCa},
            facts::Gate,
            fault::{Doing, Fault},
            outside,
        },
    },
};

/// The errors of a CA's validation without a responder: no connection, or the ingress controller's default page.
const UNANSWERED: [Kind; 3] = [Kind::Connection, Kind::Unauthorized, Kind::IncorrectResponse];
/// The most concurrent requests for one Order.
const AT_ONCE: usize = 8;

/// The requests for one Order.
pub(super) struct Calls<'a> {
    controller: &'a Arc<Orders>,
    observed: &'a Observed,
    account: &'a Account,
}

impl<'a> Calls<'a> {
    /// Requests with the account of the Order's issuer, while this process is the leader.
    ///
    /// # Errors
    /// [`ControllerError::Stale`] if another replica leads, or if the issuer is not ready.
    pub(super) fn new(controller: &'a Arc<Orders>, observed: &'a Observed) -> Result<Self, ControllerError> {
        if !controller.ports.writer.leads() {
            return Err(ControllerError::Stale("another replica leads".to_owned()));
        }
        match &observed.account {
            Some(account) => Ok(Self {
                controller,
                observed,
                account,
            }),
            None => Err(ControllerError::Stale("the issuer is not ready any more".to_owned())),
        }
    }
}

impl Calls<'_> {
    /// Sends newOrder, and remembers the result.
    pub(super) async fn create(&self, request: &wire::NewOrderRequest) {
        match self.account.new_order(request).await {
            Ok(wire::PlacedOrder {
                url,
                order,
                replaces_refused,
                retry_after,
            }) => {
                if let Some(why) = replaces_refused {
                    tracing::info!(order = %self.observed.order.meta.key, why, "ordered without naming the replaced certificate");
                }
                let now = self.controller.ports.now();
                let answered = Answered {
                    value: order,
                    retry_after,
                };
                self.remember(|memory| memory.saw_order(order_at_ca(&url, answered, now)));
            }
            Err(error) => {
                let now = self.controller.ports.now();
                if let acme::Next::Wait(until) = error.next(now)
                    && !concerns_names(&error, request)
                {
                    let gate = Gate {
                        until,
                        sentence: error.to_string(),
                    };
                    self.controller.state.close_gate(self.account.uri(), now, gate);
                }
                self.failed(Doing::CreateOrder, &error);
            }
        }
    }

    /// Reads the order, and remembers the result.
    pub(super) async fn read(&self, url: &str) {
        match self.account.order(url).await {
            Ok(answered) => {
                let order = order_at_ca(url, answered, self.controller.ports.now());
                self.remember(|memory| memory.saw_order(order));
            }
            Err(error) => self.failed(Doing::ReadOrder, &error),
        }
    }

    /// Reads authorizations, and remembers the results.
    pub(super) async fn read_authorizations(&self, urls: Vec<String>) {
        let read = |url: String| async move {
            let answer = self.account.authorization(&url).await;
            (url, answer)
        };
        // each answer is reduced to its record before the next request
        let mut answers = stream::iter(urls).map(read).buffer_unordered(AT_ONCE);
        let mut failure = None;
        while let Some((url, answer)) = answers.next().await {
            match answer {
                Ok(answered) => {
                    let now = self.controller.ports.now();
                    if !self.saw_authorization(&url, authorization_at_ca(answered, now)) {
                        break;
                    }
                }
                Err(error) if error.is_excess() => {
                    failure = Some(error);
                    break;
                }
                Err(error) => failure = Some(error),
            }
        }
        drop(answers);
        if let Some(error) = failure {
            self.failed(Doing::ReadAuthorization, &error);
        }
    }

    /// Remembers an authorization. Returns `false` if the Order's authorizations are too large: then the Order ends.
    fn saw_authorization(&self, url: &str, one: AuthorizationAtCa) -> bool {
        let before = self.observed.memory.authorizations.get(url).map(|before| before.state);
        let verified = before == Some(AuthorizationState::Pending) && one.state == AuthorizationState::Valid;
        if verified && let Some(challenge) = self.observed.challenge_of(url) {
            let type_ = challenge.spec.type_.as_str();
            let message = format!("Domain {:?} verified with {type_:?} validation", one.identifier);
            let notice = Notice::normal("DomainVerified", message);
            self.controller
                .ports
                .events
                .publish::<ChallengeKind>(&challenge.meta, &notice);
        }
        if before == Some(AuthorizationState::Pending) && one.is_not_found() {
            self.record_missed(url);
        }
        let kept = self.remember(|memory| {
            memory.saw_authorization(url, one);
            memory.is_of_bounded_size()
        });
        if !kept {
            let why = "its authorizations are larger than makes sense for the names that were ordered";
            in_cluster::cannot_be_stored(self.controller, &self.observed.order, why);
        }
        kept
    }

    /// The CA did not find a record that was checked before its challenge was accepted: records of that zone get a settle time.
    fn record_missed(&self, url: &str) {
        let Some(challenge) = self.observed.challenge_of(url) else {
            return;
        };
        let record = outside::record(&challenge.meta);
        let missed = record.and_then(|record| self.controller.solving.dns01.missed(record));
        if let Some((zone, time)) = missed {
            let message = format!(
                "The CA did not find a record that all name servers of {zone} had: from now on certlet waits {} s before it \
                 accepts a challenge of that zone",
                time.as_secs()
            );
            let notice = Notice::warning("NotFoundByCA", message);
            self.controller
                .ports
                .events
                .publish::<ChallengeKind>(&challenge.meta, &notice);
        }
    }

    /// Accepts a challenge, and remembers the result.
    pub(super) async fn accept(&self, authorization: String, url: &str) {
        // Listens before the request: the CA may validate before its answer arrives.
        let validation = presenting::validation(self.controller, self.observed, &authorization);
        self.remember(|memory| memory.accepting(&authorization));
        match self.account.accept(url).await {
            Ok(_) => {
                let now = self.controller.ports.now();
                self.remember(|memory| memory.accepted(now, &authorization));
                if let Some(validation) = validation {
                    presenting::follow(self.controller, self.observed, authorization, validation);
                }
            }
            Err(error) => self.failed(Doing::Accept, &error),
        }
    }

    /// Sends the signing request, and remembers the result.
    ///
    /// # Errors
    /// [`ControllerError::Failed`] if the Order's `spec.request` is unreadable.
    pub(super) async fn finalize(&self, url: &str) -> Result<(), ControllerError> {
        let request = csr_der(&self.observed.order.spec.request.0)?;
        match self.account.finalize(url, &request).await {
            Ok(answered) => {
                let now = self.controller.ports.now();
                let Some(order_url) = self.observed.memory.order.as_ref().map(|order| order.url.clone()) else {
                    return Ok(());
                };
                let order = order_at_ca(&order_url, answered, now);
                self.remember(|memory| {
                    memory.finalized = Some(now);
                    memory.reread_helped(Doing::Finalize);
                    memory.saw_order(order);
                });
            }
            Err(error) => self.failed(Doing::Finalize, &error),
        }
        Ok(())
    }

    /// Fetches the certificate chain, and remembers the result.
    pub(super) async fn download(&self, url: &str) {
        let preferred = self
            .observed
            .acme
            .as_ref()
            .and_then(|acme| acme.acme.preferred_chain.as_deref())
            .unwrap_or_default();
        match self.account.certificate(url, preferred).await {
            Ok(issued) => {
                if !issued.preferred_found {
                    let order = &self.observed.order.meta.key;
                    tracing::warn!(%order, preferred, "the CA offers no chain that ends there, its default chain is used");
                }
                let now = self.controller.ports.now();
                self.remember(|memory| memory.downloaded(now, issued.chain.pem.into_bytes()));
            }
            Err(error) => self.failed(Doing::Download, &error),
        }
    }

    fn remember<T>(&self, change: impl FnOnce(&mut crate::plan::order::memory::Memory) -> T) -> T {
        self.controller.state.remember(&self.observed.order.meta, change)
    }

    fn failed(&self, doing: Doing, error: &acme::Error) {
        let now = self.controller.ports.now();
        let fault = Fault::of(doing, error, now);
        tracing::info!(order = %self.observed.order.meta.key, %fault, "a request to the CA failed");
        if let (true, Some(acme)) = (error.says_account_is_unknown(), &self.observed.acme) {
            self.controller
                .ports
                .queues
                .follow_up(FollowUp::AccountUnknown(acme.id.clone()));
        }
        self.remember(|memory| memory.failed(now, &fault));
    }
}

impl Observed {
    /// The Challenge that mirrors this authorization.
    pub(super) fn challenge_of(&self, authorization: &str) -> Option<&crate::plan::seen::Object<ChallengeKind>> {
        self.challenges
            .iter()
            .find(|challenge| challenge.spec.authorization_url == authorization && challenge.meta.deleting.is_none())
    }

    /// Publishes an Event of the Order.
    pub(super) fn publish(&self, controller: &Orders, notice: &Notice) {
        controller.ports.events.publish::<OrderKind>(&self.order.meta, notice);
    }
}

/// The DER of the signing request: the one that was approved (ORD-01).
fn csr_der(request: &[u8]) -> Result<Vec<u8>, ControllerError> {
    csr::only_request(request).map_err(|error| ControllerError::Failed(format!("the Order's spec.request: {error}")))
}

/// Whether a rate limit concerns the ordered names, and not the account. Then it does not delay other Orders.
fn concerns_names(error: &acme::Error, request: &wire::NewOrderRequest) -> bool {
    let Some(problem) = error.problem() else { return false };
    let detail = problem.detail.to_ascii_lowercase();
    let is_named = |identifier: &acme::Identifier| {
        let name = identifier.clone().authorized(false).to_string().to_ascii_lowercase();
        let name = name.strip_prefix("*.").unwrap_or(&name).to_owned();
        let mut parents = std::iter::successors(Some(name.as_str()), |name| {
            name.split_once('.').map(|(_, parent)| parent)
        });
        parents.any(|parent| parent.contains('.') && detail.contains(parent))
    };
    !problem.subproblems.is_empty() || detail.contains("identifier") || request.identifiers.iter().any(is_named)
}

fn order_at_ca(url: &str, answered: Answered<wire::Order>, now: Timestamp) -> OrderAtCa {
    let Answered {
        value: order,
        retry_after,
    } = answered;
    OrderAtCa {
        url: url.to_owned(),
        state: order.status,
        authorizations: each_once(order.authorizations),
        finalize: order.finalize,
        certificate: order.certificate,
        error: order.error.map(|problem| problem.to_string()),
        answered: now,
        retry_at: retry_after.map(|wait| wait.until(now)),
    }
}

fn each_once(urls: Vec<String>) -> Vec<String> {
    let mut seen = HashSet::new();
    urls.into_iter().filter(|url| seen.insert(url.clone())).collect()
}

fn authorization_at_ca(answered: Answered<wire::Authorization>, now: Timestamp) -> AuthorizationAtCa {
    let Answered {
        value: one,
        retry_after,
    } = answered;
    let challenge = |challenge: wire::Challenge| ChallengeAtCa {
        type_: challenge.kind,
        url: challenge.url,
        token: challenge.token,
        processing: challenge.status == wire::ChallengeStatus::Processing,
        unanswered: challenge
            .error
            .as_ref()
            .is_some_and(|problem| UNANSWERED.contains(&problem.kind)),
        error: challenge.error.map(|problem| problem.to_string()),
        persist: challenge.persist,
    };
    let left_pending = one.status == AuthorizationState::Pending
        && one
            .challenges
            .iter()
            .any(|one| one.status == wire::ChallengeStatus::Invalid);
    AuthorizationAtCa {
        state: if left_pending {
            AuthorizationState::Invalid
        } else {
            one.status
        },
        left_pending,
        identifier: one.identifier.authorized(false).to_string(),
        wildcard: one.wildcard,
        challenges: one.challenges.into_iter().map(challenge).collect(),
        answered: now,
        retry_at: retry_after.map(|wait| wait.until(now)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pending_authorization_with_a_failed_challenge_is_lost_and_one_that_is_tried_again_is_not() {
        let seen = |status| {
            let challenge = wire::Challenge {
                kind: "http-01".into(),
                url: "https://ca.example/challenge/1".into(),
                token: "token".into(),
                status,
                error: None,
                persist: None,
            };
            let authorization = wire::Authorization {
                status: AuthorizationState::Pending,
                identifier: acme::Identifier::Dns("a.example".into()),
                wildcard: false,
                challenges: vec![challenge],
                expires: None,
            };
            let answered = Answered {
                value: authorization,
                retry_after: None,
            };
            authorization_at_ca(answered, Timestamp::UNIX_EPOCH).state
        };
        assert_eq!(seen(wire::ChallengeStatus::Invalid), AuthorizationState::Invalid);
        for status in [wire::ChallengeStatus::Pending, wire::ChallengeStatus::Processing] {
            assert_eq!(seen(status), AuthorizationState::Pending);
        }
    }
}
