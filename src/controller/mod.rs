//! Wiring, one file per kind: what triggers a reconcile, and in which order its steps run.

pub mod ari;
pub mod certificate;
pub mod context;
pub mod error;
pub mod ingress;
pub mod issuer;
pub mod order;
pub mod ports;
pub mod queues;
pub mod renewals;
pub mod request;
pub mod rotations;
pub mod router;
pub mod said;
pub mod signing;
pub mod signing_request;
pub mod solving;
pub mod sweep;
pub mod wake;

use std::sync::Arc;

use jiff::Timestamp;

pub use context::Context;
pub use error::ControllerError;
pub use ports::Ports;

use crate::{
    plan::seen::Next,
    work::{Key, Queue},
};

/// Workers for Orders, at least: they wait for CAs, not for processors.
const ORDERS_AT_ONCE: usize = 128;
/// Workers for whatever else asks CAs, at least.
const OTHERS_AT_ONCE: usize = 32;

/// Starts every controller, each with this many workers. They wait until their queues are resumed.
///
/// A controller is wired by one line: `work(context, &context.queues.orders, workers, now, order::reconcile)`.
pub fn start(context: &Arc<Context>, workers: usize, now: fn() -> Timestamp) {
    work(
        context,
        &context.queues.certificates,
        workers,
        now,
        certificate::reconcile,
    );
    work(context, &context.queues.ingresses, workers, now, ingress::reconcile);
    let (asking, ordering) = (workers.max(OTHERS_AT_ONCE), workers.max(ORDERS_AT_ONCE));
    work(context, &context.queues.issuers, asking, now, issuer::reconcile);
    work(context, &context.queues.renewals, asking, now, ari::reconcile);
    // two at least: one may wait for a server that never answers
    let signing_workers = workers.max(2);
    work(
        context,
        &context.queues.requests,
        signing_workers,
        now,
        request::reconcile,
    );
    tokio::spawn(signing::drop_idle_keys(Arc::clone(context)));
    work(context, &context.queues.orders, ordering, now, order::reconcile);
    work(
        context,
        &context.queues.signing_requests,
        signing_workers,
        now,
        signing_request::reconcile,
    );
}

fn work<K, F, Fut>(context: &Arc<Context>, queue: &Arc<Queue<K>>, workers: usize, now: fn() -> Timestamp, reconcile: F)
where
    K: Key,
    F: Fn(Arc<Context>, K) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Result<Next, ControllerError>> + Send + 'static,
{
    let context = Arc::clone(context);
    tokio::spawn(Arc::clone(queue).run(workers, now, move |key| {
        let work = reconcile(Arc::clone(&context), key);
        async move { work.await.map(Next::time) }
    }));
}
