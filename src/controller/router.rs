//! The beginning and the end of the work, and how changes come to the table of what wakes what.

use std::sync::{Arc, OnceLock, Weak};

use super::{
    context::Context,
    wake::{owners, waiting_signing_requests, wake},
};
use crate::{
    cluster::{index::Observer, issuers},
    plan::kinds::OrderKind,
};

/// Tells the queues of a context about changes. Made before the context, which needs what it makes.
#[derive(Clone, Default)]
pub struct Router {
    context: Arc<OnceLock<Weak<Context>>>,
}

impl Router {
    /// Changes are routed from now on; before, they are only in the index.
    pub fn attach(&self, context: &Arc<Context>) {
        // a second call changes nothing: there is one context per process
        drop(self.context.set(Arc::downgrade(context)));
    }

    /// What watches and writes tell.
    pub fn observer(&self) -> Observer {
        let context = Arc::clone(&self.context);
        Arc::new(move |change| {
            if let Some(context) = context.get().and_then(Weak::upgrade) {
                wake(&context, &change);
            }
        })
    }
}

/// Keys of everything, for a process that begins to lead.
pub fn everything(context: &Context) {
    let (index, queues) = (&context.index, &context.queues);
    // what was remembered when this process led before is old
    context.forget();
    queues.issuers.resume(issuers::all(index));
    queues.ingresses.resume(index.ingresses.keys());
    queues.certificates.resume(index.certificates.keys());
    queues.renewals.resume(index.certificates.keys());
    queues.requests.resume(index.requests.keys());
    queues.signing_requests.resume(waiting_signing_requests(index));
    let challenged = index.challenges.all();
    queues.orders.resume(index.orders.keys());
    for challenge in challenged {
        for key in owners::<OrderKind>(Some(&challenge.meta)) {
            queues.orders.add(key);
        }
    }
}

/// Forgets everything that waits, and all that controllers remember: this process does not lead any more.
pub fn nothing(context: &Context) {
    context.queues.pause();
    context.forget();
}
