//! The observation of an Order: the index, what is remembered, and the issuer's account.

use std::{collections::BTreeMap, sync::Arc};

use jiff::{SignedDuration, Timestamp};

use super::{
    account::{AcmeSeen, acme_issuer},
    orders::Orders,
};
use crate::{
    acme::Account,
    api::challenge::ChallengeType,
    cluster::store::Link,
    controller::{ControllerError, solving},
    plan::{
        kinds::{ChallengeKind, OrderKind, RequestKind, SigningRequestKind},
        order::{
            ca::{AuthorizationAtCa, AuthorizationState},
            desired::{self, NotOurs},
            facts::{Choice, Gate, IssuerSeen, OrderSeen},
            identifiers::identifiers,
            memory::Memory,
            outside::Call,
            persist,
            slots::Slot,
        },
        seen::{Kind as _, Lean, Object, ObjectKey, Owner, Pairs, RequestSeen},
        signing_request,
    },
    solver::select::{OrderMeta, Wanted, select},
};

/// An Order, and whether certlet acts for it.
pub(super) enum Found {
    /// It does not exist.
    Gone,
    /// certlet does not act for it. With the Challenges that it owns.
    NotOurs(Vec<Arc<Lean<ChallengeKind>>>),
    /// certlet acts for it.
    Order(Box<Observed>),
}

/// The observation that a plan is made from.
pub(super) struct Observed {
    pub(super) order: Object<OrderKind>,
    pub(super) challenges: Vec<Object<ChallengeKind>>,
    pub(super) issuer: IssuerSeen,
    pub(super) acme: Option<AcmeSeen>,
    pub(super) account: Option<Account>,
    pub(super) choices: BTreeMap<String, Choice>,
    pub(super) memory: Memory,
    slots: BTreeMap<String, Slot>,
    calls: BTreeMap<Box<str>, Call>,
    replaced: bool,
    /// The request that it is for.
    request: Option<Arc<RequestSeen>>,
    requested: Timestamp,
    gate: Option<Gate>,
}

impl Observed {
    /// The planner's view of the observation.
    pub(super) fn seen(&self) -> OrderSeen<'_> {
        OrderSeen {
            order: &self.order,
            issuer: &self.issuer,
            challenges: &self.challenges,
            choices: &self.choices,
            memory: &self.memory,
            slots: &self.slots,
            calls: &self.calls,
            replaced: self.replaced,
            requested: self.requested,
            gate: self.gate.as_ref(),
        }
    }
}

impl Observed {
    /// Reports what the requests of the Order show of the CA.
    pub(super) fn report_contact(&self, controller: &Orders) {
        if let Some(request) = &self.request {
            let contact = self.seen().contact(controller.ports.now());
            controller.outages.requested(&controller.ports, request, contact);
        }
    }
}

/// Observes the Order of this name.
///
/// # Errors
/// The API server's error, or [`ControllerError::Failed`] if the account of its issuer cannot be used.
pub(super) async fn observe(controller: &Arc<Orders>, key: &ObjectKey) -> Result<Found, ControllerError> {
    let Some(record) = controller.ports.index.orders.get(key) else {
        return Ok(Found::Gone);
    };
    let order = match record.parse() {
        Ok(order) => order,
        Err(invalid) => {
            tracing::debug!(order = %key, path = invalid.path, "an Order that cannot be read is ignored");
            return Ok(Found::NotOurs(Vec::new()));
        }
    };
    let challenges: Vec<Arc<Lean<ChallengeKind>>> = controller
        .ports
        .index
        .challenges
        .linked(&Link::Owner(order.meta.uid.clone()))
        .into_iter()
        .filter(|challenge| {
            challenge
                .meta
                .controller()
                .is_some_and(|owner| owner.uid == order.meta.uid)
        })
        .collect();
    let issuer = acme_issuer(&controller.ports, &order.spec.issuer_ref, order.meta.namespace());
    let is_final = order.status.state.is_some_and(crate::api::order::State::is_final);
    // a finished Order is only cleaned up, which needs no approved request
    if !is_final && let Err(why) = counts(controller, &order, issuer.as_ref().ok()) {
        tracing::debug!(order = %key, %why, "an Order is ignored");
        return Ok(Found::NotOurs(challenges));
    }
    let readable = challenges.iter().filter_map(|challenge| challenge.parse().ok());
    let challenges: Vec<Object<ChallengeKind>> = readable.collect();
    let request = order.meta.controller();
    let found = request.and_then(|owner| request_of(controller, &order, owner));
    let requested = found
        .as_ref()
        .map_or(order.meta.created, |request| request.meta.created);
    let memory = controller.state.memory(&order.meta);
    let (issuer, acme) = match issuer {
        Ok(acme) => (acme.registered().map(str::to_owned), Some(acme)),
        Err(why) => (Err(why), None),
    };
    let mut observed = Observed {
        slots: controller.state.slots(&order.meta.uid, memory.authorizations.keys()),
        calls: (controller.solving.calls).of(challenges.iter().map(|challenge| &*challenge.meta.uid)),
        issuer: IssuerSeen::NotReady(String::new()),
        acme,
        account: None,
        choices: BTreeMap::new(),
        gate: None,
        replaced: request.is_some_and(|request| controller.signing.reordered.contains(&request.uid)),
        request: found,
        requested,
        order,
        challenges,
        memory,
    };
    match (issuer, &observed.acme) {
        (Err(why), _) => observed.issuer = IssuerSeen::NotReady(why),
        (Ok(_), None) => {}
        (Ok(account), Some(acme)) if is_final => {
            observed.issuer = IssuerSeen::Ready {
                server: acme.acme.server.clone(),
                account,
            }
        }
        (Ok(uri), Some(acme)) => {
            let account = controller.state.accounts.account(&controller.ports, acme, &uri).await?;
            let account = account.for_names(identifiers(&observed.order.spec).len());
            observed.issuer = IssuerSeen::Ready {
                server: acme.acme.server.clone(),
                account: uri.clone(),
            };
            observed.choices = choices(&observed.order, acme, &account, &observed.memory);
            observed.gate = controller.state.gate(&uri, controller.ports.now());
            observed.account = Some(account);
        }
    }
    Ok(Found::Order(Box::new(observed)))
}

