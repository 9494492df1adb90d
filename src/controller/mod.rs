//! Controllers, one file or folder per kind: what a reconcile reads, in which order its steps run, and what it writes.
//!
//! [`each_controller`] is the table of them. From it come the queues, the [`Controllers`], their start, and the reset at the end of
//! a term.

/// The table. Hands its entries to the macro `$to`.
///
/// An entry: `name of field and queue: type { its queue, how many workers it has of those configured, which keys it begins a term
/// with }`. The controllers begin a term in this order. Each has `new(&Services)`, `reconcile(Arc<Self>, key)` and `clear(&self)`.
///
/// The macro stands before the modules and is not imported: the queues are made from it, and controllers use the queues.
macro_rules! each_controller {
    ($to:ident) => {
        $to! {
            /// Issuers and ClusterIssuers.
            issuers: Issuers {
                queue: Queue<IssuerId> = Queue::split("issuers", IssuerId::is_cluster),
                workers: |configured| configured.max(OTHERS_AT_ONCE),
                all: cluster::issuers::all,
            }
            /// Ingresses.
            ingresses: Ingresses {
                queue: Queue<ObjectKey> = Queue::new("ingress-shim"),
                workers: |configured| configured,
                all: |index| index.ingresses.keys(),
            }
            /// Gateways (CTL-04).
            gateways: Gateways {
                queue: Queue<ObjectKey> = Queue::new("gateway-shim"),
                workers: |configured| configured,
                all: |index| index.gateways.keys(),
            }
            /// ListenerSets (CTL-05).
            listener_sets: ListenerSets {
                queue: Queue<ObjectKey> = Queue::new("listenerset"),
                workers: |configured| configured,
                all: |index| index.listener_sets.keys(),
            }
            /// Certificates.
            certificates: Certificates {
                queue: Queue<ObjectKey> = Queue::new("certificates"),
                workers: |configured| configured,
                all: |index| index.certificates.keys(),
            }
            /// Polls of the renewal information of Certificates.
            renewal_polls: RenewalPolls {
                queue: Queue<ObjectKey> = Queue::new("renewal-information"),
                workers: |configured| configured.max(OTHERS_AT_ONCE),
                all: |index| index.certificates.keys(),
            }
            /// CertificateRequests.
            requests: Requests {
                queue: Queue<ObjectKey> = Queue::new("certificaterequests"),
                workers: |configured| configured.max(OTHERS_AT_ONCE),
                all: |index| index.requests.keys(),
            }
            /// Kubernetes' CertificateSigningRequests (GAT-01).
            signing_requests: SigningRequests {
                queue: Queue<ObjectKey> = Queue::new("certificatesigningrequests"),
                workers: |configured| configured.max(SIGNING_AT_ONCE),
                all: signing_request::waiting,
            }
            /// Objects of the cluster into which CAs are injected.
            injections: Injections {
                queue: Queue<TargetId> = Queue::new("cainjector"),
                workers: |_| INJECTIONS_AT_ONCE,
                all: injection::all,
            }
            /// Copies of the Secrets of Certificates in other namespaces.
            copies: Copies {
                queue: Queue<ObjectKey> = Queue::new("secret-sync"),
                workers: |_| COPIES_AT_ONCE,
                all: copies::all,
            }
            /// trust-manager's Bundles (BUN-01).
            bundles: Bundles {
                queue: Queue<ObjectKey> = Queue::new("bundles"),
                workers: |_| BUNDLES_AT_ONCE,
                all: |index| index.bundles.keys(),
            }
            /// Orders, with their Challenges.
            orders: Orders {
                queue: Queue<ObjectKey> = Queue::new("orders"),
                workers: |configured| configured.max(ORDERS_AT_ONCE),
                all: order::all,
            }
        }
    };
}

