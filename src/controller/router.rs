//! The beginning and the end of the work, and how changes come to the table of what wakes what.

use std::sync::{Arc, OnceLock, Weak};

use super::{
    controllers::Controllers,
    wake::{owners, waiting_signing_requests, wake},
};
use crate::{
    cluster::{index::Observer, issuers},
    plan::kinds::OrderKind,
};

/// Tells the queues about changes. Made before the controllers, which need what it makes.
#[derive(Clone, Default)]
pub struct Router {
    controllers: Arc<OnceLock<Weak<Controllers>>>,
}

impl Router {
    /// Changes are routed from now on; before, they are only in the index.
    pub fn attach(&self, controllers: &Arc<Controllers>) {
        // a second call changes nothing: there is one set of controllers per process
        drop(self.controllers.set(Arc::downgrade(controllers)));
    }

    /// What watches and writes tell.
    pub fn observer(&self) -> Observer {
        let controllers = Arc::clone(&self.controllers);
        Arc::new(move |change| {
            if let Some(controllers) = controllers.get().and_then(Weak::upgrade) {
                wake(&controllers, &change);
            }
        })
    }
}

/// Keys of everything, for a process that begins to lead.
pub fn everything(controllers: &Controllers) {
    let (index, queues) = (&controllers.ports.index, &controllers.ports.queues);
    // what was remembered when this process led before is old
    controllers.forget();
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
pub fn nothing(controllers: &Controllers) {
    controllers.ports.queues.pause();
    controllers.forget();
}
