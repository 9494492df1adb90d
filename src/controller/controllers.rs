//! All controllers of a process: construction, start, and reset at the end of a term.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use jiff::Timestamp;

use super::{
    ControllerError, Ports, ari::RenewalPolls, certificate::Certificates, ingress::Ingresses, issuer::Issuers,
    order::Orders, renewals::Renewals, request::Requests, rotations::Rotations, signing::Signing,
    signing_request::SigningRequests, solving::Solving,
};
use crate::{
    plan::seen::Next,
    work::{Key, Queue, Terms},
};

/// Minimum number of workers for Orders, which wait for CAs and not for the CPU.
const ORDERS_AT_ONCE: usize = 128;
/// Minimum number of workers for other controllers that call CAs.
const OTHERS_AT_ONCE: usize = 32;

/// All controllers, their shared state, and the state of the process.
pub struct Controllers {
    /// Their external dependencies.
    pub ports: Ports,
    /// Certificates.
    pub certificates: Arc<Certificates>,
    /// CertificateRequests.
    pub requests: Arc<Requests>,
    /// Kubernetes' CertificateSigningRequests.
    pub signing_requests: Arc<SigningRequests>,
    /// Orders, with their Challenges.
    pub orders: Arc<Orders>,
    /// Issuers and ClusterIssuers.
    pub issuers: Arc<Issuers>,
    /// Ingresses.
    pub ingresses: Arc<Ingresses>,
    /// Polls of renewal information.
    pub renewal_polls: Arc<RenewalPolls>,
    /// Signers, for requests and for Certificates that are issued in one pass.
    pub signing: Arc<Signing>,
    /// Rotations of CAs: written by Issuers, read by Certificates.
    pub rotations: Arc<Rotations>,
    /// Renewal information: written by polls, read by Certificates.
    pub renewals: Arc<Renewals>,
    /// Whether all Certificates have been reconciled in this term.
    pub terms: Terms,
    /// Whether this process is shutting down and only answers challenges in flight.
    pub ending: AtomicBool,
}

impl Controllers {
    /// Controllers without state. They do nothing before [`Controllers::start`].
    pub fn new(ports: Ports, solving: Solving) -> Self {
        let signing = Arc::new(Signing::new(ports.clone()));
        let (rotations, renewals) = (Arc::<Rotations>::default(), Arc::<Renewals>::default());
        Self {
            certificates: Arc::new(Certificates::new(
                ports.clone(),
                Arc::clone(&signing),
                Arc::clone(&renewals),
                Arc::clone(&rotations),
            )),
            requests: Arc::new(Requests::new(ports.clone(), Arc::clone(&signing))),
            signing_requests: Arc::new(SigningRequests::new(ports.clone(), Arc::clone(&signing))),
            orders: Arc::new(Orders::new(ports.clone(), solving, Arc::clone(&signing))),
            issuers: Arc::new(Issuers::new(
                ports.clone(),
                Arc::clone(&signing),
                Arc::clone(&rotations),
            )),
            ingresses: Arc::new(Ingresses::new(ports.clone())),
            renewal_polls: Arc::new(RenewalPolls::new(ports.clone(), Arc::clone(&renewals))),
            signing,
            rotations,
            renewals,
            terms: Terms::default(),
            ending: AtomicBool::new(false),
            ports,
        }
    }

    /// Whether this process is shutting down.
    pub fn is_ending(&self) -> bool {
        self.ending.load(Ordering::Acquire)
    }

    /// Whether all Certificates have been reconciled in this term.
    pub fn is_reconciled(&self) -> bool {
        self.terms.is_reconciled()
    }

    /// Clears the state of all controllers, when a term ends or begins.
    pub fn forget(&self) {
        // no `..`: a new field must be cleared, or listed as one that outlives a term
        let Self {
            ports: _,
            terms: _,
            ending: _,
            // their state is in `rotations` and `renewals`
            issuers: _,
            renewal_polls: _,
            certificates,
            requests,
            signing_requests,
            orders,
            ingresses,
            signing,
            rotations,
            renewals,
        } = self;
        certificates.clear();
        requests.clear();
        signing_requests.clear();
        orders.clear();
        ingresses.clear();
        signing.clear();
        rotations.clear();
        renewals.clear();
    }

    /// Starts every controller, each with this many workers. They wait until their queues are resumed.
    pub fn start(&self, workers: usize, now: fn() -> Timestamp) {
        let queues = &self.ports.queues;
        let (asking, ordering) = (workers.max(OTHERS_AT_ONCE), workers.max(ORDERS_AT_ONCE));
        // at least two: one may wait for a slow server
        let signing = workers.max(2);
        work(
            &self.certificates,
            &queues.certificates,
            workers,
            now,
            Certificates::reconcile,
        );
        work(&self.ingresses, &queues.ingresses, workers, now, Ingresses::reconcile);
        work(&self.issuers, &queues.issuers, asking, now, Issuers::reconcile);
        work(
            &self.renewal_polls,
            &queues.renewals,
            asking,
            now,
            RenewalPolls::reconcile,
        );
        work(&self.requests, &queues.requests, signing, now, Requests::reconcile);
        work(&self.orders, &queues.orders, ordering, now, Orders::reconcile);
        work(
            &self.signing_requests,
            &queues.signing_requests,
            signing,
            now,
            SigningRequests::reconcile,
        );
        tokio::spawn(Arc::clone(&self.signing).drop_idle_keys());
    }
}

/// Starts `workers` of `controller`, which reconcile the keys of `queue`.
fn work<C, K, F, Fut>(controller: &Arc<C>, queue: &Arc<Queue<K>>, workers: usize, now: fn() -> Timestamp, reconcile: F)
where
    C: Send + Sync + 'static,
    K: Key,
    F: Fn(Arc<C>, K) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Result<Next, ControllerError>> + Send + 'static,
{
    let controller = Arc::clone(controller);
    tokio::spawn(Arc::clone(queue).run(workers, now, move |key| {
        let work = reconcile(Arc::clone(&controller), key);
        async move { work.await.map(Next::time) }
    }));
}