pub(crate) mod ari;
pub(crate) mod bundle;
pub(crate) mod certificate;
pub(crate) mod copies;
pub(crate) mod error;
pub(crate) mod follow_up;
pub(crate) mod injection;
pub(crate) mod issuer;
pub(crate) mod order;
pub(crate) mod outages;
pub(crate) mod ports;
pub(crate) mod queues;
pub(crate) mod renewals;
pub(crate) mod reported;
pub(crate) mod request;
pub(crate) mod rotations;
pub(crate) mod router;
pub(crate) mod services;
pub(crate) mod shim;
pub(crate) mod signing;
pub(crate) mod signing_request;
pub(crate) mod solving;
pub(crate) mod sweep;
pub(crate) mod wake;
mod web_identity;

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use jiff::Timestamp;

use self::{
    ari::RenewalPolls,
    bundle::Bundles,
    certificate::Certificates,
    copies::Copies,
    injection::Injections,
    issuer::Issuers,
    order::Orders,
    request::Requests,
    shim::{Gateways, Ingresses, ListenerSets},
    signing_request::SigningRequests,
};
pub(crate) use self::{error::ControllerError, follow_up::FollowUp, ports::Ports, services::Services};
use crate::{
    cluster::{self, index::Index},
    plan::seen::Next,
    work::{Key, Queue, Terms},
};

/// Minimum number of workers for Orders, which wait for CAs and not for the CPU.
const ORDERS_AT_ONCE: usize = 128;
/// Minimum number of workers for other controllers that call CAs.
const OTHERS_AT_ONCE: usize = 32;
/// Number of targets of CAs that are in memory at the same time: a CRD can have a megabyte. cert-manager's cainjector also has four
/// workers.
const INJECTIONS_AT_ONCE: usize = 4;
/// Number of Certificates whose Secret and copies are in memory at the same time: each can have a megabyte.
const COPIES_AT_ONCE: usize = 4;
/// Number of Bundles that are in memory at the same time: each may have megabytes of sources.
const BUNDLES_AT_ONCE: usize = 2;
/// Minimum number of workers for requests: one may wait for a slow server.
const SIGNING_AT_ONCE: usize = 2;

macro_rules! controllers {
    ($($(#[$doc:meta])* $name:ident: $controller:ident {
        queue: $queue:ty = $made:expr,
        workers: $workers:expr,
        all: $all:expr,
    })*) => {
        /// All controllers, their shared state, and the state of the process.
        pub(crate) struct Controllers {
            /// Their external dependencies.
            pub ports: Ports,
            $($(#[$doc])* pub $name: Arc<$controller>,)*
            /// What they share.
            pub services: Services,
            /// Whether all Certificates have been reconciled in this term.
            pub terms: Terms,
            /// Whether this process is shutting down and only answers challenges in flight.
            pub ending: AtomicBool,
        }

        impl Controllers {
            /// Controllers without state. They do nothing before [`Controllers::start`].
            pub(crate) fn new(services: Services) -> Self {
                Self {
                    $($name: Arc::new($controller::new(&services)),)*
                    ports: services.ports.clone(),
                    services,
                    terms: Terms::default(),
                    ending: AtomicBool::new(false),
                }
            }

            /// Clears the state of all controllers, when a term ends or begins.
            pub(crate) fn forget(&self) {
                $(self.$name.clear();)*
                self.services.clear();
            }

            /// Resumes the queues, each with the keys of all its objects.
            fn resume(&self) {
                $(self.ports.queues.$name.resume(keys(&self.ports.index, $all));)*
            }

            /// Starts every controller with the configured number of workers, or more. They wait until their queues are resumed.
            pub(crate) fn start(&self, configured: usize, now: fn() -> Timestamp) {
                $({
                    let workers: fn(usize) -> usize = $workers;
                    work(&self.$name, &self.ports.queues.$name, workers(configured), now, $controller::reconcile);
                })*
                tokio::spawn(Arc::clone(&self.services.signing).drop_idle_keys());
            }
        }
    };
}

each_controller!(controllers);

impl Controllers {
    /// Whether this process is shutting down.
    pub(crate) fn is_ending(&self) -> bool {
        self.ending.load(Ordering::Acquire)
    }

    /// Whether all Certificates have been reconciled in this term.
    pub(crate) fn is_reconciled(&self) -> bool {
        self.terms.is_reconciled()
    }
}

fn keys<K: Key>(index: &Index, all: impl Fn(&Index) -> Vec<K>) -> Vec<K> {
    all(index)
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
