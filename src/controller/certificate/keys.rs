//! Generation of private keys, of RSA keys on threads for long work.
//!
//! An RSA key takes from a tenth of a second to minutes. No worker waits for one: it is generated in the background, stored until
//! the Certificate fetches it, and the Certificate is requeued when it is ready.

use std::{sync::Arc, time::Duration};

use super::{made_keys::Wanted, state::Certificates};
use crate::{
    controller::{ControllerError, FollowUp},
    pki::{
        Error,
        key::{KeySpec, PrivateKey},
    },
    plan::seen::{Meta, ObjectKey},
    work::{Interrupted, LONG},
};

/// A key that was not fetched after this time is dropped: its Certificate was deleted, or another replica leads.
const FORGET_AFTER: Duration = Duration::from_secs(600);

/// A new key for a Certificate, or `None` while it is being generated. The Certificate is requeued when it is ready.
pub(super) fn generate(
    controller: &Arc<Certificates>,
    meta: &Meta,
    spec: KeySpec,
) -> Result<Option<Arc<PrivateKey>>, ControllerError> {
    if !spec.is_slow() {
        return Ok(Some(Arc::new(PrivateKey::generate(spec)?)));
    }
    let wanted: Wanted = (meta.uid.clone(), spec);
    match controller.state.keys.take(&wanted) {
        Ok(Ok(key)) => Ok(Some(key)),
        Ok(Err(error)) => Err(error.into()),
        Err(false) => Ok(None),
        Err(true) => {
            tokio::spawn(make(Arc::clone(controller), meta.key.clone(), wanted));
            Ok(None)
        }
    }
}

async fn make(controller: Arc<Certificates>, key: ObjectKey, wanted: Wanted) {
    let spec = wanted.1;
    let made = match LONG.run(move || PrivateKey::generate(spec)).await {
        Ok(made) => made,
        Err(Interrupted::Panicked) => Err(Error::Key(format!("generating the {spec} key panicked; this is a bug"))),
        Err(Interrupted::Ending) => return,
    };
    if !controller.state.keys.put(&wanted, made.map(Arc::new)) {
        return;
    }
    controller.ports.queues.follow_up(FollowUp::KeyMade(key));
    let controller = {
        let weak = Arc::downgrade(&controller);
        drop(controller);
        weak
    };
    tokio::time::sleep(FORGET_AFTER).await;
    if let Some(controller) = controller.upgrade() {
        controller.state.keys.forget(&wanted);
    }
}
