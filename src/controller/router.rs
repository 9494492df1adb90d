//! Routes changes to the table of what wakes what, and wakes everything when leadership begins.

use std::sync::{Arc, OnceLock, Weak};

use super::{Controllers, wake::wake};
use crate::cluster::index::Observer;

/// Tells the queues about changes. Made before the controllers, which need what it makes.
#[derive(Clone, Default)]
pub(crate) struct Router {
    controllers: Arc<OnceLock<Weak<Controllers>>>,
}

impl Router {
    /// Starts routing. Earlier changes are only in the index.
    pub(crate) fn attach(&self, controllers: &Arc<Controllers>) {
        // a second call changes nothing: there is one set of controllers per process
        drop(self.controllers.set(Arc::downgrade(controllers)));
    }

    /// The receiver of changes for watches and writes.
    pub(crate) fn observer(&self) -> Observer {
        let controllers = Arc::clone(&self.controllers);
        Arc::new(move |change| {
            if let Some(controllers) = controllers.get().and_then(Weak::upgrade) {
                wake(&controllers, &change);
            }
        })
    }
}

/// Wakes everything, when this process begins to lead.
pub(crate) fn everything(controllers: &Controllers) {
    // state of an earlier term is outdated
    controllers.forget();
    controllers.resume();
}

/// Empties the queues and the state of all controllers, when this process stops leading.
pub(crate) fn nothing(controllers: &Controllers) {
    controllers.ports.queues.pause();
    controllers.forget();
}