/// Checks whether certlet acts for this Order (GHSA-8rvj-mm4h-c258).
///
/// # Errors
/// Why it does not.
pub(super) fn counts(controller: &Orders, order: &Object<OrderKind>, acme: Option<&AcmeSeen>) -> Result<(), NotOurs> {
    let request = order
        .meta
        .controller()
        .and_then(|owner| request_of(controller, order, owner));
    let siblings: Vec<Object<OrderKind>> = match &request {
        Some(request) => controller
            .ports
            .index
            .orders
            .linked(&Link::Owner(request.meta.uid.clone()))
            .into_iter()
            .filter_map(|sibling| sibling.parse().ok())
            .collect(),
        None => Vec::new(),
    };
    let unknown = crate::api::AcmeIssuer::default();
    let acme = acme.map_or(&unknown, |issuer| &issuer.acme);
    desired::counts(order, request.as_deref(), acme, &siblings)
}

/// The request that owns an Order: a CertificateRequest, or the equivalent of Kubernetes' own kind.
fn request_of(controller: &Orders, order: &Object<OrderKind>, owner: &Owner) -> Option<Arc<RequestSeen>> {
    match &*owner.kind {
        RequestKind::KIND => controller
            .ports
            .index
            .requests
            .get(&order.meta.key.sibling(&*owner.name)),
        SigningRequestKind::KIND => {
            let request = controller
                .ports
                .index
                .signing_requests
                .get(&ObjectKey::cluster(&*owner.name))?;
            let unfinished = !request.is_finished();
            let asked = unfinished.then(|| signing_request::equivalent(&request, &controller.ports.settings));
            asked.flatten().map(Arc::new)
        }
        _ => None,
    }
}

/// The method and solver for each pending authorization.
fn choices(
    order: &Object<OrderKind>,
    issuer: &AcmeSeen,
    account: &Account,
    memory: &Memory,
) -> BTreeMap<String, Choice> {
    let (labels, annotations) = (map(&order.meta.labels), map(&order.meta.annotations));
    let meta = OrderMeta {
        namespace: order.meta.namespace(),
        labels: &labels,
        annotations: &annotations,
    };
    let pending = memory
        .authorizations
        .iter()
        .filter(|(_, one)| one.state == AuthorizationState::Pending);
    pending
        .map(|(url, one)| {
            (
                url.clone(),
                choice(issuer, meta, account, one).unwrap_or_else(Choice::None),
            )
        })
        .collect()
}

fn choice(
    issuer: &AcmeSeen,
    order: OrderMeta<'_>,
    account: &Account,
    one: &AuthorizationAtCa,
) -> Result<Choice, String> {
    let offered: Vec<ChallengeType> = one
        .challenges
        .iter()
        .filter_map(|challenge| ChallengeType::of_acme(&challenge.type_))
        .collect();
    let wanted = Wanted {
        identifier: &one.identifier,
        wildcard: one.wildcard,
        offered: &offered,
        persist: one.challenges.iter().any(|challenge| challenge.type_ == persist::TYPE),
    };
    let selected = select(&issuer.acme.solvers, order, wanted).map_err(|none| none.to_string())?;
    let type_ = selected.method.acme_name();
    let challenge = one.challenges.iter().find(|challenge| challenge.type_ == type_);
    let challenge = challenge.ok_or_else(|| format!("the CA does not offer {type_} for {}", one.identifier))?;
    let proof = solving::proof(selected.method, one, challenge, account, &issuer.acme.server)?; // a record that a user has to write does not come by waiting
    let wait = selected
        .solver
        .wait_instead_of_self_check
        .filter(|_| proof.is_written());
    Ok(Choice::Prove {
        url: challenge.url.clone(),
        token: challenge.token.clone(),
        proof,
        solver: Box::new(selected.solver),
        wait: wait.map(|wait| SignedDuration::from_nanos(wait.as_nanoseconds())),
    })
}

fn map(pairs: &Pairs) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}
